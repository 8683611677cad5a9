"""Events for the operator: each as a record, and the last ones for the page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from wattgram.base.clock import MS, Clock
from wattgram.base.event_severity import severity_of
from wattgram.base.record import Record, Series
from wattgram.timekeeping.timekeeper import Timekeeper

from .event_rate import EventRate

SHOWN_EVENTS = 50
"""Events on the page."""

WAITING = 1000
"""Most events that wait for the clock to be set."""


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """Fields of an event record."""

    time: int
    device: str
    event: str
    detail: str

    @property
    def severity(self) -> str:
        """Severity of the event: info, warning or alarm."""
        return severity_of(self.event)


class SiteEvents:
    """Events of one site as records; while the clock is unset, they wait. `EventRate` holds back a flapping device."""

    def __init__(self, site: str, clock: Clock, timekeeper: Timekeeper) -> None:
        self.latest: deque[OperatorEvent] = deque(maxlen=SHOWN_EVENTS)
        self._site = site
        self._clock = clock
        self._timekeeper = timekeeper
        self._rate = EventRate()
        self._waiting: deque[tuple[float, OperatorEvent]] = deque(maxlen=WAITING)

    def report(self, device: str, event: str, detail: str) -> list[Record]:
        """Return the record of an event that happens now; device "" is the site itself."""
        if self._rate.admits(device, event, detail, self._clock.monotonic()):
            return self._report(device, event, detail)
        return []

    def release(self, *, all_held: bool = False) -> list[Record]:
        """Return the records of events that were held back and are due; at the end of the process all of them."""
        records: list[Record] = []
        for held in self._rate.due(self._clock.monotonic(), all_held=all_held):
            more = f"{held.events - 1} more since the last such event" if held.events > 1 else "held back"
            records += self._report(held.device, held.event, f"{held.detail} ({more}; too many events)".lstrip())
        return records

    def stamp(self) -> list[Record]:
        """Return the records of the waiting events with their times, if the clock is set."""
        records: list[Record] = []
        while self._waiting and not self._timekeeper.unset:
            monotonic, waiting = self._waiting.popleft()
            stamped = replace(waiting, time=self._timekeeper.timestamp(monotonic))
            self.latest = deque(
                (stamped if latest is waiting else latest for latest in self.latest), maxlen=SHOWN_EVENTS
            )
            records.append(self._record(stamped))
        return records

    def _report(self, device: str, event: str, detail: str) -> list[Record]:
        reported = OperatorEvent(self._clock.time() // MS * MS, device, event, detail)
        self.latest.append(reported)
        if self._timekeeper.unset:
            self._waiting.append((self._clock.monotonic(), reported))
            return []
        return [self._record(reported)]

    def _record(self, event: OperatorEvent) -> Record:
        tags = (("site", self._site), ("device", event.device))
        series = Series("event", tags, (), (), ("event", "detail", "severity"))
        return Record(series, event.time, b"", (event.event, event.detail, event.severity))
