"""Fuel: the heat of what sets and boilers burnt, and the carbon of it that no kWh of electricity carries."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from wattgram.accounts.chp_share import electricity_share
from wattgram.accounts.fuel import efficiency
from wattgram.config.load import DeviceConfig
from wattgram.config.role_keys import ASSUMED, BURNERS, FUEL_CARBON
from wattgram.goals.quantities.fuel_heat import FuelWorth, worth
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, shown

from .years import local


def heat(stretch: Stretch, facility: Facility) -> tuple[Input, ...]:
    """Heat of the fuel that each genset, CHP and boiler burnt, kWh by net calorific value.

    Of a set amount x fuel_factor / EF_heat by its fuel meter, else electricity / efficiency at rated power (METHOD
    4.7); of any other meter amount x heat of a unit. Lack where a set's own factor stands in the place of its fuel, or
    a unit's heat is not known.
    """
    found = []
    for device in facility.of_role(*BURNERS):
        if device.emission.emission_factor is not None:
            raise MissingInput(
                f"the fuel of {device.name} is not said", f"give {device.name} fuel and efficiency, not emission_factor"
            )
        fuel = fuel_of(device)
        if device.emission.fuel_meter and device.emission.fuel_factor is not None:
            burnt, source = _metered(stretch, device) / FUEL_CARBON[fuel], f"fuel meter {device.emission.fuel_meter}"
        else:
            eta = efficiency(device, nan)
            burnt, source = (
                stretch.energy([device.name]) / 1e3 / eta,
                f"electricity of {device.name} / efficiency {eta:g}",
            )
        found.append(Input(f"heat of {fuel}, {device.name}", burnt, "kWh", source))
    for name, amount, unit in _boilers(stretch, facility):
        source = f"{shown(amount)} {unit.unit} x {shown(unit.heat)} kWh, {unit.source}"
        found.append(Input(f"heat of the fuel of {name}", amount * unit.heat, "kWh", source))
    return tuple(found)


def electricity(stretch: Stretch, facility: Facility) -> float:
    """kWh that gensets and CHP made."""
    return stretch.energy(device.name for device in facility.of_role(*BURNERS)) / 1e3


def heat_carbon(stretch: Stretch, facility: Facility) -> tuple[Input, ...]:
    """t of CO2 of fuel burnt for heat; `scope1` has that of electricity alone.

    Of a boiler's meter amount x CO2 of a unit; Lack where nobody says what it burns. Of a CHP C x (1 - a_el): C is the
    fuel's carbon by its meter, else electricity x EF_heat / eta_el, and a_el the share that is electricity's at rated
    power (METHOD 4.7).
    """
    found = []
    for device in facility.of_role(*BURNERS):
        chp_heat = device.emission.heat
        if chp_heat is None:
            continue
        eta = efficiency(device, nan)
        share = electricity_share(
            eta,
            chp_heat.efficiency,
            electric_reference=chp_heat.electric_reference,
            heat_reference=chp_heat.heat_reference,
        )
        if device.emission.fuel_meter and device.emission.fuel_factor is not None:
            burnt = _metered(stretch, device)
        else:
            burnt = stretch.energy([device.name]) / 1e3 / eta * FUEL_CARBON[fuel_of(device)]
        source = f"{1 - share:.4g} of the fuel's CO2, METHOD 4.7"
        found.append(Input(f"heat of {device.name}", burnt * (1.0 - share) / 1e6, "t", source))
    for name, amount, unit in _boilers(stretch, facility):
        if unit.carbon is None:
            raise MissingInput(
                f"what burns at {name} is not said", f'add fuel = "natural_gas", "diesel" or "coal" to {name}'
            )
        source = f"{shown(amount)} {unit.unit} x {shown(unit.carbon)} g, {unit.source}"
        found.append(Input(f"fuel of {name}", amount * unit.carbon / 1e6, "t", source))
    return tuple(found)


def _boilers(stretch: Stretch, facility: Facility) -> Iterator[tuple[str, float, FuelWorth]]:
    """Meters of no genset or CHP, such as a boiler's: name, units counted, what one is worth."""
    day = local(min(stretch.end, stretch.as_of) - 1, facility)
    owned = {device.emission.fuel_meter for device in facility.devices}
    for device in facility.of_role("fuel"):
        if device.name not in owned:
            yield device.name, stretch.device(device.name, lambda day: day.amount), worth(device.name, facility, day)


def fuel_of(device: DeviceConfig) -> str:
    """What a genset or CHP burns."""
    return device.emission.fuel or ASSUMED[device.role].fuel


def _metered(stretch: Stretch, device: DeviceConfig) -> float:
    """g of CO2 that a fuel meter stands for."""
    counted = stretch.device(device.emission.fuel_meter, lambda day: day.amount)
    return counted * (device.emission.fuel_factor or 0.0)
