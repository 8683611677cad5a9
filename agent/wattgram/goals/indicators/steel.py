"""Steel: process energy by limit classes, electric share and CO2 per tonne (A16, A17)."""

from __future__ import annotations

from wattgram.goals.quantities.fuel_heat import electric
from wattgram.goals.quantities.limit_grade import class_target, graded
from wattgram.goals.quantities.specific_energy import FuelUse, product_energy, products_of
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import IndicatorValue, Input, SecondaryValue
from wattgram.goals.terms.indicator import Facility, Indicator
from wattgram.goals.terms.missing import MissingInput, as_finding, days_text, shown
from wattgram.goals.terms.yearly_path import falling

from .entered import amount_if_any

ROUTES = (
    SecondaryValue("scrap and arc furnace (IEEFA)", 0.3, "tCO2/t"),
    SecondaryValue("direct reduction and arc furnace (IEEFA)", 1.4, "tCO2/t"),
    SecondaryValue("blast furnace and converter (IEEFA)", 2.2, "tCO2/t"),
    SecondaryValue("mean of all routes, 2024 (worldsteel 2025)", 2.18, "tCO2e/t"),
)
"""Direct and indirect CO2 of steel by route, context: IEEFA after IEA and worldsteel."""


@as_finding
def carbon(stretch: Stretch, facility: Facility) -> IndicatorValue:
    """Return CI = C / M, tCO2/t. C: electricity by the site's mix (METHOD 4.4), metered fuels, and process emissions.

    The entries `process_emission` of the works count for the product. Secondary value: ES = E_el x 0.1229 / E_total in
    kgce (METHOD 6.2, A17). Neither includes recovered energy. Of several products the first one is the steel.
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
    process = amount_if_any("process_emission", part, facility)
    if process.inputs:
        inputs += process.inputs
        grams += process.value * 1e6
        terms.append(f"{shown(process.value)} t x 1e6")
    value = grams / 1e6 / tonnes
    return IndicatorValue(
        value,
        tuple(inputs),
        f"({' + '.join(terms)}) / 1e6 / {shown(tonnes)} t = {shown(value)} tCO2/t",
        (*_electric_share(energy.electricity, energy.fuels), *ROUTES),
        energy.coverage,
        energy.entry or process.by,
        "" if process.inputs else "without CO2 of the process itself: no entry process_emission",
    )


def _electric_share(electricity: float, fuels: tuple[FuelUse, ...]) -> tuple[SecondaryValue, ...]:
    """Return ES = E_el x 0.1229 / (E_el x 0.1229 + sum of fuel x kgce), %; none if both are 0."""
    coal = electric(electricity)
    total = coal + sum(fuel.amount * fuel.worth.coal for fuel in fuels)
    return (SecondaryValue("electric share of process energy", 100.0 * coal / total, "%"),) if total > 0.0 else ()


INDICATORS: dict[str, Indicator] = {
    "A16": Indicator(graded("kgce/t", "A16"), "lower", class_target("kgce/t", "A16")),
    "A17": Indicator(carbon, "lower", lambda stretch, facility: falling("A17", stretch, facility)),
}
