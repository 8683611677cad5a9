"""The judge of readings: what cannot be true is withheld, what can be is untouched (METHOD-SITE 10)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction
from math import inf, isnan, nan
from typing import Any

import pytest
from wattgram.acquisition.validity import Judge, Judged
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Device, Kind, Reading, Register, Type, ValidWhen
from wattgram_drivers.plan import Plan, make_plan

METER = load("eastron_sdm630")
GOOD = {
    "voltage_l1n": 230.0,
    "voltage_l2n": 231.0,
    "voltage_l3n": 229.0,
    "current_l1": 10.0,
    "current_l2": 10.0,
    "current_l3": 10.0,
    "active_power_total": 6600.0,
    "frequency": 50.0,
    "active_energy_import": 1234.5,
}
"""Values of an SDM630 as in its registers: V, A, W, Hz, kWh."""


def floats(plan: Plan, values: Mapping[str, float], *, swapped: bool = False) -> bytes:
    """Return an image of f32 values, in the order of the map's words or with exchanged words."""
    image = bytearray(2 * plan.words)
    for place in plan.places:
        words = struct.pack(">f", values.get(place.register.quantity, 0.0))
        image[2 * place.position : 2 * place.position + 4] = words[2:] + words[:2] if swapped else words
    return bytes(image)


Row = tuple[str, Type, float]
"""Quantity, type and scale of a register."""


class Bench:
    """A judge of a device, with readings a second apart."""

    def __init__(self, device: Device, **settings: Any) -> None:
        self.plan = make_plan(device)
        self.judge = Judge(device, self.plan, **settings)
        self.now = 0.0

    def take(self, image: bytes, valid: bytes | None = None, seconds: float = 1.0) -> Judged:
        """Judge a reading."""
        self.now += seconds
        return self.judge.judge(Reading(int(self.now * 1e9), self.now, image, valid or b"\1" * self.plan.words))

    def take_floats(self, seconds: float = 1.0, **changed: float) -> Judged:
        """Judge a reading of an SDM630 with these values changed."""
        return self.take(floats(self.plan, {**GOOD, **changed}), seconds=seconds)

    def value(self, judged: Judged, quantity: str) -> float:
        """Return a value of a judged reading."""
        numbers: tuple[float, ...] = struct.unpack(f"{len(self.judge.names)}d", judged.values)
        return dict(zip(self.judge.names, numbers, strict=True))[quantity]


def words(kind: Kind, *registers: Row, **device: Any) -> Device:
    """Return a device with these (quantity, type, scale) one after another, in one request."""
    made, address = [], 0
    for quantity, type_, scale in registers:
        made.append(Register(quantity, address, "holding", type_, scale=Fraction(scale).limit_denominator()))
        address += made[-1].words
    return Device("made", "", "", kind, tuple(made), **device)


def test_a_good_reading_passes_unchanged() -> None:
    judged = Bench(METER, role="grid", rated_power=20e3).take_floats()
    assert judged[1:] == ((), (), ())
    assert Bench(METER).value(judged, "active_energy_import") == 1234500.0


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("active_power_total", 60.1e3),  # 3 x 20 kW
        ("active_power_total", 3.4e38),
        ("active_power_total", inf),
        ("active_power_l1", -60.1e3),
        ("reactive_power_total", 1e6),
        ("apparent_power_total", 1e6),
        ("current_l1", 1e5),
        ("voltage_l1n", 1501.0),
        ("voltage_l1n", -1.0),
        ("frequency", 39.9),
        ("frequency", 70.1),
        ("frequency", 0.0),
        ("power_factor_total", 1.03),
        ("active_energy_import", -1.0),
        ("active_energy_import", 3e38),
    ],
)
def test_a_value_outside_its_bounds_is_withheld_alone_and_named(quantity: str, value: float) -> None:
    bench = Bench(METER, role="grid", rated_power=20e3)
    judged = bench.take_floats(**{quantity: value})
    (withheld,) = judged.withheld
    address = next(register.address for register in METER.registers if register.quantity == quantity)
    assert (withheld.quantity, withheld.register) == (quantity, f"input {address}")
    assert withheld.words == struct.pack(">f", value).hex(" ", 2)
    assert withheld.bound
    assert isnan(bench.value(judged, quantity))
    others = [name for name in GOOD if name != quantity]
    scale = {"active_energy_import": 1000.0}
    assert [bench.value(judged, name) for name in others] == [GOOD[name] * scale.get(name, 1.0) for name in others]


