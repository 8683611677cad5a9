"""The spool's database: what is sought by its key, what happened, positions and state. SQLite in WAL mode, bounded,
and opened again whatever became of it.

synchronous=FULL is the one mode that keeps what was committed through a power cut.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from wattgram.base.errors import SpoolError
from wattgram.base.record import Series

from .block import Numbered
from .journal import JournalEntry
from .rows import ROW_COLUMNS, all_series, decoded, row, spec, text
from .salvage import FAR, lengthen, readable, readable_rows

log = logging.getLogger(__name__)

DATABASE_FILE = "spool.db"
ASIDE = "spool.db.corrupt"

PAGE = 4096
"""Bytes; SQLite's default, said here because the bounds are counted in it."""

TRANSACTION_RECORDS = 1000
"""Records in a transaction, and deleted at once, so that neither the WAL nor a commit's wait grows with a backlog."""

REFUSED_KEPT = 1000
"""Refused records that are kept, the latest."""

OWN = "database"
"""The row of `ring` that says how many records the database itself has."""

_SCHEMA = f"""
PRAGMA page_size = {PAGE};
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, time INTEGER NOT NULL,
    data BLOB NOT NULL, texts TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS position (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS refused (seq INTEGER, sink TEXT, reason TEXT NOT NULL, series INTEGER NOT NULL,
    time INTEGER NOT NULL, data BLOB NOT NULL, texts TEXT NOT NULL, PRIMARY KEY (seq, sink));
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ring (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, total INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS mark (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS latest (series INTEGER, time INTEGER, seq INTEGER NOT NULL,
    PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS latest_by_seq ON latest (seq);
"""
# A mark says that every record up to `seq`, in the rings too, was appended before `time`: an index by time that costs
# one row in some minutes. `latest` has the last record of a key for the few that are sought by it, which may stand far
# behind its time. `ring` says how far each ring had come.


DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})
"""What SQLite says of a damaged file; a sound one can refuse nothing of what is written here."""


