"""Order, freshness, history and level of the grid's sources: METHOD 3.4 and 4.3."""

from __future__ import annotations

import logging
from dataclasses import replace
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import GridChanges, Ladder
from wattgram.grid.signal import Signal
from wattgram.grid.table import FactorTable

from tests.support.approximate import near
from tests.support.grid_signals import Hands, signal, utc

NOON = utc("2026-06-01T12:00:00+08:00")
HOUR = 3600 * NS
TABLE = "table CN-CQ 2023 provincial_average"
TABLE_OF_CHINA = FactorTable.shipped()


def feeds(*names: str, time: int = NOON, mean: float | None = None) -> list[Feed]:
    return [Feed(name, Hands(time), mean=mean) for name in names]  # type: ignore[arg-type]  # a clock by hand


def answer_of(ladder: Ladder, time: int) -> tuple[float, str, int]:
    current = ladder.at(time)
    return current.intensity, current.source, current.tier


def test_the_first_fresh_source_wins_and_the_table_is_last() -> None:
    first, second = feeds("first", "second")
    ladder = Ladder("CN-CQ", "direct", None, [first, second])
    assert answer_of(ladder, NOON) == (558.1, TABLE, 5)
    second.put([signal(500.0, NOON, 7200, source="second")])
    assert answer_of(ladder, NOON) == (500.0, "second", 1)
    first.put([signal(400.0, NOON, 3600, source="first")])
    assert answer_of(ladder, NOON) == (400.0, "first", 1)
    # The first hour ends at 13:00 and serves two hours more (METHOD 3.4); the second value serves until 16:00.
    assert answer_of(ladder, NOON + 3 * HOUR) == (400.0, "first", 1)
    assert answer_of(ladder, NOON + 3 * HOUR + NS) == (500.0, "second", 1)
    assert answer_of(ladder, NOON + 4 * HOUR + NS) == (558.1, TABLE, 5)


def test_the_age_of_a_value_counts_from_its_end() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(400.0, NOON, 3600)])
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    assert ladder.at(NOON + HOUR // 2).age(NOON + HOUR // 2) == 0.0
    assert ladder.at(NOON + 2 * HOUR).age(NOON + 2 * HOUR) == 3600.0


def test_a_configured_factor_replaces_the_table() -> None:
    (feed,) = feeds("feed")
    ladder = Ladder("CN-CQ", "direct", 612.5, [feed])
    assert answer_of(ladder, NOON) == (612.5, "configuration", 4)
    assert ladder.at(NOON).age(NOON) == 0.0
    feed.put([signal(400.0, NOON, 3600)])
    assert answer_of(ladder, NOON) == (400.0, "feed", 1)


def test_a_moment_has_the_value_valid_then_whenever_it_arrived() -> None:
    (feed,) = feeds("feed")
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    feed.put([signal(300.0, NOON, 3600)])
    feed.put([signal(100.0 + hour, NOON - hour * HOUR, 3600) for hour in (1, 2, 3)])  # late, newest first
    assert [ladder.at(NOON - hour * HOUR + 1).intensity for hour in (0, 1, 2, 3)] == [300.0, 101.0, 102.0, 103.0]
    assert answer_of(ladder, NOON - 4 * HOUR) == (558.1, TABLE, 5)


def test_a_revised_value_replaces_only_the_value_of_its_moment() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(float(hour), NOON - hour * HOUR, 3600) for hour in (1, 2, 3)])
    feed.put([signal(222.0, NOON - 2 * HOUR, 3600)])
    values = [feed.at(NOON - hour * HOUR) for hour in (1, 2, 3)]
    assert [value.intensity for value in values if value] == [1.0, 222.0, 3.0]


def test_a_forecast_serves_only_its_own_time_and_after_measured_values() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(400.0, NOON - HOUR, 3600), *(signal(410.0 + h, NOON + h * HOUR, 3600, 3) for h in range(6))])
    tiers = [feed.at(NOON + hour * HOUR + 1) for hour in (0, 1, 2, 5)]
    # Measured until 12:00, fresh until 14:00; forecast until 18:00.
    assert [(value.intensity, value.tier) for value in tiers if value] == [
        (400.0, 1),
        (400.0, 1),
        (412.0, 3),
        (415.0, 3),
    ]
    assert feed.at(NOON + 6 * HOUR) is None


