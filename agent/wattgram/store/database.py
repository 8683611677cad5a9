"""The spool's database: records searched by key, events, positions and state. SQLite in WAL mode, with a size limit.

A damaged file is replaced at opening. synchronous=FULL is the only mode that keeps committed data through a power cut.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from wattgram.base.errors import SpoolError
from wattgram.base.record import Series

from . import database_swap
from .block import Numbered
from .database_swap import ASIDE, COPY_FILE, DATABASE_FILE, WITH_LOG
from .journal import JournalEntry, Refusal
from .read_only_database import damaged_in_memory, empty_in_memory, read_only
from .refused_table import keep_newest, refused_of, write_refused
from .regular_files import OWN_MODE, narrow_mode
from .rows import ROW_COLUMNS, all_series, decoded, row, text
from .salvage import lengthen, readable, readable_rows
from .small_tables import (
    PAGE,
    SCHEMA,
    add_series,
    appended_before,
    positions_of,
    reference_database,
    rings_of,
    schema_of,
    states_of,
)

log = logging.getLogger(__name__)

TRANSACTION_RECORDS = 1000
"""Records in a transaction or a deletion, to bound the WAL and the time of a commit during a backlog."""

REFUSED_BYTES = 1 << 24
"""Default limit of the refused records, bytes."""

REFUSED_SHARE = 4
"""The refused records take at most one of so many parts of the database."""

OWN_ROW = "database"
"""Row of `ring` with the number of records in the database itself."""

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})
"""Result codes of a damaged file; an intact file refuses none of these statements."""


DISK_REFUSES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
"""Primary result codes of a disk that takes no data now."""


def unreadable(error: Exception) -> bool:
    """Return whether the file is damaged, rather than the disk full, busy or unavailable."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGED


