"""The state of a sink for the page, the log and the operator: each state and each reason is reported once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from wattgram.base.clock import Clock

log = logging.getLogger(__name__)

REFUSED, FIELD_REFUSED, AWAY, BACK = "records refused", "field refused", "sink away", "sink back"
"""Events for the operator."""

LONG_OUTAGE = 60.0
"""Length of an outage in s after which it becomes an event."""

REPEAT_AFTER = 3600.0
"""Time in s without a reason, after which the reason is reported again."""

MOST_REASONS = 5
"""Largest number of different reasons to report within that time."""


class EventPublisher(Protocol):
    """A publisher of events for the operator."""

    def event(self, device: str, event: str, detail: str) -> None:
        """Publish an event of a device, "" for the site itself."""


@dataclass(slots=True)
class SinkState:
    """State of a sink. state: waiting, online or away. detail: one line with the reason of `away` or of refusals."""

    state: str = "waiting"
    detail: str = ""
    delivered: int = 0
    refused: int = 0


class Outage:
    """Reports the changes in the state of one sink."""

    def __init__(self, sink: str, clock: Clock, events: EventPublisher | None) -> None:
        self.progress = SinkState()
        self._sink = sink
        self._clock = clock
        self._events = events
        self._since: float | None = None
        self._published = False
        self._refusal = ""
        self._reasons, self._refusals, self._fields = _RecentReasons(), _RecentReasons(), _RecentReasons()

    def failed(self, reason: str, pause: float, bug: Exception | None = None) -> None:
        """Note a failure of the sink; the next attempt is in `pause` s."""
        self.progress.state, self.progress.detail = "away", reason
        now = self._clock.monotonic()
        if self._reasons.is_new(reason, now):
            log.warning("%s is unavailable: %s", self._sink, reason, exc_info=bug)
        self._since = now if self._since is None else self._since
        if not self._published and now + pause - self._since >= LONG_OUTAGE:
            self._published = True
            self._publish(AWAY, reason)

    def recovered(self, left: int) -> None:
        """Note that the sink accepts records. `left`: number of undelivered records."""
        if self.progress.state == "online":
            return
        if self.progress.state == "away":
            log.info("%s is available again, %d records left to deliver", self._sink, left)
        if self._published:
            self._publish(BACK, f"{left} records left to deliver")
        self.progress.state, self.progress.detail = "online", self._refusal
        self._since, self._published = None, False
        self._reasons.clear()

    def refused(self, reasons: Iterable[str]) -> None:
        """Note records that were set aside, by their reasons."""
        now = self._clock.monotonic()
        for reason in reasons:
            self.progress.refused += 1
            self._refusal = f"{self.progress.refused} records set aside, the last: {reason}"
            if self._refusals.is_new(reason, now):
                log.warning("%s refuses records; wattgram sets them aside: %s", self._sink, reason)
                self._publish(REFUSED, reason)
        if self.progress.state == "online":
            self.progress.detail = self._refusal

    def field_refused(self, reason: str) -> None:
        """Note a record that the sink stored without a field."""
        if self._fields.is_new(reason, self._clock.monotonic()):
            log.warning("%s: %s", self._sink, reason)
            self._publish(FIELD_REFUSED, reason)

    def _publish(self, event: str, detail: str) -> None:
        if self._events is not None:
            self._events.event("", event, f"{self._sink}: {detail}")


class _RecentReasons:
    """Reasons that were reported lately. Reasons that differ only in digits are equal."""

    def __init__(self) -> None:
        self._reported: dict[str, float] = {}

    def is_new(self, reason: str, now: float) -> bool:
        """Return whether to report a reason now, and note the reason."""
        pattern = re.sub(r"\d+", "0", reason)
        self._reported = {seen: last for seen, last in self._reported.items() if now - last < REPEAT_AFTER}
        known = pattern in self._reported
        if known or len(self._reported) < MOST_REASONS:
            self._reported[pattern] = now
            return not known
        return False

    def clear(self) -> None:
        """Forget all reasons, so that each is reported again."""
        self._reported.clear()
