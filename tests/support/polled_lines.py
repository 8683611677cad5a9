"""Lines with meters at real servers, recorders of their readings, and clocks that a test sets."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support.leaping_loop import LeapClock
from tests.support.misbehaving_device import Server


class Settable(LeapClock):
    """A clock whose wall time can be set."""

    offset = 0

    def time(self) -> int:
        return super().time() + self.offset


class SteppedClock(Clock):
    """A clock that the test sets, in s since its creation; its wall time can be set, too."""

    now = 0.0
    offset = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> int:
        return super().time() + self.offset


class ReadingRecorder:
    """Records the readings of each device with their wall time, s."""

    def __init__(self) -> None:
        self.readings: list[tuple[str, float]] = []
        self.records: list[Record] = []

    def take(self, source: Source, reading: Reading) -> None:
        self.readings.append((source.config.name, reading.time / NS))
        self.records.append(source.take(reading))

    def times_of(self, name: str) -> list[float]:
        return [time for device, time in self.readings if device == name]


def meter_config(url: str, name: str, unit: int, interval: float) -> DeviceConfig:
    """Return the configuration of an SDM630; only its power is read."""
    meter = load("eastron_sdm630")
    return DeviceConfig(
        name,
        "load",
        meter.name,
        meter,
        parse(url),
        unit,
        interval=interval,
        timeout=0.1,
        quantities=("active_power_total",),
    )


def line_of(configs: Sequence[DeviceConfig], clock: Clock, bus: Bus | None = None) -> tuple[BusPoller, ReadingRecorder]:
    """Return a line with these devices."""
    sources = [Source(config, "works", clock.monotonic()) for config in configs]
    recorder = ReadingRecorder()
    return BusPoller(bus or Bus(configs[0].endpoint), sources, recorder, clock, random.Random(1)), recorder


async def meter_line(
    server: Server, clock: Clock, units: dict[str, int], *, interval: float
) -> tuple[BusPoller, ReadingRecorder]:
    """Return a line with SDM630 meters at these units."""
    return line_of([meter_config(server.url, name, unit, interval) for name, unit in units.items()], clock)


@contextlib.asynccontextmanager
async def running(*lines: BusPoller) -> AsyncIterator[None]:
    """Poll the lines during the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.run()) for line in lines]
        yield
        for task in tasks:
            task.cancel()
