"""Readings that wait for the wall clock, in memory and on disk: a power cut while they wait costs the last second.

On disk they are state of the spool in pieces, of which only the last one changes. After a restart of the process they
get their times like the others, for the monotonic clock has gone on; after one of the machine nobody knows when they
were made. What is read from disk is what the devices showed: it becomes records, and the balance goes on without it.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from wattgram_drivers.device import Reading

from wattgram.acquisition.device_source import Source
from wattgram.base.errors import SpoolError
from wattgram.base.record import Record, Series
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import Witness

log = logging.getLogger(__name__)

MOST_READINGS = 100_000
"""Readings that wait at most: 50 minutes of 32 devices that are read once a second."""

SHARE = 8
"""They take this part of the spool's size at most."""

PIECE_READINGS = 64
"""Readings in a piece: two seconds of 32 devices, so that a second's sync writes little again."""

INDEX = "waiting"
"""The state that says which pieces there are, how much of the first was taken, and of which boot they are."""


class UndatedReading(NamedTuple):
    """A reading that waits: when it was made (monotonic s), what it shows, and itself, unless it is from disk."""

    monotonic: float
    record: Record
    source: Source | None = None
    reading: Reading | None = None


@dataclass(slots=True)
class _Piece:
    """Lines on disk: of each series its name, tags and fields once, of each reading name, uptime and values."""

    number: int
    lines: list[bytes]
    series: dict[str, Series]
    readings: int = 0
    bytes: int = 0


class UndatedReadings:
    """First in, first out, at most `KEPT`; the oldest give way and are counted in `dropped`.

    ahead: s by which uptime is ahead of the monotonic clock that stamps readings. limit, size: readings and their bytes
    on disk at most.
    """

    def __init__(self, spool: Spool, witness: Witness, ahead: float, limit: int = MOST_READINGS) -> None:
        self.dropped = 0
        self._spool = spool
        self._boot = witness.boot()
        self._ahead = ahead
        self._limit = limit
        self._size = spool.max_size // SHARE
        self._kept: deque[UndatedReading] = deque()
        self._pieces: deque[_Piece] = deque()
        self._bytes = 0
        self._numbers = 0
        self._taken = 0  # of the first piece

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def first(self) -> float:
        """When the oldest one was made, on the monotonic clock; IndexError when there is none."""
        return self._kept[0].monotonic

    def add(self, source: Source, reading: Reading) -> None:
        """Keep one more; its source shows it meanwhile."""
        self._add(UndatedReading(reading.monotonic, source.decode_undated(reading), source, reading))
        while len(self._kept) > self._limit or self._bytes > self._size:
            self._kept.popleft()
            self._go_on()
            self.dropped += 1

    def take(self) -> UndatedReading:
        """The oldest one, which waits no more; IndexError when there is none."""
        oldest = self._kept.popleft()
        self._go_on()
        return oldest

    async def restore(self) -> int:
        """Bring back what waited in a process of this boot; how many there are of another, which nobody can date."""
        index = await self._spool.state(INDEX)
        if not index:
            return 0
        try:
            found = json.loads(index)
            boot, numbers = str(found["boot"]), range(int(found["first"]), int(found["over"]))
            pieces = [await self._spool.state(f"{INDEX} {number}") for number in numbers]
            kept = [one for piece in pieces for one in _read(piece or b"", self._ahead)][int(found["taken"]) :]
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, SpoolError) as error:
            log.warning("readings that waited for the clock cannot be read: %s", error)
            return 0
        for number in numbers:
            self._spool.put_state(f"{INDEX} {number}", b"")
        self._spool.put_state(INDEX, b"")
        if not boot or boot != self._boot:
            return len(kept)
        self._numbers = numbers.stop
        for one in kept:
            self._add(one)
        return 0

    def _add(self, one: UndatedReading) -> None:
        self._kept.append(one)
        if not self._pieces or self._pieces[-1].readings >= PIECE_READINGS:
            self._pieces.append(_Piece(self._numbers, [], {}))
            self._numbers += 1
            self._index()
        piece, name = self._pieces[-1], one.record.series.tag("device")
        before = piece.bytes
        if piece.series.get(name) is not one.record.series:
            piece.series[name] = series = one.record.series
            self._line(piece, {"device": name, "tags": series.tags, "fields": series.fields})
        values = base64.b85encode(one.record.values).decode()
        self._line(piece, [name, one.monotonic + self._ahead, values])
        piece.readings += 1
        self._bytes += piece.bytes - before
        self._spool.put_state(f"{INDEX} {piece.number}", b"\n".join(piece.lines))

    @staticmethod
    def _line(piece: _Piece, told: object) -> None:
        piece.lines.append(json.dumps(told).encode())
        piece.bytes += len(piece.lines[-1]) + 1

    def _go_on(self) -> None:
        """One has been taken from the first piece."""
        self._taken += 1
        first = self._pieces[0]
        if self._taken == first.readings:
            self._pieces.popleft()
            self._taken = 0
            self._bytes -= first.bytes
            self._spool.put_state(f"{INDEX} {first.number}", b"")
        self._index()

    def _index(self) -> None:
        first = self._pieces[0].number if self._pieces else self._numbers
        index = {"boot": self._boot, "first": first, "over": self._numbers, "taken": self._taken}
        self._spool.put_state(INDEX, json.dumps(index).encode() if self._pieces else b"")


def _read(piece: bytes, ahead: float) -> Iterator[UndatedReading]:
    """The readings of a piece; ValueError, KeyError or TypeError when it is none."""
    known: dict[str, Series] = {}
    for line in piece.splitlines():
        told: Any = json.loads(line)
        if isinstance(told, dict):
            tags = tuple((str(name), str(value)) for name, value in told["tags"])
            known[str(told["device"])] = Series("device", tags, tuple(map(str, told["fields"])), (), ("quality",))
            continue
        name, uptime, values = told
        record = Record(known[name], 0, base64.b85decode(values), ("good",))
        if len(record.values) != 8 * len(record.series.fields):
            raise ValueError(f"found {len(record.values)} bytes of {name}")
        yield UndatedReading(float(uptime) - ahead, record)