def test_a_message_says_register_words_value_bound_and_what_to_check() -> None:
    judged = Bench(METER, role="load", rated_power=20e3).take_floats(active_power_total=65536.0)
    assert str(judged.withheld[0]) == (
        "active_power_total 65536 W (input 52: 4780 0000) is above 60000 W, 3 x rated power (20000 W); "
        "check rated_power and word_order"
    )


def test_a_value_on_its_bound_stays() -> None:
    bench = Bench(METER, role="grid", rated_power=20e3)
    judged = bench.take_floats(active_power_total=60e3, frequency=40.0, voltage_l1n=1500.0, current_l1=760.0)
    assert not judged.withheld


def test_exchanged_words_of_a_float_meter_withhold_every_value_of_the_reading() -> None:
    # W = 6600.0 is 45CE 4000, read as 4000 45CE: 2.004, which could be true.
    bench = Bench(METER, role="grid")
    judged = bench.take(floats(bench.plan, GOOD, swapped=True))
    assert {withheld.quantity for withheld in judged.withheld} >= set(GOOD)
    assert all("word_order" in withheld.reason for withheld in judged.withheld)
    assert all(isnan(bench.value(judged, name)) for name in GOOD)


EXCHANGEABLE = ("voltage_l1n", "active_power_total", "frequency", "active_energy_import")


def test_exchanged_words_in_one_request_tell_no_value_of_the_request() -> None:
    # Voltage in a request of its own; power, frequency and counter in the other one. Exchanged, 11.9 kW is 2.004 W or
    # 5e-10 W at some seconds, and the counter is any number; the frequency, 49.615 Hz, is always impossible.
    plan = make_plan(METER, EXCHANGEABLE)
    assert [len(block.spans) for block in plan.blocks] == [1, 3]
    judge = Judge(METER, plan, role="load", rated_power=30e3)
    told = set()
    for second in range(0, 86_400, 30):
        values = {
            "voltage_l1n": 231.5,
            "active_power_total": 11_500.0 + second % 500,
            "frequency": 49.615,
            "active_energy_import": 11_500.0 + second / 1000.0,
        }
        healthy, exchanged = floats(plan, values), floats(plan, values, swapped=True)
        image = healthy[:4] + exchanged[4:]
        judged = judge.judge(Reading(second * 10**9, float(second), image, b"\1" * plan.words))
        numbers = dict(zip(judge.names, struct.unpack("4d", judged.values), strict=True))
        told |= {name for name in EXCHANGEABLE[1:] if not isnan(numbers[name])}
    assert told == set()


@pytest.mark.parametrize("quantity", ["frequency", "voltage_l1n"])
def test_a_single_value_with_exchanged_words_leaves_the_others_alone(quantity: str) -> None:
    # 6612.3 W is 45CE A266, exchanged -3e-18 W: the power is healthy. 6600 W, 2.004 W exchanged, would be doubtful.
    bench = Bench(METER, role="grid")
    values = {**GOOD, "active_power_total": 6612.3}
    healthy, exchanged = floats(bench.plan, values), floats(bench.plan, values, swapped=True)
    (place,) = (place for place in bench.plan.places if place.register.quantity == quantity)
    first, end = 2 * place.position, 2 * place.position + 4
    judged = bench.take(healthy[:first] + exchanged[first:end] + healthy[end:])
    assert [withheld.quantity for withheld in judged.withheld] == [quantity]


def test_a_tiny_float_that_is_no_exchanged_value_is_zero() -> None:
    bench = Bench(METER, role="grid")
    tiny = struct.unpack(">f", bytes.fromhex("00000001"))[0]  # 1.4e-45; exchanged 0001 0000, as small
    judged = bench.take_floats(reactive_power_total=tiny)
    assert bench.value(judged, "reactive_power_total") == 0.0
    assert not judged.withheld


def test_a_frequency_of_zero_without_a_voltage_is_an_outage() -> None:
    bench = Bench(METER, role="grid")
    outage = dict.fromkeys([*GOOD][:8], 0.0)
    judged = bench.take_floats(**outage)
    assert not judged.withheld  # the counter shows that the meter is alive
    assert bench.value(judged, "frequency") == 0.0


