"""The intensity of a mix: generation by fuel times emission factors (METHOD 4.2)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite

from wattgram.base.toml_table import nearest
from wattgram.base.untrusted import quoted

from .signal import ESTIMATED, MEASURED, Signal

SHARE_TOLERANCE = 0.02
"""Largest deviation of a sum of shares from 1 (METHOD 4.2)."""

UNKNOWN = "unknown"

CLEAN = frozenset({"biomass", "geothermal", "hydro", "nuclear", "solar", "wind"})
"""Fuels that count as clean. Discharge of a storage does not: the origin of its energy is unknown."""

IPCC = {
    "coal": ("coal_pulverised", "coal_pulverised"),
    "gas": ("gas_combined_cycle", "gas_combined_cycle"),
    "oil": ("gb_neso_oil", "em_default_oil"),
    "biomass": ("em_default_biomass", "biomass_dedicated"),
    "geothermal": ("geothermal", "geothermal"),
    "hydro": ("hydro", "hydro"),
    "nuclear": ("nuclear", "nuclear"),
    "solar": ("em_default_solar", "em_default_solar"),
    "wind": ("wind_onshore", "wind_onshore"),
    "battery discharge": ("em_default_battery_discharge_2025", "em_default_battery_discharge_2025"),
    "hydro discharge": ("em_default_hydro_discharge_2025", "em_default_hydro_discharge_2025"),
    UNKNOWN: ("em_default_unknown", "em_default_unknown"),
}
"""Rows of emission_factors.csv by fuel, for basis direct and lifecycle: the medians of IPCC AR5 (METHOD 1.1)."""

CHINA_LIFECYCLE = IPCC | {
    "coal": ("cn_coal_fleet_net_derived_2023", "cn_mee_2024_coal"),
    "gas": ("gas_combined_cycle", "cn_mee_2024_gas"),
    "biomass": ("em_default_biomass", "cn_mee_2023_biomass"),
    "hydro": ("hydro", "cn_mee_2024_hydro"),
    "nuclear": ("nuclear", "cn_mee_2024_nuclear"),
    "solar": ("em_default_solar", "cn_mee_2023_solar_pv"),
    "wind": ("wind_onshore", "cn_mee_2023_wind"),
}
"""The same for China: the heat rate of its coal fleet and the footprints of the ministry, which agree with the
published totals (METHOD 1.3, 1.4)."""

SETS = {"china": CHINA_LIFECYCLE, "ipcc": IPCC}

SPELLINGS = {
    "battery": "battery discharge",
    "battery storage": "battery discharge",
    "fossil": "coal",
    "hard coal": "coal",
    "hydro storage": "hydro discharge",
    "lignite": "coal",
    "natural gas": "gas",
    "non fossil": "hydro",  # the larger part of the implied shares (METHOD 2.4)
    "other": UNKNOWN,
    "pumped storage": "hydro discharge",
    "pv": "solar",
    "thermal": "coal",
    "water": "hydro",
}
"""Fuels by their alternative names."""

STORAGE_FUELS = frozenset({"battery discharge", "hydro discharge"})
"""Fuels whose negative amount is charging, which is consumption, not generation."""


@dataclass(frozen=True, slots=True)
class MixIntensity:
    """A mix: its intensity in g/kWh, and its shares by fuel, whose sum is 1."""

    intensity: float
    clean_share: float
    shares: Mapping[str, float]
    estimated: bool


class Factors:
    """g/kWh by fuel on one basis; emission_factors.csv has the source of each row."""

    def __init__(self, name: str, basis: str, by_fuel: Mapping[str, float]) -> None:
        self.name = name
        self.basis = basis
        self.by_fuel = dict(by_fuel)

    @classmethod
    def shipped(cls, name: str, basis: str) -> Factors:
        """Return a shipped set ("china", "ipcc") on a basis ("direct", "lifecycle")."""
        place = ("direct", "lifecycle").index(basis)
        column = ("direct_g_per_kwh", "lifecycle_g_per_kwh")[place]
        with files("wattgram.grid").joinpath("emission_factors.csv").open(encoding="utf-8") as file:
            rows = {row["fuel"]: row[column] for row in csv.DictReader(file)}
        return cls(name, basis, {fuel: float(rows[pair[place]]) for fuel, pair in SETS[name].items()})

    def mixed(self, amounts: Mapping[str, float | None], total: float | None = None) -> MixIntensity:
        """Return the mix of amounts by fuel, in shares or any unit of power; None for an unknown amount.

        `total`: expected sum, None for the actual sum. ValueError for an impossible mix; METHOD 4.2 has the limits of
        the sum. A fuel without a factor counts as unknown.
        """
        known: dict[str, float] = {}
        below_zero = 0.0
        for name, amount in amounts.items():
            fuel = fuel_of(name)
            if amount is None or (fuel in STORAGE_FUELS and amount < 0.0):
                continue
            below_zero = min(below_zero, amount)
            known[fuel] = known.get(fuel, 0.0) + max(0.0, amount)
        found = sum(known.values())
        whole = found if total is None else total
        if not (isfinite(found) and isfinite(whole) and found > 0.0 and whole > 0.0):
            raise ValueError("no fuel has an amount above 0")
        if below_zero < -SHARE_TOLERANCE * whole:
            raise ValueError(f"a fuel has the amount {below_zero:g}; only a storage may be below 0")
        if found / whole > 1.0 + SHARE_TOLERANCE:
            raise ValueError(
                f"the fuels add up to {found / whole:.3g} of the whole; expected at most {1 + SHARE_TOLERANCE}"
            )
        if found / whole < 1.0 - SHARE_TOLERANCE:
            known[UNKNOWN] = known.get(UNKNOWN, 0.0) + whole - found
            found = whole
        shares = {fuel: amount / found for fuel, amount in known.items()}
        missing = total is None and None in amounts.values()
        return MixIntensity(
            intensity=sum(share * self.by_fuel[fuel] for fuel, share in shares.items()),
            clean_share=min(1.0, sum(share for fuel, share in shares.items() if fuel in CLEAN)),
            shares=shares,
            estimated=missing or shares.get(UNKNOWN, 0.0) > SHARE_TOLERANCE,
        )

    def signal(
        self,
        amounts: Mapping[str, float | None],
        total: float | None,
        source: str,
        span: tuple[int, int],
        arrived: int,
        *,
        tier: int | None = None,
        estimated: bool = False,
    ) -> Signal:
        """Return the mix as a signal over a span; without a tier it is a live signal of tier 1 or 2."""
        mixed = self.mixed(amounts, total)
        estimated = estimated or mixed.estimated
        return Signal(
            mixed.intensity,
            self.basis,
            f"{source} mix, factors {self.name}",
            tier or (ESTIMATED if estimated else MEASURED),
            *span,
            arrived,
            mixed.clean_share,
            estimated,
            mixed.shares,
        )


def fuel_of(name: str) -> str:
    """Return the fuel of a name, "unknown" for an unknown name."""
    plain = " ".join(name.lower().replace("_", " ").split())
    fuel = SPELLINGS.get(plain, plain)
    return fuel if fuel in IPCC else UNKNOWN


def checked_name(name: str) -> None:
    """Raise ValueError for a name that no fuel has, with the nearest name."""
    if fuel_of(name) == UNKNOWN and name.strip().lower() not in (UNKNOWN, "other"):
        known = [*IPCC, *SPELLINGS]
        raise ValueError(f"found {quoted(name)}{nearest(name.lower(), known)}; expected a fuel: {', '.join(IPCC)}")
