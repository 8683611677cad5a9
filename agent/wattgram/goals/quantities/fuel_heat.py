"""Heat, standard coal and CO2 of a unit of metered fuel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from wattgram.base.units import KGCE_PER_KWH
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.role_keys import ASSUMED, FUEL_CARBON, NATURAL_GAS_PER_M3
from wattgram.counters.metering import counter_unit
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, entry_source, shown

KWH_PER_KGCE = 29.3076 / 3.6
"""Heat of a kg of standard coal: 29.3076 MJ (METHOD 1.3)."""

HEATS = {
    ("natural_gas", "m3"): (38.931 / 3.6, "389.31 GJ per 10 000 Nm3, GB/T 32151.34-2024 table C.1"),
    ("diesel", "kg"): (43.0 / 3.6, "43.0 GJ/t, IPCC 2006 volume 2 chapter 1 table 1.2"),
}
"""kWh of heat, net calorific value, in a unit of a fuel, and its source (METHOD 1.2; diesel: IPCC 2006)."""

GAS_KGCE_PER_M3 = 1.2143
"""Standard coal equivalent of a Nm3 of natural gas (METHOD 1.2)."""


@dataclass(frozen=True, slots=True)
class FuelWorth:
    """One unit (m3, kg or pulse) of what a fuel meter counts.

    heat: kWh by net calorific value. coal: kgce. carbon: g of CO2, None for an unknown fuel. source: of these numbers.
    entry: source of the manual entry, "" for none.
    """

    unit: str
    heat: float
    coal: float
    carbon: float | None
    source: str
    entry: str = ""


def worth(name: str, facility: Facility, day: date) -> FuelWorth:
    """Return heat, coal and CO2 per unit of a meter's fuel on a day. MissingInput: the heat is unknown.

    The heat comes from an entry `fuel_heat:NAME`, kWh per unit; else from `fuel_factor` of the genset or CHP of this
    meter, (g/unit) / (g/kWh of heat); else from HEATS. Natural gas without an entry has its own coefficient of standard
    coal; all other heat has 3.6 / 29.3076 kgce/kWh.
    """
    device = next((device for device in facility.devices if device.name == name), None)
    unit = counter_unit(device.device, device.role, device.quantities) if device and device.device else ""
    if device is None or not unit:
        raise MissingInput(f"{name} counts no fuel", 'use the name of a [[device]] with role = "fuel" and a counter')
    fuel, factor = _burnt(device, facility)
    if (entry := facility.goals.entry(f"fuel_heat:{name}", day)) is not None:
        carbon = entry.value * FUEL_CARBON[fuel] if fuel else None
        return FuelWorth(
            unit, entry.value, entry.value / KWH_PER_KGCE, factor or carbon, entry_source(entry), entry_source(entry)
        )
    if fuel == "natural_gas" and unit == "m3":
        heat, source = HEATS[fuel, unit]
        return FuelWorth(unit, heat, GAS_KGCE_PER_M3, factor or NATURAL_GAS_PER_M3, f"natural gas, {source}")
    if fuel and factor:
        heat = factor / FUEL_CARBON[fuel]
        source = f"fuel_factor {shown(factor)} g/{unit} / {shown(FUEL_CARBON[fuel])} g/kWh of {fuel}"
        return FuelWorth(unit, heat, heat / KWH_PER_KGCE, factor, source)
    if (fuel, unit) in HEATS:
        heat, source = HEATS[fuel, unit]
        return FuelWorth(unit, heat, heat / KWH_PER_KGCE, heat * FUEL_CARBON[fuel], f"{fuel}, {source}")
    counted = f"a {'pulse' if unit == '1' else unit} of {fuel or 'the fuel of ' + name}"
    further = "" if fuel else ', and fuel = "natural_gas", "diesel" or "coal" to the device'
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
    return meter.emission.fuel, None
