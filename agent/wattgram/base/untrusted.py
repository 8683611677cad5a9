"""Checks of input from outside: files, JSON, CSV, numbers, times. A ValueError quotes the wrong input."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from math import isfinite, nan
from pathlib import Path
from typing import Any

from wattgram.base.clock import NS

TIME_YEARS = range(2000, 2100)
"""Allowed years of a time; another year is a mistake."""

EARLIEST, LATEST = (
    int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * NS for year in (TIME_YEARS.start, TIME_YEARS.stop)
)
"""Bounds of TIME_YEARS, UTC ns."""

SPREADSHEET = "%Y/%m/%d %H:%M"
"""Format of a time in a Chinese CSV file from Excel, `2026/6/1 8:00`."""

HOUR_24 = re.compile(r"[T ]24(:|$)")
"""Hour 24 in a time, which files have that name periods by their end."""

JSON_ELEMENTS = 100_000
"""Most elements of JSON from outside: an element costs up to 100 bytes of memory. A megabyte has a million of `{}`."""

QUOTED = 60
"""Most characters of input that a message quotes."""


FILE_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
}
"""Names of files that are not regular, by their type."""

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def quoted(value: object) -> str:
    """Return a value for a message: printable, on one line, shortened."""
    text = ascii(value)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def content(path: Path, largest: int) -> bytes:
    """Return the content of a file. ValueError when the file has more than `largest` bytes or is not a regular file.

    OSError when the file cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not block
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"found {FILE_KINDS.get(stat.S_IFMT(mode), 'a special file')}; allowed: a regular file")
        with open(handle, "rb", closefd=False) as file:
            data = file.read(largest + 1)
    finally:
        os.close(handle)
    if data is None or len(data) > largest:
        raise ValueError(f"found more than {largest} bytes")
    return data


def decoded(data: bytes) -> str:
    """Return UTF-8 text without a byte order mark; ValueError, without any of the text, for other bytes."""
    if data.startswith(UTF16):
        raise ValueError("found UTF-16; allowed: UTF-8 (in the editor: save as UTF-8)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start}: found no UTF-8; allowed: UTF-8") from None


def columns(data: bytes) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Return the column names of a CSV file with `,` or `;`, and each line as (line number, cells by column name).

    Empty lines are left out.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start}: not UTF-8; save the file as UTF-8") from error
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
    lines = _lines(rows)
    _, cells = next(lines, (1, []))
    head = [name.strip() for name in cells]
    if not head or len(set(head)) < len(head):
        raise ValueError(f"line 1: found {quoted(head)}; expected column names, each once")
    return head, _named(head, lines)


def document(data: bytes, most: int = JSON_ELEMENTS) -> Any:
    """Parse JSON of at most `most` elements; an object counts twice."""
    if 2 * data.count(b"{") + data.count(b"[") + data.count(b",") > most:
        raise ValueError(f"found JSON with more than {most} elements")
    try:
        return json.loads(data, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("found JSON with too many levels") from error
    except ValueError as error:
        raise ValueError(f"found {quoted(data)}; expected JSON") from error


def mapping(value: object, what: str) -> dict[str, Any]:
    """Check a JSON object; `what` is its name in the message."""
    if not isinstance(value, dict):
        raise ValueError(f"{what}: found {quoted(value)}; expected an object")
    return value


def sequence(value: object, what: str) -> list[Any]:
    """Check a JSON array; `what` is its name in the message."""
    if not isinstance(value, list):
        raise ValueError(f"{what}: found {quoted(value)}; expected a list")
    return value


def number(value: object, what: str) -> float:
    """Return a finite number from a number or a string; `what` is its name in the message."""
    try:
        made = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else nan
    except (ValueError, OverflowError):
        made = nan
    if not isfinite(made):
        raise ValueError(f"{what}: found {quoted(value)}; expected a number")
    return made


def written(value: object, what: str) -> datetime:
    """Parse a time: RFC 3339, `2026-06-01 08:00` or `2026/6/1 8:00`. The result has an offset if the text has one."""
    text = value.strip() if isinstance(value, str) else ""
    if HOUR_24.search(text):  # Python 3.13 reads it as the next day, earlier ones do not
        raise ValueError(
            f"{what}: found {quoted(value)}; expected 00:00 to 23:59, the start of the period; with 24:00 a file names "
            "the end of each period"
        )
    for read in (datetime.fromisoformat, _spreadsheet):
        try:
            time = read(text)
        except ValueError:
            continue
        if time.year in TIME_YEARS:
            return time
    raise ValueError(f"{what}: found {quoted(value)}; expected a time such as 2026-06-01T08:00:00Z")


def instant(value: object, what: str, zone: tzinfo = UTC) -> int:
    """Return UTC ns of a time in text; `zone` applies when the text has no offset."""
    return nanoseconds(written(value, what), zone)


def nanoseconds(time: datetime, zone: tzinfo = UTC) -> int:
    """Return UTC ns of a time, to the millisecond; `zone` applies when the time has no offset."""
    return round((time if time.tzinfo else time.replace(tzinfo=zone)).timestamp() * 1000) * (NS // 1000)


def unix(value: object, what: str) -> int:
    """Return UTC ns of seconds since 1970."""
    seconds = number(value, what)
    if not EARLIEST <= seconds * NS < LATEST:
        raise ValueError(f"{what}: found {quoted(value)}; expected seconds since 1970, in the years 2000 to 2099")
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
