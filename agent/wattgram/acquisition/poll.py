"""One task a bus: who is due, read, hand on the reading; back-off for those that do not answer.

Due times and waits are the clock's seconds, time-outs and what a request takes are real ones: a demonstration's
clock runs faster than its wires.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Kind, Reading, Table
from wattgram_drivers.driver_errors import BusDown, DriverError, NoAnswer
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.plan import is_slow, request_cost
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk

from wattgram.base.clock import NS, Clock
from wattgram.base.watchdog import Pulse
from wattgram.config.load import KIND_OF_ROLE, DeviceConfig

from .bus_usage import Usage
from .device_source import Source
from .watched_bus import DeviceBus, WatchedBus

log = logging.getLogger(__name__)

LONGEST_BACK_OFF = 300.0
"""Seconds between two attempts at a device or a bus that does not answer, at most (SPEC 6.6)."""

SHORTEST_WAIT = 1.0
"""Seconds before a bus that is down is tried again, at least."""

POLL_MARGIN = 0.01
"""Real seconds that stay free between an attempt at a silent device and the next reading of another."""

SAME = 0.002
"""Real seconds between the due times of two devices up to which they are taken as due together."""

ALIKE = 0.01
"""Intervals by which one device must be later than another to be served before its turn."""

SQUEEZE = 0.05
"""Share of the others' shortest interval that an attempt may cost them where the bus is never free."""

WHOLE_ATTEMPT = 8
"""Every so many attempts a silent device has its whole time-out, whether there is room for it or not."""

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
    """One device on the line: its reader once it is known, and how often it failed in a row.

    `due` is when it is visited next (monotonic s) and `instant` the wall time that this stands for (UTC ns). `fair`
    is when it would be read with time for everybody: an interval after the last, also where an instant is skipped.
    `slow_period` counts the slow intervals up to the last reading of the slow quantities.
    """

    source: Source
    reader: Reader | None = None
    failures: int = 0
    due: float = 0.0
    instant: int = 0
    fair: float = 0.0
    slow_period: int = -1

    @property
    def config(self) -> DeviceConfig:
        """What the configuration says about it."""
        return self.source.config

    @property
    def timeout(self) -> float:
        """Real seconds for one answer."""
        if self.reader is not None:
            return self.reader.device.limits.timeout
        return self.config.timeout or (self.config.device.limits.timeout if self.config.device else DISCOVERY_TIMEOUT)

    @property
    def sleeps(self) -> bool:
        """Whether its silence may mean that it is night."""
        device = self.reader.device if self.reader else self.config.device
        return device is not None and device.night == "silent"

    def late(self, now: float) -> float:
        """Intervals that its reading is overdue."""
        return (now - self.fair) / self.config.interval


async def equipped(bus: DeviceBus, source: Source, limit: float = inf) -> Reader:
    """A reader for a source, which a SunSpec device is asked about first; the source learns its layout.

    `limit` in s shortens the time-out of these questions. Whatever the bus raises; MapError when the
    configuration's quantities are not among the device's.
    """
    config = source.config
    patience, kind = min(limit, config.timeout or DISCOVERY_TIMEOUT), KIND_OF_ROLE.get(config.role)
    device = config.device or await discovered(bus, config.unit, patience, config.driver, kind)
    if config.timeout is not None:
        device = replace(device, limits=replace(device.limits, timeout=config.timeout))
    price = request_cost(bus.endpoint, device.limits)
    reader = Reader(device, config.unit, config.quantities or None, cost=price, slow=slow_of(config, device))
    source.equip(device, reader.plan)
    return reader


def slow_of(config: DeviceConfig, device: Device) -> tuple[str, ...]:
    """The quantities of a device that are read once a slow interval; by the vocabulary where nobody chose."""
    if config.slow_interval is None:
        return ()
    return config.slow or tuple(name for name in device.quantities if is_slow(name))


async def discovered(
    bus: DeviceBus, unit: int, limit: float, driver: str = SUNSPEC, kind: Kind | None = None
) -> Device:
    """What a SunSpec device says it is: the member that `driver` names, or the first of a kind.

    `limit` in s for each answer. Whatever the bus raises; BadAnswer when there is no such member.
    """

    async def read(table: Table, address: int, count: int) -> bytes:
        return await bus.read(unit, table, address, count, timeout=limit)

    return await walk.discover(read, driver, kind)


