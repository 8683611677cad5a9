"""Load profile: idle load ratio and load factor (B07)."""

from __future__ import annotations

from math import fsum

from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, quotient, shown
from wattgram.goals.terms.yearly_path import year_of

FIRST_YEAR = -0.10
"""Default change of the idle load ratio in the first year after the baseline year; site choice (METHOD 6.3, B07)."""


@as_finding
def idle(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return IDLE = P_night,min / P_mean, %, and as secondary value LF = P_mean / P_max,15 (METHOD 6.3, B07).

    P_night,min: lowest quarter-hour between 0:00 and 5:00 in the period. P_mean: energy / time of the load. This time
    is shorter than the covered time, which also counts instants at which only some flows are known.
    """
    nights = [day.quarters for day in stretch.days if day.quarters.night_count > 0]
    if not nights:
        raise MissingInput(
            f"no balance between 0:00 and 5:00 in {stretch.name}", "check the readings between 0:00 and 5:00"
        )
    energy = stretch.sum("load_energy")
    if energy is None:
        raise MissingInput(f"no load data in {stretch.name}", 'add a [[device]] with role = "grid"')
    parts = [stretch.sum(f"mean_load.{term}") for term in ("part", "whole")]
    energy, hours = (term or 0.0 for term in parts)
    mean = quotient(energy, hours, f"no time with a load in {stretch.name}") / 1000.0
    lowest = min(quarters.night for quarters in nights) / 1000.0
    value = 100.0 * quotient(lowest, mean, f"no load in {stretch.name}")
    peak = max(day.quarters.peak for day in stretch.days if day.quarters.count > 0 or day.quarters.night_count > 0)
    lows = fsum(quarters.night for quarters in nights) / len(nights) / 1000.0
    return IndicatorValue(
        value,
        (
            Input("lowest load at night", lowest, "kW", f"quarter-hours from 0:00 to 5:00, {days_text(len(nights))}"),
            Input("energy of the load", energy / 1000.0, "kWh", f"windows, {days_text(len(stretch.days))}"),
            Input("time with a load", hours, "h", f"windows, {days_text(len(stretch.days))}"),
        ),
        f"{shown(lowest)} kW / ({shown(energy / 1000.0)} kWh / {shown(hours)} h) x 100 = {shown(value)} %",
        (
            *((SecondaryValue("load factor", 1000.0 * mean / peak, "1"),) if peak > 0.0 else ()),
            SecondaryValue("mean of the lowest night loads", 100.0 * lows / mean, "%"),
        ),
    )


def idle_target(stretch: Stretch, facility: Facility) -> Target | None:
    """Return the baseline - 10 % from the first year on, or with its own yearly change; None without a baseline."""
    base = facility.goals.baselines.get("B07")
    if base is None:
        return None
    years = max(0, year_of(stretch, facility) - base.year)
    if base.yearly is not None:
        return Target(
            base.value * (1.0 + base.yearly) ** years,
            f"[goals.baseline.B07] of {base.year}, {100.0 * base.yearly:+.3g} % a year; site choice",
            own=True,
            start=base.value,
        )
    wanted = base.value * (1.0 + FIRST_YEAR if years else 1.0)
    return Target(
        wanted, f"[goals.baseline.B07] of {base.year}, -10 % in the first year; site choice", own=True, start=base.value
    )


INDICATORS: dict[str, Indicator] = {"B07": Indicator(idle, "lower", idle_target)}
