"""Readings that wait for the wall clock, in memory and on disk; a power cut costs the last second.

On disk the readings are state of the spool, in pieces of which only the last one changes. After a restart of the
process the readings get their times, because the monotonic clock has continued. After a restart of the machine their
times are unknown. A reading from disk becomes a record and is not part of the balance.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from wattgram_drivers.device import Reading

from wattgram.acquisition.device_source import Source
from wattgram.base.errors import SpoolError
from wattgram.base.occurrence import Occurrence
from wattgram.base.record import Record, Series
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import ClockStatus

log = logging.getLogger(__name__)

MOST_READINGS = 100_000
"""Most readings that wait: 50 minutes of 32 devices with one reading a second."""

SHARE = 8
"""Divisor of the spool's size: the largest size of the readings on disk."""

DATED_AT_ONCE = 50
"""Waiting readings that are processed at once after the clock was set; then polling continues."""

PIECE_READINGS = 64
"""Readings in a piece: two seconds of 32 devices, so that the sync of each second rewrites little."""

INDEX = "waiting"
"""State with the numbers of the pieces, the number of readings already taken from the first piece, and the boot."""


class UndatedReading(NamedTuple):
    """A waiting reading: its monotonic time (s), its record, and source and reading, unless it is from disk."""

    monotonic: float
    record: Record
    source: Source | None = None
    reading: Reading | None = None


class _StoredReadings(NamedTuple):
    """Readings on disk: boot of their process, numbers of their pieces, and readings in order."""

    boot: str
    numbers: range
    waiting: list[UndatedReading]


@dataclass(slots=True)
class _Piece:
    """Lines on disk: name, tags and fields of each series once; name, uptime, values and quality of each reading."""

    number: int
    lines: list[bytes]
    series: dict[str, Series]
    readings: int = 0
    bytes: int = 0


