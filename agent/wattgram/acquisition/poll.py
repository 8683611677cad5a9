"""Polling of one bus by one task: choice of the next device, reading, back-off for devices that do not answer.

Due times and waits are seconds of the clock; time-outs and durations of requests are real seconds. A demonstration's
clock runs faster than real time.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from wattgram_drivers.bus_time import request_cost
from wattgram_drivers.catalogue import SUNSPEC
from wattgram_drivers.device import Device, Kind, Reading, Table
from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, LayoutChanged, NoAnswer, Refused
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.quantity import is_slow
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk
from wattgram_drivers.sunspec.walk import Survey

from wattgram.base.clock import NS, Clock
from wattgram.base.watchdog import Pulse
from wattgram.config.devices_table import KIND_OF_ROLE, DeviceConfig

from .bus_usage import Usage
from .chain_watch import ChainWatch, WalkPaused, changes, exchanged
from .device_source import Source
from .terminal_reading import with_terminal
from .validity import nameplate_of
from .watched_bus import DeviceBus, WatchedBus

log = logging.getLogger(__name__)

LONGEST_BACK_OFF = 300.0
"""Longest time between two attempts at a device or a bus that does not answer, s (SPEC 6.6)."""

SHORTEST_WAIT = 1.0
"""Shortest wait before the next attempt to connect a bus, s."""

POLL_MARGIN = 0.01
"""Time that stays free between an attempt at a silent device and the next reading of another device, real s."""

SAME_INSTANT_SECONDS = 0.002
"""Largest difference of two due times that count as one instant, real s."""

LATENESS_TOLERANCE = 0.01
"""Difference of lateness, in intervals, below which two devices count as equally late."""

BUSY_BUS_SHARE = 0.05
"""Duration of an attempt at a silent device on a bus that is never free, as a share of the shortest interval."""

FULL_TIMEOUT_EVERY = 8
"""Number of attempts after which a silent device gets its full time-out once, even if other devices wait."""

DISCOVERY_TIMEOUT = 2.0
"""Time-out of a request before the device's limits are known, s."""

REDISCOVER_AFTER = 3
"""Consecutive failures after which a SunSpec device is discovered again: its models may have changed."""


MOST_BUSY = 12
"""Failures in a row of a busy device after which it is tried less often."""


class Receiver(Protocol):
    """A consumer of readings."""

    def take(self, source: Source, reading: Reading) -> None:
        """Process a new reading of a source."""


@dataclass(slots=True)
class _Station:
    """One device on the bus: its reader (None before discovery) and the number of consecutive failures.

    due: time of the next visit, monotonic s. instant: wall time of that visit, UTC ns. fair: due time on a bus with
    enough capacity, which is one interval after the last one even if an instant was skipped, monotonic s.
    busy: the device answered the last request with the exception of a busy device.
    slow_period: number of the slow interval in which the slow quantities were last read. watch: chain of models of a
    SunSpec device, None for a device with a map.
    """

    source: Source
    watch: ChainWatch | None = None
    reader: Reader | None = None
    failures: int = 0
    busy: bool = False
    due: float = 0.0
    instant: int = 0
    fair: float = 0.0
    slow_period: int = -1

    @property
    def config(self) -> DeviceConfig:
        """Configuration of the device."""
        return self.source.config

    @property
    def timeout(self) -> float:
        """Time-out of one request, real s."""
        if self.reader is not None:
            return self.reader.device.limits.timeout
        return self.config.timeout or (self.config.device.limits.timeout if self.config.device else DISCOVERY_TIMEOUT)

    @property
    def silent_at_night(self) -> bool:
        """Whether the device is normally silent at night."""
        device = self.reader.device if self.reader else self.config.device
        return device is not None and device.night == "silent"

    def late(self, now: float) -> float:
        """Return how late the reading is, in intervals."""
        return (now - self.fair) / self.config.interval


async def equipped(bus: DeviceBus, source: Source, limit: float = inf) -> Reader:
    """Create the reader of a source and set the source's layout. A SunSpec device is discovered first.

    limit: upper bound of the discovery's time-out, s. Raises DriverError as the bus does, and MapError if the device
    lacks a quantity of the configuration.
    """
    config = source.config
    timeout, kind = min(limit, config.timeout or DISCOVERY_TIMEOUT), KIND_OF_ROLE.get(config.role)
    return fitted(bus, source, config.device or await discovered(bus, config.unit, timeout, config.driver, kind))