@pytest.mark.parametrize("intensity", [-0.1, 2000.1, float("nan"), float("inf")])
def test_an_impossible_intensity_is_refused(intensity: float) -> None:
    (feed,) = feeds("feed")
    with pytest.raises(ValueError, match="found no usable value"):
        feed.put([signal(intensity, NOON, 3600)])
    assert feed.at(NOON) is None


def test_a_measured_value_of_the_future_is_refused() -> None:
    (feed,) = feeds("feed")
    with pytest.raises(ValueError, match="ahead of time"):
        feed.put([signal(400.0, NOON + HOUR, 3600)])


def test_shape_times_level_has_the_feeds_shape_and_the_official_mean() -> None:
    (feed,) = feeds("feed", mean=500.0)
    feed.put([signal(600.0, NOON - HOUR, 3600), signal(400.0, NOON, 3600)])
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    high, low = ladder.at(NOON - HOUR), ladder.at(NOON)
    # METHOD 4.3: 558.1 x 600 / 500 and 558.1 x 400 / 500, whose mean is 558.1 again
    assert (high.intensity, low.intensity) == (near(669.72), near(446.48))
    assert (high.raw, low.raw) == (600.0, 400.0)
    assert high.source == f"feed, level of {TABLE}"
    assert isnan(ladder.at(NOON + 5 * HOUR).raw)  # without a feed the ratio is 1


def test_an_impossible_level_is_left_out() -> None:
    (feed,) = feeds("feed", mean=1.0)
    feed.put([signal(600.0, NOON, 3600)])
    assert answer_of(Ladder("CN-CQ", "direct", None, [feed]), NOON) == (558.1, TABLE, 5)


def test_the_state_of_a_source_and_its_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (feed,) = feeds("feed")
    assert feed.state(NOON) == "waiting"
    for _ in range(3):
        feed.failed("no answer")
    assert (feed.state(NOON), feed.detail) == ("away", "no answer")
    feed.put([signal(400.0, NOON, 3600)])
    assert (feed.state(NOON), feed.detail) == ("good", "")
    assert feed.state(NOON + 9 * HOUR) == "away"
    assert caplog.messages == ["grid source feed: no answer", "grid source feed is available again"]


def test_the_history_is_bounded() -> None:
    feed = Feed("feed", Hands(NOON), most=100)  # type: ignore[arg-type]  # a clock by hand
    for minute in range(-300, 0):
        feed.put([signal(400.0, NOON + minute * 60 * NS, 60)])
    assert len(feed._actual) == 100
    latest: Signal | None = feed.at(NOON)
    assert latest is not None
    assert latest.valid_from == NOON - 60 * NS
    with pytest.raises(ValueError, match="found 101 values; at most 100 are kept"):
        feed.put([signal(400.0, NOON - minute * 60 * NS, 60) for minute in range(101)])


# how long an answer holds


def test_an_answer_holds_until_an_earlier_source_has_a_value_or_the_current_value_ends() -> None:
    first, second = feeds("first", "second")
    ladder = Ladder("CN-CQ", "direct", None, [first, second])
    assert ladder.until(NOON) == utc("2027-01-01T00:00:00+08:00")  # the year of a factor is the year in China
    second.put([signal(500.0, NOON, 7200, source="second")])
    first.put([signal(410.0, NOON + HOUR, 3600, 3, source="first")])
    assert ladder.until(NOON - 1) == NOON
    assert ladder.until(NOON) == NOON + HOUR  # the forecast of the first source begins
    assert ladder.until(NOON + HOUR) == NOON + 2 * HOUR  # and ends
    assert ladder.until(NOON + 2 * HOUR) == NOON + 4 * HOUR + 1  # the value serves two hours after its end
    assert ladder.until(NOON + 4 * HOUR + 1) == utc("2027-01-01T00:00:00+08:00")


SPANS = st.lists(
    st.tuples(st.integers(-9, 9), st.integers(1, 6), st.sampled_from([1, 3, 4]), st.sampled_from([300.0, 500.0])),
    max_size=5,
)
NEW_YEAR = utc("2023-01-01T00:00:00+08:00")


