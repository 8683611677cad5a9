"""A clock that cannot be right, one that jumps, and readings that wait; expected values by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.clock import MS, NS
from wattgram.clock_watch import EARLIEST, ClockWatch, Told, Waiting, wall_time
from wattgram_drivers.device import Reading

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * NS


def run(watch: ClockWatch, pairs: Sequence[tuple[int, float]]) -> list[Told]:
    told = []
    for wall, monotonic in pairs:
        watch, one = watch.advance(wall, monotonic)
        told.append(one)
    return told


def events(told: Sequence[Told]) -> list[tuple[int, str, str]]:
    return [(number, one.event, one.detail) for number, each in enumerate(told) for one in each.happened]


def test_the_earliest_time_is_the_one_that_is_written_beside_it() -> None:
    assert datetime.fromtimestamp(EARLIEST / NS, UTC) == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_clock_that_goes_is_not_mentioned() -> None:
    assert run(ClockWatch(), [(NOON + n * NS, 50.0 + n) for n in range(100)]) == [Told()] * 100


def test_a_clock_of_1970_is_unset_until_it_is_set() -> None:
    # Switched on at 0 with a monotonic clock of 7.5 s; set at its second 20, when that clock shows 27.5 s.
    pairs = [(n * NS, 7.5 + n) for n in range(20)] + [(NOON + n * NS, 27.5 + n) for n in range(5)]
    told = run(ClockWatch(), pairs)
    assert [one.unset for one in told] == [True] * 20 + [False] * 5
    assert [one.anchor for one in told] == [None] * 20 + [NOON - 27_500 * MS] + [None] * 4
    assert events(told) == [
        (
            0,
            "clock unset",
            "found 1970-01-01T00:00:00.000Z, expected 2025-01-01T00:00:00.000Z or later; readings wait until it is set",
        ),
        (20, "clock set", "to 2026-06-01T12:00:00.000Z; what was read before is stamped by it"),
    ]


def test_an_unset_clock_that_jumps_and_stays_impossible_is_still_unset() -> None:
    told = run(ClockWatch(), [(0, 0.0), (EARLIEST - 1, 1.0), (5 * NS, 2.0), (EARLIEST, 3.0)])
    assert [(number, event) for number, event, _ in events(told)] == [(0, "clock unset"), (3, "clock set")]


def test_a_clock_that_is_set_back_to_1970_is_unset_again() -> None:
    told = run(ClockWatch(), [(NOON, 0.0), (0, 1.0), (NOON + 2 * NS, 2.0)])
    assert [event for _, event, _ in events(told)] == ["clock unset", "clock set"]
    assert told[2].anchor == NOON


@pytest.mark.parametrize(("by", "detail"), [(3600, "by +3600.0 s"), (-90, "by -90.0 s"), (1.5, "by +1.5 s")])
def test_a_step_says_by_how_much(by: float, detail: str) -> None:
    pairs = [(NOON + n * NS + int(by * NS) * (n >= 3), float(n)) for n in range(6)]
    told = run(ClockWatch(), pairs)
    assert events(told) == [(3, "clock stepped", detail)]
    assert [one.step for one in told] == [0.0, 0.0, 0.0, by, 0.0, 0.0]


@pytest.mark.parametrize(("tick", "least"), [(0.1, 1.0), (1.0, 1.0), (2.0, 1.0), (60.0, 30.0)])
def test_a_step_is_more_than_a_second_and_than_half_a_tick(tick: float, least: float) -> None:
    for sign in (1, -1):
        for by, stepped in ((least, False), (least + 0.001, True)):
            pairs = [(NOON, 0.0), (NOON + int(tick * NS) + sign * round(by * NS), tick)]
            assert bool(run(ClockWatch(tick), pairs)[1].happened) is stepped


def test_slewing_is_no_step_however_long_it_takes() -> None:
    # 500 ppm for ten hours are 18 s in all.
    pairs = [(NOON + n * NS + n * 500_000, float(n)) for n in range(36_000)]
    assert not any(one.happened for one in run(ClockWatch(), pairs))


def test_a_long_pause_is_no_step() -> None:
    assert run(ClockWatch(), [(NOON, 0.0), (NOON + 7200 * NS, 7200.0)]) == [Told()] * 2


@given(
    st.lists(
        st.tuples(
            st.floats(0.2, 100.0),  # s to the next pair
            st.integers(-400 * MS, 400 * MS),  # by which the two clocks are read apart
            st.one_of(st.just(0), st.integers(1900 * MS, 10**9 * MS), st.integers(-(10**6) * MS, -1900 * MS)),
            st.floats(-5e-4, 5e-4),  # slew
        ),
        max_size=50,
    )
)
def test_steps_are_found_where_they_are_and_nowhere_else(pairs: list[tuple[float, int, int, float]]) -> None:
    # Two pairs are 0.8 s apart by jitter at most, and 0.05 s by slewing in 100 s: what is no step seems 0.85 s at most,
    # and a step of 1.9 s at least 1.05 s.
    wall, monotonic = 2 * NOON, 0.0
    watch, _ = ClockWatch().advance(wall, monotonic)
    for seconds, jitter, step, slew in pairs:
        monotonic += seconds
        wall += int(seconds * (1.0 + slew) * NS) + step
        watch, told = watch.advance(wall + jitter, monotonic)
        assert [one.event for one in told.happened] == (["clock stepped"] if step else [])
        assert told.step == pytest.approx(step / NS, abs=0.9 if step else 0.0)


@given(st.integers(EARLIEST, 2 * NOON), st.floats(0.0, 1e8), st.lists(st.floats(0.0, 1e6), max_size=20))
def test_what_was_read_before_is_stamped_to_the_millisecond(set_to: int, at: float, before: list[float]) -> None:
    watch, _ = ClockWatch().advance(0, 0.0)
    _, told = watch.advance(set_to, at)
    assert told.anchor is not None
    for seconds in before:
        assert abs(wall_time(told.anchor, at - seconds) - (set_to - int(seconds * NS))) < MS


def reading(monotonic: float) -> Reading:
    return Reading(int(monotonic * NS), monotonic, b"\0\7", b"\1")


def test_readings_wait_and_come_back_in_their_order_with_their_own_time() -> None:
    waiting: Waiting[str] = Waiting()
    waiting.add("incomer", reading(10.0))
    waiting.add("roof", reading(10.2504))
    waiting.add("incomer", reading(11.0))
    assert len(waiting) == 3
    back = list(waiting.stamped(NOON))
    assert [(name, one.time - NOON, one.monotonic) for name, one in back] == [
        ("incomer", 10_000 * MS, 10.0),
        ("roof", 10_250 * MS, 10.2504),
        ("incomer", 11_000 * MS, 11.0),
    ]
    assert {one.image for _, one in back} == {b"\0\7"}
    assert (len(waiting), waiting.dropped) == (0, 0)


def test_the_oldest_give_way_and_are_counted() -> None:
    waiting: Waiting[int] = Waiting(limit=3)
    for number in range(10):
        waiting.add(number, reading(float(number)))
    assert (len(waiting), waiting.dropped) == (3, 7)
    assert [number for number, _ in waiting.stamped(NOON)] == [7, 8, 9]


def test_no_more_than_a_hundred_thousand_wait() -> None:
    waiting: Waiting[int] = Waiting()
    one = reading(0.0)
    for number in range(100_001):
        waiting.add(number, one)
    assert (len(waiting), waiting.dropped) == (100_000, 1)
