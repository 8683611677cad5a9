"""The chain of models of one SunSpec device while it is polled: walks, and comparisons with the last walk.

A walk takes several requests, and other devices of the bus wait for their turn. So a walk is taken in pieces: what was
answered is remembered, and the next piece continues.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from math import inf

from wattgram_drivers.device import Device, Kind, Table
from wattgram_drivers.driver_errors import BadAnswer, Refused
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk
from wattgram_drivers.sunspec.walk import Survey

from wattgram.base.occurrence import Occurrence

from .watched_bus import DeviceBus

log = logging.getLogger(__name__)

COMPARE_SECONDS = 60.0
"""Seconds between two comparisons of a device with its last walk: trackers that slept begin a longer chain."""

RECONNECT_SECONDS = 10.0
"""Shortest time between two comparisons because of a new connection, s: some devices close it after each answer."""

MOST_ATTEMPTS = 3
"""Comparisons in a row that may fail before a device is read without one: some devices close each connection soon."""

WALK_SECONDS = 86400.0
"""Seconds between two walks of a device that shows no difference."""

PIECES_SECONDS = 60.0
"""Longest time for all pieces of a walk, s. After that, what was remembered may be outdated."""


class WalkPaused(Exception):
    """A walk that has used its time. The next call continues; other devices come first."""


class _Pieces:
    """Requests of a walk, with the answers of its earlier pieces."""

    def __init__(self, bus: DeviceBus, unit: int, started: float) -> None:
        self._bus = bus
        self._unit = unit
        self._answers: dict[tuple[Table, int, int], bytes | Refused] = {}
        self._limit = inf
        self._end = inf
        self._asked = False
        self.started = started

    def begin(self, limit: float, seconds: float) -> None:
        """Begin a piece. limit: time-out of a request, s; seconds: after that, no further request is sent."""
        self._limit = limit
        self._end = asyncio.get_running_loop().time() + seconds
        self._asked = False

    async def read(self, table: Table, address: int, count: int) -> bytes:
        """Return the registers. WalkPaused: the time is used; at least one request is sent in each piece."""
        request = (table, address, count)
        if request not in self._answers:
            if self._asked and asyncio.get_running_loop().time() >= self._end:
                raise WalkPaused
            self._asked = True
            try:
                self._answers[request] = await self._bus.read(self._unit, table, address, count, timeout=self._limit)
            except Refused as refused:
                self._answers[request] = refused
        answer = self._answers[request]
        if isinstance(answer, Refused):
            raise answer
        return answer


class ChainWatch:
    """The last walk of a device, and when to look again. Times are real s of a monotonic clock.

    reader: the reader of `found`, None when a new one is needed.
    """

    def __init__(self, unit: int, driver: str, kind: Kind | None) -> None:
        self.found: Survey | None = None
        self.reader: Reader | None = None
        self._unit = unit
        self._driver = driver
        self._kind = kind
        self._pieces: _Pieces | None = None
        self._compared = -inf
        self._reconnected = -inf  # the last comparison because of a new connection
        self._walked = -inf
        self._connections = 0
        self._attempts = 0  # comparisons that failed in a row

    @property
    def walking(self) -> bool:
        """Whether a walk has begun."""
        return self._pieces is not None

    async def walk(self, bus: DeviceBus, limit: float, seconds: float, now: float) -> Survey:
        """Walk the chain, or continue. limit: time-out of a request, s; seconds: until other devices come first.

        WalkPaused: to be continued. BadAnswer: the member has another kind than before. Errors as for `walk.discover`.
        """
        if self._pieces is None or now - self._pieces.started > PIECES_SECONDS:
            self._pieces = _Pieces(bus, self._unit, now)
        self._pieces.begin(limit, seconds)
        try:
            known_before = self.found is not None
            survey = await walk.survey(self._pieces.read, self._driver, self._kind, vacant=known_before)
        except WalkPaused:
            raise
        except BaseException:
            self._pieces = None
            raise
        self._pieces = None
        if self.found is None:
            return survey
        known, device = self.found.device, survey.device
        if device.kind != known.kind:
            raise BadAnswer(f"unit {self._unit}: found SunSpec models {survey.models}, expected a {known.kind}")
        if not (device.vendor or device.model or device.serial):  # a sleeping device
            device = replace(device, vendor=known.vendor, model=known.model, serial=known.serial)
        return replace(survey, device=device)

    def must_compare(self, connections: int, now: float) -> bool:
        """Return whether the connection was opened again since the last comparison."""
        return self._connections != connections and now - self._reconnected >= RECONNECT_SECONDS

    def may_compare(self, now: float) -> bool:
        """Return whether a comparison, or a walk, is due in the free time of the bus."""
        return self.walking or now - self._compared >= COMPARE_SECONDS or self.must_walk(now)

    def must_walk(self, now: float) -> bool:
        """Return whether a walk is due although nothing differs."""
        return now - self._walked >= WALK_SECONDS

    async def compare(self, bus: DeviceBus, limit: float, connections: int, now: float) -> str:
        """Compare the device with the last walk; return the difference in words, "" for none."""
        assert self.found is not None  # a device is walked before it is compared

        async def read(table: Table, address: int, count: int) -> bytes:
            return await bus.read(self._unit, table, address, count, timeout=limit)

        self._compared = now
        self._attempts += 1
        if self._attempts % MOST_ATTEMPTS == 0:
            self._reconnected = now
        different = await walk.difference(read, self.found)
        self._attempts = 0
        if self._connections != connections:
            self._reconnected, self._connections = now, connections
        return different

    def adopt(self, survey: Survey, reader: Reader, connections: int, now: float) -> None:
        """Take the result of a walk as the present one."""
        self.found, self.reader = survey, reader
        self._compared = self._walked = now
        self._connections = connections

    def postpone(self, now: float) -> None:
        """Note a failed walk or comparison: the next one follows in COMPARE_SECONDS."""
        self._pieces = None
        self._compared = now
        self._walked = max(self._walked, now - WALK_SECONDS + COMPARE_SECONDS)


def exchanged(known: Device, found: Device) -> bool:
    """Return whether another device answers: with another serial number, or without one under another name."""
    if known.serial and found.serial:
        return known.serial != found.serial
    return (known.vendor, known.model) != (found.vendor, found.model)


def changes(known: Survey, found: Survey) -> Iterator[Occurrence]:
    """Yield the events of a walk with another result."""
    old, new = known.device, found.device
    if (old.vendor, old.model, old.serial) != (new.vendor, new.model, new.serial):
        yield Occurrence("device exchanged", f"{_named(old)}, then {_named(new)}")
    if known.chain != found.chain:
        yield Occurrence("layout changed", f"SunSpec models {_placed(known)}, then {_placed(found)}")


def _named(device: Device) -> str:
    return " ".join(word for word in (device.vendor, device.model, device.serial) if word) or "no name"


def _placed(survey: Survey) -> str:
    return f"{survey.models} from {survey.chain[0].address}"
