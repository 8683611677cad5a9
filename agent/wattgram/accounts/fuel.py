"""What a kWh made on the site emits, and by how much a burning fuel goes beyond power x factor."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import isfinite, isnan, nan

from wattgram.config.devices_table import DeviceConfig
from wattgram.config.role_keys import ASSUMED, FUEL_CARBON, EfficiencyPoint

from .chp_share import electricity_share

RENEWABLE_CARBON: Mapping[str, Mapping[str, float]] = {
    "direct": {"pv": 0.0, "wind": 0.0, "hydro": 0.0},
    "lifecycle": {"pv": 41.0, "wind": 11.0, "hydro": 24.0},
}
"""g/kWh by basis. Lifecycle: IPCC AR5 WG3 Annex III medians of rooftop PV, onshore wind and hydro (METHOD 1.1)."""


def factor(config: DeviceConfig, basis: str) -> float:
    """g/kWh of a device's own production: its emission_factor, else EF of the fuel / efficiency at rated power.

    c = a_el x EF_heat / eta_el (METHOD 4.7), with a_el = 1 unless a CHP says what heat it makes. Sun, wind and water:
    RENEWABLE of `basis`. A fuel's is that of its combustion with either basis, since METHOD has no upstream figures.
    0 for roles that produce nothing.
    """
    said, role = config.emission, config.role
    if said.emission_factor is not None:
        return said.emission_factor
    if role not in ASSUMED:
        return RENEWABLE_CARBON[basis].get(role, 0.0)
    assumed = ASSUMED[role]
    of_all = assumed.factor
    if said.efficiency or said.fuel not in ("", assumed.fuel):
        of_all = FUEL_CARBON[said.fuel or assumed.fuel] / efficiency(config, nan)
    return of_all * _electricity(config, nan)


def rate(config: DeviceConfig, power: float, fuel: float = nan) -> float:
    """g/h that the fuel of a genset's or CHP's electricity emits; NaN: `power` x `factor` says it, or nobody knows.

    power: W. fuel: units of its fuel meter burnt an hour, NaN = unknown. First the meter, R = F x fuel_factor, also
    while nothing is produced; then a curve, R = P x EF_heat / eta_el(P) (METHOD 4.7). Both are times the share of the
    fuel's carbon that is electricity's. Power below 0 is 0: what a set draws is load (METHOD 4.1).
    """
    said = config.emission
    if said.fuel_factor is not None and isfinite(fuel) and fuel >= 0.0:
        return fuel * said.fuel_factor * _electricity(config, power)
    if len(said.efficiency) < 2 or isnan(power):
        return nan
    heat = max(power, 0.0) / 1000.0 / efficiency(config, power)  # kW
    return heat * FUEL_CARBON[said.fuel or ASSUMED[config.role].fuel] * _electricity(config, power)


def efficiency(config: DeviceConfig, power: float) -> float:
    """Electricity per heat of the fuel, 0-1 by net calorific value, of a genset or CHP at a power in W.

    Linear between the points of its curve, flat outside. At rated power where the power is NaN.
    """
    points = config.emission.efficiency
    if not points:
        return ASSUMED[config.role].efficiency
    share = 1.0 if isnan(power) or not config.rated_power else power / config.rated_power
    if share <= points[0].share:
        return points[0].efficiency
    return next((_between(*pair, share) for pair in pairwise(points) if share <= pair[1].share), points[-1].efficiency)


def _between(low: EfficiencyPoint, high: EfficiencyPoint, share: float) -> float:
    part = (share - low.share) / (high.share - low.share)
    return low.efficiency + part * (high.efficiency - low.efficiency)


def _electricity(config: DeviceConfig, power: float) -> float:
    """Share of the fuel's carbon that is the electricity's (METHOD 4.7), from the efficiencies of both.

    Not from the meters of both: a fuel meter counts in lumps, and the share of a lump is not that of its time.
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
