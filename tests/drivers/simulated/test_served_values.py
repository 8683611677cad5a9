"""The words that a simulated device serves for a value, and the value that a reader finds in them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, isnan, nan, prod

import pytest
from wattgram_drivers import catalogue
from wattgram_drivers.device import Direction, Type
from wattgram_drivers.modbus.bus import Bus
from wattgram_drivers.reader import Reader
from wattgram_drivers.simulated import sunspec_serve
from wattgram_drivers.simulated.register_encoding import encode
from wattgram_drivers.simulated.simulator import Simulator
from wattgram_drivers.simulated.unit import Served
from wattgram_drivers.sunspec import walk

from tests.support.register_memory import HandClock, decode
from tests.support.served_buses import words
from tests.support.simulated_meter import device, register, served


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        # two's complement and IEEE 754 patterns by hand
        ("u16", 65535.0, [0xFFFF]),
        ("i16", -1.0, [0xFFFF]),
        ("i16", -32768.0, [0x8000]),
        ("u32", 65536.0, [1, 0]),
        ("i32", -2.0, [0xFFFF, 0xFFFE]),
        ("u64", 2.0**48, [1, 0, 0, 0]),
        ("i64", -1.0, [0xFFFF] * 4),
        ("f32", 230.0, [0x4366, 0x0000]),
        ("f32", -0.15625, [0xBE20, 0x0000]),
        ("f64", 1.0, [0x3FF0, 0, 0, 0]),
        # clamped to the range
        ("u16", 70000.0, [0xFFFF]),
        ("u16", -5.0, [0]),
        ("i16", 40000.0, [0x7FFF]),
        ("i32", -1e12, [0x8000, 0]),
        ("u64", 1e30, [0xFFFF] * 4),
        ("i16", -inf, [0x8000]),
        ("f32", 1e39, [0x7F7F, 0xFFFF]),
        # not available, where the map says nothing: a float has NaN, an integer only 0
        ("f32", nan, [0x7FC0, 0]),
        ("f64", nan, [0x7FF8, 0, 0, 0]),
        ("u16", nan, [0]),
    ],
)
def test_a_value_becomes_the_words_of_its_type(kind: Type, value: float, words: list[int]) -> None:
    assert encode(register(kind=kind), value) == words
    assert encode(register(kind=kind, order="little"), value) == words[::-1]


def test_scales_are_undone() -> None:
    tenth = register(kind="u16", scale=Fraction(1, 10))
    assert encode(tenth, 230.1) == [2301]
    assert encode(register(kind="u32", scale=Fraction(1000)), 5_000_400.0) == [0, 5000]
    assert encode(register(kind="i16"), -5000.0, exponent=1) == [0x10000 - 500]
    assert encode(register(kind="i16"), 49.98, exponent=-2) == [4998]
    assert encode(tenth, 230.1, factor=3.0) == [767]
    assert encode(replace(tenth, offset=1000), 21.5) == [1215]
    assert encode(replace(tenth, direction=Direction(7)), -21.5) == [215]


def test_not_available_has_the_maps_pattern_and_no_value_takes_it() -> None:
    sunspec_int16 = register(kind="i16", invalid=(0x8000,))
    assert encode(sunspec_int16, nan) == [0x8000]
    assert encode(sunspec_int16, -40000.0) == [0x8001]
    huawei = register(kind="u32", invalid=(0xFFFFFFFF,))
    assert encode(huawei, nan) == [0xFFFF, 0xFFFF]
    assert encode(huawei, 1e12) == [0xFFFF, 0xFFFE]
    assert encode(register(kind="u32", invalid=(0,)), 0.0) == [0, 0]  # a SunSpec counter at 0 is not supported


def test_scale_registers_and_factors_are_undone() -> None:
    scaled = device(
        register("active_power_total", 0, "i16", scale_address=1),
        register("voltage_l1n", 2, "u16", scale_address=3, invalid=(0xFFFF,)),
        register("ct_ratio", 4),
        register("current_l1", 5, scale=Fraction(1, 10), factors=("ct_ratio",)),
    )
    readings = {"active_power_total": -110_000.0, "voltage_l1n": 230.0, "ct_ratio": 40.0, "current_l1": 600.0}

    async def work(simulator: Simulator, bus: Bus) -> None:
        # -110,000 / 10^2; 0x8000 is SunSpec's "not implemented", so the voltage has no scale;
        # 600 / 40 / 0.1
        assert words(await bus.read(1, "holding", 0, 6)) == [0x10000 - 1100, 2, 0xFFFF, 0x8000, 40, 150]
        # a ratio that the source does not know is 1
        assert words(await bus.read(2, "holding", 4, 2)) == [1, 6000]

    alone = {"current_l1": 600.0}
    constants = {1: 2, 3: 0x8000}
    served(work, {1: Served(scaled, lambda: readings, constants), 2: Served(scaled, lambda: alone, constants)})


@pytest.mark.parametrize("name", [driver for driver in catalogue.names() if driver != catalogue.SUNSPEC])
def test_served_values_equal_read_values(name: str) -> None:
    """Every device of the catalogue, each register with a distinct raw number: wire, plan, decode and back."""
    shipped = catalogue.load(name)
    toy = replace(shipped, limits=replace(shipped.limits, request_delay=0.0))
    values: dict[str, float] = {}
    scales = {row.scale_address for row in toy.registers}
    negative = {row.direction.address: row.direction.negative for row in toy.registers if row.direction}
    for number, row in enumerate(sorted(toy.registers, key=lambda row: len(row.factors)), 1):
        raw = 0 if row.address in scales else number / 64 if row.encoding == "four-quadrant" else number
        if row.address in negative:  # all values are positive, and so are the directions of the magnitudes
            raw = number & ~negative[row.address]
        values[row.quantity] = raw * float(row.scale) * prod(values[factor] for factor in row.factors)

    async def work(simulator: Simulator, bus: Bus) -> None:
        reader = Reader(toy, 1)
        found = decode(reader, await reader.read(bus, HandClock()))
        assert found == {quantity: pytest.approx(value, rel=1e-6) for quantity, value in values.items()}

    served(work, {1: Served(toy, lambda: values)})


@pytest.mark.parametrize("power", [-2500.0, 2500.0])
@pytest.mark.parametrize(("name", "word"), [("solis_hybrid_33xxx", "battery_direction"), ("sungrow_sh_hybrid", "")])
def test_a_direction_is_served_with_its_magnitude(name: str, word: str, power: float) -> None:
    device = catalogue.load(name)

    async def work(simulator: Simulator, bus: Bus) -> None:
        reader = Reader(device, 1)
        found = decode(reader, await reader.read(bus, HandClock()))
        assert found["battery_power"] == power
        assert found["battery_current"] == power / 500
        assert word not in found or (found[word] == 0) == (power < 0)

    served(work, {1: Served(device, lambda: {"battery_power": power, "battery_current": power / 500})})


def test_a_sunspec_chain_is_found_and_read() -> None:
    toy, constants = sunspec_serve.chain((103,), "Acme", "Roof 110", "SN-1")
    values = {"active_power_total": 84_000.0, "frequency": 49.98}

    async def work(simulator: Simulator, bus: Bus) -> None:
        found = await walk.discover(lambda table, address, count: bus.read(1, table, address, count))
        assert found.serial == "SN-1"
        reader = Reader(found, 1)
        read = decode(reader, await reader.read(bus, HandClock()))
        assert read["active_power_total"] == 84_000.0
        assert read["frequency"] == pytest.approx(49.98, abs=0.005)
        assert isnan(read["energy_total"])

    served(work, {1: Served(toy, lambda: values, constants)})
