"""Time as an argument: wall time, monotonic time and sleep, at `speed` times real time."""

from __future__ import annotations

import asyncio
import time

NS = 1_000_000_000
MS = 1_000_000


class Clock:
    """The system's clock, or one that starts at `start` (UTC ns) and runs `speed` times as fast.

    Every duration that goes in or comes out is in this clock's seconds.
    """

    def __init__(self, start: int | None = None, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin = time.monotonic()
        self._start = start

    def time(self) -> int:
        """UTC in ns."""
        if self._start is None:
            return time.time_ns()
        return self._start + int(self.monotonic() * NS)

    def monotonic(self) -> float:
        """Seconds since this clock was made; never set back."""
        return (time.monotonic() - self._origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)
