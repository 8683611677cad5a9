"""SunSpec: a scale factor may change at any time (SolarEdge's SunSpec technical note) without a wrong value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import isnan

import pytest
from wattgram_drivers.device import Device, Table
from wattgram_drivers.plan import Plan, RegisterSpan, make_plan
from wattgram_drivers.reader import Reader
from wattgram_drivers.sunspec import walk

from tests.support.register_memory import HandClock, Memory, decode
from tests.support.sunspec_chains import COMMON_66, END, MARKER, Chain, written

Words = Mapping[int, int]


class Moving(Memory):
    """A device with two sets of words; it changes the set at each request for which `moves` is true."""

    def __init__(self, fine: Words, coarse: Words, moves: Callable[[int], bool]) -> None:
        super().__init__(fine, illegal=set(range(0x10000)) - set(fine))
        self.sets = (fine, coarse)
        self.moves = moves
        self.now = 0

    def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
        self.now ^= self.moves(len(self.requests) - 1)
        self.words = self.sets[self.now]
        return super().answer(table, address, count)


def at_base(*models: tuple[int, ...]) -> dict[int, int]:
    return dict(enumerate((*MARKER, *COMMON_66, *(word for model in models for word in model), *END), 40000))


def device(words: Words) -> Device:
    return asyncio.run(walk.discover(Chain([words[each] for each in sorted(words)]).ask))


def modules(count: int, volts: int, exponent: int) -> tuple[int, ...]:
    """A model 160 whose modules all have `volts` x 10^`exponent` V."""
    block = (*[0] * 9, 0xFFFF, volts, 0xFFFF, 0, 0, 0, 0, 0x8000, 0xFFFF, 0, 0)
    return 160, 8 + 20 * count, 0, exponent & 0xFFFF, 0, 0, 0, 0, count, 0, *block * count


def read(reader: Reader, bus: Memory) -> dict[str, float]:
    return decode(reader, asyncio.run(reader.read(bus, HandClock())))


@pytest.mark.parametrize("number", [number for number in walk.KNOWN_MODELS if number != 1])
def test_each_value_is_read_with_its_scale_or_between_two_readings_of_the_scale(number: int) -> None:
    # As many blocks as a model can have: 24 trackers, 24 ports, 16 strings.
    blocks = {160: (8, 20, 24), 714: (18, 25, 24), 803: (26, 32, 16)}
    fixed, size, count = blocks.get(number, (160, 0, 0))
    length = fixed + size * count
    plan = make_plan(device(at_base((number, length, *[0] * length))))

    order = [span for block in plan.blocks for span in block.spans]
    for place in plan.places:
        address = place.register.scale_address
        if address is None:
            continue
        together = place.scale_position - place.position == address - place.register.address
        far = RegisterSpan("holding", address, address)
        value = RegisterSpan("holding", place.register.address, place.register.address + place.register.words - 1)
        assert together or (far in plan.twice and order.index(far) < order.index(value))
        assert together or (order[::-1].index(far) < order[::-1].index(value))
    assert all(each.count <= 125 for each in plan.blocks)


def blocks_read(plan: Plan) -> list[tuple[int, int]]:
    return [(each.address, each.count) for each in plan.blocks]


def test_model_701_is_read_in_one_request_with_its_scale_factors() -> None:
    # Offsets 0 (ID) to 122 (Tmp_SF), 123 of its 155 registers; the text behind them is not read.
    words = at_base(written(701, {"W_SF": 0, "W": 5.0}))
    assert blocks_read(make_plan(device(words))) == [(40070, 123)]


@pytest.mark.parametrize("number", [103, 203, 701])
def test_a_factor_that_moves_at_every_request_is_never_seen(number: int) -> None:
    # 11,000 W as 11,000 x 1 and as 110 x 100.
    fine, coarse = (at_base(written(number, {"W_SF": sf, "W": 11_000.0})) for sf in (0, 2))
    reader = Reader(device(fine), 1)
    for start in (0, 1):
        bus = Moving(fine, coarse, lambda request: True)
        bus.now = start
        assert read(reader, bus)["active_power_total"] == 11_000.0


FAR = [number for number in range(1, 9) if 20 * number - 3 + 1 > 125]
"""Modules whose voltage, at offset 20 n, is not within 125 registers of its scale at offset 3."""


def test_trackers_seven_and_eight_are_too_far_from_their_scale() -> None:
    assert FAR == [7, 8]
    reader = Reader(device(at_base(modules(8, 612, 0))), 1)
    assert len(reader.plan.twice) == 5  # current, voltage, power and energy have one each; and the model's head
    assert read(reader, Chain([*at_base(modules(8, 612, 0)).values()]))["dc_voltage_8"] == 612.0


@pytest.mark.parametrize("moment", range(4))
def test_a_factor_that_moves_within_a_reading_leaves_far_values_absent_and_none_wrong(moment: int) -> None:
    # 6,120 V as 6120 x 1 and as 612 x 10. Three requests a reading: scales with near values, far values, scales.
    fine, coarse = at_base(modules(8, 6120, 0)), at_base(modules(8, 612, 1))
    reader = Reader(device(fine), 1)
    bus = Moving(fine, coarse, lambda request: request == moment)
    found = read(reader, bus)
    assert len(bus.requests) == 3
    for number in range(1, 9):
        volts = found[f"dc_voltage_{number}"]
        assert isnan(volts) if number in FAR and 0 < moment < 3 else volts == 6120.0
    again = read(reader, bus)
    assert [again[f"dc_voltage_{number}"] for number in range(1, 9)] == [6120.0] * 8


def test_a_refused_far_scale_removes_only_its_own_values() -> None:
    words = at_base(modules(8, 612, 0))
    reader = Reader(device(words), 1, max_refusals=1000)
    found = read(reader, Memory(words, illegal={40070 + 3}))
    assert [name for name, value in found.items() if name.startswith("dc_voltage") and not isnan(value)] == []
    assert (found["module_count"], found["module_8_id"], found["module_8_alarm"]) == (8.0, 0.0, 0.0)
