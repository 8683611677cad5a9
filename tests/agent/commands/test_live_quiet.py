"""`check --live` on sites without a fault: the demonstration, every simulated device, machines at rest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.commands.live_check import check_live
from wattgram.commands.site_check import CheckReport
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config, read
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.simulation.factory import Factory, demo_parts
from wattgram.simulation.plant_names import HYBRID
from wattgram.simulation.plants import DEMO_DRIVERS, plant
from wattgram.simulation.serve_devices import ServedDevice, driver, serving
from wattgram.simulation.simulated_devices import of_config, of_driver, of_plant
from wattgram_drivers import catalogue
from wattgram_drivers.endpoint import Endpoint, parse

from tests.support import leaping_loop
from tests.support import misbehaving_device as bad
from tests.support.live_sites import MIDNIGHT, NOON, Site, f32, i32, unit
from tests.support.running_site import configuration, one_device
from tests.support.servers import free_port

ZONE = "Asia/Shanghai"
FREE_PORT = parse("tcp://127.0.0.1:0", listen=True)


def entry(served: ServedDevice, endpoint: Endpoint) -> DeviceConfig:
    part = served.part
    return DeviceConfig(
        part.name,
        part.role,
        served.driver,
        served.device,
        endpoint,
        served.unit,
        rated_power=part.rated_power,
        group=part.group,
    )


def checked(sites: list[list[ServedDevice]], time: int, folder: Path) -> CheckReport:
    """Return the report about simulated devices; the devices of each list are one factory."""

    async def main() -> CheckReport:
        clock = leaping_loop.LeapClock(time * 1_000_000_000)
        async with AsyncExitStack() as stack:
            configs = []
            for devices in sites:
                factory = Factory([served.part for served in devices], timezone=ZONE, start=clock.time())
                endpoints: Mapping[str, Endpoint] = await stack.enter_async_context(serving(devices, factory, clock))
                configs += [entry(served, endpoints[served.part.name]) for served in devices]
            await clock.sleep(3600.0)  # the counters are no longer 0
            site, spool = SiteConfig("works", ZoneInfo(ZONE)), SpoolConfig(folder)
            config = Config(site, tuple(configs), spool, GridConfig("CN-CQ"))
            report = CheckReport([])
            await check_live(config, report, clock)
            return report

    return leaping_loop.run(main())


@pytest.mark.parametrize("time", [NOON, MIDNIGHT])
@pytest.mark.slow(2)
def test_the_factory_of_the_demonstration_has_no_finding(time: int, tmp_path: Path) -> None:
    devices = [
        ServedDevice(bus, part, name, driver(name), FREE_PORT, number)
        for part in demo_parts()
        for name, bus, number in [DEMO_DRIVERS[part.name]]
    ]
    report = checked([devices], time, tmp_path)
    assert report.findings == []
    assert [answer for _, _, answer, _ in report.devices] == ["answers"] * len(devices)


@pytest.mark.parametrize("time", [NOON, MIDNIGHT])
@pytest.mark.slow(2)
def test_the_hybrid_plant_has_no_finding_with_the_configuration_of_simulate(time: int, tmp_path: Path) -> None:
    async def main() -> CheckReport:
        clock, site = leaping_loop.LeapClock(time * 1_000_000_000), plant(HYBRID)
        devices = of_plant(site, FREE_PORT, ())
        factory = Factory([served.part for served in devices], timezone=ZONE, start=clock.time())
        async with serving(devices, factory, clock) as endpoints:
            await clock.sleep(3600.0)
            report = CheckReport([])
            await check_live(
                read(site.configuration(endpoints, date(2026, 6, 24)), tmp_path / "site.toml", {}), report, clock
            )
            return report

    report = leaping_loop.run(main())
    assert report.findings == []
    # The loss of each hybrid is told; that roof-west draws 10 kW for its battery at night is no question.
    assert [note.partition(":")[0] for note in report.notes] == ["roof-east", "roof-west"]
    assert all(note.endswith("the loss of the conversion") for note in report.notes)
    assert [answer for _, _, answer, _ in report.devices] == ["answers"] * 11


@pytest.mark.slow(2)
def test_a_sunspec_hybrid_that_charges_from_the_grid_is_a_question(tmp_path: Path) -> None:
    """No register of the inverter tells the power of its battery, which is a device of its own."""
    port = free_port()
    devices = [one_device(name, role, "sunspec", port) for name, role in (("roof", "pv"), ("store", "battery"))]
    devices.append(one_device("incomer", "grid", "sunspec", port, rated_power="400 kW"))
    path = tmp_path / "site.toml"

    async def main() -> CheckReport:
        clock = leaping_loop.LeapClock(MIDNIGHT * 1_000_000_000)
        config = read(configuration(tmp_path, "".join(devices)), path, {})
        served = of_config(config, ())
        factory = Factory([member.part for member in served], timezone=ZONE, start=clock.time())
        async with serving(served, factory, clock):
            await clock.sleep(3600.0)
            report = CheckReport([])
            await check_live(config, report, clock)
            return report

    report = leaping_loop.run(main())
    assert report.findings == []
    assert [note for note in report.notes if "does it charge its battery?" in note]


@pytest.mark.parametrize("time", [NOON, MIDNIGHT])
@pytest.mark.slow(10)
def test_no_simulated_device_has_a_finding(time: int, tmp_path: Path) -> None:
    """The map of Sofar's legacy hybrids has no power at the terminals, which is a true finding of each site.

    Simulated inverters have no meter at the grid: Alpha's registers of it are a request of zeros.
    """
    true = ("sofar-hyd-legacy: offers no", "alpha-ess: meter_energy_export 0 Wh (holding 16: 0000 0000) is void")
    names = [*catalogue.names(), *catalogue.SUNSPEC_MEMBERS]
    sites = [of_driver(name, driver(name), FREE_PORT, None, None, ()) for name in names]
    report = checked(sites, time, tmp_path)
    assert len(report.devices) == len(names)
    assert [finding for finding in report.findings if not finding.startswith(true)] == []


def quiet(site: Site, name: str) -> list[str]:
    """Return the findings and notes about a device."""
    report = site.check()
    return [text for text in (*report.findings, *report.notes) if text.startswith(f"{name}: ")]


def test_an_inverter_that_sleeps_behind_a_quiet_line_is_a_question_and_the_incomer_is_read() -> None:
    meter = f32(0, 230.0, 230.0, 230.0) | f32(52, 9000.0) | f32(70, 50.0, 1234.5)
    site = Site(MIDNIGHT).add("incomer", "grid", "eastron_sdm630", unit(meter))
    site.add("roof", "pv", "huawei_sun2000", bad.silent).add("roof-2", "pv", "sunspec", bad.silent)
    report = site.check()
    assert report.findings == []
    assert sum("repeat the check by day" in note for note in report.notes) == 2


@pytest.mark.parametrize("driver", ["growatt_tl3x", "growatt_tlx"])
def test_a_dormant_inverter_with_zeros_is_a_question(driver: str) -> None:
    report = Site(MIDNIGHT).add("roof", "pv", driver, unit({})).check()
    assert report.findings == []
    assert any(note.startswith("roof: all ") and "does it stand still?" in note for note in report.notes)


def test_a_genset_at_rest_has_no_finding() -> None:
    """A meter at its terminals: 0 V, 0 Hz, 0 W, and the energy of earlier runs; or a new one, all 0."""
    counted = Site().add("genset", "genset", "eastron_sdm630", unit(f32(72, 0.0, 800.0)))
    assert quiet(counted, "genset") == []
    report = Site().add("genset", "genset", "eastron_sdm630", unit({})).check()
    assert report.findings == []


def test_a_feeder_without_voltage_has_no_finding() -> None:
    assert quiet(Site().add("hall", "load", "eastron_sdm630", unit(f32(72, 800.0))), "hall") == []


def test_a_meter_of_a_single_phase_has_no_finding() -> None:
    words = f32(0, 231.0) | f32(6, 5.0) | f32(12, 1150.0) | f32(52, 1150.0) | f32(70, 50.0, 55.5)
    assert quiet(Site().add("hall", "load", "eastron_sdm630", unit(words)), "hall") == []
    em24 = {0: 2310, 12: 5000, 18: 11500, 40: 11500, 55: 500, 62: 555}
    assert quiet(Site().add("hall", "load", "carlogavazzi_em24_din", unit(em24)), "hall") == []


def test_an_incomer_that_exports_has_no_finding() -> None:
    def meter(power: float) -> dict[int, int]:
        words = f32(0, 235.0, 236.0, 234.0) | f32(6, *[abs(power) / 3 / 235.0] * 3)
        return words | f32(12, *[power / 3] * 3) | f32(52, power) | f32(70, 50.0, 99.5, 44.4)

    site = Site().add("incomer", "grid", "eastron_sdm630", unit(meter(-20e3)))
    site.add("roof", "pv", "eastron_sdm630", unit(meter(30e3)))
    assert site.check().findings == []


def test_a_feeder_with_a_roof_behind_it_is_a_question() -> None:
    """The hall exports 20 kW of its roof's 30 kW; without any generator it must be reversed."""

    def meter(power: float) -> bad.Behaviour:
        return unit(f32(0, 235.0, 236.0, 234.0) | f32(52, power) | f32(70, 50.0, 99.5, 44.4))

    site = Site().add("incomer", "grid", "eastron_sdm630", meter(-15e3))
    site.add("hall", "load", "eastron_sdm630", meter(-20e3)).add("roof", "pv", "eastron_sdm630", meter(30e3))
    report = site.check()
    assert report.findings == []
    assert any(
        note.startswith("hall: ") and "does a generator feed in behind this meter?" in note for note in report.notes
    )
    site = (
        Site().add("incomer", "grid", "eastron_sdm630", meter(50e3)).add("hall", "load", "eastron_sdm630", meter(-20e3))
    )
    assert site.check().findings == ["hall: -20.000 kW is against the role load; try invert = true"]


