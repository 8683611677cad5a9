"""One counter's state machine: which of its values are believed, and how much was counted between them.

Pure: a definition, a state, a value and a time go in; a state and a count come out. Amounts are in the quantity's
unit, times in UTC ns. What was counted since the last believed value is told once: no value that goes away again adds
anything, and none that comes late takes anything away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite, log10
from typing import Any, Literal, NamedTuple

from wattgram.base.clock import NS

Verdict = Literal["good", "estimated", "glitch", "reset", "rollover", "exchange"]
"""Of one value. good: it counts on from the last one. estimated: it does, across a gap. glitch: not believed, or not
yet. reset: it began anew at 0. rollover: it went through the end of its register. exchange: another meter."""

COUNTER_EVENTS: dict[Verdict, str] = {
    "glitch": "counter glitch",
    "reset": "counter reset",
    "rollover": "counter rollover",
    "exchange": "meter exchanged",
}
"""What an operator is told, once an occurrence."""

POWER_MARGIN = 1.2
"""Of the rated power: a counter that ran faster did not count (METHOD 4.1)."""

CONFIRMING_VALUES = 3
"""Values that must follow each other, and count, before a new level is believed."""

GAP_INTERVALS = 2
"""Intervals after which what was counted is known and when it flowed is not (METHOD 4.5)."""

REFRESH = 60.0
"""Seconds between two changes of a register that its device copies rarely: as much may come at once.

