"""Busbars and pools of a site (METHOD-SITE 8.4, 9.6)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.accounts.account_parts import AccountParts, account_parts, sourceless
from wattgram.accounts.hybrid_nodes import channels_of
from wattgram.accounts.row_layout import Layout
from wattgram.base.errors import ConfigError
from wattgram.config.load import Config, read

from tests.support.wired_sites import HEAD, device, zoned

CONNECTION = '[grid]\nnetting = "connection"\n'
A, B = device("a", "grid"), device("b", "grid", port=503)
ROOF = device("roof", "pv", "huawei_sun2000", 504, 'behind = "hall"')
LUNA = device("luna", "battery", "huawei_luna2000", 504)
HALL = device("hall", "load", port=505, more='behind = "b"')
STORE = device("store", "battery", "huawei_luna2000", 506, 'behind = "hall"')


def config(*devices: str, grid: str = "") -> Config:
    return read(HEAD.format(1.0) + zoned(grid) + "".join(devices), Path("site.toml"), {})


def parts(*devices: str, grid: str = "") -> AccountParts:
    return Layout.of(config(*devices, grid=grid)).parts


def pools(found: AccountParts) -> list[tuple[str, list[str]]]:
    return [(pool.name, [battery.name for battery in pool.batteries]) for pool in found.pools]


def test_a_site_has_one_busbar_and_one_pool() -> None:
    found = parts(A, B, device("roof", "pv", "goodwe_dt", 504))
    assert (found.incomers, found.busbars, pools(found)) == (("",), (0, 0, 0), [("", [])])
    assert pools(parts(A, HALL.replace('"b"', '""'), STORE)) == [("", ["store"])]


def test_a_device_is_on_the_busbar_of_the_incomer_that_contains_it() -> None:
    """Through a sub-meter and a hybrid inverter, also for the channels that the hybrid adds."""
    found = parts(A, B, HALL, ROOF, grid=CONNECTION)
    assert (found.incomers, found.busbars) == (("a", "b"), (0, 1, 1, 1, 1, 1))
    assert found.channels_on(1) == [1, 2, 3, 4, 5]
    found = parts(A, B, HALL, ROOF)
    assert (found.incomers, found.busbars) == (("",), (0, 0, 0, 0, 0, 0))


def test_each_hybrid_and_each_busbar_has_a_pool() -> None:
    second = device("store-2", "battery", "huawei_luna2000", 507, 'behind = "b"')
    third = device("store-3", "battery", "huawei_luna2000", 508, 'behind = "a"')
    west = device("west", "pv", "huawei_sun2000", 509, 'behind = "a"')
    devices = (A, B, HALL, ROOF, LUNA, STORE, second, third, west)
    found = parts(*devices, grid=CONNECTION)
    expected = [("roof", ["luna"]), ("b", ["store", "store-2"]), ("a", ["store-3"]), ("west", [])]
    assert pools(found) == expected
    assert [pool.busbar for pool in found.pools] == [1, 1, 0, 0]
    assert [pool.device for pool in found.pools] == ["roof", "b", "a", "west"]
    assert found.pool_indices == (0, 0, 0, 0, 0, 1, 1, 2, 0, 3, 0, 0)
    found = parts(*devices)
    assert pools(found) == [("roof", ["luna"]), ("", ["store", "store-2", "store-3"]), ("west", [])]
    assert [pool.device for pool in found.pools] == ["roof", "", "west"]


def test_the_rows_hold_a_state_of_charge_of_each_pool() -> None:
    large = STORE + 'capacity = "100 kWh"\n'
    assert [name for name in Layout.of(config(A, B, HALL, large)).fields if name.endswith("soc")] == ["soc"]
    fields = Layout.of(config(A, B, HALL, ROOF, LUNA, large)).fields
    assert [name for name in fields if name.endswith("soc")] == ["roof soc", "soc"]
    fields = Layout.of(config(A, B, HALL, ROOF, LUNA, large, grid=CONNECTION)).fields
    assert [name for name in fields if name.endswith("soc")] == ["roof soc", "b soc"]


def test_batteries_of_one_pool_have_a_capacity_each_or_none() -> None:
    large = STORE + 'capacity = "100 kWh"\n'
    config(A, B, HALL, ROOF, LUNA, large)
    second = device("store-2", "battery", "huawei_luna2000", 507, 'behind = "a"')
    config(A, B, HALL, ROOF, LUNA, large, second, grid=CONNECTION)
    with pytest.raises(ConfigError, match="store, store-2 are one pool"):
        config(A, B, HALL, ROOF, LUNA, large, second)


def test_an_incomer_without_a_channel_keeps_its_busbar() -> None:
    """Its device cannot measure its role, and what is behind the incomer is not on the busbar of another."""
    whole = config(A, B, HALL, grid=CONNECTION)
    devices = [replace(found, unsuitable="no power") if found.name == "b" else found for found in whole.devices]
    found = account_parts(devices, channels_of(devices), "connection")
    assert (found.incomers, found.busbars) == (("a", "b"), (0, 1))


def test_nothing_flows_out_of_a_busbar_without_a_source() -> None:
    layout = Layout.of(config(A, B, HALL, ROOF, grid=CONNECTION))
    assert sourceless(layout.parts, layout.channels) == {"a"}
    layout = Layout.of(config(A, B, HALL, ROOF))
    assert sourceless(layout.parts, layout.channels) == set()