def test_the_consumption_of_a_plant_at_night_is_a_question_and_a_reversed_plant_a_finding() -> None:
    def plant(power: float) -> bad.Behaviour:
        return unit(f32(0, 235.0, 236.0, 234.0) | f32(52, power) | f32(70, 50.0, 99.5, 44.4))

    night = Site(MIDNIGHT).add("plant", "pv", "eastron_sdm630", plant(-3000.0), rated_power="1MW").check()
    assert night.findings == []
    day = Site().add("plant", "pv", "eastron_sdm630", plant(-300e3), rated_power="1MW").check()
    assert day.findings == ["plant: -300.000 kW is against the role pv; try invert = true"]


def test_the_meter_whose_reversal_explains_an_impossible_balance_is_named() -> None:
    def meter(power: float) -> bad.Behaviour:
        return unit(f32(0, 235.0, 236.0, 234.0) | f32(52, power) | f32(70, 50.0, 99.5, 44.4))

    site = Site().add("incomer", "grid", "eastron_sdm630", meter(-50e3))
    site.add("roof", "pv", "eastron_sdm630", meter(10e3))
    (finding,) = site.check().findings
    assert finding.startswith("balance: the load would be -40.000 kW; a meter is reversed or a source is missing")
    assert finding.endswith("; try invert = true for incomer")


