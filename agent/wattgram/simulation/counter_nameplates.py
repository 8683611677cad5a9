"""Rates and place of a simulated site of a configuration: what its counters count in an hour, and where its sun is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from wattgram.config.devices_table import DeviceConfig, counted_unit
from wattgram.config.fuel_properties import FUEL_CARBON, heat_of
from wattgram.config.load import Config

from .factory import LATITUDE, LONGITUDE
from .machines import IDLE_DAY, PEAK_DAY, REST_DAY, WORKDAY, WeekProfile

BOILER_HEAT = 43.3
"""Heat of the fuel of a boiler at its nameplate, kW: 4 m3/h of natural gas, as in the factory of `demo`."""

PRODUCT_ENERGY = 0.535
"""Energy of a product, kWh/kg: that of the castings of `demo`, 115 kW and 215 kg/h."""

PRODUCT_MASS = 200.0
"""Output of a product without meters of its energy, kg/h."""

COUNTRY_TIMEZONE = "Asia/Shanghai"
"""Time zone whose sites without coordinates are in Chongqing."""


def nameplate(device: DeviceConfig, config: Config) -> float | None:
    """Return the rated power of a device, W, or the units that its counter counts in an hour at full work.

    None for the default of the role. A fuel meter has the fuel of a boiler, or of its genset or CHP; a counter of a
    product has the output that the rated power of the product's meters can make.
    """
    if device.role == "fuel":
        heat = _unit_heat(device)
        return None if heat is None else _heat_of_fuel(device, config) / heat
    if device.role == "production":
        product = next((product for product in config.goals.products if product.output == device.name), None)
        if product is None:
            return None
        powers = [other.rated_power or 0.0 for other in config.devices if other.name in product.energy]
        mass = sum(powers) / 1000.0 / PRODUCT_ENERGY if any(powers) else PRODUCT_MASS
        return mass / product.unit_mass
    return device.rated_power


def place_of(config: Config) -> Mapping[str, float]:
    """Return latitude and longitude of the sun over a site; without coordinates those of its time zone."""
    site = config.site
    if site.latitude is not None and site.longitude is not None:
        return {"latitude": site.latitude, "longitude": site.longitude}
    if site.timezone.key == COUNTRY_TIMEZONE:
        return {"latitude": LATITUDE, "longitude": LONGITUDE}
    offset = datetime(2026, 1, 1, tzinfo=site.timezone).utcoffset() or timedelta()
    return {"latitude": LATITUDE, "longitude": 15.0 * offset.total_seconds() / 3600.0}


def _unit_heat(device: DeviceConfig) -> float | None:
    """Return the heat of a unit of a fuel meter, kWh; None if neither its fuel nor its factor tells."""
    fuel, factor = device.emission.fuel, device.emission.fuel_factor
    heat = heat_of(fuel, counted_unit(device) or "")
    if heat is not None or not factor:
        return heat
    return factor / FUEL_CARBON.get(fuel, FUEL_CARBON["natural_gas"])


def _heat_of_fuel(device: DeviceConfig, config: Config) -> float:
    """Return the heat at the nameplate of a fuel meter, kW, so that a week has the fuel of its user."""
    user = next((other for other in config.devices if other.emission.fuel_meter == device.name), None)
    if user is None or not user.rated_power or not user.emission.efficiency:
        return BOILER_HEAT
    days = (WORKDAY, REST_DAY) if user.role == "chp" else (PEAK_DAY, IDLE_DAY)
    share = _week(WeekProfile(*days)) / _week(WeekProfile(WORKDAY, REST_DAY))
    return share * user.rated_power / 1000.0 / max(point.efficiency for point in user.emission.efficiency)


def _week(profile: WeekProfile) -> float:
    return sum(profile.at(hour + 0.5) for hour in range(168))
