"""A year of the demonstration's factory, with a food line and a capture plant beside it.

The real site takes its meters' registers every quarter of an hour and stores what it makes of them; what the simulator
itself knows is kept beside it, as the ledger that a hand calculation goes by.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.clock import NS
from wattgram.config import Config, DeviceConfig, SiteConfig, SpoolConfig
from wattgram.goals.settings import GoalsConfig
from wattgram.plant import Part
from wattgram.simulate import Factory, demo_parts
from wattgram.site import Site
from wattgram.source import Source
from wattgram.spool import Spool
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import Plan, make_plan

from tests.agent.works import Hands

ZONE = ZoneInfo("Asia/Shanghai")
QUARTER = 900
SUB = ("active_power_total", "active_energy_import", "active_energy_export")
WANTED = {
    "grid": (*SUB, "reactive_power_total", "voltage_l1n", "voltage_l2n", "voltage_l3n"),
    "production": ("totalizer_1",),
    "capture": ("totalizer_1",),
    "fuel": ("totalizer_1",),
}
METER, FLOW = load("eastron_sdm630"), load("siemens_sitrans_mass6000")
CODES = {"f32": ">f", "f64": ">d"}

PARTS = (
    *demo_parts(),
    Part("line", "production", 900.0),
    Part("stack", "capture", 4.0),
)
"""The demonstration's parts; a line that makes kg, and CO2 that is captured, in kg an hour of full work."""


def local(day: date) -> int:
    """UTC ns at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp()) * NS


@dataclass
class Truth:
    """What the simulator knows: by part, W in each quarter of an hour from the start; units counted by local day."""

    start: int
    powers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    reactive: list[float] = field(default_factory=list)
    volts: list[tuple[float, float, float]] = field(default_factory=list)
    counts: dict[str, dict[date, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))

    def energy(self, name: str, *, against: bool = False) -> float:
        """Wh of a part in the direction of its role, or against it."""
        sign = -1.0 if against else 1.0
        return sum(max(sign * one, 0.0) for one in self.powers[name]) / 4.0

    def load(self) -> list[float]:
        """W that the site used in each quarter: what its consumers drew."""
        names = ("foundry", "hall", "compressors", "ev-charger")
        return [sum(each) for each in zip(*(self.powers[name] for name in names), strict=True)]


class Meter:
    """A device of the site: its source, and its registers as the plan reads them."""

    def __init__(self, config: DeviceConfig, started: float) -> None:
        assert config.device is not None  # none of these describes itself
        self.config = config
        self.source = Source(config, "works", started)
        self.plan: Plan = make_plan(config.device, config.quantities)
        self.source.equip(config.device, self.plan)

    def reading(self, time: int, monotonic: float, values: Mapping[str, float]) -> Reading:
        """What it shows."""
        image = bytearray(2 * self.plan.words)
        for place in self.plan.places:
            one = place.register
            struct.pack_into(CODES[one.type], image, 2 * place.position, values[one.quantity] / float(one.scale))
        return Reading(time, monotonic, bytes(image), b"\1" * self.plan.words)


def config(folder: Path, goals: GoalsConfig, parts: Iterable[Part] = PARTS) -> Config:
    """The site as a configuration has it."""
    devices = tuple(
        DeviceConfig(
            one.name,
            one.role,
            (device := FLOW if one.role in ("production", "capture", "fuel") else METER).name,
            device,
            parse("tcp://127.0.0.1"),
            1,
            interval=QUARTER,
            rated_power=one.rated_power,
            group=one.group,
            quantities=WANTED.get(one.role, SUB),
        )
        for one in parts
    )
    site = SiteConfig("works", ZONE, float(QUARTER))
    return Config(site, devices, SpoolConfig(folder, keep=400 * 86400.0), goals=goals)


async def live(config: Config, first: date, last: date) -> Truth:
    """Live from the beginning of a local day to that of another, and store it."""
    start, end = local(first), local(last)
    factory = Factory(PARTS, step=QUARTER, start=start)
    clock = Hands(start)
    meters = [Meter(one, 0.0) for one in config.devices]
    spool = Spool(config.spool.path, max_size=2**30, keep=config.spool.keep, sinks=())
    await spool.open()
    site = Site(config, [one.source for one in meters], spool, clock)  # type: ignore[arg-type]  # a clock by hand
    truth = Truth(start)
    counted = {one.name: factory._meters[one.name].count for one in factory.parts.values()}
    while True:
        for meter in meters:
            values = factory.values(meter.config.name)
            site.take(meter.source, meter.reading(clock.now, clock.passed, values))
        site.tick(clock.now)
        if clock.now >= end:
            break
        for name, part in factory.parts.items():
            truth.powers[name].append(factory._meters[name].power)
            if part.role == "grid":
                shown = factory.values(name)
                truth.reactive.append(shown["reactive_power_total"])
                truth.volts.append((shown["voltage_l1n"], shown["voltage_l2n"], shown["voltage_l3n"]))
        day = datetime.fromtimestamp(clock.now // NS, ZONE).date()
        clock.go(QUARTER)
        factory.advance(clock.now)
        for name in ("line", "stack"):
            count = factory._meters[name].count
            truth.counts[name][day] += count - counted[name]
            counted[name] = count
        if clock.now % (86_400 * NS) == 0:
            await spool.sync()
            await spool.pack(clock.now)
    await spool.sync()
    await spool.pack(clock.now)
    await spool.close()
    return truth


def prepared(folder: Path, goals: GoalsConfig) -> Config:
    """The configuration of a spool in a folder."""
    return replace(config(folder / "spool", goals))
