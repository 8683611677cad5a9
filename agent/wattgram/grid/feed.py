"""What one source has said so far: signals by time, what of it is new, and how the source does."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass

from wattgram.base.clock import Clock

from .course import SignalCourse
from .signal import FORECAST, NS, SUPPLIED, Signal, possible

log = logging.getLogger(__name__)

MOST_SIGNALS = 3_000
"""Signals that are kept: a month of quarter hours."""

SAID = 5
"""Different reasons that are logged in one outage."""

AHEAD = 900 * NS
"""How far ahead of our clock a measured value may begin."""

Span = tuple[int, int]
"""From when until before when, UTC ns."""


@dataclass(frozen=True, slots=True)
class SignalChanges:
    """What is new since it was asked last.

    `news` are the signals to remember, in order; one whose intensity is NaN was withdrawn. In `span`, which is not
    later than when they came, answers may be others than before; None: they are the same.
    """

    news: tuple[Signal, ...] = ()
    span: Span | None = None


class Feed:
    """The signals of one source, the latest `most` of them.

    `max_age` is how long in s one serves after it ended, a forecast not at all.

    `mean` in g/kWh is the feed's over the year; with it the feed gives the shape and the official factor the level
    (METHOD 4.3). None: the feed's own level.

    A source that `keeps` what it says, as a file does, is read again after a restart: nothing of it is news, and
    `mark` is which edition of it is known.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        max_age: float = 7200.0,
        mean: float | None = None,
        most: int = MOST_SIGNALS,
        keeps: bool = False,
    ) -> None:
        self.name = name
        self.mean = mean
        self.detail = ""
        self.mark = ""
        self._clock = clock
        self._most = most
        self._keeps = keeps
        # The moment at which it is so old still counts. A file says what will be, others only what was.
        self._actual = SignalCourse(most, int(max_age * NS) + 1, None if keeps else AHEAD)
        self._forecast = SignalCourse(most, 0)
        self._begun = clock.time()
        self._heard = False
        self._away = False
        self._said: set[str] = set()
        # One call brings `most` signals and withdraws 2 x `most`; what nobody asks for must not pile up.
        self._news: deque[Signal] = deque(maxlen=4 * most)
        self._span: Span | None = None

    def at(self, time: int) -> Signal | None:
        """The value of a moment, UTC ns; None when there is none that is fresh (METHOD 3.4)."""
        return self._actual.at(time) or self._forecast.at(time)

    def until(self, time: int) -> int:
        """The first UTC ns after `time` at which `at` may answer something else with what is known now."""
        until = self._actual.until(time)
        return until if self._actual.at(time) is not None else min(until, self._forecast.until(time))

    def state(self, time: int) -> str:
        """good while there is a fresh value; waiting until the source speaks or fails first, away after that."""
        if self.at(time) is not None:
            return "good"
        return "away" if self._away or self._heard else "waiting"

    def put(self, signals: Sequence[Signal], remark: str = "", *, mean: float | None = None, mark: str = "") -> None:
        """Add signals, in place of what was known of their time; ValueError when none is possible, or too many come.

        `mean`, if given, is the feed's from now on; `mark` says which edition of a source that keeps them this is.
        """
        if len(signals) > self._most:
            raise ValueError(f"found {len(signals)} values; at most {self._most} are kept")
        now = self._clock.time()
        good = [one for one in signals if possible(one.intensity) and _timely(one, now + AHEAD)]
        if not good:
            raise ValueError("found no value that is possible and not ahead of time" if signals else "found no value")
        # The process before this one answered out of the same edition.
        since = self._begun if mark and mark == self.mark and not self._heard else 0
        self._take(good, now, since)
        if mean is not None and mean != self.mean:
            self.mean = mean
            begins = [one.valid_from for course in (self._actual, self._forecast) for one in course]
            self._touch(max(since, min(begins)), now + 1, now)
        if self._away:
            log.info("grid source %s is back", self.name)
        self._heard, self._away, self.detail, self.mark = True, False, remark, mark
        self._said.clear()
        if remark:
            log.warning("grid source %s: %s", self.name, remark)

    def changes(self) -> SignalChanges:
        """What is new since the last call; what only repeats and what is forgotten for want of room is not."""
        found = SignalChanges(tuple(self._news), self._span)
        self._news.clear()
        self._span = None
        return found

    def recall(self, signals: Iterable[Signal], mark: str = "") -> None:
        """Know again what was news in another process, in its order, and which edition that one had worked in.

        It is not news now, and tells nothing of how the source does: that waits until it speaks itself.
        """
        for one in signals:
            (self._forecast if one.tier == FORECAST else self._actual).recall(one)
        self.mark = mark

    def snapshot(self) -> Feed:
        """A feed that knows what this one knows by now."""
        made = copy(self)
        made._actual, made._forecast = self._actual.snapshot(), self._forecast.snapshot()
        return made

    def failed(self, reason: str, bug: Exception | None = None) -> None:
        """The source gave nothing; each reason is logged once an outage."""
        self._away, self.detail = True, reason
        if reason not in self._said and len(self._said) < SAID:
            self._said.add(reason)
            log.warning("grid source %s: %s", self.name, reason, exc_info=bug)

    def _take(self, signals: Sequence[Signal], now: int, since: int) -> None:
        actual = self._actual.put([one for one in signals if one.tier != FORECAST], now)
        forecast = self._forecast.put([one for one in signals if one.tier == FORECAST], now)
        for change in actual:
            self._touch(max(since, change.signal.valid_from), change.until, now)
        for change in forecast:
            begin = max(since, change.signal.valid_from)
            while begin < change.until and self._actual.at(begin) is not None:
                begin = self._actual.until(begin)  # nobody sees a forecast behind what was measured
            self._touch(begin, change.until, now)
        if not self._keeps:
            self._news.extend(change.signal for change in (*actual, *forecast))

    def _touch(self, begin: int, end: int, now: int) -> None:
        """Answers from `begin` to before `end` may be others; those after `now` were not asked for yet."""
        end = min(end, now + 1)
        if begin < end:
            self._span = (begin, end) if self._span is None else (min(begin, self._span[0]), max(end, self._span[1]))


def distinct(feeds: Sequence[Feed]) -> list[str]:
    """The feeds' names, with its number where one comes again: several sources may ask the same zone."""
    names = [feed.name for feed in feeds]
    return [
        name if (before := names[:index].count(name)) == 0 else f"{name} #{before + 1}"
        for index, name in enumerate(names)
    ]


def _timely(one: Signal, latest: int) -> bool:
    return one.valid_from < one.valid_to and (one.tier in (FORECAST, SUPPLIED) or one.valid_from <= latest)
