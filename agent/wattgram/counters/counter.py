"""Validation of one counter: accepted values, and the amounts counted between them.

Pure functions: from definition, state, value and time to state and count. Amounts are in the quantity's unit, times in
UTC ns. Every amount since the last accepted value is counted once. A wrong value adds nothing; a late correct value
loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite, log10
from typing import Any, Literal, NamedTuple

from wattgram.base.clock import NS

Verdict = Literal["good", "estimated", "held", "glitch", "reset", "rollover", "exchange"]
"""Verdict on one value.

good: continues from the last value. estimated: continues, across a gap. held: above the last value by no more than can
have been counted while it stood still; not counted before the counter rises again. glitch: not accepted, or not yet.
reset: the counter restarted at 0. rollover: the counter passed the end of its register. exchange: another meter.
"""

COUNTER_EVENTS: dict[Verdict, str] = {
    "glitch": "counter glitch",
    "reset": "counter reset",
    "rollover": "counter rollover",
    "exchange": "meter exchanged",
}
"""Event of a verdict, once an occurrence."""

POWER_MARGIN = 1.2
"""Factor on the rated power: a faster counter is wrong (METHOD 4.1)."""

CONFIRMING_VALUES = 3
"""Consecutive values, rising, before a new level is accepted."""

GAP_INTERVALS = 2
"""Intervals between two readings above which the time of the counted energy is unknown (METHOD 4.5)."""

REFRESH_SECONDS = 60.0
"""Longest time a device may take to refresh a counter register, s. One step may contain that much energy.

