"""A year of the demonstration's factory, with a test bench, a food line, a boiler and a capture plant beside it.

The real site takes its meters' registers every quarter of an hour and stores what it makes of them; what the simulator
itself knows is kept beside it, as the ledger that a hand calculation goes by.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram.delivery.configuration import load
from wattgram.simulation.factory import Factory, demo_parts
from wattgram.simulation.machines import SitePart
from wattgram.site.site import Site
from wattgram.store.spool import Spool
from wattgram_drivers.device import Reading
from wattgram_drivers.plan import Plan, make_plan
from wattgram_drivers.simulated.register_encoding import encode

from tests.support.plants import Hands

ZONE = ZoneInfo("Asia/Shanghai")
QUARTER = 900
SITE = Path(__file__).with_suffix(".toml")
"""The site as its operator would describe it, with goals."""

PARTS = (
    *demo_parts(),
    SitePart("bench", "genset", 30e3),
    SitePart("line", "production", 900.0),
    SitePart("stack", "capture", 4.0),
    SitePart("boiler", "fuel", 12.0),
)
"""The demonstration's parts, and: engines on test that generate power; kg produced, kg of CO2 captured and m3 of gas.

The last three per hour of full work.
"""

COUNTED = ("line", "stack", "boiler")
COUNTERS = ("active_energy_import", "active_energy_export", "totalizer_1", "volume_total")
Values = dict[str, dict[str, float]]
"""By part and quantity, SI."""


def local(day: date) -> int:
    """UTC ns at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp()) * NS


def configured(folder: Path, interval: str = "15min") -> Path:
    """A file with the configuration of the site, whose spool is in that folder and whose meters are read so often."""
    path = folder / "site.toml"
    text = SITE.read_text().replace('path = "spool"', f'path = "{folder / "spool"}"')
    path.write_text(text.replace('interval = "15min"', f'interval = "{interval}"'))
    return path


@dataclass
class Truth:
    """The simulator's true values: by part, W in each quarter of an hour from the start; units counted by local day.

    reactive: var at the incomer. volts: of its three phases.
    """

    start: int
    powers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    reactive: list[float] = field(default_factory=list)
    volts: list[tuple[float, float, float]] = field(default_factory=list)
    counts: dict[str, dict[date, float]] = field(default_factory=dict)


class Meter:
    """A device of the site: its source, and its registers as the plan reads them."""

    def __init__(self, config: DeviceConfig, started: float) -> None:
        assert config.device is not None  # none of these describes itself
        self.config = config
        self.source = Source(config, "works", started)
        self.plan: Plan = make_plan(config.device, config.quantities)
        self.source.equip(config.device, self.plan)

    def image(self, values: Mapping[str, float]) -> bytes:
        """Return the register words for these values."""
        image = bytearray(2 * self.plan.words)
        for place in self.plan.places:
            words = encode(place.register, values[place.register.quantity])
            struct.pack_into(f">{len(words)}H", image, 2 * place.position, *words)
        return bytes(image)


async def live(path: Path, first: date, last: date, step: int = QUARTER) -> Truth:
    """Live from the beginning of a local day to that of another by a configuration, and store it.

    Power jumps where a step (s) begins, so it is read there and just before, as it would be by the second. A counter of
    matter does not jump, so it is read there alone.
    """
    config = load(path)
    start, end = local(first), local(last)
    factory = Factory(PARTS, step=step, start=start)
    clock = Hands(start)
    meters = [Meter(device, 0.0) for device in config.devices]
    spool = Spool(config.spool.path, max_size=2**30, keep=config.spool.keep, sinks=())
    await spool.open()
    site = Site(config, [meter.source for meter in meters], spool, clock)

    powered = [meter for meter in meters if meter.config.name not in COUNTED]

    def read(values: Values, meters: Sequence[Meter] = meters) -> None:
        for meter in meters:
            image = meter.image(values[meter.config.name])
            site.take(meter.source, Reading(clock.now, clock.passed, image, b"\1" * meter.plan.words))

    # In Shanghai the year begins eight hours before the time from which on a clock is believed.
    site.timekeeper._watch = replace(site.timekeeper._watch, earliest=start)
    truth = Truth(start, counts={name: defaultdict(float) for name in COUNTED})
    values = _shown(factory)
    while True:
        read(values)
        site.tick(clock.now)
        if clock.now >= end:
            break
        for _ in range(0, step, QUARTER):
            _note(truth, values)
        begin = clock.now
        factory.advance(begin + step * NS)
        before, values = values, _shown(factory)
        clock.go(step - 1)
        read(_nearly(before, values, (step - 1) / step), powered)
        for later in range(QUARTER, step, QUARTER):
            site.tick(begin + later * NS)
        day = datetime.fromtimestamp(clock.now // NS, ZONE).date()
        for name in COUNTED:
            truth.counts[name][day] += values[name]["totalizer_1"] - before[name]["totalizer_1"]
        clock.go(1)
        if clock.now % (86_400 * NS) == 0:
            await spool.sync()
            await spool.pack(clock.now)
    await spool.sync()
    await spool.pack(clock.now)
    await spool.close()
    return truth


def _shown(factory: Factory) -> Values:
    return {name: factory.values(name) for name in factory.parts}


def _nearly(before: Values, after: Values, part: float) -> Values:
    """Return the values after that part of a step: its power, and the counters so far."""
    return {
        name: row | {key: row[key] + part * (after[name][key] - row[key]) for key in COUNTERS if key in row}
        for name, row in before.items()
    }


def _note(truth: Truth, values: Values) -> None:
    """A quarter of an hour."""
    for name, row in values.items():
        if name not in COUNTED:
            truth.powers[name].append(row["active_power_total"])
    incomer = values["incomer"]
    truth.reactive.append(incomer["reactive_power_total"])
    truth.volts.append((incomer["voltage_l1n"], incomer["voltage_l2n"], incomer["voltage_l3n"]))
