"""Tables of the spool's database: the schema, and the small tables that are read as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from wattgram.base.record import Series

from .rows import spec
from .salvage import MAX_NUMBER

PAGE = 4096
"""Page size, bytes; SQLite's default, set explicitly because the limits are counted in pages."""

SCHEMA = f"""
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
# A mark: all records up to `seq`, in the rings too, were appended before `time`. It is an index by time that costs one
# row in some minutes. `latest`: the last record of a key, for series searched by key, whose record may be appended long
# after its time. `ring`: last number and total of each ring.


def appended_before(db: sqlite3.Connection, time: int) -> int:
    """Return a number up to which all records were appended before a time, even if the clock was set since; or 0."""
    last = db.execute(
        "SELECT max(seq) FROM mark WHERE seq < (SELECT coalesce(min(seq), ?) FROM mark WHERE time > ?)",
        (MAX_NUMBER, time),
    ).fetchone()[0]
    return int(last or 0)


def schema_of(db: sqlite3.Connection) -> set[tuple[Any, ...]]:
    """Return name, table and definition of everything in a database."""
    return set(db.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


@cache
def reference_database() -> sqlite3.Connection:
    """Return an empty database with the expected schema."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(SCHEMA)
    return db


Reading = Callable[[Callable[[], Iterable[Any]]], Iterable[Any]]
"""Reader of rows: all, or those before the first damage."""


def _read_all(rows: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    return rows()


def states_of(db: sqlite3.Connection, reading: Reading = _read_all) -> dict[str, bytes]:
    """Return every piece of state."""
    return dict(_typed(reading(lambda: db.execute("SELECT name, data FROM state")), str, bytes))


def positions_of(db: sqlite3.Connection, reading: Reading = _read_all) -> dict[str, int]:
    """Return the position of every sink."""
    return dict(_typed(reading(lambda: db.execute("SELECT sink, seq FROM position")), str, int))


def rings_of(db: sqlite3.Connection, reading: Reading = _read_all) -> dict[str, tuple[int, int]]:
    """Return number and total of each ring at the last commit."""
    rows = _typed(reading(lambda: db.execute("SELECT name, seq, total FROM ring")), str, int, int)
    return {name: (seq, total) for name, seq, total in rows}


def _typed(rows: Iterable[Any], *types: type) -> Iterator[Any]:
    """Yield the rows of these types; a damaged page may contain other types and still be a table to SQLite."""
    return (row for row in rows if tuple(map(type, row)) == types)


def add_series(db: sqlite3.Connection, series: Series, new: dict[Series, int]) -> int:
    """Add a series to its table and to `new`; return its number."""
    number = db.execute("INSERT INTO series (spec) VALUES (?)", (spec(series),)).lastrowid
    assert number is not None  # an INSERT into a table with a rowid has one
    new[series] = number
    return number