class UndatedReadings:
    """Queue of at most `MOST_READINGS` readings; the oldest are discarded and counted in `dropped`.

    ahead: uptime minus the monotonic clock that stamps readings, s. limit: most readings. size: most bytes on disk.
    """

    def __init__(self, spool: Spool, clock_status: ClockStatus, ahead: float, limit: int = MOST_READINGS) -> None:
        self.dropped = 0
        self._spool = spool
        self._boot = clock_status.boot_id()
        self._ahead = ahead
        self._limit = limit
        self._size = spool.max_size // SHARE
        self._queue: deque[UndatedReading] = deque()
        self._pieces: deque[_Piece] = deque()
        self._bytes = 0
        self._numbers = 0
        self._taken = 0  # readings taken from the first piece
        # Otherwise the disk cannot be read, or its state is not taken up yet: the pieces of an earlier process stay.
        self._is_restored = not spool.unread

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def first(self) -> float:
        """Monotonic time of the oldest reading, s; IndexError if there is none."""
        return self._queue[0].monotonic

    def add(self, source: Source, reading: Reading) -> None:
        """Add a reading; the page shows the reading meanwhile."""
        self._add(UndatedReading(reading.monotonic, source.decode_undated(reading), source, reading))
        self._trim()

    def _trim(self) -> None:
        """Discard the oldest readings above the limits."""
        while len(self._queue) > self._limit or self._bytes > self._size:
            self._queue.popleft()
            self._advance()
            self.dropped += 1

    def take(self) -> UndatedReading:
        """Remove and return the oldest reading; IndexError if there is none."""
        oldest = self._queue.popleft()
        self._advance()
        return oldest

    def dated(self, timestamp: Callable[[float], int]) -> Iterator[UndatedReading]:
        """Remove and yield the oldest readings, with their times by `timestamp`, at most `DATED_AT_ONCE`."""
        for _ in range(min(DATED_AT_ONCE, len(self._queue))):
            oldest = self.take()
            time = timestamp(oldest.monotonic)
            reading = None if oldest.reading is None else replace(oldest.reading, time=time)
            yield oldest._replace(record=replace(oldest.record, time=time), reading=reading)

    def occurrences(self) -> tuple[Occurrence, ...]:
        """Return the event about the readings discarded since the last call."""
        dropped, self.dropped = self.dropped, 0
        detail = f"{dropped} readings were discarded: too many readings waited for the clock or the disk"
        return (Occurrence("readings undated", detail),) if dropped else ()

    async def restore(self) -> int:
        """Restore the readings of an earlier process of this boot, before the readings of this process.

        Return the number of readings of another boot, whose times are unknown. SpoolError if the disk cannot be read.
        """
        index = await self._spool.state(INDEX)
        stored = await self._stored(index) if index else None
        # No wait from here on: meanwhile, more readings arrive.
        queue, self._queue, self._is_restored = self._queue, deque(), True
        self._pieces.clear()
        self._bytes = self._numbers = self._taken = undated = 0
        if stored is not None:
            for number in stored.numbers:
                self._put_state(f"{INDEX} {number}", b"")
            self._put_state(INDEX, b"")
            if stored.boot and stored.boot == self._boot:
                self._numbers = stored.numbers.stop
                for entry in stored.waiting:
                    self._add(entry)
            else:
                undated = len(stored.waiting)
        for entry in queue:
            self._add(entry)
        self._trim()
        return undated

    async def _stored(self, index: bytes) -> _StoredReadings | None:
        """Return the readings on disk; None if they are not readable."""
        try:
            fields = json.loads(index)
            boot, numbers = str(fields["boot"]), range(int(fields["first"]), int(fields["over"]))
            pieces = [await self._spool.state(f"{INDEX} {number}") for number in numbers]
            waiting = [entry for piece in pieces for entry in _read(piece or b"", self._ahead)][int(fields["taken"]) :]
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, SpoolError) as error:
            log.warning("spool: the stored readings that waited for the clock are not readable: %s", error)
            return None
        return _StoredReadings(boot, numbers, waiting)

    def _add(self, entry: UndatedReading) -> None:
        self._queue.append(entry)
        if not self._pieces or self._pieces[-1].readings >= PIECE_READINGS:
            self._pieces.append(_Piece(self._numbers, [], {}))
            self._numbers += 1
            self._index()
        piece, name = self._pieces[-1], entry.record.series.tag("device")
        before = piece.bytes
        if piece.series.get(name) is not entry.record.series:
            piece.series[name] = series = entry.record.series
            self._append_line(piece, {"device": name, "tags": series.tags, "fields": series.fields})
        values = base64.b85encode(entry.record.values).decode()
        self._append_line(piece, [name, entry.monotonic + self._ahead, values, entry.record["quality"]])
        piece.readings += 1
        self._bytes += piece.bytes - before
        self._put_state(f"{INDEX} {piece.number}", b"\n".join(piece.lines))

    @staticmethod
    def _append_line(piece: _Piece, content: object) -> None:
        piece.lines.append(json.dumps(content).encode())
        piece.bytes += len(piece.lines[-1]) + 1

    def _advance(self) -> None:
        """Count one reading taken from the first piece."""
        self._taken += 1
        first = self._pieces[0]
        if self._taken == first.readings:
            self._pieces.popleft()
            self._taken = 0
            self._bytes -= first.bytes
            self._put_state(f"{INDEX} {first.number}", b"")
        self._index()

    def _index(self) -> None:
        first = self._pieces[0].number if self._pieces else self._numbers
        index = {"boot": self._boot, "first": first, "over": self._numbers, "taken": self._taken}
        self._put_state(INDEX, json.dumps(index).encode() if self._pieces else b"")

    def _put_state(self, name: str, data: bytes) -> None:
        if self._spool.unread:
            self._is_restored = False
        if self._is_restored:
            self._spool.put_state(name, data)


def _read(piece: bytes, ahead: float) -> Iterator[UndatedReading]:
    """Return the readings of a piece; ValueError, KeyError or TypeError if the piece is invalid."""
    series: dict[str, Series] = {}
    for line in piece.splitlines():
        content: Any = json.loads(line)
        if isinstance(content, dict):
            tags = tuple((str(name), str(value)) for name, value in content["tags"])
            series[str(content["device"])] = Series(
                "device", tags, tuple(map(str, content["fields"])), (), ("quality",)
            )
            continue
        name, uptime, values, *quality = content  # earlier versions stored no quality
        record = Record(series[name], 0, base64.b85decode(values), (str(quality[0]) if quality else "good",))
        if len(record.values) != 8 * len(record.series.fields):
            raise ValueError(f"found {len(record.values)} bytes of {name}, expected {8 * len(record.series.fields)}")
        yield UndatedReading(float(uptime) - ahead, record)
