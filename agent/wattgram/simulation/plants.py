"""The plants of `demo --plant` and `simulate --plant`: parts, and the driver, bus and unit of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from wattgram_drivers.endpoint import Endpoint

from .demo_goals import goals_text
from .factory import AMOUNT_ROLES, LATITUDE, LONGITUDE, demo_parts
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
    "roof-hall": ("goodwe_et", "roof-hall", 247),
    "store-hall": ("goodwe_et", "roof-hall", 247),
    "castings": ("siemens_sitrans_mass6000", "counters", 1),
    "boiler": ("suto_s430_gasflow", "counters", 2),
}
"""Driver, gateway and unit of each part. The meters share a gateway, as on a serial line, and so do the counters."""

COUNTER_TOTALS = {"castings": ("totalizer_1",), "boiler": ("volume_total",)}
"""Quantities of the counters."""

METER_FUELS = {"boiler": "natural_gas"}
"""Fuel of a fuel meter."""

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
    has_goals: bool = False

    @property
    def site(self) -> str:
        """Name of the site: whoever reads a number of it sees that it is of a demonstration."""
        return f"{'demo' if self.name == STANDARD else self.name}-factory"

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
        """Return the quantities to read of a part, () for all.

        A counter has its total. A sub-meter with a roof behind it counts in both directions.
        """
        if part.role not in ("load", "ev"):
            return COUNTER_TOTALS.get(part.name, ())
        both_ways = any(other.behind == part.name for other in self.parts)
        return (*SUBMETER, "active_energy_export") if both_ways else SUBMETER

    def behind(self, part: SitePart) -> str:
        """Return the key `behind` of a part, "" for none: a battery has the url and unit of its inverter instead."""
        return "" if part.role == "battery" else part.behind

    def rated_power(self, part: SitePart) -> float | None:
        """Return the rated power of a device, W; that of a sub-meter includes the loads behind it. None: a counter."""
        if part.role in AMOUNT_ROLES:
            return None
        if part.role not in ("load", "ev"):
            return part.rated_power
        behind = [other for other in self.parts if other.behind == part.name and other.role in ("load", "ev")]
        return part.rated_power + sum(self.rated_power(other) or 0.0 for other in behind)

    def configuration(self, endpoints: Mapping[str, Endpoint], today: date, spool: str = "spool") -> str:
        """Return the configuration of a gateway that reads the plant at these addresses.

        today: local day around which the dates of the goals lie. spool: directory of the store.
        """
        blocks = [
            [
                f'[site]\nname = "{self.site}"',
                f'timezone = "{TIMEZONE}"',
                f"latitude = {LATITUDE}\nlongitude = {LONGITUDE}",
            ],
            [f'[grid]\nzone = "{GRID_ZONE}"'],
            [f"[spool]\npath = {json.dumps(spool)}"],
        ]
        for part in self.parts:
            name, _, unit = self.drivers[part.name]
            block = [
                f'[[device]]\nname = "{part.name}"',
                f'role = "{part.role}"',
                f'driver = "{name}"',
                f'url = "{endpoints[part.name]}"',
                f"unit = {unit}",
            ]
            rated = self.rated_power(part)
            words = _words(
                rated_power=f"{rated / 1000:g} kW" if rated else "",
                group=part.group,
                behind=self.behind(part),
                fuel=METER_FUELS.get(part.name, ""),
            )
            block += [f'{key} = "{value}"' for key, value in words]
            if quantities := self.quantities(part):
                block.append(f"quantities = {json.dumps(quantities)}")
            blocks.append(block)
        if self.has_goals:
            blocks.append([goals_text(today)])
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def standard_parts() -> tuple[SitePart, ...]:
    """Return the factory of `wattgram demo`, with a hybrid inverter on the hall, kg of castings, and m3 of a boiler."""
    return (
        *demo_parts(),
        SitePart("roof-hall", "pv", 30e3),
        SitePart("store-hall", "battery", 15e3, behind="roof-hall"),
        SitePart("castings", "production", 215.0),
        SitePart("boiler", "fuel", 4.0),
    )


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
    if name == STANDARD:
        return SimulatedPlant(name, standard_parts(), DEMO_DRIVERS, has_goals=True)
    return {HYBRID: SimulatedPlant(HYBRID, hybrid_parts(), HYBRID_DRIVERS)}[name]


def _words(**keys: str) -> Iterator[tuple[str, str]]:
    """Yield the keys that have a value."""
    yield from ((key, value) for key, value in keys.items() if value)
