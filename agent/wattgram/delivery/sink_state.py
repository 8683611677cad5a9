"""How a sink does, for the page, the log and the operator: each state and each reason is told once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from wattgram.base.clock import Clock

log = logging.getLogger(__name__)

REFUSED, AWAY, BACK = "records refused", "sink away", "sink back"
"""What an operator is told."""

LONG = 60.0
"""Seconds of an outage from which on an operator should know of it."""

QUIET = 3600.0
"""Seconds without a reason after which it is news again."""

SAID = 5
"""Different reasons that are told at most within that time."""


class EventPublisher(Protocol):
    """Who makes an event of what an operator should know."""

    def event(self, device: str, event: str, detail: str) -> None:
        """Something happened; "" for the site itself."""


@dataclass(slots=True)
class SinkState:
    """How a sink does: `state` is waiting, online or away; `detail` says in one line why it is away, or what it
    refuses while it takes the rest."""

    state: str = "waiting"
    detail: str = ""
    delivered: int = 0
    refused: int = 0


class Outage:
    """Tells the changes in one sink's progress."""

    def __init__(self, sink: str, clock: Clock, teller: EventPublisher | None) -> None:
        self.progress = SinkState()
        self._sink = sink
        self._clock = clock
        self._teller = teller
        self._since: float | None = None
        self._told = False
        self._set_aside = ""
        self._reasons, self._refusals = _Once(), _Once()

    def away(self, reason: str, pause: float, bug: Exception | None = None) -> None:
        """The sink failed and is tried again after `pause` seconds."""
        self.progress.state, self.progress.detail = "away", reason
        now = self._clock.monotonic()
        if self._reasons.news(reason, now):
            log.warning("%s is away: %s", self._sink, reason, exc_info=bug)
        self._since = now if self._since is None else self._since
        if not self._told and now + pause - self._since >= LONG:
            self._told = True
            self._tell(AWAY, reason)

    def over(self, left: int) -> None:
        """The sink takes records; so many are left."""
        if self.progress.state == "online":
            return
        if self.progress.state == "away":
            log.info("%s is back, %d records left to deliver", self._sink, left)
        if self._told:
            self._tell(BACK, f"{left} records left to deliver")
        self.progress.state, self.progress.detail = "online", self._set_aside
        self._since, self._told = None, False
        self._reasons.clear()

    def refused(self, reasons: Iterable[str]) -> None:
        """Records that the sink will never take were set aside, for these reasons."""
        now = self._clock.monotonic()
        for reason in reasons:
            self.progress.refused += 1
            self._set_aside = f"{self.progress.refused} records set aside, the last: {reason}"
            if self._refusals.news(reason, now):
                log.warning("%s refuses records, they are set aside: %s", self._sink, reason)
                self._tell(REFUSED, reason)
        if self.progress.state == "online":
            self.progress.detail = self._set_aside

    def _tell(self, event: str, detail: str) -> None:
        if self._teller is not None:
            self._teller.event("", event, f"{self._sink}: {detail}")


class _Once:
    """Reasons that have been told; digits make no other reason."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def news(self, reason: str, now: float) -> bool:
        """Whether it is to be told now."""
        alike = re.sub(r"\d+", "0", reason)
        self._told = {one: last for one, last in self._told.items() if now - last < QUIET}
        known = alike in self._told
        if known or len(self._told) < SAID:
            self._told[alike] = now
            return not known
        return False

    def clear(self) -> None:
        """Tell everything again."""
        self._told.clear()
