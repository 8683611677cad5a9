"""Format of the numbers of a card: few decimals, equal for all numbers of a card."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from wattgram.goals.terms.outcome import GoalOutcome

PURE = ("", "-", "1")
"""Units that are not shown."""

WHOLE_UNITS = ("persons", "人")
"""Units of whole numbers, in each language."""

MACHINE_DIGITS = 12
"""Significant digits in JSON and CSV: the last digits of a sum of doubles are not significant."""

SHOWN_DIGITS = 9
"""Significant digits of an input: enough to recompute a result to its last shown digit."""


def decimals(unit: str, values: Iterable[float | None]) -> int:
    """Return the number of decimals: 1 for percentages, 0 for persons, else 0 to 6 for four digits of the largest."""
    if unit.startswith("%"):
        return 1
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if not largest or unit in WHOLE_UNITS:
        return 0
    return max(0, min(6, 3 - Decimal(largest).adjusted()))


def of_card(card: GoalOutcome) -> int:
    """Return the number of decimals of a card's numbers, which have one unit."""
    target = card.target.value if card.target else None
    return decimals(card.claim.unit, (card.value, target, card.path, card.projection))


def amount(value: float | None, unit: str, digits: int) -> str:
    """Return a number with its unit; "-" for None."""
    if value is None:
        return "-"
    return with_unit(f"{value:z,.{digits}f}", unit)


def with_unit(number: str, unit: str) -> str:
    """Return a formatted number with its unit, if the unit is shown."""
    return number if unit in PURE else f"{number} {unit}"


def plain(value: float) -> str:
    """Return an input with nine significant digits, without exponent."""
    return format(Decimal(f"{value:.{SHOWN_DIGITS}g}") + 0, ",f")


def exact(value: float | None) -> float | None:
    """Return a number with twelve significant digits, for JSON and CSV."""
    return None if value is None else float(f"{value:.{MACHINE_DIGITS}g}") + 0.0  # never -0.0
