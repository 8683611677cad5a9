"""The store: journal, rings and database of one directory, used by one process."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from wattgram.base.errors import SpoolError
from wattgram.base.record import Kind, Record

from .batch import Batch, between, number_of
from .block import Numbered, fits_series
from .database import OWN_ROW, REFUSED_BYTES, unreadable
from .database_swap import ALL_FILES, DATABASE_FILE
from .folder_lock import FolderLock
from .folder_opening import FolderReplaced, check_mounted, check_writable, make_folder
from .journal import JOURNAL_FILE, JournalEntry, Refusal
from .read_only_database import read_only
from .regular_files import set_other_kinds_aside
from .ring import SUFFIX, PlacedBlock
from .store_parts import StoreParts
from .view import RINGS, SENT_RINGS, StoreView, connected, latest_of_keys

log = logging.getLogger(__name__)

PACK_BYTES = 1 << 20
"""Bytes of records in the journal after which they are packed. State does not count, because only the last is kept."""

OWN_FILES = (JOURNAL_FILE, f"{JOURNAL_FILE}.new", *ALL_FILES)
"""Names in the directory that the store writes, beside the segments."""

EMPTY_ENTRY = JournalEntry()

JOURNAL_RECORDS = 5000
"""Records in the journal after which they are packed; they are in memory too."""


class Store:
    """Files of one directory.

    head: number of the last record. oldest: of the first stored record. positions: of the sinks, as on disk. delivered:
    number up to which every sink is done, set by the owner; records up to it are history. payload: bytes of the stored
    records. notes: damage found at opening. refused_size: limit of the refused records, bytes.
    """

    def __init__(self, folder: Path, max_size: int) -> None:
        self.folder = folder
        self.head = 0
        self.positions: dict[str, int] = {}
        self.delivered = self.payload = 0
        self.notes: list[str] = []
        self._max_size = max_size
        self.refused_size = REFUSED_BYTES
        self.generation = self._beside = 0
        self._state: dict[str, bytes] = {}
        self._journaled: list[Numbered] = []
        self._refused: list[Refusal] = []
        self._size = self._damaged = 0
        self._counted_blocks: set[tuple[int, int]] = set()
        self._parts: StoreParts | None = None
        self._is_writable = self._started = False
        self._found_damaged = 0
        self._lock = FolderLock(folder)

    @property
    def is_open(self) -> bool:
        """Whether the store is open for writing; not after a replacement of the database that has failed."""
        return self._parts is not None and self._is_writable and self._parts.database.is_open

    @property
    def is_readable(self) -> bool:
        """Whether the stored records and state can be read."""
        return self._parts is not None

    @property
    def oldest(self) -> int:
        """Number of the first stored record."""
        parts = self._opened()
        first = [ring.oldest for ring in parts.rings.values() if ring.oldest is not None]
        journaled = [self._journaled[0][0]] if self._journaled else []
        return min([parts.database.oldest, self.head + 1, *first, *journaled])

    @property
    def damaged(self) -> int:
        """Records that could not be read."""
        return self._damaged + (self._parts.database.damaged if self._parts else 0)

    @property
    def lost(self) -> int:
        """Undelivered records that were discarded for lack of room."""
        return self._parts.database.lost + self._parts.space.lost if self._parts else 0

    def note_beside(self, size: int) -> None:
        """Note the bytes of another owner's files in the folder, which count within the limit."""
        self._beside = size
        if self._parts is not None:
            self._parts.space.beside = size

    def undelivered_share(self, done: int) -> float:
        """Return the share of the segments' room, 0 to 1, with records after this number for a sink."""
        return self._parts.space.undelivered_share(done) if self._parts else 0.0

    @property
    def written(self) -> int:
        """Bytes of the pages that this process has written, without those of the file system."""
        if self._parts is None:
            return 0
        parts = self._parts
        return parts.database.written + parts.journal.written + sum(ring.written for ring in parts.rings.values())

    @property
    def set_aside(self) -> Path | None:
        """Path of a damaged database; None if there was none."""
        return self._parts.database.set_aside if self._parts else None

    def open(self) -> None:
        """Open or create the files; damaged parts are omitted or set aside, and counted.

        The call may follow `open_read_only`; after a failure the store is as before. SpoolError if another process uses
        the directory; OSError, sqlite3.Error if the disk does not respond or cannot be written.
        """
        if self.is_readable:
            self.check_place()
        else:
            self._lock.release()  # perhaps of the directory below a mount that is here now
        make_folder(self.folder)
        self._lock.acquire()
        check_writable(self.folder, OWN_FILES)
        aside = set_other_kinds_aside([*self.folder.glob(f"*{SUFFIX}"), *(self.folder / name for name in OWN_FILES)])
        parts = StoreParts.of(self.folder, self._max_size, self._beside, self.refused_size)
        try:
            parts.database.open()
            try:
                self._load(parts)
            except sqlite3.DatabaseError as error:
                if not unreadable(error):
                    raise
                parts.database.recover()
                self._load(parts)
        except BaseException:
            parts.close()
            raise
        for note in aside:
            log.error("spool: %s", note)
        self.notes += aside
        before, self._parts, self._is_writable = self._parts, parts, True
        if before is not None:
            before.close()

    def open_read_only(self) -> None:
        """Open the files of a disk that can be read and not be written; nothing is created or changed.

        A directory that is empty holds nothing. SpoolError if another process uses the directory; OSError,
        sqlite3.Error if the disk does not respond, so that nobody knows what is stored.
        """
        check_mounted(self.folder)
        self._lock.acquire()
        parts = StoreParts.of(self.folder, self._max_size, self._beside, self.refused_size)
        try:
            parts.database.open_read_only()
            self._load(parts, writable=False)
        except BaseException:
            parts.close()
            raise
        self._parts, self._is_writable = parts, False

    @property
    def is_empty(self) -> bool:
        """Whether neither records nor state are stored."""
        return self.head == 0 and not self._state

    def check_place(self) -> None:
        """Check that the path leads to the open directory; FolderReplaced after a mount over it, or another name."""
        if self._lock.is_held and not self._lock.is_in_place():
            raise FolderReplaced(errno.ESTALE, "another directory has taken its place", str(self.folder))

    def stay(self) -> None:
        """Continue in the open directory, although its path leads to another one."""
        if self._parts is not None:
            self.folder = self._lock.stay()
            self._parts.move(self.folder)

    def states(self) -> dict[str, bytes]:
        """Return every piece of state."""
        return dict(self._state)

    def close(self) -> None:
        """Pack the journal and release the directory."""
        parts, self._parts = self._parts, None
        try:
            if parts is not None and self._started:
                self._pack(parts)
        except (OSError, sqlite3.Error) as error:
            log.warning("spool: the journal will be packed at the next start: %s", error)
        finally:
            if parts is not None:
                parts.close()
            self._is_writable = False
            self._lock.release()

    def recover(self, generation: int) -> None:
        """Replace a damaged database by a new one, unless that was done since `generation`."""
        if generation != self.generation:
            return
        database = self._opened().database
        if not self._is_writable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self.folder / DATABASE_FILE))
        self.generation += 1
        database.recover()
        database.commit(
            JournalEntry((), self._state, self.positions, (), self._reached(self._opened())), self.delivered
        )

    def commit(
        self,
        records: Sequence[Numbered],
        state: Mapping[str, bytes],
        positions: Mapping[str, int],
        refused: Sequence[Refusal],
    ) -> None:
        """Write everything to disk in order; a repetition is harmless.
        After a failure, `head` is the number of the last record on disk.
        """
        parts = self._opened()
        if not self._is_writable:
            raise SpoolError(f"{self.folder}: the disk cannot be written")
        self.check_place()
        if not self._started:
            self._start_journal(parts)
        # The records up to `head` were written by an attempt that failed later.
        records = [numbered for numbered in records if numbered[0] > self.head]
        entry = JournalEntry(records, state, positions, refused)
        if not parts.journal.write(entry):
            self._pack(parts)
            if not parts.journal.write(entry):
                self._pack(parts, entry)  # larger than a journal
                return
        self._note_written(entry)
        if self._size > PACK_BYTES or len(self._journaled) > JOURNAL_RECORDS:
            self._pack(parts)

    def pack(self, now: int) -> None:
        """Move the journal's records to segments and database, before `now`, UTC ns; keep all limits."""
        parts = self._opened()
        self.check_place()
        if self._journaled or self._refused:
            self._pack(parts)
        parts.space.delivered = self.delivered
        parts.space.trim()
        parts.database.mark(self.head, now, self.oldest - 1)

    def read(self, after: int, limit: int) -> Batch:
        """Return the first records for sinks after a number; empty if there are none."""
        parts = self._opened()
        ring = parts.rings[SENT_RINGS[0]]
        found: list[Numbered] = []
        while after < self.head and len(found) < limit:
            remaining = limit - len(found)
            # The next block, up to its end or to the limit, and the records of the others up to the same number.
            ringed: list[Numbered] = []
            last = self.head
            if placed := next(ring.blocks(after), None):
                unpacked = ring.unpacked(placed)
                missing = placed.missing if placed.head.first > after + 1 else 0
                self._count_missing(placed, missing + (placed.head.records if unpacked is None else 0))
                ringed = between(unpacked or [], after, remaining)
                last = ringed[-1][0] if len(ringed) == remaining else placed.head.last
            journaled = [
                row for row in between(self._journaled, after, len(self._journaled)) if not row[1].series.internal
            ]
            rows, last = parts.database.read(after, last, remaining)
            found += sorted((row for row in (*ringed, *rows, *journaled) if row[0] <= last), key=number_of)[:remaining]
            after = last
        return Batch(tuple(record for _, record in found), tuple(seq for seq, _ in found))

    def undelivered(self, after: int) -> int:
        """Return the number of records on disk for sinks after a number."""
        parts = self._opened()
        ringed = sum(parts.rings[name].total - parts.rings[name].count(after) for name in SENT_RINGS)
        journaled = sum(seq > after and not record.series.internal for seq, record in self._journaled)
        return ringed + parts.database.count(after) + journaled

    def state(self, name: str) -> bytes | None:
        """Return a piece of state."""
        self._opened()
        return self._state.get(name)

    def stored_refusals(self) -> list[Refusal]:
        """Return the refused records on disk."""
        return [*self._opened().database.refused(), *self._refused]

    def forget_refused(self, gone: Set[tuple[int, str]]) -> None:
        """Delete refused records, by number and sink."""
        parts, before = self._opened(), len(self._refused)
        self._refused = [refusal for refusal in self._refused if (refusal.seq, refusal.sink) not in gone]
        if len(self._refused) < before:
            self._pack(parts)  # the journal still has them
        parts.database.forget_refused(gone)

    def history(self, kind: Kind, since: int, tags: Mapping[str, str]) -> list[Record]:
        """Return the records of a kind with a time of at least `since`, oldest first; of each key the last.
        The method may run in parallel to all others.
        """
        # As an intact file, for a disk that cannot be written; SQLite would make an index.
        opened = connected(self.folder) if self._is_writable else read_only(self.folder / DATABASE_FILE)
        with contextlib.closing(opened) as db:
            return latest_of_keys(StoreView(self.folder, db, list(self._journaled)), kind, since, tags)

    def expire(self, before: int) -> bool:
        """Delete some delivered records that were appended before a time; return whether there may be more."""
        parts = self._opened()
        self.check_place()
        parts.space.delivered = self.delivered
        last = min(self.delivered, parts.database.appended_before(before))
        parts.space.expire(parts.database.appended_before(before))
        return parts.database.expire(last)

    def _load(self, parts: StoreParts, *, writable: bool = True) -> None:
        """Load database and rings, and then the journal; after an error nothing has changed."""
        database = parts.database
        known = max((last for last, _ in database.rings.values()), default=0)
        # Without a database, only the journal may contain its last number.
        entries, damaged = parts.journal.open(known) if writable else parts.journal.read_only(known)
        reached = {**database.rings, **(entries[0].reached if entries else {})}
        for name, ring in parts.rings.items():
            ring.load(*max(reached.get(name, (0, 0)), database.rings.get(name, (0, 0))))
            ring.closed = any(
                segment.size > parts.space.size or not os.access(segment.path, os.W_OK)
                for segment in ring.segments[-1:]
            )
        state, positions = database.state(), dict(database.positions)
        journaled: list[Numbered] = []
        refused: list[Refusal] = []
        for entry in entries:
            state |= entry.state
            positions |= {sink: seq for sink, seq in entry.positions.items() if seq > positions.get(sink, 0)}
            refused += entry.refused
            journaled += [row for row in entry.records if row[0] > self._packed_until(parts, row[1])]
        heads = [ring.head for ring in parts.rings.values()]
        last = journaled[-1][0] if journaled else 0
        self._state, self.positions, self._journaled, self._refused = state, positions, journaled, refused
        self.head = max(self.head, database.head, last, *heads, *positions.values(), 0)
        self._started = False
        self._note_damage(parts, damaged, reached)

    def _note_damage(self, parts: StoreParts, damaged: int, reached: Mapping[str, tuple[int, int]]) -> None:
        """Note the damage found."""
        known, self.notes = self.notes, list(parts.journal.notes)
        if damaged:
            self.notes.append(f"{damaged} records of the journal are not readable")
        for ring in parts.rings.values():
            if ring.absent:
                self.notes.append(f"{ring.absent} records at the end of the {ring.name} are not readable")
            damaged += ring.absent
        last, count = reached.get(OWN_ROW, (0, 0))
        if parts.database.stored < last:
            missing = max(1, count - parts.database.rings.get(OWN_ROW, (0, 0))[1])
            self.notes.append(f"{DATABASE_FILE} has lost {missing} records, or a part of its log")
            damaged += missing
        self._damaged += damaged - self._found_damaged
        self._found_damaged = damaged
        for note in self.notes:
            if note not in known:
                log.error("spool: %s", note)

    def _packed_until(self, parts: StoreParts, record: Record) -> int:
        """Return the number up to which records of this kind are in their ring or the database."""
        name = _ring_of(record)
        return parts.rings[name].head if name else parts.database.stored

    def _start_journal(self, parts: StoreParts) -> None:
        """Prepare for writing: pack the journal so that it can start again."""
        parts.space.delivered = self.delivered
        parts.space.trim()
        self._pack(parts)
        self._started = True

    def _pack(self, parts: StoreParts, entry: JournalEntry = EMPTY_ENTRY) -> None:
        """Move the journal's records, and an entry, to the rings and the database; then the journal starts again."""
        self.check_place()  # segments are opened by their path: never write into another directory
        parts.space.delivered = self.delivered
        keyed: list[Numbered] = []
        ringed: dict[str, list[Numbered]] = {name: [] for name in parts.rings}
        for numbered in (*self._journaled, *entry.records):
            name = _ring_of(numbered[1])
            if name is None:
                keyed.append(numbered)
            elif numbered[0] > parts.rings[name].head:
                ringed[name].append(numbered)
        for name, records in ringed.items():
            keyed += self._append_to_ring(parts, name, records)
        keyed.sort(key=number_of)
        state, positions = {**self._state, **entry.state}, {**self.positions, **entry.positions}
        refused = [*self._refused, *entry.refused]
        parts.database.commit(JournalEntry(keyed, state, positions, refused, self._reached(parts)), self.delivered)
        # All records are in rings and database; a later failure loses nothing.
        self._note_written(entry)
        self._journaled, self._refused, self._size = [], [], 0
        parts.journal.begin(JournalEntry((), self._state, self.positions, (), parts.database.rings))

    def _append_to_ring(self, parts: StoreParts, name: str, records: list[Numbered]) -> list[Numbered]:
        """Write records to their ring in parts; return the records that are too large."""
        large: list[Numbered] = []
        for start in range(0, len(records), JOURNAL_RECORDS):
            try:
                parts.rings[name].append(records[start : start + JOURNAL_RECORDS], parts.space.new_segment)
            except ValueError as error:
                log.warning("spool: %s", error)
                large += [row for row in records[start : start + JOURNAL_RECORDS] if row[0] > parts.rings[name].head]
        return large

    def _note_written(self, entry: JournalEntry) -> None:
        """Note an entry on disk."""
        self._journaled = [*self._journaled, *entry.records]
        self._refused = [*self._refused, *entry.refused]
        self._state |= entry.state
        self.positions |= entry.positions
        size = sum(8 + len(record.values) + sum(map(len, record.texts)) for _, record in entry.records)
        self._size += size
        self.payload += size
        if entry.records:
            self.head = max(self.head, entry.records[-1][0])

    def _reached(self, parts: StoreParts) -> dict[str, tuple[int, int]]:
        return {name: (ring.head, ring.total) for name, ring in parts.rings.items()}

    def _count_missing(self, placed: PlacedBlock, count: int) -> None:
        """Count the unreadable records at a block, once."""
        key = placed.segment.number, placed.offset
        if count and key not in self._counted_blocks:
            self._counted_blocks.add(key)
            self._damaged += count
            log.error("spool: %s: %d damaged records are omitted", placed.segment.path, count)

    def _opened(self) -> StoreParts:
        if self._parts is None:
            raise SpoolError(f"{self.folder}: not open")
        return self._parts


def _ring_of(record: Record) -> str | None:
    """Return the ring of a record; None for a record searched by key or without fixed columns."""
    if record.looked_up_by_key or not fits_series(record):
        return None
    return next((name for name, kinds in RINGS.items() if record.series.kind in kinds), None)
