"""Periods of a site's local calendar: the option --period, and the bounds of days, months and windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from .clock import NS
from .toml_table import nearest

PERIOD_UNITS = ("day", "month", "year")
ALLOWED = (
    "day, month, year, or FROM..TO with dates such as 2026-11-01..2026-11-30 (the last one included)"
    " or times such as 2026-11-01T06:00:00Z..2026-11-01T14:00:00+08:00"
)
ALLOWED_TIME = "a date such as 2026-11-01, or a time such as 2026-11-01T06:00:00Z or 2026-11-01T14:00:00+08:00"
MOST_ROWS = 62
"""Most rows of a FROM..TO report: by day up to this number of days, else by month, else by year."""

FIXED_WINDOWS = {"15m": 900, "1h": 3600}
"""Length of the windows of fixed length, s."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_YEARS = range(1970, 2262)
"""Years that fit in 64-bit nanoseconds since 1970."""


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """A named interval from `start` (included) to `end` (excluded), UTC ns."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PeriodOption:
    """The value of --period: every stored day, month or year, or the interval from `first` to `last`.

    A date is a local day of the site; as `last` the day is included. A time is an instant; as `last` it is excluded.
    """

    unit: str
    first: date | datetime | None = None
    last: date | datetime | None = None

    def bounds(self, zone: ZoneInfo) -> tuple[int, int] | None:
        """Return start and end, UTC ns; None for the whole history. ValueError when the end is before the start."""
        if self.first is None or self.last is None:
            return None
        start, end = instant(self.first, zone), instant(self.last, zone, last=True)
        if end <= start:
            raise ValueError(f"found {self.first}..{self.last}, which ends before it begins; allowed: {ALLOWED}")
        return start, end


def parse_period(value: object) -> PeriodOption:
    """Parse the value of --period. ValueError: what was found and what is allowed."""
    text = str(value)
    if text in PERIOD_UNITS:
        return PeriodOption(text)
    first, dots, last = text.partition("..")
    if not dots:
        raise ValueError(f"found {text!r}{nearest(text, PERIOD_UNITS)}; allowed: {ALLOWED}")
    return PeriodOption("", _end(first, ALLOWED), _end(last, ALLOWED))


def spans(option: PeriodOption, first: int, over: int, zone: ZoneInfo) -> list[PeriodSpan]:
    """Return the rows of a report that begin before `over`, oldest first; `first` is the first stored instant.

    Days, months and years are whole; the rows of a FROM..TO are clipped to the interval. ValueError as in
    `PeriodOption.bounds`.
    """
    bounds = option.bounds(zone)
    if bounds is None:
        return list(_spans(option.unit, first, over, zone))
    start, end = bounds
    until = min(end, over)
    unit = next(
        (unit for unit in PERIOD_UNITS if _count(unit, start, until, zone) <= MOST_ROWS),
        "year",
    )
    return [
        PeriodSpan(span.name, max(span.start, start), min(span.end, end)) for span in _spans(unit, start, until, zone)
    ]


def local_day(time: int, zone: ZoneInfo) -> date:
    """Return the local day of the site that contains an instant."""
    return datetime.fromtimestamp(time // NS, zone).date()


def local_minute(time: int, zone: ZoneInfo) -> str:
    """Format an instant in local time, to the minute, with the abbreviation of the time zone."""
    return f"{datetime.fromtimestamp(time // NS, zone):%Y-%m-%d %H:%M %Z}"


def window_end(window: str, start: int, zone: ZoneInfo) -> int:
    """Return the end of a window that begins at `start`, UTC ns. Days and months follow the local calendar."""
    if window in FIXED_WINDOWS:
        return start + FIXED_WINDOWS[window] * NS
    day = local_day(start, zone)
    return _midnight(_next("day" if window == "1d" else "month", day), zone)


def window_start(window: str, time: int, zone: ZoneInfo) -> int:
    """Return the start of the window that contains `time`, UTC ns, in local time."""
    if window not in FIXED_WINDOWS:
        return _midnight(_first("day" if window == "1d" else "month", local_day(time, zone)), zone)
    utc_offset = datetime.fromtimestamp(time // NS, UTC).astimezone(zone).utcoffset() or timedelta()
    offset, step = int(utc_offset.total_seconds()) * NS, FIXED_WINDOWS[window] * NS
    return (time + offset) // step * step - offset


def parse_period_end(value: object) -> date | datetime:
    """Parse a date or an instant. ValueError: what was found and what is allowed."""
    return _end(str(value), ALLOWED_TIME)


def _end(text: str, allowed: str) -> date | datetime:
    """Parse a date or an instant; `allowed`: words of the error."""
    mistake = f"found {text!r}; allowed: {allowed}"
    if not (is_date := _DATE.fullmatch(text)) and not _TIME.fullmatch(text):
        raise ValueError(mistake)
    try:
        made = date.fromisoformat(text) if is_date else datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(mistake) from error
    if made.year not in _YEARS:
        raise ValueError(f"found {text!r}; allowed: years {_YEARS[0]} to {_YEARS[-1]}")
    return made


def _count(unit: str, start: int, end: int, zone: ZoneInfo) -> int:
    """Return the number of spans, at most MOST_ROWS + 1."""
    return len(list(islice(_spans(unit, start, end, zone), MOST_ROWS + 1)))


def _spans(unit: str, start: int, end: int, zone: ZoneInfo) -> Iterator[PeriodSpan]:
    """Yield whole units, from the unit that contains `start` to the last unit that begins before `end`.

    None when `end` <= `start`.
    """
    day = _first(unit, local_day(start, zone))
    while (begin := _midnight(day, zone)) < end and start < end:
        day, name = _next(unit, day), day.isoformat()[: {"day": 10, "month": 7, "year": 4}[unit]]
        yield PeriodSpan(name, begin, _midnight(day, zone))


def _first(unit: str, day: date) -> date:
    if unit == "day":
        return day
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


def _next(unit: str, day: date) -> date:
    """Return the first day after the unit that contains a day."""
    if unit == "day":
        return day + timedelta(days=1)
    if unit == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return date(day.year + 1, 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * NS


def instant(end: date | datetime, zone: ZoneInfo, *, last: bool = False) -> int:
    """Return UTC ns of an instant, or of the start of a local day; of the end of the day when `last`."""
    if last and not isinstance(end, datetime):
        end += timedelta(days=1)
    if not isinstance(end, datetime):
        return _midnight(end, zone)
    since = end - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * NS + since.microseconds * 1000
