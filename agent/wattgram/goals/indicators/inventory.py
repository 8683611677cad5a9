"""CO2 inventory of the site, t: fuel, import, process, bought heat (METHOD 4.8; goals A14)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum

from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, shown

from . import fuels
from .entered import EnteredAmount, amount, amount_if_any
from .stored import summed

HEAT_FACTOR = 0.11
"""CO2 of bought heat in China, tCO2/GJ: GB/T 32150-2025 clauses 7.5.6 to 7.5.7 (METHOD 1.2)."""

FUEL = "fuel_emission"
"""Sum of the windows with the CO2 of the fuel for electricity."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """CO2 of each part, t. inputs: of all parts, with the manual entries.

    sold: CO2 of sold power and heat, which GB/T 32150 subtracts.
    """

    fuel: float
    imported: float
    heat: float
    process: float
    inputs: tuple[Input, ...]
    coverage: float
    sold: float = 0.0

    @property
    def direct(self) -> float:
        """C_direct = fuel + process: direct emissions of the site, which the national scheme counts (goals A14)."""
        return fsum((self.fuel, self.process))

    @property
    def total(self) -> float:
        """C = fuel + process + import x EF + heat x EF_heat; sold power is not subtracted (goals A02)."""
        return fsum((self.fuel, self.process, self.imported, self.heat))

    @property
    def works(self) -> float:
        """C_works = total - sold power and heat, by GB/T 32150 in its edition of 2015 (goals A14)."""
        return self.total - self.sold

    @property
    def works_arithmetic(self) -> str:
        """Terms of `works`, t."""
        return f"{self.arithmetic} - {shown(self.sold)}"

    @property
    def arithmetic(self) -> str:
        """Terms of the total, t."""
        return " + ".join(shown(term) for term in (self.fuel, self.process, self.imported, self.heat))


def energetic(stretch: Stretch, facility: Facility) -> Inventory:
    """Return the CO2 of the site's energy: fuel, import by the official factor, bought heat (entry "heat", GJ).

    MissingInput: the fuel of a meter is unknown; a total without it would look complete.
    """
    for_heat = fuels.heat_carbon(stretch, facility)
    sums = summed(_with_fuel_emission(stretch), FUEL, "scope2_location")
    bought = amount_if_any("heat", stretch, facility)
    factor = heat_factor(bought, facility)
    return Inventory(
        fuel=fsum((sums.tonnes(FUEL), *(operand.value for operand in for_heat))),
        imported=sums.tonnes("scope2_location"),
        heat=bought.value * factor.value,
        process=0.0,
        inputs=(
            sums.mass("fuel for electricity (scope 1)", FUEL),
            *for_heat,
            sums.mass("import x official factor (scope 2)", "scope2_location"),
            *((*bought.inputs, factor) if bought.inputs else ()),
        ),
        coverage=sums.coverage,
    )


def heat_factor(heat: EnteredAmount, facility: Facility) -> Input:
    """Return the CO2 of heat that is bought or sold, tCO2/GJ: the site's, else China's in China.

    MissingInput: heat outside of mainland China without a factor of the site. No heat needs no factor.
    """
    own = facility.goals.heat_factor
    if own is not None:
        return Input("factor of heat", own, "tCO2/GJ", "[goals] heat_factor")
    if facility.in_china:
        return Input("factor of heat", HEAT_FACTOR, "tCO2/GJ", "GB/T 32150-2025, METHOD 1.2")
    if heat.value:
        raise MissingInput(
            f"no factor of heat is known of zone {facility.grid_zone}",
            "set [goals] heat_factor, the tCO2/GJ of the heat by its supplier",
        )
    return Input("factor of heat", 0.0, "tCO2/GJ", "no heat")


def with_sales(whole: Inventory, stretch: Stretch, facility: Facility) -> Inventory:
    """Return an inventory with the CO2 of sold power and heat: export x factor of the import, entry "heat_sold".

    MissingInput: power was exported, and no factor is known.
    """
    exported = (stretch.sum("grid_export_energy") or 0.0) / 1e3
    heat = amount_if_any("heat_sold", stretch, facility)
    inputs: list[Input] = []
    worth = heat_factor(heat, facility)
    sold = heat.value * worth.value
    if exported > 0.0:
        imported = (stretch.sum("grid_import_energy") or 0.0) / 1e3
        if imported > 0.0:
            factor = Input("factor of the import", 1e6 * whole.imported / imported, "g/kWh", "scope 2 / import")
        elif facility.average is not None:
            factor = Input("factor of the zone", facility.average.value, "g/kWh", facility.average.source)
        else:
            raise MissingInput(
                f"no factor of the exported power in {stretch.name}", "add [grid] factor_g_per_kwh or a [[grid.source]]"
            )
        sold += exported * factor.value / 1e6
        inputs += [Input("export", exported, "kWh", "windows"), factor]
    if heat.inputs:
        inputs += [*heat.inputs, worth]
    return replace(whole, sold=sold, inputs=(*whole.inputs, *inputs))


def inventory(stretch: Stretch, facility: Facility) -> Inventory:
    """Return the CO2 of energy and process (entry "process_emission", t). MissingInput: no such entry.

    A site without process emissions enters 0: no meter measures them, and a total without them would look complete.
    """
    energy = energetic(stretch, facility)
    try:
        process = amount("process_emission", stretch, facility)
    except MissingInput as error:
        so_far = f"metered so far: fuel {energy.fuel:.4g} t, import {energy.imported:.4g} t"
        raise MissingInput(f"{error.missing.what}; {so_far}", error.missing.add) from error
    return replace(
        energy,
        process=process.value,
        inputs=(*energy.inputs, *process.inputs),
    )


def _with_fuel_emission(stretch: Stretch) -> Stretch:
    """Return the days with the fuel for electricity. In windows of older editions, it is the whole `scope1`."""
    days = [
        day
        if FUEL in day.sums or "scope1" not in day.sums
        else replace(day, sums={**day.sums, FUEL: day.sums["scope1"]})
        for day in stretch.days
    ]
    return replace(stretch, days=days)
