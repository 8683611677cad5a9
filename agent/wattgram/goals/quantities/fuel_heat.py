"""What a unit of metered fuel is worth: heat, standard coal, CO2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from wattgram.base.units import KGCE_PER_KWH
from wattgram.config.load import DeviceConfig
from wattgram.config.role_keys import ASSUMED, FUEL_CARBON, NATURAL_GAS_PER_M3
from wattgram.counters.metering import counter_unit
from wattgram.goals.terms.indicator import Facility
from wattgram.goals.terms.missing import MissingInput, shown, signed

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

    heat: kWh by net calorific value. coal: kgce. carbon: g of CO2, None where nobody knows what burns. source: of these
    numbers. entry: the manual entry that they rest on.
    """

    unit: str
    heat: float
    coal: float
    carbon: float | None
    source: str
    entry: str = ""


def worth(name: str, facility: Facility, day: date) -> FuelWorth:
    """Of the meter's fuel on a day; Lack where its heat is not known.

    First an entry `fuel_heat:NAME`, kWh per unit; then the factor that a set of this meter has, g/unit / g/kWh of heat;
    then HEATS. Natural gas without an entry has its own figure of standard coal, all other heat 3.6 / 29.3076 kgce/kWh.
    """
    device = next((one for one in facility.devices if one.name == name), None)
    unit = counter_unit(device.device, device.role, device.quantities) if device and device.device else ""
    if device is None or not unit:
        raise MissingInput(f"{name} counts no fuel", 'the name of a [[device]] with role = "fuel" that has a counter')
    fuel, factor = _burnt(device, facility)
    if (entry := facility.goals.entry(f"fuel_heat:{name}", day)) is not None:
        carbon = entry.value * FUEL_CARBON[fuel] if fuel else None
        return FuelWorth(unit, entry.value, entry.value / KWH_PER_KGCE, factor or carbon, signed(entry), signed(entry))
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
    of = f"the heat of a {'pulse' if unit == '1' else unit} of {fuel or 'what flows through ' + name}"
    also = "" if fuel else ' and fuel = "natural_gas", "diesel" or "coal" to the device'
    raise MissingInput(f"{of} is not known", f'[[goals.entry]] what = "fuel_heat:{name}", kWh per unit{also}')


def electric(kwh: float) -> float:
    """kgce of electricity, 0.1229 kgce/kWh (METHOD 1.2)."""
    return kwh * KGCE_PER_KWH


def _burnt(meter: DeviceConfig, facility: Facility) -> tuple[str, float | None]:
    """The fuel, "" = nobody says it, and g of CO2 a unit: of the set that the meter serves, else the meter's own."""
    for one in facility.devices:
        said = one.emission
        if said.fuel_meter == meter.name:
            assumed = "" if said.emission_factor is not None else ASSUMED[one.role].fuel
            return said.fuel or meter.emission.fuel or assumed, said.fuel_factor
    return meter.emission.fuel, None