@pytest.mark.parametrize("word", [b"\0", b"\xff"])
def test_a_request_without_content_is_void(word: bytes) -> None:
    device = words("meter", ("voltage_l1n", "u16", 0.1), ("active_power_total", "i16", 10), ("current_l1", "u16", 0.1))
    bench = Bench(device)
    judged = bench.take(word * 6)
    assert [withheld.quantity for withheld in judged.withheld] == list(device.quantities)
    assert judged.values == struct.pack("3d", nan, nan, nan)


def test_zeros_beside_a_counter_above_zero_are_an_outage_and_ones_are_void() -> None:
    device = words("meter", ("voltage_l1n", "u16", 0.1), ("active_power_total", "i16", 10))
    counter = Register("active_energy_import", 1000, "holding", "u32")  # in a request of its own
    bench = Bench(Device("made", "", "", "meter", (*device.registers, counter)))
    assert not bench.take(bytes(4) + bytes.fromhex("00000001")).withheld
    assert len(bench.take(bytes(8)).withheld) == 2
    assert len(bench.take(b"\xff" * 4 + bytes.fromhex("00000001")).withheld) == 2


def test_zeros_beside_a_status_that_says_running_are_void() -> None:
    device = words("inverter", ("status", "u16", 1), ("voltage_l1n", "u16", 0.1), ("active_power_total", "i16", 1))
    bench = Bench(device, role="pv")
    judged = bench.take(bytes.fromhex("0007 0000 0000"))
    assert [withheld.quantity for withheld in judged.withheld] == ["voltage_l1n", "active_power_total"]
    assert bench.value(judged, "status") == 7.0


def test_zeros_of_an_inverter_that_fell_asleep_are_true_and_at_noon_they_are_void() -> None:
    inverter = words("inverter", ("voltage_l1n", "u16", 0.1), ("active_power_total", "i16", 1), night="zeros")
    evening, noon = Bench(inverter, rated_power=5e3), Bench(inverter, rated_power=5e3)
    evening.take(struct.pack(">Hh", 2300, 40))  # below 2 % of 5 kW
    noon.take(struct.pack(">Hh", 2300, 4000))
    assert not evening.take(bytes(4)).withheld
    assert len(noon.take(bytes(4)).withheld) == 2


def test_a_condition_that_does_not_hold_withholds_its_quantities() -> None:
    # A meter behind an inverter: 37100 is 0 when the meter is offline; its energies then show 7FFF FFFF.
    registers = (
        Register("status", 37100, "holding", "u16"),
        Register("active_power_total", 37113, "holding", "i32"),
        Register("active_energy_import", 37121, "holding", "i32", invalid=(0x7FFFFFFF,)),
    )
    device = Device("made", "", "", "meter", registers, conditions=(ValidWhen("status", (1.0,)),))
    bench = Bench(device)
    offline = bench.take(bytes.fromhex("0000 00000000 7FFFFFFF"))
    assert [withheld.quantity for withheld in offline.withheld] == ["active_power_total"]
    assert not bench.take(bytes.fromhex("0001 00000000 00000007")).withheld
    unread = bench.take(bytes.fromhex("0000 00000005 00000007"), b"\0" + b"\1" * 4)
    assert len(unread.withheld) == 2


def test_a_condition_is_read_with_the_quantities_that_it_covers() -> None:
    registers = (Register("status", 100, "holding", "u16"), Register("active_power_total", 0, "holding", "i16"))
    device = Device("made", "", "", "meter", registers, conditions=(ValidWhen("status", (1.0,)),))
    plan = make_plan(device, ["active_power_total"], slow=["status"])
    assert set(plan.quantities) == {"status", "active_power_total"}
    assert len(plan.fast_blocks) == len(plan.blocks)


def test_a_power_above_voltage_times_current_is_withheld_from_the_third_reading_on() -> None:
    bench = Bench(METER, role="grid")
    # 230 V x 10 A x 1.2 + 1 kVA = 3.76 kVA; the total is read by another request
    readings = [bench.take_floats(active_power_l1=3.8e3) for _ in range(4)]
    assert [len(judged.withheld) for judged in readings] == [0, 0, 1, 1]
    assert not bench.take_floats(active_power_l1=3.7e3).withheld
    assert not bench.take_floats(active_power_l1=3.8e3).withheld


