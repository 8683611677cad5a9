"""The new signals of a feed, and the span of its changed answers: METHOD 3.4. Spans are calculated beside the tests."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.grid.feed import STORED_AHEAD, Feed, SignalChanges, distinct
from wattgram.grid.signal import FOREVER, Signal

from tests.support.grid_signals import Hands, signal, utc

NOON = utc("2026-06-01T12:00:00+08:00")
HOUR = 3600 * NS
AGE = 2 * HOUR
"""Time for which a value serves after its end (METHOD 3.4)."""


def feed_and_clock(time: int = NOON, **settings: object) -> tuple[Feed, Hands]:
    clock = Hands(time)
    return Feed("feed", clock, **settings), clock  # type: ignore[arg-type]  # a clock by hand


def hours(changes: SignalChanges) -> tuple[float, float] | None:
    """Return the span in hours from noon, to the microsecond."""
    if changes.span is None:
        return None
    begin, end = changes.span
    return (begin - NOON) / HOUR, round((end - NOON) / HOUR, 9)


def signal_values(changes: SignalChanges) -> list[tuple[float, float]]:
    """Return the new signals as hours from noon and intensity."""
    return [((value.valid_from - NOON) / HOUR, value.intensity) for value in changes.signals]


def signal_at(intensity: float, hour: float, length: float = 1.0, tier: int = 1) -> Signal:
    return signal(intensity, NOON + int(hour * HOUR), int(length * 3600), tier)


# new signals


def test_a_new_signal_is_reported_once_and_its_repetition_is_not_a_change() -> None:
    feed, clock = feed_and_clock()
    feed.put([signal_at(400.0, -1)])
    assert signal_values(feed.changes()) == [(-1.0, 400.0)]
    assert feed.changes() == SignalChanges()
    clock.now += HOUR
    feed.put([replace(signal_at(400.0, -1), arrived=clock.now)])
    assert feed.changes() == SignalChanges()
    current = feed.at(NOON)
    assert current is not None
    assert current.arrived == 0  # the time of its first arrival


def test_a_change_of_any_field_but_the_arrival_is_reported() -> None:
    first = replace(signal_at(400.0, -1), shares={"coal": 1.0})
    for name, value in {
        "intensity": 401.0,
        "valid_to": NOON + 1,
        "tier": 2,
        "estimated": True,
        "clean_share": 0.3,
        "shares": {"coal": 0.9, "gas": 0.1},
        "source": "another",
    }.items():
        feed, _ = feed_and_clock()
        feed.put([first])
        feed.changes()
        feed.put([replace(first, **{name: value})])  # type: ignore[arg-type]  # any field
        assert len(feed.changes().signals) == 1, name


def test_a_clean_share_that_stays_unknown_is_not_a_change() -> None:
    feed, _ = feed_and_clock()
    for _ in range(2):
        feed.put([replace(signal_at(400.0, -1), clean_share=float("nan"), raw=float("nan"))])
    assert len(feed.changes().signals) == 1


def test_a_value_removed_between_new_values_is_reported_without_a_number() -> None:
    feed, clock = feed_and_clock(NOON + 4 * HOUR)
    feed.put([signal_at(400.0 + hour, hour) for hour in range(4)])
    feed.changes()
    clock.now += 60 * NS
    feed.put([signal_at(400.0, 0), signal_at(412.0, 2)])
    removed, added = feed.changes().signals
    assert (removed.valid_from, removed.tier, removed.arrived) == (NOON + HOUR, 1, clock.now)
    assert isnan(removed.intensity)
    assert (added.valid_from, added.intensity) == (NOON + 2 * HOUR, 412.0)


def test_the_number_of_unread_changes_is_bounded() -> None:
    feed, _ = feed_and_clock(most=10)
    for minute in range(200):
        feed.put([signal(400.0 + minute % 2, NOON, 60)])
    assert len(feed.changes().signals) == 40


def test_a_source_that_keeps_its_values_reports_no_signals() -> None:
    feed, _ = feed_and_clock(keeps=True)
    feed.put([signal_at(400.0, -1)], mark="first")
    changes = feed.changes()
    assert (changes.signals, hours(changes)) == ((), (-1.0, 0.0))
    assert feed.mark == "first"


# the span of changed answers


def test_a_newest_value_changes_the_answers_since_its_beginning() -> None:
    feed, _ = feed_and_clock()
    feed.put([signal_at(400.0, -1.5)])
    assert hours(feed.changes()) == (-1.5, 0.0)
    feed.put([signal_at(410.0, -0.5)])
    assert hours(feed.changes()) == (-0.5, 0.0)


def test_a_revised_value_changes_the_answers_up_to_the_next_value() -> None:
    feed, _ = feed_and_clock()
    feed.put([signal_at(400.0 + hour, -hour) for hour in (1, 2, 3, 4)])
    feed.changes()
    feed.put([signal_at(500.0, -3)])
    assert hours(feed.changes()) == (-3.0, -2.0)
    feed.put([signal_at(500.0, -4), signal_at(500.0, -2)])  # the value at -3 is removed: the value at -4 serves longer
    assert hours(feed.changes()) == (-4.0, -1.0)


def test_a_late_value_changes_answers_until_it_is_too_old() -> None:
    feed, _ = feed_and_clock()
    feed.put([signal_at(400.0, -1)])
    feed.changes()
    feed.put([signal_at(500.0, -20)])
    # Its hour ends at -19 and serves until -17; the nanosecond of -17 itself still counts.
    assert feed.changes().span == (NOON - 20 * HOUR, NOON - 17 * HOUR + 1)


def test_a_future_value_is_reported_and_changes_no_answer_yet() -> None:
    feed, clock = feed_and_clock()
    feed.put([signal_at(400.0, 3, tier=3), signal_at(410.0, 5, tier=4)])
    changes = feed.changes()
    assert (sorted(signal_values(changes)), changes.span) == ([(5.0, 410.0)], None)
    clock.now += 2 * HOUR  # a forecast is stored an hour before its time
    changes = feed.changes()
    assert (signal_values(changes), changes.span) == ([(3.0, 400.0)], None)


def test_a_forecast_changes_only_times_without_a_measured_value() -> None:
    feed, _ = feed_and_clock()
    feed.put([signal_at(400.0, -6)])  # serves until -3
    feed.changes()
    feed.put([signal_at(300.0, -5, tier=3)])
    changes = feed.changes()
    assert (signal_values(changes), changes.span) == ([(-5.0, 300.0)], None)
    feed.put([signal_at(301.0, -5, 4, tier=3)])  # until -1
    assert feed.changes().span == (NOON - 3 * HOUR + 1, NOON - HOUR)


def test_a_measured_value_in_place_of_a_forecast_changes_the_answers() -> None:
    feed, _ = feed_and_clock()
    feed.put([signal_at(300.0, -3, tier=3), signal_at(310.0, -2, tier=3)])
    feed.changes()
    feed.put([signal_at(305.0, -3)])
    assert hours(feed.changes()) == (-3.0, 0.0)  # it serves two hours after its end, in place of the second forecast


def test_another_mean_changes_the_answers_of_all_covered_times() -> None:
    feed, _ = feed_and_clock(keeps=True)
    feed.put([signal_at(400.0, -3), signal_at(500.0, -2)], mean=450.0)
    feed.changes()
    feed.put([signal_at(400.0, -3), signal_at(500.0, -2)], mean=450.0)
    assert feed.changes().span is None
    feed.put([signal_at(400.0, -3), signal_at(500.0, -2), signal_at(510.0, 9, tier=4)], mean=470.0)
    assert (hours(feed.changes()), feed.mean) == ((-3.0, 0.0), 470.0)


def test_spans_merge_until_they_are_read() -> None:
    feed, _ = feed_and_clock()
    feed.put([signal_at(400.0, -20)])
    feed.put([signal_at(400.0, -10)])
    assert feed.changes().span == (NOON - 20 * HOUR, NOON - 7 * HOUR + 1)


def test_a_value_discarded_because_the_feed_is_full_is_not_a_change() -> None:
    feed, _ = feed_and_clock(most=2)
    feed.put([signal_at(400.0, -4), signal_at(401.0, -3)])
    feed.changes()
    feed.put([signal_at(402.0, -1)])
    assert signal_values(feed.changes()) == [(-1.0, 402.0)]
    feed.put([signal_at(399.0, -9)])  # older than all values of the full feed
    assert feed.changes().signals == ()


# after a restart


def test_restored_signals_are_not_changes_and_the_source_is_waiting(caplog: pytest.LogCaptureFixture) -> None:
    feed, _ = feed_and_clock(NOON + 9 * HOUR)
    feed.restore([signal_at(400.0, -1), signal_at(300.0, 0, tier=3)])
    assert feed.changes() == SignalChanges()
    assert (feed.detail, caplog.messages) == ("", [])
    assert (feed.state(NOON), feed.state(NOON + 9 * HOUR)) == ("good", "waiting")
    feed.put([signal_at(400.0, -1)])
    assert feed.changes() == SignalChanges()
    assert feed.state(NOON + 9 * HOUR) == "away"


def test_a_known_edition_changes_only_the_answers_of_this_process() -> None:
    rows = [signal_at(400.0 + hour, hour, tier=4) for hour in range(-9, 9)]
    feed, clock = feed_and_clock(keeps=True)
    feed.restore([], "first")
    clock.now += 2 * NS
    feed.put(rows, mark="first", mean=400.0)
    assert feed.changes().span == (NOON, NOON + 2 * NS + 1)  # before that, the table served
    feed.put(rows, mark="first", mean=401.0)
    assert feed.changes().span == (NOON - 9 * HOUR, NOON + 2 * NS + 1)


def test_a_new_edition_changes_all_answers() -> None:
    feed, clock = feed_and_clock(keeps=True)
    feed.restore([], "first")
    clock.now += 2 * NS
    feed.put([signal_at(400.0, -9, tier=4)], mark="second")
    assert feed.changes().span == (NOON - 9 * HOUR, NOON - 6 * HOUR + 1)


def test_sources_of_one_name_get_numbers() -> None:
    feeds = [Feed(name, Hands(NOON)) for name in ("ukgrid", "mqtt", "ukgrid", "ukgrid")]  # type: ignore[arg-type]
    assert distinct(feeds) == ["ukgrid", "mqtt", "ukgrid #2", "ukgrid #3"]


# any sequence

UNIT = 600 * NS

VALUES = st.builds(
    lambda intensity, begin, length, tier: signal(intensity, NOON + begin * UNIT, length * 600, tier),
    st.sampled_from([400.0, 500.0]),
    st.integers(-12, 6),
    st.integers(1, 4),
    st.sampled_from([1, 3, 4]),
)
PUTS = st.lists(st.tuples(st.integers(0, 4), st.lists(VALUES, min_size=1, max_size=5)), min_size=1, max_size=8)
MOMENTS = [NOON + step * UNIT // 2 + jitter for step in range(-26, 40) for jitter in (-1, 0, 1)]


def answer(current: Signal | None) -> tuple[object, ...] | None:
    return None if current is None else (current.intensity, current.tier, current.valid_from, current.valid_to)


@given(PUTS, st.sampled_from([0.0, 1500.0]))
def test_no_answer_changes_outside_the_span(puts: list[tuple[int, list[Signal]]], max_age: float) -> None:
    feed, clock = feed_and_clock(max_age=max_age)
    for pause, signals in puts:
        clock.now += pause * UNIT
        before = {time: answer(feed.at(time)) for time in MOMENTS}
        with suppress(ValueError):  # all of it ahead of time
            feed.put(signals)
        span = feed.changes().span
        changed = [time for time in MOMENTS if time <= clock.now and answer(feed.at(time)) != before[time]]
        assert not changed or (span and span[0] <= changed[0] and changed[-1] < span[1])
        assert span is None or span[1] <= clock.now + 1


@given(PUTS, st.sampled_from([3, 5, 100]), st.integers(1, 3))
def test_restoring_the_changes_gives_the_same_signals(
    puts: list[tuple[int, list[Signal]]], most: int, every: int
) -> None:
    feed, clock = feed_and_clock(most=most)
    news: list[Signal] = []
    for count, (pause, signals) in enumerate(puts):
        clock.now += pause * UNIT
        with suppress(ValueError):  # too many, or all of it ahead of time
            feed.put(signals)
        if count % every == 0:
            news += feed.changes().signals
    news += feed.changes().signals
    restored, _ = feed_and_clock(most=most)
    restored.restore(news)
    assert [*restored._actual] == [*feed._actual]
    near = [value for value in feed._forecast if value.valid_from <= clock.now + STORED_AHEAD]
    assert near == ([*restored._forecast] if most == 100 else [*restored._forecast][-len(near) or most :])
    assert restored.changes() == SignalChanges()
    clock.now += 24 * HOUR  # the time of the others comes
    restored.restore(feed.changes().signals)
    assert [*restored._forecast] == [*feed._forecast]


def test_a_forecast_far_ahead_is_stored_once_when_its_time_comes() -> None:
    """A service revises 24 hours of forecasts at each poll; the spool gets each hour's last one."""
    feed, clock = feed_and_clock()
    stored: list[Signal] = []
    for poll in range(24):
        feed.put([signal_at(400.0 + poll, hour, 1, 3) for hour in range(1 + poll // 4, 25)])
        stored += feed.changes().signals
        clock.now += HOUR // 4
    clock.now += 24 * HOUR
    stored += feed.changes().signals
    far = [value for value in stored if value.valid_from > NOON + 7 * HOUR]
    assert [value.valid_from for value in far] == [NOON + hour * HOUR for hour in range(8, 25)]
    assert {value.intensity for value in far} == {423.0}
    assert len(stored) - len(far) <= 2 * 24  # at each poll the present hour and the next


@given(PUTS, st.lists(VALUES, min_size=1, max_size=5), st.sampled_from(MOMENTS))
def test_a_put_with_settled_signals_changes_no_measured_signal_from_before(
    puts: list[tuple[int, list[Signal]]], signals: list[Signal], time: int
) -> None:
    feed, clock = feed_and_clock()
    for pause, earlier in puts:
        clock.now += pause * UNIT
        with suppress(ValueError):  # all of it ahead of time
            feed.put(earlier)
    settled = [value for value in feed._actual if value.tier == 1 and value.valid_from < time]
    with suppress(ValueError):  # all of it ahead of time
        feed.put(feed.with_settled(signals, time))
    assert [value for value in settled if value in [*feed._actual]] == settled


@given(PUTS, st.integers(0, 20))
def test_changes_without_the_first_ones_still_give_all_signals_of_the_others(
    puts: list[tuple[int, list[Signal]]], lost: int
) -> None:
    feed, clock = feed_and_clock()
    for pause, signals in puts:
        clock.now += pause * UNIT
        with suppress(ValueError):  # all of it ahead of time
            feed.put(signals)
    news = feed.changes().signals[lost:]
    keys = {(value.valid_from, value.tier == 3) for value in news}
    restored, _ = feed_and_clock()
    restored.restore(news)
    assert [*restored._actual] == [value for value in feed._actual if (value.valid_from, False) in keys]
    assert [*restored._forecast] == [value for value in feed._forecast if (value.valid_from, True) in keys]


@given(PUTS, st.sampled_from([0.0, 1500.0]), st.sampled_from(MOMENTS))
def test_nothing_changes_before_until(puts: list[tuple[int, list[Signal]]], max_age: float, time: int) -> None:
    feed, clock = feed_and_clock(max_age=max_age)
    for pause, signals in puts:
        clock.now += pause * UNIT
        with suppress(ValueError):  # all of it ahead of time
            feed.put(signals)
    until = feed.until(time)
    assert until > time
    first = feed.at(time)
    assert all(feed.at(moment) is first for moment in (*MOMENTS, until - 1) if time <= moment < until)
    assert until == FOREVER or feed.at(until) is not first


def test_a_feed_full_of_future_values_of_a_wrong_clock_accepts_current_values() -> None:
    """With a clock eight hours ahead, the source fills the feed; then the clock is set right."""
    feed, clock = feed_and_clock(NOON + 8 * HOUR, most=5)
    for minute in range(5):
        feed.put([signal_at(400.0 + minute, 8 + minute / 60, 1 / 60)])
        clock.now += HOUR // 60
    clock.now = NOON
    for minute in range(3):
        feed.put([signal_at(300.0 + minute, minute / 60, 1 / 60)])
        current = feed.at(clock.now)
        assert current is not None
        assert current.intensity == 300.0 + minute
        clock.now += HOUR // 60
