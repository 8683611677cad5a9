"""The planner: each value in a single request, within the limits, in the least bus time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import inf
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram_drivers.bus_time import FEWEST_REQUESTS, RequestCost, request_cost
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import (
    Device,
    DeviceLimits,
    Direction,
    Guard,
    Register,
    Table,
    Type,
    ValidWhen,
    Variant,
)
from wattgram_drivers.driver_errors import MapError
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import (
    Block,
    Plan,
    RefusedRegisters,
    RegisterSpan,
    arrange,
    make_plan,
)
from wattgram_drivers.quantity import QUANTITIES, is_slow
from wattgram_ext.decode import Decoder


def register(quantity: str, address: int, type_: Type = "u16", scale: int | None = None, *factors: str) -> Register:
    return Register(quantity, address, "input", type_, scale_address=scale, factors=factors)


def device(limits: DeviceLimits, *registers: Register) -> Device:
    return Device("d", "v", "m", "meter", registers, limits)


def asked(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    return [(block.address, block.count) for block in blocks]


def requests(plan: Plan) -> list[tuple[int, int]]:
    return asked(plan.blocks)


def test_neighbours_are_read_together_and_gaps_are_not() -> None:
    found = make_plan(device(DeviceLimits(), register("a", 10, "f32"), register("b", 12), register("c", 14)))
    assert requests(found) == [(10, 3), (14, 1)]
    assert [place.position for place in found.places] == [0, 2, 3]
    assert found.words == 4


def test_a_gap_within_the_limit_is_read_across() -> None:
    rows = (register("a", 10), register("b", 13), register("c", 17))
    assert requests(make_plan(device(DeviceLimits(gap=2), *rows))) == [(10, 4), (17, 1)]
    assert requests(make_plan(device(DeviceLimits(gap=3), *rows))) == [(10, 8)]


def test_no_value_is_split_at_the_longest_request() -> None:
    rows = [register(f"r{number}", 2 * number, "u32") for number in range(4)]
    assert requests(make_plan(device(DeviceLimits(max_registers=5), *rows))) == [(0, 4), (4, 4)]


def test_devices_with_even_addressing_get_even_requests() -> None:
    rows = (register("a", 11), register("b", 21, "u32"))
    found = make_plan(device(DeviceLimits(even=True), *rows))
    assert requests(found) == [(10, 2), (20, 4)]
    assert [place.position for place in found.places] == [0, 1]
    assert found.words == 3  # the padding registers have no place


def test_a_request_stays_in_its_window() -> None:
    rows = (register("a", 9), register("b", 10))
    assert requests(make_plan(device(DeviceLimits(windows=((0, 9), (10, 19))), *rows))) == [(9, 1), (10, 1)]


def test_tables_are_read_apart() -> None:
    rows = (register("a", 1), Register("b", 2, "holding", "u16"))
    assert {(block.table, block.address) for block in make_plan(device(DeviceLimits(), *rows)).blocks} == {
        ("input", 1),
        ("holding", 2),
    }


def test_a_value_and_its_scale_register_share_a_request() -> None:
    found = make_plan(device(DeviceLimits(), register("a", 40, "i16", 45), register("b", 43, "i16", 45)))
    assert requests(found) == [(40, 6)]
    # 40 to 45, then 43 to 45 again: the second value has words of its own.
    assert [(place.position, place.scale_position) for place in found.places] == [(0, 5), (6, 8)]


def test_a_scale_register_out_of_reach_is_read_before_and_after() -> None:
    rows = (register("a", 400, "i16", 100), register("b", 401, "i16", 100), register("near", 105, "i16", 100))
    found = make_plan(device(DeviceLimits(), *rows))
    assert requests(found) == [(100, 6), (400, 2), (100, 1)]
    assert found.twice == {RegisterSpan("input", 100, 100)}


@pytest.mark.parametrize(
    ("counts", "order"),
    [
        # ends of values in registers; a gap of 0 keeps them apart
        ((2, 2, 4, 4), (2, 4, 2, 4)),
        ((1, 2, 4, 8), (1, 2, 4, 8)),
        ((4, 2, 2, 2, 4), (2, 4, 2, 4, 2)),
        ((2, 2, 2), (2, 2, 2)),  # there is no other order
    ],
)
def test_requests_of_equal_shape_are_separated(counts: Sequence[int], order: Sequence[int]) -> None:
    types: dict[int, Type] = {1: "u16", 2: "u32", 4: "u64"}
    rows = []
    for number, count in enumerate(counts):
        # eight registers are two values side by side
        rows += [
            register(f"q{number}_{part}", 100 * number + 4 * part, types[min(count, 4)])
            for part in range(1 + (count == 8))
        ]
    found = make_plan(device(DeviceLimits(), *rows))
    assert tuple(count for _, count in requests(found)) == tuple(order)


def test_a_quantity_and_its_factors_are_planned_together() -> None:
    rows = (
        register("energy", 0, "u32", None, "pt", "ct"),
        register("x", 50),
        register("pt", 141),
        register("ct", 142),
    )
    found = make_plan(device(DeviceLimits(), *rows), ["energy"])
    assert found.quantities == ("energy", "pt", "ct")
    assert found.factors() == ((0, 1), (0, 2))


def test_fields_are_what_the_decoder_takes() -> None:
    row = Register("a", 5, "input", "i32", "little", Fraction(-1, 10), 7, (), (0x80000000,))
    found = make_plan(device(DeviceLimits(), row))
    assert found.fields() == (
        (0, "i32", True, -1.0, 10.0, 2, (0x80000000,), 0.0, False, -1, 0, 0, False, -1, -1, -1, None, 0),
    )
    Decoder(found.fields(), found.factors(), found.words)


def test_a_value_its_direction_and_its_scale_are_planned_together() -> None:
    row = Register("a", 40, "input", "i16", scale_address=42, direction=Direction(33, 0x2, 0x2), offset=7)
    found = make_plan(device(DeviceLimits(), row))
    assert requests(found) == [(33, 10)]
    assert found.fields() == ((7, "i16", False, 1.0, 1.0, 9, (), 7.0, False, 0, 0x2, 0x2, False, -1, -1, -1, None, 0),)
    apart = make_plan(device(DeviceLimits(max_registers=4), row))
    assert requests(apart) == [(42, 1), (33, 1), (40, 1), (42, 1)]
    assert apart.fields() == ((1, "i16", False, 1.0, 1.0, 2, (), 7.0, False, 0, 0x2, 0x2, False, -1, -1, -1, None, 0),)


def test_words_apart_share_a_request_or_the_high_word_is_read_before_and_after() -> None:
    row = Register("a", 690, "holding", "i32", low_address=625)
    near = make_plan(device(DeviceLimits(), row))
    assert requests(near) == [(625, 66)]  # 625 to 690
    assert near.fields() == ((65, "i32", False, 1.0, 1.0, -1, (), 0.0, False, -1, 0, 0, False, -1, -1, 0, None, 0),)
    apart = make_plan(device(DeviceLimits(max_registers=60), row))
    assert requests(apart) == [(690, 1), (625, 1), (690, 1)]
    assert apart.twice == {RegisterSpan("holding", 690, 690)}
    assert apart.places[0].positions == (1, 0)
    Decoder(apart.fields(), apart.factors(), apart.words)


def test_a_variant_is_planned_with_its_guards() -> None:
    other = Register("a", 40, "input", "u16")
    row = Register("a", 39, "input", "i32", variant=Variant((Guard(29, (0x7FFFFFFF,), 2), Guard(39, (0,))), other))
    found = make_plan(device(DeviceLimits(), row))
    assert requests(found) == [(29, 12)]
    guards = ((0, 2, (0x7FFFFFFF,)), (10, 1, (0,)))
    second = (11, "u16", False, 1.0, 1.0, -1, (), 0.0, False, -1, 0, 0, False, -1, -1, -1, None, 0)
    assert found.fields() == (
        (10, "i32", False, 1.0, 1.0, -1, (), 0.0, False, -1, 0, 0, False, -1, -1, -1, (guards, second), 0),
    )
    absent = make_plan(device(DeviceLimits(), Register("a", 39, "input", "i32", variant=Variant((Guard(38, (0,)),)))))
    assert absent.fields()[0].variant == (((0, 1, (0,)),), None)


def test_the_place_that_a_value_comes_from_is_named() -> None:
    # GoodWe with one phase: 35129 is 7FFFFFFF, and 35139 has a high word of 0
    plan = make_plan(load("goodwe_et"), ["active_power_total"])
    (place,) = plan.places
    words = {29: 0x7FFF, 30: 0xFFFF, 39: 0, 40: 0xFF5C}
    image = b"".join(words.get(address, 0).to_bytes(2, "big") for address in range(29, 41))
    assert place.in_force(image, b"\1" * 12).register.address == 35140
    assert place.in_force(image, b"\1\0" + b"\1" * 10).register.address == 35139
    assert place.in_force(image[:-2] + b"\x7f\xff", b"\1" * 12).register.address == 35139  # not available
    assert place.in_force(bytes(24), b"\1" * 12) == place


def test_the_state_of_a_condition_is_planned_with_the_values_that_it_covers() -> None:
    rows = (register("power", 0), register("energy", 10), register("state", 50, "u16", None, "pt"), register("pt", 60))
    whole = Device("d", "v", "m", "meter", rows, conditions=(ValidWhen("state", (1.0,)),))
    assert make_plan(whole, ["power"]).quantities == ("power", "state", "pt")
    assert make_plan(whole, ["state"]).quantities == ("state", "pt")
    assert make_plan(whole, ["pt"]).quantities == ("state", "pt")
    assert asked(make_plan(whole, slow=["energy", "state", "pt"]).fast_blocks) == [(0, 1), (50, 1), (60, 1)]
    part = Device("d", "v", "m", "meter", rows, conditions=(ValidWhen("state", (1.0,), ("power",)),))
    assert make_plan(part, ["energy"]).quantities == ("energy",)
    assert make_plan(part, ["power"]).quantities == ("power", "state", "pt")


def test_an_unknown_quantity_is_named() -> None:
    with pytest.raises(MapError, match="d: no quantity 'c'; allowed: a, b"):
        make_plan(device(DeviceLimits(), register("a", 1), register("b", 2)), ["c"])


def test_a_value_outside_every_window_is_named() -> None:
    with pytest.raises(MapError, match=r"registers 9-10 \(input\) do not fit one request.*windows 0-9"):
        make_plan(device(DeviceLimits(windows=((0, 9),)), register("a", 9, "u32")))


rows = st.builds(
    Register,
    quantity=st.just("a"),
    address=st.integers(0, 400),
    table=st.sampled_from(get_args(Table)),
    type=st.sampled_from(get_args(Type)),
    scale_address=st.none() | st.integers(0, 400),
    direction=st.none() | st.builds(Direction, st.integers(0, 400)),
    variant=st.none() | st.builds(Variant, st.tuples(st.builds(Guard, st.integers(0, 400), st.just((1,))))),
) | st.builds(
    lambda high, low: Register("a", high, "input", "u32", low_address=low), st.integers(0, 400), st.integers(0, 400)
)
limits = st.builds(
    DeviceLimits,
    max_registers=st.integers(6, 125),
    gap=st.integers(0, 125),
    even=st.booleans(),
    # Windows that begin and end evenly and overlap by a value's width, so that every value fits a window.
    windows=st.just(())
    | st.integers(20, 200).map(
        lambda width: tuple((start, start + 2 * width + 7) for start in range(0, 440, 2 * width))
    ),
)


@settings(derandomize=True, deadline=None)
@given(st.lists(rows, min_size=1, max_size=40), limits)
def test_any_plan_covers_each_value_once_within_the_limits(registers: list[Register], bounds: DeviceLimits) -> None:
    found = make_plan(device(bounds, *registers))

    for block in found.blocks:
        assert block.count <= bounds.max_registers
        last = block.address + block.count - 1
        assert not bounds.even or (block.address % 2 == 0 and block.count % 2 == 0)
        windows = bounds.windows or ((0, 0xFFFF),)
        assert any(low <= block.address and last <= high for low, high in windows)
        assert all(
            block.address <= span.first and span.last <= last and span.table == block.table for span in block.spans
        )

    assert {span for block in found.blocks for span in block.spans} == set(found.spans)
    words = [(span.table, address) for span in found.spans for address in range(span.first, span.last + 1)]
    assert found.words == len(words)

    def address_at(word: int, table: Table) -> int:
        assert words[word][0] == table
        return words[word][1]

    assert [place.register for place in found.places] == registers
    for place in found.places:
        row = place.register
        assert tuple(address_at(word, row.table) for word in place.positions) == row.addresses
        if row.variant is not None:
            assert address_at(place.guard_positions[0], row.table) == row.variant.guards[0].address
        if row.scale_address is None:
            assert place.scale_position == -1
        else:
            assert address_at(place.scale_position, row.table) == row.scale_address


def partitions(spans: Sequence[RegisterSpan]) -> Iterator[list[list[RegisterSpan]]]:
    """Yield every division of spans into requests."""
    if not spans:
        yield []
        return
    first, *others = spans
    for rest in partitions(others):
        yield [[first], *rest]
        for index, group in enumerate(rest):
            yield [*rest[:index], [first, *group], *rest[index + 1 :]]


def cost(
    groups: Sequence[Sequence[RegisterSpan]], spans: Sequence[RegisterSpan], bounds: DeviceLimits, price: RequestCost
) -> float:
    """Return the time of these requests, s; infinite when a request is not allowed. Independent of the planner."""
    total = 0.0
    needed = {register for span in spans for register in range(span.first, span.last + 1)}
    for group in groups:
        low, high = min(span.first for span in group), max(span.last for span in group)
        run = longest = 0
        for register in range(low, high + 1):
            run = 0 if register in needed else run + 1
            longest = max(longest, run)
        if bounds.even:
            low -= low % 2
            high += (high - low + 1) % 2
        fits = not bounds.windows or any(first <= low and high <= last for first, last in bounds.windows)
        if high - low + 1 > bounds.max_registers or longest > bounds.gap or not fits:
            return inf
        total += price.request + price.register * (high - low + 1)
    return total


small = st.builds(
    lambda first, words: RegisterSpan("input", first, first + words - 1), st.integers(0, 40), st.integers(1, 8)
)
tight = st.builds(
    DeviceLimits,
    max_registers=st.integers(10, 30),
    gap=st.integers(0, 20),
    even=st.booleans(),
    windows=st.just(()) | st.just(((0, 29), (20, 49))),
)
prices = st.builds(RequestCost, st.sampled_from([1.0, 5.0, 20.0]), st.sampled_from([0.0, 1.0, 3.0]))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(small, min_size=1, max_size=6, unique=True), tight, prices)
@pytest.mark.slow(1)
def test_no_other_plan_is_cheaper(spans: list[RegisterSpan], bounds: DeviceLimits, price: RequestCost) -> None:
    found = arrange(spans, bounds, price)
    best = min(cost(groups, spans, bounds, price) for groups in partitions(spans))
    assert price.seconds(found) == pytest.approx(best)
    assert {span for block in found for span in block.spans} == set(spans)


@pytest.mark.parametrize(
    ("url", "delay", "request_ms", "register_ms"),
    [
        # 11 / 9600 = 1.145833 ms a character: 13 of them, twice 3.5 of them, 20 ms turnaround; 2 a register.
        ("rtu:///dev/ttyS0?baudrate=9600&parity=E", 0.0, 14.895833 + 2 * 4.010417 + 20, 2.291667),
        # The device's own 60 ms take the place of the second silence.
        ("rtu:///dev/ttyS0?baudrate=9600&parity=E", 0.06, 14.895833 + 4.010417 + 60 + 20, 2.291667),
        # 11 / 115200 = 0.0954861 ms a character; above 19200 baud the silence is 1.75 ms.
        ("rtu:///dev/ttyS0?baudrate=115200&parity=E", 0.0, 1.241319 + 2 * 1.75 + 20, 0.190972),
        ("tcp://meter", 0.0, 5, 0),
        ("tcp://meter", 0.05, 55, 0),
        ("rtutcp://gateway", 0.0, 20, 0),
        ("tls://meter", 0.0, 5, 0),
        # Two characters an octet.
        ("ascii:///dev/ttyS0?baudrate=9600&parity=E", 0.0, 2 * 14.895833 + 2 * 4.010417 + 20, 2 * 2.291667),
    ],
)
def test_the_price_of_a_bus_by_hand(url: str, delay: float, request_ms: float, register_ms: float) -> None:
    price = request_cost(parse(url), DeviceLimits(request_delay=delay))
    assert 1000 * price.request == pytest.approx(request_ms, abs=1e-5)
    assert 1000 * price.register == pytest.approx(register_ms, abs=1e-5)


def test_a_gap_is_bridged_only_where_it_is_cheaper_than_another_request() -> None:
    rows = (register("a", 0), register("b", 21))
    wide = device(DeviceLimits(gap=100), *rows)
    # 20 registers take 20 x 22 / 2400 = 183 ms at 2400 baud, a request (13 + 7) x 11 / 2400 + 20 ms = 112 ms.
    slow_line, fast_line = (parse(f"rtu:///dev/ttyS0?baudrate={baud}&parity=E") for baud in (2400, 9600))
    assert requests(make_plan(wide, cost=request_cost(slow_line, wide.limits))) == [(0, 1), (21, 1)]
    # At 9600 baud: 46 ms against 20 x 11 / 9600 + 20 ms = 43 ms; with 10 ms of pause instead of 4 it is 49 ms.
    assert requests(make_plan(wide, cost=request_cost(fast_line, wide.limits))) == [(0, 1), (21, 1)]
    paused = device(DeviceLimits(gap=100, request_delay=0.01), *rows)
    assert requests(make_plan(paused, cost=request_cost(fast_line, paused.limits))) == [(0, 22)]
    # On a network registers cost nothing.
    assert requests(make_plan(wide, cost=request_cost(parse("tcp://h"), wide.limits))) == [(0, 22)]


def test_a_gap_is_not_read_without_a_gap_limit() -> None:
    rows = (register("a", 0), register("b", 2))
    assert requests(make_plan(device(DeviceLimits(gap=0), *rows), cost=RequestCost(1000.0, 0.0))) == [(0, 1), (2, 1)]


def test_a_meter_on_a_line_at_9600_baud_by_hand() -> None:
    # SDM630, 8E1: values in 0-35, 52-85, 200-205, 224-225 and 342-357 (its map). 0-85 is longer than its 80 registers,
    # so it is cut where most is saved, at 36-51; 18 registers between 205 and 224 cost 18 x 2.291667 = 41 ms, a
    # request 98.906250 ms (above), and the map allows 20. 4 requests and 36 + 34 + 26 + 16 = 112 registers:
    # 4 x 98.906250 + 112 x 2.291667 = 652.291667 ms.
    meter = load("eastron_sdm630")
    price = request_cost(parse("rtu:///dev/ttyUSB0?baudrate=9600&parity=E"), meter.limits)
    plan = make_plan(meter, cost=price)
    assert requests(plan) == [(0, 36), (52, 34), (200, 26), (342, 16)]
    assert 1000 * price.seconds(plan.blocks) == pytest.approx(652.291667, abs=1e-4)
    # One request a value, as mbmd does: 40 x (98.906250 + 2 x 2.291667) = 4139.583333 ms.
    each = [block for name in meter.quantities for block in make_plan(meter, [name], price).blocks]
    assert 1000 * price.seconds(each) == pytest.approx(4139.583333, abs=1e-4)
    # The balance and the ledger of a plant need the powers and both counters, 52-75, in one request:
    # 98.906250 + 24 x 2.291667 = 153.906250 ms.
    few = make_plan(meter, ["active_power_total", "active_energy_import", "active_energy_export"], price)
    assert requests(few) == [(52, 24)]
    assert 1000 * price.seconds(few.blocks) == pytest.approx(153.906250, abs=1e-4)


def test_slow_quantities_are_read_separately_unless_they_cost_nothing() -> None:
    # Without the counters in 342-357 a reading needs three of the four requests; those in 72-79 lie within 52-85.
    meter = load("eastron_sdm630")
    price = request_cost(parse("rtu:///dev/ttyUSB0?baudrate=9600&parity=E"), meter.limits)
    slow = [name for name in meter.quantities if is_slow(name)]
    assert [name for name in slow if "energy" not in name] == []
    plan = make_plan(meter, cost=price, slow=slow)
    assert requests(plan) == [(0, 36), (52, 34), (200, 26), (342, 16)]
    assert asked(plan.fast_blocks) == [(0, 36), (52, 34), (200, 26)]
    assert RegisterSpan("input", 72, 73) in plan.fast_blocks[1].spans
    # 3 x 98.906250 + 96 x 2.291667 = 516.718750 ms
    assert 1000 * price.seconds(plan.fast_blocks) == pytest.approx(516.718750, abs=1e-4)
    assert (plan.places, plan.words) == (make_plan(meter).places, make_plan(meter).words)


def test_the_factors_of_a_fast_quantity_are_fast() -> None:
    rows = (register("power", 0, "u32", None, "pt"), register("energy", 50), register("pt", 141))
    plan = make_plan(device(DeviceLimits(), *rows), slow=["energy", "pt"])
    assert asked(plan.fast_blocks) == [(0, 2), (141, 1)]


def test_a_device_with_nothing_fast_is_read_in_full() -> None:
    plan = make_plan(device(DeviceLimits(), register("a", 0), register("b", 9)), slow=["a", "b"])
    assert plan.fast_blocks == plan.blocks


def test_an_unknown_slow_quantity_is_named() -> None:
    with pytest.raises(MapError, match="d: no quantity 'c'; allowed: a"):
        make_plan(device(DeviceLimits(), register("a", 1)), slow=["c"])


@pytest.mark.parametrize(
    ("slow", "names"),
    [
        (False, "active_power_total reactive_power_l1 apparent_power_total power_factor_total voltage_l1l2 current_n"),
        (
            False,
            "frequency dc_power_1 dc_voltage dc_current_24 battery_power battery_soc grid_current_l1 battery_voltage",
        ),
        (
            True,
            "active_energy_import reactive_energy_total energy_daily battery_soh temperature_internal status alarm_1",
        ),
        (True, "rated_power rated_current power_limit power_limit_max voltage_nominal frequency_nominal ct_ratio"),
        (True, "current_limit max_current battery_max_charge_power power_factor_setpoint voltage_limit_max"),
    ],
)
def test_slow_quantities_follow_from_the_vocabulary(slow: bool, names: str) -> None:
    assert {name: is_slow(name) for name in names.split()} == dict.fromkeys(names.split(), slow)
    assert set(names.split()) <= set(QUANTITIES)


def test_requests_avoid_refused_registers() -> None:
    spans = [RegisterSpan("input", number, number) for number in range(10)]
    learned = RefusedRegisters(frozenset({RegisterSpan("input", 4, 4)}), frozenset({("input", 8)}))
    there = [span for span in spans if span.first != 4]
    assert asked(arrange(there, DeviceLimits(gap=9), FEWEST_REQUESTS, learned=learned)) == [(0, 4), (5, 3), (8, 2)]
    assert asked(arrange(there, DeviceLimits(gap=9), FEWEST_REQUESTS)) == [(0, 10)]
