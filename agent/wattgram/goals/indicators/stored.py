"""What the windows tell: sums over those days that have each of them, so that a quotient's sides are of one time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum

from wattgram.goals.terms.day import Day, Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.missing import MissingInput, days_text


@dataclass(frozen=True, slots=True)
class StoredSums:
    """Wh and g by their names in `Day.sums`, over `days` days; `coverage`: their share of the time that is over."""

    values: Mapping[str, float]
    days: int
    coverage: float

    def kwh(self, name: str) -> float:
        """An energy in kWh."""
        return self.values[name] / 1e3

    def kg(self, name: str) -> float:
        """A mass in kg."""
        return self.values[name] / 1e3

    def tonnes(self, name: str) -> float:
        """A mass in t."""
        return self.values[name] / 1e6

    @property
    def source(self) -> str:
        """Where its inputs are from."""
        return windows(self.days)

    def energy(self, what: str, name: str) -> Input:
        """An energy as an input in kWh."""
        return Input(what, self.kwh(name), "kWh", self.source)

    def mass(self, what: str, name: str) -> Input:
        """A mass as an input in t."""
        return Input(what, self.tonnes(name), "t", self.source)


def summed(stretch: Stretch, *names: str, condition: Callable[[Day], bool] = lambda _day: True) -> StoredSums:
    """Sums over the days that have all of `names` and for which `also` holds; Lack when there is none."""
    if not stretch.days:
        raise MissingInput(f"nothing is stored of {stretch.name}")
    days = [day for day in stretch.days if has_sums(day, names) and condition(day)]
    if not days:
        absent = [name for name in names if stretch.sum(name) is None] or list(names)
        raise MissingInput(f"no day of {stretch.name} has {' and '.join(absent)}")
    covered = fsum(day.covered for day in days)
    coverage = min(1.0, covered / stretch.elapsed) if stretch.elapsed else 0.0
    return StoredSums({name: fsum(day.sums[name] for day in days) for name in names}, len(days), coverage)


def has_sums(day: Day, names: Iterable[str]) -> bool:
    """Whether each of the sums is stored of a day."""
    return all(name in day.sums for name in names)


def windows(days: int) -> str:
    """The source of sums over some days."""
    return f"windows, {days_text(days)}"