def half_hours(spans: list[tuple[int, int, int, float]], name: str, around: int, mean: float | None) -> Feed:
    feed = Feed(name, Hands(around + 9 * HOUR), mean=mean, max_age=1800.0)  # type: ignore[arg-type]
    for begin, length, tier, intensity in spans:
        feed.put([signal(intensity, around + begin * HOUR // 2, length * 1800, tier, name)])
    return feed


@given(
    SPANS,
    SPANS,
    st.sampled_from([None, 1.0, 450.0]),  # a mean of 1 gives a level that no grid has
    st.sampled_from([None, 600.0]),
    st.sampled_from([NOON, NEW_YEAR]),
    st.integers(-12, 12),
    st.sampled_from([-1, 0, 1]),
)
def test_the_answer_is_the_same_at_every_moment_before_until(
    first_spans: list[tuple[int, int, int, float]],
    second_spans: list[tuple[int, int, int, float]],
    mean: float | None,
    factor: float | None,
    around: int,
    step: int,
    jitter: int,
) -> None:
    sources = [half_hours(first_spans, "one", around, mean), half_hours(second_spans, "other", around, None)]
    ladder = Ladder("CN-CQ", "direct", factor, sources, TABLE_OF_CHINA)
    time = around + step * HOUR // 2 + jitter
    until = ladder.until(time)
    assert until > time
    quarters = (around + quarter * HOUR // 4 + nanosecond for quarter in range(-30, 60) for nanosecond in (-1, 0, 1))
    for moment in (*quarters, until - 1):
        if time <= moment < until:
            assert ladder.at(moment) == ladder.at(time)


# the mean over a span


def test_the_mean_over_a_span_is_weighted_by_time() -> None:
    (feed,) = feeds("feed")
    feed.put([
        replace(signal(400.0, NOON - 4 * HOUR, 3600), clean_share=0.5),
        replace(signal(500.0, NOON - 3 * HOUR, 3600), clean_share=0.2, estimated=True),
        replace(signal(600.0, NOON - 2 * HOUR, 3600), clean_share=0.1),
    ])  # fmt: skip
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    # half an hour of 400, an hour of 500 and a quarter of an hour of 600 in an hour and three quarters
    mean = ladder.mean(NOON - 3 * HOUR - HOUR // 2, NOON - 2 * HOUR + HOUR // 4)
    assert mean.intensity == pytest.approx((0.5 * 400 + 1.0 * 500 + 0.25 * 600) / 1.75)
    assert mean.clean_share == pytest.approx((0.5 * 0.5 + 1.0 * 0.2 + 0.25 * 0.1) / 1.75)
    assert (mean.source, mean.tier, mean.basis, mean.estimated) == ("feed", 1, "direct", True)
    assert mean.valid_to == NOON - HOUR  # of the last value, so that the age at the end is its age


def test_the_mean_names_the_source_that_serves_longest() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(300.0, NOON - 5 * HOUR, 1800, 2), signal(310.0, NOON - 5 * HOUR + HOUR // 2, 1800, 2)])
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    # Two values of half an hour, the last of them serving two hours more: from 07:00 to 10:00. Then the table.
    mean = ladder.mean(NOON - 5 * HOUR, NOON)
    assert mean.intensity == pytest.approx((0.5 * 300 + 2.5 * 310 + 2 * 558.1) / 5)
    assert (mean.source, mean.tier) == ("feed", 2)
    assert isnan(mean.clean_share)  # the feed's is unknown
    later = ladder.mean(NOON - 3 * HOUR, NOON)
    assert later.intensity == pytest.approx((310 + 2 * 558.1) / 3)
    assert (later.source, later.tier) == (TABLE, 5)


def test_the_mean_of_one_value_is_that_value() -> None:
    ladder = Ladder("CN-CQ", "direct")
    assert ladder.mean(NOON, NOON + HOUR) == ladder.at(NOON)
    assert ladder.mean(NOON, NOON) == ladder.at(NOON)


@given(SPANS, st.integers(-12, 12), st.integers(1, 24))
def test_a_mean_is_between_minimum_and_maximum_and_is_the_mean_of_its_halves(
    spans: list[tuple[int, int, int, float]], begin: int, halves: int
) -> None:
    ladder = Ladder("CN-CQ", "direct", None, [half_hours(spans, "feed", NOON, None)], TABLE_OF_CHINA)
    start, end = NOON + begin * HOUR // 2, NOON + (begin + halves) * HOUR // 2
    middle = (start + end) // 2
    mean = ladder.mean(start, end).intensity
    assert 300.0 <= mean <= 558.1
    parts = [ladder.mean(start, middle).intensity, ladder.mean(middle, end).intensity]
    assert mean == pytest.approx(sum(parts) / 2)


# new signals of all sources


def test_new_signals_are_reported_once_by_source() -> None:
    first, second = feeds("grid", "grid")
    ladder = Ladder("CN-CQ", "direct", None, [first, second])
    first.put([signal(400.0, NOON - HOUR, 3600)])
    second.put([signal(500.0, NOON - 9 * HOUR, 3600)])
    changes = ladder.changes()
    assert {name: [value.intensity for value in news] for name, news in changes.signals.items()} == {
        "grid": [400.0],
        "grid #2": [500.0],
    }
    assert changes.span == (NOON - 9 * HOUR, NOON + 1)
    assert ladder.changes() == GridChanges({}, None)


def test_a_value_behind_a_serving_earlier_source_changes_no_answer() -> None:
    first, second = feeds("first", "second")
    ladder = Ladder("CN-CQ", "direct", None, [first, second])
    first.put([signal(400.0, NOON - 3 * HOUR + step * HOUR // 4, 900) for step in range(4)])  # serves until noon
    ladder.changes()
    second.put([signal(500.0, NOON - HOUR, 3600)])
    changes = ladder.changes()
    assert (list(changes.signals), changes.span) == (["second"], None)
    second.put([signal(500.0, NOON - 4 * HOUR, 1800)])
    # It serves from 08:00 on; its half hour and two hours more end at 10:30.
    assert ladder.changes().span == (NOON - 4 * HOUR, NOON - 3 * HOUR // 2 + 1)
    first.mean = 0.0001  # an impossible level, so the second source serves
    second.put([signal(501.0, NOON - HOUR, 3600)])
    assert ladder.changes().span == (NOON - HOUR, NOON + 1)


def test_a_value_changes_answers_from_the_end_of_the_earlier_source() -> None:
    first, second = feeds("first", "second")
    ladder = Ladder("CN-CQ", "direct", None, [first, second])
    first.put([signal(400.0, NOON - 5 * HOUR, 3600)])  # serves until 10:00
    ladder.changes()
    second.put([signal(500.0, NOON - 3 * HOUR, 3600)])
    assert ladder.changes().span == (NOON - 2 * HOUR + 1, NOON + 1)


@given(st.lists(st.tuples(st.booleans(), SPANS), max_size=6), st.sampled_from([None, 1.0, 450.0]))
def test_no_answer_changes_outside_the_span(
    puts: list[tuple[bool, list[tuple[int, int, int, float]]]], mean: float | None
) -> None:
    sources = [half_hours([], "one", NOON, mean), half_hours([], "other", NOON, None)]
    ladder = Ladder("CN-CQ", "direct", None, sources, TABLE_OF_CHINA)
    moments = [NOON + quarter * HOUR // 4 + nanosecond for quarter in range(-20, 37) for nanosecond in (-1, 0, 1)]
    for which, spans in puts:
        before = [ladder.at(time) for time in moments]
        signals = [signal(value, NOON + begin * HOUR // 2, halves * 1800, tier) for begin, halves, tier, value in spans]
        if signals:
            sources[which].put(signals)
        begin, end = ladder.changes().span or (0, 0)
        for time, answer in zip(moments, before, strict=True):
            assert begin <= time < end or time > NOON + 9 * HOUR or ladder.at(time) == answer


def test_the_editions_of_sources_that_keep_their_values_are_reported() -> None:
    live, file_feed = feeds("mqtt", "file")
    file_feed.put([signal(400.0, NOON - HOUR, 3600, 4)], mark="first")
    live.put([signal(400.0, NOON - HOUR, 3600)])
    assert Ladder("CN-CQ", "direct", None, [live, file_feed]).marks() == {"file": "first"}
