"""Requests of zeros: an inverter at rest and an outage are true, an empty request beside a running inverter is void."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.validity import Judge
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load, names
from wattgram_drivers.device import Reading
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import Plan, make_plan

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT, NOON = (int(datetime(2026, 6, 1, hour, tzinfo=BERLIN).timestamp()) * 10**9 for hour in (1, 12))
RESTING = [
    name for name in names() if name != "sunspec" and load(name).night == "zeros" and load(name).kind == "inverter"
]
"""Maps of inverters whose registers are 0 at night."""

COUNTED = {55: 0, 56: 12345}
"""Total energy of a TL3-X, 1234.5 kWh."""

SUN = {**COUNTED, 1: 0, 2: 50000, 3: 6000, 4: 84}
"""The DC side delivers 5000 W from 600 V."""


def image_of(plan: Plan, words: Mapping[int, int]) -> bytes:
    """Return the image of these registers; the others are 0."""
    image = bytearray(2 * plan.words)
    for place in plan.places:
        for address, position in zip(place.register.addresses, place.positions, strict=True):
            struct.pack_into(">H", image, 2 * position, words.get(address, 0))
    return bytes(image)


def small_requests(words: Mapping[int, int], **settings: Any) -> dict[str, float]:
    """Return the values of a TL3-X behind a gateway that passes the AC side in a request of its own."""
    names = ("status", "dc_power", "active_power_total", "voltage_l1n", "frequency", "energy_total")
    device = load("growatt_tl3x")
    device = replace(device, limits=replace(device.limits, gap=0, max_registers=10))
    left_out = settings.pop("without", "")
    plan = make_plan(device, [name for name in names if name != left_out])
    judge = Judge(device, plan, role="pv", **settings)
    judged = judge.judge(Reading(NOON, 0.0, image_of(plan, words), b"\1" * plan.words))
    return dict(zip(judge.names, struct.unpack(f"{len(judge.names)}d", judged.values), strict=True))


def test_zeros_of_the_ac_side_alone_are_void_while_the_dc_side_delivers() -> None:
    values = small_requests(SUN)
    assert isnan(values["active_power_total"])
    assert isnan(values["voltage_l1n"])
    assert (values["dc_power"], values["energy_total"]) == (5000.0, 1.2345e6)


def test_zeros_of_the_ac_side_alone_are_void_while_the_state_says_running() -> None:
    assert isnan(small_requests({**COUNTED, 0: 1}, without="dc_power")["active_power_total"])


@pytest.mark.parametrize("words", [{**COUNTED, 0: 3, 3: 6000}, {**COUNTED, 0: 0}, {**COUNTED, 1: 0, 2: 900}])
def test_an_outage_is_zero(words: Mapping[int, int]) -> None:
    # A fault at an open circuit of 600 V; waiting; 90 W for the inverter itself
    assert small_requests(words)["active_power_total"] == 0.0


def test_a_dead_grid_port_of_a_hybrid_beside_dc_power_is_zero() -> None:
    device = load("sofar_g3")
    plan = make_plan(device, ["active_power_total", "voltage_l1n", "dc_power", "battery_power", "energy_total"])
    words = {register.address: 77 for register in device.registers if register.quantity in ("dc_power", "energy_total")}
    judge = Judge(device, plan, role="pv")
    judged = judge.judge(Reading(NOON, 0.0, image_of(plan, words), b"\1" * plan.words))
    values = dict(zip(judge.names, struct.unpack(f"{len(judge.names)}d", judged.values), strict=True))
    assert values["active_power_total"] == 0.0


@pytest.mark.parametrize("name", RESTING)
@pytest.mark.parametrize(("time", "state"), [(NIGHT, "good"), (NOON, "implausible")])
def test_a_device_that_sleeps_at_its_very_first_start_rests(name: str, time: int, state: str) -> None:
    device = load(name)
    source = Source(DeviceConfig("one", "pv", name, device, parse("tcp://h"), 1), "works", 0.0, BERLIN)
    plan = make_plan(device)
    source.equip(device, plan)
    for second in range(3):
        source.take(Reading(time + second * 10**9, float(second), bytes(2 * plan.words), b"\1" * plan.words))
    assert source.state(3.0) == state
    assert source.power(3.0) == 0.0 or state == "implausible"


def test_zeros_beside_a_single_word_with_content_are_no_rest() -> None:
    device = load("growatt_tl3x")
    plan = make_plan(device)
    judge = Judge(device, plan, role="pv")
    assert judge.judge(Reading(NIGHT, 0.0, image_of(plan, {0: 1}), b"\1" * plan.words)).withheld


def test_the_dc_power_of_an_inverter_that_charges_a_battery_is_no_ac_power() -> None:
    """A SUN2000 charges the battery of another map: 5 kW of DC power beside 50 W at its terminals."""
    device = load("huawei_sun2000")
    plan = make_plan(device, ["dc_power", "active_power_total"])
    addresses = {register.quantity: register.addresses[-1] for register in device.registers}
    image = image_of(plan, {addresses["dc_power"]: 5000, addresses["active_power_total"]: 50})
    judge = Judge(device, plan, role="pv")
    assert not any(judge.judge(Reading(NOON, 0.0, image, b"\1" * plan.words)).withheld for _ in range(4))


@pytest.mark.parametrize("role", ["grid", "pv"])
@pytest.mark.parametrize("name", ["growatt_sph", "growatt_tlx"])
def test_grid_and_load_are_unknown_while_the_inverter_that_measures_them_sleeps(name: str, role: str) -> None:
    device = load(name)
    powers = [quantity.lstrip("-") for kind in ("grid", "load") for quantity in device.roles[kind].power[0]]
    plan = make_plan(device, [*powers, "dc_power", "frequency"])
    judge = Judge(device, plan, role=role)
    ((address, *_),) = [place.register.addresses for place in plan.places if place.register.quantity == "frequency"]
    judge.judge(Reading(NOON, 0.0, image_of(plan, {address: 5000}), b"\1" * plan.words))
    asleep = judge.judge(Reading(NIGHT, 0.0, image_of(plan, {}), b"\1" * plan.words))
    values = dict(zip(judge.names, struct.unpack(f"{len(judge.names)}d", asleep.values), strict=True))
    assert all(isnan(values[quantity]) for quantity in powers)
    assert values["dc_power"] == 0.0
    assert asleep.withheld == ()