class Database:
    """Database file.

    stored: number of the last record in it. head: that or the highest position. rings: number and total of each ring at
    the last commit. lost: undelivered records that were discarded for lack of room. damaged: records that could not be
    read. written: bytes, in pages.
    """

    def __init__(self, folder: Path, max_size: int) -> None:
        self.folder = folder
        self.stored = 0
        self.head = 0
        self.oldest = 1
        self.positions: dict[str, int] = {}
        self.rings: dict[str, tuple[int, int]] = {}
        self.lost = 0
        self.damaged = 0
        self.written = 0
        self.set_aside: Path | None = None
        self._checkpoint = max(16, min(1000, max_size // PAGE // 16))
        self._pages = max(64, max_size // PAGE - 2 * self._checkpoint)
        self._max_size = max_size
        self._refused_bytes = min(REFUSED_BYTES, max_size // REFUSED_SHARE)
        self._counted = 0
        self._ids: dict[Series, int] = {}
        self._series: dict[int, Series] = {}
        self._db: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file is open; not after a replacement that the disk refused."""
        return self._db is not None

    def open(self) -> None:
        """Open or create the file. A damaged file is set aside, and its readable rows are copied.

        OSError, sqlite3.Error, SpoolError if the disk does not respond.
        """
        database_swap.finish(self.folder)
        try:
            self._db = self._connect()
            self._load()
        except sqlite3.DatabaseError as error:
            self.close()
            # SQLITE_ERROR: an intact database with other tables.
            if not unreadable(error) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            self.recover()
        else:
            # A name changed by a failing card is still a valid name to SQLite.
            if schema_of(self._db) != schema_of(reference_database()):
                self.recover()

    def open_read_only(self) -> None:
        """Open the file on a disk that cannot be written; nothing is created or changed.

        Readable rows of a damaged file are copied to memory. OSError, sqlite3.Error if the disk does not respond.
        """
        file = self.folder / DATABASE_FILE
        try:
            self._db = read_only(file)
            self._db.text_factory = text
            self._load()
        except sqlite3.DatabaseError as error:
            self.close()
            if not unreadable(error):
                raise
            self._db, self._ids, self._series = empty_in_memory(), {}, {}
            copied, missing = self._copy(lambda: damaged_in_memory(file))
            self._load()
            self.damaged += missing
            log.error("spool: %s is damaged: %d records read, %d lost", file, copied, missing)

    def close(self) -> None:
        """Close the file."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def recover(self) -> None:
        """Copy the readable rows of a damaged file to a new one, which takes its place; the damaged file is set aside.

        OSError, SpoolError if the disk has no room for a copy or refuses it: the damaged file then stays in its place,
        and this database is closed.
        """
        database_swap.demand_room(self.folder, self._max_size)
        self.close()
        database_swap.discard_copy(self.folder)
        before, self._ids, self._series = self.head, {}, {}
        try:
            self._db = self._connect(COPY_FILE)
            copied, missing = self._salvage(self.folder / DATABASE_FILE)
            database_swap.empty_log(self._opened(), self.folder / COPY_FILE)
        finally:
            self.close()
        database_swap.complete_copy(self.folder)
        aside = self.set_aside = self.folder / ASIDE
        self._db, self._ids, self._series = self._connect(), {}, {}
        self._load()
        self.head = max(self.head, before)
        self.damaged += missing
        log.error(
            "spool: %s is not usable and was set aside as %s: %d records copied, %d lost",
            DATABASE_FILE,
            aside,
            copied,
            missing,
        )

    def commit(self, entry: JournalEntry, delivered: int) -> None:
        """Commit everything in order; a repetition is harmless.

        After a failure, `head` is the number of the last committed record. `reached` of the entry: last number and
        count of the rings. delivered: number up to which no sink needs records. A full file discards the oldest
        records, delivered ones first.
        """
        records = entry.records
        *chunks, final = [
            records[start : start + TRANSACTION_RECORDS] for start in range(0, len(records), TRANSACTION_RECORDS)
        ] or [()]
        for chunk in chunks:
            self._transact(JournalEntry(chunk), delivered)
        self._transact(replace(entry, records=final), delivered)
        while self._used() > 0.95 * self._pages and self._trim(delivered):
            pass
        _, logged, moved = self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self.written += max(0, logged) * (PAGE + 24) + max(0, moved) * PAGE  # sqlite.org/fileformat2.html, 4.1

    def read(self, after: int, last: int, limit: int) -> tuple[list[Numbered], int]:
        """Return the first records for sinks after a number and up to another, at most `limit`.

        Also return the number up to which the result is complete.
        """
        internal = ", ".join(str(number) for number, series in self._series.items() if series.internal)
        query = (
            f"SELECT {ROW_COLUMNS} FROM record WHERE seq > ? AND seq <= ? AND series NOT IN ({internal})"  # noqa: S608 - numbers
            " ORDER BY seq LIMIT ?"
        )
        rows = self._opened().execute(query, (after, last, limit)).fetchall()
        found = [(row[0], record) for row in rows if (record := decoded(row, self._series))]
        if len(found) < len(rows) and rows[-1][0] > self._counted:
            self._counted = rows[-1][0]
            self.damaged += len(rows) - len(found)
            log.error("spool: %d damaged records are omitted", len(rows) - len(found))
        return found, rows[-1][0] if len(rows) == limit else last

    def count(self, after: int) -> int:
        """Return the number of records for sinks after a number."""
        internal = ", ".join(str(number) for number, series in self._series.items() if series.internal)
        return int(
            self._value(f"SELECT count(*) FROM record WHERE seq > ? AND series NOT IN ({internal})", after)  # noqa: S608 - numbers
        )

    def state(self) -> dict[str, bytes]:
        """Return every piece of state."""
        return states_of(self._opened())

    def limit_refused(self, size: int) -> None:
        """Limit the refused records to a number of bytes, and to their share of the database."""
        self._refused_bytes = min(size, self._max_size // REFUSED_SHARE)

    def refused(self) -> list[Refusal]:
        """Return the refused records, oldest first."""
        return list(refused_of(self._opened(), self._series))

    def forget_refused(self, gone: Iterable[tuple[int, str]]) -> None:
        """Delete refused records, by number and sink."""
        self._opened().executemany("DELETE FROM refused WHERE seq = ? AND sink = ?", gone)

    def mark(self, seq: int, now: int, oldest: int) -> None:
        """Note that all records up to a number were appended before `now`, UTC ns; shrink a file that is too large.

        oldest: marks before this number are not needed any more.
        """
        db = self._opened()
        db.execute("INSERT OR IGNORE INTO mark VALUES (?, ?)", (seq, now))  # the first time is the tightest
        db.execute("DELETE FROM mark WHERE seq < ?", (oldest,))
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        if pages > self._pages:
            # As a script: the statement frees one page per step, and `execute` takes only one step.
            db.executescript(f"PRAGMA incremental_vacuum({pages - self._pages})")
            db.execute(f"PRAGMA max_page_count = {self._pages}")
        aside = self.folder / ASIDE
        if aside.exists() and aside.stat().st_size + pages * PAGE > self._max_size:
            log.warning("spool: %s is deleted for lack of room", aside)
            for suffix in ("", "-wal", "-shm"):
                (self.folder / (ASIDE + suffix)).unlink(missing_ok=True)

    def appended_before(self, time: int) -> int:
        """Return the result of `appended_before` for this database."""
        return appended_before(self._opened(), time)

    def expire(self, last: int) -> bool:
        """Delete some records up to a number, except lasting ones; return whether there may be more."""
        db = self._opened()
        condition = f"seq <= ? AND NOT ({self._lasting()})"
        query = f"SELECT seq FROM record WHERE {condition} ORDER BY seq LIMIT ?"  # noqa: S608 - numbers
        expired = db.execute(query, (last, TRANSACTION_RECORDS)).fetchall()
        if len(expired) == TRANSACTION_RECORDS:
            last = expired[-1][0]
        if expired:
            db.execute(f"DELETE FROM record WHERE {condition}", (last,))  # noqa: S608 - numbers
        if last > 0:
            self._delete_keys_before(last + 1)
        return len(expired) == TRANSACTION_RECORDS

    def _connect(self, name: str = DATABASE_FILE) -> sqlite3.Connection:
        file = self.folder / name
        # SQLite would create the file by the umask alone; the files beside it get the mode of this file.
        if not file.exists():
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWN_MODE))
        for suffix in WITH_LOG:
            narrow_mode(self.folder / (name + suffix))
        db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        db.text_factory = text
        try:
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA max_page_count = {self._pages}")
            db.execute(f"PRAGMA wal_autocheckpoint = {self._checkpoint}")
            db.execute(f"PRAGMA journal_size_limit = {self._checkpoint * PAGE}")
        except UnicodeDecodeError as error:  # from a message that quotes a damaged schema
            db.close()
            damaged = sqlite3.DatabaseError(f"{DATABASE_FILE}: {error}")
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged from error
        except BaseException:
            db.close()
            raise
        return db

    def _load(self) -> None:
        db = self._opened()
        self._series = dict(all_series(db))
        self._ids = {series: number for number, series in self._series.items()}
        self.positions, self.rings = positions_of(db), rings_of(db)
        latest = self._value("SELECT seq FROM sqlite_sequence WHERE name = 'record'") or 0
        self.stored = max(latest, self._value("SELECT max(seq) FROM record") or 0)
        self.head = max(self.stored, *self.positions.values(), 0)
        self._find_oldest()

    def _salvage(self, file: Path) -> tuple[int, int]:
        """Copy the readable rows; return their number, and the number of missing records."""

        def connected() -> sqlite3.Connection:
            lengthen(file, PAGE)
            return sqlite3.connect(file, isolation_level=None)

        return self._copy(connected)

    def _copy(self, damaged: Callable[[], sqlite3.Connection]) -> tuple[int, int]:
        """Copy the readable rows of a damaged database; return as `_salvage`."""
        copied: list[int] = []
        missing = 0
        try:
            with contextlib.closing(damaged()) as old:
                old.text_factory = text
                series = dict(readable(lambda: all_series(old)))
                positions, state, reached = (
                    positions_of(old, readable),
                    states_of(old, readable),
                    rings_of(old, readable),
                )
                refused = list(readable(lambda: refused_of(old, series)))
                delivered = min(positions.values(), default=0)
                chunk: list[Numbered] = []
                for row in readable_rows(old, 0):
                    if record := decoded(row, series):
                        chunk.append((row[0], record))
                        copied.append(row[0])
                    if len(chunk) == TRANSACTION_RECORDS:
                        self._write_copied(JournalEntry(chunk), delivered)
                        chunk = []
                self._write_copied(JournalEntry(chunk, state, positions, refused, reached), delivered)
                missing = max(0, reached.get(OWN_ROW, (0, 0))[1] - len(copied))
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            log.error("spool: %s could not be copied completely: %s", DATABASE_FILE, error)
        return len(copied), missing

    def _write_copied(self, entry: JournalEntry, delivered: int) -> None:
        """Write copied rows; SpoolError if the disk refuses them: the rest must not count as lost or absent."""
        try:
            self._transact(entry, delivered)
        except sqlite3.OperationalError as error:
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL and self._used() > 0.7 * self._pages
            if full or error.sqlite_errorcode & 0xFF not in DISK_REFUSES:
                raise
            raise SpoolError(f"{self.folder / COPY_FILE}: {error}") from error

    def _transact(self, entry: JournalEntry, delivered: int) -> None:
        while True:
            try:
                return self._write(entry)
            except sqlite3.OperationalError as error:
                bounded = error.sqlite_errorcode == sqlite3.SQLITE_FULL and self._used() > 0.7 * self._pages
                if not (bounded and self._trim(delivered)):
                    raise

    def _write(self, entry: JournalEntry) -> None:
        records = entry.records
        db, new = self._opened(), dict[Series, int]()

        def number(series: Series) -> int:
            return self._ids.get(series) or new.get(series) or add_series(db, series, new)

        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?)",
                (row(seq, number(record.series), record) for seq, record in records),
            )
            # Of these series only the last record is kept; a repeated record is the same row.
            db.executemany(
                "DELETE FROM record WHERE seq IN (SELECT seq FROM latest WHERE series = ? AND time = ? AND seq < ?)",
                [(number(record.series), record.time, seq) for seq, record in records if record.series.single],
            )
            db.executemany(
                "INSERT OR REPLACE INTO latest VALUES (?, ?, ?)",
                [(number(record.series), record.time, seq) for seq, record in records if record.looked_up_by_key],
            )
            db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", entry.state.items())
            db.executemany("INSERT OR REPLACE INTO position VALUES (?, ?)", entry.positions.items())
            reached = dict[str, tuple[int, int]]()
            if entry.reached:
                count = db.execute("SELECT count(*) FROM record").fetchone()[0]
                reached = {**entry.reached, OWN_ROW: (max([self.stored, *(seq for seq, _ in records)]), count)}
                db.executemany("INSERT OR REPLACE INTO ring VALUES (?, ?, ?)", ((n, *at) for n, at in reached.items()))
            if entry.refused:
                write_refused(db, entry.refused, number)
                keep_newest(db, self._refused_bytes)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self._ids |= new
        self._series |= {number: series for series, number in new.items()}
        self.positions |= entry.positions
        self.rings |= reached
        if records:
            self.stored = max(self.stored, records[-1][0])
            self.head = max(self.head, self.stored)

    def _trim(self, delivered: int) -> bool:
        """Delete the oldest records to make room; return whether there were any."""
        db = self._opened()
        oldest = db.execute("SELECT seq FROM record ORDER BY seq LIMIT ?", (TRANSACTION_RECORDS,)).fetchall()
        if not oldest:
            return False
        # At most a twentieth, for a small file with few chunks.
        last = oldest[min(len(oldest) - 1, self._value("SELECT count(*) FROM record") // 20)][0]
        self.lost += self.count(delivered) - self.count(max(last, delivered))
        db.execute("DELETE FROM record WHERE seq <= ?", (last,))
        self._delete_keys_before(last + 1)
        return True

    def _delete_keys_before(self, first: int) -> None:
        """Delete the keys of deleted records before a number."""
        self._opened().execute("DELETE FROM latest WHERE seq < ? AND seq NOT IN (SELECT seq FROM record)", (first,))
        self._find_oldest()

    def _find_oldest(self) -> None:
        """Find the oldest record that is not lasting."""
        self.oldest = self._value(f"SELECT min(seq) FROM record WHERE NOT ({self._lasting()})") or self.head + 1  # noqa: S608 - numbers

    def _lasting(self) -> str:
        """Return the condition for lasting records: the last of each key of a lasting series."""
        series = ", ".join(str(number) for number, series in self._series.items() if series.lasting)
        return f"series IN ({series}) AND seq IN (SELECT seq FROM latest)"  # noqa: S608 - numbers

    def _used(self) -> int:
        db = self._opened()
        return int(db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0])

    def _value(self, query: str, *arguments: object) -> Any:
        row = self._opened().execute(query, arguments).fetchone()
        return row[0] if row else None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise SpoolError(f"{self.folder / DATABASE_FILE}: not open")
        return self._db
