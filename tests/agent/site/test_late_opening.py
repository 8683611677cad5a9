"""A site whose disk is read-only, full or broken at the start: nothing begins anew, and nothing is published twice."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.store.history import History

from tests.support.clocked_sites import Life, seconds
from tests.support.disks import failing_to_read, fill, mounted_over, remount, small_disk

pytestmark = pytest.mark.slow(2)

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
TICK = 10.0


def repeated_keys(life: Life) -> list[object]:
    """Return the keys that were published a second time without being a revision."""
    keys = Counter(
        (record.series.kind, record.series.tags, record.time)
        for record in life.told
        if record.series.kind in ("device", "event") or (record.series.kind == "emission" and not record["revision"])
    )
    return [key for key, count in keys.items() if count > 1]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    remount(folder, "ro")
    try:
        yield
    finally:
        remount(folder, "rw")


@contextmanager
def full(folder: Path) -> Iterator[None]:
    fill(folder)
    try:
        yield
    finally:
        (folder / "filler").unlink()


@contextmanager
def broken(folder: Path) -> Iterator[None]:
    with failing_to_read(folder / "journal"):
        yield


async def ended(life: Life) -> None:
    await life.end()


async def killed(life: Life) -> None:
    await life.sync()
    await life.kill()


@pytest.mark.parametrize("end", [ended, killed])
@pytest.mark.parametrize("bad", [read_only, full])
def test_accounts_continue_on_a_disk_that_cannot_be_written(
    tmp_path: Path, bad: Callable[[Path], AbstractContextManager[None]], end: Callable[[Life], Awaitable[None]]
) -> None:
    """12:00 to 12:10, a stop, on until 12:20 with a bad disk from the start, then with a good one until 12:31."""

    async def work(folder: Path) -> Life:
        life = Life(folder, START, tick=TICK)
        await life.begin()
        await life.go(600.0)
        await end(life)
        with bad(folder):
            life.refuses = True
            await life.begin()
            assert life.opening.done.is_set(), "the stored state was read at once"
            before = len(life.of("device"))
            await life.go(600.0)
            await life.sync()
            assert len(life.of("device")) - before == 60, "sinks get the readings from memory"
        life.refuses = False
        await life.go(660.0)
        await life.sync()
        assert life.plant.spool.pending == 0
        await life.end()
        return life

    with small_disk(tmp_path / "disk", "24m") as folder:
        life = asyncio.run(work(folder))
    assert repeated_keys(life) == []
    assert life.events() == []
    quarters = life.of("emission", "15m")
    assert seconds(quarters, START) == [0.0, 900.0]
    # 36 kW: 9 kWh a quarter. A run that had begun anew at 12:10 would have told a third of it.
    assert [float(quarter["load_energy"]) for quarter in quarters] == pytest.approx([9000.0, 9000.0], rel=0.02)
    assert [float(quarter["coverage"]) for quarter in quarters] == pytest.approx([1.0, 1.0], abs=0.04)


@pytest.mark.parametrize("step", [0.0, -30.0])
@pytest.mark.parametrize("end", [ended, killed])
def test_readings_wait_until_a_broken_disk_can_be_read(
    tmp_path: Path, end: Callable[[Life], Awaitable[None]], step: float
) -> None:
    """12:00 to 12:10, a stop, on with a disk that fails to read until 12:14, then with a good one until 12:31."""

    async def work(folder: Path) -> Life:
        life = Life(folder, START, tick=TICK)
        await life.begin()
        await life.go(600.0)
        await end(life)
        life.set(step)
        told = len(life.told)
        with broken(folder):
            life.refuses = True
            await life.begin()
            assert "Input/output error" in life.plant.spool.unread
            await life.go(240.0)
            assert len(life.told) == told, "nothing is published before the state is known"
            assert life.plant.site.timekeeper.state == "good", "the clock is not to blame"
        life.refuses = False
        await life.sync()
        await asyncio.wait_for(life.opening.done.wait(), 60)
        await life.go(1020.0 - step)
        await life.end()
        return life

    with small_disk(tmp_path / "disk", "24m") as folder:
        life = asyncio.run(work(folder))
    assert repeated_keys(life) == []
    told = [event for event in life.events() if event not in ("clock stepped", "instants wait", "instants go on")]
    assert told == ["spool unavailable", "spool available"]
    readings = seconds(life.of("device"), START)
    later = [600.0 + step + TICK * number for number in range(1, 127 - round(step / TICK))]
    expected = [TICK * number for number in range(1, 61)] + later
    assert readings == pytest.approx(expected, abs=0.01), "each reading has the time of its reading"
    quarters = life.of("emission", "15m")
    assert seconds(quarters, START) == [0.0, 900.0]
    assert [float(quarter["load_energy"]) for quarter in quarters] == pytest.approx([9000.0, 9000.0], rel=0.05)


def test_a_kill_while_the_disk_cannot_be_read_loses_only_what_waited(tmp_path: Path) -> None:
    async def work(folder: Path) -> Life:
        life = Life(folder, START, tick=TICK)
        await life.begin()
        await life.go(600.0)
        await life.end()
        for _ in range(2):
            with broken(folder):
                life.refuses = True
                await life.begin()
                await life.go(60.0)
                await life.kill()
        life.refuses = False
        await life.begin()
        await life.go(240.0)
        await life.end()
        return life

    with ExitStack() as stack:
        life = asyncio.run(work(stack.enter_context(small_disk(tmp_path / "disk", "24m"))))
    assert repeated_keys(life) == []
    (quarter,) = life.of("emission", "15m")
    # The energy of the two minutes is in the meter's counter: 12:00 to 12:15 with 36 kW.
    assert float(quarter["load_energy"]) == pytest.approx(9000.0, rel=0.05)


def test_a_disk_mounted_late_continues_its_accounts_and_repeats_nothing(tmp_path: Path) -> None:
    """12:00 to 12:10 on the disk, 12:10 to 12:20 in the empty directory below, then to 12:31 on the disk again."""
    folder, disk = tmp_path / "spool", tmp_path / "disk"
    folder.mkdir()
    disk.mkdir()

    async def work() -> Life:
        life = Life(folder, START, tick=TICK)
        with mounted_over(disk, folder):
            await life.begin()
            await life.go(600.0)
            await life.end()
        await life.begin()
        await life.go(600.0)
        with mounted_over(disk, folder):
            life.refuses = True
            await life.go(TICK)
            assert life.plant.spool.replaced.is_set()
            await life.move()
            life.refuses = False
            await life.go(660.0)
            await life.end()
            with History(folder, "works").delivered(["device"], lambda series: True) as stored:
                times.extend((record.time - START) / NS for record in stored.records(0, 2**62))
        return life

    times: list[float] = []
    life = asyncio.run(work())
    assert times == pytest.approx([TICK * number for number in range(1, 188)], abs=0.01), "all are on the disk"
    contents = defaultdict(set)
    for record in life.told:
        if record.series.kind != "emission" or not record["revision"]:
            contents[record.series.kind, record.series.tags, record.time].add((record.values, record.texts))
    assert [key for key, found in contents.items() if len(found) > 1] == []
    (moved,) = [event for event in life.of("event") if event["event"] == "spool replaced"]
    assert "a directory with its own state" in str(moved["detail"])
    # The run in the empty directory has published the quarter at 12:15, of five minutes; it is not published again.
    assert "window not told" in life.events()
    first, second = {record.time: record for record in life.of("emission", "15m")}.values()
    assert float(first["coverage"]) == pytest.approx(1 / 3, abs=0.02)
    # The counter of the meter tells the energy from 12:10 to 12:20: with it, 12:15 to 12:30 has 36 kW.
    assert float(second["load_energy"]) == pytest.approx(9000.0, rel=0.05)
