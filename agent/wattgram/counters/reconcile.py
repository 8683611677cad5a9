"""The energy of an interval: power integrated, corrected by what the counters say.

Power tells when energy flowed, a counter how much. So power is integrated, and what the counter then says more or
less is a debt that this interval and those after it pay: causal, without delay. W, Wh, UTC ns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .counter import GAP_INTERVALS, POWER_MARGIN, Verdict
from .metering import MeteredStep

BROKEN = ("reset", "exchange")
"""Verdicts after which a counter does not know all that has flowed: what power told of it stands."""

BRIDGED = ("estimated", *BROKEN)
"""Verdicts of amounts that flowed at times that nobody knows."""

FINE = 50.0
"""Steps in an interval from which on a counter resolves it, to 2 %."""

NOTHING_METERED = MeteredStep()


class IntervalEnergy(NamedTuple):
    """Wh of an interval in the role's direction and against it, integrated from more readings than its two ends."""

    positive: float
    negative: float


class Energies(NamedTuple):
    """What flowed in an interval, in the role's direction and against it, Wh; NaN where nothing is known.

    `late_*`: what a counter said after a gap had flowed in it. It belongs to totals, not to this interval (METHOD 4.5).
    """

    positive: float
    negative: float
    late_positive: float = 0.0
    late_negative: float = 0.0


class Amount(NamedTuple):
    """What a counter said: so much since it was last read, in steps of its resolution, Wh.

    bridged: it belongs to a gap. broken: it does not know all.
    """

    energy: float
    resolution: float
    bridged: bool = False
    broken: bool = False


class CounterDirection(NamedTuple):
    """One direction of a channel.

    debt: what the counter said more than was told, as of its last reading, less what was paid since. open: what power
    told since that reading. step: by how much the counter grew when it last did, inf before its first reading.
    slack: of the debt, what is but the rounding of its register. grew, steady: whether it had grown when it was last
    read, and the time before as well, each time by many of its steps: such a counter says all of each interval, and is
    paid at once.
    """

    debt: float = 0.0
    open: float = 0.0
    step: float = inf
    slack: float = 0.0
    grew: bool = False
    steady: bool = False

    @property
    def counts(self) -> bool:
        """Whether there is a counter, which has been read."""
        return isfinite(self.step)

    @property
    def outstanding(self) -> float:
        """What the counter has said less all that was told."""
        return self.debt - self.open

    def advance(
        self, flowed: float, most: float, amount: Amount | None, share: float = 1.0, slack: float = 0.0
    ) -> tuple[CounterDirection, float, float]:
        """An interval's end: what power told of it (NaN: nothing), what can have flowed at most (0: it is none), what
        the counter said, and the share of a debt that the interval pays. The lane after it, the interval's energy, and
        what belongs to the gap before it."""
        energy = flowed if isfinite(flowed) else 0.0
        if self.counts:  # else there is no counter to correct what is cut off here
            energy = min(energy, most)
        lane, late = self._replace(open=self.open + energy), 0.0
        if amount is not None:
            lane, late = lane._read(amount, slack)
        if most <= 0.0 or (amount is None and not isfinite(flowed)):
            return lane, nan, late
        paid = (1.0 if lane.steady else share) * lane._payment(energy, most)
        return lane._replace(debt=lane.debt - paid), energy + paid, late

    def _read(self, amount: Amount, slack: float) -> tuple[CounterDirection, float]:
        debt, late = self.debt + amount.energy - self.open, 0.0
        step, grew = self.step if self.counts else 0.0, amount.energy > 0.0
        if amount.bridged:
            late = max(0.0, debt)
            debt = 0.0 if amount.broken else min(0.0, debt)
        elif grew:
            step = amount.energy
        steady = slack > 0.0 and grew and self.grew and amount.energy >= FINE * amount.resolution
        if steady:
            step = 0.0
        return CounterDirection(debt, 0.0, max(step, amount.resolution), slack * amount.resolution, grew, steady), late

    def _payment(self, energy: float, most: float) -> float:
        """What is added to an interval's energy, or taken from it.

        A counter shows whole steps, and power knows what it does not show yet: to be ahead by a step is no debt.
        """
        if self.debt > 0.0:
            return min(max(0.0, self.debt - self.slack), most - energy)
        return -min(energy, max(0.0, -self.debt - self.step))


