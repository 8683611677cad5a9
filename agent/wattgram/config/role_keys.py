"""The keys of [[device]] that only some roles have: battery storage, and the emission of own production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Table

from .fuel_properties import FOSSIL_FUELS, FUELS, carbon_of, units_with_default

RENEWABLES = ("pv", "wind", "hydro")
"""Roles of own production without fuel."""

BURNERS = ("genset", "chp")
"""Roles of own production with fuel."""

KEYS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("capacity", "charge_efficiency", "discharge_efficiency", "self_discharge"), ("battery",)),
    "emission_factor": (*RENEWABLES, *BURNERS),
    "fuel": (*BURNERS, "fuel"),
    "fuel_factor": (*BURNERS, "fuel"),
    **dict.fromkeys(("efficiency", "fuel_meter"), BURNERS),
    **dict.fromkeys(("heat_efficiency", "electric_reference", "heat_reference"), ("chp",)),
}
"""Roles with which a key is allowed."""


@dataclass(frozen=True, slots=True)
class GeneratorDefaults:
    """Defaults of a role with fuel: fuel, efficiency, and the resulting g/kWh."""

    fuel: str
    efficiency: float
    factor: float


ASSUMED: Mapping[str, GeneratorDefaults] = {
    "genset": GeneratorDefaults("diesel", 0.35, 762.0),  # 266.8 / 0.35, rounded as in METHOD 1.2
    # METHOD 1.2's 505 g/kWh uses 202.0 g per kWh of heat, a figure without a source; 199.9 / 0.40 has one.
    "chp": GeneratorDefaults("natural_gas", 0.40, 499.8),
}
"""Defaults by role. The efficiencies are assumptions of METHOD 1.2: a site should configure its own."""

MOST_CURVE_POINTS = 50
"""Largest number of points in an efficiency curve; a data sheet has four or five."""


class EfficiencyPoint(NamedTuple):
    """An efficiency, 0-1, at a share of rated power."""

    share: float
    efficiency: float


@dataclass(frozen=True, slots=True)
class BatteryConfig:
    """Settings of a battery.

    capacity: Wh, None for unknown. Each efficiency is for one direction; defaults: METHOD 4.11, example 4.
    self_discharge: share of the charge lost per hour. stated: an efficiency is configured; without one, and without a
    state of charge, the accounts learn the round trip (METHOD-SITE 9.6).
    """

    capacity: float | None = None
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    self_discharge: float = 0.0
    stated: bool = field(default=False, compare=False)

    @property
    def has_efficiencies(self) -> bool:
        """Whether an efficiency is not the default."""
        return self.stated or (self.charge_efficiency, self.discharge_efficiency) != (0.95, 0.95)


@dataclass(frozen=True, slots=True)
class HeatConfig:
    """Heat of a CHP, shares 0-1: heat per fuel heat, and reference efficiencies of separate production (METHOD 4.7)."""

    efficiency: float
    electric_reference: float
    heat_reference: float


@dataclass(frozen=True, slots=True)
class EmissionConfig:
    """Settings of the emission of own production. Defaults of missing keys: ASSUMED, or `fuel.RENEWABLE`.

    emission_factor: g per kWh of electricity. fuel: a key of FUELS, "" for none; of role fuel: the metered fuel.
    efficiency: electricity per heat of the fuel (net calorific value), in ascending points; a single point holds at
    any load. fuel_meter: name of the device that meters the fuel, "" for none. fuel_factor: g per unit of that meter,
    and with role fuel g per unit of this meter; required with fuel_meter; None with role fuel: unknown. heat: only of
    role chp.
    """

    emission_factor: float | None = None
    fuel: str = ""
    efficiency: tuple[EfficiencyPoint, ...] = ()
    fuel_meter: str = ""
    fuel_factor: float | None = None
    heat: HeatConfig | None = None


def refuse_others(table: Table, role: str | None) -> None:
    """Report the keys of other roles; report none if the role itself is a mistake."""
    for key, roles in KEYS.items():
        if role in roles:
            continue
        table.ignore(key)
        if key in table.data and role:
            table.mistake(key, f"found with role {role!r}; allowed: with role {', '.join(roles)}")


def battery(table: Table) -> BatteryConfig:
    """Read the keys of role battery; mistakes go to the table."""
    default = BatteryConfig()
    share = toml_table.number(0.5, 1.0)
    found = {
        "capacity": table.take("capacity", toml_table.bounded(units.energy, 100.0, 1e10, "100 Wh to 10000 MWh"), None),
        "charge_efficiency": table.take("charge_efficiency", share, None),
        "discharge_efficiency": table.take("discharge_efficiency", share, None),
        "self_discharge": table.take("self_discharge", toml_table.number(0.0, 0.1), None),
    }
    stated = any(key in table.data for key in ("charge_efficiency", "discharge_efficiency"))
    return replace(default, stated=stated, **{key: value for key, value in found.items() if value is not None})


def emission(table: Table, role: str | None) -> EmissionConfig:
    """Read the keys of own production and of role fuel; `metered` resolves the fuel meter later."""
    if role in BURNERS:
        return _burner(table, role)
    if role == "fuel":
        return EmissionConfig(
            fuel=table.take("fuel", toml_table.choice(list(FUELS)), None) or "",
            fuel_factor=table.take("fuel_factor", _fuel_factor, None),
        )
    if role in RENEWABLES:
        return EmissionConfig(table.take("emission_factor", _factor, None))
    return EmissionConfig()


def metered(
    table: Table,
    emission: EmissionConfig,
    role: str,
    named: Mapping[str, str],
    counted: Mapping[str, str | None],
    fuels: Mapping[str, EmissionConfig],
    owners: dict[str, str],
) -> EmissionConfig:
    """Return the settings with a checked fuel meter, and with the meter's standard factor where there is one.

    named: role by device. counted: unit by device of role fuel, "" for a device that does not count, None for unknown.
    fuels: settings by device of role fuel. owners: device by its fuel meter; this function adds the device of the
    table.
    """
    meter, name = emission.fuel_meter, table.data.get("name", "")
    if role == "fuel" and emission.fuel_factor is None:
        return replace(emission, fuel_factor=carbon_of(emission.fuel, counted.get(name) or ""))
    if not meter:
        return emission
    if meter not in counted:
        is_other = f", which has role {named[meter]!r}" if named.get(meter) else toml_table.nearest(meter, counted)
        allowed = ", ".join(counted) or "the name of a device with role fuel"
        table.mistake("fuel_meter", f"found {meter!r}{is_other}; allowed: {allowed}")
        return emission
    if (owner := owners.setdefault(meter, name)) != name:
        table.mistake("fuel_meter", f"found {meter!r}, which meters for {owner!r} already; allowed: one device a meter")
    unit = counted[meter]
    if unit == "":
        table.mistake("fuel_meter", f"found {meter!r}, which counts no volume, mass or pulses; allowed: one that does")
    if unit and "fuel_factor" not in table.data and (emission.fuel or "fuel" not in table.data):
        return _with_factor(table, emission, role, unit, fuels[meter])
    return emission


def _with_factor(table: Table, emission: EmissionConfig, role: str, unit: str, own: EmissionConfig) -> EmissionConfig:
    """Return a generator's settings with the factor of its fuel meter, which counts `unit` and has settings `own`."""
    fuel = emission.fuel or own.fuel or ("" if emission.emission_factor is not None else ASSUMED[role].fuel)
    if fuel in FUELS and FUELS[fuel].biogenic:
        if emission.emission_factor is None:
            table.mistake(
                "emission_factor", f"missing; {fuel} is biogenic: g of fossil CO2 per kWh produced, 0 for none"
            )
        return emission
    factor = own.fuel_factor if emission.fuel in ("", own.fuel) else None
    if factor is None:
        factor = carbon_of(fuel, unit)
    if factor is not None:
        return replace(emission, fuel_factor=factor)
    of = f"a {'pulse' if unit == '1' else unit} of {fuel or 'an unnamed fuel'}"
    default = f"{fuel} has a default by {units_with_default(fuel)}" if fuel else "name the fuel, or give the factor"
    table.mistake("fuel_factor", f"missing; g of CO2 in {of}: {default}")
    return emission