def fitted(bus: DeviceBus, source: Source, device: Device) -> Reader:
    """Create the reader of a source for a device, and set the source's layout. MapError as for `equipped`."""
    config = source.config
    if config.timeout is not None:
        device = replace(device, limits=replace(device.limits, timeout=config.timeout))
    quantities, slow = with_terminal(config, device), slow_of(config, device)
    if quantities and config.rated_power is None and (name := nameplate_of(device)) and name not in quantities:
        quantities, slow = (*quantities, name), (*slow, name)  # read once, or with the slow quantities
    reader = Reader(device, config.unit, quantities or None, cost=request_cost(bus.endpoint, device.limits), slow=slow)
    source.equip(device, reader.plan)
    return reader


def slow_of(config: DeviceConfig, device: Device) -> tuple[str, ...]:
    """Return the quantities of a device that are read once per slow interval; by default those of the vocabulary."""
    if config.slow_interval is None:
        return ()
    return config.slow or tuple(name for name in device.quantities if is_slow(name))


async def discovered(
    bus: DeviceBus, unit: int, limit: float, driver: str = SUNSPEC, kind: Kind | None = None
) -> Device:
    """Discover a SunSpec device: the member that `driver` names, else the first member of a kind.

    limit: time-out of each request, s. Raises DriverError as the bus does, and BadAnswer if there is no such member.
    """

    async def read(table: Table, address: int, count: int) -> bytes:
        return await bus.read(unit, table, address, count, timeout=limit)

    return await walk.discover(read, driver, kind)


