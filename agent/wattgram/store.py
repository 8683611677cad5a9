"""The spool's file: SQLite in WAL mode, bounded, and opened again whatever became of it.

Everything here blocks and belongs into the spool's thread, but `history`, which has a connection of its own.
synchronous=FULL is the one mode that keeps what was committed through a power cut.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import SpoolError
from .record import Record, Series
from .rows import COLUMNS, all_series, decoded, row, spec
from .salvage import FAR, lengthen, readable, readable_rows

log = logging.getLogger(__name__)

FILE = "spool.db"
ASIDE = "spool.db.corrupt"

PAGE = 4096
"""Bytes; SQLite's default, said here because the bounds are counted in it."""

CHUNK = 1000
"""Records in a transaction, and deleted at once, so that neither the WAL nor a commit's wait grows with a backlog."""

REFUSED = 1000
"""Refused records that are kept, the latest."""

SALVAGED = 200_000
"""Delivered records that are carried over from an unreadable file, the latest; undelivered ones are always tried."""

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
CREATE TABLE IF NOT EXISTS mark (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS latest (series INTEGER, time INTEGER, seq INTEGER NOT NULL,
    PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS latest_by_seq ON latest (seq);
"""
# A mark says that every record up to `seq` was appended before `time`: an index by time that costs one row a minute,
# where one over the records would cost a page for each series at every commit. `latest` has
# the last record of a key for the few that are sought by it, which may stand far behind its time.

Numbered = tuple[int, Record]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order in which they were appended; `seqs` numbers each for `settle`, within an `era`."""

    records: tuple[Record, ...]
    seqs: tuple[int, ...]
    era: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that a sink will never take, and why."""

    seq: int
    sink: str
    reason: str
    record: Record


def unreadable(error: Exception) -> bool:
    """Whether the file is damaged, rather than the disk full, busy or away."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Store:
    """One file in one directory, held by one process."""

    def __init__(self, folder: Path, max_size: int) -> None:
        self.folder = folder
        self.head = 0
        self.oldest = 1
        self.positions: dict[str, int] = {}
        self.lost = 0
        self.unreadable = 0
        self.set_aside: Path | None = None
        self.generation = 0
        self._checkpoint = max(16, min(1000, max_size // PAGE // 16))
        self._pages = max(64, max_size // PAGE - 2 * self._checkpoint)
        self._max_size = max_size
        self._counted = 0
        self._ids: dict[Series, int] = {}
        self._series: dict[int, Series] = {}
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a file to read and write."""
        return self._db is not None

    def open(self) -> None:
        """Open or make the file. A damaged one is set aside and what can be read of it carried over.

        SpoolError when another process has it; OSError, sqlite3.Error when the disk does not serve.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        try:
            self._db = self._connect()
            self._load()
        except sqlite3.DatabaseError as error:
            self._disconnect()
            # SQLITE_ERROR: a sound database with other tables than ours.
            if not unreadable(error) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            self.recover(self.generation)

    def close(self) -> None:
        """Close the file and let others have it."""
        self._disconnect()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def recover(self, generation: int) -> None:
        """Set a damaged file aside and go on with a new one; nothing when that was done since `generation`."""
        if generation != self.generation:
            return
        self._disconnect()
        aside = self.folder / ASIDE
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / (FILE + suffix)).replace(self.folder / (ASIDE + suffix))
        for leftover in (FILE + "-shm", ASIDE + "-shm"):
            (self.folder / leftover).unlink(missing_ok=True)
        self.generation += 1
        self.set_aside = aside
        self._db = self._connect()
        before, self._ids, self._series = self.head, {}, {}
        kept = self._salvage(aside)
        self._load()
        self.head = max(self.head, before)
        log.error("spool unreadable, set aside as %s: %d records carried over, %d lost", aside, kept, self.unreadable)

    def commit(
        self,
        records: Sequence[Numbered],
        state: Mapping[str, bytes],
        moved: Mapping[str, int],
        refused: Iterable[Refusal],
        delivered: int,
    ) -> None:
        """Put everything on disk, in order; what fails leaves `head` where it came to. Again is harmless.

        `delivered`: no sink needs the records up to there, so they go first when the file is full.
        """
        *chunks, final = [records[start : start + CHUNK] for start in range(0, len(records), CHUNK)] or [()]
        for chunk in chunks:
            self._transact(chunk, {}, {}, (), delivered)
        self._transact(final, state, moved, tuple(refused), delivered)
        while self._used() > 0.95 * self._pages and self._trim(delivered):
            pass

    def read(self, after: int, limit: int) -> Batch:
        """The first records after a number that a sink gets; none when there are none."""
        while True:
            internal = ", ".join(str(number) for number, one in list(self._series.items()) if one.internal)
            query = (
                f"SELECT {COLUMNS} FROM record WHERE seq > ? AND series NOT IN ({internal})"  # noqa: S608 - numbers
                " ORDER BY seq LIMIT ?"
            )
            rows = self._opened().execute(query, (after, limit)).fetchall()
            found = [(one[0], record) for one in rows if (record := decoded(one, self._series))]
            if len(found) < len(rows) and rows[-1][0] > self._counted:
                self._counted = rows[-1][0]
                self.unreadable += len(rows) - len(found)
                log.error("spool: %d damaged records are left out", len(rows) - len(found))
            if found or not rows:
                return Batch(tuple(record for _, record in found), tuple(seq for seq, _ in found))
            after = rows[-1][0]

    def state(self, name: str) -> bytes | None:
        """A piece of state."""
        found = self._one("SELECT data FROM state WHERE name = ?", name)
        return bytes(found) if found is not None else None

    def history(self, kind: str, since: int, tags: Mapping[str, str]) -> list[Record]:
        """Records of a kind with a time of at least `since`, oldest first, of each key the last. May run beside
        everything else."""
        wanted = [
            number
            for number, series in list(self._series.items())
            if series.kind == kind and tags.items() <= dict(series.tags).items()
        ]
        with contextlib.closing(sqlite3.connect(f"{self._url()}?mode=ro", uri=True)) as db:
            marks = ", ".join("?" * len(wanted))
            rows = db.execute(
                f"SELECT {COLUMNS} FROM record WHERE seq > ? AND series IN ({marks}) AND time >= ?"  # noqa: S608 - question marks
                " ORDER BY time, seq",
                (appended_before(db, since), *wanted, since),
            ).fetchall()
        found = (record for one in rows if (record := decoded(one, self._series)))
        return list({(id(one.series), one.time): one for one in found}.values())

    def mark(self, now: int) -> None:
        """Note that everything on disk was appended before `now`, UTC ns; shrink a file that is too large."""
        db = self._opened()
        db.execute("INSERT OR IGNORE INTO mark VALUES (?, ?)", (self.head, now))  # the first time says most
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

    def expire(self, before: int, delivered: int) -> bool:
        """Delete some of the delivered records that were appended before a time; whether there may be more."""
        db = self._opened()
        last = min(delivered, appended_before(db, before), self.oldest + CHUNK - 1)
        if last < self.oldest:
            return False
        db.execute("DELETE FROM record WHERE seq <= ?", (last,))
        self._begin_at(last + 1)
        return True

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

    def _url(self) -> str:
        return (self.folder.absolute() / FILE).as_uri()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.folder / FILE, check_same_thread=False, isolation_level=None)
        try:
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA max_page_count = {self._pages}")
            db.execute(f"PRAGMA wal_autocheckpoint = {self._checkpoint}")
            db.execute(f"PRAGMA journal_size_limit = {self._checkpoint * PAGE}")
        except BaseException:
            db.close()
            raise
        return db

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _load(self) -> None:
        db = self._opened()
        self._series = dict(all_series(db))
        self._ids = {series: number for number, series in self._series.items()}
        self.positions = dict(db.execute("SELECT sink, seq FROM position"))
        latest = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'record'") or 0
        self.head = max(latest, self._one("SELECT max(seq) FROM record") or 0, *self.positions.values(), 0)
        self.oldest = self._one("SELECT min(seq) FROM record") or self.head + 1

    def _salvage(self, aside: Path) -> int:
        """Carry over what can be read; how many records."""
        kept: list[int] = []
        try:
            lengthen(aside, PAGE)
            with contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as old:
                series = dict(readable(lambda: all_series(old)))
                moved = dict(readable(lambda: old.execute("SELECT sink, seq FROM position")))
                state = dict(readable(lambda: old.execute("SELECT name, data FROM state")))
                heads = readable(lambda: old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'"))
                head = max([self.head, *(seq for (seq,) in heads)])
                delivered = min(moved.values(), default=0)
                chunk: list[Numbered] = []
                for found in readable_rows(old, max(0, min(delivered, head - SALVAGED))):
                    if record := decoded(found, series):
                        chunk.append((found[0], record))
                        kept.append(found[0])
                    if len(chunk) == CHUNK:
                        self._transact(chunk, {}, {}, (), delivered)
                        chunk = []
                self._transact(chunk, state, moved, (), delivered)
                # Without a position the oldest that was found is all that is known of where it began.
                before = delivered if moved else min(kept, default=1) - 1
                self.unreadable += max(0, head - before - sum(seq > before for seq in kept))
        except (sqlite3.Error, OSError) as error:
            log.error("spool: not all of %s could be carried over: %s", aside, error)
        return len(kept)

    def _transact(
        self,
        records: Sequence[Numbered],
        state: Mapping[str, bytes],
        moved: Mapping[str, int],
        refused: Sequence[Refusal],
        delivered: int,
    ) -> None:
        while True:
            try:
                return self._write(records, state, moved, refused)
            except sqlite3.OperationalError as error:
                bounded = error.sqlite_errorcode == sqlite3.SQLITE_FULL and self._used() > 0.7 * self._pages
                if not (bounded and self._trim(delivered)):
                    raise

    def _write(
        self,
        records: Sequence[Numbered],
        state: Mapping[str, bytes],
        moved: Mapping[str, int],
        refused: Sequence[Refusal],
    ) -> None:
        db, new = self._opened(), dict[Series, int]()

        def number(series: Series) -> int:
            return self._ids.get(series) or new.get(series) or _add(db, series, new)

        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?)",
                (row(seq, number(one.series), one) for seq, one in records),
            )
            db.executemany(
                "INSERT OR REPLACE INTO latest VALUES (?, ?, ?)",
                [(number(one.series), one.time, seq) for seq, one in records if one.sought],
            )
            db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", state.items())
            db.executemany("INSERT OR REPLACE INTO position VALUES (?, ?)", moved.items())
            if refused:
                db.executemany(
                    "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (one.seq, one.sink, one.reason, *row(0, number(one.record.series), one.record)[1:5])
                        for one in refused
                    ),
                )
                db.execute(
                    "DELETE FROM refused WHERE rowid NOT IN (SELECT rowid FROM refused ORDER BY seq DESC LIMIT ?)",
                    (REFUSED,),
                )
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self._ids |= new
        self._series |= {number: series for series, number in new.items()}
        if records:
            self.head = max(self.head, records[-1][0])

    def _trim(self, delivered: int) -> bool:
        """Delete the oldest records to make room; whether there were any."""
        db = self._opened()
        found = db.execute("SELECT seq FROM record ORDER BY seq LIMIT ?", (CHUNK,)).fetchall()
        if not found:
            return False
        # Not more than a twentieth, for a file so small that it holds few chunks.
        last = found[min(len(found) - 1, (self.head - found[0][0]) // 20)][0]
        db.execute("DELETE FROM record WHERE seq <= ?", (last,))
        self.lost += sum(delivered < seq <= last for (seq,) in found)
        self._begin_at(last + 1)
        return True

    def _begin_at(self, oldest: int) -> None:
        self.oldest = oldest
        db = self._opened()
        db.execute("DELETE FROM mark WHERE seq < ?", (oldest - 1,))
        db.execute("DELETE FROM latest WHERE seq < ?", (oldest,))

    def _used(self) -> int:
        db = self._opened()
        return int(db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0])

    def _one(self, query: str, *arguments: object) -> Any:
        found = self._opened().execute(query, arguments).fetchone()
        return found[0] if found else None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise SpoolError(f"{self.folder / FILE}: not open")
        return self._db


def appended_before(db: sqlite3.Connection, time: int) -> int:
    """A number up to which every record was appended before a time, whichever way the clock was set since; 0."""
    last = db.execute(
        "SELECT max(seq) FROM mark WHERE seq < (SELECT coalesce(min(seq), ?) FROM mark WHERE time > ?)", (FAR, time)
    ).fetchone()[0]
    return int(last or 0)


def _add(db: sqlite3.Connection, series: Series, new: dict[Series, int]) -> int:
    number = db.execute("INSERT INTO series (spec) VALUES (?)", (spec(series),)).lastrowid
    assert number is not None  # an INSERT into a table with a rowid has one
    new[series] = number
    return number
