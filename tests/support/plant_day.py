"""A day of a simulated plant, in memory: its registers go through the maps to the real site; its ledger stands beside.

    day = PlantDay(tmp_path, plant("hybrid"), begin)
    day.live(24 * 3600)
    day.hours()                # the records of the hours
    sums_of(day.steps, 60)     # the ledger of the simulator, hour by hour

The plant's powers are constant within a step, which is a tick of the site. Each device is read at the beginning and at
the end of a step, so that the readings contain the whole truth except for the steps of the registers.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.terminal_reading import with_terminal
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.load import Config, read
from wattgram.config.site_table import SiteConfig
from wattgram.simulation.factory import Factory
from wattgram.simulation.plants import SimulatedPlant
from wattgram.simulation.serve_devices import served_unit
from wattgram.site.site import Site
from wattgram.store.spool import Spool
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan
from wattgram_drivers.simulated.register_encoding import encode
from wattgram_drivers.simulated.unit import is_counter

from tests.oracle.mix import Inflow, allocate
from tests.oracle.pool import Pool
from tests.oracle.wiring import Cell
from tests.support.plants import Hands

JUST_BEFORE = 0.001
"""Seconds before the end of a step at which its power is read a second time."""

READ = (
    "active_power_total", "active_energy_import", "active_energy_export", "energy_total", "energy_total_highres",
    "energy_export", "energy_import", "battery_power", "battery_energy_charge", "battery_energy_discharge", "frequency",
)  # fmt: skip
"""Quantities that are read, where a map has them; the site adds those of a terminal."""

Values = dict[str, dict[str, float]]


class RecordList(Spool):
    """A spool that keeps its records in a list, in memory, and writes none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, max_size=2**30, keep=1e8, sinks=())
        self.records: list[Record] = []

    def append(self, record: Record) -> None:
        self.records.append(record)


