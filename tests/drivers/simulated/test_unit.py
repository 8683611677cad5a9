"""Faults of values, as the words that a master receives, over TCP and serial lines with wire time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.device import Device, Register
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.reader import Reader
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.faults import NO_FAULTS, Faults
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served, SimulatedUnit, is_counter

from tests.support.register_memory import HandClock, decode
from tests.support.relayed_buses import every_wire, on

METER = Device(
    "toy",
    "Acme",
    "Toy",
    "meter",
    (
        Register("active_energy_import", 0, "holding", "u32", scale=Fraction(10)),
        Register("active_energy_export", 2, "holding", "u16", scale=Fraction(10), invalid=(0xFFFF,)),
        Register("voltage_l1n", 3, "holding", "f32"),
        Register("voltage_l2n", 5, "holding", "f32", word_order="little"),
        Register("active_power_total", 7, "holding", "i16", scale_address=8, invalid=(0x8000,)),
        Register("energy_total", 9, "holding", "f32"),
    ),
)


class Source:
    """Values that a test sets."""

    def __init__(self) -> None:
        self.values = {
            "active_energy_import": 70_000.0 * 10,
            "active_energy_export": 500.0 * 10,
            "voltage_l1n": 230.0,
            "voltage_l2n": 230.0,
            "active_power_total": 2500.0,
            "energy_total": 1024.0,
        }

    def __call__(self) -> dict[str, float]:
        return dict(self.values)

    def count(self, counts: int) -> None:
        """All counters go on by so many counts of 10 Wh."""
        for name in self.values:
            if is_counter(name):
                self.values[name] += counts * 10


RIGHT = "00011170 01f4 43660000 00004366 00fa 0001 44800000"
"""70000 = 0x11170, 500 = 0x1f4, 230.0 twice, 250 x 10^1, its scale, 1024.0."""


def served(wire: str, work: Callable[[Source, Callable[[Faults], Awaitable[str]]], Awaitable[None]]) -> None:
    """Serve the meter; `work` gets its source and a reader of all its registers under some faults."""
    source = Source()

    async def at_the_bus(simulator: Simulator, bus: Bus) -> None:
        set_before: list[Faults] = []

        async def read(faults: Faults) -> str:
            if set_before[-1:] != [faults]:
                set_before.append(faults)
                simulator.faults[1] = faults
            return grouped(await bus.read(1, "holding", 0, 11))

        assert await read(NO_FAULTS) == RIGHT
        await work(source, read)

    on(wire, {1: Served(METER, source, {8: 1})}, at_the_bus)


def grouped(data: bytes) -> str:
    """The registers in hexadecimal, value by value."""
    words = [data[at : at + 2].hex() for at in range(0, len(data), 2)]
    return " ".join(
        "".join(words[first:end]) for first, end in ((0, 2), (2, 3), (3, 5), (5, 7), (7, 8), (8, 9), (9, 11))
    )


@every_wire
@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(sleeping=True), "00000000 ffff 7fc00000 00007fc0 8000 0001 7fc00000"),
        (Faults(swapped_nan=True), "00000000 ffff 00007fc0 7fc00000 8000 0001 00007fc0"),
        (Faults(zeros=True), "00000000 0000 00000000 00000000 0000 0001 00000000"),
    ],
    ids=["sleeping", "swapped_nan", "zeros"],
)
def test_a_device_at_night(wire: str, faults: Faults, words: str) -> None:
    async def work(source: Source, read: Callable[[Faults], Awaitable[str]]) -> None:
        assert [await read(faults), await read(faults)] == [words, words]
        assert await read(NO_FAULTS) == RIGHT

    served(wire, work)


@every_wire
def test_a_glitch_is_a_single_zero(wire: str) -> None:
    async def work(source: Source, read: Callable[[Faults], Awaitable[str]]) -> None:
        glitch = Faults(glitch=True)
        assert await read(glitch) == "00000000 0000 43660000 00004366 00fa 0001 00000000"
        assert await read(glitch) == RIGHT

    served(wire, work)


@every_wire
def test_a_reset_counter_stays_low_and_counts_on(wire: str) -> None:
    async def work(source: Source, read: Callable[[Faults], Awaitable[str]]) -> None:
        reset = Faults(reset=True)
        assert await read(reset) == "00000000 0000 43660000 00004366 00fa 0001 00000000"
        source.count(3)
        assert await read(reset) == "00000003 0003 43660000 00004366 00fa 0001 41f00000"  # 30.0
        source.count(3)
        assert (
            await read(NO_FAULTS) == "00000006 0006 43660000 00004366 00fa 0001 42700000"
        )  # 60.0: the reset is permanent

    served(wire, work)


@every_wire
def test_a_counter_rolls_over_at_its_width(wire: str) -> None:
    async def work(source: Source, read: Callable[[Faults], Awaitable[str]]) -> None:
        rollover = Faults(rollover=2)
        rest = "43660000 00004366 00fa 0001"
        assert await read(rollover) == f"fffffffe fffe {rest} 44800000"  # 1024.0: a float has no such end
        source.count(1)
        # 0xffff means "not available", so the 16-bit counter is kept off it
        assert await read(rollover) == f"ffffffff fffe {rest} 44814000"  # 1034.0
        source.count(1)
        assert await read(rollover) == f"00000000 0000 {rest} 44828000"
        source.count(1)
        assert await read(NO_FAULTS) == f"00000001 0001 {rest} 4483c000"

    served(wire, work)


@every_wire
def test_values_stay_the_same_when_a_scale_moves(wire: str) -> None:
    async def work(source: Source, read: Callable[[Faults], Awaitable[str]]) -> None:
        moving = Faults(moving_scale=True)
        # 2500 = 250 x 10^1 = 2500 x 10^0
        assert await read(moving) == RIGHT.replace("00fa 0001", "09c4 0000")
        assert await read(moving) == RIGHT
        assert await read(moving) == RIGHT.replace("00fa 0001", "09c4 0000")
        source.values["active_power_total"] = 40_000.0  # 4000 x 10^1; 40000 x 10^0 does not fit; 400 x 10^2
        assert await read(moving) == RIGHT.replace("00fa 0001", "0fa0 0001")
        assert await read(moving) == RIGHT.replace("00fa 0001", "0190 0002")

    served(wire, work)


@every_wire
def test_a_reader_follows_a_moving_scale(wire: str) -> None:
    """SunSpec's scale factors stand beside their values and may change at any time; W, Hz, A have their own."""
    inverter, constants = sunspec_serve.chain((103,), "Acme", "Roof 110", "SN-1")
    values = {"active_power_total": 84_000.0, "frequency": 50.0, "energy_total": 12_340_000.0}
    simulated = Served(inverter, lambda: values, constants)

    async def work(simulator: Simulator, bus: Bus) -> None:
        simulator.faults[1] = Faults(moving_scale=True)
        reader = Reader(inverter, 1)
        for _ in range(4):
            found = decode(reader, await reader.read(bus, HandClock()))
            assert {name: found[name] for name in values} == values

    on(wire, {1: simulated}, work)


