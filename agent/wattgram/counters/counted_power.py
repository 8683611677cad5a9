"""Power of a meter that has energy counters and no power: the mean between two steps of its counter.

The published energy follows the line through the counter's steps, half a count behind: a step that comes late leaves
no interval at 0, and no more than the counter may have counted is published. After the last step, the line continues
with the last rate. When the next step is overdue, the rate falls with the third power of the time, so the energy never
exceeds one count. W, Wh, s; times in UTC ns.
"""

from __future__ import annotations

from collections import deque
from math import exp, inf, isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .alignment import HOLD_INTERVALS
from .counter import GAP_INTERVALS, POWER_MARGIN
from .metering import MeteredStep
from .reconcile import INCOMPLETE

DENSE_SECONDS = 60.0
"""Time between two steps below which a power is the mean of several steps, s."""

RATE_COUNTS = 20.0
"""Counts in the mean of several steps: to 5 %."""

EXACT_COUNTS = 10.0
"""Counts of an interval from which the counter shows the interval's energy without a mean of several steps."""

NOT_ACCEPTED = ("held", "glitch")
"""Verdicts of values that are not accepted."""

NEGLIGIBLE_SHARE = 0.01
"""Share of the rated power that counts as no power: a counter that stands still shows no less."""

NEGLIGIBLE_POWER = 1000.0
"""Power that counts as none without a rated power, W."""

SILENT_SECONDS = 900.0
"""Shortest time without any step after which a counter shows that nothing flows, s."""

SILENT_INCOMER_SECONDS = 3960.0
"""The same for a meter of both directions, s: a site draws power, so its counter may be copied once an hour."""

OWN_PACE_COUNTS = 2.0
"""Counts of a first step that began after the first reading; a larger one may be a copy that began earlier."""

OVERDUE_COPY = 1.1
"""Periods of a copied register after which its standstill shows that nothing flows."""

MOST_STEPS = 4000
"""Most steps stored between two instants."""


class CounterStepTime(NamedTuple):
    """A step: time of the reading that showed it, and Wh counted until then."""

    time: int
    energy: float


class CountedInterval(NamedTuple):
    """Power at an instant, W; energy of its interval and of an unknown stretch before it, Wh. NaN: unknown."""

    power: float = nan
    energy: float = nan
    late: float = 0.0


