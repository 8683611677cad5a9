"""Trust in counters: a counter corrects the integrated power only after it has moved, and as long as it moves.

A counter that stands still while power flows is broken, not connected, or a register with another meaning. With its
value, the energy would be 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .metering import MeteredStep
from .reconcile import CLEAR, INCOMPLETE, NOTHING_METERED, Channel, CounterDirection, Energies, IntervalEnergy

STILL_STEPS = 3.0
"""Steps of a counter that may flow by power before a counter that stands still loses its trust."""


class Trust(NamedTuple):
    """Trust in one direction's counter.

    step: Wh of its last increase, 0 before the first and without trust. still: Wh by power since then. stood: not 0
    after readings of a counter that stood still while power flowed.
    """

    step: float = 0.0
    still: float = 0.0
    stood: float = 0.0


UNTRUSTED = Trust()


@dataclass(frozen=True, slots=True)
class CorrectedChannel:
    """Channel whose counters are used only while they are trusted, each direction by itself."""

    channel: Channel
    positive: Trust = UNTRUSTED
    negative: Trust = UNTRUSTED

    def advance(
        self, time: int, power: float, metered: MeteredStep = NOTHING_METERED, flows: IntervalEnergy | None = None
    ) -> tuple[CorrectedChannel, Energies]:
        """Take a step as `Channel.advance`, without the counters that are not trusted."""
        channel = self.channel
        gap = channel.belongs_to_gap(time, metered.verdict) and metered.verdict not in INCOMPLETE
        trust_forward, forward, restarted_forward = _trusted_amount(
            self.positive, metered.positive, metered.resolution[0], gap=gap
        )
        trust_backward, backward, restarted_backward = _trusted_amount(
            self.negative, metered.negative, metered.resolution[1], gap=gap
        )
        flowed = _integrated(channel, time, power)
        trusted = metered._replace(positive=forward, negative=backward)
        channel, energies = channel.advance(time, power, trusted, flows)
        channel = replace(
            channel,
            positive=channel.positive if restarted_forward is None else restarted_forward,
            negative=channel.negative if restarted_backward is None else restarted_backward,
            # the first step of a counter began before its first reading, so it tells no gap
            gap=channel.gap and restarted_forward is None and restarted_backward is None,
        )
        return CorrectedChannel(
            channel, _add_still_energy(trust_forward, flowed), _add_still_energy(trust_backward, -flowed)
        ), energies

    def interrupted(self) -> CorrectedChannel:
        """Return the channel as `Channel.interrupted` does."""
        return replace(self, channel=self.channel.interrupted())

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [self.channel.dump(), list(self.positive), list(self.negative)]

    def restored(self, dumped: Any) -> CorrectedChannel:
        """Return a copy with the state from `dump` (after JSON); ValueError if the state is invalid."""
        try:
            channel, positive, negative = dumped
            return CorrectedChannel(
                self.channel.restored(channel),
                Trust(*map(float, positive)),
                Trust(*map(float, negative)),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected a channel's state") from error


def _trusted_amount(
    trust: Trust, amount: float, resolution: float, *, gap: bool
) -> tuple[Trust, float, CounterDirection | None]:
    """Return the trust after a reading, the amount to use, and the new state of a direction that restarts.

    The amount is NaN if there is none to use. A part of a step is no smaller step. gap: the amount is that of a gap. A
    counter that never moved, and had nothing to count when it was read, tells a gap: by its first movement, or by
    standing still.
    """
    step = max(amount, resolution)
    if not isfinite(amount):
        return trust, nan, None
    if gap and not trust.step and not trust.stood:
        return Trust(step if amount > 0.0 else 0.0), amount, None
    if amount > 0.0 and not trust.step:
        # The first step began before the first reading.
        return Trust(step), nan, CounterDirection(step=step)
    if amount > 0.0:
        return Trust(step), amount, None
    if trust.still > STILL_STEPS * trust.step:
        stood = trust.stood or float(trust.still > STILL_STEPS * max(trust.step, resolution))
        return Trust(0.0, trust.still, stood), nan, CLEAR if trust.step else None
    return trust, amount if trust.step else nan, None


def _integrated(channel: Channel, time: int, power: float) -> float:
    """Return the energy by power of the interval that ends at `time`, Wh."""
    ends = [end for end in (channel.power, power) if isfinite(end)]
    seconds = 0.0 if channel.time is None else max(0.0, min((time - channel.time) / NS, channel.period))
    return sum(ends) / len(ends) * seconds / 3600.0 if ends else 0.0


def _add_still_energy(trust: Trust, flowed: float) -> Trust:
    return trust._replace(still=trust.still + max(0.0, flowed))
