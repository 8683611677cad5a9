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
    verdicts = []
    for wall, monotonic in pairs:
        watch, verdict = watch.advance(wall, monotonic)
        verdicts.append(verdict)
    return verdicts


def events(verdicts: Sequence[ClockVerdict]) -> list[tuple[int, str, str]]:
    return [
        (number, occurrence.event, occurrence.detail)
        for number, verdict in enumerate(verdicts)
        for occurrence in verdict.occurrences
    ]


def test_the_earliest_time_is_the_documented_time() -> None:
    assert datetime.fromtimestamp(EARLIEST / NS, UTC) == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_running_clock_has_no_events() -> None:
    assert run(ClockWatch(), [(NOON + n * NS, 50.0 + n) for n in range(100)]) == [ClockVerdict()] * 100


def test_a_clock_of_1970_is_unset_until_it_is_set() -> None:
    # Switched on at 0 with a monotonic clock of 7.5 s; set at its second 20, when that clock shows 27.5 s.
    pairs = [(n * NS, 7.5 + n) for n in range(20)] + [(NOON + n * NS, 27.5 + n) for n in range(5)]
    verdicts = run(ClockWatch(), pairs)
    assert {verdict.step for verdict in verdicts} == {0.0}
    assert events(verdicts) == [
        (
            0,
            "clock unset",
            "found 1970-01-01T00:00:00.000Z, expected 2025-01-01T00:00:00.000Z or later; readings wait until it is set",
        ),
        (20, "clock set", "to 2026-06-01T12:00:00.000Z; earlier readings get their timestamps"),
    ]


def test_an_unset_clock_that_jumps_and_stays_impossible_is_still_unset() -> None:
    verdicts = run(ClockWatch(), [(0, 0.0), (EARLIEST - 1, 1.0), (5 * NS, 2.0), (EARLIEST, 3.0)])
    assert [(number, event) for number, event, _ in events(verdicts)] == [(0, "clock unset"), (3, "clock set")]


def test_a_clock_that_is_set_back_to_1970_is_unset_again() -> None:
    verdicts = run(ClockWatch(), [(NOON, 0.0), (0, 1.0), (NOON + 2 * NS, 2.0)])
    assert [event for _, event, _ in events(verdicts)] == ["clock unset", "clock set"]
    assert verdicts[2].step == 0.0  # it shows the same time as without the interruption
    assert run(ClockWatch(), [(NOON, 0.0), (0, 1.0), (NOON + 62 * NS, 2.0)])[2].step == 60.0


@pytest.mark.parametrize(("by", "detail"), [(3600, "by +3600.0 s"), (-90, "by -90.0 s"), (1.5, "by +1.5 s")])
def test_the_event_of_a_step_gives_its_size(by: float, detail: str) -> None:
    pairs = [(NOON + n * NS + int(by * NS) * (n >= 3), float(n)) for n in range(6)]
    verdicts = run(ClockWatch(), pairs)
    assert events(verdicts) == [(3, "clock stepped", detail)]
    assert [verdict.step for verdict in verdicts] == [0.0, 0.0, 0.0, by, 0.0, 0.0]


@pytest.mark.parametrize(("seconds", "least"), [(0.1, 1.00005), (1.0, 1.0005), (60.0, 1.03), (7200.0, 4.6)])
def test_a_step_exceeds_a_second_and_the_effect_of_slewing(seconds: float, least: float) -> None:
    for sign in (1, -1):
        for by, stepped in ((least - 0.0001, False), (least + 0.0001, True)):
            pairs = [(NOON, 0.0), (NOON + round((seconds + sign * by) * NS), seconds)]
            assert bool(run(ClockWatch(), pairs)[1].occurrences) is stepped


def test_a_faster_clock_has_a_larger_tolerance() -> None:
    # At 20 times real time the milliseconds between the readings of the two clocks are 20 times as long.
    assert not run(ClockWatch(20.0), [(NOON, 0.0), (NOON + 39 * NS, 20.0)])[1].occurrences
    assert run(ClockWatch(20.0), [(NOON, 0.0), (NOON + 41 * NS, 20.0)])[1].occurrences


def test_slewing_is_no_step() -> None:
    # 500 ppm for ten hours are 18 s in all.
    pairs = [(NOON + n * NS + n * 500_000, float(n)) for n in range(36_000)]
    assert not any(verdict.occurrences for verdict in run(ClockWatch(), pairs))


