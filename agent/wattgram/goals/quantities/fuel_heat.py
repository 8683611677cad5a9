"""Heat, standard coal and CO2 of a unit of metered fuel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from wattgram.base.units import KGCE_PER_KWH
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.fuel_properties import FUEL_CARBON, FUELS, carbon_of, heat_of
from wattgram.config.role_keys import ASSUMED
from wattgram.counters.metering import counter_unit
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, entry_source, shown

KWH_PER_KGCE = 29.3076 / 3.6
"""Heat of a kg of standard coal: 29.3076 MJ (METHOD 1.3)."""

GAS_KGCE_PER_M3 = 1.2143
"""Standard coal equivalent of a Nm3 of natural gas (METHOD 1.2)."""


@dataclass(frozen=True, slots=True)
class FuelWorth:
    """One unit (m3, kg or pulse) of what a fuel meter counts.

    heat: kWh by net calorific value. coal: kgce. carbon: g of fossil CO2, None for an unknown fuel. source: of these
    numbers. entry: source of the manual entry, "" for none.
    """

    unit: str
    heat: float
    coal: float
    carbon: float | None
    source: str
    entry: str = ""


def worth(name: str, facility: Facility, day: date) -> FuelWorth:
    """Return heat, coal and CO2 per unit of a meter's fuel on a day. MissingInput: the heat is unknown.

    The heat comes from an entry `fuel_heat:NAME`, kWh per unit; else from a `fuel_factor` that is not the default, of
    the genset or CHP of this meter or of the meter, (g/unit) / (g/kWh of heat); else from FUELS. Natural gas without an
    entry has its own coefficient of standard coal; all other heat has 3.6 / 29.3076 kgce/kWh.
    """
    device = next((device for device in facility.devices if device.name == name), None)
    unit = counter_unit(device.device, device.role, device.quantities) if device and device.device else ""
    if device is None or not unit:
        raise MissingInput(f"{name} counts no fuel", 'use the name of a [[device]] with role = "fuel" and a counter')
    fuel, factor = _burnt(device, facility)
    fossil = 0.0 if fuel and FUELS[fuel].biogenic else 1.0
    if (entry := facility.goals.entry(f"fuel_heat:{name}", day)) is not None:
        carbon = entry.value * FUEL_CARBON[fuel] if fuel and factor is None else factor
        carbon = None if carbon is None else carbon * fossil
        source = entry_source(entry)
        return FuelWorth(unit, entry.value, entry.value / KWH_PER_KGCE, carbon, source, source)
    default, heat = carbon_of(fuel, unit), heat_of(fuel, unit)
    if heat is not None and (factor in (None, default) or fuel == "natural_gas"):
        coal = GAS_KGCE_PER_M3 if (fuel, unit) == ("natural_gas", "m3") else heat / KWH_PER_KGCE
        carbon = default if factor is None else factor
        source = f"{fuel.replace('_', ' ')}, {FUELS[fuel].heat_text(unit)}"
        return FuelWorth(unit, heat, coal, None if carbon is None else carbon * fossil, source)
    if fuel and factor:
        heat = factor / FUEL_CARBON[fuel]
        source = f"fuel_factor {shown(factor)} g/{unit} / {shown(FUEL_CARBON[fuel])} g/kWh of {fuel}"
        return FuelWorth(unit, heat, heat / KWH_PER_KGCE, factor * fossil, source)
    counted = f"a {'pulse' if unit == '1' else unit} of {fuel or 'the fuel of ' + name}"
    further = "" if fuel else f", and fuel to the device: {', '.join(FUELS)}"
    raise MissingInput(
        f"the heat of {counted} is unknown",
        f'add [[goals.entry]] with what = "fuel_heat:{name}", kWh per unit{further}',
    )


def electric(kwh: float) -> float:
    """Return the standard coal of electricity, kgce: 0.1229 kgce/kWh (METHOD 1.2)."""
    return kwh * KGCE_PER_KWH


def _burnt(meter: DeviceConfig, facility: Facility) -> tuple[str, float | None]:
    """Return the fuel, "" if unknown, and its CO2, g/unit: from the genset or CHP of the meter, else from the meter."""
    for device in facility.devices:
        emission = device.emission
        if emission.fuel_meter == meter.name:
            assumed = "" if emission.emission_factor is not None else ASSUMED[device.role].fuel
            return emission.fuel or meter.emission.fuel or assumed, emission.fuel_factor
    return meter.emission.fuel, meter.emission.fuel_factor
