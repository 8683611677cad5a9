"""What is new in a feed, and from when on it answers otherwise: METHOD 3.4. Spans worked out beside them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.grid.feed import Feed, SignalChanges, distinct
from wattgram.grid.signal import FOREVER, Signal

from tests.support.grid_signals import Hands, signal, utc

NOON = utc("2026-06-01T12:00:00+08:00")
HOUR = 3600 * NS
AGE = 2 * HOUR
"""How long a value serves after its end (METHOD 3.4)."""


def made(time: int = NOON, **settings: object) -> tuple[Feed, Hands]:
    clock = Hands(time)
    return Feed("feed", clock, **settings), clock  # type: ignore[arg-type]  # a clock by hand


def hours(changes: SignalChanges) -> tuple[float, float] | None:
    """The span in hours from noon, to the microsecond."""
    if changes.span is None:
        return None
    begin, end = changes.span
    return (begin - NOON) / HOUR, round((end - NOON) / HOUR, 9)


def told(changes: SignalChanges) -> list[tuple[float, float]]:
    """News as hours from noon and intensity."""
    return [((one.valid_from - NOON) / HOUR, one.intensity) for one in changes.signals]


def known(intensity: float, hour: float, length: float = 1.0, tier: int = 1) -> Signal:
    return signal(intensity, NOON + int(hour * HOUR), int(length * 3600), tier)


# what is new


def test_news_are_handed_over_once_and_a_repetition_is_none() -> None:
    feed, clock = made()
    feed.put([known(400.0, -1)])
    assert told(feed.changes()) == [(-1.0, 400.0)]
    assert feed.changes() == SignalChanges()
    clock.now += HOUR
    feed.put([replace(known(400.0, -1), arrived=clock.now)])
    assert feed.changes() == SignalChanges()
    found = feed.at(NOON)
    assert found is not None
    assert found.arrived == 0  # when it was learned first


def test_whatever_a_signal_says_besides_when_it_arrived_is_news() -> None:
    first = replace(known(400.0, -1), shares={"coal": 1.0})
    for name, value in {
        "intensity": 401.0,
        "valid_to": NOON + 1,
        "tier": 2,
        "estimated": True,
        "clean_share": 0.3,
        "shares": {"coal": 0.9, "gas": 0.1},
        "source": "another",
    }.items():
        feed, _ = made()
        feed.put([first])
        feed.changes()
        feed.put([replace(first, **{name: value})])  # type: ignore[arg-type]  # any field
        assert len(feed.changes().signals) == 1, name


def test_an_unknown_clean_share_that_is_unknown_again_is_no_news() -> None:
    feed, _ = made()
    for _ in range(2):
        feed.put([replace(known(400.0, -1), clean_share=float("nan"), raw=float("nan"))])
    assert len(feed.changes().signals) == 1


def test_what_is_forgotten_between_new_values_is_news_without_a_number() -> None:
    feed, clock = made(NOON + 4 * HOUR)
    feed.put([known(400.0 + hour, hour) for hour in range(4)])
    feed.changes()
    clock.now += 60 * NS
    feed.put([known(400.0, 0), known(412.0, 2)])
    gone, came = feed.changes().signals
    assert (gone.valid_from, gone.tier, gone.arrived) == (NOON + HOUR, 1, clock.now)
    assert isnan(gone.intensity)
    assert (came.valid_from, came.intensity) == (NOON + 2 * HOUR, 412.0)


def test_news_that_nobody_asks_for_are_bounded() -> None:
    feed, _ = made(most=10)
    for minute in range(200):
        feed.put([signal(400.0 + minute % 2, NOON, 60)])
    assert len(feed.changes().signals) == 40


def test_a_source_that_keeps_what_it_says_has_no_news() -> None:
    feed, _ = made(keeps=True)
    feed.put([known(400.0, -1)], mark="first")
    changes = feed.changes()
    assert (changes.signals, hours(changes)) == ((), (-1.0, 0.0))
    assert feed.mark == "first"


# from when on answers may be others


def test_a_value_at_the_end_changes_what_the_older_one_or_nothing_said_since_it_began() -> None:
    feed, _ = made()
    feed.put([known(400.0, -1.5)])
    assert hours(feed.changes()) == (-1.5, 0.0)
    feed.put([known(410.0, -0.5)])
    assert hours(feed.changes()) == (-0.5, 0.0)


def test_a_revised_value_changes_its_own_time_up_to_the_next_one() -> None:
    feed, _ = made()
    feed.put([known(400.0 + hour, -hour) for hour in (1, 2, 3, 4)])
    feed.changes()
    feed.put([known(500.0, -3)])
    assert hours(feed.changes()) == (-3.0, -2.0)
    feed.put([known(500.0, -4), known(500.0, -2)])  # the one at -3 is forgotten: that at -4 serves on
    assert hours(feed.changes()) == (-4.0, -1.0)


def test_a_late_value_changes_answers_until_it_is_too_old() -> None:
    feed, _ = made()
    feed.put([known(400.0, -1)])
    feed.changes()
    feed.put([known(500.0, -20)])
    # Its hour ends at -19 and serves until -17; the nanosecond of -17 itself still counts.
    assert feed.changes().span == (NOON - 20 * HOUR, NOON - 17 * HOUR + 1)


def test_a_value_of_the_future_is_news_that_changes_nothing_yet() -> None:
    feed, _ = made()
    feed.put([known(400.0, 3, tier=3), known(410.0, 5, tier=4)])
    changes = feed.changes()
    assert (sorted(told(changes)), changes.span) == ([(3.0, 400.0), (5.0, 410.0)], None)


def test_a_forecast_changes_only_what_no_measured_value_says() -> None:
    feed, _ = made()
    feed.put([known(400.0, -6)])  # serves until -3
    feed.changes()
    feed.put([known(300.0, -5, tier=3)])
    changes = feed.changes()
    assert (told(changes), changes.span) == ([(-5.0, 300.0)], None)
    feed.put([known(301.0, -5, 4, tier=3)])  # until -1
    assert feed.changes().span == (NOON - 3 * HOUR + 1, NOON - HOUR)


def test_a_measured_value_in_the_place_of_a_forecast_changes_its_time() -> None:
    feed, _ = made()
    feed.put([known(300.0, -3, tier=3), known(310.0, -2, tier=3)])
    feed.changes()
    feed.put([known(305.0, -3)])
    assert hours(feed.changes()) == (-3.0, 0.0)  # it serves two hours more than its own, in place of the second one


def test_another_mean_changes_everything_that_is_covered() -> None:
    feed, _ = made(keeps=True)
    feed.put([known(400.0, -3), known(500.0, -2)], mean=450.0)
    feed.changes()
    feed.put([known(400.0, -3), known(500.0, -2)], mean=450.0)
    assert feed.changes().span is None
    feed.put([known(400.0, -3), known(500.0, -2), known(510.0, 9, tier=4)], mean=470.0)
    assert (hours(feed.changes()), feed.mean) == ((-3.0, 0.0), 470.0)


def test_spans_grow_together_until_they_are_asked_for() -> None:
    feed, _ = made()
    feed.put([known(400.0, -20)])
    feed.put([known(400.0, -10)])
    assert feed.changes().span == (NOON - 20 * HOUR, NOON - 7 * HOUR + 1)


def test_what_goes_for_want_of_room_is_no_change() -> None:
    feed, _ = made(most=2)
    feed.put([known(400.0, -4), known(401.0, -3)])
    feed.changes()
    feed.put([known(402.0, -1)])
    assert told(feed.changes()) == [(-1.0, 402.0)]
    feed.put([known(399.0, -9)])  # older than all that there is room for
    assert feed.changes().signals == ()


# after a restart


def test_what_is_recalled_is_no_news_and_the_source_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    feed, _ = made(NOON + 9 * HOUR)
    feed.restore([known(400.0, -1), known(300.0, 0, tier=3)])
    assert feed.changes() == SignalChanges()
    assert (feed.detail, caplog.messages) == ("", [])
    assert (feed.state(NOON), feed.state(NOON + 9 * HOUR)) == ("good", "waiting")
    feed.put([known(400.0, -1)])
    assert feed.changes() == SignalChanges()
    assert feed.state(NOON + 9 * HOUR) == "away"


def test_an_edition_that_was_worked_in_before_changes_only_what_this_process_answered() -> None:
    rows = [known(400.0 + hour, hour, tier=4) for hour in range(-9, 9)]
    feed, clock = made(keeps=True)
    feed.restore([], "first")
    clock.now += 2 * NS
    feed.put(rows, mark="first", mean=400.0)
    assert feed.changes().span == (NOON, NOON + 2 * NS + 1)  # before, the table stood in
    feed.put(rows, mark="first", mean=401.0)
    assert feed.changes().span == (NOON - 9 * HOUR, NOON + 2 * NS + 1)


def test_another_edition_than_the_one_that_was_worked_in_changes_everything() -> None:
    feed, clock = made(keeps=True)
    feed.restore([], "first")
    clock.now += 2 * NS
    feed.put([known(400.0, -9, tier=4)], mark="second")
    assert feed.changes().span == (NOON - 9 * HOUR, NOON - 6 * HOUR + 1)


def test_sources_of_one_name_are_told_apart() -> None:
    feeds = [Feed(name, Hands(NOON)) for name in ("ukgrid", "mqtt", "ukgrid", "ukgrid")]  # type: ignore[arg-type]
    assert distinct(feeds) == ["ukgrid", "mqtt", "ukgrid #2", "ukgrid #3"]


# whatever comes

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


def said(one: Signal | None) -> tuple[object, ...] | None:
    return None if one is None else (one.intensity, one.tier, one.valid_from, one.valid_to)


@given(PUTS, st.sampled_from([0.0, 1500.0]))
def test_no_answer_changes_outside_the_span(puts: list[tuple[int, list[Signal]]], max_age: float) -> None:
    feed, clock = made(max_age=max_age)
    for pause, signals in puts:
        clock.now += pause * UNIT
        before = {time: said(feed.at(time)) for time in MOMENTS}
        with suppress(ValueError):  # all of it ahead of time
            feed.put(signals)
        span = feed.changes().span
        changed = [time for time in MOMENTS if time <= clock.now and said(feed.at(time)) != before[time]]
        assert not changed or (span and span[0] <= changed[0] and changed[-1] < span[1])
        assert span is None or span[1] <= clock.now + 1


@given(PUTS, st.sampled_from([3, 5, 100]), st.integers(1, 3))
def test_recalling_the_news_gives_what_was_known(puts: list[tuple[int, list[Signal]]], most: int, every: int) -> None:
    feed, clock = made(most=most)
    news: list[Signal] = []
    for count, (pause, signals) in enumerate(puts):
        clock.now += pause * UNIT
        with suppress(ValueError):  # too many, or all of it ahead of time
            feed.put(signals)
        if count % every == 0:
            news += feed.changes().signals
    news += feed.changes().signals
    again, _ = made(most=most)
    again.restore(news)
    assert [*again._actual] == [*feed._actual]
    assert [*again._forecast] == [*feed._forecast]
    assert again.changes() == SignalChanges()


@given(PUTS, st.integers(0, 20))
def test_news_whose_first_ones_are_lost_still_give_all_signals_that_the_others_tell(
    puts: list[tuple[int, list[Signal]]], lost: int
) -> None:
    feed, clock = made()
    for pause, signals in puts:
        clock.now += pause * UNIT
        with suppress(ValueError):  # all of it ahead of time
            feed.put(signals)
    news = feed.changes().signals[lost:]
    told = {(one.valid_from, one.tier == 3) for one in news}
    again, _ = made()
    again.restore(news)
    assert [*again._actual] == [one for one in feed._actual if (one.valid_from, False) in told]
    assert [*again._forecast] == [one for one in feed._forecast if (one.valid_from, True) in told]


@given(PUTS, st.sampled_from([0.0, 1500.0]), st.sampled_from(MOMENTS))
def test_nothing_changes_before_until(puts: list[tuple[int, list[Signal]]], max_age: float, time: int) -> None:
    feed, clock = made(max_age=max_age)
    for pause, signals in puts:
        clock.now += pause * UNIT
        with suppress(ValueError):  # all of it ahead of time
            feed.put(signals)
    until = feed.until(time)
    assert until > time
    first = feed.at(time)
    assert all(feed.at(moment) is first for moment in (*MOMENTS, until - 1) if time <= moment < until)
    assert until == FOREVER or feed.at(until) is not first


def test_a_feed_that_a_wrong_clock_filled_with_the_future_takes_what_is_said_now() -> None:
    """Eight hours ahead the source spoke until there was no more room; then the clock was set right."""
    feed, clock = made(NOON + 8 * HOUR, most=5)
    for minute in range(5):
        feed.put([known(400.0 + minute, 8 + minute / 60, 1 / 60)])
        clock.now += HOUR // 60
    clock.now = NOON
    for minute in range(3):
        feed.put([known(300.0 + minute, minute / 60, 1 / 60)])
        found = feed.at(clock.now)
        assert found is not None
        assert found.intensity == 300.0 + minute
        clock.now += HOUR // 60
