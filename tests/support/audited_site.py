"""A site with PV, battery and a silent meter over a change of the clock, of a factor and of the grid's past values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import pi, sin
from pathlib import Path

from wattgram.base.clock import NS
from wattgram.grid.signal import SUPPLIED, Signal
from wattgram.site.revision import Revision
from wattgram_drivers.device import Reading
from wattgram_drivers.plan import make_plan

from tests.support.exact_maps import write_maps
from tests.support.wired_sites import WiredSite, device

TICK = 300.0
STEP = 24.0
"""Powers are multiples of this, W, so that the energy of a tick is a whole number of Wh: counters are exact."""
HOUR = 3600 * NS


class AuditedSite(WiredSite):
    """Incomer, roof, store and hall with exact registers, from a time on, UTC ns.

    elapsed: s since the begin of the whole story, which the powers follow. factor: g/kWh of the roof.
    """

    def __init__(self, folder: Path, start: int, signals: Iterable[Signal], factor: float, elapsed: float) -> None:
        write_maps(folder)
        pace = f'interval = "{TICK:g}s"\n'
        efficiencies = "charge_efficiency = 0.95\ndischarge_efficiency = 0.9\n"
        super().__init__(
            folder,
            device("incomer", "grid", "exact_meter", 502, f'{pace}rated_power = "100 kW"\n'),
            device("roof", "pv", "exact_string", 503, f"{pace}emission_factor = {factor}\n"),
            device("store", "battery", "exact_battery", 504, pace + efficiencies),
            device("hall", "load", "exact_meter", 505, f'{pace}group = "industry"\n'),
            tick=TICK,
            grid=f'[spool]\npath = "{folder}"\n',
            start=start,
            timezone="Europe/Berlin",
            signals=list(signals),
        )
        self.elapsed = elapsed
        self.counted: dict[tuple[str, int], float] = {}
        self.silent: frozenset[str] = frozenset()
        self.plans = {config.name: make_plan(config.device) for config in self.config.devices if config.device}
        self.revision = Revision(self.site, self.spool, self.clock)
        self.at(elapsed)

    def at(self, elapsed: float) -> dict[str, float]:
        """Return the powers at a time, W: load, sun by day, the store charged at noon and discharged in the evening."""
        hour = elapsed / 3600.0 % 24.0
        sun = max(0.0, 30e3 * sin((hour - 6.0) / 12.0 * pi)) if 6.0 < hour < 18.0 else 0.0
        store = -6000.0 if 10.0 <= hour < 14.0 else 4800.0 if 18.5 <= hour < 22.0 else 0.0
        load = 12e3 + 3e3 * sin(elapsed / 1000.0)
        load, sun, hall = (STEP * round(power / STEP) for power in (load, sun, 0.7 * load))
        return {"incomer": load - sun - store, "roof": sun, "store": store, "hall": hall}

    def read(self, names: Iterable[str] = ()) -> None:
        """Read the devices that answer."""
        del names
        for name in self.plans:
            if name not in self.silent:
                self.site.take(self.sources[name], self.reading(name))

    def reading(self, name: str) -> Reading:
        """Return what the registers of a device hold now."""
        power = self.at(self.elapsed)[name]
        forward, backward = (1e6 + self.counted.get((name, sign), 0.0) for sign in (1, -1))
        values = {
            "voltage_l1n": 230.0 + self.elapsed % 97 / 100.0,
            "frequency": 50.0,
            **dict.fromkeys(("active_power_total", "battery_power"), power),
            **dict.fromkeys(("active_energy_import", "battery_energy_discharge", "energy_total"), forward),
            **dict.fromkeys(("active_energy_export", "battery_energy_charge"), backward),
        }
        plan = self.plans[name]
        image = bytearray(2 * plan.words)
        for place in plan.places:
            struct.pack_into(">d", image, 2 * place.position, values[place.register.quantity])
        return Reading(self.clock.time(), self.clock.monotonic(), bytes(image), bytes(b"\1" * plan.words))

    def go(self, ticks: int) -> None:
        """Let ticks pass; counters follow the mean of the powers at both ends."""
        for _ in range(ticks):
            before = self.at(self.elapsed)
            self.elapsed += TICK
            now = self.at(self.elapsed)
            for name, power in now.items():
                mean = (power + before[name]) / 2.0
                key = name, 1 if mean >= 0.0 else -1
                self.counted[key] = self.counted.get(key, 0.0) + abs(mean) * TICK / 3600.0
            self.clock.go(TICK)
            self.read()
            self.site.tick(self.clock.time())

    async def begin(self) -> None:
        """Start."""
        await self.spool.open()
        await self.site.restore()
        self.read()
        self.site.tick(self.clock.time())

    async def end(self) -> None:
        """Settle what counters told, and stop."""
        while self.site.store_late():
            pass
        assert await self.revision.settle()
        await self.spool.sync()
        await self.spool.pack(self.clock.time())
        await self.spool.close()


def hourly(begin: int, end: int, values: tuple[float, ...]) -> list[Signal]:
    """Return signals that change each hour, from `begin` to `end`, UTC ns; the values in turn, g/kWh."""
    return [
        Signal(values[index % len(values)], "direct", "feed", SUPPLIED, start, start + HOUR)
        for index, start in enumerate(range(begin, end, HOUR))
    ]
