"""Records and series as rows of the spool's tables, each record with a checksum."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from wattgram.base.record import Record, Series

ROW_COLUMNS = "seq, series, time, data, texts, crc"

text = partial(str, encoding="utf-8", errors="replace")
"""Decoder of SQLite's texts; a damaged text may be invalid UTF-8."""

CACHED_LENGTH, CACHED_TEXTS = 500, 1000
"""Longest text, and most texts, that a reader of many records caches."""


def row(seq: int, series: int, record: Record) -> tuple[int, int, int, bytes, str, int]:
    # JSON escapes: a text may contain characters that UTF-8 cannot encode.
    texts = json.dumps(record.texts) if record.texts else ""
    return seq, series, record.time, record.values, texts, crc(seq, series, record.time, record.values, texts)


def crc(seq: int, series: int, time: int, data: bytes, texts: str) -> int:
    """Return the checksum of a row. SQLite has no checksum of its pages, and a damaged number looks like any other."""
    return zlib.crc32(f"{seq},{series},{time},{texts}".encode(), zlib.crc32(data))


def decoded(
    row: Sequence[Any], series: Mapping[int, Series], known: dict[str, tuple[str, ...]] | None = None
) -> Record | None:
    """Return the record of a row; None if it is damaged. `known`: earlier texts, because many are equal."""
    try:
        seq, number, time, data, texts, checksum = row
        if crc(seq, number, time, data, texts) != checksum:
            return None
        if not texts:
            return Record(series[number], time, data)
        if known is not None and texts in known:
            return Record(series[number], time, data, known[texts])
        pieces = tuple(json.loads(texts))
        if known is not None and len(texts) <= CACHED_LENGTH and len(known) < CACHED_TEXTS:
            known[texts] = pieces
        return Record(series[number], time, data, pieces)
    except (KeyError, TypeError, ValueError):
        return None


def spec(series: Series) -> str:
    """Return the definition of a series, as one line of text."""
    return json.dumps([series.kind, series.tags, series.fields, series.integers, series.texts])


def series_of(text: str) -> Series:
    """Return the series of a definition; ValueError if it is damaged."""
    try:
        kind, tags, fields, integers, texts = json.loads(text)
        pairs = tuple((str(name), str(value)) for name, value in tags)
        return Series(kind, pairs, tuple(fields), tuple(integers), tuple(texts))
    except TypeError as error:
        raise ValueError(f"found {text[:200]!r}, expected a series") from error


def all_series(db: sqlite3.Connection) -> Iterator[tuple[int, Series]]:
    for number, text in db.execute("SELECT id, spec FROM series"):
        with contextlib.suppress(ValueError):  # a damaged definition: its records count as damaged
            yield number, series_of(text)
