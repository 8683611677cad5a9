"""Windows of a site: quarters and hours of UTC, days and months of the site's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

QUARTER = 900
WINDOWS = ("15m", "1h", "1d", "1mo")


def midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first second of a local day; where the clock skips midnight, the second of the change."""
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp())


def window(kind: str, time: int, timezone: str) -> tuple[int, int]:
    """Return begin and end of the window that holds a time, s."""
    if kind in ("15m", "1h"):
        length = QUARTER if kind == "15m" else 3600
        return time // length * length, (time // length + 1) * length
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(time, zone).date()
    if kind == "1d":
        return midnight(day, zone), midnight(day + timedelta(days=1), zone)
    first = day.replace(day=1)
    return midnight(first, zone), midnight((first + timedelta(days=32)).replace(day=1), zone)


def windows(kind: str, begin: int, end: int, timezone: str) -> list[tuple[int, int]]:
    """Return the windows that touch a span, in order."""
    found = []
    while begin < end:
        found.append(window(kind, begin, timezone))
        begin = found[-1][1]
    return found
