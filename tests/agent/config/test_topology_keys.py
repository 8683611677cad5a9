"""What stands behind what, without a word of configuration and with one (METHOD-SITE 8.1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from wattgram.base.errors import ConfigError
from wattgram.config.load import Config, read

HEAD = '[grid]\nzone = "CN-CQ"\n[site]\nname = "plant"\ntimezone = "UTC"\n'


def device(name: str, role: str, driver: str = "eastron_sdm630", port: int = 502, unit: int = 1, more: str = "") -> str:
    return (
        f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "{driver}"\nurl = "tcp://10.0.0.1:{port}"\n'
        f"unit = {unit}\n{more}\n"
    )


ROOF = device("roof", "pv", "huawei_sun2000")


def site(*devices: str, grid: str = "") -> Config:
    return read(HEAD + grid + "".join(devices), Path("site.toml"), {})


def behind(config: Config) -> dict[str, tuple[str, ...]]:
    return {found.name: found.behind for found in config.devices}


def test_a_battery_on_an_inverters_unit_is_behind_it_without_a_word() -> None:
    same = device("store", "battery", "huawei_luna2000")
    assert behind(site(ROOF, same)) == {"roof": (), "store": ("roof",)}
    assert behind(site(same, ROOF)) == {"roof": (), "store": ("roof",)}
    other_unit = device("store", "battery", "huawei_luna2000", unit=2)
    other_bus = device("store", "battery", "huawei_luna2000", port=503)
    assert behind(site(ROOF, other_unit))["store"] == behind(site(ROOF, other_bus))["store"] == ()


def test_the_configuration_says_otherwise() -> None:
    on_busbar = device("store", "battery", "huawei_luna2000", more='behind = ""')
    assert behind(site(ROOF, on_busbar))["store"] == ()
    hall = device("hall", "load", port=503)
    in_hall = device("store", "battery", "huawei_luna2000", more='behind = "hall"')
    assert behind(site(ROOF, hall, in_hall))["store"] == ("hall",)


def test_a_battery_on_the_unit_of_its_inverter_is_in_it() -> None:
    def inside(*devices: str) -> list[str]:
        return [found.name for found in site(ROOF, *devices).devices if found.in_inverter]

    assert inside(device("store", "battery", "sunspec")) == ["store"]
    assert inside(device("store", "battery", "sunspec", more='behind = ""')) == []
    assert inside(device("store", "battery", "sunspec", unit=2, more='behind = "roof"')) == []
    assert inside(device("hall", "load", port=503), device("furnace", "load", port=503, more='behind = "hall"')) == []


def test_inverters_may_share_a_battery() -> None:
    second = device("roof-2", "pv", "huawei_sun2000", port=504)
    shared = device("store", "battery", "huawei_luna2000", port=505, more='behind = ["roof", "roof-2"]')
    assert behind(site(ROOF, second, shared))["store"] == ("roof", "roof-2")


def test_a_device_may_be_named_before_it_is_described() -> None:
    config = site(device("furnace", "load", port=503, more='behind = "hall"'), device("hall", "load", port=504))
    assert behind(config) == {"furnace": ("hall",), "hall": ()}


def test_a_circle_is_one_mistake_at_its_first_device() -> None:
    with pytest.raises(ConfigError) as raised:
        site(
            device("b", "load", port=503, more='behind = "a"'),
            device("a", "load", port=504, more='behind = "b"'),
            device("c", "load", port=505, more='behind = "a"'),
        )
    assert raised.value.mistakes == [
        "site.toml: device[2] (a).behind: found a circle: a behind b behind a; allowed: a tree"
    ]


def test_only_an_inverter_with_a_battery_has_a_backup_port() -> None:
    assert site(device("roof", "pv", "huawei_sun2000", more="backup = true")).devices[0].backup
    with pytest.raises(ConfigError, match="goodwe_dt, which has no backup port"):
        site(device("roof", "pv", "goodwe_dt", more="backup = true"))
