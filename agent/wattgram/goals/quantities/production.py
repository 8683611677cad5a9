"""Output of a product: the counter of its production device, or manual entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from wattgram.base.period import local_day
from wattgram.config.goals_table.goals_settings import GoalsConfig, ManualEntry, ProductSettings
from wattgram.goals.terms.day import Day, Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, days_text, entry_source, shown


@dataclass(frozen=True, slots=True)
class ProductionOutput:
    """Output of a product, t or pieces, above 0, and the days of the output.

    part: the period restricted to these days. coverage: their share of the elapsed time of the period.
    """

    amount: float
    part: Stretch
    inputs: tuple[Input, ...]
    coverage: float
    entry: str = ""


def output(product: ProductSettings, stretch: Stretch, facility: Facility, *, pieces: bool = False) -> ProductionOutput:
    """Return the output of a product. MissingInput: no counter data, no entry, or no output.

    By counter: amount x unit_mass / 1000 in t, or the amount for `pieces`. By hand: sum of the entries `tonnes:NAME`
    (`pieces:NAME`) whose period lies completely in the elapsed part of the period.
    """
    unit = "pieces" if pieces else "t"
    found = _read(product, stretch, pieces) if product.output else _entered(product, stretch, facility, unit)
    if not found.amount > 0.0:
        raise MissingInput(f"no output of {product.name} in {stretch.name}")
    return found


def mass(product: ProductSettings, day: Day) -> float | None:
    """Return the output of a day by the product's counter, t; None without a reading."""
    device = day.devices.get(product.output)
    return None if device is None else device.amount * product.unit_mass / 1000.0


def entries(goals: GoalsConfig, what: str, first: date, last: date) -> list[ManualEntry]:
    """Return the entries of an input whose period lies between two days, both included.

    Of two overlapping entries, the one entered later counts.
    """
    selected: list[ManualEntry] = []
    for entry in sorted(goals.entries, key=lambda entry: entry.entered, reverse=True):
        inside = entry.what == what and first <= entry.first and entry.last <= last
        if inside and all(entry.last < accepted.first or accepted.last < entry.first for accepted in selected):
            selected.append(entry)
    return sorted(selected, key=lambda entry: entry.first)


def finished_days(stretch: Stretch, facility: Facility) -> tuple[date, date]:
    """Return the first local day of a period and its last finished day; without finished days the last is earlier."""
    zone = facility.timezone
    return local_day(stretch.start, zone), local_day(min(stretch.end, stretch.as_of), zone) - timedelta(days=1)


def within(stretch: Stretch, selected: Sequence[ManualEntry]) -> Stretch:
    """Return the period restricted to the days of some entries."""
    days = [day for day in stretch.days if any(entry.first <= day.date <= entry.last for entry in selected)]
    return replace(stretch, days=days)


def share(stretch: Stretch, selected: Sequence[ManualEntry]) -> float:
    """Return the share of the period's elapsed time that some entries cover."""
    days = sum((entry.last - entry.first).days + 1 for entry in selected)
    return min(1.0, days * 86400.0 / stretch.elapsed) if stretch.elapsed else 0.0


def _read(product: ProductSettings, stretch: Stretch, pieces: bool) -> ProductionOutput:
    name = product.output
    days = [day for day in stretch.days if name in day.devices]
    if not days:
        raise MissingInput(f"no counter data of {name} in {stretch.name}", f"check the readings of {name}")
    amount = stretch.device(name, lambda day: day.amount) * (1.0 if pieces else product.unit_mass / 1000.0)
    source = f"counter of {name}" + ("" if pieces or product.unit_mass == 1.0 else f" x {shown(product.unit_mass)} kg")
    made = Input(f"output of {product.name}", amount, "pieces" if pieces else "t", f"{source}, {days_text(len(days))}")
    coverage = sum(day.end - day.start for day in days) / 1e9 / stretch.elapsed if stretch.elapsed else 0.0
    return ProductionOutput(amount, stretch, (made,), min(1.0, coverage))


def _entered(product: ProductSettings, stretch: Stretch, facility: Facility, unit: str) -> ProductionOutput:
    what = f"{'tonnes' if unit == 't' else unit}:{product.name}"
    selected = entries(facility.goals, what, *finished_days(stretch, facility))
    if not selected:
        raise MissingInput(
            f"no entry {what} for {stretch.name}",
            f'add output to the product, or [[goals.entry]] with what = "{what}" for finished days',
        )
    made = tuple(
        Input(f"output of {product.name}, {entry.first} to {entry.last}", entry.value, unit, entry_source(entry))
        for entry in selected
    )
    amount = sum(entry.value for entry in selected)
    return ProductionOutput(
        amount, within(stretch, selected), made, share(stretch, selected), entry_source(selected[-1])
    )