def test_a_scale_needed_by_a_raised_counter_stays() -> None:
    counter = Register("energy_total", 0, "holding", "u32", scale_address=2)
    unit = SimulatedUnit(Served(replace(METER, registers=(counter,)), lambda: {"energy_total": 5000.0}, {2: 3}))
    both = Faults(rollover=1, moving_scale=True)
    assert unit.read("holding", 0, 3, both) == [0xFFFF, 0xFFFF, 3]
    assert unit.read("holding", 0, 3, both) == [0xFFFF, 0xFFFF, 3]


def test_a_counter_that_was_about_to_roll_over_is_low_after_a_reset() -> None:
    source = {"active_energy_import": 5.0}
    meter = replace(METER, registers=(Register("active_energy_import", 0, "holding", "u16"),))
    unit = SimulatedUnit(Served(meter, lambda: source))
    assert unit.read("holding", 0, 1, Faults(rollover=3)) == [0xFFFD]
    assert unit.read("holding", 0, 1, Faults(reset=True)) == [0]
    source["active_energy_import"] += 2
    assert unit.read("holding", 0, 1) == [2]


def test_a_signed_counter_rolls_over_to_its_least_number() -> None:
    """Two's complement: 32767 + 1 is -32768."""
    source = {"active_energy_import": 5.0}
    meter = replace(METER, registers=(Register("active_energy_import", 0, "holding", "i16"),))
    unit = SimulatedUnit(Served(meter, lambda: source))
    assert unit.read("holding", 0, 1, Faults(rollover=1)) == [0x7FFF]
    source["active_energy_import"] += 1
    assert unit.read("holding", 0, 1) == [0x8000]


def test_a_read_of_0_or_unknown_registers_is_refused() -> None:
    assert SimulatedUnit(Served(METER, dict)).read("holding", 0, 0) == 3
    assert SimulatedUnit(Served(METER, dict)).read("input", 0, 1) == 2


def test_only_growing_quantities_are_counters() -> None:
    counters = {name for name in QUANTITIES if is_counter(name)}
    assert {
        "active_energy_import_t1",
        "energy_total",
        "energy_daily",
        "dc_energy_1",
        "battery_unit1_energy_charge",
    } <= (counters)
    assert {"volume_total", "totalizer_1", "pulse_count_1", "reactive_energy_q4", "site_energy_total"} <= counters
    assert "external_generation_energy" in counters
    assert {QUANTITIES[name].unit for name in counters} == {"Wh", "varh", "VAh", "m3", "kg", "1"}
    for stock in ("active_energy_net", "battery_rated_energy", "battery_available_energy", "active_power_total"):
        assert stock in QUANTITIES
        assert stock not in counters
    rest = {
        name for name, quantity in QUANTITIES.items() if quantity.unit in ("Wh", "varh", "VAh", "m3", "kg")
    } - counters
    assert all(name == "active_energy_net" or name.startswith("battery_") for name in rest), rest


def test_a_state_without_a_value_says_that_the_values_are_valid() -> None:
    meter = catalogue.load("huawei_dtsu666h")
    unit = SimulatedUnit(Served(meter, lambda: {"active_power_total": -2000.0}))
    assert unit.read("holding", 37100, 1) == [1]  # huawei-solar-lib: 1 is normal
    offline = SimulatedUnit(Served(meter, lambda: {"status": 0.0}))
    assert offline.read("holding", 37100, 1) == [0]


def test_the_words_of_a_split_value_are_served_at_both_addresses() -> None:
    deye = SimulatedUnit(
        Served(catalogue.load("deye_hybrid_3p"), lambda: {"grid_power_total": 40e3, "load_power": -5.0})
    )
    assert (deye.read("holding", 625, 1), deye.read("holding", 690, 1)) == ([0x9C40], [0])
    assert (deye.read("holding", 653, 1), deye.read("holding", 659, 1)) == ([0xFFFB], [0xFFFF])


def test_a_missing_phase_does_not_turn_a_served_device_into_one_phase() -> None:
    # 7FFFFFFF at 35129 would say so; 60 kW do not fit the 16 bits of a unit with one phase
    goodwe = SimulatedUnit(Served(catalogue.load("goodwe_et"), lambda: {"active_power_total": 60e3}))
    assert goodwe.read("holding", 35129, 2) == [0, 0]
    assert goodwe.read("holding", 35139, 2) == [0x0000, 0xEA60]
