"""A site of SDM630 meters under a clock that is set by hand; the test sets the power and counters of each meter."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.config.accounts_table import AccountsConfig
from wattgram.config.correction_table import CorrectionConfig
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.role_keys import BatteryConfig
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.grid.feed import Feed
from wattgram.site.revision import Revision
from wattgram.site.site import Site
from wattgram.store.history import History
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import ClockStatus
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

METER = load("eastron_sdm630")


class Hands(Clock):
    """A clock that is set by hand."""

    def __init__(self, time: int) -> None:
        super().__init__()
        self.now = time
        self.passed = 0.0

    def time(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.passed

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * NS)
        self.passed += seconds

    async def sleep(self, seconds: float) -> None:
        self.go(seconds)


class Plant:
    """Meters whose counters follow their power exactly; each is read with every tick."""

    def __init__(
        self,
        folder: Path,
        roles: Mapping[str, str],
        start: int,
        *,
        tick: float = 1.0,
        grid: GridConfig | None = None,
        feeds: Sequence[Feed] = (),
        timezone: str = "Asia/Shanghai",
        clock: Hands | None = None,
        batteries: BatteryConfig | None = None,
        sinks: Sequence[str] = (),
        counted: Mapping[str, Sequence[float]] | None = None,
        clock_status: ClockStatus | None = None,
        night: str = "",
        position: tuple[float, float] | None = None,
        behind: Mapping[str, str] | None = None,
        uncertainty: bool = True,
        groups: Mapping[str, str] | None = None,
        corrections: Sequence[CorrectionConfig] = (),
    ) -> None:
        self.clock = clock or Hands(start)
        devices = tuple(
            DeviceConfig(name, role, METER.name, METER, parse("tcp://127.0.0.1"), 1, interval=tick, rated_power=500e3)
            for name, role in roles.items()
        )
        devices = tuple(replace(device, night=night) if device.role == "pv" else device for device in devices)
        if batteries is not None:
            devices = tuple(
                replace(device, battery=batteries) if device.role == "battery" else device for device in devices
            )
        if behind:
            devices = tuple(
                replace(device, behind=(behind[device.name],)) if device.name in behind else device
                for device in devices
            )
        devices = tuple(replace(device, group=(groups or {}).get(device.name, "")) for device in devices)
        site = SiteConfig("works", ZoneInfo(timezone), tick, *(position or ()))
        accounts = AccountsConfig(uncertainty)
        self.config = Config(
            site,
            devices,
            SpoolConfig(folder),
            grid=grid or GridConfig("CN-CQ"),
            accounts=accounts,
            corrections=tuple(corrections),
        )
        self.spool = Spool(folder, max_size=2**30, keep=1e8, sinks=sinks)
        self.sources = {device.name: Source(device, "works", self.clock.monotonic()) for device in devices}
        self.plan = make_plan(METER)
        for source in self.sources.values():
            source.equip(METER, self.plan)
        self.site = Site(self.config, list(self.sources.values()), self.spool, self.clock, feeds, clock_status)
        self.revision = Revision(self.site, self.spool, self.clock)
        self.counters = {name: list((counted or {}).get(name, (1000.0, 1000.0))) for name in roles}
        self._powers = dict.fromkeys(roles, 0.0)
        self._places = {place.register.quantity: place.position for place in self.plan.places}

    def flow(self, seconds: float, **watts: float) -> None:
        """Change the power to these values in a straight line and count its energy, kWh; no meter is read."""
        for name, power in watts.items():
            key = name.replace("_", "-")
            mean = (self._powers[key] + power) / 2.0
            self.counters[key][mean < 0.0] += abs(mean) * seconds / 3.6e6
            self._powers[key] = power
        self.clock.go(seconds)

    def read(self, *names: str, volts: float = 230.0) -> None:
        """Read the named meters now; by default all."""
        for name in names or self.counters:
            image = bytearray(2 * self.plan.words)
            values = {
                "active_power_total": self._powers[name],
                "active_energy_import": self.counters[name][0],
                "active_energy_export": self.counters[name][1],
                "voltage_l1n": volts,
                "frequency": 50.0,
            }
            for quantity, value in values.items():
                struct.pack_into(">f", image, 2 * self._places[quantity], value)
            reading = Reading(self.clock.time(), self.clock.monotonic(), bytes(image), b"\1" * self.plan.words)
            self.site.take(self.sources[name], reading)

    def tick(self, seconds: float = 1.0, **watts: float) -> Record:
        """Let time pass, then read every meter and make a tick."""
        self.flow(seconds, **watts)
        self.read()
        self.site.tick(self.clock.now)
        assert self.site.latest is not None
        return self.site.latest

    async def settle(self) -> None:
        """Compute closed quarters with late energy again, as `Revision.run` does."""
        while self.site.store_late():
            pass
        assert await self.revision.settle()
        await self.spool.sync()

    def stored(self, window: str) -> list[Record]:
        """Return the windows on disk, each in its highest revision."""
        return list(History(self.config.spool.path, "works").windows(window, 0, 2**62))

    def appended(self, kind: str, window: str = "") -> list[Record]:
        """Return the appended records that are not yet on disk."""
        return [
            record
            for record in self.spool._pending
            if record.series.kind == kind and (not window or record.series.tag("window") == window)
        ]

    def events(self) -> list[str]:
        """Return the appended events."""
        return [str(record["event"]) for record in self.appended("event")]
