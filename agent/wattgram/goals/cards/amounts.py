"""How the numbers of a card are written: as many decimals as can be read, the same for what stands side by side."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from wattgram.goals.terms.outcome import GoalOutcome

PURE = ("", "-", "1")
"""Units of a pure number."""

WHOLE_UNITS = ("persons",)
"""Units of which there are whole ones only."""

EXACT = 12
"""Significant digits in JSON and CSV: the last ones of a sum of doubles say nothing."""

SHOWN_DIGITS = 9
"""Significant digits of an input: enough to compute a result again to its last shown one."""


def decimals(unit: str, values: Iterable[float | None]) -> int:
    """One for percentages, none for heads, else so many that the largest number has four digits; at most six."""
    if unit.startswith("%"):
        return 1
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if not largest or unit in WHOLE_UNITS:
        return 0
    return max(0, min(6, 3 - Decimal(largest).adjusted()))


def of_card(card: GoalOutcome) -> int:
    """Decimals of a card's numbers, which are of one unit."""
    target = card.target.value if card.target else None
    return decimals(card.claim.unit, (card.value, target, card.path, card.projection))


def amount(value: float | None, unit: str, digits: int) -> str:
    """A number with its unit, "-" where there is none."""
    if value is None:
        return "-"
    return with_unit(f"{value:z,.{digits}f}", unit)


def with_unit(number: str, unit: str) -> str:
    """A written number and its unit, where it has one."""
    return number if unit in PURE else f"{number} {unit}"


def plain(value: float) -> str:
    """An input to nine significant digits, without exponent."""
    return format(Decimal(f"{value:.{SHOWN_DIGITS}g}") + 0, ",f")


def exact(value: float | None) -> float | None:
    """A number for a machine."""
    return None if value is None else float(f"{value:.{EXACT}g}") + 0.0  # never -0.0