class CountedDirection:
    """One counter of a meter: from its steps to power and energy.

    interval: time between two readings of the counter, s. negligible: power that counts as none, W. most_power: largest
    power, W. silence: shortest time without any step that shows that nothing flows, s.
    """

    def __init__(
        self, interval: float, negligible: float, most_power: float = inf, silence: float = SILENT_SECONDS
    ) -> None:
        self._interval = interval
        self._hold = int(HOLD_INTERVALS * interval * NS)
        self._negligible = negligible
        self._silence = silence
        self._most_power = most_power
        self._steps: deque[CounterStepTime] = deque()  # the first one is the begin of counting, and no step
        self._begun = False  # whether the first one is a step, or so long ago that it may be one
        self._moved = False
        self._whole_first = False  # whether the first step was counted after the first reading
        self._total = 0.0
        self._count = 0.0
        self._published: float | None = None
        self._previous = 0  # the last instant with known energy
        self._heard = 0  # the last reading of the counter
        self._seen = 0  # the last one whose value was accepted
        self._standing = 0  # until when the present value is known to be that of the counter

    @property
    def counts(self) -> bool:
        """Whether the counter was read."""
        return bool(self._steps)

    def observe(self, time: int, amount: float, count: float, refresh: float, *, complete: bool) -> None:
        """Take a reading: Wh since the previous one, NaN for a register that was not copied again.

        count: value of one count. refresh: period of a copied register. complete: whether the amount contains all the
        energy since the previous reading.
        """
        gap = self._heard > 0 and time - self._heard > GAP_INTERVALS * self._interval * NS
        self._heard = time
        if time <= self._seen:
            if amount > 0.0:  # no step of its own
                self._total += amount
                self._steps[-1] = self._steps[-1]._replace(energy=self._total)
            return
        self._seen, self._count = time, count
        if not self._steps:
            self._steps.append(CounterStepTime(time, self._total))
            self._standing = time
            return
        if not complete and self._published is not None:
            self._published = min(self._published, self._total)
        if amount > 0.0:
            if not self._moved and amount > OWN_PACE_COUNTS * count:
                self._take_large_first(time, refresh, gap=gap)
            self._moved = True
            self._total += amount
            self._steps.append(CounterStepTime(time, self._total))
            self._standing = time
            if len(self._steps) > MOST_STEPS:
                self._steps.popleft()
        elif refresh > 0.0:
            late = time - int((OVERDUE_COPY * refresh + self._interval) * NS)
            self._standing = max(self._standing, late)
        else:
            self._standing = time

    def _take_large_first(self, time: int, refresh: float, *, gap: bool) -> None:
        """Prepare for a first step of several counts, which may have begun before the first reading."""
        begun = self._steps[0]
        if refresh > 0.0 and self._published is not None:  # the other counter has shown the period
            copied = max(begun.time, time - int(refresh * NS))
            self._steps, self._begun = deque([begun._replace(time=copied)]), True
            return
        self._begun, self._published = False, None
        self._whole_first = gap  # most of it is energy of the gap

    def reject(self, time: int) -> None:
        """Take a reading whose value is not accepted, or not yet."""
        self._heard = time

    def take(self, time: int, begin: int) -> CountedInterval:
        """Return power and energy of the interval from `begin` to an instant; begin 0: after a pause there is none.

        The energy of an unknown stretch before the interval is `late`.
        """
        if not self._known(time):
            self._previous = 0
            return CountedInterval()
        if self._published is None:
            begun = self._steps[0]
            counted = begun.energy if self._whole_first else max(0.0, self._line(begun.time))
            self._published = counted - self._count / 2.0
        late, first = 0.0, self._steps[0].time
        if not (self._previous and self._previous == begin):
            self._previous = max(begin, first) if begin else time
            late = max(0.0, self._target(self._previous) - self._published)
            self._published += late
        power = self._power(time)
        energy = self._follow(time, power) if begin else nan
        self._previous = time
        self._forget(time)
        return CountedInterval(power, energy, late)

    def silent(self, time: int) -> CountedInterval:
        """Return no power for a counter that has never moved."""
        if not self._fresh(time):
            return CountedInterval()
        self._previous = time
        if self._published is None:
            self._published = self._total - self._count / 2.0
        return CountedInterval(0.0, 0.0)

    @property
    def moved(self) -> bool:
        """Whether the counter has moved since it was first read."""
        return self._moved

    def settle(self) -> float:
        """Return the counted energy that is not published, Wh, because another source gives the power from now on."""
        outstanding = 0.0
        if self._published is not None:
            outstanding = max(0.0, self._total - self._count / 2.0 - self._published)
            self._published += outstanding
        self.clear()
        return outstanding

    def clear(self) -> None:
        """Discard all times, because the clock was set; the counted energy stays."""
        self._steps.clear()
        self._begun = False
        self._previous = self._heard = self._seen = self._standing = 0

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        steps = [list(step) for step in self._steps]
        times = [self._heard, self._seen, self._standing]
        return [steps, [self._begun, self._moved, self._whole_first], self._total, self._count, self._published, *times]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            steps, (begun, moved, whole_first), total, count, published, *times = dumped
            restored = [CounterStepTime(int(time), float(energy)) for time, energy in steps]
            numbers = [float(total), float(count), 0.0 if published is None else float(published)]
            heard, seen, standing = map(int, times)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the state of a counted power") from error
        if not all(isfinite(number) for number in (*numbers, *(step.energy for step in restored))):
            raise ValueError(f"found {dumped!r}, expected the state of a counted power in finite numbers")
        self._steps = deque(restored)
        self._begun, self._moved, self._whole_first = bool(begun), bool(moved), bool(whole_first)
        self._total, self._count = numbers[0], numbers[1]
        self._published = None if published is None else numbers[2]
        self._previous, self._heard, self._seen, self._standing = 0, heard, seen, standing

    def _fresh(self, time: int) -> bool:
        return bool(self._steps) and time - self._seen <= self._hold

    def _known(self, time: int) -> bool:
        """Return whether the power is known: after two steps, or if the counter stood still for long."""
        if not self._fresh(time) or self._steps[0].time > time:
            return False
        if self._begun or len(self._steps) > 2:
            return True
        first, until = self._steps[0], min(time, self._standing)
        if len(self._steps) > 1:
            until = self._steps[1].time
            if self._steps[1].energy - first.energy > OWN_PACE_COUNTS * self._count:
                return False
        still = (until - first.time) / NS
        self._begun = still >= max(self._silence, 3600.0 * self._count / self._negligible)
        return self._begun

    def _index(self, time: int) -> int:
        """Return the index of the last step at or before a time, at least 0."""
        return max(0, sum(step.time <= time for step in self._steps) - 1)

    def _follow(self, time: int, power: float) -> float:
        """Return the energy since the previous instant, Wh, and count it as published."""
        assert self._published is not None  # `take` has set it
        seconds = (time - self._previous) / NS
        flowed = self._line(time) - self._line(self._previous)
        cycle = self._cycle(time)
        if cycle < DENSE_SECONDS and flowed < EXACT_COUNTS * self._count:
            flowed = power * seconds / 3600.0
        mean = 3600.0 * EXACT_COUNTS * self._count / power if power > 0.0 else DENSE_SECONDS
        decay = max(cycle, min(DENSE_SECONDS, mean))
        following = self._published + flowed
        following += (self._target(time) - following) * (1.0 - exp(-seconds / decay))
        following = min(following, self._most(time), self._published + self._most_power * seconds / 3600.0)
        energy = max(0.0, following - self._published)
        self._published += energy
        return energy

    def _target(self, time: int) -> float:
        """Return the energy to be published until a time, Wh: half a count behind the line."""
        return self._line(time) - self._count / 2.0

    def _line(self, time: int) -> float:
        """Return the counter's energy at a time by the line through its steps, Wh."""
        index = self._index(time)
        if not self._begun and index == 0 and len(self._steps) > 2:  # before the first step
            after, last = self._steps[1], self._steps[2]
            return after.energy - _slope(after, last) * (after.time - time)
        before = self._steps[index]
        if index + 1 < len(self._steps):
            return before.energy + _slope(before, self._steps[index + 1]) * (time - before.time)
        still = min(time, max(self._standing, before.time)) - before.time
        counted, slope = self._overdue(still)
        return before.energy + counted + slope * (time - before.time - still)

    def _power(self, time: int) -> float:
        """Return the power at a time, W."""
        index = self._index(time)
        if index + 1 < len(self._steps) and (index or self._begun) and self._cycle(time) >= DENSE_SECONDS:
            return _slope(self._steps[index], self._steps[index + 1]) * NS * 3600.0
        if index + 1 < len(self._steps):
            return self._rate() * NS * 3600.0
        return (
            self._overdue(min(time, max(self._standing, self._steps[-1].time)) - self._steps[-1].time)[1] * NS * 3600.0
        )

    def _rate(self) -> float:
        """Return the mean between the last step and an earlier one, Wh/ns: the one before, or the last of several."""
        first = 0 if self._begun else 1
        last = self._steps[-1]
        if len(self._steps) - 1 <= first:
            return 0.0
        chosen = self._steps[len(self._steps) - 2]
        for number in range(len(self._steps) - 2, first - 1, -1):
            chosen = self._steps[number]
            if (
                last.time - chosen.time >= DENSE_SECONDS * NS
                or last.energy - chosen.energy >= RATE_COUNTS * self._count
            ):
                break
        return _slope(chosen, last)

    def _overdue(self, still: int) -> tuple[float, float]:
        """Return Wh since the last step and Wh/ns, after `still` ns in which no step was seen."""
        rate = self._rate()
        if rate <= 0.0:
            return 0.0, 0.0
        due = self._count / rate
        if still <= due:
            return rate * still, rate
        share = due / still
        return self._count * (1.5 - 0.5 * share**2), rate * share**3

    def _most(self, time: int) -> float:
        """Return the largest energy that the counter may have counted at a time, Wh."""
        index = self._index(time)
        before = self._steps[index]
        if index + 1 < len(self._steps):
            return self._steps[index + 1].energy
        unseen = max(0, time - max(self._standing, before.time))
        return before.energy + self._count + self._rate() * unseen

    def _cycle(self, time: int) -> float:
        """Return the time between the two steps around a time, or the last two, s."""
        index = min(self._index(time) + 1, len(self._steps) - 1)
        return (self._steps[index].time - self._steps[index - 1].time) / NS if index else DENSE_SECONDS

    def _forget(self, time: int) -> None:
        """Discard the steps that neither the line after an instant nor the rate needs."""
        last = self._steps[-1]
        while len(self._steps) > 2 and self._steps[1].time <= time:
            second = self._steps[1]
            if last.time - second.time < DENSE_SECONDS * NS and last.energy - second.energy < RATE_COUNTS * self._count:
                return
            self._steps.popleft()
            self._begun = True


