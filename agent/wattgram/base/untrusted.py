"""What others sent, before it is believed: files, JSON, CSV, numbers, times. Mistakes are ValueErrors that quote."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from math import isfinite, nan
from pathlib import Path
from typing import Any

from wattgram.base.clock import NS

TIME_YEARS = range(2000, 2100)
"""What a time may be; anything else is a mistake in writing."""

EARLIEST, LATEST = (
    int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * NS for year in (TIME_YEARS.start, TIME_YEARS.stop)
)
"""The same in UTC ns."""

SPREADSHEET = "%Y/%m/%d %H:%M"
"""How Excel writes a time in a Chinese CSV file, `2026/6/1 8:00`."""

QUOTED = 60
"""Characters of a foreign text that a message repeats."""


def quoted(value: object) -> str:
    """A foreign value for a message: printable, on one line, short."""
    text = ascii(value)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def content(path: Path, largest: int) -> bytes:
    """All of a file; ValueError when it has more than `largest` bytes or is no plain file, OSError when it is away."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe must not hang us
        data = file.read(largest + 1)
    if data is None or len(data) > largest:
        raise ValueError(f"found more than {largest} bytes")
    return data


def columns(data: bytes) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """The head of a CSV file with `,` or `;`, and of each line that is not empty its number and its cells by column."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start}: found no UTF-8") from error
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
    lines = _lines(rows)
    _, cells = next(lines, (1, []))
    head = [name.strip() for name in cells]
    if not head or len(set(head)) < len(head):
        raise ValueError(f"line 1: found {quoted(head)}; expected names of columns, each once")
    return head, _named(head, lines)


def document(data: bytes) -> Any:
    """The JSON in some bytes."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("found JSON that is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"found no JSON: {quoted(data)}") from error


def mapping(value: object, what: str) -> dict[str, Any]:
    """A JSON object; `what` names it."""
    if not isinstance(value, dict):
        raise ValueError(f"{what}: found {quoted(value)}; expected an object")
    return value


def sequence(value: object, what: str) -> list[Any]:
    """A JSON array; `what` names it."""
    if not isinstance(value, list):
        raise ValueError(f"{what}: found {quoted(value)}; expected a list")
    return value


def number(value: object, what: str) -> float:
    """A finite number, also written as a text; `what` names it."""
    try:
        made = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else nan
    except (ValueError, OverflowError):
        made = nan
    if not isfinite(made):
        raise ValueError(f"{what}: found {quoted(value)}; expected a number")
    return made


def written(value: object, what: str) -> datetime:
    """A written time, with its offset if it has one: RFC 3339, `2026-06-01 08:00` or `2026/6/1 8:00`."""
    text = value.strip() if isinstance(value, str) else ""
    for read in (datetime.fromisoformat, _spreadsheet):
        try:
            time = read(text)
        except ValueError:
            continue
        if time.year in TIME_YEARS:
            return time
    raise ValueError(f"{what}: found {quoted(value)}; expected a time such as 2026-06-01T08:00:00Z")


def instant(value: object, what: str, zone: tzinfo = UTC) -> int:
    """UTC ns of a written time, which is in `zone` when it has no offset."""
    return nanoseconds(written(value, what), zone)


def nanoseconds(time: datetime, zone: tzinfo = UTC) -> int:
    """UTC ns of a time, which is in `zone` when it has no offset; to the millisecond."""
    return round((time if time.tzinfo else time.replace(tzinfo=zone)).timestamp() * 1000) * (NS // 1000)


def unix(value: object, what: str) -> int:
    """UTC ns of seconds since 1970."""
    seconds = number(value, what)
    if not EARLIEST <= seconds * NS < LATEST:
        raise ValueError(f"{what}: found {quoted(value)}; expected seconds since 1970, of this century")
    return int(seconds) * NS


def _lines(rows: Any) -> Iterator[tuple[int, list[str]]]:
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error


def _named(head: list[str], lines: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, row in lines:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(head):
            raise ValueError(f"line {number}: found {len(row)} columns; expected {len(head)}")
        yield number, {name: cell.strip() for name, cell in zip(head, row, strict=True)}


def _spreadsheet(text: str) -> datetime:
    return datetime.strptime(text, SPREADSHEET)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
