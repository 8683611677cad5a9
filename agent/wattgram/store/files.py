"""The store: journal, rings and database as one, held by one process."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattgram.base.errors import SpoolError
from wattgram.base.record import Kind, Record

from .block import Numbered, whole
from .database import DATABASE_FILE, OWN, Database, unreadable
from .journal import Journal, JournalEntry, Refusal
from .ring import PlacedBlock, Ring
from .space import Space
from .view import RINGS, SENT, StoreView, connected

log = logging.getLogger(__name__)

PACK_BYTES = 1 << 20
"""Bytes of records in the journal after which they are packed; state, of which the last is enough, does not count."""

EMPTY_ENTRY = JournalEntry()

LOOSE = 5000
"""Records in the journal after which they are packed; they are in memory, too."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order in which they were appended; `seqs` numbers each for `settle`, within an `era`."""

    records: tuple[Record, ...]
    seqs: tuple[int, ...]
    era: int = 0


@dataclass(frozen=True, slots=True)
class Shares:
    """How the bytes of a spool are shared out: journal, database, one segment, all segments."""

    journal: int
    database: int
    segment: int
    rings: int

    @classmethod
    def of(cls, folder: Path, max_size: int) -> Shares:
        """For a spool of so many bytes, or of nine tenths of a disk that is smaller."""
        disk = os.statvfs(folder)
        size = min(max_size, disk.f_blocks * disk.f_frsize * 9 // 10)
        journal = _page(max(1 << 16, min(1 << 22, size // 16)))
        database = _page(max(min(size // 2, 1 << 22), size // 8))
        segment = _page(max(1 << 16, min(1 << 22, size // 64)))
        return cls(journal, database, segment, size - journal - database)


class Store:
    """One directory, held by one process.

    head: number of the last record. oldest: of the first that is there. positions: the sinks', as they are on disk.
    delivered: number up to which every sink is done, which the owner says; it decides what is history.
    payload: bytes of the records that were stored. notes: what was found damaged when it was opened.
    """

    def __init__(self, folder: Path, max_size: int) -> None:
        self.folder = folder
        self.head = 0
        self.positions: dict[str, int] = {}
        self.delivered = 0
        self.payload = 0
        self.notes: list[str] = []
        self.generation = 0
        self._max_size = max_size
        self._state: dict[str, bytes] = {}
        self._loose: list[Numbered] = []
        self._refused: list[Refusal] = []
        self._size = 0
        self._damaged = 0
        self._missed: set[tuple[int, int]] = set()
        self._parts: _Parts | None = None
        self._begun = False
        self._lock: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is something to read and write."""
        return self._parts is not None

    @property
    def oldest(self) -> int:
        """Number of the first record that is there."""
        parts = self._opened()
        first = [one.oldest for one in parts.rings.values() if one.oldest is not None]
        loose = [self._loose[0][0]] if self._loose else []
        return min([parts.database.oldest, self.head + 1, *first, *loose])

    @property
    def damaged(self) -> int:
        """Records that could not be read."""
        return self._damaged + (self._parts.database.damaged if self._parts else 0)

    @property
    def lost(self) -> int:
        """Undelivered records that were given up for want of room."""
        return self._parts.database.lost + self._parts.space.lost if self._parts else 0

    def waiting(self, done: int) -> float:
        """Share of the segments' room with records after this number that a sink is to have, 0 to 1."""
        return self._parts.space.waiting(done) if self._parts else 0.0

    @property
    def written(self) -> int:
        """Bytes of the pages that this process has written; the file system's own are not among them."""
        if self._parts is None:
            return 0
        parts = self._parts
        return parts.database.written + parts.journal.written + sum(ring.written for ring in parts.rings.values())

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged database is; None when there was none."""
        return self._parts.database.set_aside if self._parts else None

    def open(self) -> None:
        """Open or make everything; what is damaged is left out, set aside and counted.

        SpoolError when another process has it; OSError, sqlite3.Error when the disk does not serve.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        shares = Shares.of(self.folder, self._max_size)
        rings = {name: Ring(self.folder, name, kinds) for name, kinds in RINGS.items()}
        parts = _Parts(
            Database(self.folder, shares.database),
            Journal(self.folder, shares.journal),
            rings,
            Space(self.folder, tuple(rings.values()), SENT, shares.rings, shares.segment),
        )
        parts.database.open()
        try:
            try:
                self._load(parts)
            except sqlite3.DatabaseError as error:
                if not unreadable(error):
                    raise
                parts.database.recover()
                self._load(parts)
        except BaseException:
            parts.database.close()
            parts.journal.close()
            raise
        self._parts = parts

    def close(self) -> None:
        """Pack what is loose, and let others have the store."""
        parts, self._parts = self._parts, None
        try:
            if parts is not None and self._begun:
                self._pack(parts)
        except (OSError, sqlite3.Error) as error:
            log.warning("spool: what the journal holds is packed at the next start: %s", error)
        finally:
            if parts is not None:
                parts.journal.close()
                parts.database.close()
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)

    def recover(self, generation: int) -> None:
        """Set a damaged database aside and go on with a new one; nothing when that was done since `generation`."""
        if generation != self.generation:
            return
        self.generation += 1
        database = self._opened().database
        database.recover()
        database.commit(
            JournalEntry((), self._state, self.positions, (), self._reached(self._opened())), self.delivered
        )

    def commit(
        self,
        records: Sequence[Numbered],
        state: Mapping[str, bytes],
        moved: Mapping[str, int],
        refused: Sequence[Refusal],
    ) -> None:
        """Put everything on disk, in order; what fails leaves `head` where it came to. Again is harmless."""
        parts = self._opened()
        if not self._begun:
            self._begin(parts)
        records = [one for one in records if one[0] > self.head]  # the rest is there from an attempt that failed later
        entry = JournalEntry(records, state, moved, refused)
        if not parts.journal.write(entry):
            self._pack(parts)
            if not parts.journal.write(entry):
                self._pack(parts, entry)  # more than a journal holds goes where it would come to in the end
                return
        self._take(entry)
        if self._size > PACK_BYTES or len(self._loose) > LOOSE:
            self._pack(parts)

    def pack(self, now: int) -> None:
        """Bring what is loose to segments and database, before `now`, UTC ns; keep everything within its bounds."""
        parts = self._opened()
        if self._loose or self._refused:
            self._pack(parts)
        parts.space.delivered = self.delivered
        parts.space.trim()
        parts.database.mark(self.head, now, self.oldest - 1)

    def read(self, after: int, limit: int) -> Batch:
        """The first records after a number that a sink gets; none when there are none."""
        parts = self._opened()
        ring = parts.rings[SENT[0]]
        found: list[Numbered] = []
        while after < self.head and len(found) < limit:
            left = limit - len(found)
            # The next block, up to its end or as far as is asked for, and what the others have up to there.
            ringed: list[Numbered] = []
            last = self.head
            if placed := next(ring.blocks(after), None):
                unpacked = ring.unpacked(placed)
                missing = placed.missing if placed.head.first > after + 1 else 0
                self._miss(placed, missing + (placed.head.records if unpacked is None else 0))
                ringed = _between(unpacked or [], after, left)
                last = ringed[-1][0] if len(ringed) == left else placed.head.last
            loose = [one for one in _between(self._loose, after, len(self._loose)) if not one[1].series.internal]
            kept, last = parts.database.read(after, last, left)
            found += sorted((one for one in (*ringed, *kept, *loose) if one[0] <= last), key=_number)[:left]
            after = last
        return Batch(tuple(record for _, record in found), tuple(seq for seq, _ in found))

    def undelivered(self, after: int) -> int:
        """How many records with greater numbers a sink gets, of those on disk."""
        parts = self._opened()
        ringed = sum(parts.rings[name].total - parts.rings[name].count(after) for name in SENT)
        loose = sum(seq > after and not one.series.internal for seq, one in self._loose)
        return ringed + parts.database.count(after) + loose

    def state(self, name: str) -> bytes | None:
        """A piece of state."""
        self._opened()
        return self._state.get(name)

    def history(self, kind: Kind, since: int, tags: Mapping[str, str]) -> list[Record]:
        """Records of a kind with a time of at least `since`, oldest first, of each key the last. May run beside
        everything else."""
        loose = list(self._loose)
        with contextlib.closing(connected(self.folder)) as db:
            view = StoreView(self.folder, db, loose)
            found = view.in_order(
                (kind,),
                view.appended_before(since),
                lambda series: series.kind == kind and tags.items() <= dict(series.tags).items(),
            )
            latest = {(id(one.series), one.time): one for one in found if one.time >= since}
        return sorted(latest.values(), key=lambda one: one.time)

    def expire(self, before: int) -> bool:
        """Delete some of the delivered records that were appended before a time; whether there may be more."""
        parts = self._opened()
        parts.space.delivered = self.delivered
        last = min(self.delivered, parts.database.appended_before(before))
        parts.space.expire(parts.database.appended_before(before))
        return parts.database.expire(last)

    def _load(self, parts: _Parts) -> None:
        """Take up what is there: the database's, the rings', and on top of it the journal's."""
        database = parts.database
        known = max((last for last, _ in database.rings.values()), default=0)
        # Without a database nobody knows how far it had come, but the journal may.
        entries, damaged = parts.journal.open(known)
        reached = {**database.rings, **(entries[0].reached if entries else {})}
        for name, ring in parts.rings.items():
            ring.load(*max(reached.get(name, (0, 0)), database.rings.get(name, (0, 0))))
            ring.closed = any(one.size > parts.space.size for one in ring.segments[-1:])
        self._state, self.positions = database.state(), dict(database.positions)
        self._loose, self._refused = [], []
        for entry in entries:
            self._state |= entry.state
            self.positions |= {sink: seq for sink, seq in entry.positions.items() if seq > self.positions.get(sink, 0)}
            self._refused += entry.refused
            self._loose += [one for one in entry.records if one[0] > self._packed(parts, one[1])]
        heads = [ring.head for ring in parts.rings.values()]
        loose = self._loose[-1][0] if self._loose else 0
        self.head = max(self.head, database.head, loose, *heads, *self.positions.values(), 0)
        self._begun = False
        self._note(parts, damaged, reached)

    def _note(self, parts: _Parts, damaged: int, reached: Mapping[str, tuple[int, int]]) -> None:
        """Say what of it was found damaged."""
        self.notes = list(parts.journal.notes)
        if damaged:
            self.notes.append(f"{damaged} records of the journal are not readable")
        for ring in parts.rings.values():
            if ring.absent:
                self.notes.append(f"{ring.absent} records at the end of the {ring.name} are not readable")
            damaged += ring.absent
        last, count = reached.get(OWN, (0, 0))
        if parts.database.stored < last:
            missing = max(1, count - parts.database.rings.get(OWN, (0, 0))[1])
            self.notes.append(f"{DATABASE_FILE} has lost {missing} records, or a part of its log")
            damaged += missing
        self._damaged += damaged
        for note in self.notes:
            log.error("spool: %s", note)

    def _packed(self, parts: _Parts, record: Record) -> int:
        """Number up to which records of its kind are in their ring or the database."""
        name = _ring_of(record)
        return parts.rings[name].head if name else parts.database.stored

    def _begin(self, parts: _Parts) -> None:
        """Make ready to write: what the journal holds is brought on, so that it can begin again."""
        parts.space.delivered = self.delivered
        parts.space.trim()
        self._pack(parts)
        self._begun = True

    def _pack(self, parts: _Parts, entry: JournalEntry = EMPTY_ENTRY) -> None:
        """Bring what is loose, and more, to the rings and the database; then the journal begins again."""
        parts.space.delivered = self.delivered
        kept: list[Numbered] = []
        ringed: dict[str, list[Numbered]] = {name: [] for name in parts.rings}
        for one in (*self._loose, *entry.records):
            name = _ring_of(one[1])
            if name is None:
                kept.append(one)
            elif one[0] > parts.rings[name].head:
                ringed[name].append(one)
        for name, records in ringed.items():
            kept += self._ring(parts, name, records)
        kept.sort(key=_number)
        state, positions = {**self._state, **entry.state}, {**self.positions, **entry.positions}
        refused = [*self._refused, *entry.refused]
        parts.database.commit(JournalEntry(kept, state, positions, refused, self._reached(parts)), self.delivered)
        # Everything is where it belongs; what fails from here on costs nothing.
        self._take(entry)
        self._loose, self._refused, self._size = [], [], 0
        parts.journal.begin(JournalEntry((), self._state, self.positions, (), parts.database.rings))

    def _ring(self, parts: _Parts, name: str, records: list[Numbered]) -> list[Numbered]:
        """Write records to their ring, a part at a time; those that are too large for it."""
        large: list[Numbered] = []
        for start in range(0, len(records), LOOSE):
            try:
                parts.rings[name].append(records[start : start + LOOSE], parts.space.fresh)
            except ValueError as error:
                log.warning("spool: %s", error)
                large += [one for one in records[start : start + LOOSE] if one[0] > parts.rings[name].head]
        return large

    def _take(self, entry: JournalEntry) -> None:
        """It is on disk."""
        self._loose = [*self._loose, *entry.records]
        self._refused = [*self._refused, *entry.refused]
        self._state |= entry.state
        self.positions |= entry.positions
        size = sum(8 + len(one.values) + sum(map(len, one.texts)) for _, one in entry.records)
        self._size += size
        self.payload += size
        if entry.records:
            self.head = max(self.head, entry.records[-1][0])

    def _reached(self, parts: _Parts) -> dict[str, tuple[int, int]]:
        return {name: (ring.head, ring.total) for name, ring in parts.rings.items()}

    def _miss(self, placed: PlacedBlock, count: int) -> None:
        """So many records at a block are not readable, which is told once whoever asks for them."""
        key = placed.segment.number, placed.offset
        if count and key not in self._missed:
            self._missed.add(key)
            self._damaged += count
            log.error("spool: %s: %d damaged records are left out", placed.segment.path, count)

    def _hold(self) -> None:
        """Keep other processes out as long as this one lives; a lock on the directory needs no file."""
        if self._lock is not None:
            return
        lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise SpoolError(f"{self.folder} is in use by another wattgram process") from error
        self._lock = lock

    def _opened(self) -> _Parts:
        if self._parts is None:
            raise SpoolError(f"{self.folder}: not open")
        return self._parts


@dataclass(frozen=True, slots=True)
class _Parts:
    database: Database
    journal: Journal
    rings: Mapping[str, Ring]
    space: Space


def _ring_of(record: Record) -> str | None:
    """The ring that a record belongs into; None for what is sought by its key or is no row of a column."""
    if record.looked_up_by_key or not whole(record):
        return None
    return next((name for name, kinds in RINGS.items() if record.series.kind in kinds), None)


def _between(records: list[Numbered], after: int, limit: int) -> list[Numbered]:
    """The first records with numbers after one."""
    start = bisect_right(records, after, key=_number)
    return records[start : start + limit]


def _number(one: Numbered) -> int:
    return one[0]


def _page(size: int) -> int:
    return size // 4096 * 4096
