"""Own renewable power: alignment with the load, penetration, self-consumption, export (A09, A11, A12, A21)."""

from __future__ import annotations

from math import fsum

from wattgram.config.role_keys import RENEWABLES
from wattgram.goals.terms.day import Day, Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown
from wattgram.goals.terms.yearly_path import year_of

from .array_performance import performance_ratio
from .stored import has_sums, summed, windows
from .target_sources import rule, ruled

ADD_PV = 'add a [[device]] with role = "pv"'

NATIONAL_PV = SecondaryValue("PV that China built in 2024 (CPIA)", 277.57, "GW")
"""finanznachrichten.de on CPIA, 2025-03-06; national context of A11."""


@as_finding
def alignment(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return LAI = sum of min(load, PV) by quarter-hours / sum of min(load, PV) by days, % (goals A09)."""
    if not facility.of_role("pv"):
        raise MissingInput("no PV", ADD_PV)

    def has_quarters(day: Day) -> bool:
        return day.quarters.count > 0

    names = ("load_energy", "pv_energy")
    coverage = summed(stretch, *names, condition=has_quarters).coverage
    days = [day for day in stretch.days if has_sums(day, names) and has_quarters(day)]
    together = fsum(day.quarters.overlap for day in days) / 1e3
    possible = fsum(min(day.sums["load_energy"], day.sums["pv_energy"]) for day in days) / 1e3
    value = 100.0 * quotient(together, possible, f"no day of {stretch.name} has both load and PV")
    return IndicatorValue(
        value,
        (
            Input("load and PV in the same quarter-hour", together, "kWh", f"quarter-hours of {windows(len(days))}"),
            Input("load and PV on the same day", possible, "kWh", windows(len(days))),
        ),
        f"100 x {shown(together)} / {shown(possible)} = {shown(value)} %",
        coverage=coverage,
    )


def alignment_target(stretch: Stretch, facility: Facility) -> Target | None:
    """Return the baseline + 2 points per year, or + 100 x `yearly` points; None without a baseline (goals A09)."""
    base = facility.goals.baselines.get("A09")
    if base is None:
        return None
    points = 2.0 if base.yearly is None else 100.0 * base.yearly
    value = base.value + points * (year_of(stretch, facility) - base.year)
    return Target(
        min(100.0, value), f"baseline of {base.year}, {points:+g} points/a, site choice", own=True, start=base.value
    )


@as_finding
def penetration(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return PVPEN = P_pv,ac / P_load,max, kW/kW, the yield E_pv / P_pv,ac, and PR (goals A11; IEC 61724-1).

    P_pv,ac: `rated_power`. P_load,max: highest 15-minute mean so far. The yield is per kW of rated AC power: Y_f of the
    standard is per peak power of the modules.
    """
    devices = facility.of_role("pv")
    if not devices:
        raise MissingInput("no PV", ADD_PV)
    silent = [device.name for device in devices if not device.rated_power]
    if silent:
        raise MissingInput(f"no rated power of {', '.join(silent)}", "add rated_power to each [[device]] of role pv")
    power = fsum(device.rated_power or 0.0 for device in devices)
    peak = max((day.quarters.peak for day in stretch.days), default=0.0)
    value = quotient(power, peak, f"no load in the quarter-hours of {stretch.name}")
    made, ratio = summed(stretch, "pv_energy"), performance_ratio(stretch, facility)
    return IndicatorValue(
        value,
        (
            Input("rated power of PV", power / 1e3, "kW", "[[device]] rated_power"),
            Input("highest 15-minute load", peak / 1e3, "kW", f"quarter-hours of {windows(len(stretch.days))}"),
            made.energy("PV energy", "pv_energy"),
            *ratio.inputs,
        ),
        f"{shown(power / 1e3)} / {shown(peak / 1e3)} = {shown(value)} kW/kW",
        (
            SecondaryValue("yield so far", made.values["pv_energy"] / power, "kWh/kW"),
            *ratio.values,
            *((NATIONAL_PV,) if facility.in_china else ()),
        ),
        note=ratio.why,
    )


@as_finding
def self_consumption(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return SCR = (E_pv - E_exp,pv) / E_pv, %, and SSR = E_pv,self / E_load (goals A12; METHOD 5).

    With wind or hydro, all own renewables count, because the site's mix does not separate them.
    """
    if not facility.of_role(*RENEWABLES):
        raise MissingInput("no own renewable production", ADD_PV)
    sums = summed(stretch, "self_consumption.part", "self_consumption.whole")
    used, made = sums.kwh("self_consumption.part"), sums.kwh("self_consumption.whole")
    value = 100.0 * quotient(used, made, f"no own production in {stretch.name}")
    return IndicatorValue(
        value,
        (
            sums.energy("own renewables without their exported part", "self_consumption.part"),
            sums.energy("own renewables", "self_consumption.whole"),
        ),
        f"100 x {shown(used)} / {shown(made)} = {shown(value)} %",
        (*sufficiency(stretch), *_above_rule(value, stretch, facility)),
        sums.coverage,
    )


def sufficiency(stretch: Stretch) -> tuple[SecondaryValue, ...]:
    """Return SSR = E_pv,self / E_load, %, if it is defined (METHOD 5)."""
    share = stretch.ratio("self_sufficiency")
    return () if share is None else (SecondaryValue("self-sufficiency", 100.0 * share, "%"),)


def _above_rule(value: float, stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return how far the value is above the zone's rule, percentage points; none without a rule."""
    found = rule(f"self_use_{facility.goals.district}", stretch, facility)
    return (SecondaryValue("above the zone's rule by", value - found.value, "points"),) if found else ()


def self_consumption_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the lower limit of the zone's rule; in Chongqing 20 % in 22 districts, 40 % elsewhere (METHOD 0.7)."""
    return ruled(f"self_use_{facility.goals.district}", "A12", stretch, facility)


@as_finding
def clean_export(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return E_exp,clean = sum of E_exp x (1 - fossil share of the site mix), kWh (goals A21).

    Only the own renewable part of the export counts: own production - own consumption of it. Clean power that is
    imported and exported again does not count.
    """
    if not facility.of_role(*RENEWABLES):
        raise MissingInput("no own renewable production", ADD_PV)
    sums = summed(stretch, "self_consumption.part", "self_consumption.whole")
    used, made = sums.kwh("self_consumption.part"), sums.kwh("self_consumption.whole")
    value = max(0.0, made - used)
    exported = stretch.sum("grid_export_energy")
    return IndicatorValue(
        value,
        (
            sums.energy("own renewables", "self_consumption.whole"),
            sums.energy("own renewables without their exported part", "self_consumption.part"),
        ),
        f"max(0, {shown(made)} - {shown(used)}) = {shown(value)} kWh",
        () if exported is None else (SecondaryValue("export", exported / 1e3, "kWh"),),
        sums.coverage,
    )


INDICATORS = {
    "A09": Indicator(alignment, target=alignment_target),
    "A11": Indicator(penetration),
    "A12": Indicator(self_consumption, target=self_consumption_target),
    "A21": Indicator(clean_export, total=True),
}
