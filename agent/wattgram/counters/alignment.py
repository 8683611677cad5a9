"""Alignment: readings of devices with different read times are brought to common instants.

Between two readings, the power of a device is linear in time, and the counted energy is distributed in proportion to
this power. An instant is ready when every good device was read after it: the watermark (METHOD 4.5).
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .metering import MeteredStep
from .reconcile import BRIDGED, NOTHING_METERED, IntervalEnergy

HOLD_INTERVALS = 3
"""Intervals for which a value holds without a new reading (SPEC 6.9), and across which power is interpolated."""

MOST_TRACK_POINTS = 4000
"""Most readings stored while a counter does not count: one hour at one reading a second."""


class TrackPoint(NamedTuple):
    """Reading: UTC ns, W in the role's direction, and the amount counted since the previous reading that counted."""

    time: int
    power: float
    metered: MeteredStep = NOTHING_METERED


class Track:
    """Readings of one device around the published instants, in order of time; times in UTC ns.

    interval: time between two readings, s. tick: time between two instants, s.
    """

    def __init__(self, interval: float, tick: float) -> None:
        self._max_gap = int(HOLD_INTERVALS * interval * NS)
        self._half_tick = int(tick * NS) // 2
        self._points: deque[TrackPoint] = deque()
        self._counted_until = 0
        self._previous = 0
        self._carried = NOTHING_METERED
        self._resumed = False  # whether `_carried` is of the time before a restart, and no reading has counted since

    def put(self, point: TrackPoint) -> None:
        """Add a reading. A reading that is not later than the last one is discarded, except for its counted amount."""
        if self._points and point.time <= self._points[-1].time:
            self._carried = self._carried.followed_by(point.metered)
            return
        self._points.append(point)

    def reaches(self, time: int) -> bool:
        """Return whether the device was read at or after this instant."""
        return bool(self._points) and self._points[-1].time >= time

    def clear(self) -> None:
        """Discard the times, because the clock was set; the counted amount stays."""
        for point in self._points:
            self._carried = self._carried.followed_by(point.metered)
        self._points.clear()
        self._counted_until = self._previous = 0

    def skip(self, time: int) -> None:
        """Skip an instant that is not published; the counted amount stays."""
        while len(self._points) > 1 and self._points[1].time <= time:
            self._carried = self._carried.followed_by(self._points.popleft().metered)

    def take(self, time: int) -> tuple[float, IntervalEnergy | None, MeteredStep]:
        """Return power, energy and counted amount of an instant.

        Power: W at the instant, NaN if unknown. Energy: Wh since the previous instant, if readings between the two
        instants give a better value than the two ends; else None. Counted amount: since the previous instant.

        An amount is returned when its reading is at or after the instant, so that it is compared with the energy of the
        same time. An amount that belongs to a gap is returned at once.
        """
        before, self._carried = self._carried, NOTHING_METERED
        metered = before
        counts = [index for index, point in enumerate(self._points) if _counts(point.metered)]
        for index in [index for index in counts if self._points[index].metered.verdict in BRIDGED]:
            metered = metered.followed_by(self._take_all(index))
        passed = [index for index in counts if self._points[index].time <= time]
        later = next((index for index in counts if self._points[index].time > time), None)
        if later is not None or (passed and self._points[passed[-1]].time == time):
            for index in passed:
                metered = metered.followed_by(self._take_all(index))
        if later is not None and _counts(part := self._take_part(later, time)):
            metered = metered.followed_by(part)
        if self._resumed and metered is before:  # alone it would end the gap of the restart
            self._carried, metered = before, NOTHING_METERED
        else:
            self._resumed = False
        power = self._power(time)
        flows, self._previous = self._between(self._previous, time), time
        # The readings after the last counted amount determine the distribution of the next amount.
        while len(self._points) > 1 and (
            self._points[1].time <= min(time, self._counted_until or time) or len(self._points) > MOST_TRACK_POINTS
        ):
            self._carried = self._carried.followed_by(self._points.popleft().metered)
        return power, flows, metered

    def dump(self) -> list[object]:
        """Return the counted amount not yet returned by `take`, JSON-compatible."""
        remaining = self._carried
        for point in self._points:
            remaining = remaining.followed_by(point.metered)
        return [amount if isfinite(amount) else None for amount in remaining[:2]]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            positive, negative = (nan if amount is None else float(amount) for amount in dumped)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected a track's state: two numbers or nulls") from error
        self._carried = MeteredStep(positive, negative)
        self._resumed = True

    def _power(self, time: int) -> float:
        before = next((point for point in reversed(self._points) if point.time <= time), None)
        after = next((point for point in self._points if point.time > time), None)
        if before is not None and (before.time == time or after is None or after.time - before.time > self._max_gap):
            return before.power if time - before.time <= self._max_gap else self._next_if_near(after, time)
        if before is None or after is None:
            return self._next_if_near(after, time)
        share = (time - before.time) / (after.time - before.time)
        return before.power + share * (after.power - before.power)

    def _between(self, begin: int, end: int) -> IntervalEnergy | None:
        """Return the Wh between two instants from all readings; None without a reading between them or across a gap."""
        if not any(begin < point.time < end for point in self._points) or not begin:
            return None
        line = [point for point in self._points if isfinite(point.power)]
        if line and line[-1].time < end:
            line.append(line[-1]._replace(time=end))
        covered = line and line[0].time <= begin and line[-1].time >= end
        if not covered or any(b.time - a.time > self._max_gap for a, b in pairwise(line) if b.time > begin):
            return None
        return IntervalEnergy(*(_energy_under(line, begin, end, sign) / NS / 3600.0 for sign in (1.0, -1.0)))

    def _next_if_near(self, after: TrackPoint | None, time: int) -> float:
        """Return the power of the first reading, or of the first after a gap, if it is within half a tick; else NaN."""
        return after.power if after is not None and after.time - time <= self._half_tick else nan

    def _take_all(self, index: int) -> MeteredStep:
        """Return the whole amount of a reading, once."""
        point = self._points[index]
        self._points[index] = point._replace(metered=NOTHING_METERED)
        self._counted_until = max(self._counted_until, point.time)
        return point.metered

    def _take_part(self, index: int, time: int) -> MeteredStep:
        """Return the part of a reading's amount that belongs before an earlier instant."""
        metered = self._points[index].metered
        begin = self._counted_until or (self._points[index - 1].time if index else time)
        if not _counts(metered) or begin >= time:
            return NOTHING_METERED
        forward, backward = self._shares(index, begin, time)
        self._counted_until = time
        rest = metered._replace(
            positive=metered.positive * (1.0 - forward), negative=metered.negative * (1.0 - backward)
        )
        self._points[index] = self._points[index]._replace(metered=rest)
        return metered._replace(
            positive=metered.positive * forward, negative=metered.negative * backward, occurrences=()
        )

    def _shares(self, index: int, begin: int, time: int) -> tuple[float, float]:
        """Return the share of the energy between `begin` and a reading that lies before `time`, for each direction."""
        end = self._points[index].time
        line = [point for point in list(self._points)[: index + 1] if isfinite(point.power)]
        by_time = (time - begin) / (end - begin)
        shares = []
        for sign in (1.0, -1.0):
            whole = _energy_under(line, begin, end, sign)
            shares.append(_energy_under(line, begin, time, sign) / whole if whole > 0.0 else by_time)
        return shares[0], shares[1]


def _counts(metered: MeteredStep) -> bool:
    return isfinite(metered.positive) or isfinite(metered.negative)


def _energy_under(line: list[TrackPoint], begin: int, end: int, sign: float) -> float:
    """Return the energy of one direction between two times, W ns."""
    total = 0.0
    for before, after in pairwise(line):
        low, high = max(before.time, begin), min(after.time, end)
        if low >= high:
            continue
        slope = (after.power - before.power) / (after.time - before.time)
        first, last = (sign * (before.power + slope * (time - before.time)) for time in (low, high))
        total += (high - low) * (max(0.0, first) + max(0.0, last)) / 2.0
    return total
