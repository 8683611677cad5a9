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
    events: list[tuple[float, Occurrence]] = field(default_factory=list)

    def read(self, power: float, *other_values: float, metered: MeteredStep | None = None, after: float = 1.0) -> bool:
        """Advance by a later reading; return whether the device is frozen."""
        self.now += after
        time = T0 + int(self.now * NS)
        self.watch, occurrences = self.watch.advance(block(power, *other_values), power, time, self.now, metered)
        self.events += [(self.now, occurrence) for occurrence in occurrences]
        return self.watch.frozen

    def read_for(self, seconds: int, *values: float, metered: MeteredStep | None = None) -> bool:
        return [self.read(*values, metered=metered) for _ in range(seconds)][-1]


def test_a_device_whose_values_stand_still_for_a_quarter_of_an_hour_is_frozen_with_one_event() -> None:
    device = Watched(FrozenDeviceWatch())
    assert not device.read_for(900, 4200.0, 230.1)  # the first reading begins, so these are 899 s
    assert device.read_for(1000, 4200.0, 230.1)
    ((when, occurrence),) = device.events
    assert when == 901.0
    assert occurrence == Occurrence(
        "device frozen", "power 4200 W and every other value unchanged since 2026-06-01T04:00:01.000Z, 901 readings"
    )


def test_the_first_changed_value_ends_the_frozen_state() -> None:
    device = Watched(FrozenDeviceWatch())
    device.read_for(1000, 4200.0, 230.1)
    assert not device.read(4200.0, 230.2)
    assert device.events[-1] == (1001.0, Occurrence("device back", "its values change again"))
    assert not device.read_for(899, 4200.0, 230.2)
    assert device.read(4200.0, 230.2)


@pytest.mark.parametrize(
    ("rated", "power"),
    [(None, 0.0), (None, 1.0), (None, -1.0), (110e3, 220.0), (110e3, -220.0), (110e3, nan)],  # 0.2 % of 110 kW: 220 W
)
def test_a_constant_power_near_zero_is_not_frozen(rated: float | None, power: float) -> None:
    device = Watched(FrozenDeviceWatch(rated_power=rated))
    assert not device.read_for(4000, power, 230.1)


@pytest.mark.parametrize(("rated", "power"), [(None, 1.1), (None, -1.1), (110e3, 220.1), (110e3, -220.1)])
def test_a_constant_power_above_the_threshold_is_frozen(rated: float | None, power: float) -> None:
    device = Watched(FrozenDeviceWatch(rated_power=rated))
    assert device.read_for(901, power, 230.1)


def test_a_device_with_power_as_its_only_value_is_not_frozen() -> None:
    assert not Watched(FrozenDeviceWatch()).read_for(4000, 4200.0)
    assert not Watched(FrozenDeviceWatch()).read_for(4000, 4200.0, nan)


def test_a_constant_power_with_a_standing_counter_is_frozen() -> None:
    # 120 W for 900 s are 30 Wh, three steps of 10 Wh and not more; a second later they are.
    device = Watched(FrozenDeviceWatch(counters=(True, False)))
    assert not device.read_for(901, 120.0, 5000.0, metered=STOOD)
    assert device.read(120.0, 5000.0, metered=STOOD)
    assert device.events[0][1].detail.endswith("902 readings; its counter stood still for 30.0333 Wh")


def test_a_counter_is_no_evidence_before_the_energy_exceeds_three_steps() -> None:
    device = Watched(FrozenDeviceWatch(counters=(True, False)))  # 10 W: 30 Wh after 3 h
    assert not device.read_for(3 * 3600 + 1, 10.0, 230.1, 5000.0, metered=STOOD)
    assert device.read(10.0, 230.1, 5000.0, metered=STOOD)


