"""Energy of a product by meter and fuel, and its specific energy per tonne or piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wattgram.config.fuel_properties import FUELS
from wattgram.config.goals_table.goals_settings import ProductSettings
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, days_text, shown

from .fuel_heat import FuelWorth, electric, worth
from .production import ProductionOutput, finished_days, output


@dataclass(frozen=True, slots=True)
class FuelUse:
    """Fuel of one meter: counted amount, and properties of a unit."""

    name: str
    amount: float
    worth: FuelWorth

    @property
    def unit(self) -> str:
        """Unit of the amount."""
        return "pulse" if self.worth.unit == "1" else self.worth.unit

    @property
    def carbon(self) -> float:
        """CO2 of a unit, g. MissingInput: the fuel is unknown."""
        if self.worth.carbon is None:
            raise MissingInput(
                f"the fuel of {self.name} is unknown",
                f"add fuel to the device {self.name}: {', '.join(FUELS)}",
            )
        return self.worth.carbon


@dataclass(frozen=True, slots=True)
class ProductEnergy:
    """Electricity used and recovered by a product, kWh, and its fuels. coverage: as of `IndicatorValue`."""

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
    """Energy per output, with the other fields of `IndicatorValue`. energy and amount: numerator and denominator."""

    value: float
    energy: float
    amount: float
    inputs: tuple[Input, ...]
    arithmetic: str
    coverage: float
    entry: str


def products_of(claim: str, facility: Facility, needs: str = "energy and output") -> tuple[ProductSettings, ...]:
    """Return the products of a claim. MissingInput: none."""
    found = tuple(product for product in facility.goals.products if product.goal == claim)
    if not found:
        raise MissingInput(f"no product of goal {claim}", f'add [[goals.product]] with goal = "{claim}", {needs}')
    return found


def require_meter(product: ProductSettings) -> None:
    """Raise MissingInput if neither electricity nor fuel of a product is metered."""
    if not product.energy and not product.fuel:
        raise MissingInput(
            f"no meter of {product.name}", f"add energy, the names of its sub-meters, to the product {product.name}"
        )


def metered_energy(part: Stretch, names: Iterable[str]) -> tuple[float, tuple[Input, ...], float]:
    """Return the energy of some meters in the direction of their roles, kWh, the inputs, and the lowest coverage.

    MissingInput: a meter has no data.
    """
    inputs, coverage = [], 1.0
    for name in names:
        share = part.energy_coverage(name)
        if not share > 0.0:
            raise MissingInput(f"no energy data of {name} in {part.name}", f"check the readings of {name}")
        days = sum(name in day.devices for day in part.days)
        inputs.append(
            Input(f"energy of {name}", part.energy([name]) / 1000.0, "kWh", f"meter {name}, {days_text(days)}")
        )
        coverage = min(coverage, share)
    return sum(operand.value for operand in inputs), tuple(inputs), coverage


def product_energy(
    product: ProductSettings, stretch: Stretch, facility: Facility, *, pieces: bool = False
) -> ProductEnergy:
    """Return the energy of a product over the days of its output. MissingInput: a meter is missing."""
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
    """Return SEC = E / M in kWh/t, for electricity alone (METHOD 5)."""
    require_meter(replace(product, fuel=()))
    made = output(product, stretch, facility)
    kwh, inputs, coverage = metered_energy(made.part, product.energy)
    value = kwh / made.amount
    arithmetic = f"{shown(kwh)} kWh / {shown(made.amount)} t = {shown(value)} kWh/t"
    everything = (*inputs, *made.inputs)
    return Specific(value, kwh, made.amount, everything, arithmetic, min(coverage, made.coverage), made.entry)


def coal_per_tonne(product: ProductSettings, stretch: Stretch, facility: Facility) -> Specific:
    """Return e = (sum of energy in x coefficient - recovered energy x coefficient) / M, kgce/t (GB 21256, METHOD 5).

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
    """Return SEC = (E_fuel + E_el - E_regen) / pieces, kWh per piece (METHOD 6, B18)."""
    used = product_energy(product, stretch, facility, pieces=True)
    energy = used.electricity - used.recovered + sum(fuel.amount * fuel.worth.heat for fuel in used.fuels)
    value = energy / used.made.amount
    terms = [f"{shown(fuel.amount)} {fuel.unit} x {shown(fuel.worth.heat)} kWh/{fuel.unit}" for fuel in used.fuels]
    terms += [f"{shown(used.electricity)} kWh"] if product.energy else []
    recovered = f" - {shown(used.recovered)} kWh" if product.recovered else ""
    arithmetic = f"({' + '.join(terms)}{recovered}) / {shown(used.made.amount)} = {shown(value)} kWh per piece"
    return Specific(value, energy, used.made.amount, used.inputs, arithmetic, used.coverage, used.entry)


def fuel_use(name: str, part: Stretch, facility: Facility) -> FuelUse:
    """Return the amount of a fuel meter over the days. MissingInput: no reading, or an unknown fuel."""
    if not any(name in day.devices for day in part.days):
        raise MissingInput(f"no counter data of {name} in {part.name}", f"check the readings of {name}")
    _, last = finished_days(part, facility)
    day = max((day.date for day in part.days), default=last)
    return FuelUse(name, part.device(name, lambda day: day.amount), worth(name, facility, day))
