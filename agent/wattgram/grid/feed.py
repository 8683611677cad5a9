"""What one source has said so far: signals by time, and how the source does."""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from ..clock import Clock
from .signal import FORECAST, NS, SUPPLIED, Signal, possible

log = logging.getLogger(__name__)

MOST = 3_000
"""Signals that are kept: a month of quarter hours."""

SAID = 5
"""Different reasons that are logged in one outage."""

AHEAD = 900 * NS
"""How far ahead of our clock a measured value may begin."""

_beginning = attrgetter("valid_from")


class Feed:
    """The signals of one source, the latest `most` of them.

    `max_age` is how long in s one serves after it ended, a forecast not at all.

    `mean` in g/kWh is the feed's over the year; with it the feed gives the shape and the official factor the level
    (METHOD 4.3). None: the feed's own level.
    """

    def __init__(
        self, name: str, clock: Clock, *, max_age: float = 7200.0, mean: float | None = None, most: int = MOST
    ) -> None:
        self.name = name
        self.mean = mean
        self.detail = ""
        self._clock = clock
        self._max_age = int(max_age * NS)
        self._most = most
        self._actual: list[Signal] = []
        self._forecast: list[Signal] = []
        self._away = False
        self._said: set[str] = set()

    def at(self, time: int) -> Signal | None:
        """The value of a moment, UTC ns; None when there is none that is fresh (METHOD 3.4)."""
        actual = _last(self._actual, time)
        if actual is not None and time <= actual.valid_to + self._max_age:
            return actual
        forecast = _last(self._forecast, time)
        return forecast if forecast is not None and time < forecast.valid_to else None

    def state(self, time: int) -> str:
        """good while there is a fresh value; waiting for the first one, away when it does not come."""
        if self.at(time) is not None:
            return "good"
        return "away" if self._away or self._actual or self._forecast else "waiting"

    def put(self, signals: Sequence[Signal], remark: str = "") -> None:
        """Add signals, in place of what was known of their time; ValueError when none is possible, or too many come."""
        if len(signals) > self._most:
            raise ValueError(f"found {len(signals)} values; at most {self._most} are kept")
        latest = self._clock.time() + AHEAD
        good = [one for one in signals if possible(one.intensity) and _timely(one, latest)]
        if not good:
            raise ValueError("found no value that is possible and not ahead of time" if signals else "found no value")
        self._actual = _merged(self._actual, [one for one in good if one.tier != FORECAST])[-self._most :]
        self._forecast = _merged(self._forecast, [one for one in good if one.tier == FORECAST])[-self._most :]
        if self._away:
            log.info("grid source %s is back", self.name)
        self._away, self.detail = False, remark
        self._said.clear()
        if remark:
            log.warning("grid source %s: %s", self.name, remark)

    def failed(self, reason: str, bug: Exception | None = None) -> None:
        """The source gave nothing; each reason is logged once an outage."""
        self._away, self.detail = True, reason
        if reason not in self._said and len(self._said) < SAID:
            self._said.add(reason)
            log.warning("grid source %s: %s", self.name, reason, exc_info=bug)


def _timely(one: Signal, latest: int) -> bool:
    return one.valid_from < one.valid_to and (one.tier in (FORECAST, SUPPLIED) or one.valid_from <= latest)


def _last(signals: Sequence[Signal], time: int) -> Signal | None:
    index = bisect_right(signals, time, key=_beginning)
    return signals[index - 1] if index else None


def _merged(old: list[Signal], new: Sequence[Signal]) -> list[Signal]:
    """Both in the order of time; what began between the first and the last new one is forgotten."""
    if not new:
        return old
    fresh = sorted({one.valid_from: one for one in new}.values(), key=_beginning)
    low = bisect_left(old, fresh[0].valid_from, key=_beginning)
    high = bisect_right(old, fresh[-1].valid_from, key=_beginning)
    return [*old[:low], *fresh, *old[high:]]
