"""The signals of one source by time, the changes since the last query, and the state of the source."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from math import isnan

from wattgram.base.clock import Clock

from .course import SignalCourse
from .signal import FORECAST, MEASURED, NS, SUPPLIED, Signal, possible

log = logging.getLogger(__name__)

MOST_SIGNALS = 3_000
"""Largest number of signals in a feed: a month of quarter hours."""

MOST_REASONS = 5
"""Largest number of different reasons to log in one outage."""

AHEAD = 900 * NS
"""Longest time by which a measured value may start ahead of the clock, ns."""

STORED_AHEAD = 3600 * NS
"""Time before its start at which a forecast is stored, ns: services revise a day of forecasts at each poll."""

SHARES_REMEMBERED = 7 * 86_400 * NS
"""Time for which the share of a fuel shows that a later mix lacks the fuel, ns."""

Span = tuple[int, int]
"""Start, and the end that is not included, UTC ns."""


@dataclass(frozen=True, slots=True)
class SignalChanges:
    """Changes since the last query.

    `signals`: the signals to store, in order; intensity NaN for a withdrawal. `span`: period in which answers may have
    changed, not later than the arrival; None for no change.
    """

    signals: tuple[Signal, ...] = ()
    span: Span | None = None


class Feed:
    """The latest `most` signals of one source.

    `max_age`: time in s for which a measured signal serves after its end; a forecast does not.

    `mean`: g/kWh of the feed over the year; with it the feed gives the shape and the official factor the level
    (METHOD 4.3). None: the feed's own level.

    `keeps`: the source itself stores its values, as a file does, and is read again after a restart. The feed then has
    no signals to store, and `mark` identifies the edition of the file.
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
        # + 1: the time of exactly max_age is included. Only a file may contain the future.
        self._actual = SignalCourse(most, int(max_age * NS) + 1, None if keeps else AHEAD)
        self._forecast = SignalCourse(most, 0)
        self._begun = clock.time()
        self._received = False
        self._failed = False
        self._logged: set[str] = set()
        # A put adds `most` signals and withdraws 2 x `most`; without a query the queue must not grow.
        self._unstored: deque[Signal] = deque(maxlen=4 * most)
        # Forecasts that are too far ahead to be stored, by their start.
        self._ahead: dict[int, Signal] = {}
        self._span: Span | None = None

    def at(self, time: int) -> Signal | None:
        """Return the signal of a time, UTC ns; None without a fresh signal (METHOD 3.4)."""
        return self._actual.at(time) or self._forecast.at(time)

    def before(self, time: int) -> Signal | None:
        """Return the last signal that started up to a time, UTC ns, however old; None before the first."""
        known = [signal for course in (self._actual, self._forecast) if (signal := course.before(time)) is not None]
        return max(known, key=lambda signal: signal.valid_to, default=None)

    def until(self, time: int) -> int:
        """Return the first time after `time`, UTC ns, at which the answer of `at` may change, by the signals of now."""
        until = self._actual.until(time)
        return until if self._actual.at(time) is not None else min(until, self._forecast.until(time))

    def state(self, time: int) -> str:
        """Return good with a fresh value, waiting before the first value or failure, away otherwise."""
        if self.at(time) is not None:
            return "good"
        return "away" if self._failed or self._received else "waiting"

    def put(self, signals: Sequence[Signal], remark: str = "", *, mean: float | None = None, mark: str = "") -> None:
        """Add signals in place of the known signals of their period; ValueError for too many, or for only impossible.

        `mean`: new mean of the feed, None to keep the mean. `mark`: edition of the file. `remark`: defect to log.
        """
        if len(signals) > self._most:
            raise ValueError(f"found {len(signals)} values; at most {self._most} are kept")
        now = self._clock.time()
        good = [signal for signal in signals if _is_possible(signal) and _is_timely(signal, now + AHEAD)]
        wrong = [signal for signal in signals if not _is_possible(signal)]
        allowed = "above 0" if wrong and wrong[0].basis == "lifecycle" else "0"
        text = f"{len(wrong)} impossible values not used; expected {allowed} to 2000 g/kWh" if wrong else ""
        if not good:
            why = text or f"all {len(signals)} are ahead of time"
            raise ValueError(f"found no usable value: {why}" if signals else "found no value")
        remark = "; ".join(filter(None, (remark, text)))
        # With the same edition the previous process had the same answers.
        since = self._begun if mark and mark == self.mark and not self._received else 0
        self._add(good, now, since)
        if mean is not None and mean != self.mean:
            self.mean = mean
            begins = [signal.valid_from for course in (self._actual, self._forecast) for signal in course]
            self._note_change(max(since, min(begins)), now + 1, now)
        if self._failed:
            log.info("grid source %s is available again", self.name)
        if remark and (remark != self.detail or self._failed):
            log.warning("grid source %s: %s", self.name, remark)
        self._received, self._failed, self.detail, self.mark = True, False, remark, mark
        self._logged.clear()

    def newest(self, time: int) -> int | None:
        """Return the start of the newest signal up to `time` that is no forecast, UTC ns; None without one."""
        return max((signal.valid_from for signal in self._actual if signal.valid_from <= time), default=None)

    def with_settled(self, signals: Sequence[Signal], time: int) -> list[Signal]:
        """Return signals to put, with the known measured ones in place of those that start before `time`, UTC ns.

        A put of the result neither changes nor withdraws a measured signal from before `time`.
        """
        fresh = {signal.valid_from: signal for signal in signals if signal.tier != FORECAST}
        begin, end = min(fresh, default=time), min(max(fresh, default=time), time - 1)
        settled = {
            signal.valid_from: signal
            for signal in self._actual
            if signal.tier == MEASURED and begin <= signal.valid_from <= end
        }
        return [*(fresh | settled).values(), *(signal for signal in signals if signal.tier == FORECAST)]

    def largest_shares(self, time: int) -> dict[str, float]:
        """Return the largest share of each fuel in the signals of the week before `time`, forecasts left out."""
        largest: dict[str, float] = {}
        for signal in self._actual:
            if signal.shares and signal.valid_from >= time - SHARES_REMEMBERED:
                for fuel, share in signal.shares.items():
                    largest[fuel] = max(share, largest.get(fuel, 0.0))
        return largest

    def changes(self) -> SignalChanges:
        """Return the changes since the last call; repeated signals and discarded signals are not changes.

        The signals leave out forecasts that start more than an hour from now, until their time comes.
        """
        latest = self._clock.time() + STORED_AHEAD
        self._unstored.extend(self._ahead.pop(begin) for begin in sorted(self._ahead) if begin <= latest)
        found = SignalChanges(tuple(self._unstored), self._span)
        self._unstored.clear()
        self._span = None
        return found

    def restore(self, signals: Iterable[Signal], mark: str = "") -> None:
        """Restore the changes of an earlier process, in their order, and the edition of its file.

        They do not count as changes again, and do not affect the state of the source.
        """
        for signal in signals:
            (self._forecast if signal.tier == FORECAST else self._actual).restore(signal)
        self.mark = mark

    def snapshot(self) -> Feed:
        """Return a copy with the signals of now."""
        feed = copy(self)
        feed._actual, feed._forecast = self._actual.snapshot(), self._forecast.snapshot()
        return feed

    def failed(self, reason: str, bug: Exception | None = None) -> None:
        """Note a failure of the source; each reason is logged once in an outage."""
        self._failed, self.detail = True, reason
        if reason not in self._logged and len(self._logged) < MOST_REASONS:
            self._logged.add(reason)
            log.warning("grid source %s: %s", self.name, reason, exc_info=bug)

    def _add(self, signals: Sequence[Signal], now: int, since: int) -> None:
        actual = self._actual.put([signal for signal in signals if signal.tier != FORECAST], now)
        forecast = self._forecast.put([signal for signal in signals if signal.tier == FORECAST], now)
        for change in actual:
            self._note_change(max(since, change.signal.valid_from), change.until, now)
        for change in forecast:
            begin = max(since, change.signal.valid_from)
            while begin < change.until and self._actual.at(begin) is not None:
                begin = self._actual.until(begin)  # a measured signal hides a forecast
            self._note_change(begin, change.until, now)
        if not self._keeps:
            self._unstored.extend(change.signal for change in actual)
            for change in forecast:
                self._store_forecast(change.signal, now)

    def _store_forecast(self, signal: Signal, now: int) -> None:
        """Note a new or withdrawn forecast for `changes`; the last one of a start counts."""
        self._ahead.pop(signal.valid_from, None)
        if signal.valid_from <= now + STORED_AHEAD:
            self._unstored.append(signal)
        elif not isnan(signal.intensity):
            self._ahead[signal.valid_from] = signal
            if len(self._ahead) > self._most:
                del self._ahead[max(self._ahead)]

    def _note_change(self, begin: int, end: int, now: int) -> None:
        """Extend the span of changed answers by `begin` to before `end`; answers after `now` were not given yet."""
        end = min(end, now + 1)
        if begin < end:
            self._span = (begin, end) if self._span is None else (min(begin, self._span[0]), max(end, self._span[1]))


def distinct(feeds: Sequence[Feed]) -> list[str]:
    """Return the names of feeds; a repeated name gets a number, since several sources may use the same zone."""
    names = [feed.name for feed in feeds]
    return [
        name if (before := names[:index].count(name)) == 0 else f"{name} #{before + 1}"
        for index, name in enumerate(names)
    ]


def _is_possible(signal: Signal) -> bool:
    return possible(signal.intensity, signal.basis)


def _is_timely(signal: Signal, latest: int) -> bool:
    if signal.valid_from >= signal.valid_to:
        return False
    return signal.tier in (FORECAST, SUPPLIED) or signal.valid_from <= latest
