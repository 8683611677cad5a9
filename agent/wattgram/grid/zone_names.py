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

CHINESE_CHARACTERS: Mapping[str, str] = MappingProxyType(
    {
        "CN": "中国",
        "CN-AH": "安徽",
        "CN-BJ": "北京",
        "CN-CQ": "重庆",
        "CN-FJ": "福建",
        "CN-GD": "广东",
        "CN-GRID-C": "华中电网",
        "CN-GRID-E": "华东电网",
        "CN-GRID-N": "华北电网",
        "CN-GRID-NE": "东北电网",
        "CN-GRID-NW": "西北电网",
        "CN-GRID-S": "南方电网",
        "CN-GRID-SW": "西南电网",
        "CN-GS": "甘肃",
        "CN-GX": "广西",
        "CN-GZ": "贵州",
        "CN-HA": "河南",
        "CN-HB": "湖北",
        "CN-HE": "河北",
        "CN-HI": "海南",
        "CN-HL": "黑龙江",
        "CN-HN": "湖南",
        "CN-JL": "吉林",
        "CN-JS": "江苏",
        "CN-JX": "江西",
        "CN-LN": "辽宁",
        "CN-NM": "内蒙古",
        "CN-NX": "宁夏",
        "CN-QH": "青海",
        "CN-SC": "四川",
        "CN-SD": "山东",
        "CN-SH": "上海",
        "CN-SN": "陕西",
        "CN-SX": "山西",
        "CN-TJ": "天津",
        "CN-XJ": "新疆",
        "CN-YN": "云南",
        "CN-ZJ": "浙江",
    }
)
"""The same names in Chinese characters, for a search."""

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("BH", "CF", "CG", "GQ", "MM", "TM", "UZ"), "its published average contradicts its mix"),
        "CN-XZ": "no notice of China's ministry has a factor of Xizang",
    }
)
"""Why the tables have no row of a zone, where it is known."""

OTHER_CODES: Mapping[str, str] = MappingProxyType(
    {
        "CN-HK": "HK",
        "CN-MO": "MO",
        "CN-TW": "TW",
        "EL": "GR",
        "ENGLAND": "GB",
        "SCOTLAND": "GB",
        "UK": "GB",
        "WALES": "GB",
    }
)
"""Zones by codes and names of other lists: ISO 3166-2 of China, Eurostat, everyday names."""

FORMER_TIMEZONES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("Asia/Chongqing", "Asia/Chungking", "Asia/Harbin", "Asia/Kashgar", "PRC"), "CN"),
        **dict.fromkeys(("Asia/Istanbul", "Turkey"), "TR"),
        **dict.fromkeys(("Eire",), "IE"),
        **dict.fromkeys(("Europe/Belfast", "GB", "GB-Eire"), "GB"),
        **dict.fromkeys(("Europe/Kiev", "Europe/Uzhgorod", "Europe/Zaporozhye"), "UA"),
        "America/Buenos_Aires": "AR",
        "Asia/Calcutta": "IN",
        "Asia/Dacca": "BD",
        "Asia/Katmandu": "NP",
        "Asia/Macao": "MO",
        "Asia/Rangoon": "MM",
        "Asia/Saigon": "VN",
        "Hongkong": "HK",
        "Iceland": "IS",
        "Iran": "IR",
        "Israel": "IL",
        "Japan": "JP",
        "Poland": "PL",
        "Portugal": "PT",
        "ROC": "TW",
        "ROK": "KR",
        "Singapore": "SG",
    }
)
"""Countries of former names of time zones, which COUNTRY_TABLE does not contain (IANA, file `backward`)."""

FORMER_AREAS: Mapping[str, str] = MappingProxyType(
    {"Australia": "AU", "Brazil": "BR", "Canada": "CA", "Chile": "CL", "Mexico": "MX", "US": "US"}
)
"""Countries by the first part of former names, such as US/Pacific."""

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
    area, part, _ = timezone.partition("/")
    return FORMER_TIMEZONES.get(timezone, FORMER_AREAS.get(area, "") if part else "")


def _tables() -> Iterator[Path | Traversable]:
    yield from (Path(folder) / COUNTRY_TABLE for folder in TZPATH)
    try:
        yield files("tzdata.zoneinfo").joinpath(COUNTRY_TABLE)
    except ModuleNotFoundError:
        return
