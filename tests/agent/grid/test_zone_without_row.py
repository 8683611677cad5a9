"""A zone without a row of the tables: its sources alone serve, and no other country's factor."""

from __future__ import annotations

from math import isnan

from wattgram.base.clock import NS
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import CONFIGURED, NO_FACTOR, Ladder

from tests.support.grid_signals import Hands, signal, utc

NOON = utc("2026-06-01T12:00:00+02:00")
HOUR = 3600 * NS


def live() -> Feed:
    return Feed("live", Hands(NOON))  # type: ignore[arg-type]  # a clock by hand


def test_before_the_first_value_the_intensity_is_unknown_and_not_a_number_of_another_zone() -> None:
    found = Ladder("QQ", "direct", None, [live()]).at(NOON)
    assert isnan(found.intensity)
    assert found.source == NO_FACTOR


def test_after_the_last_value_the_last_known_value_serves_with_its_age() -> None:
    feed = live()
    feed.put([signal(300.0, NOON, 3600, source="live")])
    ladder = Ladder("QQ", "direct", None, [feed])
    assert (ladder.at(NOON).intensity, ladder.at(NOON).tier) == (300.0, 1)
    later = NOON + 12 * HOUR  # the value is fresh for two hours after its end (METHOD 3.4)
    found = ladder.at(later)
    assert (found.intensity, found.tier, found.estimated) == (300.0, 2, True)
    assert found.age(later) == 11 * 3600.0
    assert isnan(ladder.at(NOON - 1).intensity)
    assert ladder.mean(later - HOUR, later).intensity == 300.0


def test_a_row_serves_before_a_value_that_is_too_old() -> None:
    feed = live()
    feed.put([signal(300.0, NOON, 3600, source="live")])
    assert Ladder("DE", "lifecycle", None, [feed]).at(NOON + 12 * HOUR).source == "table DE 2025 ember_average"


def test_the_inventories_have_the_factors_that_are_known() -> None:
    official, residual = Ladder("QQ", "direct", None, [live()]).inventory(NOON)
    assert isnan(official)
    assert isnan(residual)
    assert Ladder("QQ", "direct", 380.0, residual=500.0).inventory(NOON) == (380.0, 500.0)
    configured = Ladder("QQ", "direct", 380.0).at(NOON)
    assert (configured.source, configured.tier, configured.basis) == (CONFIGURED, 4, "direct")
    # METHOD 2.1: 2023 is the newest residual mix of China
    assert Ladder("CN-SC", "direct").inventory(NOON) == (156.4, 609.6)


def test_the_level_of_a_source_needs_a_row() -> None:
    feed = Feed("live", Hands(NOON), mean=400.0)  # type: ignore[arg-type]  # a clock by hand
    feed.put([signal(300.0, NOON, 3600)])
    assert Ladder("DE", "lifecycle", None, [feed]).at(NOON).intensity == 329.65 * 300.0 / 400.0
    assert Ladder("QQ", "direct", 500.0, [feed]).at(NOON).intensity == 500.0 * 300.0 / 400.0