What comes of rarer copies, or of a register that stood still for a month, is held until it has grown again."""

DIGITS = 6
"""Places of the shortest display, at whose end a counter may begin anew (Siemens PAC meters do at 10^12 Wh)."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What is known of a counter beforehand.

    count: what one count of its register is. bits: width of the register, 0 for a float. precision: relative
    resolution of a float. limit: rated power, the quantity's unit an hour. interval: s between two readings.
    """

    quantity: str
    count: float
    bits: int
    limit: float
    signed: bool = False
    precision: float = 0.0
    interval: float = 1.0

    def resolution(self, value: float) -> float:
        """The smallest step that it can make at a value."""
        return max(self.count, value * self.precision)

    def most(self, seconds: float, value: float) -> float:
        """What it can have counted in so many seconds, as its register shows it."""
        return POWER_MARGIN * self.limit * seconds / 3600.0 + self.resolution(value)

    def unsigned(self, value: float) -> float:
        """The value of a register that is read as signed but counts through its sign bit."""
        return value + 2.0**self.bits * self.count if value < 0.0 and self.signed else value

    def ends(self, value: float) -> Iterator[tuple[float, float]]:
        """Where it may begin anew, and how many times as much as it can have counted that must at least be.

        The register's width and its sign bit; the next power of ten, a guess that a long gap must not make likely.
        """
        if self.bits:
            yield 2.0**self.bits * self.count, 1.0
        if self.signed:
            yield 2.0 ** (self.bits - 1) * self.count, 1.0
        counts = value / self.count
        yield 10.0 ** max(DIGITS, int(log10(counts)) + 1 if counts >= 1.0 else 0) * self.count, 100.0


class HeldValues(NamedTuple):
    """Values that do not count on from the last believed one, but from each other."""

    first: float
    start: int  # time of the first
    last: float
    reads: int


@dataclass(frozen=True, slots=True)
class State:
    """The last believed value and its time; `since`: of the reading before this value was first seen."""

    value: float
    time: int
    since: int
    held: HeldValues | None = None

    def seconds(self, time: int) -> float:
        """In which what is seen at `time` may have been counted.

        Since the last believed reading; longer when the value has stood, for a change takes its time to show.
        """
        return max((time - self.time) / NS, min((time - self.since) / NS, REFRESH))

    def dump(self) -> list[object]:
        """As JSON knows it."""
        return [self.value, self.time, self.since, self.held]

    @classmethod
    def load(cls, dumped: Any) -> State:
        """The state that `dump` gave, by way of JSON; ValueError when it is none."""
        try:
            value, time, since, held = dumped
            state = cls(float(value), int(time), int(since))
            if held is not None:
                first, start, last, reads = held
                state = replace(state, held=HeldValues(float(first), int(start), float(last), int(reads)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no counter's state") from error
        if not all(isfinite(each) for each in (state.value, *(state.held or ()))):
            raise ValueError(f"found {dumped!r}; a counter's state has finite values")
        return state


class CounterStep(NamedTuple):
    """What a value says: the amount since the last believed one, what became of it, and what to tell of it.

    `event` is empty when nothing happened; then `old` and `new` have no meaning.
    """

    amount: float
    verdict: Verdict
    event: Verdict | None = None
    old: float = 0.0
    new: float = 0.0


def step(counter: Counter, state: State | None, value: float, time: int) -> tuple[State, CounterStep]:
    """Take a value; without a state it is the first, from which counting begins. ValueError for one that is none."""
    if not isfinite(value):
        raise ValueError(f"{counter.quantity}: found {value!r}; allowed: a number")
    value = counter.unsigned(value)
    if state is None:
        return State(value, time, time - int(REFRESH * NS)), CounterStep(0.0, "good")
    if time <= state.time:  # the clock was set back by nobody knows how much: while nothing ran, or by very little
        state = moved(state, time - state.time - int(counter.interval * NS))
    held = state.held
    goes_on = held is not None and _follows(counter, state, held, value, time)
    if not (held and goes_on and _stays(counter, state, held)):
        rise = value - state.value
        most = counter.most(state.seconds(time), state.value)
        if -counter.resolution(state.value) <= rise <= most:
            return _believed(counter, state, value, time)
        if not goes_on and (amount := _wrapped(counter, state.value, value, most)) is not None:
            told = CounterStep(amount, "rollover", "rollover", state.value, value)
            return State(value, time, state.time), told
    if held and goes_on:
        held = held._replace(last=max(held.last, value), reads=held.reads + 1)
    else:
        held = HeldValues(value, time, value, 1)
    kind = _kind(counter, state, held)
    if held.reads < CONFIRMING_VALUES or held.last <= held.first or kind == "glitch":
        return replace(state, held=held), CounterStep(0.0, "glitch")
    return _anew(counter, state, held, kind, time)


def _believed(counter: Counter, state: State, value: float, time: int) -> tuple[State, CounterStep]:
    """The value counts on from the last believed one; what was held meanwhile was a glitch."""
    amount = max(0.0, value - state.value)
    gap = time - state.time > GAP_INTERVALS * counter.interval * NS
    verdict: Verdict = "estimated" if gap and amount else "good"
    after = State(max(value, state.value), time, state.time if amount else state.since)
    if state.held is None:
        return after, CounterStep(amount, verdict)
    return after, CounterStep(amount, verdict, "glitch", state.value, state.held.first)


def _anew(counter: Counter, state: State, held: HeldValues, kind: Verdict, time: int) -> tuple[State, CounterStep]:
    """The held values are the new level: a reset counter has counted from 0, another meter from where it stood."""
    after = State(held.last, time, held.start)
    if kind == "reset":
        return after, CounterStep(held.last, "reset", "reset", state.value, held.first)
    amount = held.last - held.first
    if state.value == 0.0:  # a device that was asleep when counting began: 0 was the wrong value
        return after, CounterStep(amount, "good", "glitch", held.first, 0.0)
    rise = held.first - state.value
    if 0.0 < rise <= counter.most((held.start - state.since) / NS, state.value):  # its register had stood still
        return after, CounterStep(rise + amount, "estimated")
    return after, CounterStep(amount, "exchange", "exchange", state.value, held.first)


def _stays(counter: Counter, state: State, held: HeldValues) -> bool:
    """Whether held values that go on are a level of their own: above the last believed one, or counting."""
    return (held.first > state.value or held.last > held.first) and _kind(counter, state, held) != "glitch"


def _kind(counter: Counter, state: State, held: HeldValues) -> Verdict:
    """What held values are if they stay.

    reset: so low that they may have been counted from 0 since the last believed value. glitch: no further below it
    than a jump that is believed at once, so that the value before may have been wrong: the counter waits until it is
    passed. exchange: the others.
    """
    if held.first < state.value:
        if held.first <= counter.most(state.seconds(held.start), 0.0):
            return "reset"
        if state.value - held.first <= counter.most(max(REFRESH, counter.interval), state.value):
            return "glitch"
    return "exchange"


def _follows(counter: Counter, state: State, held: HeldValues, value: float, time: int) -> bool:
    """Whether a value counts on from the held ones."""
    before = max(state.time, held.start - int(max(REFRESH, counter.interval) * NS))
    most = counter.most(max(counter.interval, (time - before) / NS), held.first)
    return value >= held.last - counter.resolution(held.last) and value - held.first <= most


def _wrapped(counter: Counter, before: float, value: float, most: float) -> float | None:
    """What was counted through the end of the register; None when it was not, or may have been more than once."""
    for end, times in counter.ends(before):
        amount = (end - before) + value
        if value < before < end and end > times * most and amount <= most:
            return amount
    return None


def moved(state: State, by: int) -> State:
    """The state with its times later by so many ns, for the clock has been set."""
    held = state.held
    return State(state.value, state.time + by, state.since + by, held and held._replace(start=held.start + by))
