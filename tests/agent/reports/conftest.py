"""The spool that several tests of the report read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.report_quarters import HOSTILE, MORNING, NOON
from tests.support.stored_history import QUARTER, event, stored, utc, window


@pytest.fixture
def two_sources(tmp_path: Path) -> Path:
    """Store two quarters of an hour of a Berlin morning with two grid sources; return the spool."""
    first = utc("2026-06-01T06:00:00Z")
    return stored(
        tmp_path / "spool",
        [window("15m", first, MORNING), window("15m", first + QUARTER, NOON)],
        [event("2026-06-01T06:05:00Z", "roof", "device lost", "no answer")],
        [event("2026-06-01T06:20:00Z", "roof", "device lost", HOSTILE)],
        [event("2026-06-02T00:00:00Z", "roof", "device lost", "after the period")],
    )
