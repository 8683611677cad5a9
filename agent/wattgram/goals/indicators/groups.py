"""Industry, power, buildings and transport apart, as their sub-meters tell (A10, B03, B04)."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from wattgram.config.load import GROUPS
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown
from wattgram.goals.terms.yearly_path import CARBON, PACE_SOURCES, remaining, year_of

from .entered import amount_if_any
from .stored import StoredSums, summed, windows
from .target_sources import WEIGHT_SOURCE
from .years import part_of_year, same_days

NATIONAL_SPLIT = (
    SecondaryValue("the country: power", 40.0, "%"),
    SecondaryValue("the country: industry", 40.0, "%"),
    SecondaryValue("the country: building", 10.0, "%"),
    SecondaryValue("the country: transport", 10.0, "%"),
)
"""The article's own round figures of 2021 (METHOD 6.3)."""

CUTTING = ("industry", "power")
"""Where the article expects most cuts."""


def require_group(facility: Facility, group: str) -> str:
    """The group, when a sub-meter counts it; else Lack."""
    if not facility.of_group(group):
        device = 'role = "ev"' if group == "transport" else f'role = "load" and group = "{group}"'
        raise MissingInput(f"no sub-meter of group {group}", f"add a [[device]] with {device}")
    return group


def groups_coverage(stretch: Stretch, facility: Facility, groups: Sequence[str], sums: StoredSums) -> float:
    """Share of the time that is over for which the balance and each sub-meter of some groups are known."""
    meters = [device.name for group in groups for device in facility.of_group(group)]
    return min([sums.coverage, *(stretch.energy_coverage(name) for name in meters)])


@as_finding
def solar_charging(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """PVEV = sum of E_ev x pvshare / sum of E_ev, % (goals A10).

    pvshare is the own renewable share of the site's mix at each instant; with wind or hydro they are in it.
    """
    require_group(facility, "transport")
    sums = summed(stretch, "transport_own_energy", "transport_energy")
    own, energy = sums.kwh("transport_own_energy"), sums.kwh("transport_energy")
    value = 100.0 * quotient(own, energy, f"nothing was charged in {stretch.name}")
    return IndicatorValue(
        value,
        (
            sums.energy("charged from own renewables", "transport_own_energy"),
            sums.energy("charged, group transport", "transport_energy"),
        ),
        f"100 x {shown(own)} / {shown(energy)} = {shown(value)} %",
        (SecondaryValue("charged", energy, "kWh"),),
        groups_coverage(stretch, facility, ["transport"], sums),
    )


@as_finding
def split(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """share_k = C_k / sum of C_k, %: industry's share, beside it the others and what no group has (goals B03).

    C_k is the CO2 of the electricity that a group's sub-meters counted; industry has the process emission, too, where
    it is entered. A group without a sub-meter has no share: what it uses is in the unassigned one.
    """
    require_group(facility, "industry")
    groups = [group for group in GROUPS if facility.of_group(group)]
    names = [f"{group}_emission" for group in (*groups, "rest")]
    sums = summed(stretch, *names)
    process = amount_if_any("process_emission", stretch, facility)
    tonnes = {name: sums.tonnes(name) for name in names}
    tonnes["industry_emission"] += process.value
    whole = fsum(tonnes.values())
    shares = {name: 100.0 * quotient(mass, whole, f"no CO2 in {stretch.name}") for name, mass in tonnes.items()}
    names_shown = {"rest": "unassigned"}
    return IndicatorValue(
        shares["industry_emission"],
        (*(sums.mass(f"CO2 of {name.removesuffix('_emission')}", name) for name in names), *process.inputs),
        f"100 x {shown(tonnes['industry_emission'])} / ({' + '.join(shown(mass) for mass in tonnes.values())})"
        f" = {shown(shares['industry_emission'])} %",
        (
            *(
                SecondaryValue(names_shown.get(group, group), shares[f"{group}_emission"], "%")
                for group in (*groups, "rest")
                if group != "industry"
            ),
            *NATIONAL_SPLIT,
        ),
        groups_coverage(stretch, facility, groups, sums),
    )


@as_finding
def reduction(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """red_k = 1 - C_k / C_k,base, % (goals B04): industry and power together, beside it each group.

    C_k,base: the baseline B04 (t a year of these groups) times the part of the year that is over, else the same days
    of the year before.
    """
    groups = [group for group in CUTTING if facility.of_group(group)] or [require_group(facility, "industry")]
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
            Input("part of the year that is over", elapsed, "1", "calendar"),
        ),
        f"100 x (1 - {shown(now)} / ({shown(base.value)} x {shown(elapsed)})) = {shown(value)} %",
        coverage=groups_coverage(stretch, facility, groups, sums),
    )


def _since_last_year(stretch: Stretch, facility: Facility, groups: Sequence[str]) -> IndicatorValue:
    others = [group for group in GROUPS if facility.of_group(group) and group not in groups]
    pairs = same_days(stretch, facility, [f"{group}_emission" for group in (*groups, *others)])
    if not pairs.now:
        raise MissingInput(f"no day of {stretch.name} is stored a year before, too", "add [goals.baseline.B04]")
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


def reduction_target(stretch: Stretch, facility: Facility) -> Target:
    """1 - (1 - 3.9 %) ^ years since the baseline, or since last year without one, % (goals B04)."""
    base = facility.goals.baselines.get("B04")
    years = 1 if base is None else year_of(stretch, facility) - base.year
    own = None if base is None else base.yearly
    says = PACE_SOURCES[CARBON] if own is None else f"site choice, {100.0 * own:+.3g} % a year"
    left = remaining(CARBON if own is None else own, years)
    return Target(100.0 * (1.0 - left), f"1 - {left:.4g} after {years} years; {says}")


INDICATORS = {
    "A10": Indicator(solar_charging, target=lambda _stretch, _facility: Target(34.2, WEIGHT_SOURCE)),
    "B03": Indicator(split),
    "B04": Indicator(reduction, target=reduction_target),
}
