"""The plants of `demo --plant` and `simulate --plant`: parts, and the driver, bus and unit of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from wattgram_drivers.endpoint import Endpoint

from .factory import LATITUDE, LONGITUDE, demo_parts
from .machines import SitePart
from .plant_names import HYBRID, STANDARD
from .serve_devices import ServedDevice, driver

TIMEZONE = "Asia/Shanghai"
GRID_ZONE = "CN-CQ"

SUBMETER = ("active_power_total", "active_energy_import")
"""Quantities of a sub-meter. With more quantities, five meters behind one gateway take longer than a second."""

DEMO_DRIVERS = {
    "incomer": ("eastron_sdm630", "meters", 1),
    "foundry": ("acrel_adl400_dtsd1352", "meters", 2),
    "hall": ("eastron_sdm630", "meters", 3),
    "compressors": ("acrel_adl400_dtsd1352", "meters", 4),
    "ev-charger": ("eastron_sdm630", "meters", 5),
    "roof-east": ("huawei_sun2000", "roof-east", 1),
    "roof-west": ("sunspec", "roof-west", 126),
    "battery": ("huawei_luna2000", "battery", 1),
}
"""Driver, gateway and unit of each part. The meters share a gateway, as on a serial line."""

HYBRID_DRIVERS = {
    "incomer": ("eastron_sdm630", "meters", 1),
    "hall": ("eastron_sdm630", "meters", 2),
    "furnace": ("eastron_sdm630", "meters", 3),
    "office": ("eastron_sdm630", "meters", 4),
    "servers": ("eastron_sdm630", "meters", 5),
    "ev-charger": ("eastron_sdm630", "meters", 6),
    "roof-east": ("huawei_sun2000", "roof-east", 1),
    "store-east": ("huawei_luna2000", "roof-east", 1),
    "roof-west": ("goodwe_et", "roof-west", 247),
    "store-west": ("goodwe_et", "roof-west", 247),
    "roof-hall": ("sungrow_sg_string", "roof-hall", 1),
}
"""Driver, gateway and unit of each part of the hybrid plant; a battery has the unit of its inverter."""


@dataclass(frozen=True, slots=True)
class SimulatedPlant:
    """A site of parts; drivers: driver, bus and unit by part. Parts of one bus share an address."""

    name: str
    parts: tuple[SitePart, ...]
    drivers: Mapping[str, tuple[str, str, int]]

    def devices(self, first: Endpoint) -> list[ServedDevice]:
        """Return the devices; the buses have the ports from that of `first` on, or free ports if that is 0."""
        buses = list(dict.fromkeys(bus for _, bus, _ in self.drivers.values()))
        served = []
        for part in self.parts:
            name, bus, unit = self.drivers[part.name]
            port = first.port + buses.index(bus) if first.port else 0
            served.append(ServedDevice(bus, part, name, driver(name), replace(first, port=port), unit))
        return served

    def quantities(self, part: SitePart) -> tuple[str, ...]:
        """Return the quantities to read of a part, () for all; a roof behind a sub-meter can turn the meter round."""
        if part.role not in ("load", "ev"):
            return ()
        both_ways = any(other.behind == part.name for other in self.parts)
        return (*SUBMETER, "active_energy_export") if both_ways else SUBMETER

    def behind(self, part: SitePart) -> str:
        """Return the key `behind` of a part, "" for none: a battery has the url and unit of its inverter instead."""
        return "" if part.role == "battery" else part.behind

    def rated_power(self, part: SitePart) -> float:
        """Return the rated power of a device, W; that of a sub-meter includes the loads behind it."""
        if part.role not in ("load", "ev"):
            return part.rated_power
        behind = [other for other in self.parts if other.behind == part.name and other.role in ("load", "ev")]
        return part.rated_power + sum(self.rated_power(other) for other in behind)

    def configuration(self, endpoints: Mapping[str, Endpoint]) -> str:
        """Return the configuration of a gateway that reads the plant at these addresses."""
        blocks = [
            [
                f'[site]\nname = "{self.name}-plant"',
                f'timezone = "{TIMEZONE}"',
                f"latitude = {LATITUDE}\nlongitude = {LONGITUDE}",
            ],
            [f'[grid]\nzone = "{GRID_ZONE}"'],
            ['[spool]\npath = "spool"'],
        ]
        for part in self.parts:
            name, _, unit = self.drivers[part.name]
            block = [
                f'[[device]]\nname = "{part.name}"',
                f'role = "{part.role}"',
                f'driver = "{name}"',
                f'url = "{endpoints[part.name]}"',
                f"unit = {unit}",
                f'rated_power = "{self.rated_power(part) / 1000:g} kW"',
            ]
            block += [f'{key} = "{value}"' for key, value in _words(group=part.group, behind=self.behind(part))]
            if quantities := self.quantities(part):
                block.append(f"quantities = {json.dumps(quantities)}")
            blocks.append(block)
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def hybrid_parts() -> tuple[SitePart, ...]:
    """Return a factory with two hybrid inverters and a tree of sub-meters: 140 kW of PV, about 80 kW of load by day.

    The battery of roof-east takes PV alone. The battery of roof-west is charged from the grid at night, and the servers
    stand on the inverter's backup port. Roof, furnace and office of the hall are behind the hall's meter.
    """
    return (
        SitePart("incomer", "grid", 250e3),
        SitePart("roof-east", "pv", 40e3),
        SitePart("store-east", "battery", 20e3, behind="roof-east", grid_charge=False),
        SitePart("roof-west", "pv", 50e3),
        SitePart("store-west", "battery", 40e3, behind="roof-west"),
        SitePart("hall", "load", 30e3, "industry"),
        SitePart("roof-hall", "pv", 50e3, behind="hall"),
        SitePart("furnace", "load", 40e3, "industry", behind="hall"),
        SitePart("office", "load", 15e3, "building", behind="hall"),
        SitePart("servers", "load", 8e3, "building", backup_port="roof-west"),
        SitePart("ev-charger", "ev", 22e3),
    )


def plant(name: str) -> SimulatedPlant:
    """Return the plant of one of the names in `PLANTS`."""
    parts, drivers = {STANDARD: (demo_parts(), DEMO_DRIVERS), HYBRID: (hybrid_parts(), HYBRID_DRIVERS)}[name]
    return SimulatedPlant(name, parts, drivers)


def _words(**keys: str) -> Iterator[tuple[str, str]]:
    """Yield the keys that have a value."""
    yield from ((key, value) for key, value in keys.items() if value)
