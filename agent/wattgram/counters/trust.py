"""Which counters correct the integrated power: those that have been seen to move, as long as they do.

A counter that stands still while power flows is broken, or not connected, or a register that means something else.
Taken at its word it would make the power vanish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

from .metering import MeteredStep
from .reconcile import CLEAR, NOTHING_METERED, Channel, CounterDirection, Energies, IntervalEnergy

STILL = 3.0
"""Steps of a counter that power may tell without that it moves."""


class Trust(NamedTuple):
    """One direction's counter. step: by how much it grew when it last did, 0 before. still: Wh told since then."""

    step: float = 0.0
    still: float = 0.0


NONE = Trust()


@dataclass(frozen=True, slots=True)
class CorrectedChannel:
    """A channel whose counters must earn their trust, one direction each."""

    channel: Channel
    positive: Trust = NONE
    negative: Trust = NONE

    def advance(
        self, time: int, power: float, metered: MeteredStep = NOTHING_METERED, flows: IntervalEnergy | None = None
    ) -> tuple[CorrectedChannel, Energies]:
        """As `Channel.advance`, without what is not trusted yet or any more."""
        forth, heard, begin = _heard(self.positive, metered.positive, metered.resolution[0])
        back, heard_back, begin_back = _heard(self.negative, metered.negative, metered.resolution[1])
        channel = self.channel
        flowed = _integrated(channel, time, power)
        heard_both = metered._replace(positive=heard, negative=heard_back)
        channel, told = channel.advance(time, power, heard_both, flows)
        channel = replace(
            channel,
            positive=channel.positive if begin is None else begin,
            negative=channel.negative if begin_back is None else begin_back,
        )
        return CorrectedChannel(channel, _told(forth, flowed), _told(back, -flowed)), told

    def interrupted(self) -> CorrectedChannel:
        """As `Channel.interrupted`."""
        return replace(self, channel=self.channel.interrupted())

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it."""
        return [self.channel.dump(), list(self.positive), list(self.negative)]

    def restored(self, dumped: Any) -> CorrectedChannel:
        """Continuing from what `dump` gave, by way of JSON; ValueError when it is none."""
        try:
            channel, positive, negative = dumped
            return CorrectedChannel(
                self.channel.restored(channel),
                Trust(*(float(one) for one in positive)),
                Trust(*(float(one) for one in negative)),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no channel's state") from error


def _heard(trust: Trust, amount: float, resolution: float) -> tuple[Trust, float, CounterDirection | None]:
    """The trust after a reading, what is heard of it (NaN: nothing), and how its lane begins anew, if it does.

    A part of a step is no smaller step.
    """
    step = max(amount, resolution)
    if not isfinite(amount):
        return trust, nan, None
    if amount > 0.0 and not trust.step:
        # The first step that is seen began before anybody looked.
        return Trust(step), nan, CounterDirection(step=step)
    if amount > 0.0:
        return Trust(step), amount, None
    if trust.still > STILL * trust.step:
        return NONE, nan, CLEAR
    return trust, amount if trust.step else nan, None


def _integrated(channel: Channel, time: int, power: float) -> float:
    """Wh that power alone tells of the interval that ends at `time`."""
    ends = [one for one in (channel.power, power) if isfinite(one)]
    seconds = 0.0 if channel.time is None else max(0.0, min((time - channel.time) / NS, channel.period))
    return sum(ends) / len(ends) * seconds / 3600.0 if ends else 0.0


def _told(trust: Trust, flowed: float) -> Trust:
    return trust._replace(still=trust.still + max(0.0, flowed))
