"""Wall time, monotonic time and sleep, at `speed` times real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

NS = 1_000_000_000
MS = 1_000_000

CLOSE = 0.5e-3
"""Two readings of the monotonic clock that count as one instant, real s. Three calls take some microseconds."""

CLOCK_ATTEMPTS = 10
"""Attempts to read two clocks at one instant."""

T = TypeVar("T")


class Clock:
    """The system's clock, or a clock that starts at `start` (UTC ns) and runs `speed` times as fast.

    All durations are seconds of this clock.
    """

    def __init__(self, start: int | None = None, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin = time.monotonic()
        self._start = start

    def time(self) -> int:
        """Return UTC, ns."""
        if self._start is None:
            return time.time_ns()
        return self._start + int(self.monotonic() * NS)

    def monotonic(self) -> float:
        """Return the seconds since the construction of this clock; never set back."""
        return (time.monotonic() - self._origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds of this clock."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)


def at_one_instant(read: Callable[[], T], clock: Clock) -> tuple[T, float]:
    """Return what `read` returns, the reading of another clock, and the monotonic time of the same instant, s.

    A busy machine may stop a process for milliseconds between two calls, and the sum of one clock and the difference
    of two would then be wrong by this time. So the other clock is read between two readings of the monotonic clock
    until these are CLOSE, and the closest of CLOCK_ATTEMPTS pairs counts. The error is at most half of the distance.
    """
    closest, found = float("inf"), None
    for _ in range(CLOCK_ATTEMPTS):
        before = clock.monotonic()
        value = read()
        after = clock.monotonic()
        if found is None or after - before < closest:
            closest, found = after - before, (value, (before + after) / 2)
        if closest <= CLOSE * clock.speed:
            break
    assert found is not None  # there is at least one attempt
    return found
