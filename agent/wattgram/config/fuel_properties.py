"""Properties of fuels: heat of a unit and CO2 of combustion, each fuel from one source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

IPCC_SOURCE = "IPCC 2006 volume 2 chapter 1 tables 1.2 and 1.4"
CHINA_SOURCE = "China's default values for power plants, as in GB/T 32151"
WH = 0.001
"""kWh of heat in a Wh, the unit of a fuel meter that counts heat."""


@dataclass(frozen=True, slots=True)
class FuelProperties:
    """A fuel. carbon: g of CO2 per kWh of its heat, by net calorific value; the oxidation is included.

    heat: kWh by unit of a meter, kg or m3 (gases: of the normal state, 0 degC and 101.325 kPa). A unit is absent if the
    heat of a unit has no source, or varies too much for a default. stated: the heat as in the source. biogenic: the
    carbon is not fossil; it is no part of scope 1 and is reported apart (GHG Protocol; IPCC 2006 volume 2 chapter
    2.3.3.4). upstream: g of CO2e of the supply per kWh of heat, for the life-cycle basis; None without a source.
    """

    carbon: float
    source: str
    heat: Mapping[str, float] = field(default_factory=dict)
    stated: str = ""
    biogenic: bool = False
    upstream: float | None = None

    def heat_text(self, unit: str) -> str:
        """Return the heat of a unit with its source as text."""
        return f"{'heat as counted' if unit == 'Wh' else self.stated}, {self.source}"


def _ipcc(
    carbon: float, heat: float | None, *, biogenic: bool = False, upstream: float | None = None
) -> FuelProperties:
    """Return a fuel of IPCC 2006: kg of CO2 per GJ (table 1.4, oxidation 1), and GJ/t (table 1.2)."""
    units = {} if heat is None else {"kg": heat / 3.6}
    stated = "" if heat is None else f"{heat:g} GJ/t"
    return FuelProperties(round(3.6 * carbon, 1), IPCC_SOURCE, units, stated, biogenic, upstream)


def _chinese_gas(heat: float, carbon: float, source: str, upstream: float | None = None) -> FuelProperties:
    """Return a gas: GJ per 10 000 Nm3, and t of carbon per GJ, oxidised by 99 %."""
    per_gj = carbon * 1000.0 * 0.99 * 44.0 / 12.0
    stated = f"{heat:g} GJ per 10 000 Nm3"
    return FuelProperties(round(3.6 * per_gj, 1), source, {"m3": heat / 10.0 / 3.6}, stated, upstream=upstream)


FUELS: Mapping[str, FuelProperties] = MappingProxyType(
    {
        "diesel": _ipcc(74.1, 43.0, upstream=62.91),
        "natural_gas": _chinese_gas(389.31, 0.0153, "GB/T 32151.34-2024 table C.1", upstream=33.47),
        # bituminous; no heat of a kg: 25.8 GJ/t in IPCC 2006, 20.9 to 23.2 in Chinese tables, less by analysis
        "coal": _ipcc(94.6, None, upstream=59.25),
        "coke": _ipcc(107.0, 28.2),
        "lpg": _ipcc(63.1, 47.3, upstream=27.36),
        "heavy_oil": _ipcc(77.4, 40.4, upstream=62.91),
        "gasoline": _ipcc(69.3, 44.3, upstream=65.82),
        "blast_furnace_gas": _chinese_gas(33.0, 0.0708, CHINA_SOURCE),
        "coke_oven_gas": _chinese_gas(173.854, 0.0121, CHINA_SOURCE),
        "converter_gas": _chinese_gas(84.0, 0.0496, CHINA_SOURCE),
        "wood": _ipcc(112.0, 15.6, biogenic=True),
    }
)
"""Fuels by the value of the key `fuel`. The IPCC's figures for the three process gases, 260, 44.4 and 182 kg/GJ, are
within 1.2 % of the Chinese ones. Upstream: conversion factors of the UK government for company reporting (DESNZ),
well-to-tank, by net calorific value: mineral diesel, natural gas, industrial coal, LPG, fuel oil, mineral petrol; read
in a public transcription that does not name the edition. Coke and the process gases have no value there."""

FUEL_CARBON: Mapping[str, float] = MappingProxyType({name: fuel.carbon for name, fuel in FUELS.items()})
"""g of CO2 per kWh of heat by fuel (METHOD 1.2)."""

FOSSIL_FUELS = tuple(name for name, fuel in FUELS.items() if not fuel.biogenic)

NATURAL_GAS_PER_M3 = 2162.0
"""g of CO2 per Nm3 of natural gas, rounded as in METHOD 1.2."""


def heat_of(fuel: str, unit: str) -> float | None:
    """Return the heat of a unit of a fuel meter, kWh; None if the unit has no default."""
    if fuel not in FUELS:
        return None
    return WH if unit == "Wh" else FUELS[fuel].heat.get(unit)


def carbon_of(fuel: str, unit: str) -> float | None:
    """Return the CO2 of a unit of a fuel meter, g, fossil or biogenic; None if the unit has no default."""
    if (fuel, unit) == ("natural_gas", "m3"):
        return NATURAL_GAS_PER_M3
    heat = heat_of(fuel, unit)
    return None if heat is None else heat * FUEL_CARBON[fuel]


def units_with_default(fuel: str) -> str:
    """Return the units of a meter that have a default, in words."""
    return " or ".join(f"the {unit}" for unit in (*FUELS[fuel].heat, "Wh of heat"))
