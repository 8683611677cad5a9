"""Renewable, carbon-free and clean shares of the site's energy (A03, A13, B09)."""

from __future__ import annotations

from math import fsum

from wattgram.config.goals_table.goals_settings import WEIGHTED_INDUSTRIES
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import as_finding, quotient, shown

from . import fuels
from .certified import certified
from .solar import sufficiency
from .stored import summed
from .target_sources import NOTHING_OWN, rule, ruled, why_none


@as_finding
def renewable(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return RS = (used own renewables + certified) / E_load, % (goals A03).

    Certified energy is at most the load without own renewables. The grid's part stands beside the value: it is no merit
    of the site. A battery gives back what charged it, so the own part contains it once.
    """
    sums = summed(stretch, "self_sufficiency.part", "grid_import_energy", "load_energy")
    own, imported, load = (sums.kwh(name) for name in sums.values)
    bought = certified(stretch, facility, max(0.0, min(imported, load - own)), renewable=True)
    value = 100.0 * quotient(own + bought.total, load, f"no load in {stretch.name}")
    return IndicatorValue(
        value,
        (
            sums.energy("own renewables used by the load", "self_sufficiency.part"),
            *bought.inputs,
            sums.energy("load", "load_energy"),
        ),
        f"100 x ({shown(own)} + {shown(bought.total)}) / {shown(load)} = {shown(value)} %",
        (
            SecondaryValue("own renewables", 100.0 * own / load, "%"),
            SecondaryValue("certified", 100.0 * bought.total / load, "%"),
            *_grid_part(facility, max(0.0, min(imported, load - own) - bought.total), load),
        ),
        sums.coverage,
    )


def _grid_part(facility: Facility, rest: float, load: float) -> tuple[SecondaryValue, ...]:
    """Return the renewable part of the rest of the import by the zone's statistics, %; none if it is unknown."""
    share = facility.renewable
    if share is None:
        return ()
    source = f"zone {facility.grid_zone}" if facility.goals.zone_renewable is None else "[goals] zone_renewable"
    return (
        SecondaryValue(f"renewable by the grid, not counted ({source})", 100.0 * rest * share / load, "%"),
        SecondaryValue(f"renewable share of the grid ({source})", 100.0 * share, "%"),
    )


def renewable_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the consumption weight of the zone - the grid's renewable share, %, where positive (goals A03).

    The weight holds for WEIGHTED_INDUSTRIES of its zone alone.
    """
    own = "[goals.target] A03 in %"
    weight = rule("consumption_weight", stretch, facility)
    if weight is None:
        return NoTarget(f"consumption weight: {why_none('consumption_weight', stretch, facility)}", f"set {own}")
    if facility.goals.industry not in WEIGHTED_INDUSTRIES:
        return NoTarget(
            f"the weight of {weight.value:g} % holds for {', '.join(WEIGHTED_INDUSTRIES)} alone",
            f"set [goals] industry if the site is one of these, else {own}",
        )
    if facility.renewable is None:
        return NoTarget(
            f"the weight is {weight.value:g} %; the renewable share of zone {facility.grid_zone} has no statistic",
            f"set [goals] zone_renewable by a statistic, or {own}",
        )
    left = weight.value - 100.0 * facility.renewable
    if left <= 0.0:
        return NoTarget(f"the grid of zone {facility.grid_zone} reaches the weight of {weight.value:g} %", f"set {own}")
    return Target(left, f"{weight.value:g} % - {100.0 * facility.renewable:.4g} % of the grid; {weight.cited}")


@as_finding
def carbon_free(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return CFE = sum of min(L, O + K + rest x cfe_grid) by hours / sum of L, % (goals A13; METHOD 4.9).

    The windows contain it by whole hours. If the carbon-free share of the grid is unknown, it counts as 0.
    """
    sums = summed(stretch, "carbon_free_share.part", "carbon_free_share.whole")
    free, load = sums.kwh("carbon_free_share.part"), sums.kwh("carbon_free_share.whole")
    value = 100.0 * quotient(free, load, f"no load in whole hours of {stretch.name}")
    return IndicatorValue(
        value,
        (
            sums.energy("load covered by carbon-free power of the same hour (METHOD 4.9)", "carbon_free_share.part"),
            sums.energy("load", "carbon_free_share.whole"),
        ),
        f"100 x {shown(free)} / {shown(load)} = {shown(value)} %",
        (*sufficiency(stretch), *_zone_clean(facility)),
        sums.coverage,
        note="an hour without a carbon-free share of the grid counts only the site's own share",
    )


def _zone_clean(facility: Facility) -> tuple[SecondaryValue, ...]:
    """Return the carbon-free share of the zone, %; none if it is unknown."""
    if facility.clean is None:
        return ()
    return (
        SecondaryValue(f"carbon-free share of the grid ({facility.clean.source})", 100.0 * facility.clean.value, "%"),
    )


@as_finding
def clean(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return CS = (used own renewables + E_imp x cfe_grid + certified) / E_total, % (goals B09).

    The clean share of the load without certificates is stored (`clean_share`). A certified kWh adds only the unclean
    share of the rest of the load, without own renewables. So no kWh counts twice (METHOD 4.9). E_total: load + heat of
    the fuel - electricity generated from it, which is part of the load.
    """
    sums = summed(stretch, "clean_share.part", "self_sufficiency.part", "load_energy")
    heat, made = fuels.heat(stretch, facility), fuels.electricity(stretch, facility)
    free, own, load = (sums.kwh(name) for name in sums.values)
    total = load + max(0.0, fsum(operand.value for operand in heat) - made)
    rest = load - own
    bought = certified(stretch, facility, max(0.0, rest), renewable=False)
    added = bought.total * max(0.0, load - free) / rest if rest > 0.0 else 0.0
    no_energy = f"no energy in {stretch.name}"
    value = 100.0 * quotient(free + added, total, no_energy)
    inputs = [
        sums.energy("clean part of the load, without certificates", "clean_share.part"),
        sums.energy("own renewables used by the load", "self_sufficiency.part"),
        sums.energy("load", "load_energy"),
        *bought.inputs,
    ]
    if heat:
        inputs += [*heat, Input("electricity of gensets and CHP", made, "kWh", "meters of gensets and CHP")]
    return IndicatorValue(
        value,
        tuple(inputs),
        f"100 x ({shown(free)} + {shown(added)}) / ({shown(load)} + {shown(total - load)}) = {shown(value)} %",
        (
            SecondaryValue("share of own renewables", 100.0 * quotient(own, total, no_energy), "%"),
            *_zone_clean(facility),
        ),
        sums.coverage,
    )


def clean_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return 90 % for a site that declares itself a zero-carbon park; no target for other sites (goals B09).

    A site that reaches the target by its grid alone has no merit, and no light.
    """
    if not facility.goals.zero_carbon_park:
        return NoTarget(
            "only a zero-carbon park has a target by rule",
            "set [goals.target] B09 in %, or [goals] zero_carbon_park = true if the site is one",
        )
    target = ruled("park_clean_energy", "B09", stretch, facility)
    found = clean(stretch, facility) if not facility.has_supply_of_its_own else None
    if isinstance(target, Target) and isinstance(found, IndicatorValue) and found.value >= target.value:
        return NoTarget(NOTHING_OWN, "add own production, storage or certificates, or set [goals.target] B09")
    return target


INDICATORS = {
    "A03": Indicator(renewable, target=renewable_target),
    "A13": Indicator(carbon_free),
    "B09": Indicator(clean, target=clean_target),
}
