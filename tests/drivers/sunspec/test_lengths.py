"""SunSpec: models that are shorter or longer than their definitions, and blocks counted from L."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram_drivers.driver_errors import BadAnswer
from wattgram_drivers.plan import make_plan
from wattgram_drivers.sunspec import walk
from wattgram_drivers.sunspec.models import FoundModel, definition, registers

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, common, discover, members, read, written

MEASURING = [number for number in walk.KNOWN_MODELS if number != 1]

LENGTHS = {
    **dict.fromkeys((101, 102, 103), 50),
    **dict.fromkeys((111, 112, 113), 60),
    120: 26,
    121: 30,
    122: 44,
    123: 24,
    124: 24,
    160: 8,
    **dict.fromkeys((201, 202, 203, 204), 105),
    **dict.fromkeys((211, 212, 213, 214), 124),
    302: 0,
    303: 0,
    307: 11,
    308: 4,
    701: 153,
    702: 50,
    713: 7,
    714: 18,
    802: 62,
    803: 26,
    804: 46,
}
"""L of each model without repeating blocks: SunSpec information model reference 2017-09-28, 7xx of 2021."""

BLOCKS = {160: 20, 302: 5, 303: 1, 714: 25, 803: 32, 804: 16}
"""Registers of one repeating block, of the same source."""


FIXED = {160: 2, 302: 0, 303: 0, 714: 6, 803: 11, 804: 13}
"""Quantities of their fixed parts: the rows without a number in the register tables of these models."""


@pytest.mark.parametrize("number", MEASURING)
def test_definitions_have_the_lengths_of_the_reference(number: int) -> None:
    model = definition(number)
    assert (model.size - 2, model.block_size) == (LENGTHS[number], BLOCKS.get(number, 0))


@pytest.mark.parametrize("number", MEASURING)
def test_registers_stay_within_the_length_and_grow_with_it(number: int) -> None:
    before: set[str] = set()
    for length in range(LENGTHS[number] + 2 * BLOCKS.get(number, 0) + 3):
        found = list(registers(FoundModel(number, 40002, length)))
        for row in found:
            assert row.address >= 40004
            assert max(row.address + row.words, *(each + 1 for each in row.companions), 0) <= 40004 + length
        now = {row.quantity for row in found}
        assert before <= now
        before = now


@pytest.mark.parametrize("number", MEASURING)
def test_every_scale_factor_that_a_point_names_is_among_the_fixed_points(number: int) -> None:
    model = definition(number)
    scales = {point.name for point in model.points if point.type == "sunssf"}
    constant = {"-1"} if number in (303, 307, 308) else set()  # temperatures in tenths, without a register
    assert {point.scale for point in (*model.points, *model.block) if point.scale} <= scales | constant


@pytest.mark.parametrize(
    ("length", "has", "lacks"),
    [  # L covers the offsets 2 to L + 1
        (4, [], ["current_total"]),  # A_SF at 6
        (5, ["current_total", "current_l3"], ["voltage_l1n"]),
        (11, ["current_total"], ["voltage_l1n"]),  # V_SF at 13
        (12, ["voltage_l1n"], ["active_power_total"]),
        (13, ["voltage_l1n"], ["active_power_total"]),  # W at 14, W_SF at 15
        (14, ["active_power_total"], ["frequency"]),
        (24, ["power_factor_total"], ["energy_total"]),  # WH at 24 and 25, WH_SF at 26
        (25, ["energy_total"], ["dc_current"]),
        (36, ["temperature_internal"], ["status"]),  # St at 38
        (39, ["status", "status_vendor"], ["alarm_1"]),  # one half of Evt1 at 40 and 41
        (40, ["alarm_1"], ["alarm_vendor_1"]),
        (50, ["alarm_1", "alarm_vendor_2"], []),
        (75, ["alarm_1", "alarm_vendor_2"], []),
    ],
)
def test_model_103_has_the_points_that_its_length_covers(length: int, has: list[str], lacks: list[str]) -> None:
    offered = {row.quantity for row in registers(FoundModel(103, 40002, length))}
    assert set(has) <= offered
    assert offered.isdisjoint(lacks)


@pytest.mark.parametrize("length", [64, 65, 66, 70])
def test_model_1_is_stepped_over_by_its_own_length(length: int) -> None:
    identity = (*common("Acme", "Roof 10", "SN-0042", min(length, 66)), *[0] * (length - 66))
    words = (*MARKER, 1, length, *identity[2:], *written(103, INVERTER), *END)
    found = discover(words)
    assert (found.vendor, found.serial) == ("Acme", "SN-0042")
    assert found.registers[0].address == 40002 + 2 + length + 2
    assert read(words)["active_power_total"] == 110_000.0


@pytest.mark.parametrize(("length", "texts"), [(0, ("", "")), (16, ("Acme", "")), (32, ("Acme", "Roof 10"))])
def test_a_short_model_1_gives_the_texts_that_it_contains(length: int, texts: tuple[str, str]) -> None:
    words = (*MARKER, 1, length, *COMMON_66[2 : 2 + length], *written(103, INVERTER), *END)
    found = discover(words)
    assert ((found.vendor, found.model), found.serial) == (texts, "")
    assert read(words)["active_power_total"] == 110_000.0


def module(number: int, volts: int) -> tuple[int, ...]:
    """A block of model 160: ID, eight registers of text, DCA, DCV, DCW, DCWH, Tms, Tmp, DCSt, DCEvt."""
    return number, *[0] * 8, 0xFFFF, volts, 0xFFFF, 0, 0, 0xFFFF, 0xFFFF, 0x8000, 0xFFFF, 0xFFFF, 0xFFFF


@pytest.mark.parametrize("count", [0, 2, 5, 0xFFFF])
def test_blocks_are_counted_from_the_length_and_not_from_n(count: int) -> None:
    # Offsets 2 to 5 the scale factors, 6 events, 8 N, 9 period.
    trackers = (160, 8 + 2 * 20, 0, 0, 0, 0, 0, 0, count, 0, *module(1, 612), *module(2, 598))
    found = read((*MARKER, *COMMON_66, *written(103, INVERTER), *trackers, *END))
    assert (found["dc_voltage_1"], found["dc_voltage_2"]) == (612.0, 598.0)
    assert "dc_voltage_3" not in found


def test_an_incomplete_block_is_ignored() -> None:
    trackers = (160, 8 + 20 + 19, 0, 0, 0, 0, 0, 0, 2, 0, *module(1, 612), *module(2, 598)[:19])
    found = read((*MARKER, *COMMON_66, *written(103, INVERTER), *trackers, *END))
    assert found["dc_voltage_1"] == 612.0
    assert "dc_voltage_2" not in found


@pytest.mark.parametrize("number", BLOCKS)
def test_a_model_without_blocks_has_its_fixed_part(number: int) -> None:
    bare = (number, LENGTHS[number], *[1] * LENGTHS[number])
    words = (*MARKER, *COMMON_66, *bare, *written(103, INVERTER), *END)
    assert len(list(registers(FoundModel(number, 40070, LENGTHS[number])))) == FIXED[number]
    assert read(words)["active_power_total"] == 110_000.0


def test_modules_beyond_the_vocabulary_are_left_out() -> None:
    trackers = (160, 8 + 26 * 20, 0, 0, 0, 0, 0, 0, 26, 0, *[word for n in range(1, 27) for word in module(n, 600 + n)])
    found = read((*MARKER, *COMMON_66, *trackers, *END))
    assert found["dc_voltage_24"] == 624.0
    assert "dc_voltage_25" not in found


def test_empty_models_are_stepped_over() -> None:
    words = (*MARKER, *COMMON_66, 103, 0, 64110, 0, 160, 0, *written(203, {"W_SF": 0, "W": 5.0}), *END)
    (found,) = members(words)
    assert (found.kind, read(words)["active_power_total"]) == ("meter", 5.0)


@pytest.mark.parametrize("number", MEASURING)
def test_a_length_up_to_the_last_address_is_planned(number: int) -> None:
    found = discover((*MARKER, *COMMON_66, number, 0xFFFF, *[0] * 10))
    make_plan(found)
    assert all(row.address + row.words <= 0x10000 for row in found.registers)


HEADS = st.tuples(
    st.sampled_from([*walk.KNOWN_MODELS, 64001]), st.sampled_from([0, 1, 24, 50, 66, 105, 124, 300, 0xFFFF])
)


@settings(derandomize=True, deadline=None)
@given(st.lists(HEADS, max_size=12), st.lists(st.integers(0, 0xFFFF), max_size=40))
@pytest.mark.slow(2)
def test_any_chain_is_refused_or_its_members_can_be_planned(heads: list[tuple[int, int]], rest: list[int]) -> None:
    words = [word for number, length in heads for word in (number, length, *[number] * min(length, 300))]
    try:
        found = members((*MARKER, *words, *rest))
    except BadAnswer:
        return
    assert len({member.name for member in found}) == len(found)
    for member in found:
        assert len(set(member.quantities)) == len(member.quantities) > 0
        make_plan(member)
