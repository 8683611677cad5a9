"""On track or off track: comparison of a value with the path to its target (METHOD 6.1), robust against noise."""

from __future__ import annotations

from collections.abc import Sequence

from .terms.indicator import Better

PATH_TOLERANCE = 0.02
"""Tolerance of the comparison, share of the path."""

ENOUGH = 0.9
"""Lowest coverage of a state; below it the state is "not enough data"."""

BEGUN = 0.1
"""Elapsed share of a period from which on it has a state."""


def path(target: float, elapsed_share: float, *, total: bool) -> float:
    """Return the expected value after a share of the period: target x share for a total, the target for a ratio."""
    return target * elapsed_share if total else target


def tolerance(wanted: float, start: float | None = None) -> float:
    """Return the tolerance of the comparison with a path: 2 % of it, at most half of its distance from `start`.

    start: value of a site that changes nothing, None for unknown. Without this limit a wanted change of 1 % a year
    would be on track by itself.
    """
    slack = PATH_TOLERANCE * abs(wanted)
    return slack if start is None else min(slack, 0.5 * abs(wanted - start))


def is_good(value: float, wanted: float, better: Better, start: float | None = None) -> bool:
    """Return whether a value is on the good side of the path, or within its tolerance of the path."""
    slack = tolerance(wanted, start)
    return value >= wanted - slack if better == "higher" else value <= wanted + slack


def is_on_track(goods: Sequence[bool]) -> bool:
    """Return the result of the latest two consecutive evaluations that agree; True while no two agree.

    So a single evaluation never changes the state. If there is only one evaluation, its result counts.
    """
    for before, after in zip(reversed(goods[:-1]), reversed(goods[1:]), strict=True):
        if before == after:
            return after
    return len(goods) != 1 or goods[0]


def projected(value: float, elapsed_share: float, *, total: bool) -> float | None:
    """Return the value at the end of the period at the present rate; None for a total before any time has elapsed."""
    if not total:
        return value
    return value / elapsed_share if elapsed_share > 0.0 else None


def needed(value: float, target: float, elapsed_share: float, *, total: bool) -> float | None:
    """Return what the rest of the period needs to reach the target: the amount of a total, the mean of a ratio.

    The parts of a ratio are weighted by time. None if the period is over.
    """
    if elapsed_share >= 1.0:
        return None
    return target - value if total else (target - value * elapsed_share) / (1.0 - elapsed_share)


def reachable(wanted: float, target: float, unit: str) -> bool:
    """Return whether the rest of a period can have a needed value.

    A share is from 0 to 100 %; another value is not below 0 for a target of 0 or more.
    """
    if unit == "%":
        return 0.0 <= wanted <= 100.0
    return wanted >= 0.0 or target < 0.0