def unreadable(error: Exception) -> bool:
    """Whether the file is damaged, rather than the disk full, busy or away."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGED


class Database:
    """One file.

    stored: number of the last record in it. head: that or the furthest position. rings: number and total of each ring
    at the last commit. lost: undelivered records that were deleted for want of room. damaged: records that could not
    be read. written: bytes, in pages.
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
        self._counted = 0
        self._ids: dict[Series, int] = {}
        self._series: dict[int, Series] = {}
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make the file. A damaged one is set aside and what can be read of it carried over.

        OSError, sqlite3.Error when the disk does not serve.
        """
        try:
            self._db = self._connect()
            self._load()
        except sqlite3.DatabaseError as error:
            self.close()
            # SQLITE_ERROR: a sound database with other tables than ours.
            if not unreadable(error) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            self.recover()
        else:
            if _schema(self._db) != _schema(_sound()):  # a name that a dying card changed is still a name
                self.recover()

    def close(self) -> None:
        """Close the file."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def recover(self) -> None:
        """Set a damaged file aside and go on with a new one."""
        self.close()
        aside = self.folder / ASIDE
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / (DATABASE_FILE + suffix)).replace(self.folder / (ASIDE + suffix))
        for leftover in (DATABASE_FILE + "-shm", ASIDE + "-shm"):
            (self.folder / leftover).unlink(missing_ok=True)
        self.set_aside = aside
        self._db = self._connect()
        before, self._ids, self._series = self.head, {}, {}
        kept, missing = self._salvage(aside)
        self._load()
        self.head = max(self.head, before)
        self.damaged += missing
        log.error("spool: %s, set aside as %s: %d records carried over, %d lost", DATABASE_FILE, aside, kept, missing)

    def commit(self, entry: JournalEntry, delivered: int) -> None:
        """Put everything on disk, in order; what fails leaves `head` where it came to. Again is harmless.

        `reached` of the entry is how far the rings have come. `delivered`: no sink needs the records up to there. The
        oldest go when the file is full, those before others.
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
        """The first records with numbers after one and up to another that a sink gets, at most so many.

        And the number up to which this is so.
        """
        internal = ", ".join(str(number) for number, one in self._series.items() if one.internal)
        query = (
            f"SELECT {ROW_COLUMNS} FROM record WHERE seq > ? AND seq <= ? AND series NOT IN ({internal})"  # noqa: S608 - numbers
            " ORDER BY seq LIMIT ?"
        )
        rows = self._opened().execute(query, (after, last, limit)).fetchall()
        found = [(one[0], record) for one in rows if (record := decoded(one, self._series))]
        if len(found) < len(rows) and rows[-1][0] > self._counted:
            self._counted = rows[-1][0]
            self.damaged += len(rows) - len(found)
            log.error("spool: %d damaged records are left out", len(rows) - len(found))
        return found, rows[-1][0] if len(rows) == limit else last

    def count(self, after: int) -> int:
        """How many records with greater numbers a sink gets."""
        internal = ", ".join(str(number) for number, one in self._series.items() if one.internal)
        return int(
            self._one(f"SELECT count(*) FROM record WHERE seq > ? AND series NOT IN ({internal})", after)  # noqa: S608 - numbers
        )

    def state(self) -> dict[str, bytes]:
        """Every piece of state."""
        return _states(self._opened())

    def mark(self, seq: int, now: int, oldest: int) -> None:
        """Note that everything up to a number was appended before `now`, UTC ns; shrink a file that is too large.

        `oldest`: notes of numbers before it are not needed any more.
        """
        db = self._opened()
        db.execute("INSERT OR IGNORE INTO mark VALUES (?, ?)", (seq, now))  # the first time says most
        db.execute("DELETE FROM mark WHERE seq < ?", (oldest,))
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        if pages > self._pages:
            # As a script: it frees one page a step, and `execute` takes one step of what has no columns.
            db.executescript(f"PRAGMA incremental_vacuum({pages - self._pages})")
            db.execute(f"PRAGMA max_page_count = {self._pages}")
        aside = self.folder / ASIDE
        if aside.exists() and aside.stat().st_size + pages * PAGE > self._max_size:
            log.warning("spool: %s is deleted, there is no room for it", aside)
            for suffix in ("", "-wal", "-shm"):
                (self.folder / (ASIDE + suffix)).unlink(missing_ok=True)

    def appended_before(self, time: int) -> int:
        """See the function of this name."""
        return appended_before(self._opened(), time)

    def expire(self, last: int) -> bool:
        """Delete some of the records up to a number, but not those that last; whether there may be more."""
        db = self._opened()
        going = f"seq <= ? AND NOT ({self._lasting()})"
        query = f"SELECT seq FROM record WHERE {going} ORDER BY seq LIMIT ?"  # noqa: S608 - numbers
        found = db.execute(query, (last, TRANSACTION_RECORDS)).fetchall()
        if len(found) == TRANSACTION_RECORDS:
            last = found[-1][0]
        if found:
            db.execute(f"DELETE FROM record WHERE {going}", (last,))  # noqa: S608 - numbers
        if last > 0:
            self._begin_at(last + 1)
        return len(found) == TRANSACTION_RECORDS

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.folder / DATABASE_FILE, check_same_thread=False, isolation_level=None)
        db.text_factory = text
        try:
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA max_page_count = {self._pages}")
            db.execute(f"PRAGMA wal_autocheckpoint = {self._checkpoint}")
            db.execute(f"PRAGMA journal_size_limit = {self._checkpoint * PAGE}")
        except UnicodeDecodeError as error:  # of a message that quotes a damaged schema
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
        self.positions, self.rings = _positions(db), rings_of(db)
        latest = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'record'") or 0
        self.stored = max(latest, self._one("SELECT max(seq) FROM record") or 0)
        self.head = max(self.stored, *self.positions.values(), 0)
        self._look()

    def _salvage(self, aside: Path) -> tuple[int, int]:
        """Carry over what can be read; how many records, and how many undelivered ones are missing."""
        kept: list[int] = []
        missing = 0
        try:
            lengthen(aside, PAGE)
            with contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as old:
                old.text_factory = text
                series = dict(readable(lambda: all_series(old)))
                moved, state, reached = _positions(old, readable), _states(old, readable), rings_of(old, readable)
                delivered = min(moved.values(), default=0)
                chunk: list[Numbered] = []
                for found in readable_rows(old, 0):
                    if record := decoded(found, series):
                        chunk.append((found[0], record))
                        kept.append(found[0])
                    if len(chunk) == TRANSACTION_RECORDS:
                        self._transact(JournalEntry(chunk), delivered)
                        chunk = []
                self._transact(JournalEntry(chunk, state, moved, (), reached), delivered)
                missing = max(0, reached.get(OWN, (0, 0))[1] - len(kept))
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            log.error("spool: not all of %s could be carried over: %s", aside, error)
        return len(kept), missing

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
            return self._ids.get(series) or new.get(series) or _add(db, series, new)

        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?)",
                (row(seq, number(one.series), one) for seq, one in records),
            )
            # Of which only the last is kept, the one before goes; the same again is the same row.
            db.executemany(
                "DELETE FROM record WHERE seq IN (SELECT seq FROM latest WHERE series = ? AND time = ? AND seq < ?)",
                [(number(one.series), one.time, seq) for seq, one in records if one.series.single],
            )
            db.executemany(
                "INSERT OR REPLACE INTO latest VALUES (?, ?, ?)",
                [(number(one.series), one.time, seq) for seq, one in records if one.looked_up_by_key],
            )
            db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", entry.state.items())
            db.executemany("INSERT OR REPLACE INTO position VALUES (?, ?)", entry.positions.items())
            reached = dict[str, tuple[int, int]]()
            if entry.reached:
                count = db.execute("SELECT count(*) FROM record").fetchone()[0]
                reached = {**entry.reached, OWN: (max([self.stored, *(seq for seq, _ in records)]), count)}
                db.executemany("INSERT OR REPLACE INTO ring VALUES (?, ?, ?)", ((n, *at) for n, at in reached.items()))
            if entry.refused:
                db.executemany(
                    "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (one.seq, one.sink, one.reason, *row(0, number(one.record.series), one.record)[1:5])
                        for one in entry.refused
                    ),
                )
                db.execute(
                    "DELETE FROM refused WHERE rowid NOT IN (SELECT rowid FROM refused ORDER BY seq DESC LIMIT ?)",
                    (REFUSED_KEPT,),
                )
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
        """Delete the oldest records to make room; whether there were any."""
        db = self._opened()
        found = db.execute("SELECT seq FROM record ORDER BY seq LIMIT ?", (TRANSACTION_RECORDS,)).fetchall()
        if not found:
            return False
        # Not more than a twentieth, for a file so small that it holds few chunks.
        last = found[min(len(found) - 1, self._one("SELECT count(*) FROM record") // 20)][0]
        self.lost += self.count(delivered) - self.count(max(last, delivered))
        db.execute("DELETE FROM record WHERE seq <= ?", (last,))
        self._begin_at(last + 1)
        return True

    def _begin_at(self, first: int) -> None:
        """What is before a number is gone, but for what lasts."""
        self._opened().execute("DELETE FROM latest WHERE seq < ? AND seq NOT IN (SELECT seq FROM record)", (first,))
        self._look()

    def _look(self) -> None:
        """Find the oldest record, of those that do not outlive the others."""
        self.oldest = self._one(f"SELECT min(seq) FROM record WHERE NOT ({self._lasting()})") or self.head + 1  # noqa: S608 - numbers

    def _lasting(self) -> str:
        """Which records stay although they are old: the last of each key, of the series that last."""
        series = ", ".join(str(number) for number, one in self._series.items() if one.lasting)
        return f"series IN ({series}) AND seq IN (SELECT seq FROM latest)"  # noqa: S608 - numbers

    def _used(self) -> int:
        db = self._opened()
        return int(db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0])

    def _one(self, query: str, *arguments: object) -> Any:
        found = self._opened().execute(query, arguments).fetchone()
        return found[0] if found else None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise SpoolError(f"{self.folder / DATABASE_FILE}: not open")
        return self._db


def appended_before(db: sqlite3.Connection, time: int) -> int:
    """A number up to which every record was appended before a time, whichever way the clock was set since; 0."""
    last = db.execute(
        "SELECT max(seq) FROM mark WHERE seq < (SELECT coalesce(min(seq), ?) FROM mark WHERE time > ?)", (FAR, time)
    ).fetchone()[0]
    return int(last or 0)


def _schema(db: sqlite3.Connection) -> set[tuple[Any, ...]]:
    return set(db.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


@cache
def _sound() -> sqlite3.Connection:
    """An empty database as it should be."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(_SCHEMA)
    return db