def test_a_battery_at_rest_has_no_finding() -> None:
    """Huawei LUNA2000: 37001 = 0 W, 37004 = 50.0 %, 37000 = 2 (running)."""
    words = {37000: 2, 37003: 7600, 37004: 500, 37022: 250} | i32(37001, 0) | i32(37066, 5000, 4800)
    assert Site().add("battery", "battery", "huawei_luna2000", unit(words)).check().findings == []


def test_a_change_between_two_readings_is_no_finding() -> None:
    """In the first reading the total is older than its phases."""
    turn: list[int] = []

    def act(request: bad.Request) -> list[bad.Step]:
        turn.append(request.address)
        total = 12000.0 if turn.count(request.address) == 1 else 6000.0
        words = f32(0, 230.0, 230.0, 230.0, 10.0, 10.0, 10.0, 2000.0, 2000.0, 2000.0)
        return list(unit(words | f32(52, total) | f32(70, 50.0, 99.5))(request))

    assert quiet(Site().add("hall", "load", "eastron_sdm630", act), "hall") == []


def test_a_sunspec_inverter_asleep_has_no_finding() -> None:
    """Model 103 with St 2 (sleeping) and all measured values not implemented; the counter remains."""
    words = {40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 66, 40070: 103, 40071: 50, 40122: 0xFFFF}
    words |= dict.fromkeys(range(40072, 40084), 0xFFFF) | dict.fromkeys(range(40084, 40110), 0x8000)
    words |= {40086: 0xFFFF, 40094: 0x000F, 40095: 0x4240, 40096: 0, 40108: 2, 40109: 0}
    report = Site(MIDNIGHT).add("roof", "pv", "sunspec", unit(words)).check()
    assert report.findings == []
    assert any(
        note.startswith("roof: no value for the power") and "repeat the check by day" in note for note in report.notes
    )


def test_floats_of_minus_zero_are_values() -> None:
    """A meter at rest of which only power and currents are read: 0x80000000 is -0.0."""
    words = dict.fromkeys((6, 8, 10, 12, 14, 16, 52), 0x8000)
    wanted = ["active_power_total", "current_l1", "current_l2", "current_l3"]
    site = Site().add("hall", "load", "eastron_sdm630", unit(words), quantities=wanted)
    assert quiet(site, "hall") == []
