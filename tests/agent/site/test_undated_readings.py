"""Readings that wait for the clock, in memory and in a real spool."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.acquisition.device_source import Source
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.site.undated_readings import INDEX, PIECE_READINGS, SHARE, UndatedReadings
from wattgram.store.spool import Spool
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

METER = load("eastron_sdm630")
PLAN = make_plan(METER)
PLACES = {place.register.quantity: place.position for place in PLAN.places}


class Boot:
    """A clock status with this boot identifier."""

    def __init__(self, name: str) -> None:
        self._name = name

    def synchronised(self) -> bool:
        return False

    def runs_when_off(self) -> bool:
        return False

    def uptime(self) -> float:
        return 0.0

    def boot_id(self) -> str:
        return self._name


def source(name: str) -> Source:
    device = DeviceConfig(name, "grid", METER.name, METER, parse("tcp://127.0.0.1"), 1)
    config = Config(SiteConfig("works", ZoneInfo("Asia/Shanghai")), (device,), SpoolConfig(Path()), GridConfig("CN-CQ"))
    device_source = Source(config.devices[0], "works", 0.0)
    device_source.equip(METER, PLAN)
    return device_source


def reading(number: int) -> Reading:
    """Return a reading at this second with as many watts."""
    image = bytearray(2 * PLAN.words)
    for quantity, value in (("active_power_total", number), ("voltage_l1n", 230.0), ("frequency", 50.0)):
        struct.pack_into(">f", image, 2 * PLACES[quantity], value)
    return Reading(0, float(number), bytes(image), b"\1" * PLAN.words)


def in_spool(folder: Path, work: Callable[[Spool], Awaitable[None]], size: int = 2**30) -> None:
    async def run() -> None:
        spool = Spool(folder, max_size=size, keep=1e8, sinks=())
        await spool.open()
        await work(spool)
        await spool.close()

    asyncio.run(run())


def take_all(waiting: UndatedReadings) -> list[tuple[str, float, object]]:
    results: list[tuple[str, float, object]] = []
    while waiting:
        undated = waiting.take()
        results.append((undated.record.series.tag("device"), undated.monotonic, undated.record["active_power_total"]))
    return results


def test_waiting_readings_are_returned_in_order(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("first"), 100.0)
        incomer, roof = source("incomer"), source("roof")
        for number in range(5):
            waiting.add(incomer if number % 2 else roof, reading(number))
        assert len(waiting) == 5
        assert waiting.first == 0.0
        kept = [waiting.take() for _ in range(5)]
        assert [(undated.source, undated.reading) for undated in kept] == [
            (incomer if number % 2 else roof, reading(number)) for number in range(5)
        ]
        assert not waiting
        # No reading remains on disk.
        await spool.sync()
        assert await UndatedReadings(spool, Boot("second"), 0.0).restore() == 0

    in_spool(tmp_path, work)


def test_a_source_shows_a_waiting_reading_but_does_not_count_it(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        incomer = source("incomer")
        UndatedReadings(spool, Boot("first"), 100.0).add(incomer, reading(7))
        assert (incomer.state(8.0), incomer.power(8.0)) == ("good", 7.0)
        assert incomer.taken is None
        assert incomer.metering.dump() == {}

    in_spool(tmp_path, work)


def test_another_process_of_the_same_boot_continues_with_waiting_readings(tmp_path: Path) -> None:
    count = 3 * PIECE_READINGS + 5

    async def first(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("first"), 100.0)
        for number in range(count):
            waiting.add(source("incomer" if number % 3 else "roof"), reading(number))
        for _ in range(PIECE_READINGS + 10):  # of the second piece, ten are taken
            waiting.take()

    async def second(spool: Spool) -> None:
        # This process began 40 s after the first, so 60 s of uptime was its second -40 + 60.
        waiting = UndatedReadings(spool, Boot("first"), 140.0)
        assert await waiting.restore() == 0
        waiting.add(source("incomer"), reading(500))
        await spool.sync()

    async def third(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("first"), 140.0)
        assert await waiting.restore() == 0
        assert take_all(waiting) == [
            *(
                ("incomer" if number % 3 else "roof", number - 40.0, float(number))
                for number in range(PIECE_READINGS + 10, count)
            ),
            ("incomer", 500.0, 500.0),
        ]

    for work in (first, second, third):
        in_spool(tmp_path, work)


def test_another_boot_counts_waiting_readings_as_undated(tmp_path: Path) -> None:
    async def first(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("first"), 100.0)
        for number in range(70):
            waiting.add(source("incomer"), reading(number))

    async def second(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("second"), 0.0)
        assert await waiting.restore() == 70
        assert not waiting
        await spool.sync()
        assert await UndatedReadings(spool, Boot("first"), 0.0).restore() == 0

    for work in (first, second):
        in_spool(tmp_path, work)


def test_readings_of_a_boot_without_an_identifier_are_undated(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        UndatedReadings(spool, Boot(""), 100.0).add(source("incomer"), reading(1))
        await spool.sync()
        assert await UndatedReadings(spool, Boot(""), 0.0).restore() == 1

    in_spool(tmp_path, work)


def test_the_oldest_readings_are_dropped_and_counted(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("first"), 0.0, limit=3)
        for number in range(10):
            waiting.add(source("incomer"), reading(number))
        assert (len(waiting), waiting.dropped) == (3, 7)
        assert [power for _, _, power in take_all(waiting)] == [7.0, 8.0, 9.0]

    in_spool(tmp_path, work)


def test_waiting_readings_take_at_most_an_eighth_of_the_spool(tmp_path: Path) -> None:
    size = 8 * 2**20

    async def work(spool: Spool) -> None:
        waiting, incomer = UndatedReadings(spool, Boot("first"), 0.0), source("incomer")
        for number in range(6000):
            waiting.add(incomer, reading(number))
        assert len(waiting) + waiting.dropped == 6000
        assert waiting.dropped > 0
        await spool.sync()
        index = await spool.state(INDEX)
        assert index is not None
        pieces = [await spool.state(f"{INDEX} {number}") or b"" for number in range(200)]
        size_on_disk = sum(map(len, pieces))
        assert 0.9 * size / SHARE < size_on_disk <= size / SHARE
        restored = UndatedReadings(spool, Boot("first"), 0.0)
        assert await restored.restore() == 0
        assert [power for _, _, power in take_all(restored)][-1] == 5999.0

    in_spool(tmp_path, work, size)


def test_damaged_pieces_are_ignored(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        UndatedReadings(spool, Boot("first"), 0.0).add(source("incomer"), reading(1))
        for damage in (b"{", b'["incomer", 1.0, "!"]', b'{"device": "incomer"}'):
            spool.put_state(f"{INDEX} 0", damage)
            await spool.sync()
            restored = UndatedReadings(spool, Boot("first"), 0.0)
            assert await restored.restore() == 0
            assert not restored

    in_spool(tmp_path, work)


def test_a_reading_before_the_state_of_a_disk_that_was_read_late_overwrites_no_waiting_one(tmp_path: Path) -> None:
    async def first(spool: Spool) -> None:
        waiting = UndatedReadings(spool, Boot("first"), 100.0)
        for number in (1, 2):
            waiting.add(source("incomer"), reading(number))

    async def second(spool: Spool) -> None:
        spool.unread = "an I/O error"  # while the site is made
        waiting = UndatedReadings(spool, Boot("first"), 100.0)
        spool.unread = ""  # the first sync could read the disk, and the state is not taken up yet
        waiting.add(source("incomer"), reading(100))
        await spool.sync()
        await waiting.restore()
        assert [monotonic for _, monotonic, _ in take_all(waiting)] == [1.0, 2.0, 100.0]

    in_spool(tmp_path, first)
    in_spool(tmp_path, second)
