"""Period of a comparison: the records, and the minutes of a quarter, that a file of the period has completely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from wattgram.base.clock import MS
from wattgram.base.period import instant, window_end
from wattgram.base.record import WINDOWS
from wattgram.evidence.record_digest import MINUTE_MS, QUARTER_MINUTES, QUARTER_MS, place_in_time

MAX_MS = 2**53

_LEAST_LENGTH = {"1d": 23 * 3_600_000, "1mo": (28 * 24 - 1) * 3_600_000}
"""Shortest local day and month, ms, for a log without the time zone of the site."""


@dataclass(frozen=True, slots=True)
class ComparedPeriod:
    """Period of the comparison, ms since 1970; None: from the first quarter of the files, to the end of the log.

    devices: only readings and events of these devices, empty for all.
    """

    begin: int | None = None
    end: int | None = None
    devices: frozenset[str] = frozenset()

    def has(self, time: int) -> bool:
        """Return whether an export of this period contains the records of a time, ms."""
        return (self.begin is None or time >= self.begin) and (self.end is None or time < self.end)


@dataclass(frozen=True, slots=True)
class StatedPeriod:
    """Period as a user states it, as for `wattgram export`: dates are local days, the last one included."""

    begin: date | datetime | None = None
    end: date | datetime | None = None
    devices: frozenset[str] = frozenset()

    def at(self, zone: ZoneInfo) -> ComparedPeriod:
        """Return the period at a site in a time zone."""
        begin = None if self.begin is None else instant(self.begin, zone) // MS
        end = None if self.end is None else instant(self.end, zone, last=True) // MS
        return ComparedPeriod(begin, end, self.devices)


def held_minutes(kind: str, tags: dict[str, str], quarter: int, begin: int, end: int) -> list[int]:
    """Return the minutes of a quarter, 0 to 14, of which an export from `begin` to before `end`, ms, has all records.

    A tick at the end of a minute belongs to it: the export until 16:00 lacks the tick at 16:00:00.
    """
    shift = 1 - (place_in_time(kind, tags, 1))
    first = quarter * QUARTER_MS + shift
    starts = [first + minute * MINUTE_MS for minute in range(QUARTER_MINUTES)]
    return [at for at, start in enumerate(starts) if begin <= start and start + MINUTE_MS <= end]


def record_end(kind: str, tags: dict[str, str], time: int, zones: Iterable[ZoneInfo]) -> int:
    """Return the time, ms, until which a record of a window reaches; the time itself of another record.

    `zones`: of the site, as the log names them; the latest end counts.
    """
    window = tags.get("window", "")
    if kind != "emission" or window not in WINDOWS:
        return time
    if window not in _LEAST_LENGTH:
        return window_end(window, time * MS, ZoneInfo("UTC")) // MS
    ends = [window_end(window, time * MS, zone) // MS for zone in zones]
    return max(ends, default=time + _LEAST_LENGTH[window])
