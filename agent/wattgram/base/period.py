"""Periods of a site's local calendar: what a command asks for, and where days, months and windows begin and end."""

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
MOST_ROWS = 62
"""Rows of a FROM..TO: by day while there are no more, else by month, else by year."""

FIXED_WINDOWS = {"15m": 900, "1h": 3600}
"""Seconds of the windows that are always as long."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_YEARS = range(1970, 2262)
"""Years that nanoseconds since 1970 reach."""


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """A stretch of time with a name; from `start` to before `end`, UTC ns."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PeriodOption:
    """What --period said: every day, month or year that is stored, or from `first` to `last`.

    A date is the site's local day, and as `last` it is included; a time is an instant, and as `last` it is not.
    """

    unit: str
    first: date | datetime | None = None
    last: date | datetime | None = None

    def bounds(self, zone: ZoneInfo) -> tuple[int, int] | None:
        """From and to in UTC ns; None for all that is stored. ValueError when it ends before it begins."""
        if self.first is None or self.last is None:
            return None
        start, end = instant(self.first, zone), instant(self.last, zone, last=True)
        if end <= start:
            raise ValueError(f"found {self.first}..{self.last}, which ends before it begins; allowed: {ALLOWED}")
        return start, end


def parse_period(value: object) -> PeriodOption:
    """What --period says; ValueError with what was found and what is allowed."""
    text = str(value)
    if text in PERIOD_UNITS:
        return PeriodOption(text)
    first, dots, last = text.partition("..")
    if not dots:
        raise ValueError(f"found {text!r}{nearest(text, PERIOD_UNITS)}; allowed: {ALLOWED}")
    return PeriodOption("", parse_period_end(first), parse_period_end(last))


def spans(wanted: PeriodOption, first: int, over: int, zone: ZoneInfo) -> list[PeriodSpan]:
    """The rows of a report: those that began before `over`, oldest first; `first` is the first instant stored.

    Days, months and years are whole; those of a FROM..TO are clipped to it. ValueError as of `Asked.bounds`.
    """
    bounds = wanted.bounds(zone)
    if bounds is None:
        return list(_spans(wanted.unit, first, over, zone))
    start, end = bounds
    until = min(end, over)
    unit = next(
        (one for one in PERIOD_UNITS if len(list(islice(_spans(one, start, until, zone), MOST_ROWS + 1))) <= MOST_ROWS),
        "year",
    )
    return [PeriodSpan(one.name, max(one.start, start), min(one.end, end)) for one in _spans(unit, start, until, zone)]


def local_day(time: int, zone: ZoneInfo) -> date:
    """The site's local day in which an instant lies."""
    return datetime.fromtimestamp(time // NS, zone).date()


def local_minute(time: int, zone: ZoneInfo) -> str:
    """An instant on the site's clock, to the minute, with the zone's name for it."""
    return f"{datetime.fromtimestamp(time // NS, zone):%Y-%m-%d %H:%M %Z}"


def window_end(window: str, start: int, zone: ZoneInfo) -> int:
    """End of a window that begins at `start`, UTC ns; days are as long as the site's clock makes them."""
    if window in FIXED_WINDOWS:
        return start + FIXED_WINDOWS[window] * NS
    day = local_day(start, zone)
    return _midnight(_next("day" if window == "1d" else "month", day), zone)


def window_start(window: str, time: int, zone: ZoneInfo) -> int:
    """Start of the window in which `time` lies, by the site's clock; UTC ns."""
    if window not in FIXED_WINDOWS:
        return _midnight(_first("day" if window == "1d" else "month", local_day(time, zone)), zone)
    ahead = datetime.fromtimestamp(time // NS, UTC).astimezone(zone).utcoffset() or timedelta()
    offset, step = int(ahead.total_seconds()) * NS, FIXED_WINDOWS[window] * NS
    return (time + offset) // step * step - offset


def parse_period_end(value: object) -> date | datetime:
    """A date or an instant as one is written; ValueError with what was found and what is allowed."""
    text = str(value)
    mistake = f"found {text!r} as an end of the period; allowed: {ALLOWED}"
    if not (is_date := _DATE.fullmatch(text)) and not _TIME.fullmatch(text):
        raise ValueError(mistake)
    try:
        made = date.fromisoformat(text) if is_date else datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(mistake) from error
    if made.year not in _YEARS:
        raise ValueError(f"found {text!r}; allowed: years {_YEARS[0]} to {_YEARS[-1]}")
    return made


def _spans(unit: str, start: int, end: int, zone: ZoneInfo) -> Iterator[PeriodSpan]:
    """Whole units, from the one in which `start` lies to the last that begins before `end`; none when end <= start."""
    day = _first(unit, local_day(start, zone))
    while (begin := _midnight(day, zone)) < end and start < end:
        day, name = _next(unit, day), day.isoformat()[: {"day": 10, "month": 7, "year": 4}[unit]]
        yield PeriodSpan(name, begin, _midnight(day, zone))


def _first(unit: str, day: date) -> date:
    if unit == "day":
        return day
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


def _next(unit: str, day: date) -> date:
    """The first day after the unit in which a day lies."""
    if unit == "day":
        return day + timedelta(days=1)
    if unit == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return date(day.year + 1, 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * NS


def instant(end: date | datetime, zone: ZoneInfo, *, last: bool = False) -> int:
    """UTC ns of an instant, or of the beginning of a local day; of its end where it is the `last`."""
    if last and not isinstance(end, datetime):
        end += timedelta(days=1)
    if not isinstance(end, datetime):
        return _midnight(end, zone)
    since = end - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * NS + since.microseconds * 1000
