"""Which fuel belongs to scope 1, and in which column: METHOD-SITE 9.7."""

from __future__ import annotations

from typing import Any

from wattgram.accounts.heat_fuel import columns_of, owned, unknown_fuels
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.role_keys import EmissionConfig, HeatConfig
from wattgram_drivers.endpoint import parse

HERE = parse("tcp://127.0.0.1")


def device(name: str, role: str, **settings: Any) -> DeviceConfig:
    return DeviceConfig(name, role, "driver", None, HERE, 1, emission=EmissionConfig(**settings))


def test_a_site_without_burners_needs_no_column() -> None:
    assert columns_of([device("incomer", "grid"), device("set", "genset")]) == ()


def test_the_fuel_meter_of_a_generator_is_in_its_electricity() -> None:
    devices = [device("set", "genset", fuel_meter="oil"), device("oil", "fuel", fuel="diesel", fuel_factor=3186.0)]
    assert owned(devices) == {"oil"}
    assert columns_of(devices) == ()


def test_a_boiler_the_heat_of_a_chp_wood_and_heat_have_columns() -> None:
    boiler = device("boiler", "fuel", fuel="natural_gas", fuel_factor=2162.0)
    assert columns_of([boiler]) == ("burnt",)
    assert columns_of([device("engine", "chp", heat=HeatConfig(0.44, 0.5, 0.9))]) == ("burnt",)
    assert columns_of([device("stove", "fuel", fuel="wood", fuel_factor=1747.2)]) == ("biogenic",)
    assert columns_of([device("district", "heat")]) == ("heat",)


def test_a_meter_of_an_unnamed_fuel_is_unknown() -> None:
    devices = [device("boiler", "fuel"), device("oil", "fuel"), device("set", "genset", fuel_meter="oil")]
    assert unknown_fuels(devices) == ("boiler",)
