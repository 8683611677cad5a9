"""The table `[site]`: the settings of the place and their reader."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, available_timezones

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Table


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """Settings of the site: its name in tags and topics, its local time, the period of its balance in s.

    latitude north+, longitude east+: degrees, None if not configured.
    """

    name: str
    timezone: ZoneInfo
    tick: float = 1.0
    latitude: float | None = None
    longitude: float | None = None


def read(table: Table) -> SiteConfig:
    """Read `[site]`; mistakes go to the table."""
    name = table.take("name", toml_table.matching(r"[a-z0-9-]{1,64}", "1 to 64 of a-z, 0-9 and -"), toml_table.REQUIRED)
    zones = toml_table.choice(sorted(available_timezones()), "a name of the IANA zone database")
    zone = table.take("timezone", zones, "UTC")
    tick = table.take("tick", toml_table.bounded(units.duration, 0.1, 900.0, "100ms to 15min"), 1.0)
    if tick and abs(900.0 / tick - round(900.0 / tick)) > 1e-9:
        table.mistake("tick", f'found {tick:g}s; allowed: a part of 15 minutes, such as "1s", "5s" or "1min"')
    latitude = table.take("latitude", toml_table.number(-90.0, 90.0), None)
    longitude = table.take("longitude", toml_table.number(-180.0, 180.0), None)
    for key, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if key in table.data and other not in table.data:
            table.mistake(other, f"missing; allowed: with {key}, both or none")
    table.done()
    return SiteConfig(name or "", ZoneInfo(zone or "UTC"), tick or 1.0, latitude, longitude)
