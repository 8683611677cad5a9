"""Which quantity is a role's power, and what `invert` turns."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from wattgram.config import DeviceConfig
from wattgram.source import Source
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Device, Reading, Register
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

HERE = parse("tcp://127.0.0.1")


def made(kind: str, *quantities: str) -> Device:
    """A device whose quantities are 16-bit registers from 0 on; energies count kWh."""
    registers = tuple(
        Register(name, address, "holding", "i16", scale=Fraction(1000 if "energy" in name else 1))
        for address, name in enumerate(quantities)
    )
    return Device("made", "", "", kind, registers)  # type: ignore[arg-type]  # a kind from the test's table


def read(role: str, device: Device, values: list[int], *, invert: bool = False) -> Source:
    """A source after one reading of these words."""
    source = Source(DeviceConfig("one", role, "made", device, HERE, 1, invert=invert), "works", 0.0)
    plan = make_plan(device)
    source.equip(device, plan)
    source.take(Reading(0, 0.0, struct.pack(f">{plan.words}h", *values), b"\1" * plan.words))
    return source


@pytest.mark.parametrize(
    ("role", "kind", "quantities", "power"),
    [
        ("grid", "meter", ["active_power_total", "frequency"], 10.0),
        ("grid", "meter", ["active_power_l1", "active_power_l2", "active_power_l3"], 60.0),
        ("grid", "inverter", ["active_power_total", "meter_active_power_total"], 20.0),
        ("pv", "inverter", ["active_power_total", "meter_active_power_total"], 10.0),
        ("battery", "battery", ["active_power_total", "battery_power"], 20.0),
        ("battery", "meter", ["active_power_total"], 10.0),
        ("load", "meter", ["frequency", "active_power_total"], 20.0),
    ],
)
def test_a_roles_power_comes_from_the_quantity_that_is_about_it(
    role: str, kind: str, quantities: list[str], power: float
) -> None:
    source = read(role, made(kind, *quantities), [10, 20, 30][: len(quantities)])
    assert source.power(0.0) == power


def test_an_inverters_own_power_is_not_the_incomers() -> None:
    assert not read("grid", made("inverter", "active_power_total"), [10]).has_power


def test_invert_turns_powers_and_swaps_import_and_export() -> None:
    device = made("meter", "active_power_total", "active_energy_import", "active_energy_export", "voltage_l1n")
    source = read("grid", device, [-5, 1, 2, 230], invert=True)
    assert source.power(0.0) == 5.0
    assert source.latest is not None
    assert source.latest.record.as_dict() == {
        "quality": "good",
        "active_power_total": 5.0,
        "active_energy_import": 2000.0,
        "active_energy_export": 1000.0,
        "voltage_l1n": 230.0,
    }


def test_a_device_is_good_then_stale_and_one_that_never_answered_is_lost() -> None:
    device = load("eastron_sdm630")
    source = Source(DeviceConfig("one", "grid", device.name, device, HERE, 1, interval=5.0), "works", 0.0)
    assert [source.state(now) for now in (0.0, 15.0, 15.1)] == ["waiting", "waiting", "lost"]
    source.equip(device, make_plan(device))
    words = make_plan(device).words
    source.take(Reading(0, 100.0, bytes(2 * words), b"\1" * words))
    assert [source.state(now) for now in (100.0, 115.0, 115.1)] == ["good", "good", "stale"]