class PlantDay:
    """A plant, the site that reads it, and the records. step: s. begin: UTC ns, at the beginning of an hour.

    steps: the simulator's ledger, Wh by name in each step.
    """

    def __init__(self, folder: Path, plant: SimulatedPlant, begin: int, step: int = 60) -> None:
        self.step = step
        self.factory = Factory(plant.parts, step=step, start=begin)
        self.clock = Hands(begin)
        devices = plant.devices(parse("tcp://127.0.0.1:1502", listen=True))
        text = plant.configuration({served.part.name: served.endpoint for served in devices}, date(2026, 6, 24))
        self.text = text
        self.config = self._quick(read(text, folder / "site.toml", {}), step)
        units: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        by_name = {served.part.name: served for served in devices}
        for served in devices:
            units[served.bus, served.unit].append(served.part.name)
        self._units = [
            (names, served_unit([by_name[name] for name in names], self.factory, self.clock).values)
            for names in units.values()
        ]
        self.sources: dict[str, Source] = {}
        self._plans = {}
        for device in self.config.devices:
            assert device.device is not None  # the plants have no SunSpec device
            source = Source(device, "works", 0.0)
            self._plans[device.name] = make_plan(device.device, with_terminal(device, device.device))
            source.equip(device.device, self._plans[device.name])
            self.sources[device.name] = source
        spool = RecordList(folder)
        self.records = spool.records
        self.site = Site(self.config, list(self.sources.values()), spool, self.clock)
        self.steps: list[dict[str, float]] = []

    @staticmethod
    def _quick(config: Config, step: int) -> Config:
        """Return the configuration with a tick and readings of a step, and the quantities of the accounts alone."""

        def quick(device: DeviceConfig) -> DeviceConfig:
            known = device.device.quantities if device.device else ()
            return replace(device, interval=float(step), quantities=tuple(name for name in READ if name in known))

        site: SiteConfig = replace(config.site, tick=float(step))
        return replace(config, site=site, devices=tuple(quick(device) for device in config.devices))

    def live(self, seconds: int) -> None:
        """Live for some seconds: whole steps."""
        values, sums = self._shown(), self.factory.energies.energies()
        if not self.steps:
            self._read(values)
            self.site.tick(self.clock.now)
        for _ in range(seconds // self.step):
            self.factory.advance(self.clock.now + self.step * NS)
            energies, sums = sums, self.factory.energies.energies()
            self.steps.append({name: energy - energies.get(name, 0.0) for name, energy in sums.items()})
            before, values = values, self._shown()
            self.clock.go(self.step - JUST_BEFORE)
            self._read({name: {**row, **_counters(values[name])} for name, row in before.items()})
            self.clock.go(JUST_BEFORE)
            self._read(values)
            self.site.tick(self.clock.now)

    def hours(self) -> list[Record]:
        """Return the records of the whole hours."""
        return [
            record
            for record in self.records
            if record.series.kind == "emission" and record.series.tag("window") == "1h"
        ]

    def events(self) -> list[str]:
        """Return the events as "device: event"."""
        return [
            f"{record.series.tag('device')}: {record['event']}"
            for record in self.records
            if record.series.kind == "event"
        ]

    def _shown(self) -> Values:
        shown: Values = {}
        for names, values in self._units:
            row = dict(values())
            shown |= dict.fromkeys(names, row)
        return shown

    def _read(self, values: Values) -> None:
        for name, source in self.sources.items():
            plan, row = self._plans[name], values[name]
            image = bytearray(2 * plan.words)
            for place in plan.places:
                words = encode(place.register, row[place.register.quantity])
                struct.pack_into(f">{len(words)}H", image, 2 * place.position, *words)
            reading = Reading(self.clock.time(), self.clock.monotonic(), bytes(image), b"\1" * plan.words)
            self.site.take(source, reading)


def priced(steps: Iterable[Mapping[str, float]], grid: float) -> list[dict[str, float]]:
    """Return the carbon of each step, g: load, grid_export, battery_charge and battery_discharge.

    grid: constant factor, g/kWh. The mix and the batteries are the oracle's (METHOD 4.4, METHOD-SITE 9.6): one of each
    hybrid, and one pool of the others.
    """
    first = Fraction(grid) / 1000
    pools: defaultdict[str, Pool] = defaultdict(lambda: Pool(Cell(), first))
    found = []
    for step in steps:
        pv, imported, export, charge, discharge = (
            Fraction(step.get(name, 0.0))
            for name in ("pv", "grid_import", "grid_export", "battery_charge", "battery_discharge")
        )
        hybrids = [name.removesuffix(" battery_charge") for name in step if name.endswith(" battery_charge")]
        given = {name: Fraction(step.get(f"{name} battery_discharge", 0.0)) for name in hybrids}
        stored = {name: Fraction(step[f"{name} battery_charge"]) for name in hybrids}
        # the ledger's sums are floats: the others have the rest, but for its rounding
        given[""] = max(Fraction(0), discharge - sum(given.values()))
        stored[""] = max(Fraction(0), charge - sum(stored.values()))
        carbon = {name: energy * pools[name].price() for name, energy in given.items()}
        taken = sum(carbon.values(), Fraction(0))
        others = Inflow(imported + discharge, imported * first + taken)
        shares = allocate("proportional", (Inflow(pv), others), export, charge)
        for name, energy in stored.items():
            pools[name].charge(energy, shares.charge_carbon * energy / charge if charge else Fraction(0))
            pools[name].discharge(given[name], carbon[name])
        found.append(
            {
                "load": float(shares.load_carbon),
                "grid_export": float(shares.export_carbon),
                "battery_charge": float(shares.charge_carbon),
                "battery_discharge": float(taken),
            }
        )
    return found


def sums_of(steps: Sequence[Mapping[str, float]], length: int) -> list[dict[str, float]]:
    """Return the sums by name of each `length` steps."""
    found = []
    for begin in range(0, len(steps), length):
        sums: defaultdict[str, float] = defaultdict(float)
        for step in steps[begin : begin + length]:
            for name, amount in step.items():
                sums[name] += amount
        found.append(dict(sums))
    return found


def _counters(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if is_counter(name)}
