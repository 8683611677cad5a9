"""The planner: every value in one request, within the limits, in as few requests as these allow."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram_drivers.device import Device, Direction, Limits, Register, Table, Type
from wattgram_drivers.errors import MapError
from wattgram_drivers.plan import Plan, make_plan
from wattgram_ext.decode import Decoder


def register(quantity: str, address: int, type_: Type = "u16", scale: int | None = None, *factors: str) -> Register:
    return Register(quantity, address, "input", type_, scale_address=scale, factors=factors)


def device(limits: Limits, *registers: Register) -> Device:
    return Device("d", "v", "m", "meter", registers, limits)


def requests(plan: Plan) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in plan.blocks]


def test_neighbours_are_read_together_and_gaps_are_not() -> None:
    found = make_plan(device(Limits(), register("a", 10, "f32"), register("b", 12), register("c", 14)))
    assert requests(found) == [(10, 3), (14, 1)]
    assert [place.position for place in found.places] == [0, 2, 3]
    assert found.words == 4


def test_a_gap_within_the_limit_is_read_across() -> None:
    rows = (register("a", 10), register("b", 13), register("c", 17))
    assert requests(make_plan(device(Limits(gap=2), *rows))) == [(10, 4), (17, 1)]
    assert requests(make_plan(device(Limits(gap=3), *rows))) == [(10, 8)]


def test_no_value_is_split_at_the_longest_request() -> None:
    rows = [register(f"r{number}", 2 * number, "u32") for number in range(4)]
    assert requests(make_plan(device(Limits(max_registers=5), *rows))) == [(0, 4), (4, 4)]


def test_even_devices_are_asked_evenly() -> None:
    rows = (register("a", 11), register("b", 21, "u32"))
    found = make_plan(device(Limits(even=True), *rows))
    assert requests(found) == [(10, 2), (20, 4)]
    assert [place.position for place in found.places] == [1, 3]


def test_a_request_stays_in_its_window() -> None:
    rows = (register("a", 9), register("b", 10))
    assert requests(make_plan(device(Limits(windows=((0, 9), (10, 19))), *rows))) == [(9, 1), (10, 1)]


def test_tables_are_read_apart() -> None:
    rows = (register("a", 1), Register("b", 2, "holding", "u16"))
    assert {(block.table, block.address) for block in make_plan(device(Limits(), *rows)).blocks} == {
        ("input", 1),
        ("holding", 2),
    }


def test_a_scale_register_comes_with_its_value() -> None:
    found = make_plan(device(Limits(), register("a", 40, "i16", 45), register("b", 43, "i16", 45)))
    assert requests(found) == [(40, 6)]
    assert [(place.position, place.scale_position) for place in found.places] == [(0, 5), (3, 5)]


def test_a_scale_register_out_of_reach_is_read_before_and_after() -> None:
    rows = (register("a", 400, "i16", 100), register("b", 401, "i16", 100), register("near", 105, "i16", 100))
    found = make_plan(device(Limits(), *rows))
    assert requests(found) == [(100, 1), (100, 6), (400, 2), (100, 1)]
    assert [(place.position, place.scale_position) for place in found.places] == [(7, 9), (8, 9), (6, 1)]
    assert found.twice == ((0, 9),)


def test_a_quantity_brings_its_factors() -> None:
    rows = (
        register("energy", 0, "u32", None, "pt", "ct"),
        register("x", 50),
        register("pt", 141),
        register("ct", 142),
    )
    found = make_plan(device(Limits(), *rows), ["energy"])
    assert found.quantities == ("energy", "pt", "ct")
    assert found.factors() == ((0, 1), (0, 2))


def test_fields_are_what_the_decoder_takes() -> None:
    row = Register("a", 5, "input", "i32", "little", Fraction(-1, 10), 7, (), (0x80000000,))
    found = make_plan(device(Limits(), row))
    assert found.fields() == ((0, "i32", True, -1.0, 10.0, 2, (0x80000000,), 0.0, False, -1, 0, 0),)
    Decoder(found.fields(), found.factors(), found.words)


def test_a_direction_comes_with_its_value_and_its_scale() -> None:
    row = Register("a", 40, "input", "i16", scale_address=42, direction=Direction(33, 0x2, 0x2), offset=7)
    found = make_plan(device(Limits(), row))
    assert requests(found) == [(33, 10)]
    assert found.fields() == ((7, "i16", False, 1.0, 1.0, 9, (), 7.0, False, 0, 0x2, 0x2),)
    apart = make_plan(device(Limits(max_registers=4), row))
    assert requests(apart) == [(42, 1), (33, 1), (40, 1), (42, 1)]
    assert apart.fields() == ((2, "i16", False, 1.0, 1.0, 3, (), 7.0, False, 1, 0x2, 0x2),)


def test_an_unknown_quantity_is_named() -> None:
    with pytest.raises(MapError, match="d: no quantity 'c'; it has a, b"):
        make_plan(device(Limits(), register("a", 1), register("b", 2)), ["c"])


def test_a_value_outside_every_window_is_named() -> None:
    with pytest.raises(MapError, match=r"registers 9-10 \(input\) do not fit one request.*windows 0-9"):
        make_plan(device(Limits(windows=((0, 9),)), register("a", 9, "u32")))


rows = st.builds(
    Register,
    quantity=st.just("a"),
    address=st.integers(0, 400),
    table=st.sampled_from(get_args(Table)),
    type=st.sampled_from(get_args(Type)),
    scale_address=st.none() | st.integers(0, 400),
    direction=st.none() | st.builds(Direction, st.integers(0, 400)),
)
limits = st.builds(
    Limits,
    max_registers=st.integers(6, 125),
    gap=st.integers(0, 125),
    even=st.booleans(),
    # Windows that begin and end evenly and overlap by a value's width, so that every value fits one.
    windows=st.just(())
    | st.integers(20, 200).map(
        lambda width: tuple((start, start + 2 * width + 7) for start in range(0, 440, 2 * width))
    ),
)


@settings(derandomize=True, deadline=None)
@given(st.lists(rows, min_size=1, max_size=40), limits)
def test_any_plan_covers_each_value_once_within_the_limits(drawn: list[Register], bounds: Limits) -> None:
    found = make_plan(device(bounds, *drawn))

    assert found.words == sum(block.count for block in found.blocks)
    position = 0
    for block in found.blocks:
        assert block.position == position
        position += block.count
        assert block.count <= bounds.max_registers
        last = block.address + block.count - 1
        assert not bounds.even or (block.address % 2 == 0 and block.count % 2 == 0)
        windows = bounds.windows or ((0, 0xFFFF),)
        assert any(low <= block.address and last <= high for low, high in windows)

    def address_at(word: int, table: Table) -> int:
        block = next(each for each in found.blocks if each.position <= word < each.position + each.count)
        assert block.table == table
        return block.address + word - block.position

    def block_of(word: int) -> int:
        return sum(block.position <= word for block in found.blocks)

    assert [place.register for place in found.places] == drawn
    for place in found.places:
        row = place.register
        held = [address_at(place.position + word, row.table) for word in range(row.words)]
        assert held == list(range(row.address, row.address + row.words))
        if row.scale_address is None:
            assert place.scale_position == -1
        else:
            assert address_at(place.scale_position, row.table) == row.scale_address
            of_value, of_scale = (block_of(word) for word in (place.position, place.scale_position))
            before = [first for first, last in found.twice if last == place.scale_position]
            assert of_value == of_scale or block_of(*before) <= of_value < of_scale
