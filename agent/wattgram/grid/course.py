"""Signals in order of time: a feed has a course of measured signals, and a course of forecasts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from .signal import FOREVER, Signal


@dataclass(frozen=True, slots=True)
class SignalChange:
    """A new or changed signal, or the withdrawal of a signal (intensity NaN).

    From the start of the signal to before `until`, UTC ns, the answers of the course may have changed.
    """

    signal: Signal
    until: int


class SignalCourse:
    """At most one signal for each start; the latest `most` signals.

    The signal with the latest start serves, to before `past` ns after its end. If there are too many signals, those
    that start more than `ahead` ns from now are discarded first: they are from before the clock was set back.
    """

    def __init__(self, most: int, past: int, ahead: int | None = None) -> None:
        self._most = most
        self._past = past
        self._ahead = ahead
        self._signals: list[Signal] = []
        # The start of each signal: every value of a new file needs a binary search in up to a year of signals.
        self._begins: list[int] = []

    def __len__(self) -> int:
        return len(self._signals)

    def __iter__(self) -> Iterator[Signal]:
        return iter(self._signals)

    def at(self, time: int) -> Signal | None:
        """Return the signal that serves at a time, UTC ns."""
        index = bisect_right(self._begins, time)
        return self._signals[index - 1] if index and time < self._signals[index - 1].valid_to + self._past else None

    def before(self, time: int) -> Signal | None:
        """Return the last signal that started up to a time, UTC ns, however old; None before the first."""
        index = bisect_right(self._begins, time)
        return self._signals[index - 1] if index else None

    def until(self, time: int) -> int:
        """Return the first time after `time` at which the serving signal changes or ends, FOREVER for never."""
        index = bisect_right(self._begins, time)
        following = self._begins[index] if index < len(self._begins) else FOREVER
        end = self._signals[index - 1].valid_to + self._past if index else time
        return min(following, end) if time < end else following

    def put(self, signals: Sequence[Signal], now: int) -> list[SignalChange]:
        """Add signals in place of all signals that started between the first and the last of them.

        The result has the order that `restore` needs; `now` is the time of a withdrawal. A repeated signal is not a
        change, nor is a signal discarded for lack of space.
        """
        if not signals:
            return []
        fresh = {signal.valid_from: signal for signal in signals}
        begins = sorted(fresh)
        before, old_begins = self._signals, self._begins
        low, high = bisect_left(old_begins, begins[0]), bisect_right(old_begins, begins[-1])
        known = dict(zip(old_begins[low:high], before[low:high], strict=True))
        # A repetition keeps the known signal, and with it the time of its first arrival.
        put = [old if (old := known.get(begin)) and old.repeats(fresh[begin]) else fresh[begin] for begin in begins]
        signals, all_begins = [*before[:low], *put, *before[high:]], [*old_begins[:low], *begins, *old_begins[high:]]
        end = len(signals)
        if self._ahead is not None:
            end = max(min(end, self._most), bisect_right(all_begins, now + self._ahead))
        self._signals, self._begins = signals[:end][-self._most :], all_begins[:end][-self._most :]
        # Withdrawals first: otherwise `restore` would discard a signal whose predecessor still takes space.
        changed = [signal.withdrawn(now) for begin, signal in known.items() if begin not in fresh]
        first = self._begins[0]
        changed += [
            signal for signal in put if signal is not known.get(signal.valid_from) and signal.valid_from >= first
        ]
        return [SignalChange(signal, self._changed_until(signal.valid_from, old_begins, before)) for signal in changed]

    def snapshot(self) -> SignalCourse:
        """Return a copy."""
        copy = SignalCourse(self._most, self._past, self._ahead)
        copy._signals, copy._begins = list(self._signals), list(self._begins)
        return copy

    def restore(self, signal: Signal) -> None:
        """Repeat a change of an earlier process."""
        index = bisect_left(self._begins, signal.valid_from)
        there = index < len(self._begins) and self._begins[index] == signal.valid_from
        now = [] if isnan(signal.intensity) else [signal]
        self._signals[index : index + there] = now
        self._begins[index : index + there] = [found.valid_from for found in now]
        del self._signals[: -self._most], self._begins[: -self._most]

    def _changed_until(self, begin: int, old_begins: Sequence[int], before: Sequence[Signal]) -> int:
        """Return the latest end, before or after the change, of the signal that serves at `begin`."""
        index, old = bisect_right(self._begins, begin), bisect_right(old_begins, begin)
        end = self._signals[index - 1].valid_to + self._past if index else begin
        if old:
            end = max(end, before[old - 1].valid_to + self._past)
        return min(end, self._begins[index]) if index < len(self._begins) else end
