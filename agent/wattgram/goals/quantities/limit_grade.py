"""Class of a process by the limits of its standard."""

from __future__ import annotations

from collections.abc import Callable

from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.config.goals_table.standard_limits import Limit, limits
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Target
from wattgram.goals.terms.missing import Find, MissingInput, as_finding, shown

from .specific_energy import Specific, coal_per_tonne, per_tonne, products_of

PARK_NOTICE = "zero-carbon park notice of NDRC, MIIT and NEA 2025: energy per unit of product at class 2 or better"
"""Source of the default target, class 2 (METHOD 5)."""

MEASURES: dict[str, Callable[[ProductSettings, Stretch, Facility], Specific]] = {
    "kgce/t": coal_per_tonne,
    "kWh/t": per_tonne,
}
"""Specific energy that is compared with a limit, by the unit of the limit."""


def limit_of(product: ProductSettings, unit: str = "") -> Limit | None:
    """Return the limits of a product's process in a unit; None if the process has none."""
    limit = limits().get(product.process)
    return limit if limit and unit in ("", limit.unit) else None


def grade(limit: Limit, value: float) -> int | None:
    """Return the best class whose limit a value meets, 1 to 3; None if it meets no limit."""
    classes = (limit.class1, limit.class2, limit.class3)
    return next((number for number, most in enumerate(classes, 1) if most is not None and value <= most), None)


def graded(unit: str, claim: str) -> Find:
    """Return a function that finds the specific energy of a claim's first product, with its class.

    Other products and other units are secondary values. Products of one claim are steps of one works, so their tonnes
    must not be added.
    """

    @as_finding
    def find(stretch: Stretch, facility: Facility) -> IndicatorValue:
        first, *others = products_of(claim, facility)
        measured = MEASURES[unit](first, stretch, facility)
        further = [(product, unit) for product in others]
        if (limit := limit_of(first)) is not None and limit.unit != unit:
            further.insert(0, (first, limit.unit))
        return IndicatorValue(
            measured.value,
            measured.inputs,
            measured.arithmetic,
            (*_class_of(first, unit, measured.value), *_extras(further, stretch, facility)),
            measured.coverage,
            measured.entry,
            class_text(first, unit, measured.value),
        )

    return find


def class_target(unit: str, claim: str) -> Callable[[Stretch, Facility], Target | None]:
    """Return the target function: class 2 of the first product's process, or class 3 if there is no class 2."""

    def target(_stretch: Stretch, facility: Facility) -> Target | None:
        product = next((product for product in facility.goals.products if product.goal == claim), None)
        limit = limit_of(product, unit) if product else None
        if limit is None:
            return None
        if limit.class2 is None:
            return Target(limit.class3, f"class 3 of {limit.standard}, {limit.process}, which has no class 2")
        return Target(limit.class2, f"class 2 of {limit.standard}, {limit.process}; {PARK_NOTICE}")

    return target


def class_text(product: ProductSettings, unit: str, value: float) -> str:
    """Return the class of a value as text, with the limits; or the reason why there is no class."""
    limit = limit_of(product, unit)
    if limit is None:
        process = product.process or "no process"
        return f"{product.name}: {process} has no classes in {unit}"
    reached = grade(limit, value)
    classes = "/".join("-" if most is None else shown(most) for most in (limit.class1, limit.class2, limit.class3))
    words = f"class {reached}" if reached else "worse than class 3"
    return f"{product.name}: {words} of {limit.standard} ({limit.process} {classes} {unit}, without its corrections)"


def _class_of(product: ProductSettings, unit: str, value: float) -> tuple[SecondaryValue, ...]:
    limit = limit_of(product, unit)
    reached = grade(limit, value) if limit else None
    return (SecondaryValue(f"class of {product.name}", float(reached), "1"),) if reached else ()


def _extras(further: list[tuple[ProductSettings, str]], stretch: Stretch, facility: Facility) -> list[SecondaryValue]:
    extras: list[SecondaryValue] = []
    for product, unit in further:
        try:
            value = MEASURES[unit](product, stretch, facility).value
        except MissingInput:
            continue  # a secondary value may be missing
        extras += [SecondaryValue(product.name, value, unit), *_class_of(product, unit, value)]
    return extras
