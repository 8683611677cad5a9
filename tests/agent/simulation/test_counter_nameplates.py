"""The counters of a simulated configuration count what such a site can make and burn."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.config.load import Config
from wattgram.delivery.configuration import read
from wattgram.simulation.counter_nameplates import nameplate, place_of
from wattgram.simulation.factory import Factory
from wattgram.simulation.plants import plant
from wattgram.simulation.simulated_devices import of_config
from wattgram_drivers.endpoint import parse

SITE = """
[site]
name = "works"
timezone = "{timezone}"
[grid]
zone = "DE"
[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
"""

FUEL = """
[[device]]
name = "fuel"
role = "fuel"
driver = "{driver}"
url = "tcp://127.0.0.1:1503"
quantities = ["{quantity}"]
"""

GENSET = """
[[device]]
name = "genset"
role = "genset"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1504"
rated_power = "100 kW"
fuel = "diesel"
efficiency = 0.4
fuel_meter = "fuel"
fuel_factor = 2650000
"""


def config_of(text: str, folder: Path) -> Config:
    return read(text, folder / "site.toml")


def test_the_configuration_of_the_demonstration_has_the_rates_of_the_demonstration(tmp_path: Path) -> None:
    site = plant("standard")
    endpoints = {
        bus: parse(f"tcp://127.0.0.1:{1502 + place}")
        for place, bus in enumerate(dict.fromkeys(bus for _, bus, _ in site.drivers.values()))
    }
    text = site.configuration({name: endpoints[bus] for name, (_, bus, _) in site.drivers.items()}, date(2026, 6, 24))
    parts = {served.part.name: served.part for served in of_config(config_of(text, tmp_path), ())}
    assert parts["castings"].rated_power == pytest.approx(215.0, rel=0.001)  # kg/h
    assert parts["boiler"].rated_power == pytest.approx(4.0, rel=0.002)  # m3/h


@pytest.mark.parametrize(
    ("driver", "quantity", "keys", "units"),
    [
        # 43.3 kW by the heat of a unit: 10.814 kWh/m3 of natural gas (METHOD 1.2), IPCC 2006 43.0 GJ/t of diesel
        ("suto_s430_gasflow", "volume_total", 'fuel = "natural_gas"', 4.004),
        ("siemens_sitrans_mass6000", "totalizer_1", 'fuel = "diesel"', 43.3 * 3.6 / 43.0),
        ("suto_s430_gasflow", "volume_total", "fuel_factor = 1081", 43.3 * 201.96 / 1081),  # half of natural gas
    ],
)
def test_a_fuel_meter_counts_the_fuel_of_a_boiler(
    tmp_path: Path, driver: str, quantity: str, keys: str, units: float
) -> None:
    text = SITE.format(timezone="Europe/Berlin") + FUEL.format(driver=driver, quantity=quantity) + keys
    config = config_of(text, tmp_path)
    assert nameplate(config.devices[1], config) == pytest.approx(units, rel=0.02)


@pytest.mark.slow(1)
def test_the_fuel_of_a_week_is_that_of_its_genset(tmp_path: Path) -> None:
    text = SITE.format(timezone="Europe/Berlin") + FUEL.format(driver="suto_s430_gasflow", quantity="volume_total")
    config = config_of(text + 'fuel = "diesel"\nfuel_factor = 2650000\n' + GENSET, tmp_path)
    start = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * NS
    factory = Factory(
        [served.part for served in of_config(config, ())], timezone="Europe/Berlin", start=start, step=900
    )
    factory.advance(start + 7 * 86_400 * NS)
    electricity = factory.ledger()["genset"][0] / 1000.0  # kWh
    volume = factory.values("fuel")["volume_total"] - 1000.0 * factory.parts["fuel"].rated_power  # m3
    heat = volume * 2_650_000 / 266.76  # kWh; diesel has 74.1 kg/GJ (IPCC 2006)
    assert electricity / heat == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize(
    ("timezone", "longitude"),
    [("Europe/Berlin", 15.0), ("Asia/Kolkata", 82.5), ("America/Los_Angeles", -120.0), ("Asia/Shanghai", 106.5)],
)
def test_the_sun_of_a_site_without_coordinates_is_that_of_its_time_zone(
    tmp_path: Path, timezone: str, longitude: float
) -> None:
    assert place_of(config_of(SITE.format(timezone=timezone), tmp_path))["longitude"] == longitude
