"""When a line reads whom, against real servers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from wattgram.clock import NS, Clock
from wattgram.config import DeviceConfig
from wattgram.poll import Line
from wattgram.source import Source
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus import Bus

from tests.drivers.misbehaving import Behaviour, Request, Server, Step, by_unit, honest, silent, until


class Settable(Clock):
    """The real clock, whose wall time can be set."""

    offset = 0

    def time(self) -> int:
        return super().time() + self.offset


class Taken:
    """Remembers who was read when, in wall s."""

    def __init__(self) -> None:
        self.readings: list[tuple[str, float]] = []

    def take(self, source: Source, reading: Reading) -> None:
        self.readings.append((source.config.name, reading.time / NS))

    def of(self, name: str) -> list[float]:
        return [time for who, time in self.readings if who == name]


async def lined(server: Server, clock: Clock, units: dict[str, int], *, interval: float) -> tuple[Line, Taken]:
    """A line with SDM630 meters at these units."""
    meter = load("eastron_sdm630")
    sources = [
        Source(
            DeviceConfig(
                name,
                "load",
                meter.name,
                meter,
                parse(server.url),
                unit,
                interval=interval,
                timeout=0.1,
                quantities=("active_power_total",),
            ),
            "works",
            clock.monotonic(),
        )
        for name, unit in units.items()
    ]
    taken = Taken()
    return Line(Bus(parse(server.url)), sources, taken, clock, random.Random(1)), taken


def test_readings_are_aligned_to_the_wall_clocks_intervals() -> None:
    async def run() -> list[float]:
        clock = Clock()
        async with Server(honest) as server:
            line, taken = await lined(server, clock, {"one": 1}, interval=0.5)
            task = asyncio.create_task(line.run())
            await until(lambda: len(taken.readings) >= 4)
            task.cancel()
        return taken.of("one")

    halves = [int(time / 0.5) for time in asyncio.run(run())]
    assert halves == list(range(halves[0], halves[0] + len(halves)))


def test_a_wall_clock_that_is_set_back_stops_nobody() -> None:
    async def run() -> None:
        clock = Settable()
        async with Server(honest) as server:
            line, taken = await lined(server, clock, {"one": 1, "two": 2}, interval=0.2)
            task = asyncio.create_task(line.run())
            await until(lambda: len(taken.readings) >= 4)
            clock.offset = -3600 * NS
            before = {name: len(taken.of(name)) for name in ("one", "two")}
            await asyncio.wait_for(until(lambda: all(len(taken.of(n)) >= before[n] + 3 for n in before)), 30)
            task.cancel()

    asyncio.run(run())


def test_a_dead_unit_is_asked_more_and_more_rarely_and_found_again() -> None:
    alive = False

    def waking(request: Request) -> Sequence[Step]:
        return honest(request) if alive else silent(request)

    async def run() -> tuple[int, int, Taken]:
        nonlocal alive
        behaviour: Behaviour = by_unit({2: waking})
        async with Server(behaviour) as server:
            line, taken = await lined(server, Clock(), {"good": 1, "dead": 2}, interval=0.2)
            task = asyncio.create_task(line.run())
            await until(lambda: len(taken.of("good")) >= 15)
            asked = sum(request.unit == 2 for request in server.requests)
            alive = True
            await until(lambda: bool(taken.of("dead")))
            task.cancel()
            return asked, len(taken.of("good")), taken

    asked, good, _ = asyncio.run(run())
    # 0.2 s doubling from the second failure on: asked at about 0, 0.2, 0.6, 1.4 s and so on.
    assert 2 <= asked <= 6 < good
