"""Renewable, carbon-free and clean shares of the site's energy (A03, A13, B09)."""

from __future__ import annotations

from math import fsum

from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown

from . import fuels
from .solar import sufficiency
from .stored import summed
from .target_sources import weight

PARK_CLEAN = SecondaryValue("clean energy of a zero-carbon park", 90.0, "%")
"""NDRC/MIIT/NEA zero-carbon park notice 2025, indicator annex (METHOD 5)."""


@as_finding
def renewable(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return RS = (used own renewables + E_imp x rs_grid) / E_load, % (goals A03)."""
    share, zone = facility.renewable, facility.grid_zone
    if share is None:
        raise MissingInput(f"the renewable share of zone {zone} is unknown", "add zone_renewable to [goals]")
    sums = summed(stretch, "self_sufficiency.part", "grid_import_energy", "load_energy")
    own, imported, load = (sums.kwh(name) for name in sums.values)
    value = 100.0 * quotient(own + imported * share, load, f"no load in {stretch.name}")
    source = f"shipped for {zone}" if facility.goals.zone_renewable is None else "[goals] zone_renewable"
    return IndicatorValue(
        value,
        (
            sums.energy("own renewables used by the load", "self_sufficiency.part"),
            sums.energy("import", "grid_import_energy"),
            Input("renewable share of the grid", share, "1", source),
            sums.energy("load", "load_energy"),
        ),
        f"100 x ({shown(own)} + {shown(imported)} x {shown(share)}) / {shown(load)} = {shown(value)} %",
        (SecondaryValue(f"renewable share of the grid ({source})", 100.0 * share, "%"), *sufficiency(stretch)),
        sums.coverage,
    )


@as_finding
def carbon_free(stretch: Stretch, _facility: Facility) -> IndicatorValue:
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
        sufficiency(stretch),
        sums.coverage,
        note="an hour without a carbon-free share of the grid counts only the site's own share",
    )


@as_finding
def clean(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return CS = (used own renewables + E_imp x cfe_grid + certified) / E_total, % (goals B09).

    The clean share of the load without certificates is stored (`clean_share`). A certified kWh adds only the unclean
    share of the rest of the load, without own renewables. So no kWh counts twice (METHOD 4.9). E_total: load + heat of
    the fuel - electricity generated from it, which is part of the load.
    """
    names = ("clean_share.part", "self_sufficiency.part", "load_energy")
    certified = stretch.sum("matched_energy") is not None
    sums = summed(stretch, *names, *(("matched_energy",) if certified else ()))
    heat, made = fuels.heat(stretch, facility), fuels.electricity(stretch, facility)
    free, own, load = (sums.kwh(name) for name in names)
    total = load + max(0.0, fsum(operand.value for operand in heat) - made)
    rest = load - own
    matched = min(sums.kwh("matched_energy"), rest) if certified else 0.0
    added = matched * max(0.0, load - free) / rest if rest > 0.0 else 0.0
    no_energy = f"no energy in {stretch.name}"
    value = 100.0 * quotient(free + added, total, no_energy)
    inputs = [
        sums.energy("clean part of the load, without certificates", "clean_share.part"),
        sums.energy("own renewables used by the load", "self_sufficiency.part"),
        sums.energy("load", "load_energy"),
    ]
    if certified:
        inputs.append(sums.energy("certificates matched with import", "matched_energy"))
    if heat:
        inputs += [*heat, Input("electricity of gensets and CHP", made, "kWh", "meters of gensets and CHP")]
    return IndicatorValue(
        value,
        tuple(inputs),
        f"100 x ({shown(free)} + {shown(added)}) / ({shown(load)} + {shown(total - load)}) = {shown(value)} %",
        (SecondaryValue("share of own renewables", 100.0 * quotient(own, total, no_energy), "%"), PARK_CLEAN),
        sums.coverage,
    )


INDICATORS = {
    "A03": Indicator(renewable, target=weight),
    "A13": Indicator(carbon_free, target=weight),
    "B09": Indicator(clean, target=weight),
}
