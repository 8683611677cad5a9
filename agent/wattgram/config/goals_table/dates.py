"""Days and periods of days in the formats of TOML, people and spreadsheets."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

GOAL_YEARS = range(1990, 2100)
"""Allowed years. National targets cover 2005 to 2060; years outside this range are typing mistakes."""

A_DAY = f"a day such as 2026-11-30, of {GOAL_YEARS[0]} to {GOAL_YEARS[-1]}"
A_PERIOD = '"2026", "2026-11", "2026-11-30" or "2026-11-01..2026-11-30" (both included)'

_DATE_PARTS = re.compile(r"(\d{4})(?:[-/](\d{1,2}))?(?:[-/](\d{1,2}))?", re.ASCII)


def day(value: object) -> date:
    """Parse a local day: a TOML date, `2026-11-30`, or `2026/11/30` from a spreadsheet. ValueError: another text."""
    first, last = _first_and_last(value, A_DAY)
    if first != last:
        raise ValueError(f"found {_shown(value)}; allowed: {A_DAY}")
    return first


def period(value: object) -> tuple[date, date]:
    """Parse a year, a month, a day, or FROM..TO with two days; return the first and the last day. ValueError."""
    begin, dots, end = value.partition("..") if isinstance(value, str) else (value, "", "")
    if not dots:
        return _first_and_last(value, A_PERIOD)
    try:
        first, last = day(begin), day(end)
    except ValueError as error:
        raise ValueError(f"found {_shown(value)}; allowed: {A_PERIOD}") from error
    if last < first:
        raise ValueError(f"found {_shown(value)}, which ends before it begins; allowed: {A_PERIOD}")
    return first, last


def _first_and_last(value: object, allowed: str) -> tuple[date, date]:
    """Return the first and the last day of a year, a month or a day."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    plain = isinstance(value, date) and not isinstance(value, datetime)
    parts = _DATE_PARTS.fullmatch(str(value).strip()) if isinstance(value, str) or whole or plain else None
    try:
        if parts is not None and int(parts[1]) in GOAL_YEARS:
            year, month, day_of_month = int(parts[1]), parts[2], parts[3]
            if day_of_month:
                made = date(year, int(month), int(day_of_month))
                return made, made
            if not month:
                return date(year, 1, 1), date(year, 12, 31)
            first = date(year, int(month), 1)
            return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    except ValueError:
        pass  # such as 31 November: the message below names the allowed formats
    raise ValueError(f"found {_shown(value)}; allowed: {allowed}")


def _shown(value: object) -> str:
    return repr(value if isinstance(value, str | int | float) else str(value))