def _burner(table: Table, role: str) -> EmissionConfig:
    heat = _heat(table) if role == "chp" else None
    settings = EmissionConfig(
        emission_factor=table.take("emission_factor", _factor, None),
        fuel=table.take("fuel", toml_table.choice(FOSSIL_FUELS), None) or "",
        efficiency=table.take("efficiency", _efficiency, None) or (),
        fuel_meter=table.take("fuel_meter", toml_table.text, None) or "",
        fuel_factor=table.take("fuel_factor", _fuel_factor, None),
        heat=heat,
    )
    instead = [key for key in ("fuel", "efficiency", "heat_efficiency") if key in table.data]
    if "emission_factor" in table.data and instead:
        table.mistake(
            "emission_factor", f"found with {', '.join(instead)}; allowed: alone, since it is of a kWh of electricity"
        )
    if len(settings.efficiency) > 1 and "rated_power" not in table.data:
        table.mistake("rated_power", "missing; an efficiency over shares of rated_power needs it")
    if "fuel_factor" in table.data and "fuel_meter" not in table.data:
        table.mistake("fuel_factor", "found without fuel_meter; allowed: with the meter whose units it is for")
    return settings


def _heat(table: Table) -> HeatConfig | None:
    keys = ("heat_efficiency", "electric_reference", "heat_reference")
    share = toml_table.number(0.05, 1.0)
    found = [table.take(key, share, None) for key in keys]
    given = [key for key in keys if key in table.data]
    for key in keys:
        if given and key not in given:
            table.mistake(key, f"missing; {', '.join(keys)} are given together")
    return HeatConfig(*found) if None not in found else None


def _fuel_factor(value: object) -> float:
    factor: float = toml_table.number(0.0, 1e7)(value)
    return factor


def _factor(value: object) -> float:
    factor: float = toml_table.number(0.0, 2000.0)(value)
    return factor


def _efficiency(value: object) -> tuple[EfficiencyPoint, ...]:
    if not isinstance(value, list):
        return (_point([1.0, value], value),)
    if not 2 <= len(value) <= MOST_CURVE_POINTS:
        raise ValueError(
            f"found a list of {len(value)}; allowed: 2 to {MOST_CURVE_POINTS} pairs, or a number from 0.05 to 0.7"
        )
    points = tuple(_point(pair, pair) for pair in value)
    for point, later in pairwise(points):
        if later.share <= point.share:
            raise ValueError(f"found share {later.share:g} after {point.share:g}; allowed: ascending shares")
    return points


def _point(pair: object, found: object) -> EfficiencyPoint:
    try:
        share, efficiency = toml_table.listed(toml_table.number(0.0, 1.0))(pair)
        if 0.05 <= efficiency <= 0.7:
            return EfficiencyPoint(share, efficiency)
    except ValueError:
        pass  # reported below with the allowed forms
    raise ValueError(
        f"found {found!r}; allowed: a number from 0.05 to 0.7, "
        "or pairs of a share of rated_power from 0 to 1 and such a number"
    )
