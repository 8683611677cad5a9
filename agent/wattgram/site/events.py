"""What an operator is told: each event as a record, and the last ones for the page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from wattgram.base.clock import MS, Clock
from wattgram.base.record import Record, Series
from wattgram.timekeeping.timekeeper import Timekeeper

SHOWN_EVENTS = 50
"""Events for the page."""

WAITING = 1000
"""Events that wait at most for the clock to be set."""


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """Something that an operator should know, as in the event record."""

    time: int
    device: str
    event: str
    detail: str


class SiteEvents:
    """Of one site; `append` gets the records."""

    def __init__(self, site: str, clock: Clock, keeper: Timekeeper, append: Callable[[Record], None]) -> None:
        self.latest: deque[OperatorEvent] = deque(maxlen=SHOWN_EVENTS)
        self._site = site
        self._clock = clock
        self._keeper = keeper
        self._append = append
        self._waiting: deque[tuple[float, OperatorEvent]] = deque(maxlen=WAITING)

    def tell(self, device: str, event: str, detail: str) -> None:
        """Something happened now; "" for the site itself."""
        happening = OperatorEvent(self._clock.time() // MS * MS, device, event, detail)
        self.latest.append(happening)
        if self._keeper.unset:
            self._waiting.append((self._clock.monotonic(), happening))
        else:
            self._record(happening)

    def stamp(self) -> None:
        """The clock has been set: those that waited get their time."""
        while self._waiting:
            monotonic, one = self._waiting.popleft()
            stamped = replace(one, time=self._keeper.at(monotonic))
            self.latest = deque((stamped if other is one else other for other in self.latest), maxlen=SHOWN_EVENTS)
            self._record(stamped)

    def _record(self, one: OperatorEvent) -> None:
        series = Series("event", (("site", self._site), ("device", one.device)), (), (), ("event", "detail"))
        self._append(Record(series, one.time, b"", (one.event, one.detail)))
