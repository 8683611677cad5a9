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
from wattgram.config.role_keys import BatteryConfig, EfficiencyPoint, EmissionConfig, HeatConfig
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


class MixedSite:
    """A site of any maps; `shows` writes raw numbers into the registers of a device and reads it."""

    def __init__(self, folder: Path, devices: Sequence[DeviceConfig], grid: GridConfig | None = None) -> None:
        self.clock = Hands(START)
        site = SiteConfig("works", ZoneInfo("Asia/Shanghai"), 10.0)
        self.config = Config(site, tuple(devices), SpoolConfig(folder), grid=grid or GridConfig("CN-CQ"))
        self.spool = Spool(folder, max_size=2**30, keep=1e8, sinks=())
        self.sources = {device.name: Source(device, "works", 0.0) for device in devices}
        self.plans = {}
        for device in devices:
            assert device.device is not None
            self.plans[device.name] = make_plan(device.device)
            self.sources[device.name].equip(device.device, self.plans[device.name])
        self.site = Site(self.config, list(self.sources.values()), self.spool, self.clock)

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
            record
            for record in self.spool._pending
            if record.series.kind == "emission" and record.series.tag("window") == window
        ]


def meter(name: str, role: str, driver: str = "eastron_sdm630", **more: object) -> DeviceConfig:
    device = DeviceConfig(name, role, driver, load(driver), parse("tcp://127.0.0.1"), 1, interval=10.0)
    return replace(device, **more)  # type: ignore[arg-type]  # fields of a device


def test_a_fuel_meter_gives_the_emission_of_a_genset(tmp_path: Path) -> None:
    """100 kW for an hour; the fuel meter counts 25 kg at 3.2 kg of CO2 each: 80 kg, 800 g/kWh in place of 762."""
    emission = EmissionConfig(fuel_meter="diesel", fuel_factor=3200.0)
    plant = MixedSite(
        tmp_path,
        [
            meter("incomer", "grid"),
            meter("set", "genset", emission=emission),
            meter("diesel", "fuel", "siemens_sitrans_mass6000"),
        ],
    )
    for second in range(0, 7260, 10):
        power = 100e3
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("set", active_power_total=power, voltage_l1n=230 + second / 1e4)
        plant.shows("diesel", totalizer_1=1000.0 + 25.0 * second / 3600.0, density=850.0 + second / 1e4)
        tick = plant.tick()
        plant.clock.go(10.0)
    assert tick["scope1"] == pytest.approx(80e3 / 360, rel=1e-3)  # g in ten seconds
    second_hour = plant.windows("1h")[1]
    assert second_hour["scope1"] == pytest.approx(80e3, rel=1e-3)
    assert second_hour["fuel_intensity"] == pytest.approx(800.0, rel=1e-3)
    assert second_hour["emission"] == pytest.approx(80e3 + 50 * 558.1, rel=1e-3)


