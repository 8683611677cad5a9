"""Class of a process by the limits of its standard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.config.goals_table.standard_limits import Limit
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, SecondaryValue
from wattgram.goals.terms.indicator import Facility, NoTarget, Target
from wattgram.goals.terms.missing import Find, MissingInput, as_finding, shown

from .limit_corrections import corrected, limit_of
from .specific_energy import Specific, coal_per_tonne, per_tonne, products_of

PARK_NOTICE = "zero-carbon park notice of NDRC, MIIT and NEA 2025: energy per unit of product at class 2 or better"
"""Source of the default target, class 2 (METHOD 5)."""

MEASURES: dict[str, Callable[[ProductSettings, Stretch, Facility], Specific]] = {
    "kgce/t": coal_per_tonne,
    "kWh/t": per_tonne,
}
"""Specific energy that is compared with a limit, by the unit of the limit."""


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
        reached = reached_class(first, unit, measured.value, stretch, facility)
        return IndicatorValue(
            measured.value,
            measured.inputs,
            measured.arithmetic,
            (*_class_value(first, reached), *_extras(further, stretch, facility)),
            measured.coverage,
            measured.entry,
            reached.text,
        )

    return find


def class_target(unit: str, claim: str) -> Callable[[Stretch, Facility], Target | NoTarget]:
    """Return the target function: class 2 of the first product's process, or class 3 if there is no class 2."""

    def target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
        product = next((product for product in facility.goals.products if product.goal == claim), None)
        limit = limit_of(product, unit) if product else None
        own = f"set [goals.target] {claim} in {unit}"
        if product is None or limit is None:
            return NoTarget(f"no limit in {unit} for the process of the first product", own)
        if not facility.in_china:
            return NoTarget(f"{limit.standard} is a standard of China", own)
        try:
            limit, steps = corrected(product, limit, stretch, facility)
        except MissingInput as error:
            return NoTarget(error.missing.what, error.missing.add)
        source = f"{limit.standard}, {limit.process}{f', corrected: {steps}' if steps else ''}"
        if limit.class2 is None:
            return Target(limit.class3, f"class 3 of {source}; it has no class 2")
        return Target(limit.class2, f"class 2 of {source}; {PARK_NOTICE}")

    return target


@dataclass(frozen=True, slots=True)
class ReachedClass:
    """Class of a value with all corrections: None if it meets no limit or is withheld. text: in words."""

    number: int | None
    text: str


def reached_class(
    product: ProductSettings, unit: str, value: float, stretch: Stretch, facility: Facility
) -> ReachedClass:
    """Return the class of a value; withheld, with the reason, if the input of a correction is missing.

    Outside of mainland China the value has no class.
    """
    if not facility.in_china:
        return ReachedClass(None, "")
    limit = limit_of(product, unit)
    if limit is None:
        process = product.process or "no process"
        return ReachedClass(None, f"{product.name}: {process} has no classes in {unit}")
    try:
        limit, steps = corrected(product, limit, stretch, facility)
    except MissingInput as error:
        missing = error.missing
        return ReachedClass(None, f"{product.name}: class of {limit.standard} withheld: {missing.what}; {missing.add}")
    number = grade(limit, value)
    if number is None and isnan(limit.class3):
        why = "class 3 depends on the altitude of the plant; set [goals] altitude, m"
        return ReachedClass(None, f"{product.name}: class of {limit.standard} withheld: {why}")
    classes = "/".join(
        "-" if most is None or isnan(most) else shown(most) for most in (limit.class1, limit.class2, limit.class3)
    )
    words = f"class {number}" if number else "worse than class 3"
    how = f", corrected: {steps}" if steps else ""
    return ReachedClass(number, f"{product.name}: {words} of {limit.standard} ({limit.process} {classes} {unit}{how})")


def _class_value(product: ProductSettings, reached: ReachedClass) -> tuple[SecondaryValue, ...]:
    return (SecondaryValue(f"class of {product.name}", float(reached.number), "1"),) if reached.number else ()


def _extras(further: list[tuple[ProductSettings, str]], stretch: Stretch, facility: Facility) -> list[SecondaryValue]:
    extras: list[SecondaryValue] = []
    for product, unit in further:
        try:
            value = MEASURES[unit](product, stretch, facility).value
        except MissingInput:
            continue  # a secondary value may be missing
        reached = reached_class(product, unit, value, stretch, facility)
        extras += [SecondaryValue(product.name, value, unit), *_class_value(product, reached)]
    return extras
