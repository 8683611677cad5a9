"""The course of the load: idle ratio and load factor: B07."""

from __future__ import annotations

from math import fsum

from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, quotient, shown
from wattgram.goals.terms.yearly_path import year_of

FIRST_YEAR = -0.10
"""Wanted change of the idle ratio in the first year after the baseline's; a site choice (METHOD 6.3, B07)."""


@as_finding
def idle(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """IDLE = P_night,min / P_mean in % (METHOD 6.3, B07), beside it LF = P_mean / P_max,15.

    P_night,min: the lowest quarter of an hour between 0 and 5 o'clock of the period. P_mean: energy of the load / the
    time with a balance.
    """
    nights = [day.quarters for day in stretch.days if day.quarters.night_count > 0]
    if not nights:
        raise MissingInput(
            f"no quarter of an hour of a night is known in {stretch.name}", "a balance between 0 and 5 o'clock"
        )
    energy = stretch.sum("load_energy")
    if energy is None:
        raise MissingInput(f"the load is not known in {stretch.name}", 'a [[device]] with role = "grid"')
    hours = fsum(day.covered for day in stretch.days) / 3600.0
    mean = quotient(energy, hours, f"no time of {stretch.name} has a balance") / 1000.0
    lowest = min(quarters.night for quarters in nights) / 1000.0
    value = 100.0 * quotient(lowest, mean, f"nothing was used in {stretch.name}")
    peak = max(day.quarters.peak for day in stretch.days if day.quarters.count > 0 or day.quarters.night_count > 0)
    lows = fsum(quarters.night for quarters in nights) / len(nights) / 1000.0
    return IndicatorValue(
        value,
        (
            Input("lowest load at night", lowest, "kW", f"quarters from 0 to 5 o'clock, {days_text(len(nights))}"),
            Input("energy of the load", energy / 1000.0, "kWh", f"windows, {days_text(len(stretch.days))}"),
            Input("time with a balance", hours, "h", f"windows, {days_text(len(stretch.days))}"),
        ),
        f"{shown(lowest)} kW / ({shown(energy / 1000.0)} kWh / {shown(hours)} h) x 100 = {shown(value)} %",
        (
            *((SecondaryValue("load factor", 1000.0 * mean / peak, "1"),) if peak > 0.0 else ()),
            SecondaryValue("mean of the nights' lowest", 100.0 * lows / mean, "%"),
        ),
    )


def idle_target(stretch: Stretch, facility: Facility) -> Target | None:
    """The site's baseline less 10 % from the first year after it on, or by its own yearly change; None without one."""
    base = facility.goals.baselines.get("B07")
    if base is None:
        return None
    years = max(0, year_of(stretch, facility) - base.year)
    if base.yearly is not None:
        return Target(
            base.value * (1.0 + base.yearly) ** years,
            f"[goals.baseline.B07] of {base.year}, {100.0 * base.yearly:+.3g} % a year; site choice",
        )
    wanted = base.value * (1.0 + FIRST_YEAR if years else 1.0)
    return Target(wanted, f"[goals.baseline.B07] of {base.year}, -10 % in the first year; site choice")


INDICATORS: dict[str, Indicator] = {"B07": Indicator(idle, "lower", idle_target)}
