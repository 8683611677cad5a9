"""One correction of the past on the flows of a channel: factor, reversed direction, unknown (METHOD-SITE 14).

The power at an instant belongs to the interval that ends there. An energy of an interval that is corrected in part is
shared by time. Pure functions; W, Wh, UTC ns.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import NamedTuple

from wattgram.config.correction_table import FACTOR, INVERT, VOID, CorrectionConfig

from .late_energy import Span


class CorrectionShare(NamedTuple):
    """Part of an interval that a correction changes.

    power: whether the power at the end is corrected. energy: corrected share of the time, 0-1.
    """

    correction: CorrectionConfig
    power: bool
    energy: float

    def of_power(self, power: float) -> float:
        """Return the corrected power of a channel."""
        if not self.power:
            return power
        return {FACTOR: self.correction.factor * power, INVERT: -power, VOID: nan}[self.correction.effect]

    def of_net(self, energy: float) -> float:
        """Return the corrected energy of a channel, + in the role's direction."""
        share, effect = self.energy, self.correction.effect
        if not share:
            return energy
        if effect == VOID:
            return nan
        return energy * (1.0 + share * ((self.correction.factor if effect == FACTOR else -1.0) - 1.0))

    def of_energies(self, positive: float, negative: float) -> tuple[float, float]:
        """Return the corrected energies in the role's direction and against it; NaN follows from the power alone."""
        share, effect = self.energy, self.correction.effect
        if not share:
            return positive, negative
        if effect == VOID:
            return nan, nan
        if effect == FACTOR:
            scale = 1.0 + share * (self.correction.factor - 1.0)
            return positive * scale, negative * scale
        if share == 1.0:
            return negative, positive
        return (1.0 - share) * positive + share * negative, (1.0 - share) * negative + share * positive


def share_of_interval(correction: CorrectionConfig, time: int, length: int, tick: int) -> CorrectionShare | None:
    """Return what a correction changes of the interval of `length` ns that ends at `time`; None for nothing.

    A void begins with the last instant before it: else the power of that instant alone would give the energy of the
    interval after it.
    """
    energy = correction.overlap(time - length, time) / length if length else 0.0
    power = correction.since < time <= correction.until
    if correction.effect == VOID:
        first = correction.since - tick < time
        power = first and (time - length < correction.until if length else time <= correction.until)
    return CorrectionShare(correction, power, energy) if power or energy else None


def share_of_spans(correction: CorrectionConfig, spans: Sequence[Span]) -> float:
    """Return the corrected share of the time of late energy, 0-1."""
    whole = sum(span.end - span.begin for span in spans)
    return sum(correction.overlap(*span) for span in spans) / whole if whole else 0.0


def interval_energies(
    positive: float, negative: float, before: float, power: float, hours: float
) -> tuple[float, float]:
    """Return the energies of an interval; what is NaN follows from the mean of the powers at its ends."""
    if hours <= 0.0:
        return nan, nan
    ends = [end for end in (before, power) if isfinite(end)]
    mean = sum(ends) / len(ends) * hours if ends else nan
    # max(NaN, 0) is NaN: unknown stays unknown
    return (
        positive if isfinite(positive) else max(mean, 0.0),
        negative if isfinite(negative) else max(-mean, 0.0),
    )
