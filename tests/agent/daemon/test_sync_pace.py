"""The time until the next sync of the spool; expected values by hand."""

from __future__ import annotations

import pytest
from wattgram.daemon.sync_pace import SyncPace


def test_the_wait_is_counted_from_the_start_of_the_last_sync() -> None:
    assert SyncPace(1.0).wait(0.0) == pytest.approx(0.9)
    assert SyncPace(1.0).wait(0.25) == pytest.approx(0.65)  # it took 5 ms, and packing after it 245 ms
    assert SyncPace(10.0).wait(0.25) == pytest.approx(8.75)


def test_the_wait_is_shorter_by_the_expected_time_of_the_sync() -> None:
    # A record that arrives just after the start of the last sync is on disk 0.3 + 0.3 + 0.3 s later.
    assert SyncPace(1.0).after(0.3).wait(0.3) == pytest.approx(0.3)


def test_a_slow_sync_is_expected_again_for_a_while() -> None:
    pace = SyncPace(1.0).after(0.4).after(0.01).after(0.01)
    assert pace.slow == pytest.approx(0.4 * 0.9 * 0.9)
    for _ in range(40):
        pace = pace.after(0.01)
    assert pace.slow == pytest.approx(0.01)


def test_a_disk_slower_than_the_period_gets_a_pause() -> None:
    assert SyncPace(1.0).after(2.5).wait(2.5) == pytest.approx(0.1)
    assert SyncPace(10.0).after(30.0).wait(30.0) == pytest.approx(1.0)
