"""Uncertainty of a row of the ledger from the uncertainties of its windows (METHOD-SITE 11).

The errors of a device are the same in all windows, so uncertainties are added. A long window has combined independent
inputs once, so the longest windows are taken that lie within the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import NamedTuple, Protocol

from wattgram.base.record import WINDOWS

from .uncertainty import UNCERTAINTY_FIELDS, UNCERTAINTY_TEXT

MOST_UNCOVERED = 1.0
"""Most seconds by which the longest windows may cover less than the row: else the row has no uncertainty."""

INTENSITY = "emission_intensity"


class UncertainWindow(Protocol):
    """A stored window: kind, start and end (UTC ns), covered time (s) and fields."""

    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def covered(self) -> float: ...
    @property
    def fields(self) -> Mapping[str, float | int | str]: ...


class UncertainPart(NamedTuple):
    """Numbers of a window or of a row, Wh, g and g/kWh: the fields and their uncertainties; unknown ones are absent."""

    numbers: Mapping[str, float]
    uncertainties: Mapping[str, float]
    assumed: bool = False


def uncertain_parts(windows: Iterable[UncertainWindow], covered: float) -> list[UncertainPart]:
    """Return the longest windows, which do not overlap, as parts; none if they do not cover `covered` seconds."""
    chosen: list[UncertainWindow] = []
    for window in sorted(windows, key=lambda window: (-WINDOWS.index(window.kind), window.start)):
        if not any(window.start < other.end and other.start < window.end for other in chosen):
            chosen.append(window)
    if abs(fsum(window.covered for window in chosen) - covered) > MOST_UNCOVERED:
        return []
    return [_part(window.fields) for window in chosen]


def added(parts: Sequence[UncertainPart]) -> UncertainPart:
    """Return the parts as one. A number has an uncertainty if each part that has the number has one; a 0 needs none.

    Intensity E / L: the errors of its parts add up to sum(L_i U(I_i) + |I_i - I| U(L_i)) / L.
    """
    numbers: dict[str, float] = {}
    uncertainties: dict[str, float] = {}
    for field in UNCERTAINTY_FIELDS:
        name = field.removesuffix("_uncertainty")
        present = [part for part in parts if name in part.numbers]
        if name == INTENSITY or not present:
            continue
        numbers[name] = fsum(part.numbers[name] for part in present)
        if all(field in part.uncertainties or part.numbers[name] == 0.0 for part in present):
            uncertainties[field] = fsum(part.uncertainties.get(field, 0.0) for part in present)
    load = numbers.get("load_energy", 0.0)
    if load > 0.0 and "emission" in numbers:
        numbers[INTENSITY] = intensity = 1000.0 * numbers["emission"] / load
        terms = [_intensity_term(part, intensity) for part in parts if part.numbers.get("load_energy")]
        known = [term for term in terms if term is not None]
        if len(known) == len(terms):
            uncertainties[f"{INTENSITY}_uncertainty"] = fsum(known) / load
    uncertainties = {field: number for field, number in uncertainties.items() if number > 0.0}
    return UncertainPart(numbers, uncertainties, any(part.assumed for part in parts))


def _part(fields: Mapping[str, float | int | str]) -> UncertainPart:
    names = [field.removesuffix("_uncertainty") for field in UNCERTAINTY_FIELDS]
    return UncertainPart(
        {name: float(fields[name]) for name in names if name in fields},
        {name: float(fields[name]) for name in UNCERTAINTY_FIELDS if name in fields},
        fields.get(UNCERTAINTY_TEXT) == "assumed",
    )


def _intensity_term(part: UncertainPart, intensity: float) -> float | None:
    """Return load x uncertainty of the intensity of a part, with that of its weight; None if one is unknown."""
    unsure, weight = (
        part.uncertainties.get(f"{INTENSITY}_uncertainty"),
        part.uncertainties.get("load_energy_uncertainty"),
    )
    if unsure is None or weight is None or INTENSITY not in part.numbers:
        return None
    return part.numbers["load_energy"] * unsure + abs(part.numbers[INTENSITY] - intensity) * weight
