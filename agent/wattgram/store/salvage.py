"""What can still be read of a damaged SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .rows import ROW_COLUMNS

LONGEST_DATABASE = 2**40
"""Bytes; a header that says more is damaged itself."""

FAR = 2**62
"""Past any number of a record; the most that a search for readable ones skips."""


def lengthen(path: Path, page: int) -> None:
    """Give a file that was cut off the length in its header, without which SQLite reads nothing of it."""
    with path.open("r+b") as file:
        head = file.read(100)
        pages = int.from_bytes(head[28:32], "big")  # sqlite.org/fileformat2.html, 1.3
        if head.startswith(b"SQLite format 3\0") and path.stat().st_size < pages * page <= LONGEST_DATABASE:
            file.truncate(pages * page)


def readable(rows: Any) -> Iterator[Any]:
    """What comes before the first damage."""
    with contextlib.suppress(sqlite3.Error):
        yield from rows()


def readable_rows(db: sqlite3.Connection, after: int) -> Iterator[tuple[Any, ...]]:
    """Records after a number in order, past what cannot be read."""
    step = 1
    while step < FAR:
        try:
            for row in db.execute(f"SELECT {ROW_COLUMNS} FROM record WHERE seq > ? ORDER BY seq", (after,)):  # noqa: S608 - a constant
                after, step = row[0], 1
                yield row
        except sqlite3.Error:
            after, step = after + step, step * 2
        else:
            return
