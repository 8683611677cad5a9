"""Wall time, monotonic time and sleep, at `speed` times real time."""

from __future__ import annotations

import asyncio
import time

NS = 1_000_000_000
MS = 1_000_000


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
