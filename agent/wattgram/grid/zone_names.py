"""Names of zones, and the zones of a time zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from zoneinfo import TZPATH

CHINESE_ZONES: Mapping[str, str] = MappingProxyType(
    {
        "CN": "China",
        "CN-AH": "Anhui",
        "CN-BJ": "Beijing",
        "CN-CQ": "Chongqing",
        "CN-FJ": "Fujian",
        "CN-GD": "Guangdong",
        "CN-GRID-C": "China, Central grid",
        "CN-GRID-E": "China, East grid",
        "CN-GRID-N": "China, North grid",
        "CN-GRID-NE": "China, Northeast grid",
        "CN-GRID-NW": "China, Northwest grid",
        "CN-GRID-S": "China, South grid",
        "CN-GRID-SW": "China, Southwest grid",
        "CN-GS": "Gansu",
        "CN-GX": "Guangxi",
        "CN-GZ": "Guizhou",
        "CN-HA": "Henan",
        "CN-HB": "Hubei",
        "CN-HE": "Hebei",
        "CN-HI": "Hainan",
        "CN-HL": "Heilongjiang",
        "CN-HN": "Hunan",
        "CN-JL": "Jilin",
        "CN-JS": "Jiangsu",
        "CN-JX": "Jiangxi",
        "CN-LN": "Liaoning",
        "CN-NM": "Inner Mongolia",
        "CN-NX": "Ningxia",
        "CN-QH": "Qinghai",
        "CN-SC": "Sichuan",
        "CN-SD": "Shandong",
        "CN-SH": "Shanghai",
        "CN-SN": "Shaanxi",
        "CN-SX": "Shanxi",
        "CN-TJ": "Tianjin",
        "CN-XJ": "Xinjiang",
        "CN-YN": "Yunnan",
        "CN-ZJ": "Zhejiang",
    }
)
"""Names of the zones of grid_factors_cn.csv."""

ATTRIBUTION = (
    "Ember - Yearly Electricity Data (2026), with processing by Our World in Data, CC BY 4.0.",
    "US EPA eGRID2023.",
    "Contains public sector information licensed under the Open Government Licence v3.0 (UK DESNZ).",
    "Contains information from EMA under the Singapore Open Data Licence 1.0.",
    "Changes: TWh turned into shares, lb/MWh into g/kWh.",
)
"""Attribution that the licences of the shipped rows require; NOTICE has the same lines."""

COUNTRY_TABLE = "zone.tab"
"""File of the IANA zone database with the country of each time zone."""

LONGEST_TABLE = 200_000
"""Largest size of the file, characters; it has 19,000."""


def country_of(timezone: str) -> str:
    """Return the ISO code of the country of an IANA time zone; "" if the zone database does not tell."""
    for table in _tables():
        try:
            text = table.read_text(encoding="utf-8")[:LONGEST_TABLE]
        except (OSError, ValueError):
            continue
        for line in text.splitlines():
            cells = line.split("\t")
            if len(cells) >= 3 and not line.startswith("#") and cells[2] == timezone:
                return cells[0]
    return ""


def _tables() -> Iterator[Path | Traversable]:
    yield from (Path(folder) / COUNTRY_TABLE for folder in TZPATH)
    try:
        yield files("tzdata.zoneinfo").joinpath(COUNTRY_TABLE)
    except ModuleNotFoundError:
        return