class BusPoller:
    """Poller of a bus: reads its devices one after another, aligned to the intervals of the wall clock.

    The next device is the one that is most overdue, measured in its own intervals. So an overloaded bus delays all
    devices in proportion. A device that failed is tried while no other device is due and time permits.
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
        self._stations = [_Station(source, _watch_of(source.config)) for source in sources]
        self._receiver = receiver
        self._clock = clock
        self._chance = chance
        self._failed_connects = 0  # consecutive
        self._next_connect = 0.0  # monotonic s
        self._just_free = False  # whether the last turn read a due device
        self._connect_delay = max(
            (station.config.device.limits.connect_delay for station in self._stations if station.config.device),
            default=0.0,
        )
        self._watched_bus = WatchedBus(bus, self.pulse, self._connect_delay)
        for station in self._stations:
            bus.tolerate(station.config.unit, station.config.tolerate)

    async def run(self) -> None:
        """Poll until cancelled, then close the connection."""
        for station in self._stations:
            self._schedule(station)
        try:
            while True:
                await self._turn()
        finally:
            await self.bus.close()

    async def _turn(self) -> None:
        """Visit one device, or wait until one is due."""
        now = self._clock.monotonic()
        self.usage.update()
        if self._failed_connects and now < self._next_connect:
            await self.pulse.sleep(self._clock, self._next_connect - now)
        elif attempt := self._attempt(now):
            await self._visit(*attempt)
            self._just_free = False
        elif station := self._overdue(now):
            await self._visit(station)
            self._just_free = True
        else:
            self._just_free = False
            times = [station.due for station in self._stations]
            await self.pulse.sleep(self._clock, min(time for time in times if time > now) - now)

    def _overdue(self, now: float) -> _Station | None:
        """Return the answering device that is due and most intervals late, None if no device is due."""
        answering = [station for station in self._stations if not station.failures]
        if not any(station.due <= now for station in answering):
            return None
        # Due times of one instant differ by microseconds; the order of these devices must not depend on that.
        due = [station for station in answering if station.due <= now + SAME_INSTANT_SECONDS * self._clock.speed]
        worst = max(station.late(now) for station in due)
        latest = [station for station in due if station.late(now) > worst - LATENESS_TOLERANCE]
        return min(latest, key=lambda station: station.config.interval)

    def _attempt(self, now: float) -> tuple[_Station, float] | None:
        """Return a failed device that may be tried now, and the time for the attempt, real s; None if there is none.

        A device is tried if its full time-out fits before the next due time. If that never happens, it gets the
        remaining time when the bus becomes free. On a bus that is never free it gets a small share of an interval.
        """
        answering = [station for station in self._stations if not station.failures]
        interval = min((station.config.interval for station in answering), default=inf)
        free = (min((station.due for station in answering), default=inf) - now) / self._clock.speed - POLL_MARGIN
        silent = [station for station in self._stations if station.failures and station.due <= now]
        for station in sorted(silent, key=lambda station: station.due):
            full = station.timeout + self._first_request(station)
            if free >= full:
                return station, free
            if self._just_free and free > 0.0 and station.failures % FULL_TIMEOUT_EVERY == 0:
                return station, full
            if self._just_free and free >= 2 * self._first_request(station):
                return station, free
            longest = max(other.config.interval for other in answering)
            if now - station.due > 2 * longest:
                return station, max(BUSY_BUS_SHARE * interval / self._clock.speed, 2 * self._first_request(station))
        return None

    def _first_request(self, station: _Station) -> float:
        """Return the predicted duration of a device's first request, real s."""
        config, reader = station.config, station.reader
        if reader is not None:
            return reader.cost.seconds(reader.plan.fast_blocks[:1])
        known = config.device
        return request_cost(self.bus.endpoint, known.limits).request if known else POLL_MARGIN

    async def _visit(self, station: _Station, free: float = inf) -> None:
        """Read a device. free: longest duration, real s."""
        try:
            await self._watched_bus.connect()
        except BusDown as error:
            self._connect_failed(error)
            return
        if self._failed_connects:
            log.info("%s: connected again after %d attempts", self.name, self._failed_connects)
            self._failed_connects = 0
        requests_before = 0
        try:
            reader = await self._reader(station, free)
            requests_before = reader.requests
            period = self._slow_period(station)
            slow = period != station.slow_period
            try:
                reading = await self._read(station, reader, slow, free)
            except LayoutChanged as change:
                log.warning("%s: %s; its models are read again", station.config.name, change)
                station.reader = None
                reader = await self._reader(station, free)
                requests_before = reader.requests
                reading = await self._read(station, reader, slow, free)
        except WalkPaused:
            station.due = station.fair = self._clock.monotonic()
            return
        except DriverError as error:
            self._read_failed(station, error)
        else:
            if station.failures:
                log.info("%s answers again after %d failures", station.config.name, station.failures)
            station.failures = 0
            station.slow_period = period
            self.readings += 1
            self._receiver.take(station.source, reading)
        if station.reader is not None:
            self.requests += station.reader.requests - requests_before
        self._schedule(station)
        if not station.failures:
            await self._look_at_chain(station)

    async def _read(self, station: _Station, reader: Reader, slow: bool, free: float) -> Reading:
        within = min(free, self._longest_reading(station, reader.seconds(slow=slow)))
        return await reader.read(self._watched_bus, self._clock, slow=slow, within=within)

    async def _reader(self, station: _Station, free: float) -> Reader:
        """Return the reader of a device; walk its models first if they are unknown, or differ after a reconnection.

        WalkPaused: other devices come first.
        """
        watch, now = station.watch, self._real_time()
        if watch is None:
            station.reader = station.reader or await equipped(self._watched_bus, station.source, free)
            return station.reader
        limit = min(free, station.timeout)
        if station.reader is not None and watch.must_compare(self.bus.connections, now):
            try:
                different = await watch.compare(self._watched_bus, limit, self.bus.connections, now)
            except (Refused, BadAnswer) as error:
                different = ""
                log.debug("%s: models not compared: %s", station.config.name, error)
            if different:
                log.warning("%s: %s; its models are read again", station.config.name, different)
                station.reader = None
        if station.reader is None:
            seconds = min(free, self._free_seconds(station))
            self._adopt(station, watch, await watch.walk(self._watched_bus, limit, seconds, now))
        assert station.reader is not None  # `_adopt` has set it
        return station.reader

    async def _look_at_chain(self, station: _Station) -> None:
        """Compare a device with its last walk, or walk again, if it is due and the bus is free."""
        watch, now = station.watch, self._real_time()
        if watch is None or not watch.may_compare(now):
            return
        free = self._free_seconds(station)
        limit = min(free, station.timeout)
        if limit < 2 * self._first_request(station):
            return
        try:
            if not (watch.walking or watch.must_walk(now)):
                different = await watch.compare(self._watched_bus, limit, self.bus.connections, now)
                if not different:
                    return
                log.warning("%s: %s; its models are read again", station.config.name, different)
            self._adopt(station, watch, await watch.walk(self._watched_bus, limit, free, now))
        except WalkPaused:
            pass  # the next visit continues
        except DriverError as error:
            log.debug("%s: models not compared: %s", station.config.name, error)
            watch.postpone(now)

    def _adopt(self, station: _Station, watch: ChainWatch, survey: Survey) -> None:
        """Read a device as a walk found it. Its counters continue, unless another device answers."""
        source, known = station.source, watch.found
        if known is not None:
            source.notices += changes(known, survey)
        if watch.reader is not None and known is not None and known.device == survey.device:
            station.reader = watch.reader
        else:
            station.reader = fitted(self._watched_bus, source, survey.device)
            station.slow_period = -1
        if known is not None and exchanged(known.device, survey.device):
            source.forget_counters()
        watch.adopt(survey, station.reader, self.bus.connections, self._real_time())

    def _free_seconds(self, station: _Station) -> float:
        """Return the time until another device is due, real s."""
        others = (other.due for other in self._stations if other is not station and not other.failures)
        return (min(others, default=inf) - self._clock.monotonic()) / self._clock.speed

    def _real_time(self) -> float:
        return self._clock.monotonic() / self._clock.speed

    def _longest_reading(self, station: _Station, seconds: float) -> float:
        """Return the longest duration of a reading, real s: one time-out longer than predicted.

        Another time-out, for a request that is repeated on a new connection, only if no device waits for the bus.
        """
        longest = station.timeout + seconds
        step = int(station.config.interval * NS)
        due = [other.due for other in self._stations if other is not station and not other.failures]
        free = min([step - self._clock.time() % step, *((time - self._clock.monotonic()) * NS for time in due)]) / NS
        repeated = longest + station.timeout + self._connect_delay
        return max(longest, min(repeated, free / self._clock.speed - POLL_MARGIN))

    def _connect_failed(self, error: BusDown) -> None:
        """Count a failed connection and postpone all devices of the bus."""
        self._failed_connects += 1
        self.failures += 1
        for station in self._stations:
            station.source.error = str(error)
        if self._failed_connects == 1:
            night = "; normal at night" if all(station.silent_at_night for station in self._stations) else ""
            log.warning("%s; %d devices wait%s", error, len(self._stations), night)
        shortest = max(SHORTEST_WAIT, min(station.config.interval for station in self._stations))
        self._next_connect = self._clock.monotonic() + self._back_off(shortest, self._failed_connects)

    def _read_failed(self, station: _Station, error: DriverError) -> None:
        station.failures += 1
        station.busy = isinstance(error, Refused) and error.busy
        self.failures += 1
        if station.failures == 1:
            if station.silent_at_night and isinstance(error, NoAnswer) and not error.fault:
                log.info("%s: %s; normal at night", station.config.name, error)
            else:
                log.warning("%s: %s", station.config.name, error)
        station.source.error = str(error)
        bus_down = isinstance(error, BusDown)
        if station.failures >= REDISCOVER_AFTER and station.watch is not None and not bus_down:
            station.reader = station.watch.reader = None

    def _schedule(self, station: _Station) -> None:
        """Set the next visit: at the next instant, or after a growing back-off without an answer; busy is one."""
        now, wall = self._clock.monotonic(), self._clock.time()
        if station.failures > 1 and not (station.busy and station.failures <= MOST_BUSY):
            wait = self._back_off(station.config.interval, station.failures)
            station.due, station.instant = now + wait, wall + int(wait * NS)
            return
        step = int(station.config.interval * NS)
        instant = (wall // step + 1) * step
        if instant == station.instant and instant - wall < step // 2:  # a slewed clock: the visit began early
            instant += step
        station.due, station.instant = now + (instant - wall) / NS, instant
        station.fair = min(max(station.fair + station.config.interval, now), station.due)

    def _back_off(self, shortest: float, failures: int) -> float:
        """Return the time until the next attempt, s. It is random, so that devices that failed together spread out."""
        longest = min(LONGEST_BACK_OFF, shortest * 2.0 ** min(failures - 1, 16))
        return longest * self._chance.uniform(0.5, 1.0)

    @staticmethod
    def _slow_period(station: _Station) -> int:
        """Return the number of the slow interval that contains the instant of this visit."""
        slow = station.config.slow_interval
        return 0 if slow is None else station.instant // int(slow * NS)


def _watch_of(config: DeviceConfig) -> ChainWatch | None:
    if config.device is not None:
        return None
    return ChainWatch(config.unit, config.driver, KIND_OF_ROLE.get(config.role))
