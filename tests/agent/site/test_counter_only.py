"""A site whose meters show energies and no power, and one whose incomer copies its counter once an hour."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import floor, isnan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.site.site import Site
from wattgram.store.spool import Spool
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

from tests.agent.site.test_site import NOON, ManualClock

Register = Callable[[float], float]
ENERGIES = ("active_energy_import", "active_energy_export", "frequency")
TICK = 10.0


class CountingSite:
    """A site of SDM630 meters of which only these quantities are read."""

    def __init__(
        self,
        folder: Path,
        roles: Mapping[str, str],
        quantities: tuple[str, ...] = ENERGIES,
        rated_power: float | None = 100e3,
    ) -> None:
        meter = load("eastron_sdm630")
        self.clock = ManualClock(NOON)
        devices = tuple(
            DeviceConfig(
                name,
                role,
                meter.name,
                meter,
                parse("tcp://127.0.0.1"),
                1,
                interval=TICK,
                quantities=quantities,
                rated_power=rated_power,
            )
            for name, role in roles.items()
        )
        config = Config(
            SiteConfig("works", ZoneInfo("Asia/Shanghai"), TICK),
            devices,
            SpoolConfig(folder),
            grid=GridConfig("CN-CQ", factor=500.0),
        )
        self.spool = Spool(folder, max_size=2**30, keep=86400.0, sinks=())
        self.sources = {device.name: Source(device, "works", 0.0) for device in devices}
        self.plan = make_plan(meter, quantities)
        for source in self.sources.values():
            source.equip(meter, self.plan)
        self.site = Site(config, list(self.sources.values()), self.spool, self.clock)

    def run(self, seconds: float, shown: Mapping[str, Mapping[str, Register]]) -> None:
        """Read all meters and publish an instant each `TICK` seconds."""
        places = {place.register.quantity: place.position for place in self.plan.places}
        for _ in range(round(seconds / TICK)):
            second = (self.clock.now - NOON) / NS
            for name, registers in shown.items():
                image = bytearray(2 * self.plan.words)
                struct.pack_into(">f", image, 2 * places["frequency"], 50.0 + second % 7.0 / 100.0)
                for quantity, register in registers.items():
                    struct.pack_into(">f", image, 2 * places[quantity], register(second))
                reading = Reading(self.clock.time(), self.clock.monotonic(), bytes(image), b"\1" * self.plan.words)
                self.site.take(self.sources[name], reading)
            self.site.tick(self.clock.now)
            self.clock.now += int(TICK * NS)

    def records(self, kind: str, window: str = "") -> list[Record]:
        """Return the records that were appended."""
        return [
            record
            for record in self.spool._pending
            if record.series.kind == kind and (not window or record.series.tag("window") == window)
        ]

    @property
    def latest(self) -> Record:
        assert self.site.latest is not None
        return self.site.latest


def counting(power: float, start: float, step: float = 0.01) -> Register:
    """Return a register in kWh that counts whole steps of a constant power."""
    return lambda second: start + floor(power * second / 3.6e6 / step + 0.4) * step


def standing(_: float) -> float:
    """Return the register of a counter that does not move, kWh."""
    return 70.0


def test_quarter_hours_of_a_site_without_any_power_come_from_the_counters(tmp_path: Path) -> None:
    site = CountingSite(tmp_path, {"incomer": "grid", "roof": "pv", "hall": "load"})
    shown = {
        "incomer": {"active_energy_import": counting(36e3, 100.0), "active_energy_export": standing},
        "roof": {"active_energy_import": counting(18e3, 50.0), "active_energy_export": standing},
        "hall": {"active_energy_import": counting(27e3, 20.0), "active_energy_export": standing},
    }
    site.run(10.0, shown)
    load = site.latest["load_power"]
    assert isinstance(load, float)
    assert isnan(load)
    site.run(3 * 900.0 + 20.0, shown)
    assert {source.state(site.clock.monotonic()) for source in site.sources.values()} == {"good"}
    assert {str(record["quality"]) for record in site.records("device")} == {"estimated"}
    # 36 kW x 0.25 h, 18 kW x 0.25 h; the load is 54 kW x 0.25 h.
    for record in site.records("emission", "15m")[1:]:
        assert record["grid_import_energy"] == pytest.approx(9000.0, abs=10.0)
        assert record["grid_export_energy"] == 0.0
        assert record["pv_energy"] == pytest.approx(4500.0, abs=10.0)
        assert record["load_energy"] == pytest.approx(13_500.0, abs=20.0)
        assert record["emission_intensity"] == pytest.approx(500.0 * 36.0 / 54.0, abs=1.0)
    assert site.latest["load_power"] == pytest.approx(54e3, rel=0.02)


@pytest.mark.parametrize("rated", [100e3, None])
def test_an_incomer_that_copies_its_counter_once_an_hour_has_no_event(tmp_path: Path, rated: float | None) -> None:
    site = CountingSite(tmp_path, {"incomer": "grid"}, (*ENERGIES, "active_power_total"), rated)
    counter = counting(36e3, 100.0)
    shown: dict[str, dict[str, Register]] = {
        "incomer": {
            # The first copy comes 17 minutes after the start.
            "active_energy_import": lambda second: counter((second + 2580.0) // 3600.0 * 3600.0),
            "active_energy_export": lambda _: 0.0,
            "active_power_total": lambda _: 36e3,
        }
    }
    site.run(4 * 3600.0 + 10.0, shown)
    events = {str(record["event"]) for record in site.records("event")}
    assert not {event for event in events if "counter" in event or "meter" in event or "frozen" in event}
    qualities = {str(record["quality"]) for record in site.records("device")}
    assert qualities <= {"good", "estimated"}
    energies = [record["grid_import_energy"] for record in site.records("emission", "1h")]
    assert energies == pytest.approx([36e3] * 4, abs=20.0)