def test_a_total_above_the_voltages_times_currents_of_its_request_is_withheld() -> None:
    phases: list[tuple[str, Type, float]] = [
        (f"{name}_{phase}", "u16", 0.1) for phase in ("l1", "l2") for name in ("voltage", "current")
    ]
    named = [(f"{name}n" if "voltage" in name else name, kind, scale) for name, kind, scale in phases]
    bench = Bench(words("inverter", *named, ("active_power_total", "u16", 1)), role="pv")
    # 1.2 x (230 V x 10 A + 240 V x 5 A) + 1 kVA = 5.2 kVA
    above, below = (struct.pack(">5H", 2300, 100, 2400, 50, power) for power in (5201, 5200))
    assert [len(bench.take(above).withheld) for _ in range(3)] == [0, 0, 1]
    assert not bench.take(below).withheld


def test_a_single_reading_reports_a_power_above_voltage_times_current() -> None:
    judged = Bench(METER, single=True).take_floats(active_power_l1=3.8e3)
    assert not judged.withheld
    assert "voltage x current" in judged.findings[0]


def test_currents_that_are_all_zero_say_nothing_about_the_power() -> None:
    bench = Bench(METER, role="grid")
    readings = [bench.take_floats(current_l1=0.0, current_l2=0.0, current_l3=0.0) for _ in range(4)]
    assert not any(judged.withheld for judged in readings)


def test_power_through_a_port_without_voltage_voids_the_port() -> None:
    bench = Bench(METER, role="grid", rated_power=20e3)
    dead = {"voltage_l1n": 0.0, "voltage_l2n": 0.0, "voltage_l3n": 0.0, "frequency": 50.0}
    judged = bench.take_floats(**dead)
    assert {"voltage_l1n", "current_l1", "active_power_total", "frequency"} <= {w.quantity for w in judged.withheld}
    assert bench.value(judged, "active_energy_import") == 1234500.0
    # 2 % of 20 kW
    idle = dict(dead, active_power_total=399.0, current_l1=0.0, current_l2=0.0, current_l3=0.0)
    assert not Bench(METER, role="grid", rated_power=20e3).take_floats(**idle).withheld


def test_a_dead_grid_port_beside_dc_power_is_true() -> None:
    hybrid = words(
        "inverter",
        ("voltage_l1n", "u16", 0.1),
        ("current_l1", "i16", 0.1),
        ("active_power_total", "i16", 1),
        ("dc_power", "i16", 1),
        ("battery_power", "i16", 1),
        ("energy_total", "u32", 1000),
    )
    bench = Bench(hybrid, role="pv", rated_power=5e3)
    judged = bench.take(struct.pack(">HhhhhI", 0, 0, 0, 3000, -2900, 77))
    assert not judged.withheld
    assert bench.value(judged, "active_power_total") == 0.0


def test_a_nameplate_bounds_the_power_and_zero_is_no_nameplate() -> None:
    device = words("inverter", ("rated_power", "u16", 1), ("active_power_total", "i16", 1), nameplate="rated_power")
    bench = Bench(device, role="pv")
    assert not bench.take(struct.pack(">Hh", 0, 20000)).withheld
    assert [w.quantity for w in bench.take(struct.pack(">Hh", 6000, 9001)).withheld] == ["active_power_total"]
    assert not bench.take(struct.pack(">Hh", 6000, 9000)).withheld


def test_values_that_disagree_for_a_minute_are_a_finding_and_stay() -> None:
    bench = Bench(METER, role="grid")
    phases = {"active_power_l1": 1000.0, "active_power_l2": 1000.0, "active_power_l3": 1000.0}
    assert not bench.take_floats(**phases).findings
    assert not bench.take_floats(59.0, **phases).findings
    judged = bench.take_floats(1.0, **phases)
    assert len(judged.findings) == 1
    assert "sum of its phases" in judged.findings[0]
    assert bench.value(judged, "active_power_total") == 6600.0
    assert not bench.take_floats(1.0, active_power_l1=6600.0).findings


def test_an_apparent_power_below_the_active_power_is_a_finding_and_one_above_is_none() -> None:
    assert Bench(METER, single=True).take_floats(apparent_power_total=6000.0).findings
    assert not Bench(METER, single=True).take_floats(apparent_power_total=9000.0).findings


def test_a_total_in_coarse_steps_agrees_with_its_phases() -> None:
    names: list[Row] = [
        ("active_power_total", "i16", 1000),
        *((f"active_power_l{n}", "i16", 1000) for n in (1, 2, 3)),
    ]
    genset = Bench(words("genset", *names), single=True)
    assert not genset.take(struct.pack(">4h", 4, 1, 1, 1)).findings  # 3 x 1.3 kW, in steps of 1 kW
    assert genset.take(struct.pack(">4h", 6, 1, 1, 1)).findings
