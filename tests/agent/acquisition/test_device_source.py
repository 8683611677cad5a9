"""The quantity that is the power of a role, the effect of `invert`, and the counted energy of a reading."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from math import isnan
from zoneinfo import ZoneInfo

import pytest
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram.counters.metering import MeteredStep
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Device, Kind, Reading, Register, RoleReads
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

from tests.support.kind_roles import with_roles

HERE = parse("tcp://127.0.0.1")


def device_with(kind: Kind, *quantities: str) -> Device:
    """Return a device with its quantities as 16-bit registers from 0 on; energies count kWh."""
    registers = tuple(
        Register(name, address, "holding", "i16", scale=Fraction(1000 if "energy" in name else 1))
        for address, name in enumerate(quantities)
    )
    return with_roles(Device("made", "", "", kind, registers))


def source_after(role: str, device: Device, values: list[int], *, invert: bool = False) -> Source:
    """Return a source after one reading of these words."""
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
def test_the_power_of_a_role_comes_from_its_own_quantity(
    role: str, kind: Kind, quantities: list[str], power: float
) -> None:
    source = source_after(role, device_with(kind, *quantities), [10, 20, 30][: len(quantities)])
    assert source.power(0.0) == power


def test_the_power_of_an_inverter_is_not_the_power_of_the_incomer() -> None:
    assert not source_after("grid", device_with("inverter", "active_power_total"), [10]).has_power


def test_invert_negates_powers_and_swaps_import_and_export() -> None:
    device = device_with("meter", "active_power_total", "active_energy_import", "active_energy_export", "voltage_l1n")
    source = source_after("grid", device, [-5, 1, 2, 230], invert=True)
    assert source.power(0.0) == 5.0
    assert source.latest is not None
    assert source.latest.record.as_dict() == {
        "quality": "good",
        "active_power_total": 5.0,
        "active_energy_import": 2000.0,
        "active_energy_export": 1000.0,
        "voltage_l1n": 230.0,
    }


def test_a_device_is_good_then_stale_and_a_device_that_never_answered_is_lost() -> None:
    device = load("eastron_sdm630")
    source = Source(DeviceConfig("one", "grid", device.name, device, HERE, 1, interval=5.0), "works", 0.0)
    assert [source.state(now) for now in (0.0, 15.0, 15.1)] == ["waiting", "waiting", "lost"]
    source.equip(device, make_plan(device))
    plan = make_plan(device)
    image = bytearray(2 * plan.words)
    for place in plan.places:
        if place.register.quantity in ("voltage_l1n", "frequency"):
            struct.pack_into(">f", image, 2 * place.position, 230.0 if place.register.address == 0 else 50.0)
    source.take(Reading(0, 100.0, bytes(image), b"\1" * plan.words))
    assert [source.state(now) for now in (100.0, 115.0, 115.1)] == ["good", "good", "stale"]


def counting(
    device: Device, role: str, *readings: list[int], invert: bool = False, rated_power: float = 50e3
) -> Source:
    """Return a source after readings of these words, a second apart."""
    config = DeviceConfig("one", role, "made", device, HERE, 1, invert=invert, rated_power=rated_power)
    source = Source(config, "works", 0.0)
    plan = make_plan(device)
    source.equip(device, plan)
    for number, words in enumerate(readings):
        image = struct.pack(f">{plan.words}H", *words)
        source.take(Reading(number * NS, float(number), image, b"\1" * plan.words))
    return source


def metered_step(source: Source) -> MeteredStep:
    assert source.latest is not None
    return source.latest.metered


def test_a_reading_counts_the_energy_since_the_previous_reading() -> None:
    # 1 kWh counters in 16 bits.
    device = device_with("meter", "active_energy_import", "active_energy_export")
    source = counting(device, "grid", [100, 7], [101, 7])
    assert metered_step(source)[:3] == (1000.0, 0.0, "good")
    inverted = counting(device, "grid", [100, 7], [101, 7], invert=True)
    assert metered_step(inverted)[:3] == (0.0, 1000.0, "good")


def test_a_glitch_is_a_quality_of_the_record_and_its_value_stays() -> None:
    device = device_with("meter", "active_energy_import", "active_energy_export")
    source = counting(device, "grid", [100, 7], [0, 7])
    assert source.latest is not None
    assert source.latest.record.as_dict() == {
        "quality": "glitch",
        "active_energy_import": 0.0,
        "active_energy_export": 7000.0,
    }
    assert metered_step(source).negative == 0.0
    (occurrence,) = metered_step(counting(device, "grid", [100, 7], [0, 7], [100, 7], invert=True)).occurrences
    # The event names the field of the record, so with `invert` the other direction.
    assert occurrence == ("counter glitch", "active_energy_export: 100000 Wh, then 0 Wh")


def test_a_counter_wraps_at_its_width_times_its_current_scale() -> None:
    # SunSpec: acc32 with a scale factor of 1, so it ends at 2^32 x 10 Wh; 0 is not a value.
    register = Register("energy_total", 0, "holding", "u32", scale_address=2, invalid=(0,))
    device = with_roles(Device("made", "", "", "inverter", (register,)))
    source = counting(device, "pv", [0xFFFF, 0xFFFD, 1], [0, 2, 1])
    assert metered_step(source)[:3:2] == (50.0, "rollover")
    assert source.latest is not None
    assert source.latest.record["quality"] == "estimated"  # it has no power: METHOD-SITE 9.4
    (occurrence,) = metered_step(source).occurrences
    assert occurrence == ("counter rollover", "energy_total: 42949672930 Wh, then 20 Wh")


def test_transformer_ratios_are_part_of_a_counters_scale() -> None:
    # Acrel: raw x 0.01 kWh x PT x CT; with 10 and 40 a count is 4 kWh, and 16 bits end at 262 144 kWh.
    device = Device(
        "made",
        "",
        "",
        "meter",
        (
            Register("active_energy_import", 0, "holding", "u16", scale=Fraction(10), factors=("pt_ratio", "ct_ratio")),
            Register("pt_ratio", 1, "holding", "u16"),
            Register("ct_ratio", 2, "holding", "u16"),
        ),
    )
    source = counting(with_roles(device), "grid", [0xFFFF, 10, 40], [0, 10, 40], rated_power=400e3)
    assert metered_step(source)[:3:2] == (4000.0, "rollover")
    assert metered_step(source).resolution == (4000.0, 0.0)


def test_quantities_that_are_not_read_are_not_counted() -> None:
    device = device_with("meter", "active_energy_import", "active_energy_export", "active_power_total")
    config = DeviceConfig("one", "grid", "made", device, HERE, 1, quantities=("active_power_total",))
    source = Source(config, "works", 0.0)
    plan = make_plan(device, config.quantities)
    source.equip(device, plan)
    source.take(Reading(0, 0.0, b"\0\1", b"\1"))
    assert [str(number) for number in metered_step(source)[:2]] == ["nan", "nan"]


def test_an_inverter_that_slept_before_a_restart_still_sleeps_after_it() -> None:
    device = load("growatt_tlx")  # its registers are 0 while it sleeps, its counter too
    plan = make_plan(device)
    power = next(place for place in plan.places if place.register.quantity == "active_power_total")

    def equipped() -> Source:
        place = DeviceConfig("roof", "pv", device.name, device, HERE, 1)
        source = Source(place, "works", 0.0, ZoneInfo("Pacific/Auckland"))  # 1970-01-01 00:00 UTC is noon there
        source.equip(device, plan)
        return source

    def reading(second: int, watts: int) -> Reading:
        image = bytearray(2 * plan.words)
        struct.pack_into(">i", image, 2 * power.position, 10 * watts)
        voltage = next(place for place in plan.places if place.register.quantity == "voltage_l1n")
        struct.pack_into(">H", image, 2 * voltage.position, 2300 if watts else 0)
        return Reading(second * NS, float(second), bytes(image), b"\1" * plan.words)

    before, unknown = equipped(), equipped()
    before.take(reading(0, 40))  # below 2 % of 5 kW: the evening
    remembered = before.dump()
    after = equipped()
    after.restore(remembered)
    after.take(reading(60, 0))
    assert after.state(60.0) == "good"
    assert after.power(60.0) == 0.0
    unknown.take(reading(60, 0))
    assert unknown.state(60.0) == "implausible", "without a memory, zeros may be those of a broken gateway"


def test_values_that_disagree_are_told_once_though_their_numbers_change() -> None:
    device = load("eastron_sdm630")
    plan = make_plan(device)
    source = Source(DeviceConfig("one", "grid", device.name, device, HERE, 1), "works", 0.0)
    source.equip(device, plan)
    told: list[str] = []
    for second in range(0, 100, 2):
        # L1 counts backwards: 3 x 5 kW in the total, 5 kW in the sum.
        watts = {"active_power_total": 15000.0 + second, "active_power_l1": -5000.0}
        watts |= {"active_power_l2": 5000.0, "active_power_l3": 5000.0}
        other = dict.fromkeys(("voltage_l1n", "voltage_l2n", "voltage_l3n"), 230.0) | {"frequency": 50.0}
        other |= dict.fromkeys(("current_l1", "current_l2", "current_l3"), 25.0)
        image = bytearray(2 * plan.words)
        for place in plan.places:
            struct.pack_into(">f", image, 2 * place.position, (watts | other).get(place.register.quantity, 0.0))
        source.take(Reading(second * NS, float(second), bytes(image), b"\1" * plan.words))
        assert source.taken is not None
        told += [occurrence.event for occurrence in source.taken.occurrences]
    assert told == ["values disagree"]


def test_a_device_with_a_role_that_it_cannot_have_is_told_once_and_gives_no_power() -> None:
    # A SunSpec meter that was configured as PV inverter's battery is known after the walk only.
    device = device_with("charger", "active_power_total", "energy_total")
    source = source_after("battery", device, [10, 20])
    assert source.state(0.0) == "unsuitable"
    assert isnan(source.power(0.0))
    assert source.latest is not None
    (occurrence,) = source.latest.occurrences
    assert occurrence.event == "role unsuitable"
    assert occurrence.detail == (
        "found 'battery', which made (charger) cannot have; allowed: ev; its power stays out of the balance"
    )
    assert source.metering.directions == (False, False), "its counters are not the role's"
    source.equip(device, make_plan(device))
    assert source.dump()


def test_the_power_comes_from_the_best_alternative_that_the_device_has_delivered() -> None:
    reads = {"pv": RoleReads((("active_power_total",), ("active_power_l1", "active_power_l2")))}
    device = replace(device_with("inverter", "active_power_total", "active_power_l1", "active_power_l2"), roles=reads)
    source = Source(DeviceConfig("one", "pv", "made", device, HERE, 1), "works", 0.0)
    plan = make_plan(device)
    source.equip(device, plan)

    def power(second: int, values: list[int], valid: bytes) -> float:
        source.take(Reading(second * 10**9, float(second), struct.pack(">3h", *values), valid))
        return source.power(float(second))

    assert power(0, [0, 20, 30], b"\0\1\1") == 50.0, "the device refuses the total"
    assert power(1, [60, 20, 30], b"\1\1\1") == 60.0
    assert isnan(power(2, [0, 20, 30], b"\0\1\1")), "the total is known to exist: its absence is no reason to guess"


@pytest.mark.parametrize("role", ["pv", "load", "ev"])
def test_a_device_without_its_roles_power_says_so_once_and_is_not_good(role: str) -> None:
    reads = {role: RoleReads((("active_power_total",),))}
    device = replace(device_with("meter", "voltage_l1n", "current_l1"), roles=reads)
    source = Source(DeviceConfig("one", role, "made", device, HERE, 1), "works", 0.0)
    plan = make_plan(device)
    source.equip(device, plan)
    told: list[str] = []
    for second in range(4):
        record = source.take(Reading(second * NS, float(second), b"\0\1" * plan.words, b"\1" * plan.words))
        assert record["quality"] == "partial"
        assert source.taken is not None
        told += [str(occurrence) for occurrence in source.taken.occurrences]
        source.equip(device, plan)  # a SunSpec device is walked again
    (event,) = told
    assert f"the power of the role {role}" in event
    assert "quantities" in event
    assert source.state(4.0) == "partial"
