"""Reading of a damaged SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .rows import ROW_COLUMNS

LONGEST_DATABASE = 2**40
"""Largest plausible database, bytes; a header with a larger size is damaged itself."""

MAX_NUMBER = 2**62
"""Limit above every record number; the largest skip of a search for readable rows."""


def lengthen(path: Path, page: int) -> None:
    """Extend a truncated file to the size in its header; without this size SQLite reads nothing."""
    with path.open("r+b") as file:
        head = file.read(100)
        pages = int.from_bytes(head[28:32], "big")  # sqlite.org/fileformat2.html, 1.3
        if head.startswith(b"SQLite format 3\0") and path.stat().st_size < pages * page <= LONGEST_DATABASE:
            file.truncate(pages * page)


def readable(rows: Any) -> Iterator[Any]:
    """Yield the rows before the first damage."""
    with contextlib.suppress(sqlite3.Error):
        yield from rows()


def readable_rows(db: sqlite3.Connection, after: int) -> Iterator[tuple[Any, ...]]:
    """Yield the records after a number in order, past unreadable pages."""
    step = 1
    while step < MAX_NUMBER:
        try:
            for row in db.execute(f"SELECT {ROW_COLUMNS} FROM record WHERE seq > ? ORDER BY seq", (after,)):  # noqa: S608 - a constant
                after, step = row[0], 1
                yield row
        except sqlite3.Error:
            after, step = after + step, step * 2
        else:
            return