Reading = Callable[[Callable[[], Iterable[Any]]], Iterable[Any]]
"""How rows are taken: all, or those before the first damage."""


def _all(rows: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    return rows()


def _states(db: sqlite3.Connection, reading: Reading = _all) -> dict[str, bytes]:
    return dict(_typed(reading(lambda: db.execute("SELECT name, data FROM state")), str, bytes))


def _positions(db: sqlite3.Connection, reading: Reading = _all) -> dict[str, int]:
    return dict(_typed(reading(lambda: db.execute("SELECT sink, seq FROM position")), str, int))


def rings_of(db: sqlite3.Connection, reading: Reading = _all) -> dict[str, tuple[int, int]]:
    """Number and total of each ring at the last commit."""
    found = _typed(reading(lambda: db.execute("SELECT name, seq, total FROM ring")), str, int, int)
    return {name: (seq, total) for name, seq, total in found}


def _typed(rows: Iterable[Any], *types: type) -> Iterator[Any]:
    """Rows of these types: a page that a dying card changed may hold others and still be a table to SQLite."""
    return (row for row in rows if tuple(map(type, row)) == types)


def _add(db: sqlite3.Connection, series: Series, new: dict[Series, int]) -> int:
    number = db.execute("INSERT INTO series (spec) VALUES (?)", (spec(series),)).lastrowid
    assert number is not None  # an INSERT into a table with a rowid has one
    new[series] = number
    return number
