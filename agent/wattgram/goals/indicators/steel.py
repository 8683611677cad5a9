"""Steel: process energy by limit classes, electric share and CO2 per tonne (A16, A17)."""

from __future__ import annotations

from wattgram.goals.quantities.fuel_heat import electric
from wattgram.goals.quantities.limit_grade import class_target, graded
from wattgram.goals.quantities.specific_energy import FuelUse, product_energy, products_of
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator, Target
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, shown
from wattgram.goals.terms.yearly_path import CARBON, falling

REFERENCE = 2.0
"""Approximate CO2 of steel by blast furnace and converter, t/t (transitionasia.org, Steel enters the national ETS)."""

CONVERTED = ("blast_furnace", "converter")
"""Processes to which the reference applies."""


@as_finding
def carbon(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return CI = C / M, tCO2/t. C: electricity by the site's mix (METHOD 4.4) and metered fuels.

    Secondary value: ES = E_el x 0.1229 / E_total in kgce (METHOD 6.2, A17). Neither includes recovered energy. Of
    several products the first one is the steel.
    """
    product = products_of("A17", facility, "energy, fuel and output")[0]
    energy = product_energy(product, stretch, facility)
    part, tonnes = energy.made.part, energy.made.amount
    inputs = list(energy.inputs)
    grams, terms = 0.0, []
    if product.energy:
        mix = part.ratio("emission_intensity")
        if mix is None:
            raise MissingInput(
                f"no emission intensity of the site in {stretch.name}", "check the balance: it needs a load"
            )
        inputs.append(Input("emission intensity", mix, "g/kWh", f"windows, {days_text(len(part.days))}"))
        grams += energy.electricity * mix
        terms.append(f"{shown(energy.electricity)} kWh x {shown(mix)} g/kWh")
    for fuel in energy.fuels:
        inputs.append(Input(f"CO2 of {fuel.name}", fuel.carbon, f"g/{fuel.unit}", fuel.worth.source))
        grams += fuel.amount * fuel.carbon
        terms.append(f"{shown(fuel.amount)} {fuel.unit} x {shown(fuel.carbon)} g/{fuel.unit}")
    value = grams / 1e6 / tonnes
    return IndicatorValue(
        value,
        tuple(inputs),
        f"({' + '.join(terms)}) / 1e6 / {shown(tonnes)} t = {shown(value)} tCO2/t",
        _electric_share(energy.electricity, energy.fuels),
        energy.coverage,
        energy.entry,
        "CO2 of electricity and metered fuels, without CO2 of the process itself",
    )


def _electric_share(electricity: float, fuels: tuple[FuelUse, ...]) -> tuple[SecondaryValue, ...]:
    """Return ES = E_el x 0.1229 / (E_el x 0.1229 + sum of fuel x kgce), %; none if both are 0."""
    coal = electric(electricity)
    total = coal + sum(fuel.amount * fuel.worth.coal for fuel in fuels)
    return (SecondaryValue("electric share of process energy", 100.0 * coal / total, "%"),) if total > 0.0 else ()


def carbon_target(stretch: Stretch, facility: Facility) -> Target | None:
    """Return the site's falling path, else the reference if the process is blast furnace or converter."""
    if (target := falling("A17", stretch, facility, CARBON)) is not None:
        return target
    product = next((product for product in facility.goals.products if product.goal == "A17"), None)
    if product is None or product.process not in CONVERTED:
        return None
    return Target(REFERENCE, "about 2 tCO2/t by blast furnace and converter; transitionasia.org")


INDICATORS: dict[str, Indicator] = {
    "A16": Indicator(graded("kgce/t", "A16"), "lower", class_target("kgce/t", "A16")),
    "A17": Indicator(carbon, "lower", carbon_target),
}
