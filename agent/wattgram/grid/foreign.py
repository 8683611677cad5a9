"""What others sent, before it is believed: JSON, numbers, times. Every mistake is a ValueError that quotes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from math import isfinite, nan
from typing import Any

from .signal import NS

YEARS = range(2000, 2100)
"""What a time may be; anything else is a mistake in writing."""

EARLIEST, LATEST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * NS for year in (YEARS.start, YEARS.stop))
"""The same in UTC ns."""

SPREADSHEET = "%Y/%m/%d %H:%M"
"""How Excel writes a time in a Chinese CSV file, `2026/6/1 8:00`."""

QUOTED = 60
"""Characters of a foreign text that a message repeats."""


def quoted(value: object) -> str:
    """A foreign value for a message: printable, on one line, short."""
    text = ascii(value)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


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
        if time.year in YEARS:
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


def _spreadsheet(text: str) -> datetime:
    return datetime.strptime(text, SPREADSHEET)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
