"""Order, freshness, history and level of the grid's sources: METHOD 3.4 and 4.3."""

from __future__ import annotations

import logging
from math import isnan

import pytest
from wattgram.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal

from tests.agent.made_grid import Hands, signal, utc

NOON = utc("2026-06-01T12:00:00+08:00")
HOUR = 3600 * NS
TABLE = "table CN-CQ 2023 provincial_average"


def feeds(*names: str, time: int = NOON, mean: float | None = None) -> list[Feed]:
    return [Feed(name, Hands(time), mean=mean) for name in names]  # type: ignore[arg-type]  # a clock by hand


def told(ladder: Ladder, time: int) -> tuple[float, str, int]:
    found = ladder.at(time)
    return found.intensity, found.source, found.tier


def test_the_first_fresh_source_wins_and_the_table_is_last() -> None:
    first, second = feeds("first", "second")
    ladder = Ladder("CN-CQ", "direct", None, [first, second])
    assert told(ladder, NOON) == (558.1, TABLE, 5)
    second.put([signal(500.0, NOON, 7200, source="second")])
    assert told(ladder, NOON) == (500.0, "second", 1)
    first.put([signal(400.0, NOON, 3600, source="first")])
    assert told(ladder, NOON) == (400.0, "first", 1)
    # The first one's hour ends at 13:00 and serves two hours more (METHOD 3.4); the second one's until 16:00.
    assert told(ladder, NOON + 3 * HOUR) == (400.0, "first", 1)
    assert told(ladder, NOON + 3 * HOUR + NS) == (500.0, "second", 1)
    assert told(ladder, NOON + 4 * HOUR + NS) == (558.1, TABLE, 5)


def test_the_age_of_a_value_counts_from_its_end() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(400.0, NOON, 3600)])
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    assert ladder.at(NOON + HOUR // 2).age(NOON + HOUR // 2) == 0.0
    assert ladder.at(NOON + 2 * HOUR).age(NOON + 2 * HOUR) == 3600.0


def test_a_configured_factor_stands_in_the_place_of_the_table() -> None:
    (feed,) = feeds("feed")
    ladder = Ladder("CN-CQ", "direct", 612.5, [feed])
    assert told(ladder, NOON) == (612.5, "configuration", 4)
    assert ladder.at(NOON).age(NOON) == 0.0
    feed.put([signal(400.0, NOON, 3600)])
    assert told(ladder, NOON) == (400.0, "feed", 1)


def test_a_moment_has_the_value_that_was_valid_then_whenever_it_came() -> None:
    (feed,) = feeds("feed")
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    feed.put([signal(300.0, NOON, 3600)])
    feed.put([signal(100.0 + hour, NOON - hour * HOUR, 3600) for hour in (1, 2, 3)])  # late, newest first
    assert [ladder.at(NOON - hour * HOUR + 1).intensity for hour in (0, 1, 2, 3)] == [300.0, 101.0, 102.0, 103.0]
    assert told(ladder, NOON - 4 * HOUR) == (558.1, TABLE, 5)


def test_a_revised_value_replaces_the_one_of_its_moment_alone() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(float(hour), NOON - hour * HOUR, 3600) for hour in (1, 2, 3)])
    feed.put([signal(222.0, NOON - 2 * HOUR, 3600)])
    values = [feed.at(NOON - hour * HOUR) for hour in (1, 2, 3)]
    assert [one.intensity for one in values if one] == [1.0, 222.0, 3.0]


def test_a_forecast_serves_only_its_own_time_and_after_what_was_measured() -> None:
    (feed,) = feeds("feed")
    feed.put([signal(400.0, NOON - HOUR, 3600), *(signal(410.0 + h, NOON + h * HOUR, 3600, 3) for h in range(6))])
    tiers = [feed.at(NOON + hour * HOUR + 1) for hour in (0, 1, 2, 5)]
    # Measured until 12:00, fresh until 14:00; forecast until 18:00.
    assert [(one.intensity, one.tier) for one in tiers if one] == [(400.0, 1), (400.0, 1), (412.0, 3), (415.0, 3)]
    assert feed.at(NOON + 6 * HOUR) is None


@pytest.mark.parametrize("intensity", [-0.1, 2000.1, float("nan"), float("inf")])
def test_what_no_grid_emits_is_not_taken(intensity: float) -> None:
    (feed,) = feeds("feed")
    with pytest.raises(ValueError, match="no value that is possible"):
        feed.put([signal(intensity, NOON, 3600)])
    assert feed.at(NOON) is None


def test_a_measured_value_of_the_future_is_not_taken() -> None:
    (feed,) = feeds("feed")
    with pytest.raises(ValueError, match="ahead of time"):
        feed.put([signal(400.0, NOON + HOUR, 3600)])


def test_shape_times_level_has_the_feeds_shape_and_the_official_mean() -> None:
    (feed,) = feeds("feed", mean=500.0)
    feed.put([signal(600.0, NOON - HOUR, 3600), signal(400.0, NOON, 3600)])
    ladder = Ladder("CN-CQ", "direct", None, [feed])
    high, low = ladder.at(NOON - HOUR), ladder.at(NOON)
    # METHOD 4.3: 558.1 x 600 / 500 and 558.1 x 400 / 500, whose mean is 558.1 again
    assert (high.intensity, low.intensity) == (pytest.approx(669.72), pytest.approx(446.48))
    assert (high.raw, low.raw) == (600.0, 400.0)
    assert high.source == f"feed, level of {TABLE}"
    assert isnan(ladder.at(NOON + 5 * HOUR).raw)  # without a feed the ratio is 1


def test_a_level_that_no_grid_has_is_left_out() -> None:
    (feed,) = feeds("feed", mean=1.0)
    feed.put([signal(600.0, NOON, 3600)])
    assert told(Ladder("CN-CQ", "direct", None, [feed]), NOON) == (558.1, TABLE, 5)


def test_the_state_of_a_source_and_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (feed,) = feeds("feed")
    assert feed.state(NOON) == "waiting"
    for _ in range(3):
        feed.failed("no answer")
    assert (feed.state(NOON), feed.detail) == ("away", "no answer")
    feed.put([signal(400.0, NOON, 3600)])
    assert (feed.state(NOON), feed.detail) == ("good", "")
    assert feed.state(NOON + 9 * HOUR) == "away"
    assert caplog.messages == ["grid source feed: no answer", "grid source feed is back"]


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
