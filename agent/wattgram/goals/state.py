"""On track or off track: a value against the path to its target (METHOD 6.1), in a way that noise does not turn."""

from __future__ import annotations

from collections.abc import Sequence

from .terms.indicator import Better

PATH_TOLERANCE = 0.02
"""Share of the path by which a value may be worse and still be on it."""

ENOUGH = 0.9
"""Coverage below which there is not enough data."""

BEGUN = 0.1
"""Share of a period that must be over."""


def path(target: float, elapsed_share: float, *, total: bool) -> float:
    """What a value should be when a share of its period is over: a total grows, a ratio does not."""
    return target * elapsed_share if total else target


def is_good(value: float, wanted: float, better: Better) -> bool:
    """Whether a value is on the good side of the path, or within 2 % of it."""
    slack = PATH_TOLERANCE * abs(wanted)
    return value >= wanted - slack if better == "higher" else value <= wanted + slack


def is_on_track(goods: Sequence[bool]) -> bool:
    """What the last two evaluations in a row that agree say; on track while no two do.

    So one evaluation alone turns nothing, in either direction.
    """
    for before, after in zip(reversed(goods[:-1]), reversed(goods[1:]), strict=True):
        if before == after:
            return after
    return len(goods) != 1 or goods[0]


def projected(value: float, elapsed_share: float, *, total: bool) -> float | None:
    """The value at the period's end when the rest goes as what is over did; None before anything is over."""
    if not total:
        return value
    return value / elapsed_share if elapsed_share > 0.0 else None


def needed(value: float, target: float, elapsed_share: float, *, total: bool) -> float | None:
    """What the rest of the period must bring to reach the target: of a total the amount, of a ratio its mean.

    A ratio's parts weigh as their time does. None when nothing is left.
    """
    if elapsed_share >= 1.0:
        return None
    return target - value if total else (target - value * elapsed_share) / (1.0 - elapsed_share)
