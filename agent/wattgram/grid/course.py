"""Signals in the order of time: how a feed keeps what was measured, and what was forecast."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from .signal import FOREVER, Signal


@dataclass(frozen=True, slots=True)
class SignalChange:
    """A signal that is new or another one than before, or one that was withdrawn (its intensity is NaN).

    From its beginning to before `until`, UTC ns, the course may answer otherwise than before.
    """

    signal: Signal
    until: int


class SignalCourse:
    """At most one signal for each beginning, the latest `most` of them.

    The one that began last serves, to before `past` ns after its end. Of too many those go first that begin more than
    `ahead` ns from now, if it is given: a clock that has been set back since put them there.
    """

    def __init__(self, most: int, past: int, ahead: int | None = None) -> None:
        self._most = most
        self._past = past
        self._ahead = ahead
        self._signals: list[Signal] = []
        self._begins: list[int] = []  # of the signals, since a year of them is searched at each value of a new file

    def __len__(self) -> int:
        return len(self._signals)

    def __iter__(self) -> Iterator[Signal]:
        return iter(self._signals)

    def at(self, time: int) -> Signal | None:
        """The signal that serves at a moment, UTC ns."""
        index = bisect_right(self._begins, time)
        return self._signals[index - 1] if index and time < self._signals[index - 1].valid_to + self._past else None

    def until(self, time: int) -> int:
        """The first moment after `time` at which another signal serves, or one ends; FOREVER when none does."""
        index = bisect_right(self._begins, time)
        following = self._begins[index] if index < len(self._begins) else FOREVER
        end = self._signals[index - 1].valid_to + self._past if index else time
        return min(following, end) if time < end else following

    def put(self, signals: Sequence[Signal], now: int) -> list[SignalChange]:
        """Add signals; what began between the first and the last of them is forgotten.

        Changes come in the order in which `recall` has to hear of them, with the time `now` for what was withdrawn.
        What only repeats, and what goes for want of room, is no change.
        """
        if not signals:
            return []
        fresh = {one.valid_from: one for one in signals}
        begins = sorted(fresh)
        before, old_begins = self._signals, self._begins
        low, high = bisect_left(old_begins, begins[0]), bisect_right(old_begins, begins[-1])
        known = dict(zip(old_begins[low:high], before[low:high], strict=True))
        # A repetition leaves the signal that was there, so `arrived` stays the time at which we learned it.
        put = [old if (old := known.get(one)) and old.repeats(fresh[one]) else fresh[one] for one in begins]
        signals, all_begins = [*before[:low], *put, *before[high:]], [*old_begins[:low], *begins, *old_begins[high:]]
        end = len(signals)
        if self._ahead is not None:
            end = max(min(end, self._most), bisect_right(all_begins, now + self._ahead))
        self._signals, self._begins = signals[:end][-self._most :], all_begins[:end][-self._most :]
        # Withdrawn ones first: `recall` would else find no room for one that came in the place of another.
        changed = [one.withdrawn(now) for begin, one in known.items() if begin not in fresh]
        first = self._begins[0]
        changed += [one for one in put if one is not known.get(one.valid_from) and one.valid_from >= first]
        return [SignalChange(one, self._touched(one.valid_from, old_begins, before)) for one in changed]

    def snapshot(self) -> SignalCourse:
        """A course of the same signals, which stay."""
        made = SignalCourse(self._most, self._past, self._ahead)
        made._signals, made._begins = list(self._signals), list(self._begins)
        return made

    def recall(self, signal: Signal) -> None:
        """What a change did before, done again."""
        index = bisect_left(self._begins, signal.valid_from)
        there = index < len(self._begins) and self._begins[index] == signal.valid_from
        now = [] if isnan(signal.intensity) else [signal]
        self._signals[index : index + there] = now
        self._begins[index : index + there] = [one.valid_from for one in now]
        del self._signals[: -self._most], self._begins[: -self._most]

    def _touched(self, begin: int, old_begins: Sequence[int], before: Sequence[Signal]) -> int:
        """Until when the signal that began at `begin`, or the one before it, serves now or served before."""
        index, old = bisect_right(self._begins, begin), bisect_right(old_begins, begin)
        end = self._signals[index - 1].valid_to + self._past if index else begin
        if old:
            end = max(end, before[old - 1].valid_to + self._past)
        return min(end, self._begins[index]) if index < len(self._begins) else end
