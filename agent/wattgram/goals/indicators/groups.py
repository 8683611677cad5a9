"""Industry, power, buildings and transport separately, by their sub-meters (A10, B03, B04)."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from wattgram.config.devices_table import GROUPS
from wattgram.config.role_keys import RENEWABLES
from wattgram.goals.quantities.production import output
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown
from wattgram.goals.terms.yearly_path import left_of, pace, year_of

from . import fuels
from .entered import amount_if_any
from .stored import StoredSums, summed, windows
from .years import part_of_year, same_days

NATIONAL_SPLIT = (
    SecondaryValue("the country: power", 40.0, "%"),
    SecondaryValue("the country: industry", 40.0, "%"),
    SecondaryValue("the country: building", 10.0, "%"),
    SecondaryValue("the country: transport", 10.0, "%"),
)
"""Rounded figures of the article, 2021 (METHOD 6.3)."""

EVEN_COVERAGE = 0.9
"""Share of the quarter-hours with a load whose own renewable share must be stored."""

REDUCING_GROUPS = ("industry", "power")
"""Groups in which the article expects most of the reduction."""


def require_group(facility: Facility, group: str) -> str:
    """Return the group if it has a sub-meter, else raise MissingInput."""
    if not facility.of_group(group):
        device = 'role = "ev"' if group == "transport" else f'role = "load" and group = "{group}"'
        raise MissingInput(f"no sub-meter of group {group}", f"add a [[device]] with {device}")
    return group


def groups_coverage(stretch: Stretch, facility: Facility, groups: Sequence[str], sums: StoredSums) -> float:
    """Return the lowest coverage of the balance and of each sub-meter of some groups."""
    meters = [device.name for group in groups for device in facility.of_group(group)]
    return min([sums.coverage, *(stretch.energy_coverage(name) for name in meters)])


@as_finding
def solar_charging(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return PVEV = sum of E_ev x pvshare / sum of E_ev, %, and the share of an even charging (goals A10).

    pvshare: own renewable share of the site's mix at each instant; it includes wind and hydro. Even charging: mean of
    pvshare over the quarter-hours.
    """
    require_group(facility, "transport")
    sums = summed(stretch, "transport_own_energy", "transport_energy")
    own, energy = sums.kwh("transport_own_energy"), sums.kwh("transport_energy")
    value = 100.0 * quotient(own, energy, f"no EV charging in {stretch.name}")
    even = even_share(stretch)
    return IndicatorValue(
        value,
        (
            sums.energy("charged from own renewables", "transport_own_energy"),
            sums.energy("charged, group transport", "transport_energy"),
        ),
        f"100 x {shown(own)} / {shown(energy)} = {shown(value)} %",
        (
            SecondaryValue("charged", energy, "kWh"),
            *((SecondaryValue("share of a charging spread evenly", even, "%"),) if even is not None else ()),
        ),
        groups_coverage(stretch, facility, ["transport"], sums),
    )


def even_share(stretch: Stretch) -> float | None:
    """Return the mean of the own renewable share over the quarter-hours, %; None if it is not stored for them."""
    count = sum(day.quarters.own_count for day in stretch.days)
    if not count or count < EVEN_COVERAGE * sum(day.quarters.count for day in stretch.days):
        return None
    return 100.0 * fsum(day.quarters.own_share for day in stretch.days) / count


def solar_charging_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the share of an even charging: what lies above it is shifting, the site's own conduct (goals A10)."""
    if not facility.of_role(*RENEWABLES):
        return NoTarget("no own renewable production", 'add a [[device]] with role = "pv", or [goals.target] A10 in %')
    even = even_share(stretch)
    if even is None:
        return NoTarget(
            "the share of an even charging is not stored for these days",
            "wait for new days, or set [goals.target] A10 in %",
        )
    return Target(even, "own renewable share of the site's mix, if the charging were spread evenly", start=even)


