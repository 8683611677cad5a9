"""The site's time: results for both clocks, and when history may be deleted because of its age."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from wattgram.base.clock import MS, NS
from wattgram.timekeeping.timekeeper import Timekeeper

from tests.support.clocked_sites import Server, SteeredClock

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * NS
DAY = 86400.0


def timekeeper_at(*, keeps: bool, uptime: float = 1e6, time: int = NOON) -> tuple[Timekeeper, SteeredClock, Server]:
    clock = SteeredClock(time)
    server = Server(clock, keeps=keeps, uptime=uptime)
    timekeeper = Timekeeper(clock, server)
    timekeeper.check_clock()
    return timekeeper, clock, server


def test_a_monotonic_moment_is_stamped_by_the_present_wall_clock() -> None:
    timekeeper, clock, _ = timekeeper_at(keeps=True)
    clock.go(10.0)
    assert timekeeper.timestamp(4.0) == NOON + 4 * NS
    clock.now -= 3600 * NS
    assert timekeeper.timestamp(4.0004) == NOON + 4 * NS - 3600 * NS  # in whole ms


class StoppedProcess(SteeredClock):
    """A clock that is read by a process which is stopped for 6 ms before one of the calls, as on a busy machine."""

    def __init__(self, call: int) -> None:
        super().__init__(NOON)
        self.calls_before_stop = call

    def time(self) -> int:
        self.stop_once()
        return super().time()

    def monotonic(self) -> float:
        self.stop_once()
        return super().monotonic()

    def stop_once(self) -> None:
        if self.calls_before_stop == 0:
            self.go(0.006)
        self.calls_before_stop -= 1


@pytest.mark.parametrize("call", range(8))
def test_a_stop_of_the_process_between_two_clocks_moves_no_timestamp(call: int) -> None:
    # 10.0005 s after noon, whatever the clock shows now; in whole ms 10.000 s
    clock = StoppedProcess(call)
    timekeeper = Timekeeper(clock, Server(clock, keeps=True))
    assert timekeeper.timestamp(10.0005) == NOON + 10 * NS


@pytest.mark.parametrize("call", range(8))
def test_a_stop_of_the_process_between_two_clocks_does_not_move_the_uptime(call: int) -> None:
    clock = StoppedProcess(call)
    server = Server(clock, keeps=True, uptime=500.0)
    assert Timekeeper(clock, server).ahead == pytest.approx(500.0, abs=1e-6)


def test_changes_count_the_settings_of_the_clock() -> None:
    timekeeper, clock, server = timekeeper_at(keeps=False, uptime=20.0)
    assert (timekeeper.unset, timekeeper.changes, timekeeper.state) == (True, 0, "unset")
    clock.go(10.0)
    timekeeper.check_clock()
    assert timekeeper.changes == 0
    server.keeps = True
    timekeeper.check_clock()
    assert (timekeeper.unset, timekeeper.changes, timekeeper.state) == (False, 1, "good")
    clock.now += 5 * NS
    assert timekeeper.check_clock().step == 5.0
    assert timekeeper.changes == 2
    server.keeps = False
    clock.go(1.0)
    timekeeper.check_clock()
    assert (timekeeper.changes, timekeeper.state) == (2, "not confirmed")


@pytest.mark.parametrize("keeps", [True, False])
def test_a_clock_that_jumps_far_ahead_deletes_no_history_until_it_is_confirmed_or_a_day_has_passed(
    keeps: bool,
) -> None:
    timekeeper, clock, server = timekeeper_at(keeps=False)
    assert timekeeper.ages_reliable
    clock.now += round(40 * DAY * NS)
    timekeeper.check_clock()
    assert not timekeeper.ages_reliable
    server.keeps = keeps
    assert timekeeper.ages_reliable is keeps
    server.keeps = False
    clock.go(DAY - 1.0)
    timekeeper.check_clock()
    assert not timekeeper.ages_reliable
    clock.go(1.0)
    assert timekeeper.ages_reliable


def test_a_clock_far_ahead_of_the_last_published_time_deletes_no_history() -> None:
    timekeeper, clock, _ = timekeeper_at(keeps=False)
    timekeeper.note_last_published(NOON - round(0.9 * DAY * NS))
    assert timekeeper.ages_reliable
    timekeeper.note_last_published(NOON - round(1.1 * DAY * NS))
    assert not timekeeper.ages_reliable
    clock.go(DAY)
    assert timekeeper.ages_reliable


def test_while_the_clock_is_unset_no_history_is_deleted() -> None:
    timekeeper, _, _ = timekeeper_at(keeps=True, time=1000 * MS)
    assert not timekeeper.ages_reliable
