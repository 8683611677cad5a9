"""The durable buffer: every record is on disk before a sink sees it; each sink has its own position.

SQLite in WAL mode with synchronous=FULL, which alone of its modes keeps what was committed through a power cut.
`append` only remembers; one commit a sync period puts everything on disk, in a thread, so the loop never waits for
a card. What a sink asks for comes from what is on disk.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from .errors import SpoolError
from .record import Record, Series

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE = "spool.db"

PENDING = 100_000
"""Records kept in memory while the disk takes nothing; past that the oldest are dropped and counted."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, time INTEGER NOT NULL,
    data BLOB NOT NULL, texts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS position (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS refused (seq INTEGER, sink TEXT, reason TEXT, series INTEGER, time INTEGER, data BLOB,
    texts TEXT, PRIMARY KEY (seq, sink));
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, data BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order in which they were appended; `seqs` numbers each for `settle`."""

    records: tuple[Record, ...]
    seqs: tuple[int, ...]


class Spool:
    """Append, sync, batch, settle, history; on disk and bounded. One per process and directory."""

    def __init__(self, path: Path, *, max_size: int, keep: float, sinks: Sequence[str]) -> None:
        self.path = path
        self.max_size = max_size
        self.keep = keep
        self.sinks = tuple(sinks)
        self.appended = 0
        self.dropped = 0
        self.lost = 0
        self.refused = 0
        self.set_aside: Path | None = None
        self.head = 0
        self.positions: dict[str, int] = {}
        self._pending: list[Record] = []
        self._state: dict[str, bytes] = {}
        self._moved: dict[str, int] = {}
        self._ids: dict[Series, int] = {}
        self._series: dict[int, Series] = {}
        self._synced = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._db: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or make the spool; a file that is no longer a database is set aside. SpoolError when it cannot be."""
        await self._run(self._open)

    async def close(self) -> None:
        """Put everything on disk and close; SpoolError when the disk refuses the last records."""
        try:
            await self.sync()
        finally:
            if self._db is not None:
                await self._run(self._db.close)
            self._thread.shutdown()

    def append(self, record: Record) -> None:
        """Remember a record for the next sync."""
        self.appended += 1
        self._pending.append(record)
        if len(self._pending) > PENDING:
            over = len(self._pending) - PENDING
            del self._pending[:over]
            self.dropped += over

    def put_state(self, name: str, data: bytes) -> None:
        """Remember a piece of state; it goes to disk in one transaction with the records before it."""
        self._state[name] = data

    async def state(self, name: str) -> bytes | None:
        """A piece of state as of the last sync."""
        return await self._run(lambda: self._one("SELECT data FROM state WHERE name = ?", name))

    @property
    def pending(self) -> int:
        """Records that are not on disk yet."""
        return len(self._pending)

    def undelivered(self, sink: str) -> int:
        """Records on disk that a sink has not settled."""
        return self.head - self.positions.get(sink, 0)

    async def sync(self) -> None:
        """Commit what was appended; SpoolError keeps it in memory for the next time."""
        records, state, moved = self._pending, self._state, self._moved
        if not (records or state or moved):
            return
        self._pending, self._state, self._moved = [], {}, {}
        try:
            await self._run(lambda: self._commit(records, state, moved))
        except SpoolError:
            self._pending = records + self._pending
            self._state = state | self._state
            self._moved = moved | self._moved
            raise
        synced, self._synced = self._synced, asyncio.Event()
        synced.set()

    async def batch(self, sink: str, limit: int) -> Batch:
        """The next records of a sink, oldest first; waits until there are some."""
        while True:
            synced = self._synced
            after = self.positions.get(sink, 0)
            if self.head > after and (found := await self._run(partial(self._read, after, limit))).seqs:
                return found
            await synced.wait()

    def settle(self, sink: str, batch: Batch, count: int) -> None:
        """The sink is done with the first `count` records of its batch."""
        if count:
            self.positions[sink] = self._moved[sink] = batch.seqs[count - 1]

    async def refuse(self, sink: str, batch: Batch, reasons: dict[int, str]) -> None:
        """Set records of a batch aside, by index, with the sink's reason; they are kept but not sent again."""
        self.refused += len(reasons)
        await self._run(lambda: self._refuse(sink, batch, reasons))

    async def history(self, kind: str, since: int, tags: dict[str, str] | None = None) -> list[Record]:
        """Records of a kind with a time of at least `since` (UTC ns), oldest first, as of the last sync."""
        return await self._run(lambda: self._history(kind, since, tags or {}))

    async def prune(self, now: int) -> int:
        """Delete history past its age, then the oldest of all past `max_size`; how many undelivered ones went."""
        return await self._run(lambda: self._prune(now))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"{self.path / FILE}: {error}") from error

    def _open(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self._put_aside()
            self._db = self._connect()
        self._series = {number: _series(spec) for number, spec in self._db.execute("SELECT id, spec FROM series")}
        self._ids = {series: number for number, series in self._series.items()}
        stored = dict(self._db.execute("SELECT sink, seq FROM position"))
        oldest = (self._one("SELECT min(seq) FROM record") or 1) - 1
        # A sink that is new to this spool starts at the oldest record.
        self.positions = {sink: max(stored.get(sink, 0), oldest) for sink in self.sinks}
        self.head = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'record'") or 0

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path / FILE, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.executescript(_SCHEMA)
            db.execute("SELECT max(seq) FROM record").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _put_aside(self) -> None:
        number = 1
        while (aside := self.path / f"{FILE}.corrupt-{number}").exists():
            number += 1
        for suffix in ("-wal", "-shm"):
            (self.path / (FILE + suffix)).unlink(missing_ok=True)
        (self.path / FILE).rename(aside)
        self.set_aside = aside
        log.error("spool unreadable, set aside as %s; a new one begins", aside)

    def _commit(self, records: list[Record], state: dict[str, bytes], moved: dict[str, int]) -> None:
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        new: dict[Series, int] = {}
        try:
            rows = [
                (self._ids.get(one.series) or new.get(one.series) or self._add(db, one.series, new),
                 one.time, one.values, _texts(one.texts))
                for one in records
            ]
            db.executemany("INSERT INTO record (series, time, data, texts) VALUES (?, ?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO state (name, data) VALUES (?, ?)", state.items())
            db.executemany("INSERT OR REPLACE INTO position (sink, seq) VALUES (?, ?)", moved.items())
            head = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'record'") or 0
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self._ids |= new
        self._series |= {number: series for series, number in new.items()}
        self.head = head

    @staticmethod
    def _add(db: sqlite3.Connection, series: Series, new: dict[Series, int]) -> int:
        number = db.execute("INSERT INTO series (spec) VALUES (?)", (_spec(series),)).lastrowid
        assert number is not None  # an INSERT into a table with a rowid has one
        new[series] = number
        return number

    def _read(self, after: int, limit: int) -> Batch:
        rows = self._opened().execute(
            "SELECT seq, series, time, data, texts FROM record WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        ).fetchall()
        return Batch(tuple(self._record(row[1:]) for row in rows), tuple(row[0] for row in rows))

    def _refuse(self, sink: str, batch: Batch, reasons: dict[int, str]) -> None:
        rows = [
            (batch.seqs[index], sink, reason, self._ids[one.series], one.time, one.values, _texts(one.texts))
            for index, reason in reasons.items()
            for one in (batch.records[index],)
        ]
        self._opened().executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _history(self, kind: str, since: int, tags: dict[str, str]) -> list[Record]:
        wanted = [
            number for number, series in self._series.items()
            if series.kind == kind and tags.items() <= dict(series.tags).items()
        ]
        marks = ", ".join("?" * len(wanted))
        rows = self._opened().execute(
            # only question marks are put into the text
            f"SELECT series, time, data, texts FROM record WHERE series IN ({marks}) AND time >= ? ORDER BY time",  # noqa: S608
            (*wanted, since),
        )
        return [self._record(row) for row in rows]

    def _prune(self, now: int) -> int:
        db = self._opened()
        delivered = min(self.positions.values(), default=self.head)
        old = now - int(self.keep * 1e9)
        db.execute("DELETE FROM record WHERE seq <= ? AND time < ?", (delivered, old))
        lost = 0
        while self._size(db) > self.max_size * 0.9:
            oldest = self._one("SELECT min(seq) FROM record")
            if oldest is None:
                break
            last = oldest + max(1, (self.head - oldest) // 20)
            db.execute("DELETE FROM record WHERE seq <= ?", (last,))
            lost += max(0, last - max(delivered, oldest - 1))
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for sink, seq in self.positions.items():
                if seq < last:
                    self.positions[sink] = self._moved[sink] = last
        self.lost += lost
        return lost

    def _size(self, db: sqlite3.Connection) -> int:
        pages, free, page = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * page)

    def _record(self, row: Sequence[Any]) -> Record:
        number, time, data, texts = row
        return Record(self._series[number], time, data, tuple(json.loads(texts)) if texts else ())

    def _one(self, query: str, *arguments: object) -> Any:
        row = self._opened().execute(query, arguments).fetchone()
        return row[0] if row else None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise SpoolError(f"{self.path / FILE}: not open")
        return self._db


def _texts(texts: Iterable[str]) -> str:
    texts = list(texts)
    return json.dumps(texts, ensure_ascii=False) if texts else ""


def _spec(series: Series) -> str:
    return json.dumps([series.kind, series.tags, series.fields, series.integers, series.texts], ensure_ascii=False)


def _series(spec: str) -> Series:
    kind, tags, fields, integers, texts = json.loads(spec)
    return Series(kind, tuple((name, value) for name, value in tags), tuple(fields), tuple(integers), tuple(texts))
