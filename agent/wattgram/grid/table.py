"""The shipped table of official yearly factors, which serve when no other source does."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from math import fsum

from .signal import NS, OFFICIAL, Signal

FAMILIES = {
    "direct": ("provincial_average", "regional_average", "national_average"),
    "lifecycle": ("national_carbon_footprint_lifecycle",),
}
"""Kinds of rows by basis. CO2 factors and carbon footprints are never mixed (METHOD 0.5)."""

RESIDUAL = "national_average_excluding_market_traded_non_fossil"
"""Kind of the rows with the residual mix of the market-based method (METHOD 4.8)."""

CONTEXT = frozenset({"national_fossil_only", "former_ets_reporting_grid_factor", "ember_lifecycle_intensity"})
"""Kinds of rows that are not a factor of a grid: of fossil plants alone, superseded, or of another publisher."""

RENEWABLE_FUELS = frozenset({"hydro", "wind", "solar", "biomass", "target_hydro", "target_non_hydro_renewable"})
"""Renewable rows of generation_mix.csv. No zone has both statistics and policy weights of one year."""

CHINA_TIME = timezone(timedelta(hours=8))
"""Time zone of the factors' calendar years."""


@dataclass(frozen=True, slots=True)
class _Row:
    zone: str
    year: int
    intensity: float
    kind: str


class FactorTable:
    """Factors by zone and year; grid_factors_cn.csv has the source of each row."""

    def __init__(
        self,
        rows: Iterable[_Row],
        clean: dict[tuple[str, int], float],
        renewable: dict[tuple[str, int], float],
    ) -> None:
        self._rows = tuple(rows)
        self._clean = clean
        self._renewable = renewable
        self._signals: dict[tuple[str, str, int], Signal] = {}

    @classmethod
    def shipped(cls) -> FactorTable:
        """Return the table of the package."""
        here = files("wattgram.grid")
        with here.joinpath("grid_factors_cn.csv").open(encoding="utf-8") as file:
            rows = [
                _Row(row["zone"], int(row["year"]), float(row["kg_co2_per_kwh"]) * 1000.0, row["kind"])
                for row in csv.DictReader(file)
            ]
        with here.joinpath("generation_mix.csv").open(encoding="utf-8") as file:
            mix = list(csv.DictReader(file))
        shares: dict[tuple[str, int], list[float]] = {}
        for row in mix:
            if row["fuel"] in RENEWABLE_FUELS:
                shares.setdefault((row["zone"], int(row["year"])), []).append(float(row["share"]))
        clean = {
            (row["zone"], int(row["year"])): float(row["share"]) for row in mix if row["fuel"] == "non_fossil_implied"
        }
        return cls(rows, clean, {key: fsum(found) for key, found in shares.items()})

    @property
    def zones(self) -> list[str]:
        """Zones with a factor."""
        kinds = [kind for family in FAMILIES.values() for kind in family]
        return sorted({row.zone for row in self._rows if row.kind in kinds})

    def signal(self, zone: str, basis: str, time: int) -> Signal:
        """Return the zone's newest factor up to the year of `time` (UTC ns), else the zone's oldest.

        With basis "lifecycle" a zone without a footprint has that of the nation, and the source names the nation.
        KeyError for an unknown zone.
        """
        asked = zone, basis, _year(time)
        if asked not in self._signals:  # each tick needs it, and the result is the same all year
            self._signals[asked] = self._found(*asked)
        return self._signals[asked]

    def renewable(self, zone: str, time: int) -> float | None:
        """Return the renewable share of the zone's power in the year of `time`, 0-1; None for unknown.

        It is that of the newest year up to `time`, else of the oldest. A zone without a statistic has its policy
        weight; generation_mix.csv contains both.
        """
        known = {year: share for (place, year), share in self._renewable.items() if place == zone}
        past = [year for year in known if year <= _year(time)]
        return known[max(past) if past else min(known)] if known else None

    def residual(self, zone: str, time: int) -> float:
        """Return g/kWh of the residual mix of the zone's nation in the year of `time`."""
        nation = zone.split("-", maxsplit=1)[0]
        return _newest(self._family(nation, (RESIDUAL,)), nation, _year(time)).intensity

    def stated(self, zone: str, basis: str) -> dict[str, dict[str, float]]:
        """Return the rows that can serve a zone, by zone and year: official factors, clean shares, residual mix."""
        nation = zone.split("-", maxsplit=1)[0]
        rows = self._family(zone, FAMILIES[basis]) or self._family(nation, FAMILIES[basis])
        shares = {(row.zone, row.year): self._clean.get((row.zone, row.year)) for row in rows}
        return {
            "official": {f"{row.zone} {row.year} {row.kind}": row.intensity for row in rows},
            "clean_share": {f"{place} {year}": share for (place, year), share in shares.items() if share is not None},
            "residual": {f"{row.zone} {row.year}": row.intensity for row in self._family(nation, (RESIDUAL,))},
        }

    def residual_year(self, zone: str, time: int) -> int:
        """Return the year of the residual mix of `residual`."""
        nation = zone.split("-", maxsplit=1)[0]
        return _newest(self._family(nation, (RESIDUAL,)), nation, _year(time)).year

    def _found(self, zone: str, basis: str, year: int) -> Signal:
        rows = self._family(zone, FAMILIES[basis]) or self._family(zone.split("-", maxsplit=1)[0], FAMILIES[basis])
        row = _newest(rows, zone, year)
        clean = self._clean.get((row.zone, row.year), float("nan"))
        source = f"table {row.zone} {row.year} {row.kind}"
        begin, end = _new_year(row.year), _new_year(row.year + 1)
        return Signal(row.intensity, basis, source, OFFICIAL, begin, end, clean_share=clean)

    def _family(self, zone: str, kinds: tuple[str, ...]) -> list[_Row]:
        return [row for row in self._rows if row.zone == zone and row.kind in kinds]


def next_year(time: int) -> int:
    """Return the start of the next year in China after `time`, UTC ns; the factor may change then."""
    return _new_year(_year(time) + 1)


def _newest(rows: list[_Row], zone: str, year: int) -> _Row:
    if not rows:
        raise KeyError(zone)
    known = [row for row in rows if row.year <= year]
    return max(known, key=lambda row: row.year) if known else min(rows, key=lambda row: row.year)


def _year(time: int) -> int:
    return datetime.fromtimestamp(time // NS, CHINA_TIME).year


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=CHINA_TIME).timestamp()) * NS