CLEAR = CounterDirection()


@dataclass(frozen=True, slots=True)
class Channel:
    """One device's way from power and counters to energy.

    period: s between two instants. rated_power in W, inf when it is not known.
    spread: s in which a debt falls to 1/e, so that a coarse counter's step is no peak of power; 0: it is paid at once.
    slack: steps of a register that may be its rounding, and that nobody pays.
    time, power: of the last instant. gap: nothing was told of a pause, and the counters have not been read since.
    """

    period: float
    rated_power: float = inf
    spread: float = 0.0
    slack: float = 0.0
    time: int | None = None
    power: float = nan
    positive: CounterDirection = CLEAR
    negative: CounterDirection = CLEAR
    gap: bool = False

    def advance(
        self, time: int, power: float, metered: MeteredStep = NOTHING_METERED, flows: IntervalEnergy | None = None
    ) -> tuple[Channel, Energies]:
        """To the next instant: the power then (NaN: none), and what was metered since the last one.

        An interval's power is the mean of its two ends, or the end that is there, before it is split by its sign, where
        `flows` does not say better; without a counter its energy is that. Nothing is integrated across more than GAP
        periods, or backwards.
        """
        seconds = (time - self.time) / NS if self.time is not None else 0.0
        pause = seconds > GAP_INTERVALS * self.period
        gap = self.gap or pause
        if seconds <= 0.0 or pause:
            flowed, most = nan, 0.0
        else:
            ends = [one for one in (self.power, power) if isfinite(one)]
            flowed = sum(ends) / len(ends) * seconds / 3600.0 if ends else nan
            most = POWER_MARGIN * self.rated_power * seconds / 3600.0
        forth, back = (
            _amount(energy, resolution, metered.verdict, gap=gap)
            for energy, resolution in zip(metered[:2], metered.resolution, strict=True)
        )
        # max(NaN, 0) is NaN: what is not known stays so
        share = 1.0 - exp(-seconds / self.spread) if self.spread > 0.0 and seconds > 0.0 else 1.0
        forward, backward = (max(flowed, 0.0), max(-flowed, 0.0)) if flows is None or most <= 0.0 else flows
        positive, told, late = self.positive.advance(forward, most, forth, share, self.slack)
        negative, against, late_against = self.negative.advance(backward, most, back, share, self.slack)
        gap = gap and forth is None and back is None
        after = replace(self, time=time, power=power, positive=positive, negative=negative, gap=gap)
        return after, Energies(told, against, late, late_against)

    def interrupted(self) -> Channel:
        """Nothing joins the next instant to the last one; what the counters say then belongs to the gap."""
        return replace(self, time=None, power=nan, gap=True)

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it."""
        power = self.power if isfinite(self.power) else None
        return [self.time, power, self.gap, *(_dumped(lane) for lane in (self.positive, self.negative))]

    def restored(self, dumped: Any) -> Channel:
        """Continuing from what `dump` gave, by way of JSON; ValueError when it is none."""
        try:
            time, power, gap, positive, negative = dumped
            return replace(
                self,
                time=None if time is None else int(time),
                power=nan if power is None else float(power),
                gap=bool(gap),
                positive=_loaded(*positive),
                negative=_loaded(*negative),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no channel's state") from error


def _amount(energy: float, resolution: float, verdict: Verdict, *, gap: bool) -> Amount | None:
    if not isfinite(energy):
        return None
    return Amount(energy, resolution, gap or verdict in BRIDGED, verdict in BROKEN)


def _dumped(lane: CounterDirection) -> list[object]:
    return [lane.debt, lane.open, lane.step if lane.counts else None, lane.slack, lane.grew, lane.steady]


def _loaded(debt: float, open_: float, step: float | None, slack: float, *grown: bool) -> CounterDirection:
    lane = CounterDirection(
        float(debt), float(open_), inf if step is None else float(step), float(slack), *map(bool, grown)
    )
    if not isfinite(lane.outstanding):
        raise ValueError("a debt is finite")
    return lane
