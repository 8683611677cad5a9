"""Readings of devices that are read at different times, brought to common instants.

A device's power between two readings is the line through them, and what its counters said between them flowed as that
power did. An instant can be told once every device that lives has been read after it: the watermark (METHOD 4.5).
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .metering import MeteredStep
from .reconcile import BRIDGED, NOTHING_METERED, IntervalEnergy

HELD = 3
"""Intervals for which a value stands when no other comes (SPEC 6.9), and across which a line is drawn."""

MOST_TRACK_POINTS = 4000
"""Readings that are kept for a counter that is silent: an hour of seconds."""


class TrackPoint(NamedTuple):
    """A reading: UTC ns, W in the role's direction, and what was counted since the reading before that counted."""

    time: int
    power: float
    metered: MeteredStep = NOTHING_METERED


class Track:
    """One device's readings around the instants that are told, in their order; times in UTC ns.

    interval: s between two readings. tick: s between two instants.
    """

    def __init__(self, interval: float, tick: float) -> None:
        self._held = int(HELD * interval * NS)
        self._near = int(tick * NS) // 2
        self._points: deque[TrackPoint] = deque()
        self._counted = 0  # time up to which what was counted has been handed on
        self._told = 0  # the instant before
        self._kept = NOTHING_METERED  # what was counted before the process began

    def put(self, point: TrackPoint) -> None:
        """Add a reading; one that is not later than the last is dropped, but for what it counted."""
        if self._points and point.time <= self._points[-1].time:
            self._kept = self._kept.then(point.metered)
            return
        self._points.append(point)

    def reaches(self, time: int) -> bool:
        """Whether it has been read at this instant or after it."""
        return bool(self._points) and self._points[-1].time >= time

    def clear(self) -> None:
        """Forget the times, for the clock was set; what was counted is kept."""
        for point in self._points:
            self._kept = self._kept.then(point.metered)
        self._points.clear()
        self._counted = self._told = 0

    def skip(self, time: int) -> None:
        """Pass over an instant that is not told; what was counted is kept."""
        while len(self._points) > 1 and self._points[1].time <= time:
            self._kept = self._kept.then(self._points.popleft().metered)

    def take(self, time: int) -> tuple[float, IntervalEnergy | None, MeteredStep]:
        """The power at an instant (NaN: none); what flowed since the instant before, where readings between the two say
        more of it than they do; and what was counted between them.

        A count is told when it reaches to the instant, by a reading at it or after it, so that it is compared with the
        energy of the same time; what belongs to a gap is told at once.
        """
        metered, self._kept = self._kept, NOTHING_METERED
        counts = [index for index, point in enumerate(self._points) if _counts(point.metered)]
        for index in [one for one in counts if self._points[one].metered.verdict in BRIDGED]:
            metered = metered.then(self._hand(index))
        passed = [index for index in counts if self._points[index].time <= time]
        later = next((index for index in counts if self._points[index].time > time), None)
        if later is not None or (passed and self._points[passed[-1]].time == time):
            for index in passed:
                metered = metered.then(self._hand(index))
        if later is not None:
            metered = metered.then(self._split(later, time))
        power = self._power(time)
        flows, self._told = self._between(self._told, time), time
        # The readings since the last that counted say how the next count is to be spread.
        while len(self._points) > 1 and (
            self._points[1].time <= min(time, self._counted or time) or len(self._points) > MOST_TRACK_POINTS
        ):
            self._kept = self._kept.then(self._points.popleft().metered)
        return power, flows, metered

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it: energy that was counted and is not handed on."""
        left = self._kept
        for point in self._points:
            left = left.then(point.metered)
        return [None if not isfinite(one) else one for one in left[:2]]

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError when it is none."""
        try:
            positive, negative = (nan if one is None else float(one) for one in dumped)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no track's state") from error
        self._kept = MeteredStep(positive, negative)

    def _power(self, time: int) -> float:
        before = next((point for point in reversed(self._points) if point.time <= time), None)
        after = next((point for point in self._points if point.time > time), None)
        if before is not None and (before.time == time or after is None or after.time - before.time > self._held):
            return before.power if time - before.time <= self._held else self._soon(after, time)
        if before is None or after is None:
            return self._soon(after, time)
        share = (time - before.time) / (after.time - before.time)
        return before.power + share * (after.power - before.power)

    def _between(self, begin: int, end: int) -> IntervalEnergy | None:
        """Wh by all readings from one instant to the next; None where none lies between them, or not close enough."""
        if not any(begin < point.time < end for point in self._points) or not begin:
            return None
        line = [point for point in self._points if isfinite(point.power)]
        if line and line[-1].time < end:
            line.append(line[-1]._replace(time=end))
        covered = line and line[0].time <= begin and line[-1].time >= end
        if not covered or any(b.time - a.time > self._held for a, b in pairwise(line) if b.time > begin):
            return None
        return IntervalEnergy(*(_flowed(line, begin, end, sign) / NS / 3600.0 for sign in (1.0, -1.0)))

    def _soon(self, after: TrackPoint | None, time: int) -> float:
        """The first reading, or the first after a silence, stands for an instant that it was meant for."""
        return after.power if after is not None and after.time - time <= self._near else nan

    def _hand(self, index: int) -> MeteredStep:
        """All that a reading counted; it is told once."""
        point = self._points[index]
        self._points[index] = point._replace(metered=NOTHING_METERED)
        self._counted = max(self._counted, point.time)
        return point.metered

    def _split(self, index: int, time: int) -> MeteredStep:
        """The part of what a reading counted that belongs before an instant, which came before it."""
        metered = self._points[index].metered
        begin = self._counted or (self._points[index - 1].time if index else time)
        if not _counts(metered) or begin >= time:
            return NOTHING_METERED
        forth, back = self._shares(index, begin, time)
        self._counted = time
        rest = metered._replace(positive=metered.positive * (1.0 - forth), negative=metered.negative * (1.0 - back))
        self._points[index] = self._points[index]._replace(metered=rest)
        return metered._replace(positive=metered.positive * forth, negative=metered.negative * back, occurrences=())

    def _shares(self, index: int, begin: int, time: int) -> tuple[float, float]:
        """Of what flowed between `begin` and a reading, the part before `time`, in each direction by its power."""
        end = self._points[index].time
        line = [point for point in list(self._points)[: index + 1] if isfinite(point.power)]
        by_time = (time - begin) / (end - begin)
        shares = []
        for sign in (1.0, -1.0):
            whole = _flowed(line, begin, end, sign)
            shares.append(_flowed(line, begin, time, sign) / whole if whole > 0.0 else by_time)
        return shares[0], shares[1]


def _counts(metered: MeteredStep) -> bool:
    return isfinite(metered.positive) or isfinite(metered.negative)


def _flowed(line: list[TrackPoint], begin: int, end: int, sign: float) -> float:
    """W ns in one direction under the line between two times."""
    total = 0.0
    for one, other in pairwise(line):
        low, high = max(one.time, begin), min(other.time, end)
        if low >= high:
            continue
        slope = (other.power - one.power) / (other.time - one.time)
        first, last = (sign * (one.power + slope * (time - one.time)) for time in (low, high))
        total += (high - low) * (max(0.0, first) + max(0.0, last)) / 2.0
    return total
