"""One task a bus: who is due, read, hand on the reading; back-off for those that do not answer."""

from __future__ import annotations

import heapq
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from wattgram_drivers import sunspec
from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Kind, Reading, Table
from wattgram_drivers.errors import BusDown, DriverError
from wattgram_drivers.modbus import Bus
from wattgram_drivers.reader import Reader

from .clock import NS, Clock
from .config import KIND_OF_ROLE
from .source import Source

log = logging.getLogger(__name__)

LONGEST_WAIT = 300.0
"""Seconds between two attempts at a device that does not answer, at most (SPEC 6.6)."""

DISCOVERY_TIMEOUT = 2.0
"""Seconds for an answer while a device is not known yet."""

GIVE_UP_MAP = 3
"""Failures in a row after which a SunSpec device is walked again: it may have come back with other models."""


class Receiver(Protocol):
    """Who takes readings."""

    def take(self, source: Source, reading: Reading) -> None:
        """A reading of a source, just made."""


@dataclass(slots=True)
class _Station:
    """One device on the line: its reader once it is known, and how often it failed in a row."""

    source: Source
    reader: Reader | None = None
    failures: int = 0


async def equipped(bus: Bus, source: Source) -> Reader:
    """A reader for a source, which a SunSpec device is asked about first; the source learns its layout.

    Whatever the bus raises; MapError when the configuration's quantities are not among the device's.
    """
    config = source.config
    limit, kind = config.timeout or DISCOVERY_TIMEOUT, KIND_OF_ROLE.get(config.role)
    device = config.device or await discovered(bus, config.unit, limit, config.driver, kind)
    if config.timeout is not None:
        device = replace(device, limits=replace(device.limits, timeout=config.timeout))
    reader = Reader(device, config.unit, config.quantities or None)
    source.equip(device, reader.plan)
    return reader


async def discovered(bus: Bus, unit: int, limit: float, driver: str = SUNSPEC, kind: Kind | None = None) -> Device:
    """What a SunSpec device says it is: the member that `driver` names, or the first of a kind.

    `limit` in s for each answer. Whatever the bus raises; BadAnswer when there is no such member.
    """

    async def read(table: Table, address: int, count: int) -> bytes:
        return await bus.read(unit, table, address, count, timeout=limit)

    return await sunspec.discover(read, driver, kind)


class Line:
    """A bus and the devices on it, read one after the other, aligned to the wall clock's intervals."""

    def __init__(
        self, bus: Bus, sources: Sequence[Source], receiver: Receiver, clock: Clock, chance: random.Random
    ) -> None:
        self.name = str(bus.endpoint)
        self.bus = bus
        self.readings = 0
        self.failures = 0
        self._stations = [_Station(source) for source in sources]
        self._receiver = receiver
        self._clock = clock
        self._chance = chance
        self._connect_delay = max(
            (one.source.config.device.limits.connect_delay for one in self._stations if one.source.config.device),
            default=0.0,
        )

    async def run(self) -> None:
        """Poll until cancelled; then the connection is closed."""
        due = [(self._next(one.source.config.interval), order) for order, one in enumerate(self._stations)]
        heapq.heapify(due)
        try:
            while True:
                time, order = due[0]
                await self._clock.sleep(time - self._clock.monotonic())
                station = self._stations[order]
                await self._visit(station)
                heapq.heapreplace(due, (self._again(station), order))
        finally:
            await self.bus.close()

    async def _visit(self, station: _Station) -> None:
        source = station.source
        try:
            await self.bus.connect(self._connect_delay)
            if station.reader is None:
                station.reader = await equipped(self.bus, source)
            reading = await station.reader.read(self.bus, self._clock)
        except DriverError as error:
            self._failed(station, error)
        else:
            if station.failures:
                log.info("%s answers again after %d failures", source.config.name, station.failures)
            station.failures = 0
            self.readings += 1
            self._receiver.take(source, reading)

    def _failed(self, station: _Station, error: DriverError) -> None:
        source = station.source
        station.failures += 1
        self.failures += 1
        if station.failures == 1:
            log.warning("%s: %s", source.config.name, error)
        source.error = str(error)
        if station.failures >= GIVE_UP_MAP and source.config.device is None and not isinstance(error, BusDown):
            station.reader = None

    def _next(self, interval: float) -> float:
        """Monotonic s of the next whole multiple of an interval on the wall clock, which may be set meanwhile."""
        step = int(interval * NS)
        return self._clock.monotonic() + (step - self._clock.time() % step) / NS

    def _again(self, station: _Station) -> float:
        interval = station.source.config.interval
        if station.failures <= 1:
            return self._next(interval)
        wait = min(LONGEST_WAIT, interval * 2.0 ** min(station.failures - 1, 16))
        return self._clock.monotonic() + wait * self._chance.uniform(0.75, 1.0)
