"""Last stage: a record gets a time that no other record of its series has, and goes to the spool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.base.record import REPLAY_KINDS, Record
from wattgram.store.spool import Spool
from wattgram.timekeeping.published_times import STAMPED, PublishedTimes, series_name, series_names
from wattgram.timekeeping.timekeeper import Timekeeper

from .events import SiteEvents
from .stored_state import PUBLISHED, restarted


class Publication:
    """Records and events of a site in the order of their publication.

    records: number so far. replay_backlog: receives the records that a replay reads, while a replay runs.
    """

    def __init__(self, spool: Spool, events: SiteEvents, timekeeper: Timekeeper) -> None:
        self.records = 0
        self.replay_backlog: list[Record] | None = None
        self._spool = spool
        self._events = events
        self._timekeeper = timekeeper
        self._times = PublishedTimes()

    def advance(self, records: Iterable[Record], occurrences: Iterable[DeviceOccurrence]) -> None:
        """Append the output of a stage: records, and the events of occurrences that happen now."""
        self.append(*records)
        self.report(occurrences)

    def append(self, *records: Record) -> None:
        """Append records."""
        for each in records:
            record = each
            if record.series.kind in STAMPED:
                record, name = self._times.with_unique_time(record), series_name(record.series)
                self._spool.put_state(f"{PUBLISHED} {name}", self._times.stamp(name))
            self.republish((record,))
            if self.replay_backlog is not None and record.series.kind in REPLAY_KINDS:
                self.replay_backlog.append(record)

    def publish(self, record: Record) -> None:
        """Append a record of the present state; not while the clock is unset."""
        if not self._timekeeper.unset:
            self.append(record)

    def republish(self, records: Iterable[Record]) -> None:
        """Append records that were computed again and replace earlier records."""
        for record in records:
            self.records += 1
            self._spool.append(record)

    def report(self, occurrences: Iterable[DeviceOccurrence]) -> None:
        """Append the events of occurrences that happen now."""
        for device, occurrence in occurrences:
            self.append(*self._events.report(device, *occurrence))

    def note_published(self, state: Mapping[str, bytes]) -> None:
        """Note the last times of the series in the state of another directory."""
        for name, stored in state.items():
            if name.startswith(f"{PUBLISHED} "):
                self._times.note_stamp(name.removeprefix(f"{PUBLISHED} "), stored)

    async def restore(self, devices: Sequence[str]) -> list[Occurrence]:
        """Restore the last time of each series; return an event for each series whose times begin anew."""
        occurrences = []
        for name in series_names(devices):
            if (stored := await self._spool.state(f"{PUBLISHED} {name}")) is None:
                continue
            try:
                self._times.restore_stamp(name, stored)
            except ValueError as error:
                occurrences.append(restarted(PUBLISHED, str(error)))
        return occurrences