def test_counts_of_a_boiler_meter_are_not_stored_for_the_balance(tmp_path: Path) -> None:
    """A year of readings every ten seconds would be three million. Captured mass is used at every tick."""
    gas, stack = "suto_s430_gasflow", "siemens_sitrans_mass6000"
    plant = MixedSite(
        tmp_path, [meter("incomer", "grid"), meter("boiler", "fuel", gas), meter("stack", "capture", stack)]
    )
    for second in range(0, 600, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("boiler", volume_total=second << 16)  # the low word comes first
        plant.shows("stack", totalizer_1=500.0 + second)
        plant.tick()
        plant.clock.go(10.0)
    tracks = plant.site.instants._tracks
    assert max(len(track._points) for track in tracks.values()) <= 2


def test_captured_mass_has_its_own_ledger(tmp_path: Path) -> None:
    plant = MixedSite(tmp_path, [meter("incomer", "grid"), meter("stack", "capture", "siemens_sitrans_mass6000")])
    for second in range(0, 3620, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("stack", totalizer_1=500.0 + 36.0 * second / 3600.0)
        plant.tick()
        plant.clock.go(10.0)
    (hour,) = plant.windows("1h")
    assert hour["captured"] == pytest.approx(36e3, rel=1e-3)
    assert hour["emission"] == pytest.approx(50 * 558.1, rel=1e-6)


def test_the_first_state_of_charge_opens_the_stock_at_the_grid_intensity(tmp_path: Path) -> None:
    """METHOD 4.6: K0 = S0 EF. 40 % of 200 kWh are 80 kWh at 558.1 g/kWh; a discharge carries 558.1 / 0.95."""
    battery = BatteryConfig(capacity=200e3)
    plant = MixedSite(
        tmp_path, [meter("incomer", "grid"), meter("store", "battery", "huawei_luna2000", battery=battery)]
    )
    for second in range(0, 60, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("store", battery_power=-20e3, battery_soc=400, battery_voltage=7000 + second)
        tick = plant.tick()
        plant.clock.go(10.0)
    assert tick["battery_discharge_power"] == 20e3
    # The display stays at 40 %, which draws the stock back a little.
    assert tick["battery_intensity"] == pytest.approx(558.1 / 0.95, rel=1e-4)
    assert plant.site.books._accounts.stock()[0] == pytest.approx(80e3 - 50 / 3600 * 20e3 / 0.95, rel=1e-3)


def test_certificates_of_the_hour_are_matched_with_its_import(tmp_path: Path) -> None:
    """METHOD 4.8: 50 kWh of import, 20 kWh certified at 0: 30 kWh at the residual 609.6 g/kWh."""
    path = tmp_path / "certificates.csv"
    path.write_text("time,energy_kwh\n2026-06-01 12:00,20\n")
    plant = MixedSite(
        tmp_path, [meter("incomer", "grid")], GridConfig("CN-CQ", certificates=CertificatesConfig(path, 0.0))
    )
    for second in range(0, 3620, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.tick()
        plant.clock.go(10.0)
    (hour,) = plant.windows("1h")
    assert hour["matched_energy"] == pytest.approx(20e3)
    assert hour["scope2_market"] == pytest.approx(30 * 609.6)
    assert hour["scope2_location"] == pytest.approx(50 * 558.1)


@pytest.mark.parametrize(
    ("power", "matched", "market"),
    [
        (50e3, 40e3, 40 * 75 + 10 * 609.6),  # 40 kWh matched at (10 x 0 + 30 x 100) / 40 g/kWh
        (20e3, 20e3, 20 * 75),  # both streams share the import by their energy
    ],
)
def test_certificates_of_two_factors_count_with_their_mean(
    tmp_path: Path, power: float, matched: float, market: float
) -> None:
    """METHOD 4.8, sum of m_i EF_i, 10 kWh at 0 and 30 kWh at 100 g/kWh; the next hour has other ones."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("time,energy_kwh\n2026-06-01 12:00,10\n2026-06-01 13:00,100\n")
    second.write_text("time,energy_kwh\n2026-06-01 12:00,30\n")
    certificates = CertificatesConfig(first, 0.0, (second,), (0.0, 100.0))
    plant = MixedSite(tmp_path, [meter("incomer", "grid")], GridConfig("CN-CQ", certificates=certificates))
    for passed in range(0, 7220, 10):
        plant.shows("incomer", active_power_total=power, voltage_l1n=230 + passed / 1e4)
        plant.tick()
        plant.clock.go(10.0)
    hour, later = plant.windows("1h")
    assert hour["matched_energy"] == pytest.approx(matched)
    assert hour["scope2_market"] == pytest.approx(market)
    assert later["scope2_market"] == pytest.approx(0.0, abs=1e-6)


def test_sub_meters_are_published_by_group_with_the_rest(tmp_path: Path) -> None:
    plant = MixedSite(
        tmp_path,
        [meter("incomer", "grid"), meter("press", "load", group="industry"), meter("cars", "ev")],
    )
    for second in range(0, 920, 10):
        for name, power in (("incomer", 50e3), ("press", 30e3), ("cars", 5e3)):
            plant.shows(name, active_power_total=power, voltage_l1n=230 + second / 1e4)
        plant.tick()
        plant.clock.go(10.0)
    (quarter,) = plant.windows("15m")
    assert quarter["industry_energy"] == pytest.approx(7500.0)
    assert quarter["transport_emission"] == pytest.approx(1.25 * 558.1)
    assert quarter["rest_energy"] == pytest.approx(3750.0)


# fuel without electricity (METHOD-SITE 9.7)


def boiler(name: str, fuel: str, factor: float | None = None) -> DeviceConfig:
    return meter(name, "fuel", "siemens_sitrans_mass6000", emission=EmissionConfig(fuel=fuel, fuel_factor=factor))


def test_a_boiler_is_in_scope_1_and_in_no_intensity(tmp_path: Path) -> None:
    """23 Nm3 of natural gas at 2.162 kg/Nm3: 49.7 kg (METHOD-SITE 9.7), beside 50 kWh at 558.1 g/kWh."""
    gas = meter("boiler", "fuel", "suto_s430_gasflow", emission=EmissionConfig(fuel="natural_gas", fuel_factor=2162.0))
    plant = MixedSite(tmp_path, [meter("incomer", "grid"), gas])
    for second in range(0, 3620, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("boiler", volume_total=23 * second // 3600 << 16)  # the low word comes first
        plant.tick()
        plant.clock.go(10.0)
    (hour,) = plant.windows("1h")
    assert hour["scope1"] == pytest.approx(49_726)
    assert hour["heat_fuel_emission"] == hour["scope1"]
    assert (hour["emission"], hour["emission_intensity"]) == pytest.approx((50 * 558.1, 558.1))


def test_wood_is_apart_and_an_unknown_fuel_leaves_scope_1_absent(tmp_path: Path) -> None:
    devices = [meter("incomer", "grid"), boiler("stove", "wood", 1747.2), boiler("oven", "")]
    plant = MixedSite(tmp_path, devices)
    for second in range(0, 3620, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        for name in ("stove", "oven"):
            plant.shows(name, totalizer_1=1000.0 + 36.0 * second / 3600.0)
        tick = plant.tick()
        plant.clock.go(10.0)
    (hour,) = plant.windows("1h")
    assert hour["biogenic_emission"] == pytest.approx(36 * 1747.2, rel=3e-3)
    for record in (tick, hour):
        assert "scope1" not in record.as_dict()


def test_fuel_is_counted_while_the_incomer_is_silent(tmp_path: Path) -> None:
    """10 kg/h of coke at 3017.4 g/kg; the incomer is silent for a quarter of the hour."""
    plant = MixedSite(tmp_path, [meter("incomer", "grid"), boiler("oven", "coke", 3017.4)])
    for second in range(0, 3620, 10):
        if not 900 <= second < 1800:
            plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("oven", totalizer_1=1000.0 + 10.0 * second / 3600.0)
        plant.tick()
        plant.clock.go(10.0)
    (hour,) = plant.windows("1h")
    assert hour["coverage"] == pytest.approx(0.75, abs=0.02)
    assert hour["scope1"] == pytest.approx(10 * 3017.4, rel=1e-3)


@pytest.mark.parametrize(
    ("begin", "end", "known"),
    [(1200, 2400, True), (3580, 4200, True), (3000, 4200, False)],
    ids=["within the hour", "20 s of the hour", "over the end of the hour"],
)
def test_scope_1_of_an_hour_is_absent_if_its_end_has_no_fuel(tmp_path: Path, begin: int, end: int, known: bool) -> None:
    """10 kg/h of coke at 3017.4 g/kg. The fuel of the silence belongs to two hours, by time; nothing of it is lost."""
    plant = MixedSite(tmp_path, [meter("incomer", "grid"), boiler("oven", "coke", 3017.4)])
    for second in range(0, 3 * 3600 + 20, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        if not begin <= second < end:
            plant.shows("oven", totalizer_1=1000.0 + 10.0 * second / 3600.0)
        plant.tick()
        plant.clock.go(10.0)
    hours = plant.windows("1h")
    for name in ("scope1", "heat_fuel_emission"):
        assert [name in hour.as_dict() for hour in hours] == [known, True, True]
        told = [float(hour[name]) for hour in hours if name in hour.as_dict()]
        assert told == pytest.approx([10 * 3017.4] * len(told), rel=1e-2)
        if begin == 3580:  # the second hour has the fuel of 20 s of the first one
            assert sum(told) == pytest.approx(30 * 3017.4, rel=2e-3)


def test_the_heat_of_a_chp_is_in_scope_1(tmp_path: Path) -> None:
    """100 kW at 26.5 %: 100 / 0.265 x 199.9 g/kWh = 75.434 kg/h; half of it is the electricity's (`HALF`)."""
    emission = EmissionConfig(efficiency=(EfficiencyPoint(1.0, 0.265),), heat=HeatConfig(0.46, 0.53, 0.92))
    plant = MixedSite(tmp_path, [meter("incomer", "grid"), meter("engine", "chp", emission=emission)])
    for second in range(0, 3620, 10):
        plant.shows("incomer", active_power_total=50e3, voltage_l1n=230 + second / 1e4)
        plant.shows("engine", active_power_total=100e3, voltage_l1n=230 + second / 1e4)
        plant.tick()
        plant.clock.go(10.0)
    (hour,) = plant.windows("1h")
    assert hour["scope1"] == pytest.approx(75_434, rel=1e-4)
    assert hour["fuel_emission"] == pytest.approx(37_717, rel=1e-4)
    assert hour["emission"] == pytest.approx(37_717 + 50 * 558.1, rel=1e-4)
