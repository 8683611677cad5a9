"""Alignment of readings with different times to common instants; expected lines and areas by hand."""

from __future__ import annotations

from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.counters.alignment import Track, TrackPoint
from wattgram.counters.metering import MeteredStep

NS = 1_000_000_000


def counted(amount: float, verdict: str = "good") -> MeteredStep:
    return MeteredStep(amount, nan, verdict, (10.0, 0.0))  # type: ignore[arg-type]  # a verdict


def track(*points: tuple[float, float], interval: float = 5.0, tick: float = 1.0) -> Track:
    made = Track(interval, tick)
    for seconds, power in points:
        made.put(TrackPoint(int(seconds * NS), power))
    return made


def power(made: Track, second: float) -> float:
    return made.take(int(second * NS))[0]


def test_the_power_at_an_instant_is_on_the_line_between_two_readings() -> None:
    made = track((10.0, 1000.0), (15.0, 2000.0))
    assert [power(made, second) for second in (10, 11, 12, 14, 15)] == [1000.0, 1200.0, 1400.0, 1800.0, 2000.0]


def test_the_last_reading_stands_for_three_intervals_and_no_longer() -> None:
    made = track((10.0, 1000.0))
    assert [power(made, second) for second in (11, 24, 25)] == [1000.0, 1000.0, 1000.0]
    assert isnan(power(made, 26))


def test_no_line_is_drawn_across_a_silence_of_more_than_three_intervals() -> None:
    made = track((10.0, 1000.0), (26.0, 5000.0))
    assert power(made, 12) == 1000.0
    assert isnan(power(made, 25.4))
    assert power(made, 25.6) == 5000.0  # the instant that the first reading was meant for


def test_before_the_first_reading_there_is_nothing() -> None:
    assert isnan(power(track((10.0, 1000.0)), 9))


def test_a_reading_that_is_not_later_is_dropped_but_for_what_it_counted() -> None:
    made = track((10.0, 1000.0))
    made.put(TrackPoint(10 * NS, 9000.0, counted(7.0)))
    told, _, metered = made.take(10 * NS)
    assert (told, metered.positive) == (1000.0, 7.0)


def test_an_instant_is_reached_by_a_reading_at_it_or_after_it() -> None:
    made = track((10.0, 1000.0), (15.0, 2000.0))
    assert made.reaches(15 * NS)
    assert not made.reaches(15 * NS + 1)


def test_what_was_counted_between_two_readings_flowed_as_the_power_did() -> None:
    # From 0 to 3600 W in 4 s: 0.5, 1.5, 2.5, 3.5 of 8 parts; the counter says 4 Wh where the line says 2.
    made = Track(4.0, 1.0)
    made.put(TrackPoint(10 * NS, 0.0, counted(0.0)))
    made.take(10 * NS)
    made.put(TrackPoint(14 * NS, 3600.0, counted(4.0)))
    told = [made.take(second * NS)[2].positive for second in (11, 12, 13, 14)]
    assert told == pytest.approx([0.25, 0.75, 1.25, 1.75])


def test_a_count_waits_for_a_reading_at_or_after_the_instant() -> None:
    made = Track(5.0, 1.0)
    made.put(TrackPoint(10 * NS, 3600.0, counted(0.0)))
    made.take(10 * NS)
    made.put(TrackPoint(int(11.5 * NS), 3600.0, counted(1.5)))
    assert made.take(11 * NS)[2].positive == pytest.approx(1.0)
    assert isnan(made.take(12 * NS)[2].positive)  # half a watt-hour of half a second
    made.put(TrackPoint(13 * NS, 3600.0, counted(1.5)))
    assert made.take(13 * NS)[2].positive == pytest.approx(2.0)


def test_what_belongs_to_a_gap_is_told_at_once() -> None:
    made = Track(1.0, 1.0)
    made.put(TrackPoint(10 * NS, 3600.0, counted(0.0)))
    made.take(10 * NS)
    made.put(TrackPoint(int(500.4 * NS), 3600.0, counted(480.0, "estimated")))
    metered = made.take(500 * NS)[2]
    assert (metered.positive, metered.verdict) == (480.0, "estimated")


def test_readings_within_an_interval_say_more_than_its_ends() -> None:
    # 0, 3600 and 0 W at 0, 10 and 20 s: a triangle of 10 Wh, invisible at its two ends.
    made = track((10.0, 0.0), (20.0, 3600.0), (30.0, 0.0), interval=10.0, tick=20.0)
    assert made.take(10 * NS)[1] is None
    told, flows, _ = made.take(30 * NS)
    assert told == 0.0
    assert flows is not None
    assert flows == pytest.approx((10.0, 0.0))


def test_a_clock_that_was_set_makes_times_worthless_and_no_count() -> None:
    made = Track(1.0, 1.0)
    made.put(TrackPoint(10 * NS, 3600.0, counted(3.0)))
    made.clear()
    told, _, metered = made.take(5 * NS)
    assert isnan(told)
    assert metered.positive == 3.0


def test_what_was_counted_and_not_told_outlives_the_process() -> None:
    made = track((10.0, 1000.0))
    made.put(TrackPoint(11 * NS, 1000.0, counted(5.0)))
    again = Track(5.0, 1.0)
    again.restore(made.dump())
    assert again.take(20 * NS)[2].positive == 5.0
    with pytest.raises(ValueError, match="expected a track's state"):
        again.restore(["x"])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6000), st.floats(-1e5, 1e5), st.integers(0, 1000)), min_size=2, max_size=40),
    st.integers(200, 3000),
)
def test_nothing_that_was_counted_is_lost_or_told_twice(steps: list[tuple[int, float, int]], tick: int) -> None:
    """For any readings and instants, returned and stored amounts add up to the counted amount."""
    made, time, counts = Track(5.0, tick / 1000.0), 1_000 * NS, 0.0
    instant, told = time, 0.0
    for gap, watts, amount in steps:
        time += gap * 1_000_000
        counts += amount
        made.put(TrackPoint(time, watts, counted(float(amount))))
        while instant + tick * 1_000_000 <= time:
            instant += tick * 1_000_000
            metered = made.take(instant)[2]
            told += 0.0 if isnan(metered.positive) else metered.positive
    left = made.dump()[0]
    assert told + (float(left) if isinstance(left, float | int) else 0.0) == pytest.approx(counts, abs=1e-6)
