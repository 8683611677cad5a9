"""An impossible clock, a clock without confirmation and a clock that jumps; expected values by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import MS, NS
from wattgram.timekeeping.wall_clock import CONFIRM_SECONDS, EARLIEST, ClockVerdict, ClockWatch, wall_time

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * NS


def run(watch: ClockWatch, pairs: Sequence[tuple[int, float]]) -> list[ClockVerdict]:
    told = []
    for wall, monotonic in pairs:
        watch, one = watch.advance(wall, monotonic)
        told.append(one)
    return told


def events(told: Sequence[ClockVerdict]) -> list[tuple[int, str, str]]:
    return [(number, one.event, one.detail) for number, each in enumerate(told) for one in each.occurrences]


def test_the_earliest_time_is_the_one_that_is_written_beside_it() -> None:
    assert datetime.fromtimestamp(EARLIEST / NS, UTC) == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_clock_that_goes_is_not_mentioned() -> None:
    assert run(ClockWatch(), [(NOON + n * NS, 50.0 + n) for n in range(100)]) == [ClockVerdict()] * 100


def test_a_clock_of_1970_is_unset_until_it_is_set() -> None:
    # Switched on at 0 with a monotonic clock of 7.5 s; set at its second 20, when that clock shows 27.5 s.
    pairs = [(n * NS, 7.5 + n) for n in range(20)] + [(NOON + n * NS, 27.5 + n) for n in range(5)]
    told = run(ClockWatch(), pairs)
    assert {one.step for one in told} == {0.0}
    assert events(told) == [
        (
            0,
            "clock unset",
            "found 1970-01-01T00:00:00.000Z, expected 2025-01-01T00:00:00.000Z or later; readings wait until it is set",
        ),
        (20, "clock set", "to 2026-06-01T12:00:00.000Z; earlier readings get their timestamps"),
    ]


def test_an_unset_clock_that_jumps_and_stays_impossible_is_still_unset() -> None:
    told = run(ClockWatch(), [(0, 0.0), (EARLIEST - 1, 1.0), (5 * NS, 2.0), (EARLIEST, 3.0)])
    assert [(number, event) for number, event, _ in events(told)] == [(0, "clock unset"), (3, "clock set")]


def test_a_clock_that_is_set_back_to_1970_is_unset_again() -> None:
    told = run(ClockWatch(), [(NOON, 0.0), (0, 1.0), (NOON + 2 * NS, 2.0)])
    assert [event for _, event, _ in events(told)] == ["clock unset", "clock set"]
    assert told[2].step == 0.0  # it shows what it would have without the interlude
    assert run(ClockWatch(), [(NOON, 0.0), (0, 1.0), (NOON + 62 * NS, 2.0)])[2].step == 60.0


@pytest.mark.parametrize(("by", "detail"), [(3600, "by +3600.0 s"), (-90, "by -90.0 s"), (1.5, "by +1.5 s")])
def test_a_step_says_by_how_much(by: float, detail: str) -> None:
    pairs = [(NOON + n * NS + int(by * NS) * (n >= 3), float(n)) for n in range(6)]
    told = run(ClockWatch(), pairs)
    assert events(told) == [(3, "clock stepped", detail)]
    assert [one.step for one in told] == [0.0, 0.0, 0.0, by, 0.0, 0.0]


@pytest.mark.parametrize(("seconds", "least"), [(0.1, 1.00005), (1.0, 1.0005), (60.0, 1.03), (7200.0, 4.6)])
def test_a_step_is_more_than_a_second_and_than_what_slewing_makes(seconds: float, least: float) -> None:
    for sign in (1, -1):
        for by, stepped in ((least - 0.0001, False), (least + 0.0001, True)):
            pairs = [(NOON, 0.0), (NOON + round((seconds + sign * by) * NS), seconds)]
            assert bool(run(ClockWatch(), pairs)[1].occurrences) is stepped


def test_a_clock_that_runs_faster_is_read_less_exactly() -> None:
    # At 20 times real time the milliseconds between the readings of the two clocks are 20 times as long.
    assert not run(ClockWatch(20.0), [(NOON, 0.0), (NOON + 39 * NS, 20.0)])[1].occurrences
    assert run(ClockWatch(20.0), [(NOON, 0.0), (NOON + 41 * NS, 20.0)])[1].occurrences


def test_slewing_is_no_step_however_long_it_takes() -> None:
    # 500 ppm for ten hours are 18 s in all.
    pairs = [(NOON + n * NS + n * 500_000, float(n)) for n in range(36_000)]
    assert not any(one.occurrences for one in run(ClockWatch(), pairs))


def test_a_long_pause_is_no_step() -> None:
    assert run(ClockWatch(), [(NOON, 0.0), (NOON + 7200 * NS, 7200.0)]) == [ClockVerdict()] * 2


@given(
    st.lists(
        st.tuples(
            st.floats(0.2, 100.0),  # s to the next pair
            st.integers(-400 * MS, 400 * MS),  # by which the two clocks are read apart
            st.one_of(st.just(0), st.integers(2000 * MS, 10**9 * MS), st.integers(-(10**6) * MS, -2000 * MS)),
            st.floats(-5e-4, 5e-4),  # slew
        ),
        max_size=50,
    )
)
def test_steps_are_found_where_they_are_and_nowhere_else(pairs: list[tuple[float, int, int, float]]) -> None:
    # Two pairs are 0.8 s apart by jitter at most, and 0.05 s by slewing in 100 s: what is no step seems 0.85 s at most,
    # and a step of 2 s at least 1.15 s; up to 1.05 s would be none.
    wall, monotonic = 2 * NOON, 0.0
    watch, _ = ClockWatch().advance(wall, monotonic)
    for seconds, jitter, step, slew in pairs:
        monotonic += seconds
        wall += int(seconds * (1.0 + slew) * NS) + step
        watch, told = watch.advance(wall + jitter, monotonic)
        assert [one.event for one in told.occurrences] == (["clock stepped"] if step else [])
        assert told.step == pytest.approx(step / NS, abs=0.9 if step else 0.0)


@given(st.integers(EARLIEST, 2 * NOON), st.floats(0.0, 1e8), st.lists(st.floats(0.0, 1e6), max_size=20))
def test_what_was_read_before_is_stamped_to_the_millisecond(set_to: int, at: float, before: list[float]) -> None:
    anchor = set_to - round(at * NS)
    for seconds in before:
        assert abs(wall_time(anchor, at - seconds) - (set_to - int(seconds * NS))) < MS


def unconfirmed(*looks: tuple[float, float, bool]) -> list[tuple[bool, str, float]]:
    """Return the results of checks (uptime in s, wall clock in s after noon, synchronised)."""
    watch, found = ClockWatch(), []
    for uptime, wall, kept in looks:
        now = NOON + round(wall * NS)
        watch, told = watch.advance(now, uptime + 7.0, synchronised=kept, uptime=uptime)
        found.append((watch.unset, " ".join(one.event for one in told.occurrences), told.step))
    return found


def test_a_clock_that_nobody_confirms_is_unset_until_a_time_server_keeps_it() -> None:
    assert unconfirmed((20, 20, False), (30, 30, False), (40, 40, True), (50, 50, False), (60, 60, False)) == [
        (True, "clock unset", 0.0),
        (True, "", 0.0),
        (False, "clock set", 0.0),
        (False, "", 0.0),  # it stays set without the server
        (False, "", 0.0),
    ]


def test_or_until_somebody_sets_it() -> None:
    assert unconfirmed((20, 20, False), (30, 5030, False), (40, 5040, False)) == [
        (True, "clock unset", 0.0),
        (False, "clock set", 0.0),
        (False, "", 0.0),
    ]


def test_or_until_nobody_will() -> None:
    assert CONFIRM_SECONDS == 540.0
    assert unconfirmed((539, 539, False), (541, 541, False), (542, 542, False)) == [
        (True, "clock unset", 0.0),
        (False, "clock not confirmed", 0.0),
        (False, "", 0.0),
    ]


def test_a_machine_that_has_run_for_long_has_a_clock() -> None:
    assert unconfirmed((1e6, 0, False), (1e6 + 1, 1, False)) == [(False, "", 0.0)] * 2


def test_a_time_server_that_keeps_1970_is_not_believed() -> None:
    _, told = ClockWatch().advance(0, 7.0, synchronised=True, uptime=1e6)
    assert [one.event for one in told.occurrences] == ["clock unset"]


def test_an_operator_reads_why_readings_wait() -> None:
    _, told = ClockWatch().advance(NOON, 7.0, synchronised=False, uptime=25.4)
    assert [one.detail for one in told.occurrences] == [
        "found 2026-06-01T12:00:00.000Z 25 s after the machine was switched on, without a time server; "
        "expected synchronisation, or 540 s of uptime; readings wait until it is set"
    ]
