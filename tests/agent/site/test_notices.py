"""Events that a poller notes about a device."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence

from tests.support.plants import Plant

START = int(datetime(2026, 6, 1, 4, 0, tzinfo=UTC).timestamp()) * NS


def test_what_a_poller_notes_is_an_event_with_the_next_reading_of_the_device(tmp_path: Path) -> None:
    plant = Plant(tmp_path, {"incomer": "grid"}, START)
    plant.read()
    note = Occurrence("layout changed", "SunSpec models 1, 103 from 40002, then 1, 113 from 40002")
    plant.sources["incomer"].notices.append(note)
    plant.tick(incomer=1000.0)
    plant.tick(incomer=1000.0)
    found = [(event["event"], event["detail"], event.series.tag("device")) for event in plant.appended("event")]
    assert found == [(*note, "incomer")]
