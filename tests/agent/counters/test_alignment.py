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
    aligned = Track(interval, tick)
    for seconds, watts in points:
        aligned.put(TrackPoint(int(seconds * NS), watts))
    return aligned


def power_at(aligned: Track, second: float) -> float:
    return aligned.take(int(second * NS))[0]


def test_the_power_at_an_instant_is_on_the_line_between_two_readings() -> None:
    aligned = track((10.0, 1000.0), (15.0, 2000.0))
    assert [power_at(aligned, second) for second in (10, 11, 12, 14, 15)] == [1000.0, 1200.0, 1400.0, 1800.0, 2000.0]


def test_the_last_reading_is_valid_for_three_intervals() -> None:
    aligned = track((10.0, 1000.0))
    assert [power_at(aligned, second) for second in (11, 24, 25)] == [1000.0, 1000.0, 1000.0]
    assert isnan(power_at(aligned, 26))


def test_there_is_no_interpolation_across_a_gap_of_more_than_three_intervals() -> None:
    aligned = track((10.0, 1000.0), (26.0, 5000.0))
    assert power_at(aligned, 12) == 1000.0
    assert isnan(power_at(aligned, 25.4))
    assert power_at(aligned, 25.6) == 5000.0  # within half a tick of the second reading


def test_before_the_first_reading_there_is_no_power() -> None:
    assert isnan(power_at(track((10.0, 1000.0)), 9))


def test_a_reading_that_is_not_later_is_dropped_but_its_count_is_kept() -> None:
    aligned = track((10.0, 1000.0))
    aligned.put(TrackPoint(10 * NS, 9000.0, counted(7.0)))
    power, _, metered = aligned.take(10 * NS)
    assert (power, metered.positive) == (1000.0, 7.0)


def test_an_instant_is_reached_by_a_reading_at_it_or_after_it() -> None:
    aligned = track((10.0, 1000.0), (15.0, 2000.0))
    assert aligned.reaches(15 * NS)
    assert not aligned.reaches(15 * NS + 1)


def test_the_count_between_two_readings_is_spread_by_the_power() -> None:
    # From 0 to 3600 W in 4 s: 0.5, 1.5, 2.5, 3.5 of 8 parts; 4 Wh by the counter, 2 Wh by the line.
    aligned = Track(4.0, 1.0)
    aligned.put(TrackPoint(10 * NS, 0.0, counted(0.0)))
    aligned.take(10 * NS)
    aligned.put(TrackPoint(14 * NS, 3600.0, counted(4.0)))
    energies = [aligned.take(second * NS)[2].positive for second in (11, 12, 13, 14)]
    assert energies == pytest.approx([0.25, 0.75, 1.25, 1.75])


def test_a_count_waits_for_a_reading_at_or_after_the_instant() -> None:
    aligned = Track(5.0, 1.0)
    aligned.put(TrackPoint(10 * NS, 3600.0, counted(0.0)))
    aligned.take(10 * NS)
    aligned.put(TrackPoint(int(11.5 * NS), 3600.0, counted(1.5)))
    assert aligned.take(11 * NS)[2].positive == pytest.approx(1.0)
    assert isnan(aligned.take(12 * NS)[2].positive)  # half a watt-hour of half a second
    aligned.put(TrackPoint(13 * NS, 3600.0, counted(1.5)))
    assert aligned.take(13 * NS)[2].positive == pytest.approx(2.0)


def test_the_count_of_a_gap_is_returned_at_once() -> None:
    aligned = Track(1.0, 1.0)
    aligned.put(TrackPoint(10 * NS, 3600.0, counted(0.0)))
    aligned.take(10 * NS)
    aligned.put(TrackPoint(int(500.4 * NS), 3600.0, counted(480.0, "estimated")))
    metered = aligned.take(500 * NS)[2]
    assert (metered.positive, metered.verdict) == (480.0, "estimated")


def test_readings_within_an_interval_add_to_its_energy() -> None:
    # 0, 3600 and 0 W at 0, 10 and 20 s: a triangle of 10 Wh, invisible at its two ends.
    aligned = track((10.0, 0.0), (20.0, 3600.0), (30.0, 0.0), interval=10.0, tick=20.0)
    assert aligned.take(10 * NS)[1] is None
    power, flows, _ = aligned.take(30 * NS)
    assert power == 0.0
    assert flows is not None
    assert flows == pytest.approx((10.0, 0.0))


def test_a_clock_step_discards_times_but_no_count() -> None:
    aligned = Track(1.0, 1.0)
    aligned.put(TrackPoint(10 * NS, 3600.0, counted(3.0)))
    aligned.clear()
    power, _, metered = aligned.take(5 * NS)
    assert isnan(power)
    assert metered.positive == 3.0


def test_a_count_that_is_not_yet_returned_survives_a_restart() -> None:
    aligned = track((10.0, 1000.0))
    aligned.put(TrackPoint(11 * NS, 1000.0, counted(5.0)))
    restored = Track(5.0, 1.0)
    restored.restore(aligned.dump())
    # With the amount of the first reading: alone it would be all energy of the gap (METHOD-SITE 9.3).
    assert isnan(restored.take(20 * NS)[2].positive)
    assert restored.dump()[0] == 5.0
    restored.put(TrackPoint(30 * NS, 1000.0, counted(8.0)))
    assert restored.take(30 * NS)[2].positive == 13.0
    with pytest.raises(ValueError, match="expected a track's state"):
        restored.restore(["x"])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6000), st.floats(-1e5, 1e5), st.integers(0, 1000)), min_size=2, max_size=40),
    st.integers(200, 3000),
)
def test_no_count_is_lost_or_returned_twice(steps: list[tuple[int, float, int]], tick: int) -> None:
    """For any readings and instants, returned and stored amounts add up to the counted amount."""
    aligned, time, counted_total = Track(5.0, tick / 1000.0), 1_000 * NS, 0.0
    instant, returned = time, 0.0
    for gap, watts, amount in steps:
        time += gap * 1_000_000
        counted_total += amount
        aligned.put(TrackPoint(time, watts, counted(float(amount))))
        while instant + tick * 1_000_000 <= time:
            instant += tick * 1_000_000
            metered = aligned.take(instant)[2]
            returned += 0.0 if isnan(metered.positive) else metered.positive
    stored = aligned.dump()[0]
    assert returned + (float(stored) if isinstance(stored, float | int) else 0.0) == pytest.approx(
        counted_total, abs=1e-6
    )
