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
"""What SQLite's texts become; a letter that a dying card changed may be none of UTF-8."""

SHORT, ALIKE = 500, 1000
"""Length and number of the texts that a reader of many records keeps."""


def row(seq: int, series: int, record: Record) -> tuple[int, int, int, bytes, str, int]:
    # Escaped: a text may hold what UTF-8 cannot.
    texts = json.dumps(record.texts) if record.texts else ""
    return seq, series, record.time, record.values, texts, crc(seq, series, record.time, record.values, texts)


def crc(seq: int, series: int, time: int, data: bytes, texts: str) -> int:
    """SQLite keeps no checksum of a page, and a number that a dying card changed looks like any other."""
    return zlib.crc32(f"{seq},{series},{time},{texts}".encode(), zlib.crc32(data))


def decoded(
    found: Sequence[Any], series: Mapping[int, Series], known: dict[str, tuple[str, ...]] | None = None
) -> Record | None:
    """The record of a row; None when it is damaged. `known`: texts that came before, where many are alike."""
    try:
        seq, number, time, data, texts, checksum = found
        if crc(seq, number, time, data, texts) != checksum:
            return None
        if not texts:
            return Record(series[number], time, data)
        if known is not None and texts in known:
            return Record(series[number], time, data, known[texts])
        pieces = tuple(json.loads(texts))
        if known is not None and len(texts) <= SHORT and len(known) < ALIKE:
            known[texts] = pieces
        return Record(series[number], time, data, pieces)
    except (KeyError, TypeError, ValueError):
        return None


def spec(series: Series) -> str:
    """All that a series is, as one line of text."""
    return json.dumps([series.kind, series.tags, series.fields, series.integers, series.texts])


def series_of(text: str) -> Series:
    """The reverse of `spec`; ValueError when it is damaged."""
    try:
        kind, tags, fields, integers, texts = json.loads(text)
        pairs = tuple((str(name), str(value)) for name, value in tags)
        return Series(kind, pairs, tuple(fields), tuple(integers), tuple(texts))
    except TypeError as error:
        raise ValueError(f"found {text[:200]!r}, expected a series") from error


def all_series(db: sqlite3.Connection) -> Iterator[tuple[int, Series]]:
    for number, text in db.execute("SELECT id, spec FROM series"):
        with contextlib.suppress(ValueError):  # damaged: its records are
            yield number, series_of(text)