def test_a_moving_counter_shows_a_live_device_although_its_power_is_constant() -> None:
    device = Watched(FrozenDeviceWatch(counters=(True, False)))
    for number in range(4000):
        moved = number % 300 == 0
        energy = 5000.0 + 10.0 * (number // 300)
        metered = MeteredStep(10.0 if moved else 0.0, nan, resolution=(10.0, 0.0))
        assert not device.read(120.0, energy, metered=metered)


def test_the_counter_of_the_other_direction_is_no_evidence() -> None:
    # Exporting beside an import counter: power and counter are two values that stand still together.
    device = Watched(FrozenDeviceWatch(counters=(True, False)))
    assert device.read_for(901, -120.0, 5000.0, metered=STOOD)


def test_a_device_is_not_frozen_before_its_counter_has_been_read() -> None:
    device = Watched(FrozenDeviceWatch(counters=(True, False)))
    assert not device.read_for(4000, 4200.0, 230.1, nan)
    assert not device.read(4200.0, 230.1, 5000.0, metered=STOOD)  # after a single reading it may have moved
    assert not device.read_for(59, 4200.0, 230.1, nan)
    assert device.read(4200.0, 230.1, 5000.0, metered=STOOD)  # 70 Wh later


def test_a_value_that_is_read_rarely_counts_only_when_it_is_read() -> None:
    def read(device: Watched, temperature: float) -> list[bool]:
        return [device.read(4200.0, 230.1, temperature if n % 60 == 0 else nan) for n in range(1000)]

    assert read(Watched(FrozenDeviceWatch()), 40.0)[-1]
    device = Watched(FrozenDeviceWatch())
    read(device, 40.0)
    assert not device.read(4200.0, 230.1, 40.1)


def test_a_value_that_is_read_once_a_minute_stands_between_its_readings() -> None:
    device = Watched(FrozenDeviceWatch())
    assert [device.read(4200.0, 40.0 if n % 60 == 0 else nan) for n in range(902)] == [False] * 900 + [True] * 2


def test_a_reading_without_power_neither_begins_nor_ends_the_frozen_state() -> None:
    device = Watched(FrozenDeviceWatch())
    device.read_for(901, 4200.0, 230.1)
    assert device.read(nan, nan)
    assert device.read(nan, 230.1)
    assert not device.read(nan, 230.2)
    assert not device.read_for(901, nan, 230.2)
    assert not device.read(4200.0, 230.2)


def test_a_pause_does_not_count_as_standing_still() -> None:
    device = Watched(FrozenDeviceWatch())
    device.read_for(800, 4200.0, 230.1)
    assert not device.read(4200.0, 230.1, after=3600.0)
    assert not device.read_for(100, 4200.0, 230.1)
    assert device.read(4200.0, 230.1)


def test_a_frozen_device_is_still_frozen_after_a_pause() -> None:
    device = Watched(FrozenDeviceWatch())
    device.read_for(1000, 4200.0, 230.1)
    assert device.read(4200.0, 230.1, after=36_000.0)
    assert len(device.events) == 1


def test_ten_readings_are_needed_at_a_long_interval() -> None:
    device = Watched(FrozenDeviceWatch(interval=300.0))
    assert [device.read(4200.0, 230.1, after=300.0) for _ in range(11)] == [False] * 9 + [True] * 2


def test_the_time_until_frozen_is_configurable() -> None:
    assert Watched(FrozenDeviceWatch(frozen_after=60.0)).read_for(61, 4200.0, 230.1)


def test_a_record_with_more_values_starts_again() -> None:
    device = Watched(FrozenDeviceWatch())
    device.read_for(1000, 4200.0, 230.1)
    assert not device.read(4200.0, 230.1, 50.0)


MIN_VALUES = st.sampled_from([nan, 0.0, -0.0, 4200.0, 4200.5, 230.1])
ROWS = st.lists(st.tuples(MIN_VALUES, MIN_VALUES, MIN_VALUES), min_size=1, max_size=6)
STRETCHES = st.lists(st.tuples(ROWS, st.integers(1, 14)), min_size=1, max_size=6)


def unrolled(stretches: Iterable[tuple[Sequence[tuple[float, float, float]], int]]) -> list[tuple[float, float, float]]:
    return [rows[number % len(rows)] for rows, count in stretches for number in range(count)]


@given(STRETCHES)
def test_a_device_with_a_changed_value_is_not_frozen(
    stretches: list[tuple[list[tuple[float, float, float]], int]],
) -> None:
    device = Watched(FrozenDeviceWatch(interval=100.0))
    rows = unrolled(stretches)
    for number, row in enumerate(rows):
        if not device.read(*row, after=100.0):
            continue
        # 900 s and ten readings: this reading and the nine before it must not differ.
        assert number >= max(MIN_READINGS, FROZEN / 100.0 + 1) - 1
        for column in range(3):
            values = {
                struct.pack("d", past_row[column])
                for past_row in rows[number - 9 : number + 1]
                if not isnan(past_row[column])
            }
            assert len(values) <= 1


@given(STRETCHES)
@pytest.mark.slow(1)
def test_a_changed_value_ends_the_frozen_state_at_once(
    stretches: list[tuple[list[tuple[float, float, float]], int]],
) -> None:
    device = Watched(FrozenDeviceWatch())
    device.read_for(901, 4200.0, 230.1, 50.0)
    for row in unrolled(stretches):
        pairs = zip(row, (4200.0, 230.1, 50.0), strict=True)
        differs = any(struct.pack("d", now) != struct.pack("d", before) for now, before in pairs if not isnan(now))
        assert device.read(*row) is not differs
        if differs:
            break


@given(STRETCHES)
def test_frozen_and_back_events_alternate(stretches: list[tuple[list[tuple[float, float, float]], int]]) -> None:
    device = Watched(FrozenDeviceWatch(interval=100.0))
    for row in unrolled(stretches):
        device.read(*row, after=100.0)
    events = [occurrence.event for _, occurrence in device.events]
    assert events == ["device frozen", "device back"] * (len(events) // 2) + ["device frozen"] * (len(events) % 2)
