"""What a product took: its energy by meter and fuel, and the specific energy per tonne or piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, days_text, shown

from .fuel_heat import FuelWorth, electric, worth
from .production import ProductionOutput, finished_days, output


@dataclass(frozen=True, slots=True)
class FuelUse:
    """Fuel of one meter: what it counted, and what a unit of it is worth."""

    name: str
    amount: float
    worth: FuelWorth

    @property
    def unit(self) -> str:
        """What it is counted in."""
        return "pulse" if self.worth.unit == "1" else self.worth.unit

    @property
    def carbon(self) -> float:
        """g of CO2 a unit; Lack where nobody knows what burns."""
        if self.worth.carbon is None:
            raise MissingInput(
                f"the CO2 of what {self.name} meters is not known",
                'fuel = "natural_gas", "diesel" or "coal" to the device',
            )
        return self.worth.carbon


@dataclass(frozen=True, slots=True)
class ProductEnergy:
    """What a product took and gave back, kWh of electricity, and its fuels; coverage as of `Found`."""

    product: ProductSettings
    made: ProductionOutput
    electricity: float
    recovered: float
    fuels: tuple[FuelUse, ...]
    inputs: tuple[Input, ...]
    coverage: float
    entry: str


@dataclass(frozen=True, slots=True)
class Specific:
    """Energy per output: the value, and `Found`'s other parts."""

    value: float
    energy: float
    amount: float
    inputs: tuple[Input, ...]
    arithmetic: str
    coverage: float
    entry: str


def products_of(claim: str, facility: Facility, needs: str = "energy and output") -> tuple[ProductSettings, ...]:
    """The products of a claim; Lack when there is none."""
    found = tuple(product for product in facility.goals.products if product.goal == claim)
    if not found:
        raise MissingInput(f"no product of goal {claim}", f'[[goals.product]] with goal = "{claim}", {needs}')
    return found


def require_meter(product: ProductSettings) -> None:
    """Lack when neither electricity nor fuel of a product is metered."""
    if not product.energy and not product.fuel:
        raise MissingInput(
            f"no meter of {product.name}", f"energy to the product {product.name}, the names of its sub-meters"
        )


def metered_energy(part: Stretch, names: Iterable[str]) -> tuple[float, tuple[Input, ...], float]:
    """kWh of some meters in the direction of their roles, as inputs, too, and how much of the time all were known.

    Lack when one of them was never known.
    """
    inputs, coverage = [], 1.0
    for name in names:
        share = part.energy_coverage(name)
        if not share > 0.0:
            raise MissingInput(f"the energy of {name} is not known in {part.name}", f"a reading of {name}")
        days = sum(name in day.devices for day in part.days)
        inputs.append(
            Input(f"energy of {name}", part.energy([name]) / 1000.0, "kWh", f"meter {name}, {days_text(days)}")
        )
        coverage = min(coverage, share)
    return sum(operand.value for operand in inputs), tuple(inputs), coverage


def product_energy(
    product: ProductSettings, stretch: Stretch, facility: Facility, *, pieces: bool = False
) -> ProductEnergy:
    """All that a product took over the days for which its output is known; Lack where a meter is missing."""
    require_meter(product)
    made = output(product, stretch, facility, pieces=pieces)
    electricity, inputs, coverage = metered_energy(made.part, product.energy)
    recovered, recovered_inputs, recovered_coverage = metered_energy(made.part, product.recovered)
    fuels = tuple(fuel_use(name, made.part, facility) for name in product.fuel)
    burned = tuple(
        Input(f"fuel of {fuel.name}", fuel.amount, fuel.unit, f"meter {fuel.name}; {fuel.worth.source}")
        for fuel in fuels
    )
    entry = next((candidate for candidate in (made.entry, *(fuel.worth.entry for fuel in fuels)) if candidate), "")
    everything = (*inputs, *recovered_inputs, *burned, *made.inputs)
    return ProductEnergy(
        product,
        made,
        electricity,
        recovered,
        fuels,
        everything,
        min(coverage, recovered_coverage, made.coverage),
        entry,
    )


def per_tonne(product: ProductSettings, stretch: Stretch, facility: Facility) -> Specific:
    """SEC = E / M in kWh/t, electricity alone (METHOD 5)."""
    require_meter(replace(product, fuel=()))
    made = output(product, stretch, facility)
    kwh, inputs, coverage = metered_energy(made.part, product.energy)
    value = kwh / made.amount
    arithmetic = f"{shown(kwh)} kWh / {shown(made.amount)} t = {shown(value)} kWh/t"
    everything = (*inputs, *made.inputs)
    return Specific(value, kwh, made.amount, everything, arithmetic, min(coverage, made.coverage), made.entry)


def coal_per_tonne(product: ProductSettings, stretch: Stretch, facility: Facility) -> Specific:
    """e = (sum of energy in x coefficient - energy recovered x coefficient) / M in kgce/t (GB 21256, METHOD 5).

    Electricity 0.1229 kgce/kWh, natural gas 1.2143 kgce/Nm3, other fuels by their heat (METHOD 1.2).
    """
    energy = product_energy(product, stretch, facility)
    coal = electric(energy.electricity - energy.recovered) + sum(fuel.amount * fuel.worth.coal for fuel in energy.fuels)
    value = coal / energy.made.amount
    terms = [f"{shown(energy.electricity)} kWh x 0.1229"] if product.energy else []
    terms += [f"{shown(fuel.amount)} {fuel.unit} x {shown(fuel.worth.coal)}" for fuel in energy.fuels]
    recovered = f" - {shown(energy.recovered)} kWh x 0.1229" if product.recovered else ""
    arithmetic = f"({' + '.join(terms)}{recovered}) / {shown(energy.made.amount)} t = {shown(value)} kgce/t"
    return Specific(value, coal, energy.made.amount, energy.inputs, arithmetic, energy.coverage, energy.entry)


def heat_per_piece(product: ProductSettings, stretch: Stretch, facility: Facility) -> Specific:
    """SEC = (E_fuel + E_el - E_regen) / pieces in kWh a piece (METHOD 6, B18)."""
    used = product_energy(product, stretch, facility, pieces=True)
    energy = used.electricity - used.recovered + sum(fuel.amount * fuel.worth.heat for fuel in used.fuels)
    value = energy / used.made.amount
    terms = [f"{shown(fuel.amount)} {fuel.unit} x {shown(fuel.worth.heat)} kWh/{fuel.unit}" for fuel in used.fuels]
    terms += [f"{shown(used.electricity)} kWh"] if product.energy else []
    recovered = f" - {shown(used.recovered)} kWh" if product.recovered else ""
    arithmetic = f"({' + '.join(terms)}{recovered}) / {shown(used.made.amount)} = {shown(value)} kWh per piece"
    return Specific(value, energy, used.made.amount, used.inputs, arithmetic, used.coverage, used.entry)


def fuel_use(name: str, part: Stretch, facility: Facility) -> FuelUse:
    """What a fuel meter counted over the days; Lack where it was not read or its fuel is not known."""
    if not any(name in day.devices for day in part.days):
        raise MissingInput(f"no count of {name} in {part.name}", f"a reading of {name}")
    _, last = finished_days(part, facility)
    day = max((day.date for day in part.days), default=last)
    return FuelUse(name, part.device(name, lambda day: day.amount), worth(name, facility, day))
