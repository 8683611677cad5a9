"""The product under the days of `exact_days`: a configuration of the oracle's site, and registers that follow a day."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.grid.signal import SUPPLIED, Signal
from wattgram.site.revision import Revision
from wattgram.store.history import History
from wattgram_drivers.device import Reading
from wattgram_drivers.plan import make_plan

from tests.oracle.wiring import Device, Site
from tests.support.exact_days import OFFICIAL, ExactDay
from tests.support.exact_maps import BARE, write_maps
from tests.support.wired_sites import WiredSite

DRIVERS = {
    "grid": "exact_meter",
    "load": "exact_meter",
    "ev": "exact_meter",
    "pv": "exact_string",
    "battery": "exact_battery",
    "genset": "exact_genset",
    "fuel": "exact_fuel",
}
POWERS = {"exact_battery": "battery_power"}
FUEL_PER_KWH = Fraction(1, 4)
"""Units of fuel that a genset of an invented day burns for a kWh."""
VOLTS, HERTZ = 230.0, 50.0


def driver(device: Device) -> str:
    """Return the driver of a device."""
    if device.terminal is None:
        return DRIVERS[device.role]
    if device.terminal.gives == "ports":
        return "exact_ports"
    return {"pv": "exact_bridge", "net": "exact_net", "": "exact_blind"}[device.terminal.dc]


def table(site: Site, device: Device, number: int, interval: float) -> str:
    """Return the table [[device]]."""
    rows: dict[str, object] = {
        "name": device.name,
        "role": device.role,
        "driver": driver(device) + ("" if device.counters else BARE),
        "url": f"tcp://10.0.{number // 200}.{number % 200 + 1}:502",
        "unit": 1,
        "interval": f"{interval:g}s",
    }
    if device.behind and device.behind in site.named:
        rows["behind"] = device.behind
    if device.group and device.role in ("load", "ev"):
        rows["group"] = device.group
    if device.rated is not None:
        rows["rated_power"] = f"{float(device.rated):g}W"
    if device.terminal is not None and device.terminal.backup:
        rows["backup"] = True
    if device.role == "genset":
        meters = [other for other in site.devices if other.role == "fuel" and other.feeds == device.name]
        if meters:
            rows |= {"fuel_meter": meters[0].name, "fuel_factor": float(meters[0].factor or 0)}
            rows["emission_factor"] = float((meters[0].factor or 0) * FUEL_PER_KWH)
    if device.role in ("pv", "genset") and device.factor is not None:
        rows["emission_factor"] = float(device.factor)
    if device.role == "fuel" and not device.feeds:
        rows["fuel_factor"] = float(device.factor or 0)
    if device.cell is not None:
        if device.cell.capacity is not None:
            rows["capacity"] = f"{float(device.cell.capacity):g}Wh"
        if device.cell.charging is not None and device.cell.discharging is not None:
            rows["charge_efficiency"] = float(device.cell.charging)
            rows["discharge_efficiency"] = float(device.cell.discharging)
    if device.silent_at_night:
        rows["night"] = "silent"
    lines = (f"{key} = {written(value)}" for key, value in rows.items())
    return "[[device]]\n" + "\n".join(lines) + "\n"


def written(value: object) -> str:
    """Return a value of TOML."""
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


class ExactSite(WiredSite):
    """The product's site of a day. `interval`: of the devices, s; by default that of the ticks."""

    def __init__(self, folder: Path, exact: ExactDay, interval: float | None = None) -> None:
        write_maps(folder)
        site = exact.day.site
        begin = int(exact.day.begin)
        self.exact = exact
        self.begin = begin
        signals = [
            Signal(float(value or 0), "direct", "feed", SUPPLIED, int(left) * NS, int(right) * NS)
            for left, right, value in exact.day.signal.pieces(begin, exact.day.end)
        ]
        tables = [table(site, device, number, interval or exact.tick) for number, device in enumerate(site.devices)]
        keys = "" if site.latitude is None else f"latitude = {site.latitude}\nlongitude = {site.longitude}\n"
        super().__init__(
            folder,
            *tables,
            tick=exact.tick,
            grid=f'[grid]\nmethod = "{site.method}"\nnetting = "{site.netting}"\nfactor_g_per_kwh = {float(OFFICIAL)}\n'
            f'[spool]\npath = "{folder}"\n',
            start=begin * NS,
            timezone=site.timezone,
            keys=keys,
            signals=signals,
        )
        self.revision = Revision(self.site, self.spool, self.clock)
        self.counted: dict[tuple[str, str, int], Fraction] = {}
        self.instant = 0
        self.plans = {config.name: make_plan(config.device) for config in self.config.devices if config.device}

    def count(self, tick: int) -> None:
        """Count the energy of a tick in each register's direction."""
        hours = Fraction(self.exact.tick, 3600)
        for name, quantity in self.exact.moments[tick]:
            power = self.exact.mean(tick, (name, quantity))
            key = (name, quantity, 1 if power >= 0 else -1)
            self.counted[key] = self.counted.get(key, Fraction(0)) + abs(power) * hours
        for device in self.exact.day.site.devices:
            if device.terminal is not None:
                mean = sum((self.exact.mean(tick, key) for key in self.terminal(device)), Fraction(0))
                key = (device.name, "terminal", 1 if mean >= 0 else -1)
                self.counted[key] = self.counted.get(key, Fraction(0)) + abs(mean) * hours

    def terminal(self, device: Device) -> list[tuple[str, str]]:
        """Return the keys of the registers whose sum is the terminal's power."""
        found = ((device.name, quantity) for quantity in ("bridge", "grid_port", "backup_power"))
        return [key for key in found if key in self.exact.moments[0]]

    def values(self, device: Device) -> dict[str, float]:
        """Return what the registers of a device hold now."""
        name, moment = device.name, self.exact.moments[self.instant]

        def counter(quantity: str, sign: int, of: str = name) -> float:
            return 1e6 + float(self.counted.get((of, quantity, sign), Fraction(0)))

        if device.terminal is None:
            power = float(moment[name, "power"])
            forward, backward = counter("power", 1), counter("power", -1)
            return {
                "active_power_total": power,
                "battery_power": power,
                "active_energy_import": forward,
                "active_energy_export": backward,
                "energy_total": forward,
                "battery_energy_discharge": forward,
                "battery_energy_charge": backward,
                "volume_total": forward,
            }
        battery = self.exact.day.site.battery_of(name)
        cells = (name, "battery") if battery is None else (battery.name, "power")
        return {
            "inverter_power_total": float(moment.get((name, "bridge"), 0)),
            "active_power_total": float(moment.get((name, "grid_port"), 0)),
            "backup_power": float(moment.get((name, "backup_power"), 0)),
            "dc_power": float(moment.get((name, "dc"), 0)),
            "battery_power": float(moment[cells]),
            "energy_export": counter("terminal", 1),
            "energy_import": counter("terminal", -1),
            "battery_energy_discharge": counter(cells[1], 1, cells[0]),
            "battery_energy_charge": counter(cells[1], -1, cells[0]),
            "energy_total": counter("dc", 1),
        }

    def read(self, names: Iterable[str] = ()) -> None:
        """Read all devices that answer now."""
        del names
        for device in self.exact.day.site.devices:
            if device.name in self.exact.silent[self.instant]:
                continue
            self.site.take(self.sources[device.name], self.reading(device))

    def reading(self, device: Device) -> Reading:
        """Return what a device answers now; a hybrid has no registers of a battery that is silent."""
        plan = self.plans[device.name]
        image, present = bytearray(2 * plan.words), bytearray(b"\1" * plan.words)
        values = self.values(device) | {"voltage_l1n": VOLTS + self.instant % 97 / 100, "frequency": HERTZ}
        battery = self.exact.day.site.battery_of(device.name)
        hidden = battery is not None and battery.name in self.exact.silent[self.instant]
        for place in plan.places:
            struct.pack_into(">d", image, 2 * place.position, values[place.register.quantity])
            if hidden and place.register.quantity.startswith("battery_"):
                present[place.position : place.position + 4] = bytes(4)
        return Reading(self.clock.time(), self.clock.monotonic(), bytes(image), bytes(present))

    async def play(self) -> None:
        """Let the day pass, with a revision after each settlement."""
        await self.spool.open()
        await self.site.restore()
        self.read()
        self.site.tick(self.clock.time())
        for tick in range(1, self.exact.ticks + 1):
            self.count(tick)
            self.instant = tick
            self.clock.go(self.exact.tick)
            self.read()
            self.site.tick(self.clock.time())
            while self.site.store_late():
                pass
            assert await self.revision.settle()
        await self.spool.sync()

    def stored(self, window: str) -> dict[int, Record]:
        """Return the windows on disk by begin, s, each in its highest revision."""
        found = History(self.config.spool.path, "works").windows(window, 0, 2**62)
        return {record.time // NS: record for record in found}
