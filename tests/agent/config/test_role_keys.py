"""docs/plant.md describes the configuration of batteries, producers and certificates as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from wattgram.accounts.fuel import RENEWABLE_CARBON, factor, rate
from wattgram.config.fuel_properties import FUEL_CARBON, NATURAL_GAS_PER_M3
from wattgram.config.load import Config
from wattgram.config.role_keys import ASSUMED, KEYS, BatteryConfig
from wattgram.delivery.configuration import read

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "plant.md").read_text()
SITE = '[grid]\nzone = "CN-CQ"\n[site]\nname = "works"\ntimezone = "Asia/Shanghai"\n'


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table of the page that begins with a head."""
    table = PAGE[PAGE.index(f"| {head} |") :].partition("\n\n")[0]
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


STREAMS = "[[grid.certificates]]"


def sample(folder: Path, *, streams: bool = False) -> Config:
    """Load all samples of the page as one configuration, with several streams of certificates or with one."""
    toml, csv = (re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for kind in ("toml", "csv"))
    (folder / "certificates.csv").write_text(csv[0])
    other = "[grid.certificates]" if streams else STREAMS
    return read(SITE + "\n".join(text for text in toml if not text.startswith(other)), folder / "site.toml")


def test_the_page_has_every_key_with_its_roles() -> None:
    page_keys = {key: tuple(re.findall(r"\w+", roles)) for key, roles, *_ in rows("key")}
    assert page_keys == KEYS


def test_the_page_has_the_defaults() -> None:
    defaults = {key: re.findall(r"[\w.]+", default) for key, _, default, _ in rows("key")}
    battery = BatteryConfig()
    for key in ("charge_efficiency", "discharge_efficiency", "self_discharge"):
        assert [float(text) for text in defaults[key]] == [getattr(battery, key)]
    genset, chp = ASSUMED["genset"], ASSUMED["chp"]
    assert [defaults["fuel"][0], defaults["fuel"][1]] == [genset.fuel, chp.fuel]
    assert [float(defaults["efficiency"][0]), float(defaults["efficiency"][1])] == [genset.efficiency, chp.efficiency]
    assert float(defaults["fuel_factor"][0]) == NATURAL_GAS_PER_M3
    assert f"{genset.factor:g} g/kWh" in PAGE
    assert f"{chp.factor:g} g/kWh" in PAGE
    for family in RENEWABLE_CARBON.values():
        for value in family.values():
            assert re.search(rf"\b{value:g} \(", PAGE)


def test_the_page_has_the_fuels() -> None:
    assert {name: float(value) for name, value, *_ in rows("fuel")} == FUEL_CARBON


def test_the_samples_of_the_page_are_valid(tmp_path: Path) -> None:
    config = sample(tmp_path)
    devices = {device.name: device for device in config.devices}
    assert list(devices) == ["store", "standby-set", "gas-engine", "gas", "boiler"]
    assert devices["store"].battery == BatteryConfig(200e3, 0.96, 0.96, 0.0001)
    assert rate(devices["standby-set"], 250e3) == pytest.approx(180_270.27)  # 250 / 0.37 x 266.8
    # 0.82 of 0.82 + 0.48889: 0.62649 of the carbon, so of 199.9 / 0.41, and of 10 m3/h x 2162
    assert factor(devices["gas-engine"], config.grid) == pytest.approx(305.45, abs=0.01)
    assert rate(devices["gas-engine"], 0.0, 10.0) == pytest.approx(13_544.7, abs=0.1)
    assert devices["boiler"].emission.fuel_factor == NATURAL_GAS_PER_M3
    assert config.grid.certificates is not None


def test_the_sample_of_several_streams_is_valid(tmp_path: Path) -> None:
    config = sample(tmp_path, streams=True)
    assert [(stream.id, stream.self_used) for stream in config.grid.streams] == [("gec-2026", False), ("roof", True)]
    assert config.grid.certificates is None  # none by the hour
