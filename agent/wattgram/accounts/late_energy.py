"""Late energy: energy of a gap that counters report afterwards; it belongs to totals only (METHOD 4.5).

Without the incomer there is no balance, so the energy of the other channels waits for the incomer's late energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

MIN_SECONDS = 2.0
"""Duration of a row without time of its own, s: enough for a ledger to use the day instead of its quarters."""


class LateEnergy:
    """Sums over a site's channels until an hour ends; Wh in the role's direction and against it, g of fuel.

    incomers: indices of the grid's channels. seconds: time without a balance, to which the waiting energy belongs.
    """

    def __init__(self, channels: int, incomers: Sequence[int]) -> None:
        self._incomers = tuple(incomers)
        self.seconds = 0.0
        self._late = [0.0] * (2 * channels)
        self._waiting = [0.0] * (2 * channels)
        self._late_carbon = [0.0] * channels
        self._waiting_carbon = [0.0] * channels

    def add(self, channel: int, positive: float, negative: float, carbon: float = 0.0) -> None:
        """Add the late energy of a channel's counters."""
        self._late[2 * channel] += positive
        self._late[2 * channel + 1] += negative
        self._late_carbon[channel] += carbon

    def add_unbalanced(self, seconds: float, energies: Sequence[float], carbon: Sequence[float] = ()) -> None:
        """Add an interval without a balance: Wh of each channel in both directions and g of each (NaN: unknown)."""
        self.seconds += seconds
        for index, energy in enumerate(energies):
            self._waiting[index] += energy if isfinite(energy) else 0.0
        for index, mass in enumerate(carbon):
            self._waiting_carbon[index] += mass if isfinite(mass) else 0.0

    @property
    def due(self) -> bool:
        """Whether there is energy to book."""
        return any(self._late) or any(self._late_carbon)

    def take(self, share: float = 1.0) -> tuple[float, list[float], list[float]]:
        """Return a share of the energy to book: seconds, two Wh per channel, g per channel; the rest stays.

        Waiting energy is booked together with the incomer's late energy, and not before.
        """
        has_incomer = any(self._late[2 * index] or self._late[2 * index + 1] for index in self._incomers)
        seconds = share * self.seconds if has_incomer else 0.0
        energies = [share * value for value in self._late]
        carbon = [share * value for value in self._late_carbon]
        self._late = _difference(self._late, energies)
        self._late_carbon = _difference(self._late_carbon, carbon)
        if has_incomer:
            waiting, burnt = (
                [share * value for value in self._waiting],
                [share * value for value in self._waiting_carbon],
            )
            self.seconds -= seconds
            self._waiting = _difference(self._waiting, waiting)
            self._waiting_carbon = _difference(self._waiting_carbon, burnt)
            energies = [value + waiting_value for value, waiting_value in zip(energies, waiting, strict=True)]
            carbon = [value + waiting_value for value, waiting_value in zip(carbon, burnt, strict=True)]
        return max(MIN_SECONDS, seconds), energies, carbon

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [self.seconds, self._late, self._waiting, self._late_carbon, self._waiting_carbon]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid or of another site."""
        try:
            seconds, *sums = dumped
            restored = [[float(value) for value in values] for values in sums]
            span = float(seconds)
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the late energy of a site") from error
        present = [self._late, self._waiting, self._late_carbon, self._waiting_carbon]
        same_sizes = [len(values) for values in restored] == [len(values) for values in present]
        if not (same_sizes and isfinite(span) and all(isfinite(value) for values in restored for value in values)):
            raise ValueError(f"found {dumped!r}, expected the late energy of this site's channels")
        self.seconds = span
        self._late, self._waiting, self._late_carbon, self._waiting_carbon = restored


def _difference(whole: list[float], part: list[float]) -> list[float]:
    return [minuend - subtrahend for minuend, subtrahend in zip(whole, part, strict=True)]
