"""Several members of one SunSpec unit in a configuration and in the commands, with real servers."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import equipped
from wattgram.base.clock import Clock
from wattgram.base.errors import ConfigError
from wattgram.base.power_roles import ROLES
from wattgram.config.devices_table import DeviceConfig
from wattgram.delivery.configuration import load
from wattgram_drivers.driver_errors import BadAnswer
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served

from tests.support.command_runs import started, wattgram
from tests.support.running_site import configuration, one_device
from tests.support.servers import free_port

SITE = '[grid]\nzone = "CN-CQ"\n'

SITE += '[site]\nname = "works"\n[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "{}"\nurl = "tcp://h"\n'

SECTIONS = (
    sunspec_serve.Section((103,), "Acme", "Roof 110", "SN-1"),
    sunspec_serve.Section((203,), "Acme", "Meter", "SN-2"),
    sunspec_serve.Section((203,), "Acme", "Meter", "SN-3"),
    sunspec_serve.Section((802,), "Acme", "Bank", "SN-4"),
    sunspec_serve.Section((307, 302), "Acme", "Mast", "SN-5"),
)


@pytest.mark.parametrize(
    "driver", ["sunspec", "sunspec:meter", "sunspec:meter2", "sunspec:inverter", "sunspec:battery", "sunspec:sensor"]
)
def test_a_configuration_names_a_member(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(driver))
    (device,) = load(path).devices
    assert (device.driver, device.device) == (driver, None)


@pytest.mark.parametrize("driver", ["sunspec:metre", "sunspec:meter0", "sunspec:", "sunspec:meter2x"])
def test_an_unknown_member_is_refused_with_the_nearest_name(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(driver))
    with pytest.raises(ConfigError, match=rf"driver: found '{driver}', nearest: 'sunspec(:meter)?'"):
        load(path)


def equipped_member(role: str, driver: str) -> tuple[str, str]:
    """Return name and serial number of the member of a unit with SECTIONS that a device gets by its role and driver."""
    members, words = sunspec_serve.chains(SECTIONS)

    async def run() -> tuple[str, str]:
        battery = Served(members[3], lambda: {"battery_soc": 0.5}, words)  # without a value it is not there
        simulator = Simulator(parse("tcp://127.0.0.1:0", listen=True), {1: battery})
        place = await simulator.start()
        bus = Bus(place)
        try:
            source = Source(DeviceConfig("one", role, driver, None, place, 1), "works", Clock().monotonic())
            reader = await equipped(bus, source)
        finally:
            await bus.close()
            await simulator.stop()
        return reader.device.name, reader.device.serial

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("roles", "member"),
    [
        (("grid", "load", "ev"), ("sunspec:meter", "SN-2")),
        (("pv", "wind", "hydro", "genset", "chp"), ("sunspec:inverter", "SN-1")),
        (("battery",), ("sunspec:battery", "SN-4")),
        (("weather",), ("sunspec:sensor", "SN-5")),
        (("production", "capture", "fuel"), ("sunspec:inverter", "SN-1")),
    ],
)
def test_a_role_picks_its_member(roles: tuple[str, ...], member: tuple[str, str]) -> None:
    assert set(roles) <= set(ROLES)
    for role in roles:
        assert equipped_member(role, "sunspec") == member


def test_a_member_name_takes_precedence_over_the_role() -> None:
    assert equipped_member("grid", "sunspec:meter2") == ("sunspec:meter2", "SN-3")
    assert equipped_member("battery", "sunspec:inverter") == ("sunspec:inverter", "SN-1")
    with pytest.raises(BadAnswer, match="no sunspec:inverter2 in this unit; found sunspec:inverter, sunspec:meter, "):
        equipped_member("pv", "sunspec:inverter2")


@pytest.mark.slow(4)
def test_the_members_of_a_unit_are_simulated_checked_and_read(tmp_path: Path) -> None:
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    devices = one_device("incomer", "grid", "sunspec", port, rated_power="400 kW")
    devices += one_device("roof", "pv", "sunspec", port, rated_power="100 kW")
    devices += one_device(
        "hall", "load", "sunspec:meter3", port, rated_power="60 kW", quantities=["active_power_total"]
    )
    devices += one_device("store", "battery", "sunspec:battery", port)
    devices += one_device("mast", "weather", "sunspec", port)
    path = tmp_path / "wattgram.toml"
    path.write_text(configuration(tmp_path, devices))
    with started(tmp_path / "simulate", "simulate", "-c", str(path)) as simulated:
        simulated.says("store: sunspec:battery as battery at")
        live = json.loads(wattgram("check", "-c", str(path), "--live", "--format", "json").out)
        read = {
            name: json.loads(wattgram("read", url, "--driver", name, "--format", "json").out)["values"]
            for name in (
                "sunspec",
                *(f"sunspec:{member}" for member in ("meter", "meter2", "meter3", "battery", "sensor")),
            )
        }
        missing = wattgram("read", url, "--driver", "sunspec:inverter2")
        simulated.ended(signal.SIGINT)
    assert [
        finding for finding in live["findings"] if finding.startswith(("incomer", "roof", "hall", "store", "mast"))
    ] == []
    assert "status" in read["sunspec"], "without a role the first AC side, the inverter"
    assert read["sunspec:meter"]["active_energy_import"] > 0
    assert read["sunspec:meter2"] == {}, "stands before the third and measures nothing"
    assert {"active_power_total", "active_energy_import"} <= set(read["sunspec:meter3"])
    assert 0 <= read["sunspec:battery"]["battery_soc"] <= 1
    assert {"irradiance", "wind_speed", "temperature_ambient"} <= set(read["sunspec:sensor"])
    assert not any("power" in name for name in read["sunspec:sensor"])
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith("wattgram read: no sunspec:inverter2 in this unit; found sunspec:inverter, sunspec:m")
    assert missing.err.count("\n") == 1


@pytest.mark.slow(2)
def test_one_member_is_simulated_by_its_name(tmp_path: Path) -> None:
    listen = f"tcp://127.0.0.1:{free_port()}"
    with started(tmp_path / "simulate", "simulate", "sunspec:meter", "--listen", listen) as simulated:
        simulated.says("sunspec-meter: sunspec:meter as grid at")
        values = json.loads(wattgram("read", listen, "--driver", "sunspec", "--format", "json").out)["values"]
        simulated.ended(signal.SIGINT)
    assert {"active_energy_import", "active_power_l1"} <= set(values)


def test_the_catalogue_shows_the_page_of_a_member_and_suggests_member_names() -> None:
    assert wattgram("drivers", "sunspec:meter").out == wattgram("drivers", "sunspec").out
    refused = wattgram("read", "tcp://127.0.0.1:1", "--driver", "sunspec:inverted")
    assert refused.code == 2
    assert "nearest: 'sunspec:inverter'" in refused.err