def test_a_long_pause_is_no_step() -> None:
    assert run(ClockWatch(), [(NOON, 0.0), (NOON + 7200 * NS, 7200.0)]) == [ClockVerdict()] * 2


@given(
    st.lists(
        st.tuples(
            st.floats(0.2, 100.0),  # s to the next pair
            st.integers(-400 * MS, 400 * MS),  # jitter between the readings of the two clocks
            st.one_of(st.just(0), st.integers(2000 * MS, 10**9 * MS), st.integers(-(10**6) * MS, -2000 * MS)),
            st.floats(-5e-4, 5e-4),  # slew
        ),
        max_size=50,
    )
)
def test_every_step_is_found_and_no_other(pairs: list[tuple[float, int, int, float]]) -> None:
    # Jitter between two pairs is 0.8 s at most, slewing in 100 s is 0.05 s. So without a step the difference is 0.85 s
    # at most, and with a step of 2 s it is 1.15 s at least. The limit is 1.05 s.
    wall, monotonic = 2 * NOON, 0.0
    watch, _ = ClockWatch().advance(wall, monotonic)
    for seconds, jitter, step, slew in pairs:
        monotonic += seconds
        wall += int(seconds * (1.0 + slew) * NS) + step
        watch, verdict = watch.advance(wall + jitter, monotonic)
        assert [occurrence.event for occurrence in verdict.occurrences] == (["clock stepped"] if step else [])
        assert verdict.step == pytest.approx(step / NS, abs=0.9 if step else 0.0)


@given(st.integers(EARLIEST, 2 * NOON), st.floats(0.0, 1e8), st.lists(st.floats(0.0, 1e6), max_size=20))
def test_readings_before_the_setting_are_stamped_to_the_millisecond(
    set_to: int, at: float, before: list[float]
) -> None:
    anchor = set_to - round(at * NS)
    for seconds in before:
        assert abs(wall_time(anchor, at - seconds) - (set_to - int(seconds * NS))) < MS


def unconfirmed(*checks: tuple[float, float, bool]) -> list[tuple[bool, str, float]]:
    """Return the results of checks (uptime in s, wall clock in s after noon, synchronised)."""
    watch, results = ClockWatch(), []
    for uptime, wall, synchronised in checks:
        now = NOON + round(wall * NS)
        watch, verdict = watch.advance(now, uptime + 7.0, synchronised=synchronised, uptime=uptime)
        results.append((watch.unset, " ".join(occurrence.event for occurrence in verdict.occurrences), verdict.step))
    return results


def test_an_unconfirmed_clock_is_unset_until_a_time_server_keeps_it() -> None:
    assert unconfirmed((20, 20, False), (30, 30, False), (40, 40, True), (50, 50, False), (60, 60, False)) == [
        (True, "clock unset", 0.0),
        (True, "", 0.0),
        (False, "clock set", 0.0),
        (False, "", 0.0),  # it stays set without the server
        (False, "", 0.0),
    ]


def test_an_unconfirmed_clock_is_unset_until_it_is_stepped() -> None:
    assert unconfirmed((20, 20, False), (30, 5030, False), (40, 5040, False)) == [
        (True, "clock unset", 0.0),
        (False, "clock set", 0.0),
        (False, "", 0.0),
    ]


def test_an_unconfirmed_clock_is_accepted_after_nine_minutes() -> None:
    assert CONFIRM_SECONDS == 540.0
    assert unconfirmed((539, 539, False), (541, 541, False), (542, 542, False)) == [
        (True, "clock unset", 0.0),
        (False, "clock not confirmed", 0.0),
        (False, "", 0.0),
    ]


def test_the_clock_of_a_machine_with_a_long_uptime_is_accepted() -> None:
    assert unconfirmed((1e6, 0, False), (1e6 + 1, 1, False)) == [(False, "", 0.0)] * 2


def test_a_synchronised_clock_of_1970_is_unset() -> None:
    _, verdict = ClockWatch().advance(0, 7.0, synchronised=True, uptime=1e6)
    assert [occurrence.event for occurrence in verdict.occurrences] == ["clock unset"]


def test_the_event_gives_the_reason_why_readings_wait() -> None:
    _, verdict = ClockWatch().advance(NOON, 7.0, synchronised=False, uptime=25.4)
    assert [occurrence.detail for occurrence in verdict.occurrences] == [
        "found 2026-06-01T12:00:00.000Z 25 s after the machine was switched on, without a time server; "
        "expected synchronisation, or 540 s of uptime; readings wait until it is set"
    ]
