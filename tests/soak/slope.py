"""Whether a series of samples grows: the slope of its trend, and whether chance alone would explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import median

Points = Sequence[tuple[float, float]]
"""Time in h, value; in the order of time."""

FEWEST = 8
"""Samples that a verdict takes: six that all rise might still be chance."""

UNLIKELY = 2.33
"""Standard deviations above which a rise is not chance: 1 % of the series without a trend are beyond them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The slope of a series, per h, and whether it grows."""

    slope: float
    grows: bool


def slope(points: Points) -> float:
    """The median of the slopes between every two points, which a third of outliers does not move (Theil-Sen)."""
    return median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in combinations(points, 2))


def rise(points: Points) -> float:
    """By how many standard deviations more pairs rise than fall; 0 without a trend (Mann-Kendall)."""
    count = len(points)
    surplus = sum((later[1] > earlier[1]) - (later[1] < earlier[1]) for earlier, later in combinations(points, 2))
    spread = sqrt(count * (count - 1) * (2 * count + 5) / 18)
    return (surplus - (surplus > 0) + (surplus < 0)) / spread


def judged(points: Points, limit: float) -> Verdict:
    """Grows: the slope is above `limit` per h, and too steady to be chance. Of at least FEWEST points."""
    found = slope(points)
    return Verdict(found, found > limit and rise(points) > UNLIKELY)
