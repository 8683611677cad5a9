"""CO2 per energy: gap to the grid, its change from the year before, per tce, and of driving (A04, A05, A15, B05)."""

from __future__ import annotations

from math import fsum

from wattgram.base.units import KGCE_PER_KWH
from wattgram.goals.state import PATH_TOLERANCE
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, NoTarget, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, quotient, shown

from . import fuels
from .certified import certified
from .entered import amount_if_any
from .groups import groups_coverage, require_group
from .inventory import energetic
from .stored import summed, summed_uncertainty, windows
from .target_sources import NOTHING_OWN, rule
from .years import Pairs, same_days

GJ_PER_TCE = 29.3076
"""Heat of a tce, GJ (METHOD 1.3)."""

METER_ERROR = 0.02
"""Uncertainty of the load / load where none is stored: meters of class A may err by 2 % (METHOD 4.5)."""

GRID_TERMS = ("grid_intensity.part", "grid_intensity.whole")

PARKS = "for reference only: the limits apply to parks"

PARK_REFERENCE = (
    SecondaryValue("zero-carbon park of 0.2 to 1 Mtce/a, at most", 0.2, "tCO2/tce"),
    SecondaryValue("zero-carbon park from 1 Mtce/a, at most", 0.3, "tCO2/tce"),
)
"""Limits of parks, for reference only: NDRC/MIIT/NEA zero-carbon park notice 2025, indicator annex (METHOD 5)."""


