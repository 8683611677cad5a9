"""Reader of `[[goals.array]]`: PV inverters with an irradiance sensor in the plane of their modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattgram.base import toml_table, units
from wattgram.base.toml_table import Parser, Table

from . import meters
from .goals_settings import ArraySettings
from .meters import GoalMeter

SENSORS = ("irradiance_plane", *(f"irradiance_plane_{number}" for number in range(2, 6)))
"""Quantities in the plane of modules."""


def read(tables: Sequence[Table], devices: Mapping[str, GoalMeter]) -> tuple[ArraySettings, ...]:
    """Read the arrays, in their order. Mistakes go to the tables."""
    found: dict[str, ArraySettings] = {}
    for table in tables:
        pv = table.take("pv", _inverter(devices), toml_table.REQUIRED) or ""
        if pv:
            table.rename(f"{table.place} ({pv})")
        power = table.take(
            "peak_power", toml_table.bounded(units.power, 1.0, 1e10, "1 W to 10000 MW"), toml_table.REQUIRED
        )
        station = table.take("irradiance", meters.named(devices, ("weather",)), toml_table.REQUIRED) or ""
        sensor = table.take("sensor", toml_table.choice(SENSORS), SENSORS[0]) or SENSORS[0]
        reads = devices[station].reads if station in devices else None
        if reads is not None and sensor not in reads:
            measured = ", ".join(name for name in SENSORS if name in reads) or "no irradiance in the plane of modules"
            key = "sensor" if "sensor" in table.data else "irradiance"
            table.mistake(key, f"found {station!r} for {sensor}; {station} reads {measured}")
        table.done()
        if pv and pv in found:
            table.mistake("pv", f"found {pv!r} a second time; allowed: one array an inverter")
        if pv and power and station:
            found[pv] = ArraySettings(pv, power, station, sensor)
    return tuple(found.values())


def _inverter(devices: Mapping[str, GoalMeter]) -> Parser:
    """Return a parser of names of PV inverters that are no hybrids."""
    inner = meters.named(devices, ("pv",))

    def parser(value: object) -> str:
        name: str = inner(value)
        if devices[name].hybrid:
            raise ValueError(
                f"found {name!r}, a hybrid, whose power contains that of its battery; allowed: an inverter of PV alone"
            )
        return name

    return parser
