"""A site's days cut into the periods of claims and the instants at which they are evaluated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from wattgram.base.period import PeriodOption, PeriodSpan, instant, local_day, window_end, window_start
from wattgram.config.goals_table.claims import Claim

from .terms.day import Day, Stretch

DAY_ENDS = 14
"""Ends of days that are looked at: more than enough to find two in a row that agree."""


class Calendar:
    """The days of a site from `since` on, its local day (None: all)."""

    def __init__(self, days: Sequence[Day], zone: ZoneInfo, since: date | None) -> None:
        self.zone = zone
        self._since = 0 if since is None else instant(since, zone)
        self._days = [day for day in days if day.start >= self._since]
        self._starts = [day.start for day in self._days]

    def stretch(self, span: PeriodSpan, as_of: int) -> Stretch:
        """The days of a span that were over at an instant, UTC ns, or the parts of them."""
        start = min(max(span.start, self._since), span.end)
        first, last = (bisect_left(self._starts, at) for at in (start, min(span.end, as_of)))
        found = [day for day in self._days[first:last] if day.end <= as_of]
        return Stretch(span.name, start, span.end, min(as_of, span.end), found)

    def year(self, year: int, as_of: int) -> Stretch:
        """The days of a calendar year that were over at an instant."""
        start, end = (instant(date(january_of, 1, 1), self.zone) for january_of in (year, year + 1))
        return self.stretch(PeriodSpan(str(year), start, end), as_of)

    def span(self, claim: Claim, asked: PeriodOption | None, as_of: int) -> PeriodSpan:
        """The period of a claim that runs at an instant, or what was asked for. ValueError as of `Asked.bounds`."""
        bounds = asked.bounds(self.zone) if asked else None
        if asked and bounds:
            return PeriodSpan(f"{asked.first}..{asked.last}", *bounds)
        return self.natural(asked.unit if asked else claim.period, as_of)

    def natural(self, unit: str, as_of: int) -> PeriodSpan:
        """The calendar day, month or year in which the time before an instant lies."""
        day = local_day(as_of - 1, self.zone)
        if unit == "year":
            start, end = (instant(date(january_of, 1, 1), self.zone) for january_of in (day.year, day.year + 1))
            return PeriodSpan(str(day.year), start, end)
        window = "1d" if unit == "day" else "1mo"
        start = window_start(window, as_of - 1, self.zone)
        return PeriodSpan(day.isoformat()[: 10 if unit == "day" else 7], start, window_end(window, start, self.zone))

    def evaluations(self, stretch: Stretch) -> tuple[list[int], list[int]]:
        """When a stretch was evaluated: the ends of its months, and of its last days; UTC ns, oldest first."""
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
