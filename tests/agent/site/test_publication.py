"""The last stage alone: unique times, events, and the records for a replay that runs."""

from __future__ import annotations

from pathlib import Path

from wattgram.base.clock import MS, NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.record import Record, Series
from wattgram.site.events import SiteEvents
from wattgram.site.publication import Publication
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import AlwaysSynchronised
from wattgram.timekeeping.timekeeper import Timekeeper

from tests.support.plants import Hands

NOON = 1_780_286_400 * NS
DEVICE = Series("device", (("site", "works"), ("device", "incomer")), ("active_power_total",), (), ("quality",))
INSTANT = Series("instant", (("site", "works"),), ("seconds",))


class Published:
    """A publication over a spool in memory."""

    def __init__(self, folder: Path) -> None:
        self.clock = Hands(NOON)
        self.timekeeper = Timekeeper(self.clock, AlwaysSynchronised())
        self.spool = Spool(folder, max_size=2**30, keep=1e8, sinks=())
        self.publication = Publication(self.spool, SiteEvents("works", self.clock, self.timekeeper), self.timekeeper)

    def times(self, kind: str) -> list[int]:
        return [record.time - NOON for record in self.spool._pending if record.series.kind == kind]


def test_a_second_reading_of_a_time_gets_a_nanosecond_and_an_instant_keeps_its_time(tmp_path: Path) -> None:
    published = Published(tmp_path)
    published.timekeeper.check_clock()
    for time in (0, 5 * MS, 5 * MS):
        published.publication.append(Record(DEVICE, NOON + time, bytes(8), ("good",)))
        published.publication.append(Record(INSTANT, NOON + time, bytes(8)))
    assert published.times("device") == [0, 5 * MS, 5 * MS + 1]
    assert published.times("instant") == [0, 5 * MS, 5 * MS]
    assert published.publication.records == 6


def test_the_output_of_a_stage_is_published_records_before_events(tmp_path: Path) -> None:
    published = Published(tmp_path)
    published.timekeeper.check_clock()
    reading = Record(DEVICE, NOON, bytes(8), ("good",))
    published.publication.advance([reading], [("incomer", Occurrence("device back", ""))])
    record, event = published.spool._pending
    assert record == reading
    assert (event.series.tag("device"), event["event"], event["severity"]) == ("incomer", "device back", "info")


def test_a_replay_that_runs_gets_the_new_instants_and_not_the_republished_ones(tmp_path: Path) -> None:
    published = Published(tmp_path)
    instant, reading = Record(INSTANT, NOON, bytes(8)), Record(DEVICE, NOON, bytes(8), ("good",))
    backlog: list[Record] = []
    published.publication.replay_backlog = backlog
    published.publication.append(instant, reading)
    published.publication.republish([instant])
    assert backlog == [instant]


def test_a_record_of_the_present_state_is_left_out_while_the_clock_is_unset(tmp_path: Path) -> None:
    published = Published(tmp_path)
    published.clock.now = 0  # 1970
    published.timekeeper.check_clock()
    assert published.timekeeper.unset
    published.publication.publish(Record(DEVICE, 0, bytes(8), ("good",)))
    published.publication.report([("", Occurrence("clock unset", ""))])
    assert published.publication.records == 0