@as_finding
def split(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return share_k = C_k / sum of C_k of industry, %, and of the other groups and the unassigned rest (goals B03).

    C_k: CO2 of the electricity of the group's sub-meters, and of the fuel for heat of its meters; for industry also the
    entered process emissions. Consumption of a group without sub-meters and fuel without a group are unassigned.
    """
    require_group(facility, "industry")
    groups = [group for group in GROUPS if facility.of_group(group)]
    names = [f"{group}_emission" for group in (*groups, "rest")]
    sums = summed(stretch, *names)
    process = amount_if_any("process_emission", stretch, facility)
    tonnes = {name: sums.tonnes(name) for name in names}
    tonnes["industry_emission"] += process.value
    burnt = fuels.heat_carbon(stretch, facility)
    for fuel in burnt:
        group = fuels.group_of(fuel, facility)
        name = f"{group}_emission" if group else "rest_emission"
        tonnes[name] = tonnes.get(name, 0.0) + fuel.value
    whole = fsum(tonnes.values())
    shares = {name: 100.0 * quotient(mass, whole, f"no CO2 in {stretch.name}") for name, mass in tonnes.items()}
    return IndicatorValue(
        shares["industry_emission"],
        (*(sums.mass(f"CO2 of {name.removesuffix('_emission')}", name) for name in names), *process.inputs, *burnt),
        f"100 x {shown(tonnes['industry_emission'])} / ({' + '.join(shown(mass) for mass in tonnes.values())})"
        f" = {shown(shares['industry_emission'])} %",
        (
            *(
                SecondaryValue({"rest": "unassigned"}.get(group, group), share, "%")
                for name, share in shares.items()
                if (group := name.removesuffix("_emission")) != "industry"
            ),
            *(NATIONAL_SPLIT if facility.in_china else ()),
        ),
        groups_coverage(stretch, facility, groups, sums),
    )


@as_finding
def reduction(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return red_k = 1 - C_k / C_k,base of industry and power together, %, and of each group (goals B04).

    C_k,base: baseline B04 (t/a of these groups) x elapsed share of the year, else the same days of the year before.
    """
    groups = [group for group in REDUCING_GROUPS if facility.of_group(group)] or [require_group(facility, "industry")]
    base = facility.goals.baselines.get("B04")
    if base is None:
        return _since_last_year(stretch, facility, groups)
    sums = summed(stretch, *(f"{group}_emission" for group in groups))
    now = fsum(sums.tonnes(f"{group}_emission") for group in groups)
    elapsed = stretch.elapsed_share * part_of_year(stretch, facility)
    before = base.value * elapsed
    value = 100.0 * (1.0 - quotient(now, before, "the baseline B04 is 0"))
    return IndicatorValue(
        value,
        (
            *(sums.mass(f"CO2 of {group}", f"{group}_emission") for group in groups),
            Input(f"CO2 of {' and '.join(groups)} in {base.year}", base.value, "t/a", "[goals] baseline B04"),
            Input("elapsed share of the year", elapsed, "1", "calendar"),
        ),
        f"100 x (1 - {shown(now)} / ({shown(base.value)} x {shown(elapsed)})) = {shown(value)} %",
        _per_output(now, stretch, facility),
        coverage=groups_coverage(stretch, facility, groups, sums),
    )


def _since_last_year(stretch: Stretch, facility: Facility, groups: Sequence[str]) -> IndicatorValue:
    others = [group for group in GROUPS if facility.of_group(group) and group not in groups]
    pairs = same_days(stretch, facility, [f"{group}_emission" for group in (*groups, *others)])
    if not pairs.now:
        raise MissingInput(f"no day of {stretch.name} is also stored a year before", "add [goals.baseline.B04]")
    sums = {group: pairs.sums(f"{group}_emission") for group in (*groups, *others)}
    now, before = (fsum(sums[group][side] for group in groups) / 1e6 for side in (0, 1))
    value = 100.0 * (1.0 - quotient(now, before, f"no CO2 of {' and '.join(groups)} a year before"))
    source = windows(len(pairs.now))
    return IndicatorValue(
        value,
        (
            *(Input(f"CO2 of {group}", sums[group][0] / 1e6, "t", source) for group in groups),
            *(Input(f"CO2 of {group}", sums[group][1] / 1e6, "t", f"{source} a year before") for group in groups),
        ),
        f"100 x (1 - {shown(now)} / {shown(before)}) = {shown(value)} %",
        tuple(
            SecondaryValue(group, 100.0 * (1.0 - quotient(*sides, f"no CO2 of {group} a year before")), "%")
            for group, sides in sums.items()
            if sides[1] > 0.0
        ),
        min(
            [
                pairs.coverage,
                *(pairs.energy_coverage(device.name) for group in groups for device in facility.of_group(group)),
            ]
        ),
    )


def _per_output(tonnes: float, stretch: Stretch, facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return the CO2 per output of each product with a counter, kg/t; none if no counter has data."""
    found: list[SecondaryValue] = []
    for product in facility.goals.products:
        if not product.output:
            continue
        try:
            made = output(product, stretch, facility)
        except MissingInput:
            continue  # a secondary value may be missing
        found.append(SecondaryValue(f"per t of {product.name}", 1e3 * tonnes / made.amount, "kgCO2/t"))
    return tuple(found)


def reduction_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return 1 - the remaining share of the site's path, % (goals B04)."""
    base = facility.goals.baselines.get("B04")
    if base is None:
        return NoTarget(
            "the site has set no target and no path",
            "set [goals.target] B04 in %, or [goals.baseline.B04] with value, year and yearly",
        )
    left = left_of(base, year_of(stretch, facility))
    if left is None:
        return NoTarget("the baseline has no path", "add yearly to [goals.baseline.B04]: -0.03 is -3 % a year")
    years = year_of(stretch, facility) - base.year
    return Target(100.0 * (1.0 - left), f"1 - {left:.4g} after {years} years; {pace(base)}", own=True, start=0.0)


INDICATORS = {
    "A10": Indicator(solar_charging, target=solar_charging_target),
    "B03": Indicator(split),
    "B04": Indicator(reduction, target=reduction_target),
}
