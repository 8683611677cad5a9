"""Targets that follow a path of the site from a baseline."""

from __future__ import annotations

from wattgram.base.period import local_day
from wattgram.config.goals_table.goals_settings import VOLUNTARY_PATHS, Baseline

from .day import Stretch
from .indicator import Facility, NoTarget, Target


def year_of(stretch: Stretch, facility: Facility) -> int:
    """Return the local calendar year in which a period begins."""
    return local_day(stretch.start, facility.timezone).year


def remaining(yearly: float, years: int) -> float:
    """Return the factor after a yearly change: (1 + yearly)^years; 1 for the base year and earlier years."""
    return float((1.0 + yearly) ** max(0, years))


def left_of(base: Baseline, year: int) -> float | None:
    """Return the wanted value of a year / value of the base year; None without a path.

    yearly: (1 + yearly)^years. path: 1 - rate x years, linear, at least 0.
    """
    years = year - base.year
    if base.yearly is not None:
        return remaining(base.yearly, years)
    if base.path:
        return max(0.0, 1.0 - VOLUNTARY_PATHS[base.path].rate * max(0, years))
    return None


def falling(claim: str, stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the target from the site's baseline of a claim and its path; no target without one of these."""
    base = facility.goals.baselines.get(claim)
    if base is None:
        return NoTarget(
            "the site has set no target and no path",
            f"set [goals.target] {claim}, or [goals.baseline.{claim}] with value, year and yearly",
        )
    return fallen(base, f"[goals.baseline.{claim}]", year_of(stretch, facility), claim)


def fallen(base: Baseline, name: str, year: int, claim: str) -> Target | NoTarget:
    """Return the target: baseline x remaining share of its path, in the baseline's unit."""
    left = left_of(base, year)
    if left is None:
        return NoTarget("the baseline has no path", f"add yearly to [goals.baseline.{claim}]: -0.03 is -3 % a year")
    start = base.value if left != 1.0 else None  # in the base year no change is wanted, and the whole tolerance holds
    return Target(base.value * left, f"{name} of {base.year} x {left:.4g}; {pace(base)}", own=True, start=start)


def pace(base: Baseline) -> str:
    """Return the source of a baseline's path; "" without a path."""
    if base.yearly is not None:
        return f"site choice, {100.0 * base.yearly:+.3g} % a year"
    return VOLUNTARY_PATHS[base.path].source if base.path else ""
