"""Intensity of on-site generation, and emission rate of a burnt fuel where power x factor is not enough."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import isfinite, isnan, nan

from wattgram.config.devices_table import DeviceConfig
from wattgram.config.fuel_properties import FUEL_CARBON, FUELS
from wattgram.config.grid_table import GridConfig
from wattgram.config.role_keys import ASSUMED, EfficiencyPoint

from .chp_share import electricity_share

RENEWABLE_CARBON: Mapping[str, Mapping[str, float]] = {
    "ipcc": {"pv": 41.0, "wind": 11.0, "hydro": 24.0},
    "china": {"pv": 54.5, "wind": 33.6, "hydro": 14.1},
}
"""Life-cycle g/kWh by family, the family of the grid's own factor (METHOD 1.1).

ipcc: IPCC AR5 WG3 Annex III medians of rooftop PV, onshore wind and hydro. china: carbon footprints of the ministry
(MEE): PV and wind of 2023, hydro of 2024. The direct factor is 0.
"""


def factor(config: DeviceConfig, grid: GridConfig) -> float:
    """Return the intensity of a device's own production, g/kWh.

    It is its emission_factor, else EF of the fuel / efficiency at rated power: c = a_el x EF_heat / eta_el (METHOD
    4.7), with a_el = 1 unless the heat of a CHP is configured. With basis "lifecycle" the supply of the fuel is added
    (`upstream`), and sun, wind and water have `RENEWABLE_CARBON`. 0 for roles that produce nothing.
    """
    if config.emission.emission_factor is None and config.role not in ASSUMED:
        return RENEWABLE_CARBON[grid.family].get(config.role, 0.0) if grid.basis == "lifecycle" else 0.0
    return combustion(config) * (1.0 + upstream(config, grid))


def upstream(config: DeviceConfig, grid: GridConfig) -> float:
    """Return the carbon of the supply of a genset's or CHP's fuel per carbon of its combustion.

    0 with basis "direct", with a configured emission_factor, and for a fuel without a value.
    """
    if grid.basis == "direct" or config.role not in ASSUMED or config.emission.emission_factor is not None:
        return 0.0
    burnt = FUELS[config.emission.fuel or ASSUMED[config.role].fuel]
    return (burnt.upstream or 0.0) / burnt.carbon


def upstream_share(config: DeviceConfig, grid: GridConfig) -> float:
    """Return the share of a producer's carbon that is not of the combustion of its fuel, 0-1."""
    ratio = upstream(config, grid)
    return ratio / (1.0 + ratio)


def combustion(config: DeviceConfig) -> float:
    """Return the intensity of a genset or CHP by the combustion of its fuel alone, g/kWh: that of scope 1.

    A configured emission_factor counts as combustion.
    """
    settings, role = config.emission, config.role
    if settings.emission_factor is not None:
        return settings.emission_factor
    assumed = ASSUMED[role]
    intensity = assumed.factor
    if settings.efficiency or settings.fuel not in ("", assumed.fuel):
        intensity = FUEL_CARBON[settings.fuel or assumed.fuel] / efficiency(config, nan)
    return intensity * _electricity(config, nan)


def rate(config: DeviceConfig, power: float, fuel: float = nan) -> float:
    """Return the emission rate of the fuel for a genset's or CHP's electricity, g/h.

    NaN: `power` x `factor` applies, or the rate is unknown. power: W. fuel: units of its fuel meter burnt per hour, NaN
    if unknown. The fuel meter has priority, R = F x fuel_factor, also without production; then an efficiency curve, R =
    P x EF_heat / eta_el(P) (METHOD 4.7). Both are multiplied by the electricity's share of the fuel's carbon. A power
    below 0 counts as 0: the set's own consumption is load (METHOD 4.1).
    """
    settings = config.emission
    if settings.fuel_factor is not None and isfinite(fuel) and fuel >= 0.0:
        return fuel * settings.fuel_factor * _electricity(config, power)
    if len(settings.efficiency) < 2 or isnan(power):
        return nan
    heat = max(power, 0.0) / 1000.0 / efficiency(config, power)  # kW
    return heat * FUEL_CARBON[settings.fuel or ASSUMED[config.role].fuel] * _electricity(config, power)


def heat_ratio(config: DeviceConfig, power: float) -> float:
    """Return the CO2 of a CHP's heat per CO2 of its electricity, (1 - a_el) / a_el (METHOD 4.7); 0 without heat."""
    share = _electricity(config, power)
    return (1.0 - share) / share


def efficiency(config: DeviceConfig, power: float) -> float:
    """Return the electrical efficiency of a genset or CHP at a power in W, 0-1 by net calorific value.

    Linear between the points of its curve, constant outside; at rated power if the power is NaN.
    """
    points = config.emission.efficiency
    if not points:
        return ASSUMED[config.role].efficiency
    share = 1.0 if isnan(power) or not config.rated_power else power / config.rated_power
    if share <= points[0].share:
        return points[0].efficiency
    return next((_between(*pair, share) for pair in pairwise(points) if share <= pair[1].share), points[-1].efficiency)


def _between(low: EfficiencyPoint, high: EfficiencyPoint, share: float) -> float:
    fraction = (share - low.share) / (high.share - low.share)
    return low.efficiency + fraction * (high.efficiency - low.efficiency)


def _electricity(config: DeviceConfig, power: float) -> float:
    """Return the electricity's share of the fuel's carbon (METHOD 4.7), from both efficiencies.

    Not from both meters: a fuel meter counts in large steps, and the share of a step is not that of its time.
    """
    heat = config.emission.heat
    if heat is None:
        return 1.0
    return electricity_share(
        efficiency(config, power),
        heat.efficiency,
        electric_reference=heat.electric_reference,
        heat_reference=heat.heat_reference,
    )