@as_finding
def gap(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return the part of the site in the gap to its grid, gCO2/kWh: c_grid - I_site + certified (goals A04).

    c_grid: mean of the import, I_site = C_elec / E_load (METHOD 4.4). Certified: certified energy / load x (c_grid -
    its factor). What the zone's factor and c_grid differ by is the grid's part. Uncertainty: that of the load's meters.
    """
    sums = summed(stretch, "emission", "load_energy")
    carbon, load = sums.kg("emission"), sums.kwh("load_energy")
    intensity = quotient(1e3 * carbon, load, f"no load in {stretch.name}")
    grid = _grid_intensity(stretch, facility)
    own = (stretch.sum("self_sufficiency.part") or 0.0) / 1e3
    bought = certified(stretch, facility, max(0.0, load - own), renewable=False)
    by_certificates = (bought.total * grid.value - bought.carbon) / load
    value = grid.value - intensity + by_certificates
    by_own = own / load * grid.value
    average = facility.average
    return IndicatorValue(
        value,
        (
            Input("CO2 of the load", carbon, "kg", sums.source),
            sums.energy("load", "load_energy"),
            grid,
            *bought.inputs,
        ),
        f"{shown(grid.value)} - 1000 x {shown(carbon)} / {shown(load)} + {shown(by_certificates)}"
        f" = {shown(value)} g/kWh",
        (
            SecondaryValue("emission intensity", intensity, "gCO2/kWh"),
            SecondaryValue("by own renewables", by_own, "gCO2/kWh"),
            SecondaryValue("by storage, gensets and own plants' CO2", grid.value - intensity - by_own, "gCO2/kWh"),
            SecondaryValue("by certificates", by_certificates, "gCO2/kWh"),
            *(
                (
                    SecondaryValue(f"zone's factor ({average.source})", average.value, "gCO2/kWh"),
                    SecondaryValue("the grid's part of the gap", average.value - grid.value, "gCO2/kWh"),
                )
                if average is not None
                else ()
            ),
        ),
        sums.coverage,
        uncertainty=grid.value * _share_of_error(stretch, load),
    )


def gap_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return 0 as lower limit, if the site's part differs from 0 by more than its uncertainty (goals A04)."""
    if not facility.has_supply_of_its_own:
        return NoTarget(NOTHING_OWN, "add own production, storage or certificates, or set [goals.target] A04")
    found = gap(stretch, facility)
    if not isinstance(found, IndicatorValue):
        return NoTarget(found.what, found.add)
    if found.uncertainty is not None and abs(found.value) <= found.uncertainty:
        return NoTarget(f"the site's part is within its uncertainty of {found.uncertainty:.3g} gCO2/kWh")
    return Target(0.0, "the site's own part is above 0 by more than its uncertainty")


def _grid_intensity(stretch: Stretch, facility: Facility) -> Input:
    """Return the mean intensity of the import, else the factor of the zone, g/kWh. MissingInput: neither is known."""
    mean = stretch.ratio("grid_intensity")
    if mean is not None:
        return Input("grid intensity, mean of the import", mean, "g/kWh", windows(len(stretch.days)))
    if facility.average is None:
        raise MissingInput(
            f"no grid intensity in {stretch.name}, and no factor of zone {facility.grid_zone}",
            "add [grid] factor_g_per_kwh or a [[grid.source]]",
        )
    return Input("grid factor of the zone", facility.average.value, "g/kWh", facility.average.source)


def _share_of_error(stretch: Stretch, load: float) -> float:
    """Return the expanded uncertainty of the load / load, `METER_ERROR` if it is not stored. load: kWh."""
    unsure = summed_uncertainty(stretch, "load_energy")
    return METER_ERROR if unsure is None else unsure / 1e3 / load


@as_finding
def of_charging(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return g_ev = C_ev / km, gCO2/km (goals B05). C_ev: sum of E_ev x c_mix, direct, with the losses of charging.

    km: entry "km_driven"; without entries E_ev / [goals] ev_consumption.
    """
    require_group(facility, "transport")
    if facility.basis != "direct":
        raise MissingInput(
            "petrol is compared without upstream emissions",
            'set [grid] basis = "direct"; a zone without a direct row also needs factor_g_per_kwh or a [[grid.source]]',
        )
    sums = summed(stretch, "transport_emission", "transport_energy")
    carbon, energy = sums.kg("transport_emission"), sums.kwh("transport_energy")
    intensity = 1e3 * quotient(carbon, energy, f"no EV charging in {stretch.name}")
    driven = amount_if_any("km_driven", stretch, facility)
    consumption = facility.goals.ev_consumption
    if driven.inputs:
        km, inputs = driven.value, driven.inputs
    elif consumption is not None:
        km = energy / consumption
        inputs = (Input("consumption, at the charger", consumption, "kWh/km", "[goals] ev_consumption"),)
    else:
        raise MissingInput(
            f"no distance of the vehicles; charged {energy:.4g} kWh at {intensity:.4g} gCO2/kWh",
            'add [[goals.entry]] with what = "km_driven", or [goals] ev_consumption in kWh/km',
        )
    value = 1e3 * quotient(carbon, km, f"no distance in {stretch.name}")
    petrol = rule("petrol_car", stretch, facility)
    return IndicatorValue(
        value,
        (
            Input("CO2 of charging", carbon, "kg", sums.source),
            sums.energy("charged, group transport", "transport_energy"),
            *inputs,
        ),
        f"1000 x {shown(carbon)} / {shown(km)} = {shown(value)} g/km",
        (
            SecondaryValue("charged", energy, "kWh"),
            SecondaryValue("CO2 of a charged kWh", intensity, "gCO2/kWh"),
            *((SecondaryValue("petrol car, tank to wheel", petrol.value, petrol.unit),) if petrol else ()),
        ),
        groups_coverage(stretch, facility, ["transport"], sums),
        driven.by,
    )


def charging_target(stretch: Stretch, facility: Facility) -> Target | NoTarget:
    """Return the petrol car's g/km, and less if the charging was better last year, on the same grid (goals B05).

    Falling: intensity of the charging / grid intensity against the same days of the year before. So a greener grid is
    no merit of the site.
    """
    petrol = rule("petrol_car", stretch, facility)
    found = of_charging(stretch, facility)
    if not isinstance(found, IndicatorValue) or petrol is None:
        return NoTarget("no value")
    if not facility.has_supply_of_its_own:
        return NoTarget(NOTHING_OWN, "add own production, storage or certificates, or set [goals.target] B05")
    names = ("transport_emission", "transport_energy", *GRID_TERMS)
    pairs = same_days(stretch, facility, names)
    ratios = [_to_grid(pairs, side, "transport_emission", "transport_energy") for side in (0, 1)] if pairs.now else []
    if not ratios or ratios[0] is None or not ratios[1]:
        return NoTarget(
            "a light needs the same days of the year before",
            "wait until a year of charging is stored, or set [goals.target] B05",
        )
    trend = ratios[0] / ratios[1]
    if found.value <= petrol.value and abs(trend - 1.0) <= PATH_TOLERANCE:
        return NoTarget(f"below {petrol.value:g} g/km; against last year's charging on the same grid: no change")
    if found.value / trend < petrol.value:
        return Target(found.value / trend, "last year's charging on this year's grid; below the petrol car's 181 g/km")
    return Target(petrol.value, petrol.cited)


@as_finding
def change(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return dr = (r_y - r_(y-1)) / r_(y-1), %/a, r = I_site / c_grid, over the days stored in both years (goals A05).

    It is the own change: (1 + total change) = (1 + grid's change) x (1 + own change).
    """
    pairs = same_days(stretch, facility, ("emission", "load_energy", *GRID_TERMS))
    if not pairs.now:
        raise MissingInput(
            f"no day of {stretch.name} is also stored a year before", "wait until a year of data is stored"
        )
    (carbon, carbon_before), (load, load_before) = pairs.sums("emission"), pairs.sums("load_energy")
    now = 1e3 * quotient(carbon, load, f"no load on the common days of {stretch.name} and the year before")
    before = 1e3 * quotient(carbon_before, load_before, f"no load a year before {stretch.name}")
    parts, wholes = pairs.sums("grid_intensity.part"), pairs.sums("grid_intensity.whole")
    grid, grid_before = (
        quotient(part, whole, f"no import on the common days of {stretch.name} and the year before")
        for part, whole in zip(parts, wholes, strict=True)
    )
    whole_change = quotient(now, before, f"no CO2 a year before {stretch.name}")
    grid_change = quotient(grid, grid_before, f"a grid without CO2 a year before {stretch.name}")
    value = 100.0 * (quotient(whole_change, grid_change, f"a grid without CO2 in {stretch.name}") - 1.0)
    source = windows(len(pairs.now))
    earlier = f"{source} a year before"
    pace = rule("carbon_per_gdp", stretch, facility)
    return IndicatorValue(
        value,
        (
            Input("CO2 of the load", carbon / 1e3, "kg", source),
            Input("load", load / 1e3, "kWh", source),
            Input("grid intensity", grid, "g/kWh", source),
            Input("CO2 of the load", carbon_before / 1e3, "kg", earlier),
            Input("load", load_before / 1e3, "kWh", earlier),
            Input("grid intensity", grid_before, "g/kWh", earlier),
        ),
        f"100 x (({shown(now)} / {shown(grid)}) / ({shown(before)} / {shown(grid_before)}) - 1) = {shown(value)} %/a",
        (
            SecondaryValue("change of the intensity", 100.0 * (whole_change - 1.0), "%/a"),
            SecondaryValue("the grid's change", 100.0 * (grid_change - 1.0), "%/a"),
            SecondaryValue("intensity", now, "g/kWh"),
            SecondaryValue("intensity a year before", before, "g/kWh"),
            *((SecondaryValue("the country's pace per GDP, context", pace.value, pace.unit),) if pace else ()),
        ),
        pairs.coverage,
    )


def _to_grid(pairs: Pairs, side: int, carbon: str, energy: str) -> float | None:
    """Return CO2 per energy / grid intensity of one year; None if it is undefined. side: 0 this year, 1 last year."""
    mass, used = pairs.sums(carbon)[side], pairs.sums(energy)[side]
    part, whole = (pairs.sums(name)[side] for name in GRID_TERMS)
    return (mass / used) / (part / whole) if used > 0.0 and part > 0.0 and whole > 0.0 else None


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
        (SecondaryValue("energy", energy, "tce"), *(PARK_REFERENCE if facility.in_china else ())),
        min(carbon.coverage, sums.coverage),
        note="; ".join(note for note in (unentered, PARKS if facility.in_china else "") if note),
    )


INDICATORS = {
    "A04": Indicator(gap, "higher", gap_target),
    "A05": Indicator(change, "lower"),
    "A15": Indicator(of_all_energy, "lower"),
    "B05": Indicator(of_charging, "lower", charging_target),
}
