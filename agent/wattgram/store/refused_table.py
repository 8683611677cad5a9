"""The table of refused records in the spool's database, limited by bytes: the newest stay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from wattgram.base.record import Record, Series

from .journal import Refusal
from .rows import row

ROW_BYTES = 64
"""Allowance for the numbers and the overhead of a row, bytes."""


def again_file(folder: Path, sink: str) -> Path:
    """Return the file with which a command asks the daemon to hand the refused records of a sink over again."""
    return folder / f"again-{sink}"


def refused_of(db: sqlite3.Connection, series: Mapping[int, Series]) -> Iterator[Refusal]:
    """Yield the refused records, oldest first; damaged rows are left out."""
    for seq, sink, reason, number, time, data, texts in db.execute("SELECT * FROM refused ORDER BY seq, sink"):
        try:
            record = Record(series[number], time, bytes(data), tuple(json.loads(texts)) if texts else ())
            complete = len(record.values) == 8 * len(record.series.fields)
        except (KeyError, TypeError, ValueError):
            continue
        if complete and len(record.texts) in (0, len(record.series.texts)):
            yield Refusal(seq, sink, reason, record)


def write_refused(db: sqlite3.Connection, refused: Iterable[Refusal], number: Callable[[Series], int]) -> None:
    """Write refused records. `number`: returns the number of a series."""
    db.executemany(
        "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (refusal.seq, refusal.sink, refusal.reason, *row(0, number(refusal.record.series), refusal.record)[1:5])
            for refusal in refused
        ),
    )


def keep_newest(db: sqlite3.Connection, limit: int) -> None:
    """Delete the oldest refused records above a limit in bytes."""
    db.execute(
        "WITH sized AS (SELECT rowid AS place, seq, sink, "
        "length(CAST(reason AS BLOB)) + length(data) + length(CAST(texts AS BLOB)) + ? AS size FROM refused) "
        "DELETE FROM refused WHERE rowid IN (SELECT place FROM "
        "(SELECT place, sum(size) OVER (ORDER BY seq DESC, sink DESC) AS newer FROM sized) WHERE newer > ?)",
        (ROW_BYTES, limit),
    )
