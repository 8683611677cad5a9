"""Calendar years of the site: a period's share of a year, and the same days of the year before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import fsum

from wattgram.goals.terms.day import Day, DeviceDay, Stretch
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.yearly_path import year_of

from .stored import has_sums

NS = 1_000_000_000


def local(instant: int, facility: Facility) -> date:
    """Return the local day of an instant, UTC ns."""
    return datetime.fromtimestamp(instant // NS, facility.timezone).date()


def midnight(day: date, facility: Facility) -> int:
    """Return the start of a local day, UTC ns."""
    return int(datetime.combine(day, time(), facility.timezone).timestamp()) * NS


def part_of_year(stretch: Stretch, facility: Facility) -> float:
    """Return a period's length / length of the calendar year in which it begins."""
    year = year_of(stretch, facility)
    length = midnight(date(year + 1, 1, 1), facility) - midnight(date(year, 1, 1), facility)
    return (stretch.end - stretch.start) / length


def is_over(year: int, facility: Facility) -> bool:
    """Return whether a calendar year has ended and counts from its first day; `since` may lie within it."""
    stretch = facility.years(year)
    return stretch.start == midnight(date(year, 1, 1), facility) and stretch.end <= stretch.as_of


@dataclass(frozen=True, slots=True)
class Pairs:
    """Whole days, and the same local dates of the year before. elapsed: elapsed time of the period, s."""

    now: Sequence[Day]
    before: Sequence[Day]
    elapsed: float

    @property
    def coverage(self) -> float:
        """Share of the elapsed time with a balance in both years."""
        return self._share([(day.covered, before.covered) for day, before in self._pairs()])

    def energy_coverage(self, name: str) -> float:
        """Return the share of the elapsed time for which a device's energy was measured in both years."""
        nothing = DeviceDay()
        seconds = [
            (day.devices.get(name, nothing).seconds, before.devices.get(name, nothing).seconds)
            for day, before in self._pairs()
        ]
        return self._share(seconds)

    def sums(self, name: str) -> tuple[float, float]:
        """Return a sum over the days and over those of the year before, Wh or g."""
        return fsum(day.sums[name] for day in self.now), fsum(day.sums[name] for day in self.before)

    def _pairs(self) -> Iterable[tuple[Day, Day]]:
        return zip(self.now, self.before, strict=True)

    def _share(self, seconds: Sequence[tuple[float, float]]) -> float:
        return min(1.0, fsum(min(pair) for pair in seconds) / self.elapsed) if self.elapsed else 0.0


def same_days(stretch: Stretch, facility: Facility, names: Sequence[str]) -> Pairs:
    """Return the finished days with all of `names` in both years. 29 February has no day in the year before."""
    wanted = {day.date.year - 1 for day in stretch.days}
    stored = {day.date: day for year in wanted for day in facility.years(year).days}
    found = [
        (today, stored[day])
        for today in stretch.days
        if (day := _year_before(today.date)) in stored
        and all(either.end >= midnight(either.date + timedelta(days=1), facility) for either in (today, stored[day]))
        and has_sums(today, names)
        and has_sums(stored[day], names)
    ]
    return Pairs([day for day, _ in found], [before for _, before in found], stretch.elapsed)


def _year_before(day: date) -> date | None:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return None
