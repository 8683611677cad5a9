"""Schedule of the instants: an instant waits for the readings of all good devices, for a limited time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

from wattgram.accounts.instant_rows import Instants
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import MS, NS, Clock
from wattgram.base.watchdog import Pulse
from wattgram.timekeeping.timekeeper import Timekeeper

from .undated_readings import UndatedReadings

LATEST_SHARE = 0.9
"""Share of a tick's period after which an instant is computed without missing readings.

It applies if every device is read each tick.
"""

TICK_PATIENCE = 10.0
"""Longest interval of a device that an instant waits for, s.

For a device with a longer interval, the last value holds until the next reading.
"""

MOST_BEHIND = 600.0
"""Largest delay behind the clock, s; after that instants are skipped, because the process was stopped."""


class InstantPublisher(Protocol):
    """Publisher of instants."""

    def check_clock(self) -> None:
        """Check the clock, and give waiting readings their times."""
        ...

    def tick(self, time: int) -> None:
        """Compute the balance at one instant, UTC ns."""
        ...


class Ticker:
    """Schedule of the instants of the wall clock, a tick (s) apart; `arrived` reports each reading."""

    def __init__(
        self, tick: float, instants: Instants, clock: Clock, timekeeper: Timekeeper, waiting: UndatedReadings
    ) -> None:
        self.pulse = Pulse("site")
        self._tick = tick
        self._period = int(tick * NS)
        self._instants = instants
        self._channels: Sequence[Source] = instants.channels
        self._clock = clock
        self._timekeeper = timekeeper
        self._waiting = waiting
        self._from: int | None = None
        self._arrived = asyncio.Event()

    def arrived(self) -> None:
        """Note that a device was read."""
        self._arrived.set()

    def begin(self, time: int) -> None:
        """Note that the clock was just set and that there are readings from this time on, UTC ns."""
        self._from = time

    async def run(self, publisher: InstantPublisher) -> None:
        """Publish instants until cancelled, then the instants that are due.

        Each turn checks the clock again, and starts at its next instant if the clock was set.
        """
        time, changes = self._following(), self._timekeeper.changes
        try:
            while True:
                # On the monotonic clock, because the waits below are wrong if the wall clock is set back.
                self.pulse.within((3.0 * self._tick + self._longest) / self._clock.speed)
                publisher.check_clock()
                now = self._clock.time()
                if self._timekeeper.unset or changes != self._timekeeper.changes or now - time >= MOST_BEHIND * NS:
                    time, changes = self._following(), self._timekeeper.changes
                if time - now > MS:  # a slewed clock may be a little early
                    await self._clock.sleep((time - now) / NS)
                elif self._complete(time) or (not self._waiting and time + self._patience() <= now):
                    publisher.tick(time)
                    time += self._period
                    await asyncio.sleep(0)
                elif self._waiting:
                    await asyncio.sleep(0)
                else:
                    await self._arrival((time + self._patience() - now) / NS)
        finally:
            publisher.check_clock()
            unchanged = not self._timekeeper.unset and changes == self._timekeeper.changes
            while unchanged and 0 <= self._clock.time() - time < MOST_BEHIND * NS:
                publisher.tick(time)
                time += self._period

    def _following(self) -> int:
        """Return the next instant of the clock, or of the readings that waited for the clock."""
        now, begin, self._from = self._clock.time(), self._from, None
        if begin is not None:
            now = max(begin - 1, now - int(MOST_BEHIND * NS) + self._period)
        return (now // self._period + 1) * self._period

    def _complete(self, time: int) -> bool:
        now = self._clock.monotonic()
        return all(
            self._instants.reaches(channel, time)
            for channel in self._channels
            if channel.config.interval <= self._longest and channel.answers(now)
        )

    @property
    def _longest(self) -> float:
        """Longest interval of a device that a tick waits for, s."""
        return max(TICK_PATIENCE, self._tick)

    def _patience(self) -> int:
        """Return the time after a tick at which the tick is computed without missing readings, ns."""
        now, tick = self._clock.monotonic(), self._tick
        delays = [
            channel.config.interval + tick if channel.config.interval > tick else LATEST_SHARE * tick
            for channel in self._channels
            if channel.config.interval <= self._longest and channel.answers(now)
        ]
        return int(max(delays, default=LATEST_SHARE * tick) * NS)

    async def _arrival(self, seconds: float) -> None:
        """Wait until a device is read, at most so many seconds."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds / self._clock.speed):
                await self._arrived.wait()
