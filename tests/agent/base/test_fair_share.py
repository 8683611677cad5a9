"""Pauses in the work for a peer."""

from __future__ import annotations

import pytest
from wattgram.base.fair_share import PEER_BURST, PEER_PAUSE, PEER_SHARE, FairShare


def work(share: FairShare, begin: float, seconds: float, each: float = 0.01) -> tuple[float, float]:
    """Work in slices of `each` s, with their pauses, for some seconds; return the end and the time of work."""
    now, worked = begin, 0.0
    while now < begin + seconds:
        pause = share.pause(now, now + each)
        worked += each
        now += each + pause
    return now, worked


def test_a_flood_gets_a_burst_and_then_its_share_of_the_time() -> None:
    share = FairShare()
    end, worked = work(share, 1000.0, 60.0)
    assert worked == pytest.approx(PEER_BURST + PEER_SHARE * (end - 1000.0), rel=0.05)


def test_rare_work_has_no_pause() -> None:
    share = FairShare()
    assert all(share.pause(second, second + PEER_SHARE / 2) == 0.0 for second in range(1000, 2000))


def test_unused_time_becomes_a_new_burst() -> None:
    share = FairShare()
    end, _ = work(share, 0.0, 20.0)
    later = end + PEER_BURST / PEER_SHARE + 1.0
    assert share.pause(later, later + 0.9 * PEER_BURST) == 0.0


def test_one_long_work_has_a_bounded_pause() -> None:
    assert FairShare().pause(5.0, 500.0) == PEER_PAUSE