class BusPoller:
    """A bus and the devices on it, read one after the other, aligned to the wall clock's intervals.

    Whoever is overdue longest, measured in its own intervals, is next, so that a bus with too much to do slows all
    of its devices down alike. One that failed is tried when nobody else is due, as far as there is time.
    """

    def __init__(
        self, bus: Bus, sources: Sequence[Source], receiver: Receiver, clock: Clock, chance: random.Random
    ) -> None:
        self.name = str(bus.endpoint)
        self.bus = bus
        self.pulse = Pulse(f"bus {self.name}")
        self.readings = 0
        self.failures = 0
        self.requests = 0
        self.usage = Usage(bus, clock)
        self._stations = [_Station(source) for source in sources]
        self._receiver = receiver
        self._clock = clock
        self._chance = chance
        self._lost = 0  # attempts to connect in a row that failed
        self._up_at = 0.0  # when the next one is made
        self._begins = False  # whether the bus has just become free
        self._connect_delay = max(
            (one.config.device.limits.connect_delay for one in self._stations if one.config.device), default=0.0
        )
        self._asked = WatchedBus(bus, self.pulse, self._connect_delay)

    async def run(self) -> None:
        """Poll until cancelled; then the connection is closed."""
        for station in self._stations:
            self._schedule(station)
        try:
            while True:
                await self._turn()
        finally:
            await self.bus.close()

    async def _turn(self) -> None:
        """Visit one device, or wait until there is one to visit."""
        now = self._clock.monotonic()
        self.usage.note()
        if self._lost and now < self._up_at:
            await self.pulse.sleep(self._clock, self._up_at - now)
        elif attempt := self._attempt(now):
            await self._visit(*attempt)
            self._begins = False
        elif station := self._overdue(now):
            await self._visit(station)
            self._begins = True
        else:
            self._begins = False
            times = [one.due for one in self._stations]
            await self.pulse.sleep(self._clock, min(time for time in times if time > now) - now)

    def _overdue(self, now: float) -> _Station | None:
        """Who is to be read: of those who answer and are due the one that is most intervals late."""
        living = [one for one in self._stations if not one.failures]
        if not any(one.due <= now for one in living):
            return None
        # Devices of one instant have due times that differ by microseconds, and shall keep their order.
        due = [one for one in living if one.due <= now + SAME * self._clock.speed]
        worst = max(one.late(now) for one in due)
        return min((one for one in due if one.late(now) > worst - ALIKE), key=lambda one: one.config.interval)

    def _attempt(self, now: float) -> tuple[_Station, float] | None:
        """A device that failed and may be tried now, and the real seconds that there are for it.

        It is tried while its whole time-out fits before the others are due. Where that never happens it gets what
        there is when the bus becomes free, and where the bus is never free a small share of an interval.
        """
        living = [one for one in self._stations if not one.failures]
        interval = min((one.config.interval for one in living), default=inf)
        free = (min((one.due for one in living), default=inf) - now) / self._clock.speed - POLL_MARGIN
        waiting = sorted((one for one in self._stations if one.failures and one.due <= now), key=lambda one: one.due)
        for station in waiting:
            whole = station.timeout + self._first(station)
            if free >= whole:
                return station, free
            if self._begins and free > 0.0 and station.failures % WHOLE_ATTEMPT == 0:
                return station, whole
            if self._begins and free >= 2 * self._first(station):
                return station, free
            longest = max(one.config.interval for one in living)
            if now - station.due > 2 * longest:
                return station, max(SQUEEZE * interval / self._clock.speed, 2 * self._first(station))
        return None

    def _first(self, station: _Station) -> float:
        """Predicted real seconds of a device's first request."""
        config, reader = station.config, station.reader
        if reader is not None:
            return reader.cost.seconds(reader.plan.fast_blocks[:1])
        known = config.device
        return request_cost(self.bus.endpoint, known.limits).request if known else POLL_MARGIN

    async def _visit(self, station: _Station, free: float = inf) -> None:
        """Read a device; `free`: real seconds that this may take at most."""
        try:
            await self._asked.connect()
        except BusDown as error:
            self._down(error)
            return
        if self._lost:
            log.info("%s: connected again after %d attempts", self.name, self._lost)
            self._lost = 0
        asked = 0
        try:
            if station.reader is None:
                station.reader = await equipped(self._asked, station.source, free)
            reader = station.reader
            asked = reader.requests
            period = self._slow_period(station)
            slow = period != station.slow_period
            within = min(free, station.timeout + reader.seconds(slow=slow))
            reading = await reader.read(self._asked, self._clock, slow=slow, within=within)
        except DriverError as error:
            self._failed(station, error)
        else:
            if station.failures:
                log.info("%s answers again after %d failures", station.config.name, station.failures)
            station.failures = 0
            station.slow_period = period
            self.readings += 1
            self._receiver.take(station.source, reading)
        if station.reader is not None:
            self.requests += station.reader.requests - asked
        self._schedule(station)

    def _down(self, error: BusDown) -> None:
        """The bus cannot be reached: all its devices wait."""
        self._lost += 1
        self.failures += 1
        for station in self._stations:
            station.source.error = str(error)
        if self._lost == 1:
            night = "; normal at night" if all(one.sleeps for one in self._stations) else ""
            log.warning("%s; %d devices wait%s", error, len(self._stations), night)
        shortest = max(SHORTEST_WAIT, min(one.config.interval for one in self._stations))
        self._up_at = self._clock.monotonic() + self._wait(shortest, self._lost)

    def _failed(self, station: _Station, error: DriverError) -> None:
        station.failures += 1
        self.failures += 1
        if station.failures == 1:
            if station.sleeps and isinstance(error, NoAnswer):
                log.info("%s: %s; normal at night", station.config.name, error)
            else:
                log.warning("%s: %s", station.config.name, error)
        station.source.error = str(error)
        lost = isinstance(error, BusDown)
        if station.failures >= GIVE_UP_MAP and station.config.device is None and not lost:
            station.reader = None

    def _schedule(self, station: _Station) -> None:
        """When the device is visited next: at its next instant, or later and later while it does not answer."""
        now, wall = self._clock.monotonic(), self._clock.time()
        if station.failures > 1:
            wait = self._wait(station.config.interval, station.failures)
            station.due, station.instant = now + wait, wall + int(wait * NS)
            return
        step = int(station.config.interval * NS)
        instant = (wall // step + 1) * step
        if instant == station.instant and instant - wall < step // 2:  # slewed: the visit came a little before it
            instant += step
        station.due, station.instant = now + (instant - wall) / NS, instant
        station.fair = min(max(station.fair + station.config.interval, now), station.due)

    def _wait(self, shortest: float, failures: int) -> float:
        """Seconds until the next attempt; by chance, so that many that failed at once do not come back in step."""
        longest = min(LONGEST_BACK_OFF, shortest * 2.0 ** min(failures - 1, 16))
        return longest * self._chance.uniform(0.5, 1.0)

    @staticmethod
    def _slow_period(station: _Station) -> int:
        """Which slow interval the instant of this visit lies in."""
        slow = station.config.slow_interval
        return 0 if slow is None else station.instant // int(slow * NS)
