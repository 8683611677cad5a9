"""Sums of stored windows over the days that have all of them, so that both sides of a quotient have the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum

from wattgram.goals.terms.day import Day, Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.missing import MissingInput, days_text

NO_SUM_REMEDY = "wait for a day with these values; `wattgram report` shows the stored ones"
"""Remedy where no day has a sum."""


@dataclass(frozen=True, slots=True)
class StoredSums:
    """Sums in Wh and g by their names in `Day.sums`. days: their number. coverage: their share of the elapsed time."""

    values: Mapping[str, float]
    days: int
    coverage: float

    def kwh(self, name: str) -> float:
        """Return an energy, kWh."""
        return self.values[name] / 1e3

    def kg(self, name: str) -> float:
        """Return a mass, kg."""
        return self.values[name] / 1e3

    def tonnes(self, name: str) -> float:
        """Return a mass, t."""
        return self.values[name] / 1e6

    @property
    def source(self) -> str:
        """Source of the sums as text."""
        return windows(self.days)

    def energy(self, what: str, name: str) -> Input:
        """Return an energy as an input in kWh."""
        return Input(what, self.kwh(name), "kWh", self.source)

    def mass(self, what: str, name: str) -> Input:
        """Return a mass as an input in t."""
        return Input(what, self.tonnes(name), "t", self.source)


def summed(stretch: Stretch, *names: str, condition: Callable[[Day], bool] = lambda _day: True) -> StoredSums:
    """Return sums over the days that have all of `names` and satisfy `condition`. MissingInput: no such day."""
    if not stretch.days:
        raise MissingInput(f"no stored data of {stretch.name}")
    days = [day for day in stretch.days if has_sums(day, names) and condition(day)]
    if not days:
        absent = [name for name in names if stretch.sum(name) is None] or list(names)
        words = dict.fromkeys(name.partition(".")[0].replace("_", " ") for name in absent)
        raise MissingInput(f"no day of {stretch.name} has {' and '.join(words)}", NO_SUM_REMEDY)
    covered = fsum(day.covered for day in days)
    coverage = min(1.0, covered / stretch.elapsed) if stretch.elapsed else 0.0
    return StoredSums({name: fsum(day.sums[name] for day in days) for name in names}, len(days), coverage)


def summed_uncertainty(stretch: Stretch, name: str) -> float | None:
    """Return the expanded uncertainty of a sum over the days, Wh or g; None if a day with the sum has none.

    The errors of a device are the same on all days, so uncertainties are added (METHOD-SITE 11).
    """
    found = [(day.sums[name], day.sums.get(f"{name}_uncertainty")) for day in stretch.days if name in day.sums]
    known = [unsure for number, unsure in found if unsure is not None or number == 0.0]
    return fsum(unsure or 0.0 for unsure in known) if found and len(known) == len(found) else None


def has_sums(day: Day, names: Iterable[str]) -> bool:
    """Return whether all sums of a day are stored."""
    return all(name in day.sums for name in names)


def windows(days: int) -> str:
    """Return the source of sums over some days as text."""
    return f"windows, {days_text(days)}"
