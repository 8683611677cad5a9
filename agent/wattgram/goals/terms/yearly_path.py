"""Targets that decrease every year from a site's baseline."""

from __future__ import annotations

from wattgram.base.period import local_day
from wattgram.config.goals_table.goals_settings import Baseline

from .day import Stretch
from .indicator import Facility, Target

ENERGY, CARBON = -0.029, -0.039
"""Yearly change of energy and of CO2 per output: (1 - 0.135)^(1/5) - 1 and (1 - 0.18)^(1/5) - 1 (METHOD 5)."""

PLAN = "CPC Central Committee and State Council opinion of 24 October 2021"
PACE_SOURCES = {
    ENERGY: f"{PLAN}: energy per GDP -13.5 % over 2020-2025, which is -2.9 % a year",
    CARBON: f"{PLAN}: CO2 per GDP -18 % over 2020-2025, which is -3.9 % a year",
}


def year_of(stretch: Stretch, facility: Facility) -> int:
    """Return the local calendar year in which a period begins."""
    return local_day(stretch.start, facility.timezone).year


def remaining(yearly: float, years: int) -> float:
    """Return the factor after a yearly change: (1 + yearly)^years; 1 for the base year and earlier years."""
    return float((1.0 + yearly) ** max(0, years))


def falling(claim: str, stretch: Stretch, facility: Facility, yearly: float) -> Target | None:
    """Return the target from the site's baseline of a claim; None without a baseline."""
    base = facility.goals.baselines.get(claim)
    if base is None:
        return None
    return fallen(base, f"[goals.baseline.{claim}]", year_of(stretch, facility), yearly)


def fallen(base: Baseline, name: str, year: int, yearly: float) -> Target:
    """Return the target baseline x (1 + yearly)^(year - base year), in the baseline's unit.

    yearly: the default pace, one of PACE_SOURCES. The baseline's own pace has priority.
    """
    left = remaining(yearly if base.yearly is None else base.yearly, year - base.year)
    source = PACE_SOURCES[yearly] if base.yearly is None else f"site choice, {100.0 * base.yearly:+.3g} % a year"
    return Target(base.value * left, f"{name} of {base.year} x {left:.4g}; {source}")
