"""Energy of an interval: integrated power, corrected by counters.

Power gives the time of the energy, a counter the amount. The power is therefore integrated, and the difference to the
counter is a deficit that this interval and the following ones correct: causal, without delay. W, Wh, UTC ns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .counter import GAP_INTERVALS, POWER_MARGIN, Verdict
from .metering import MeteredStep

INCOMPLETE = ("reset", "exchange")
"""Verdicts after which a counter does not contain all the energy; the integrated power stands."""

BRIDGED = ("estimated", *INCOMPLETE)
"""Verdicts of amounts whose time is unknown."""

FINE_STEPS = 50.0
"""Steps in an interval above which a counter resolves the interval, to 2 %."""

NOTHING_METERED = MeteredStep()


class IntervalEnergy(NamedTuple):
    """Wh of an interval in the role's direction and against it, integrated from more readings than its two ends."""

    positive: float
    negative: float


class Energies(NamedTuple):
    """Energy of an interval in the role's direction and against it, Wh; NaN if unknown.

    `late_*`: energy that a counter reported after a gap; it belongs to the gap (METHOD-SITE 9.3). told: whether each
    counter reported all energy of a gap now.
    """

    positive: float
    negative: float
    late_positive: float = 0.0
    late_negative: float = 0.0
    told: tuple[bool, bool] = (False, False)


class Amount(NamedTuple):
    """Amount that a counter reported since its last reading, and its resolution, Wh.

    bridged: the amount belongs to a gap. incomplete: the counter does not contain all the energy.
    """

    energy: float
    resolution: float
    bridged: bool = False
    incomplete: bool = False


class CounterDirection(NamedTuple):
    """One direction of a channel.

    deficit: Wh by which the counter exceeded the published energy at its last reading, less later corrections. open: Wh
    by power since that reading. step: Wh of the counter's last increase, inf before its first reading. rounding: Wh of
    the deficit that is only the rounding of the register. grew, steady: whether the counter rose at its last reading,
    and also at the reading before, each time by many of its steps. A steady counter contains all the energy of each
    interval, and is corrected at once.
    """

    deficit: float = 0.0
    open: float = 0.0
    step: float = inf
    rounding: float = 0.0
    grew: bool = False
    steady: bool = False

    @property
    def counts(self) -> bool:
        """Whether there is a counter that was read."""
        return isfinite(self.step)

    @property
    def outstanding(self) -> float:
        """Wh of the counter less all published Wh."""
        return self.deficit - self.open

    def advance(
        self, flowed: float, max_energy: float, amount: Amount | None, share: float = 1.0, rounding: float = 0.0
    ) -> tuple[CounterDirection, float, float]:
        """End an interval; return the next direction, the interval's energy and the late energy, Wh.

        flowed: Wh by power, NaN if unknown; the power has passed its bounds, so its energy stands. max_energy: Wh up to
        which a counter raises the energy, 0 without an interval. amount: of the counter. share: part of a deficit that
        the interval corrects. rounding: steps of the register that may be its rounding.
        """
        energy = flowed if isfinite(flowed) else 0.0
        # A counter that is read less often than each interval is not steady: its amount is that of a longer time.
        direction, late = self._replace(open=self.open + energy, grew=self.grew and amount is not None), 0.0
        if amount is not None:
            direction, late = direction._read(amount, rounding)
        if max_energy <= 0.0 or (amount is None and not isfinite(flowed)):
            return direction, nan, late
        correction = direction._correction(energy, max_energy, 1.0 if direction.steady else share)
        return direction._replace(deficit=direction.deficit - correction), energy + correction, late

    def _read(self, amount: Amount, rounding: float) -> tuple[CounterDirection, float]:
        deficit, late = self.deficit + amount.energy - self.open, 0.0
        step, grew = self.step if self.counts else 0.0, amount.energy > 0.0
        if amount.bridged:
            late = max(0.0, deficit)
            deficit = 0.0 if amount.incomplete else min(0.0, deficit)
        elif grew:
            step = amount.energy
        steady = rounding > 0.0 and grew and self.grew and amount.energy >= FINE_STEPS * amount.resolution
        if steady:
            step = 0.0
        return CounterDirection(
            deficit, 0.0, max(step, amount.resolution), rounding * amount.resolution, grew, steady
        ), late

    def _correction(self, energy: float, max_energy: float, share: float) -> float:
        """Return the Wh added to an interval's energy, or taken from it: a share of the deficit.

        A counter shows whole steps, and the power includes energy that the counter does not show yet. Published energy
        up to one step ahead of the counter is therefore not corrected.
        """
        if self.deficit > 0.0:
            return min(share * max(0.0, self.deficit - self.rounding), max(0.0, max_energy - energy))
        return -min(energy, share * max(0.0, -self.deficit - self.step))


CLEAR = CounterDirection()


