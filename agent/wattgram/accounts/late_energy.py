"""Energy that belongs to totals and to no quarter of an hour: what counters said of a gap (METHOD 4.5).

While the incomer is missing there is no balance, so what the other channels counted waits for what it will say.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

LEAST = 2.0
"""Seconds of a row without time of its own: enough that a day which has it stands for its quarters in a ledger."""


class LateEnergy:
    """Sums over a site's channels until an hour ends; Wh in the role's direction and against it, g of fuel.

    incomers: places of the grid's channels. `seconds`: without a balance, to which what waits belongs.
    """

    def __init__(self, channels: int, incomers: Sequence[int]) -> None:
        self._incomers = tuple(incomers)
        self.seconds = 0.0
        self._late = [0.0] * (2 * channels)
        self._waiting = [0.0] * (2 * channels)
        self._late_carbon = [0.0] * channels
        self._waiting_carbon = [0.0] * channels

    def late(self, channel: int, positive: float, negative: float, carbon: float = 0.0) -> None:
        """What a channel's counters said of a gap."""
        self._late[2 * channel] += positive
        self._late[2 * channel + 1] += negative
        self._late_carbon[channel] += carbon

    def wait(self, seconds: float, energies: Sequence[float], carbon: Sequence[float] = ()) -> None:
        """An interval without a balance: Wh of each channel both ways and g of each (NaN: not known)."""
        self.seconds += seconds
        for index, energy in enumerate(energies):
            self._waiting[index] += energy if isfinite(energy) else 0.0
        for index, mass in enumerate(carbon):
            self._waiting_carbon[index] += mass if isfinite(mass) else 0.0

    @property
    def due(self) -> bool:
        """Whether there is anything that can be booked."""
        return any(self._late) or any(self._late_carbon)

    def take(self, share: float = 1.0) -> tuple[float, list[float], list[float]]:
        """A share of what is due: seconds, Wh two a channel, g a channel; the rest is left.

        What waits goes with the incomer's late energy, and not before.
        """
        heard = any(self._late[2 * one] or self._late[2 * one + 1] for one in self._incomers)
        seconds = share * self.seconds if heard else 0.0
        energies = [share * one for one in self._late]
        carbon = [share * one for one in self._late_carbon]
        self._late = _less(self._late, energies)
        self._late_carbon = _less(self._late_carbon, carbon)
        if heard:
            waiting, burnt = [share * one for one in self._waiting], [share * one for one in self._waiting_carbon]
            self.seconds -= seconds
            self._waiting = _less(self._waiting, waiting)
            self._waiting_carbon = _less(self._waiting_carbon, burnt)
            energies = [one + other for one, other in zip(energies, waiting, strict=True)]
            carbon = [one + other for one, other in zip(carbon, burnt, strict=True)]
        return max(LEAST, seconds), energies, carbon

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it."""
        return [self.seconds, self._late, self._waiting, self._late_carbon, self._waiting_carbon]

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError when it is none, or another site's."""
        try:
            seconds, *sums = dumped
            found = [[float(one) for one in each] for each in sums]
            span = float(seconds)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which is no arrears' state") from error
        now = [self._late, self._waiting, self._late_carbon, self._waiting_carbon]
        fits = [len(one) for one in found] == [len(one) for one in now]
        if not (fits and isfinite(span) and all(isfinite(one) for each in found for one in each)):
            raise ValueError(f"found {dumped!r}, which is no state of this site's arrears")
        self.seconds = span
        self._late, self._waiting, self._late_carbon, self._waiting_carbon = found


def _less(whole: list[float], part: list[float]) -> list[float]:
    return [one - other for one, other in zip(whole, part, strict=True)]
