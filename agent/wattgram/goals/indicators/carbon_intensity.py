"""CO2 per energy: of the load, of EV charging, change from the year before, and per tce (A04, A05, A15, B05)."""

from __future__ import annotations

from math import fsum

from wattgram.base.units import KGCE_PER_KWH
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown
from wattgram.goals.terms.yearly_path import CARBON, PACE_SOURCES

from . import fuels
from .entered import amount_if_any
from .groups import groups_coverage, require_group
from .inventory import energetic
from .stored import summed, windows
from .target_sources import AVERAGES, grid_average
from .years import same_days

GJ_PER_TCE = 29.3076
"""Heat of a tce, GJ (METHOD 1.3)."""

PARK_REFERENCE = (
    SecondaryValue("zero-carbon park of 0.2 to 1 Mtce/a, at most", 0.2, "tCO2/tce"),
    SecondaryValue("zero-carbon park from 1 Mtce/a, at most", 0.3, "tCO2/tce"),
)
"""Limits of parks, for reference only: NDRC/MIIT/NEA zero-carbon park notice 2025, indicator annex (METHOD 5)."""


@as_finding
def of_load(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return I_site = C_elec / E_load, gCO2/kWh, and gap = 1 - I_site / EF of the same basis, % (A04; METHOD 4.4)."""
    sums = summed(stretch, "emission", "load_energy")
    carbon, load = sums.kg("emission"), sums.kwh("load_energy")
    value = quotient(1e3 * carbon, load, f"no load in {stretch.name}")
    average = AVERAGES[facility.basis].value
    return IndicatorValue(
        value,
        (Input("CO2 of the load", carbon, "kg", sums.source), sums.energy("load", "load_energy")),
        f"1000 x {shown(carbon)} / {shown(load)} = {shown(value)} g/kWh",
        (SecondaryValue(f"below the grid's {average:g} g/kWh by", 100.0 * (1.0 - value / average), "%"),),
        sums.coverage,
    )


@as_finding
def of_charging(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return I_ev = sum of E_ev x c_mix / sum of E_ev, gCO2/kWh, and the energy (goals B05)."""
    require_group(facility, "transport")
    sums = summed(stretch, "transport_emission", "transport_energy")
    carbon, energy = sums.kg("transport_emission"), sums.kwh("transport_energy")
    value = quotient(1e3 * carbon, energy, f"no EV charging in {stretch.name}")
    return IndicatorValue(
        value,
        (
            Input("CO2 of charging", carbon, "kg", sums.source),
            sums.energy("charged, group transport", "transport_energy"),
        ),
        f"1000 x {shown(carbon)} / {shown(energy)} = {shown(value)} g/kWh",
        (SecondaryValue("charged", energy, "kWh"),),
        groups_coverage(stretch, facility, ["transport"], sums),
    )


@as_finding
def change(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return dI = (I_y - I_(y-1)) / I_(y-1), %/a, over the finished days that are stored in both years (goals A05)."""
    pairs = same_days(stretch, facility, ("emission", "load_energy"))
    if not pairs.now:
        raise MissingInput(
            f"no day of {stretch.name} is also stored a year before", "wait until a year of data is stored"
        )
    (carbon, carbon_before), (load, load_before) = pairs.sums("emission"), pairs.sums("load_energy")
    now = 1e3 * quotient(carbon, load, f"no load on the common days of {stretch.name} and the year before")
    before = 1e3 * quotient(carbon_before, load_before, f"no load a year before {stretch.name}")
    value = 100.0 * quotient(now - before, before, f"no CO2 a year before {stretch.name}")
    source = windows(len(pairs.now))
    earlier = f"{source} a year before"
    return IndicatorValue(
        value,
        (
            Input("CO2 of the load", carbon / 1e3, "kg", source),
            Input("load", load / 1e3, "kWh", source),
            Input("CO2 of the load", carbon_before / 1e3, "kg", earlier),
            Input("load", load_before / 1e3, "kWh", earlier),
        ),
        f"100 x ({shown(now)} - {shown(before)}) / {shown(before)} = {shown(value)} %/a",
        (SecondaryValue("intensity", now, "g/kWh"), SecondaryValue("intensity a year before", before, "g/kWh")),
        pairs.coverage,
    )


@as_finding
def of_all_energy(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return IE = C_total / E_total, tCO2/tce (goals A15; METHOD 4.11, example 7).

    C_total: fuel, import, bought heat, and process emissions if entered. E_total: import, used own renewables, heat of
    the fuel and bought heat. The electricity of a genset is contained in its fuel.
    """
    carbon = energetic(stretch, facility)
    process = amount_if_any("process_emission", stretch, facility)
    bought = amount_if_any("heat", stretch, facility)
    sums = summed(stretch, "grid_import_energy", "self_sufficiency.part")
    heat = fuels.heat(stretch, facility)
    mass = carbon.total + process.value
    electricity = sums.kwh("grid_import_energy") + sums.kwh("self_sufficiency.part")
    kwh = electricity + fsum(operand.value for operand in heat)
    energy = kwh * KGCE_PER_KWH / 1e3 + bought.value / GJ_PER_TCE
    value = quotient(mass, energy, f"no energy in {stretch.name}")
    source = "METHOD 1.2 and 1.3"
    unentered = "" if process.inputs else "without process emissions: no entry process_emission"
    return IndicatorValue(
        value,
        (
            *carbon.inputs,
            *process.inputs,
            sums.energy("import", "grid_import_energy"),
            sums.energy("own renewables used by the load", "self_sufficiency.part"),
            *heat,
            Input("standard coal of a kWh", KGCE_PER_KWH, "kgce/kWh", source),
            *((Input("heat of standard coal", GJ_PER_TCE, "GJ/tce", source),) if bought.inputs else ()),
        ),
        f"{shown(mass)} / ({shown(kwh)} x {KGCE_PER_KWH} / 1000 + {shown(bought.value)} / {GJ_PER_TCE})"
        f" = {shown(value)} tCO2/tce",
        (SecondaryValue("energy", energy, "tce"), *PARK_REFERENCE),
        min(carbon.coverage, sums.coverage),
        note="; ".join(note for note in (unentered, "for reference only: the limits apply to parks") if note),
    )


INDICATORS = {
    "A04": Indicator(of_load, "lower", grid_average),
    "A05": Indicator(change, "lower", lambda _stretch, _facility: Target(100.0 * CARBON, PACE_SOURCES[CARBON])),
    "A15": Indicator(of_all_energy, "lower"),
    "B05": Indicator(of_charging, "lower", grid_average),
}
