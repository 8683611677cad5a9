"""Limits of a product's process with the corrections of its standard (METHOD 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from math import nan

from wattgram.config.goals_table.correction_entries import CORRECTION_OF, STEEL_GRADES
from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.config.goals_table.standard_limits import Limit, limits
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, entry_source, shown

from .production import finished_days

ARC_FURNACES = ("eaf_70", "eaf_50_70", "eaf_50")
ORE_PROCESSES = {"sinter": (0.15, 0.2, 1.2), "pellet": (0.15, 0.2, 1.2), "blast_furnace": (0.3, 0.45, 0.5)}
"""kgce/t for each percent of rare-earth ore, of vanadium-titanium magnetite, and of laterite nickel ore."""

ORES = ("rare_earth_ore", "vanadium_titanium_ore", "laterite_ore")
CLINKER_STEPS = (1.10, 1.15, 1.20)
"""kgce/t of each class for each percent of clinker in the cement beside 75 %."""

HIGH_ALTITUDE = 1500.0
"""Altitude above which class 3 of GB 16780 is corrected, m."""

ALTITUDE_PROCESSES = ("cement", "clinker", "clinker_energy", "clinker_coal")


def limit_of(product: ProductSettings, unit: str = "") -> Limit | None:
    """Return the uncorrected limits of a product's process in a unit; None if the process has none."""
    limit = limits().get(product.process)
    return limit if limit and unit in ("", limit.unit) else None


def corrected(product: ProductSettings, limit: Limit, stretch: Stretch, facility: Facility) -> tuple[Limit, str]:
    """Return the limits with all corrections of the standard, and the corrections as text, "" for none.

    MissingInput: an entry or setting that a correction requires is absent, so that no class can be told.
    """
    steps = _Corrections(product, stretch, facility)
    process = limit.process
    if process == "converter":
        scrap = steps.entered("scrap_ratio")
        grade = STEEL_GRADES.get(product.steel, {}).get("converter", 0.0)
        limit = _each(limit, lambda value: value + 0.23 * scrap + grade)
    elif process in ARC_FURNACES:
        hot_metal = steps.entered("hot_metal_ratio")
        grade = STEEL_GRADES.get(product.steel, {}).get("eaf", 0.0)
        scale = 1.1 if product.steel == "stainless" else 1.0
        limit = _each(limit, lambda value: scale * value - 0.8 * hot_metal + grade)
    elif process in ORE_PROCESSES:
        added = sum(step * steps.optional(ore) for step, ore in zip(ORE_PROCESSES[process], ORES, strict=True))
        if process == "blast_furnace":
            added += 3.61 * min(5.0, max(0.0, 62.0 - steps.entered("ore_grade")))
        limit = _each(limit, lambda value: value + added)
    elif process == "cement":
        excess = steps.entered("clinker_ratio") - 75.0
        classes = (limit.class1, limit.class2, limit.class3)
        first, second, third = (
            None if value is None else value + step * excess for value, step in zip(classes, CLINKER_STEPS, strict=True)
        )
        assert first is not None and third is not None  # noqa: PT018 - no test: class 1 and 3 always exist
        limit = replace(limit, class1=first, class2=second, class3=third)
    if process in ALTITUDE_PROCESSES:
        limit = replace(limit, class3=limit.class3 * steps.altitude_factor())
    if product.steel and process in ("converter", *ARC_FURNACES):
        steps.texts.append(f"steel {product.steel}")
    return limit, ", ".join(steps.texts)


class _Corrections:
    """Entries of the corrections of one product, and their texts."""

    def __init__(self, product: ProductSettings, stretch: Stretch, facility: Facility) -> None:
        self._product = product
        self._facility = facility
        self._day: date = finished_days(stretch, facility)[1]
        self.texts: list[str] = []

    def entered(self, what: str) -> float:
        """Return an entry for the last finished day, %. MissingInput: none."""
        name = f"{what}:{self._product.name}"
        entry = self._facility.goals.entry(name, self._day)
        if entry is None:
            raise MissingInput(
                f'no entry "{name}" for {self._day}: the class needs the correction for {CORRECTION_OF[what]}',
                f'add [[goals.entry]] with what = "{name}", unit = "%"',
            )
        self.texts.append(f"{what} {shown(entry.value)} % ({entry_source(entry)})")
        return entry.value

    def optional(self, what: str) -> float:
        """Return an entry as `entered`; 0 without one, because such ores are rare."""
        name = f"{what}:{self._product.name}"
        return self.entered(what) if self._facility.goals.entry(name, self._day) is not None else 0.0

    def altitude_factor(self) -> float:
        """Return the factor of class 3: 1.179 - 0.211 p / 101325 above 1500 m, p by ISO 2533; else 1.

        NaN for an unknown altitude: class 3 is then unknown, and classes 1 and 2 are not.
        """
        altitude = self._facility.goals.altitude
        if altitude is None:
            return nan
        if altitude <= HIGH_ALTITUDE:
            return 1.0
        factor = 1.179 - 0.211 * float((1.0 - 2.25577e-5 * altitude) ** 5.25588)
        self.texts.append(f"altitude {altitude:g} m, class 3 x {factor:.4f}")
        return factor


def _each(limit: Limit, change: Callable[[float], float]) -> Limit:
    """Return the limits with each class changed."""
    class2 = None if limit.class2 is None else change(limit.class2)
    return replace(limit, class1=change(limit.class1), class2=class2, class3=change(limit.class3))
