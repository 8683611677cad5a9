"""Detection of a frozen device: all values stand still while power flows; expected values by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.counters.frozen_device import FROZEN, MIN_READINGS, FrozenDeviceWatch
from wattgram.counters.metering import MeteredStep

T0 = 1_780_286_400 * NS  # 2026-06-01T04:00:00Z
STOOD = MeteredStep(0.0, nan, resolution=(10.0, 0.0))
"""A counter in steps of 10 Wh that was read and has not moved."""


def block(*values: float) -> bytes:
    return struct.pack(f"{len(values)}d", *values)


@dataclass
class Watched:
    """A watch of a device whose first value is the power."""

    watch: FrozenDeviceWatch
    now: float = 0.0
    told: list[tuple[float, Occurrence]] = field(default_factory=list)

    def reads(self, power: float, *others: float, metered: MeteredStep | None = None, after: float = 1.0) -> bool:
        """Take a later reading; return whether the device is frozen."""
        self.now += after
        time = T0 + int(self.now * NS)
        self.watch, told = self.watch.advance(block(power, *others), power, time, self.now, metered)
        self.told += [(self.now, one) for one in told]
        return self.watch.frozen

    def lasts(self, seconds: int, *values: float, metered: MeteredStep | None = None) -> bool:
        return [self.reads(*values, metered=metered) for _ in range(seconds)][-1]


def test_after_a_quarter_of_an_hour_a_device_whose_values_all_stand_still_is_frozen_and_it_is_told_once() -> None:
    one = Watched(FrozenDeviceWatch())
    assert not one.lasts(900, 4200.0, 230.1)  # the first reading begins, so these are 899 s
    assert one.lasts(1000, 4200.0, 230.1)
    ((when, told),) = one.told
    assert when == 901.0
    assert told == Occurrence(
        "device frozen", "power 4200 W and every other value unchanged since 2026-06-01T04:00:01.000Z, 901 readings"
    )


def test_the_first_value_that_differs_shows_that_it_is_back() -> None:
    one = Watched(FrozenDeviceWatch())
    one.lasts(1000, 4200.0, 230.1)
    assert not one.reads(4200.0, 230.2)
    assert one.told[-1] == (1001.0, Occurrence("device back", "its values change again"))
    assert not one.lasts(899, 4200.0, 230.2)
    assert one.reads(4200.0, 230.2)


@pytest.mark.parametrize(
    ("rated", "power"),
    [(None, 0.0), (None, 1.0), (None, -1.0), (110e3, 220.0), (110e3, -220.0), (110e3, nan)],  # 0.2 % of 110 kW: 220 W
)
def test_next_to_nothing_is_what_a_sleeping_inverter_rightly_shows(rated: float | None, power: float) -> None:
    one = Watched(FrozenDeviceWatch(rated_power=rated))
    assert not one.lasts(4000, power, 230.1)


@pytest.mark.parametrize(("rated", "power"), [(None, 1.1), (None, -1.1), (110e3, 220.1), (110e3, -220.1)])
def test_more_than_next_to_nothing_is_not(rated: float | None, power: float) -> None:
    one = Watched(FrozenDeviceWatch(rated_power=rated))
    assert one.lasts(901, power, 230.1)


def test_a_device_that_shows_a_power_and_nothing_else_may_be_right() -> None:
    assert not Watched(FrozenDeviceWatch()).lasts(4000, 4200.0)
    assert not Watched(FrozenDeviceWatch()).lasts(4000, 4200.0, nan)


def test_a_power_whose_counter_stands_still_is_not_right() -> None:
    # 120 W for 900 s are 30 Wh, three steps of 10 Wh and not more; a second later they are.
    one = Watched(FrozenDeviceWatch(counters=(True, False)))
    assert not one.lasts(901, 120.0, 5000.0, metered=STOOD)
    assert one.reads(120.0, 5000.0, metered=STOOD)
    assert one.told[0][1].detail.endswith("902 readings; its counter stood still for 30.0333 Wh")


def test_a_counter_that_power_does_not_reach_says_nothing_yet() -> None:
    one = Watched(FrozenDeviceWatch(counters=(True, False)))  # 10 W: 30 Wh after 3 h
    assert not one.lasts(3 * 3600 + 1, 10.0, 230.1, 5000.0, metered=STOOD)
    assert one.reads(10.0, 230.1, 5000.0, metered=STOOD)


def test_a_counter_that_moves_shows_life_although_the_power_stands() -> None:
    one = Watched(FrozenDeviceWatch(counters=(True, False)))
    for number in range(4000):
        moved = number % 300 == 0
        energy = 5000.0 + 10.0 * (number // 300)
        metered = MeteredStep(10.0 if moved else 0.0, nan, resolution=(10.0, 0.0))
        assert not one.reads(120.0, energy, metered=metered)


def test_the_counter_of_the_other_direction_says_nothing() -> None:
    # Exporting beside an import counter: power and counter are two values that stand still together.
    one = Watched(FrozenDeviceWatch(counters=(True, False)))
    assert one.lasts(901, -120.0, 5000.0, metered=STOOD)


def test_a_counter_that_has_not_been_read_is_waited_for() -> None:
    one = Watched(FrozenDeviceWatch(counters=(True, False)))
    assert not one.lasts(4000, 4200.0, 230.1, nan)
    assert not one.reads(4200.0, 230.1, 5000.0, metered=STOOD)  # seen once, it may have moved
    assert not one.lasts(59, 4200.0, 230.1, nan)
    assert one.reads(4200.0, 230.1, 5000.0, metered=STOOD)  # 70 Wh later


def test_values_that_are_read_now_and_then_are_neither_a_change_nor_overlooked() -> None:
    def read(one: Watched, temperature: float) -> list[bool]:
        return [one.reads(4200.0, 230.1, temperature if n % 60 == 0 else nan) for n in range(1000)]

    assert read(Watched(FrozenDeviceWatch()), 40.0)[-1]
    one = Watched(FrozenDeviceWatch())
    read(one, 40.0)
    assert not one.reads(4200.0, 230.1, 40.1)


def test_a_value_that_is_read_once_a_minute_counts_between_its_readings_too() -> None:
    one = Watched(FrozenDeviceWatch())
    assert [one.reads(4200.0, 40.0 if n % 60 == 0 else nan) for n in range(902)] == [False] * 900 + [True] * 2


def test_a_reading_without_power_says_nothing() -> None:
    one = Watched(FrozenDeviceWatch())
    one.lasts(901, 4200.0, 230.1)
    assert one.reads(nan, nan)
    assert one.reads(nan, 230.1)
    assert not one.reads(nan, 230.2)
    assert not one.lasts(901, nan, 230.2)
    assert not one.reads(4200.0, 230.2)


def test_a_pause_is_no_time_in_which_anything_stood_still() -> None:
    one = Watched(FrozenDeviceWatch())
    one.lasts(800, 4200.0, 230.1)
    assert not one.reads(4200.0, 230.1, after=3600.0)
    assert not one.lasts(100, 4200.0, 230.1)
    assert one.reads(4200.0, 230.1)


def test_a_frozen_device_that_fell_silent_comes_back_frozen() -> None:
    one = Watched(FrozenDeviceWatch())
    one.lasts(1000, 4200.0, 230.1)
    assert one.reads(4200.0, 230.1, after=36_000.0)
    assert len(one.told) == 1


def test_ten_readings_are_needed_however_rare_they_are() -> None:
    one = Watched(FrozenDeviceWatch(interval=300.0))
    assert [one.reads(4200.0, 230.1, after=300.0) for _ in range(11)] == [False] * 9 + [True] * 2


def test_how_long_can_be_chosen() -> None:
    assert Watched(FrozenDeviceWatch(frozen_after=60.0)).lasts(61, 4200.0, 230.1)


def test_a_record_of_another_shape_begins_anew() -> None:
    one = Watched(FrozenDeviceWatch())
    one.lasts(1000, 4200.0, 230.1)
    assert not one.reads(4200.0, 230.1, 50.0)


MIN_VALUES = st.sampled_from([nan, 0.0, -0.0, 4200.0, 4200.5, 230.1])
ROWS = st.lists(st.tuples(MIN_VALUES, MIN_VALUES, MIN_VALUES), min_size=1, max_size=6)
STRETCHES = st.lists(st.tuples(ROWS, st.integers(1, 14)), min_size=1, max_size=6)


def unrolled(stretches: Iterable[tuple[Sequence[tuple[float, float, float]], int]]) -> list[tuple[float, float, float]]:
    return [rows[number % len(rows)] for rows, count in stretches for number in range(count)]


@given(STRETCHES)
def test_no_device_is_frozen_of_which_any_value_has_changed(
    stretches: list[tuple[list[tuple[float, float, float]], int]],
) -> None:
    one = Watched(FrozenDeviceWatch(interval=100.0))
    rows = unrolled(stretches)
    for number, row in enumerate(rows):
        if not one.reads(*row, after=100.0):
            continue
        # 900 s and ten readings: it is this one and the nine before it that must not differ.
        assert number >= max(MIN_READINGS, FROZEN / 100.0 + 1) - 1
        for column in range(3):
            seen = {struct.pack("d", each[column]) for each in rows[number - 9 : number + 1] if not isnan(each[column])}
            assert len(seen) <= 1


@given(STRETCHES)
@pytest.mark.slow(1)
def test_a_device_that_was_frozen_is_back_at_once(
    stretches: list[tuple[list[tuple[float, float, float]], int]],
) -> None:
    one = Watched(FrozenDeviceWatch())
    one.lasts(901, 4200.0, 230.1, 50.0)
    for row in unrolled(stretches):
        pairs = zip(row, (4200.0, 230.1, 50.0), strict=True)
        differs = any(struct.pack("d", now) != struct.pack("d", before) for now, before in pairs if not isnan(now))
        assert one.reads(*row) is not differs
        if differs:
            break


@given(STRETCHES)
def test_frozen_and_back_are_told_in_turn(stretches: list[tuple[list[tuple[float, float, float]], int]]) -> None:
    one = Watched(FrozenDeviceWatch(interval=100.0))
    for row in unrolled(stretches):
        one.reads(*row, after=100.0)
    events = [told.event for _, told in one.told]
    assert events == ["device frozen", "device back"] * (len(events) // 2) + ["device frozen"] * (len(events) % 2)
