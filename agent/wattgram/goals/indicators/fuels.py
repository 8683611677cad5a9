"""Fuel: heat of the fuel of gensets, CHP and boilers, and CO2 of the fuel for heat."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from wattgram.accounts.chp_share import electricity_share
from wattgram.accounts.fuel import efficiency
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.fuel_properties import FUEL_CARBON, FUELS
from wattgram.config.role_keys import ASSUMED, BURNERS
from wattgram.goals.quantities.fuel_heat import FuelWorth, worth
from wattgram.goals.terms.day import Stretch
from wattgram.goals.terms.finding import Input
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, shown

from .years import local


def heat(stretch: Stretch, facility: Facility) -> tuple[Input, ...]:
    """Return the heat of the fuel of each genset, CHP and boiler, kWh by net calorific value.

    Genset, CHP: amount x fuel_factor / EF_heat by the fuel meter, else electricity / efficiency at rated power (METHOD
    4.7). Any other meter: amount x heat of a unit. MissingInput: the device has emission_factor instead of a fuel, or
    the heat of a unit is unknown.
    """
    found = []
    for device in facility.of_role(*BURNERS):
        if device.emission.emission_factor is not None:
            raise MissingInput(
                f"the fuel of {device.name} is unknown",
                f"set fuel and efficiency of {device.name} instead of emission_factor",
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
    """Return the electricity of gensets and CHP, kWh."""
    return stretch.energy(device.name for device in facility.of_role(*BURNERS)) / 1e3


def heat_carbon(stretch: Stretch, facility: Facility) -> tuple[Input, ...]:
    """Return the fossil CO2 of the fuel for heat, t, by meter; the windows' `heat_fuel_emission` is their sum.

    Boiler: amount of its meter x CO2 of a unit. CHP: C x (1 - a_el); C is the CO2 of the fuel by its meter, else
    electricity x EF_heat / eta_el, and a_el the share of electricity at rated power (METHOD 4.7). MissingInput: the
    fuel of a boiler is unknown.
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
            raise MissingInput(f"the fuel of {name} is unknown", f"add fuel to {name}: {', '.join(FUELS)}")
        source = f"{shown(amount)} {unit.unit} x {shown(unit.carbon)} g, {unit.source}"
        found.append(Input(f"fuel of {name}", amount * unit.carbon / 1e6, "t", source))
    return tuple(found)


def group_of(fuel: Input, facility: Facility) -> str:
    """Return the group of the meter or CHP of an input of `heat_carbon`; "" for none."""
    return next((device.group for device in facility.devices if fuel.name.endswith(f" of {device.name}")), "")


def _boilers(stretch: Stretch, facility: Facility) -> Iterator[tuple[str, float, FuelWorth]]:
    """Yield fuel meters without genset or CHP, such as a boiler's: name, counted units, properties of a unit."""
    day = local(min(stretch.end, stretch.as_of) - 1, facility)
    owned = {device.emission.fuel_meter for device in facility.devices}
    for device in facility.of_role("fuel"):
        if device.name not in owned:
            yield device.name, stretch.device(device.name, lambda day: day.amount), worth(device.name, facility, day)


def fuel_of(device: DeviceConfig) -> str:
    """Return the fuel of a genset or CHP."""
    return device.emission.fuel or ASSUMED[device.role].fuel


def _metered(stretch: Stretch, device: DeviceConfig) -> float:
    """Return the CO2 of the fuel that a meter counted, g."""
    counted = stretch.device(device.emission.fuel_meter, lambda day: day.amount)
    return counted * (device.emission.fuel_factor or 0.0)
