"""Measured usage of a bus: the share of time in which requests occupy it."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from wattgram.base.clock import Clock

USAGE_WINDOW = 60.0
"""Length of the window over which the share is computed, real s."""

SAMPLE_SECONDS = 5.0
"""Shortest time between two samples, real s."""


class BusCounters(Protocol):
    """A bus that counts its busy time."""

    @property
    def busy(self) -> float:
        """Total time that requests have occupied the bus, real s."""


class Usage:
    """Share of the last minute in which requests occupied a bus. The poller calls `update` once a turn."""

    def __init__(self, bus: BusCounters, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._samples = deque([self._sample()])

    def update(self) -> None:
        """Take a sample when SAMPLE_SECONDS have passed, and drop samples older than the window."""
        now, busy = self._sample()
        if now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, busy))
        while len(self._samples) > 1 and self._samples[1][0] <= now - USAGE_WINDOW:
            self._samples.popleft()

    @property
    def share(self) -> float:
        """Busy time / elapsed time, 0 to 1."""
        self.update()
        now, busy = self._sample()
        since, before = self._samples[0]
        return min(1.0, (busy - before) / (now - since)) if now > since else 0.0

    def _sample(self) -> tuple[float, float]:
        return self._clock.monotonic() / self._clock.speed, self._bus.busy
