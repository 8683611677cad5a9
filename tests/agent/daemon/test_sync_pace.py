"""When the spool is synced next; expected values by hand."""

from __future__ import annotations

import pytest
from wattgram.daemon.sync_pace import SyncPace


def test_the_wait_is_counted_from_when_the_last_sync_began() -> None:
    assert SyncPace(1.0).wait(0.0) == pytest.approx(0.9)
    assert SyncPace(1.0).wait(0.25) == pytest.approx(0.65)  # it took 5 ms, and packing after it 245 ms
    assert SyncPace(10.0).wait(0.25) == pytest.approx(8.75)


def test_what_a_sync_takes_comes_off_the_wait_so_that_it_is_over_within_the_period() -> None:
    # What came just after the last sync began is on disk 0.3 + 0.3 + 0.3 s later.
    assert SyncPace(1.0).after(0.3).wait(0.3) == pytest.approx(0.3)


def test_a_slow_sync_is_expected_again_for_a_while() -> None:
    pace = SyncPace(1.0).after(0.4).after(0.01).after(0.01)
    assert pace.slow == pytest.approx(0.4 * 0.9 * 0.9)
    for _ in range(40):
        pace = pace.after(0.01)
    assert pace.slow == pytest.approx(0.01)


def test_a_disk_that_is_slower_than_the_period_has_a_rest() -> None:
    assert SyncPace(1.0).after(2.5).wait(2.5) == pytest.approx(0.1)
    assert SyncPace(10.0).after(30.0).wait(30.0) == pytest.approx(1.0)
