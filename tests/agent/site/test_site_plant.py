"""A site with fuel meter, capture, state of charge and certificates; numbers by hand from METHOD."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.green_certificates import CertificatesConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.role_keys import BatteryConfig, EmissionConfig
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.site.site import Site
from wattgram.store.spool import Spool
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

from tests.support.plants import Hands

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS  # 12:00 in Shanghai
FORMAT = {"f32": ">f", "f64": ">d", "i32": ">i", "u16": ">H", "u32": ">I"}


class Mixed:
    """A site of any maps; `shows` puts raw numbers into the registers of one device and reads it."""

    def __init__(self, folder: Path, devices: Sequence[DeviceConfig], grid: GridConfig | None = None) -> None:
        self.clock = Hands(START)
        site = SiteConfig("works", ZoneInfo("Asia/Shanghai"), 10.0)
        self.config = Config(site, tuple(devices), SpoolConfig(folder), grid=grid or GridConfig())
        self.spool = Spool(folder, max_size=2**30, keep=1e8, sinks=())
        self.sources = {one.name: Source(one, "works", 0.0) for one in devices}
        self.plans = {}
        for one in devices:
            assert one.device is not None
            self.plans[one.name] = make_plan(one.device)
            self.sources[one.name].equip(one.device, self.plans[one.name])
        self.site = Site(self.config, list(self.sources.values()), self.spool, self.clock)  # type: ignore[arg-type]  # a clock by hand

    def shows(self, name: str, **raw: float) -> None:
        plan = self.plans[name]
        image = bytearray(2 * plan.words)
        for place in plan.places:
            if place.register.quantity in raw:
                number = raw[place.register.quantity]
                kind = FORMAT[place.register.type]
                struct.pack_into(kind, image, 2 * place.position, number if kind in (">f", ">d") else round(number))
        reading = Reading(self.clock.time(), self.clock.monotonic(), bytes(image), b"\1" * plan.words)
        self.site.take(self.sources[name], reading)

    def tick(self) -> Record:
        self.site.tick(self.clock.now)
        assert self.site.latest is not None
        return self.site.latest

    def windows(self, window: str) -> list[Record]:
        return [
            one for one in self.spool._pending if one.series.kind == "emission" and one.series.tag("window") == window
        ]


def meter(name: str, role: str, driver: str = "eastron_sdm630", **more: object) -> DeviceConfig:
    made = DeviceConfig(name, role, driver, load(driver), parse("tcp://127.0.0.1"), 1, interval=10.0)
    return replace(made, **more)  # type: ignore[arg-type]  # fields of a device


def test_a_fuel_meter_says_what_a_genset_emits(tmp_path: Path) -> None:
    """100 kW for an hour; the fuel meter counts 25 kg at 3.2 kg of CO2 each: 80 kg, 800 g/kWh in place of 762."""
    emission = EmissionConfig(fuel_meter="diesel", fuel_factor=3200.0)
    works = Mixed(
        tmp_path,
        [
            meter("incomer", "grid"),
            meter("set", "genset", emission=emission),
            meter("diesel", "fuel", "siemens_sitrans_mass6000"),
        ],
    )
    for second in range(0, 7260, 10):
        power = 100e3
        works.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        works.shows("set", active_power_total=power, voltage_l1n=230 + second / 1e4)
        works.shows("diesel", totalizer_1=1000.0 + 25.0 * second / 3600.0, density=850.0 + second / 1e4)
        tick = works.tick()
        works.clock.go(10.0)
    assert tick["scope1"] == pytest.approx(80e3 / 360, rel=1e-3)  # g in ten seconds
    second_hour = works.windows("1h")[1]
    assert second_hour["scope1"] == pytest.approx(80e3, rel=1e-3)
    assert second_hour["fuel_intensity"] == pytest.approx(800.0, rel=1e-3)
    assert second_hour["emission"] == pytest.approx(80e3 + 50 * 558.1, rel=1e-3)


def test_what_a_boilers_meter_counts_is_not_kept_for_a_balance_that_never_asks(tmp_path: Path) -> None:
    """A year of readings every ten seconds would be three million; what is captured is asked for at every tick."""
    gas, stack = "suto_s430_gasflow", "siemens_sitrans_mass6000"
    works = Mixed(tmp_path, [meter("incomer", "grid"), meter("boiler", "fuel", gas), meter("stack", "capture", stack)])
    for second in range(0, 600, 10):
        works.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        works.shows("boiler", volume_total=second << 16)  # the low word comes first
        works.shows("stack", totalizer_1=500.0 + second)
        works.tick()
        works.clock.go(10.0)
    tracks = works.site._instants._tracks
    assert max(len(one._points) for one in tracks.values()) <= 2


def test_captured_mass_is_in_a_ledger_of_its_own(tmp_path: Path) -> None:
    works = Mixed(tmp_path, [meter("incomer", "grid"), meter("stack", "capture", "siemens_sitrans_mass6000")])
    for second in range(0, 3620, 10):
        works.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        works.shows("stack", totalizer_1=500.0 + 36.0 * second / 3600.0)
        works.tick()
        works.clock.go(10.0)
    (hour,) = works.windows("1h")
    assert hour["captured"] == pytest.approx(36e3, rel=1e-3)
    assert hour["emission"] == pytest.approx(50 * 558.1, rel=1e-6)


def test_the_first_state_of_charge_opens_the_stock_at_the_grids_intensity(tmp_path: Path) -> None:
    """METHOD 4.6: K0 = S0 EF. 40 % of 200 kWh are 80 kWh at 558.1 g/kWh; a discharge carries 558.1 / 0.95."""
    battery = BatteryConfig(capacity=200e3)
    works = Mixed(tmp_path, [meter("incomer", "grid"), meter("store", "battery", "huawei_luna2000", battery=battery)])
    for second in range(0, 60, 10):
        works.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        works.shows("store", battery_power=-20e3, battery_soc=400, battery_voltage=7000 + second)
        tick = works.tick()
        works.clock.go(10.0)
    assert tick["battery_discharge_power"] == 20e3
    # The display stays at 40 %, which draws the stock back a little.
    assert tick["battery_intensity"] == pytest.approx(558.1 / 0.95, rel=1e-4)
    assert works.site.books._accounts.stock()[0] == pytest.approx(80e3 - 50 / 3600 * 20e3 / 0.95, rel=1e-3)


def test_certificates_of_the_hour_are_matched_with_its_import(tmp_path: Path) -> None:
    """METHOD 4.8: 50 kWh of import, 20 kWh certified at 0: 30 kWh at the residual 609.6 g/kWh."""
    path = tmp_path / "certificates.csv"
    path.write_text("time,energy_kwh\n2026-06-01 12:00,20\n")
    works = Mixed(tmp_path, [meter("incomer", "grid")], GridConfig(certificates=CertificatesConfig(path, 0.0)))
    for second in range(0, 3620, 10):
        works.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        works.tick()
        works.clock.go(10.0)
    (hour,) = works.windows("1h")
    assert hour["matched_energy"] == pytest.approx(20e3)
    assert hour["scope2_market"] == pytest.approx(30 * 609.6)
    assert hour["scope2_location"] == pytest.approx(50 * 558.1)


def test_sub_meters_are_told_by_group_with_the_rest(tmp_path: Path) -> None:
    works = Mixed(
        tmp_path,
        [meter("incomer", "grid"), meter("press", "load", group="industry"), meter("cars", "ev")],
    )
    for second in range(0, 920, 10):
        for name, power in (("incomer", 50e3), ("press", 30e3), ("cars", 5e3)):
            works.shows(name, active_power_total=power, voltage_l1n=230 + second / 1e4)
        works.tick()
        works.clock.go(10.0)
    (quarter,) = works.windows("15m")
    assert quarter["industry_energy"] == pytest.approx(7500.0)
    assert quarter["transport_emission"] == pytest.approx(1.25 * 558.1)
    assert quarter["rest_energy"] == pytest.approx(3750.0)
