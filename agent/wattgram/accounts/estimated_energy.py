"""Estimated energy of the running windows: energy of gaps that counters reported afterwards (METHOD-SITE 9.3, 11)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from wattgram.base.record import WINDOWS

WINDOW_FIELDS = ("estimated_energy",)
"""Numbers of a window, between those of the accounts and `books.EXTRA_FIELDS`."""

OUTSIDE_BALANCE = ("load", "ev")
"""Roles of sub-meters, whose energy is a part of the load."""


class EstimatedEnergy:
    """Sums of the running windows, Wh. counted: of each channel, whether it is in the balance."""

    def __init__(self, counted: Sequence[bool]) -> None:
        self._counted = tuple(counts for counts in counted for _ in range(2))
        self._sums = dict.fromkeys(WINDOWS, 0.0)

    def add(self, row: bytes, offset: int, windows: Iterable[str]) -> None:
        """Add a row of late energy to some windows: Wh of the channels in both directions from an offset on, bytes."""
        energies = struct.unpack_from(f"{len(self._counted)}d", row, offset)
        pairs = zip(energies, self._counted, strict=True)
        energy = sum(abs(number) for number, counts in pairs if counts and isfinite(number))
        for window in windows:
            self._sums[window] += energy

    def of(self, window: str) -> float:
        """Return the estimated energy of a window."""
        return self._sums[window]

    def reset(self, window: str) -> None:
        """Start a window with nothing in it."""
        self._sums[window] = 0.0

    def dump(self) -> list[float]:
        """Return the state for a restart, JSON-compatible."""
        return [self._sums[window] for window in WINDOWS]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; None is the state of an older version. ValueError if the state is invalid."""
        try:
            sums = [0.0] * len(WINDOWS) if dumped is None else [float(energy) for energy in dumped]
            self._sums = dict(zip(WINDOWS, sums, strict=True))
        except TypeError as error:
            raise ValueError(f"found {dumped!r}, expected the estimated energy of the windows") from error
