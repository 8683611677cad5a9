"""How much of its time a bus is in use, measured."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from wattgram.base.clock import Clock

MEMORY = 60.0
"""Real seconds over which the share is taken."""

SAMPLE_SECONDS = 5.0
"""Real seconds between two samples at least."""


class BusCounters(Protocol):
    """A bus as its own witness."""

    @property
    def busy(self) -> float:
        """Real seconds that requests have used it."""


class Usage:
    """The share of the last minute in which requests used a bus; `note` is called whenever something happens."""

    def __init__(self, bus: BusCounters, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._samples = deque([self._sample()])

    def note(self) -> None:
        """Take a sample when it is time for one, and forget those that are too old."""
        now, busy = self._sample()
        if now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, busy))
        while len(self._samples) > 1 and self._samples[1][0] <= now - MEMORY:
            self._samples.popleft()

    @property
    def share(self) -> float:
        """0 to 1."""
        self.note()
        now, busy = self._sample()
        since, before = self._samples[0]
        return min(1.0, (busy - before) / (now - since)) if now > since else 0.0

    def _sample(self) -> tuple[float, float]:
        return self._clock.monotonic() / self._clock.speed, self._bus.busy
