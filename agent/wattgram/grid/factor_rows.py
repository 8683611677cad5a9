"""Rows of the factor tables: g/kWh of a zone in a year, with shares, source and licence.

A shipped table is read line by line, and only the lines of one zone are parsed: a start costs a millisecond.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from types import MappingProxyType

from .signal import COMPILED_IN, OFFICIAL

FAMILIES = {
    "direct": ("provincial_average", "regional_average", "national_average"),
    "lifecycle": ("national_carbon_footprint_lifecycle",),
}
"""Kinds of rows of China by basis. CO2 factors and carbon footprints are never mixed (METHOD 0.5)."""

RESIDUAL = "national_average_excluding_market_traded_non_fossil"
"""Kind of the rows of China with the residual mix of the market-based method (METHOD 4.8)."""

CONTEXT = frozenset({"national_fossil_only", "former_ets_reporting_grid_factor", "ember_lifecycle_intensity"})
"""Kinds of rows of China that are no factor of a grid: of fossil plants alone, superseded, or of another publisher."""

CHINA = "CN"
"""Nation with tables of its own."""

WORLD_KINDS: Mapping[str, str] = MappingProxyType({"direct": "official_average", "lifecycle": "ember_average"})
"""Kind of the rows of the world table by basis."""

NOTICE_LICENCE = "public notice"
"""Licence of the factors in the notices of China's ministry."""


@dataclass(frozen=True, slots=True)
class FactorRow:
    """g/kWh of a zone in a year on a basis, "direct" or "lifecycle".

    tier: of METHOD 3.4. clean_share, renewable_share: 0-1, of the row's own source and year, None for unknown.
    residual: g/kWh of the residual mix, None for unknown. kind: what the number is, in the name of the signal.
    uncertainty: limit of error as the source states it, 0-1, None without; no source of the shipped rows states one.
    """

    zone: str
    year: int
    basis: str
    intensity: float
    kind: str
    tier: int
    name: str = ""
    clean_share: float | None = None
    renewable_share: float | None = None
    residual: float | None = None
    source: str = ""
    licence: str = ""
    note: str = ""
    uncertainty: float | None = None

    @property
    def label(self) -> str:
        """Name of the row in records, as the source of a signal."""
        return f"table {self.zone} {self.year} {self.kind}"


def nation_of(zone: str) -> str:
    """Return the first part of a zone's code: the country."""
    return zone.split("-", maxsplit=1)[0]


def is_chinese(zone: str) -> bool:
    """Return whether a zone has its factors in the tables of China."""
    return nation_of(zone) == CHINA


def shipped_rows(zone: str | None) -> list[FactorRow]:
    """Return the shipped rows of a zone, of all zones for None; residual mixes are not among them."""
    if zone is not None and not is_chinese(zone):
        return [_of_world(row) for row in lines_of("grid_factors_world.csv", zone)]
    bases = {kind: basis for basis, kinds in FAMILIES.items() for kind in kinds}
    rows = [_of_china(row, bases[row["kind"]]) for row in lines_of("grid_factors_cn.csv", zone) if row["kind"] in bases]
    return rows if zone is not None else rows + [_of_world(row) for row in lines_of("grid_factors_world.csv", None)]


def shipped_residuals(nation: str) -> dict[int, float]:
    """Return g/kWh of the residual mix of a nation by year; {} where the tables have none."""
    if nation != CHINA:
        return {}
    rows = lines_of("grid_factors_cn.csv", nation)
    return {int(row["year"]): _grams(row["kg_co2_per_kwh"]) for row in rows if row["kind"] == RESIDUAL}


def lines_of(file: str, zone: str | None) -> Iterator[dict[str, str]]:
    """Yield the rows of a shipped CSV file whose first column is `zone`; every row for None."""
    with files("wattgram.grid").joinpath(file).open(encoding="utf-8") as lines:
        head = next(csv.reader([next(lines)]))
        wanted: Iterable[str] = lines if zone is None else (line for line in lines if line.startswith(f"{zone},"))
        yield from csv.DictReader(wanted, head)


def with_clean_shares(rows: Iterable[FactorRow], shares: Mapping[int, float]) -> list[FactorRow]:
    """Return rows with the clean share of their year."""
    return [replace(row, clean_share=shares.get(row.year)) for row in rows]


def _grams(kilograms: str) -> float:
    return float(kilograms) * 1000.0


def _of_china(row: Mapping[str, str], basis: str) -> FactorRow:
    intensity = _grams(row["kg_co2_per_kwh"])
    source = row["source"].split(";", maxsplit=1)[0]
    return FactorRow(
        row["zone"], int(row["year"]), basis, intensity, row["kind"], OFFICIAL, source=source, licence=NOTICE_LICENCE
    )


def _of_world(row: Mapping[str, str]) -> FactorRow:
    basis = row["basis"]
    return FactorRow(
        row["zone"],
        int(row["year"]),
        basis,
        float(row["g_per_kwh"]),
        WORLD_KINDS[basis],
        OFFICIAL if basis == "direct" else COMPILED_IN,
        row["name"],
        _share(row["clean_share"]),
        _share(row["renewable_share"]),
        source=row["source"],
        licence=row["licence"],
        note=row["note"],
    )


def _share(text: str) -> float | None:
    return float(text) if text else None