@dataclass(frozen=True, slots=True)
class Channel:
    """Energy of one device from its power and its counters.

    period: time between two instants, s. rated_power: W, inf if unknown. decay: time in which a deficit falls to 1/e,
    s, so that the step of a coarse counter is no peak of power; 0: at once. rounding: steps of a register that may be
    its rounding and are not corrected. time, power: of the last instant. gap: the energy of a time is unknown, and the
    counters were not read since. refresh: period in which the device copies its counter registers, s. A deficit of such
    a period is that of its whole energy, and is corrected as slowly.
    """

    period: float
    rated_power: float = inf
    decay: float = 0.0
    rounding: float = 0.0
    time: int | None = None
    power: float = nan
    positive: CounterDirection = CLEAR
    negative: CounterDirection = CLEAR
    gap: bool = False
    refresh: float = 0.0

    def advance(
        self, time: int, power: float, metered: MeteredStep = NOTHING_METERED, flows: IntervalEnergy | None = None
    ) -> tuple[Channel, Energies]:
        """Take the step to the next instant: the power then (NaN: none), and the amount metered since the last instant.

        The power of an interval is the mean of its two ends, or the known end, before it is split by its sign; `flows`
        replaces it if there are more readings. Without a counter, the energy is the integral of this power. Nothing is
        integrated across more than `GAP_INTERVALS` periods, or backwards.
        """
        seconds = (time - self.time) / NS if self.time is not None else 0.0
        pause = self._pauses(seconds)
        gap = self.gap or pause
        if seconds <= 0.0 or pause:
            flowed, max_energy = nan, 0.0
        else:
            ends = [end for end in (self.power, power) if isfinite(end)]
            flowed = sum(ends) / len(ends) * seconds / 3600.0 if ends else nan
            max_energy = POWER_MARGIN * self.rated_power * seconds / 3600.0
        amount_forward, amount_backward = (
            _amount(energy, resolution, metered.verdict, gap=gap)
            for energy, resolution in zip(metered[:2], metered.resolution, strict=True)
        )
        refresh = metered.refresh if any(metered.resolution) else self.refresh
        decay = max(self.decay, refresh)
        share = 1.0 - exp(-seconds / decay) if self.decay > 0.0 and seconds > 0.0 else 1.0
        # max(NaN, 0) is NaN: unknown stays unknown
        forward, backward = (max(flowed, 0.0), max(-flowed, 0.0)) if flows is None or max_energy <= 0.0 else flows
        positive, energy_forward, late = self.positive.advance(
            forward, max_energy, amount_forward, share, self.rounding
        )
        negative, energy_backward, late_against = self.negative.advance(
            backward, max_energy, amount_backward, share, self.rounding
        )
        silent = amount_forward is None and amount_backward is None
        counts = self.positive.counts or self.negative.counts
        unknown = silent and counts and flows is None and seconds > 0.0 and not isfinite(flowed)
        after = replace(
            self,
            time=time,
            power=power,
            positive=positive,
            negative=negative,
            gap=(gap and silent) or unknown,
            refresh=refresh,
        )
        told = (_tells(amount_forward), _tells(amount_backward))
        return after, Energies(energy_forward, energy_backward, late, late_against, told)

    def belongs_to_gap(self, time: int, verdict: Verdict) -> bool:
        """Return whether an amount with this verdict, metered until the next instant, belongs to a gap."""
        seconds = (time - self.time) / NS if self.time is not None else 0.0
        return self.gap or self._pauses(seconds) or verdict in BRIDGED

    def _pauses(self, seconds: float) -> bool:
        return seconds > GAP_INTERVALS * self.period

    def interrupted(self) -> Channel:
        """Return the channel with a gap before the next instant; later amounts of the counters belong to the gap."""
        return replace(self, time=None, power=nan, gap=True)

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        power = self.power if isfinite(self.power) else None
        directions = [_dumped(direction) for direction in (self.positive, self.negative)]
        return [self.time, power, self.gap, *directions, self.refresh]

    def restored(self, dumped: Any) -> Channel:
        """Return a copy with the state from `dump` (after JSON); ValueError if the state is invalid."""
        try:
            time, power, gap, positive, negative, *refresh = dumped
            return replace(
                self,
                time=None if time is None else int(time),
                power=nan if power is None else float(power),
                gap=bool(gap),
                positive=_loaded(*positive),
                negative=_loaded(*negative),
                refresh=float(refresh[0]) if refresh else 0.0,  # an older version did not learn
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected a channel's state") from error


def _amount(energy: float, resolution: float, verdict: Verdict, *, gap: bool) -> Amount | None:
    if not isfinite(energy):
        return None
    return Amount(energy, resolution, gap or verdict in BRIDGED, verdict in INCOMPLETE)


def _tells(amount: Amount | None) -> bool:
    return amount is not None and amount.bridged and not amount.incomplete


def _dumped(direction: CounterDirection) -> list[object]:
    return [
        direction.deficit,
        direction.open,
        direction.step if direction.counts else None,
        direction.rounding,
        direction.grew,
        direction.steady,
    ]


def _loaded(deficit: float, open_: float, step: float | None, rounding: float, *grown: bool) -> CounterDirection:
    direction = CounterDirection(
        float(deficit), float(open_), inf if step is None else float(step), float(rounding), *map(bool, grown)
    )
    if not isfinite(direction.outstanding):
        raise ValueError("expected a finite deficit")
    return direction
