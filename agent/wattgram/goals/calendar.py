"""Division of a site's days into the periods of claims, and the instants of their evaluations."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from wattgram.base.period import PeriodOption, PeriodSpan, instant, local_day, window_end, window_start
from wattgram.config.goals_table.claims import Claim

from .terms.day import Day, Stretch

DAY_ENDS = 14
"""Largest number of daily evaluations: more than enough to find two consecutive ones with the same result."""


class Calendar:
    """The days of a site from the local day `since` on; None: from the first stored day on."""

    def __init__(self, days: Sequence[Day], zone: ZoneInfo, since: date | None) -> None:
        self.zone = zone
        first = min((day.start for day in days), default=0)
        self._since = first if since is None else instant(since, zone)
        self._days = [day for day in days if day.start >= self._since]
        self._starts = [day.start for day in self._days]

    def stretch(self, span: PeriodSpan, as_of: int) -> Stretch:
        """Return the days of a span that had ended at `as_of`, UTC ns. Partial days count."""
        start = min(max(span.start, self._since), span.end)
        first, last = (bisect_left(self._starts, at) for at in (start, min(span.end, as_of)))
        found = [day for day in self._days[first:last] if day.end <= as_of]
        return Stretch(span.name, start, span.end, min(as_of, span.end), found)

    def year(self, year: int, as_of: int) -> Stretch:
        """Return the days of a calendar year that had ended at `as_of`, UTC ns."""
        start, end = (instant(date(january_of, 1, 1), self.zone) for january_of in (year, year + 1))
        return self.stretch(PeriodSpan(str(year), start, end), as_of)

    def span(self, claim: Claim, asked: PeriodOption | None, as_of: int) -> PeriodSpan:
        """Return the requested period, else the claim's own period at `as_of`. ValueError as `PeriodOption.bounds`."""
        bounds = asked.bounds(self.zone) if asked else None
        if asked and bounds:
            return PeriodSpan(f"{asked.first}..{asked.last}", *bounds)
        return self.natural(asked.unit if asked else claim.period, as_of)

    def natural(self, unit: str, as_of: int) -> PeriodSpan:
        """Return the calendar day, month or year that contains the time just before `as_of`, UTC ns."""
        day = local_day(as_of - 1, self.zone)
        if unit == "year":
            start, end = (instant(date(january_of, 1, 1), self.zone) for january_of in (day.year, day.year + 1))
            return PeriodSpan(str(day.year), start, end)
        window = "1d" if unit == "day" else "1mo"
        start = window_start(window, as_of - 1, self.zone)
        return PeriodSpan(day.isoformat()[: 10 if unit == "day" else 7], start, window_end(window, start, self.zone))

    def evaluations(self, stretch: Stretch) -> tuple[list[int], list[int]]:
        """Return the instants of evaluation: ends of the months, and of the last days; UTC ns, oldest first."""
        months: list[int] = []
        at = window_start("1mo", stretch.as_of, self.zone)
        while at > stretch.start:
            months.append(at)
            at = window_start("1mo", at - 1, self.zone)
        days: list[int] = []
        at = window_start("1d", stretch.as_of, self.zone)
        while at > stretch.start and len(days) < DAY_ENDS:
            days.append(at)
            at = window_start("1d", at - 1, self.zone)
        return months[::-1], days[::-1]
