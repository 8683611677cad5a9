"""Piecewise-constant functions of time, exact.

Times are seconds since 1970 in UTC. Values are fractions, in the unit of the quantity; None is an absent value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

Number = int | Fraction
HOUR = 3600
DIGITS = 10**18


def rounded(value: Fraction) -> Fraction:
    """Round a quotient to 18 decimal places.

    Every further result keeps a denominator of bounded length. A rounded price or share is multiplied and subtracted
    exactly, so the books still close exactly.
    """
    return Fraction(round(value * DIGITS), DIGITS)


def exact(value: float | str | Fraction) -> Fraction:
    """Return the fraction that a decimal number is written as: 0.1 is 1/10."""
    return value if isinstance(value, Fraction) else Fraction(str(value))


def floats(*values: Number | None) -> list[float | None]:
    """Return numbers as floats, absent ones as None."""
    return [None if value is None else float(value) for value in values]


@dataclass(frozen=True, slots=True)
class Steps:
    """A function from `edges[0]` to `edges[-1]`: `values[n]` holds from `edges[n]`, included, to `edges[n + 1]`."""

    edges: tuple[Number, ...]
    values: tuple[Fraction | None, ...]

    def __post_init__(self) -> None:
        """Raise ValueError unless the edges rise and each step has a value."""
        if len(self.edges) != len(self.values) + 1 or not self.values:
            raise ValueError(f"steps: {len(self.edges)} edges for {len(self.values)} values")
        if any(left >= right for left, right in pairwise(self.edges)):
            raise ValueError("steps: the edges do not rise")

    @classmethod
    def constant(cls, begin: Number, end: Number, value: float | str | Fraction | None) -> Steps:
        """Return the function with a single value."""
        return cls((begin, end), (None if value is None else exact(value),))

    @classmethod
    def every(cls, begin: Number, period: Number, values: Iterable[float | str | Fraction]) -> Steps:
        """Return the function whose values hold for a period each."""
        listed = tuple(exact(value) for value in values)
        return cls(tuple(begin + period * number for number in range(len(listed) + 1)), listed)

    @property
    def begin(self) -> Number:
        """First second."""
        return self.edges[0]

    @property
    def end(self) -> Number:
        """Second after the last."""
        return self.edges[-1]

    def at(self, time: Number) -> Fraction | None:
        """Return the value at a time; None outside of the function."""
        if not self.begin <= time < self.end:
            return None
        return self.values[bisect_right(self.edges, time) - 1]

    def pieces(self, begin: Number, end: Number) -> Iterable[tuple[Number, Number, Fraction | None]]:
        """Return begin, end and value of each step, cut to a span."""
        first = max(0, bisect_right(self.edges, begin) - 1)
        for left, right, value in zip(self.edges[first:], self.edges[first + 1 :], self.values[first:], strict=False):
            if left >= end:
                return
            if max(left, begin) < min(right, end):
                yield max(left, begin), min(right, end), value

    def energy(self, begin: Number, end: Number) -> Fraction | None:
        """Return the integral over a span, in hours times the value's unit; None when a part is absent."""
        total, length = Fraction(0), Fraction(0)
        for left, right, value in self.pieces(begin, end):
            if value is None:
                return None
            total += value * (right - left)
            length += right - left
        return total / HOUR if length == end - begin else None

    def mean(self, begin: Number, end: Number) -> Fraction | None:
        """Return the mean over a span; None when a part is absent."""
        energy = self.energy(begin, end)
        return None if energy is None else energy * HOUR / (end - begin)

    def sampled(self, tick: Number) -> Steps:
        """Return the means over ticks that are counted from 1970; a tick with an absent part is absent."""
        edges: list[Number] = [self.begin]
        while edges[-1] < self.end:
            edges.append(min(self.end, (edges[-1] // tick + 1) * tick))
        values = [self.mean(left, right) for left, right in pairwise(edges)]
        return merged(edges, values)

    def mapped(self, change: Callable[[Fraction], Fraction]) -> Steps:
        """Return the function with each known value changed."""
        return Steps(self.edges, tuple(None if value is None else change(value) for value in self.values))

    def replaced(self, begin: Number, end: Number, value: Fraction | None) -> Steps:
        """Return the function with a value of its own over a span."""
        edges = sorted({*self.edges, *(time for time in (begin, end) if self.begin < time < self.end)})
        values = [value if begin <= left < end else self.at(left) for left in edges[:-1]]
        return Steps(tuple(edges), tuple(values))


def merged(edges: Sequence[Number], values: Sequence[Fraction | None]) -> Steps:
    """Return the function in which neighbours of the same value are a single step."""
    kept = [number for number, value in enumerate(values) if number == 0 or value != values[number - 1]]
    return Steps((*(edges[number] for number in kept), edges[-1]), tuple(values[number] for number in kept))


def added(functions: Sequence[Steps]) -> Steps:
    """Return the sum of functions of the same span; absent where a function is absent."""
    edges = sorted({edge for function in functions for edge in function.edges})
    values: list[Fraction | None] = []
    for left in edges[:-1]:
        parts = [function.at(left) for function in functions]
        values.append(None if None in parts else sum((part for part in parts if part is not None), Fraction(0)))
    return merged(edges, values)
