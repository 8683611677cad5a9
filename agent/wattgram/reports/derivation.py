"""How a result was computed, as steps whose arithmetic a person can repeat with a calculator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

TOLERANCE = 1e-9
"""Largest difference of a recomputed number, relative to the largest number of its arithmetic."""

ARITHMETIC_DIGITS = 10
"""Significant digits of a number in an arithmetic."""


@dataclass(frozen=True, slots=True)
class ArithmeticLine:
    """One computed number. arithmetic: the numbers behind the value; stored: the published number, None for none.

    scale: largest number of the arithmetic, for the comparison of a difference of large numbers.
    """

    name: str
    arithmetic: str
    value: float
    unit: str = ""
    stored: float | None = None
    scale: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether the value is the published one; True without a published one."""
        if self.stored is None:
            return True
        largest = max(abs(self.value), abs(self.stored), self.scale)
        return abs(self.value - self.stored) <= TOLERANCE * largest


@dataclass(frozen=True, slots=True)
class DerivationStep:
    """A step: notes, a table of inputs (head, rows; right: indices of numbers), and lines of arithmetic."""

    title: str
    notes: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    right: tuple[int, ...] = ()
    lines: tuple[ArithmeticLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derivation of the valid record of a key. begin, end: of its time, UTC ns."""

    site: str
    window: str
    begin: int
    end: int
    revision: int
    steps: tuple[DerivationStep, ...]

    @property
    def lines(self) -> Iterator[ArithmeticLine]:
        """All lines of arithmetic."""
        for step in self.steps:
            yield from step.lines

    @property
    def differing(self) -> list[ArithmeticLine]:
        """Lines whose value is not the published one."""
        return [line for line in self.lines if not line.agrees]


def num(value: float) -> str:
    """Return a number for a calculator: ten significant digits, without exponent and separators; "-" for none."""
    if not isfinite(value):
        return "-"
    return format(Decimal(f"{value:.{ARITHMETIC_DIGITS}g}") + 0, "f")


def total(
    name: str, parts: Sequence[tuple[str, float]], unit: str, stored: float | None = None, minus: Iterable[str] = ()
) -> ArithmeticLine:
    """Return the line of a sum. parts: a word and a number each; those in `minus` are subtracted."""
    negative = frozenset(minus)
    value = sum(-number if word in negative else number for word, number in parts)
    text = ""
    for word, number in parts:
        sign = "- " if word in negative else "+ " if text else ""
        text += f"{sign}{word} {num(number)} "
    scale = max((abs(number) for _, number in parts), default=0.0)
    return ArithmeticLine(name, text.strip() or "0", value, unit, stored, scale)