A larger step, from a slower refresh or after a register stood still for a month, is held until the counter rises again.
The period of a register that is copied more rarely is learned from its steps (`Refresh`).
"""

FIRST_VALUE_SECONDS = 90_000.0
"""Time that the first value may have stood still before it was read, s: the longest period is a day, here 25 h."""

COPY_COUNTS = 10.0
"""Counts of a step after a standstill from which it may be a copy: a counter at its own pace moves by one or two."""

STILL_READINGS = 2
"""Readings with the same value between two steps of a register that is copied rarely."""

COPY_TOLERANCE = 0.1
"""Share by which two periods of a copied register may differ."""

LATE_COPY = 2.0
"""Periods after which a copied register must have been copied again; one step may contain that much energy."""

MIN_DIGITS = 6
"""Digits of the shortest display, at whose end a counter may restart (Siemens PAC meters restart at 10^12 Wh)."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Definition of a counter.

    count: value of one count of the register. bits: width of the register, 0 for a float. precision: relative
    resolution of a float. limit: rated power, unit of the quantity per hour. interval: time between two readings, s.
    """

    quantity: str
    count: float
    bits: int
    limit: float
    signed: bool = False
    precision: float = 0.0
    interval: float = 1.0

    def resolution(self, value: float) -> float:
        """Return the smallest step at a value."""
        return max(self.count, value * self.precision)

    def max_amount(self, seconds: float, value: float) -> float:
        """Return the largest amount that the register can count in this time."""
        return POWER_MARGIN * self.limit * seconds / 3600.0 + self.resolution(value)

    def unsigned(self, value: float) -> float:
        """Return the unsigned value of a register that is read as signed but counts through its sign bit."""
        return value + 2.0**self.bits * self.count if value < 0.0 and self.signed else value

    def wrap_points(self, value: float) -> Iterator[tuple[float, float]]:
        """Yield each value at which the counter may restart, and its required ratio to the largest amount.

        The values are the register's width, its sign bit and the next power of ten. The power of ten is a guess and has
        a higher ratio, so that a long gap does not make it likely.
        """
        if self.bits:
            yield 2.0**self.bits * self.count, 1.0
        if self.signed:
            yield 2.0 ** (self.bits - 1) * self.count, 1.0
        counts = value / self.count
        yield 10.0 ** max(MIN_DIGITS, int(log10(counts)) + 1 if counts >= 1.0 else 0) * self.count, 100.0


class Refresh(NamedTuple):
    """How often a register is copied from the counter behind it, learned from its steps.

    changed: time at which the present value was first seen, 0 if unknown. reads: later readings of the same value. gap:
    s between the last two steps, if the last one was large enough for a copy, else 0. period: s between two copies, 0
    for a register that follows its counter.
    """

    changed: int = 0
    reads: int = 0
    gap: float = 0.0
    period: float = 0.0


NOT_COPIED = Refresh()


class HeldValues(NamedTuple):
    """Values that do not continue from the last accepted value, but from each other."""

    first: float
    start: int  # time of the first
    last: float
    reads: int


@dataclass(frozen=True, slots=True)
class State:
    """Last accepted value and its time; `since`: time of the reading before this value was first seen."""

    value: float
    time: int
    since: int
    held: HeldValues | None = None
    refresh: Refresh = NOT_COPIED

    def seconds(self, time: int) -> float:
        """Return the time in which the amount seen at `time` may have been counted, s.

        It starts at the last accepted reading. It is longer if the value stood still, because a change becomes visible
        late: in a minute, or in the period that was learned.
        """
        return max((time - self.time) / NS, min((time - self.since) / NS, self.largest_step_seconds))

    @property
    def largest_step_seconds(self) -> float:
        """Longest time whose energy is accepted in one step, s."""
        return max(REFRESH_SECONDS, LATE_COPY * self.refresh.period)

    def dump(self) -> list[object]:
        """Return the state, JSON-compatible."""
        return [self.value, self.time, self.since, self.held, self.refresh]

    @classmethod
    def load(cls, dumped: Any) -> State:
        """Return the state from `dump` (after JSON); ValueError if the state is invalid."""
        try:
            value, time, since, held, *learned = dumped
            changed, reads, gap, period = learned[0] if learned else NOT_COPIED  # an older version did not learn
            refresh = Refresh(int(changed), int(reads), float(gap), float(period))
            state = cls(float(value), int(time), int(since), refresh=refresh)
            if held is not None:
                first, start, last, reads = held
                state = replace(state, held=HeldValues(float(first), int(start), float(last), int(reads)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected a counter's state") from error
        if not all(isfinite(number) for number in (state.value, *(state.held or ()), *state.refresh)):
            raise ValueError(f"found {dumped!r}, expected a counter's state of finite numbers")
        return state


class CounterStep(NamedTuple):
    """Result of a value: the amount since the last accepted value, the verdict, and the event.

    `event` is None if nothing happened; then `old` and `new` have no meaning.
    """

    amount: float
    verdict: Verdict
    event: Verdict | None = None
    old: float = 0.0
    new: float = 0.0


def step(counter: Counter, state: State | None, value: float, time: int) -> tuple[State, CounterStep]:
    """Take a value; without a state it is the first, and counting starts there. ValueError if it is not finite."""
    if not isfinite(value):
        raise ValueError(f"{counter.quantity}: found {value!r}, expected a finite number")
    value = counter.unsigned(value)
    if state is None:
        return State(value, time, time - int(FIRST_VALUE_SECONDS * NS)), CounterStep(0.0, "good")
    if time <= state.time:
        # The clock was set back by an unknown time: while the process was stopped, or by very little.
        state = shifted(state, time - state.time - int(counter.interval * NS))
    held = state.held
    continues = held is not None and _continues(counter, state, held, value, time)
    if not (held and continues and _is_level(counter, state, held)):
        increase = value - state.value
        largest = counter.max_amount(state.seconds(time), state.value)
        if -counter.resolution(state.value) <= increase <= largest:
            return _accepted(counter, state, value, time)
        if not continues and (amount := _wrap_amount(counter, state.value, value, largest)) is not None:
            counted = CounterStep(amount, "rollover", "rollover", state.value, value)
            return State(value, time, state.time, refresh=_learned(counter, state, amount, time)), counted
    if held and continues:
        held = held._replace(last=max(held.last, value), reads=held.reads + 1)
    else:
        held = HeldValues(value, time, value, 1)
    kind = _kind(counter, state, held)
    if held.reads < CONFIRMING_VALUES or held.last <= held.first or kind == "glitch":
        verdict: Verdict = "held" if _stood_still(counter, state, held) else "glitch"
        return replace(state, held=held), CounterStep(0.0, verdict)
    return _new_level(counter, state, held, kind, time)


def _accepted(counter: Counter, state: State, value: float, time: int) -> tuple[State, CounterStep]:
    """Accept a value that continues from the last one; the held values were a glitch."""
    amount = max(0.0, value - state.value)
    gap = time - state.time > GAP_INTERVALS * counter.interval * NS
    verdict: Verdict = "estimated" if gap and amount else "good"
    if amount:
        after = State(value, time, state.time, refresh=_learned(counter, state, amount, time))
    else:
        again = state.refresh._replace(reads=state.refresh.reads + 1)
        after = State(max(value, state.value), time, state.since, refresh=again)
    if state.held is None:
        return after, CounterStep(amount, verdict)
    return after, CounterStep(amount, verdict, "glitch", state.value, state.held.first)


def _new_level(counter: Counter, state: State, held: HeldValues, kind: Verdict, time: int) -> tuple[State, CounterStep]:
    """Accept the held values as the new level.

    A reset counter has counted from 0, another meter from its first value.
    """
    amount = held.last - held.first
    resolution = counter.resolution(held.first)
    impossible = resolution + counter.max_amount(GAP_INTERVALS * counter.interval, held.first)
    copied = held.reads > STILL_READINGS and amount >= min(COPY_COUNTS * resolution, impossible)
    gap = (time - held.start) / NS if copied else 0.0
    after = State(held.last, time, held.start, refresh=Refresh(time, 0, gap, gap))
    if kind == "reset":
        return after, CounterStep(held.last, "reset", "reset", state.value, held.first)
    if state.value == 0.0:  # the device slept when counting began, and its 0 was wrong
        return after, CounterStep(amount, "good", "glitch", held.first, 0.0)
    if _stood_still(counter, state, held):
        return after, CounterStep(held.first - state.value + amount, "estimated")
    return after, CounterStep(amount, "exchange", "exchange", state.value, held.first)


def _stood_still(counter: Counter, state: State, held: HeldValues) -> bool:
    """Return whether the held values can have been counted since the last accepted value was first seen."""
    increase = held.first - state.value
    return 0.0 < increase <= counter.max_amount((held.start - state.since) / NS, state.value)


def _learned(counter: Counter, state: State, amount: float, time: int) -> Refresh:
    """Return what a step that was accepted at `time` teaches about the register's copy period.

    A step that cannot have been counted since the last reading is a copy. A large step after a standstill may be one:
    it is when the standstill before was as long. A step before the period is over shows that the register follows its
    counter.
    """
    refresh, resolution = state.refresh, counter.resolution(state.value)
    gap = (time - refresh.changed) / NS if refresh.changed else 0.0
    tolerance = COPY_TOLERANCE * gap + 2.0 * counter.interval
    impossible = amount > resolution + counter.max_amount((time - state.time) / NS, state.value)
    stood_still = refresh.reads >= STILL_READINGS and amount >= COPY_COUNTS * resolution
    if not (impossible or stood_still):
        return Refresh(time, period=refresh.period if gap >= refresh.period - tolerance else 0.0)
    regular = refresh.gap > 0.0 and abs(gap - refresh.gap) <= tolerance
    # Nothing flowed for a period: the longer standstill is no longer period.
    missed = refresh.period > 0.0 and gap > LATE_COPY * refresh.period - tolerance
    certain = gap > 0.0 and (regular or (impossible and not missed))
    return Refresh(time, 0, gap, gap if certain else refresh.period)


def _is_level(counter: Counter, state: State, held: HeldValues) -> bool:
    """Return whether the held values are a level of their own: above the last accepted value, or rising."""
    return (held.first > state.value or held.last > held.first) and _kind(counter, state, held) != "glitch"


def _kind(counter: Counter, state: State, held: HeldValues) -> Verdict:
    """Return the verdict on held values that persist.

    reset: low enough to be counted from 0 since the last accepted value. glitch: below the last value by no more than a
    step that is accepted at once, so the last value may have been wrong; the counter waits until it passes that value.
    exchange: all others.
    """
    if held.first < state.value:
        if held.first <= counter.max_amount(state.seconds(held.start), 0.0):
            return "reset"
        if state.value - held.first <= counter.max_amount(
            max(state.largest_step_seconds, counter.interval), state.value
        ):
            return "glitch"
    return "exchange"


def _continues(counter: Counter, state: State, held: HeldValues, value: float, time: int) -> bool:
    """Return whether a value continues from the held values."""
    previous = max(state.time, held.start - int(max(REFRESH_SECONDS, counter.interval) * NS))
    largest = counter.max_amount(max(counter.interval, (time - previous) / NS), held.first)
    return value >= held.last - counter.resolution(held.last) and value - held.first <= largest


def _wrap_amount(counter: Counter, previous: float, value: float, largest: float) -> float | None:
    """Return the amount counted through the end of the register.

    None if the register did not pass its end, or may have passed it more than once.
    """
    for end, ratio in counter.wrap_points(previous):
        amount = (end - previous) + value
        if value < previous < end and end > ratio * largest and amount <= largest:
            return amount
    return None


def with_period(state: State, period: float) -> State:
    """Return the state of a register that has never moved, with the copy period of the device's other registers."""
    if period <= 0.0 or state.refresh.changed or state.refresh.period:
        return state
    return replace(state, refresh=state.refresh._replace(period=period))


def shifted(state: State, by: int) -> State:
    """Return the state with all times later by so many ns, because the clock was set."""
    held = state.held
    refresh = state.refresh
    return State(
        state.value,
        state.time + by,
        state.since + by,
        held and held._replace(start=held.start + by),
        refresh._replace(changed=refresh.changed + by) if refresh.changed else refresh,
    )
