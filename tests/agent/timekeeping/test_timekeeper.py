"""The site's time: what it says of both clocks, and when a history may be deleted for its age."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from wattgram.base.clock import MS, NS
from wattgram.timekeeping.timekeeper import Timekeeper

from tests.support.clocked_sites import Led, Server

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * NS
DAY = 86400.0


def made(*, keeps: bool, uptime: float = 1e6, time: int = NOON) -> tuple[Timekeeper, Led, Server]:
    clock = Led(time)
    server = Server(clock, keeps=keeps, uptime=uptime)
    keeper = Timekeeper(clock, server)  # type: ignore[arg-type]  # a clock by hand
    keeper.look()
    return keeper, clock, server


def test_a_moment_of_the_monotonic_clock_has_the_time_that_the_wall_clock_shows_by_now() -> None:
    keeper, clock, _ = made(keeps=True)
    clock.go(10.0)
    assert keeper.at(4.0) == NOON + 4 * NS
    clock.now -= 3600 * NS
    assert keeper.at(4.0004) == NOON + 4 * NS - 3600 * NS  # in whole ms


def test_changes_count_how_often_it_was_set() -> None:
    keeper, clock, server = made(keeps=False, uptime=20.0)
    assert (keeper.unset, keeper.changes, keeper.state) == (True, 0, "unset")
    clock.go(10.0)
    keeper.look()
    assert keeper.changes == 0
    server.keeps = True
    keeper.look()
    assert (keeper.unset, keeper.changes, keeper.state) == (False, 1, "good")
    clock.now += 5 * NS
    assert keeper.look().step == 5.0
    assert keeper.changes == 2
    server.keeps = False
    clock.go(1.0)
    keeper.look()
    assert (keeper.changes, keeper.state) == (2, "not confirmed")


@pytest.mark.parametrize("keeps", [True, False])
def test_a_clock_that_jumps_far_ahead_deletes_no_history_until_it_is_confirmed_or_a_day_has_passed(
    keeps: bool,
) -> None:
    keeper, clock, server = made(keeps=False)
    assert keeper.dates
    clock.now += round(40 * DAY * NS)
    keeper.look()
    assert not keeper.dates
    server.keeps = keeps
    assert keeper.dates is keeps
    server.keeps = False
    clock.go(DAY - 1.0)
    keeper.look()
    assert not keeper.dates
    clock.go(1.0)
    assert keeper.dates


def test_nor_does_one_that_is_far_ahead_of_what_an_earlier_process_told() -> None:
    keeper, clock, _ = made(keeps=False)
    keeper.began_after(NOON - round(0.9 * DAY * NS))
    assert keeper.dates
    keeper.began_after(NOON - round(1.1 * DAY * NS))
    assert not keeper.dates
    clock.go(DAY)
    assert keeper.dates


def test_while_it_is_unset_nothing_is_old() -> None:
    keeper, _, _ = made(keeps=True, time=1000 * MS)
    assert not keeper.dates
