"""The largest power that a device has held for more than ten minutes: a bound below it is void (METHOD-SITE 10)."""

from __future__ import annotations

from collections import deque
from math import inf, isnan

MINUTES = 11
"""Whole minutes in which the power stayed above a value, so that it held for more than ten."""

MINUTE = 60.0

PAUSE_READINGS = 3.0
"""Intervals without a reading after which the minutes begin again."""


class SustainedPower:
    """Running minimum of |power| over MINUTES, and its maximum. interval: time between two readings, s."""

    def __init__(self, interval: float) -> None:
        self.largest = 0.0  # W
        self._pause = max(2 * MINUTE, PAUSE_READINGS * interval)
        self._minutes: deque[float] = deque(maxlen=MINUTES)
        self._minute = -1
        self._last = -inf
        self._low = inf

    def take(self, power: float, monotonic: float) -> bool:
        """Take an accepted power, W, NaN for none; return whether the largest has changed."""
        minute = int(monotonic // MINUTE)
        passed, self._minute = minute - self._minute, minute
        if isnan(power) or monotonic - self._last > self._pause or passed < 0:
            self._minutes.clear()
            self._low, self._last = inf, monotonic
            if isnan(power):
                return False
            passed = 0
        self._last = monotonic
        before, self._low = self._low, min(self._low, abs(power)) if not passed else abs(power)
        if not passed:
            return False
        self._minutes.extend([min(before, abs(power))] * min(passed, MINUTES))
        if len(self._minutes) < MINUTES or (held := min(self._minutes)) <= self.largest:
            return False
        self.largest = held
        return True