class CountedPower:
    """Power and energy of a meter by its counters alone.

    interval: time between two readings of the counters, s. rated_power: W, None if unknown. one_way: energy against the
    role's direction is none if no counter shows any.
    """

    def __init__(self, interval: float, rated_power: float | None, *, one_way: bool) -> None:
        negligible = NEGLIGIBLE_POWER if rated_power is None else NEGLIGIBLE_SHARE * rated_power
        most_power = inf if rated_power is None else POWER_MARGIN * rated_power
        silence = SILENT_SECONDS if one_way else SILENT_INCOMER_SECONDS
        self._directions = tuple(CountedDirection(interval, negligible, most_power, silence) for _ in range(2))
        self._one_way = one_way

    def put(self, time: int, metered: MeteredStep) -> None:
        """Take a reading, UTC ns; without a counter's value it is ignored."""
        complete = metered.verdict not in INCOMPLETE
        # The device copies all its registers together: with a step of one, the other's standstill is known, too.
        refresh = 0.0 if metered.positive > 0.0 or metered.negative > 0.0 else metered.refresh
        for direction, amount, count in zip(self._directions, metered[:2], metered.resolution, strict=True):
            if count <= 0.0:
                continue
            if not isfinite(amount) and (metered.verdict in NOT_ACCEPTED or not metered.refresh):
                direction.reject(time)
            else:
                period = metered.refresh if amount > 0.0 else refresh
                direction.observe(time, amount, count, period, complete=complete)

    def take(self, time: int, begin: int) -> tuple[CountedInterval, CountedInterval]:
        """Return the interval in the role's direction and the one against it, as `CountedDirection.take` does.

        While one counter moves, another that has never moved is 0: energy flows in one direction at a time.
        """
        forward, backward = (direction.take(time, begin) for direction in self._directions)
        if isfinite(forward.power) and not isfinite(backward.power):
            backward = self._other(self._directions[1], time)
        elif isfinite(backward.power) and not isfinite(forward.power):
            forward = self._other(self._directions[0], time)
        return forward, backward

    def clear(self) -> None:
        """Discard all times, because the clock was set; the counted energy stays."""
        for direction in self._directions:
            direction.clear()

    def settle(self) -> tuple[float, float]:
        """Return the counted energy of both directions that is not published, Wh; counting ends."""
        forward, backward = (direction.settle() for direction in self._directions)
        return forward, backward

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [direction.dump() for direction in self._directions]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            forward, backward = dumped
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the state of a counted power") from error
        for direction, state in zip(self._directions, (forward, backward), strict=True):
            direction.restore(state)

    def _other(self, direction: CountedDirection, time: int) -> CountedInterval:
        if direction.counts and not direction.moved:
            return direction.silent(time)
        return CountedInterval(0.0, 0.0) if self._one_way and not direction.counts else CountedInterval()


def _slope(before: CounterStepTime, after: CounterStepTime) -> float:
    """Return the mean rate between two steps, Wh/ns."""
    return (after.energy - before.energy) / (after.time - before.time)
