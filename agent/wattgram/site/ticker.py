"""An instant is told once every device that lives has been read at it or later, at the latest when it had to be."""

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
"""Share of a tick's period after which it is computed with what there is, if every device is read within a tick."""

TICK_PATIENCE = 10.0
"""Seconds; devices that are read less often are not waited for, their last value stands until the next."""

MOST_BEHIND = 600.0
"""Seconds behind the clock after which instants are left out: the process was stopped."""


class InstantPublisher(Protocol):
    """Who tells instants."""

    def look(self) -> None:
        """Look at the clock, and give readings that waited for it their time."""
        ...

    def tick(self, time: int) -> None:
        """Balance at one instant, UTC ns."""
        ...


class Ticker:
    """Goes through the instants of the wall clock, a tick (s) apart; `arrived` tells it of each reading."""

    def __init__(
        self, tick: float, instants: Instants, clock: Clock, keeper: Timekeeper, waiting: UndatedReadings
    ) -> None:
        self.pulse = Pulse("site")
        self._tick = tick
        self._period = int(tick * NS)
        self._instants = instants
        self._channels: Sequence[Source] = instants.channels
        self._clock = clock
        self._keeper = keeper
        self._waiting = waiting
        self._from: int | None = None
        self._arrived = asyncio.Event()

    def arrived(self) -> None:
        """A device was read."""
        self._arrived.set()

    def begin(self, time: int) -> None:
        """The clock was just set, and there are readings from this time on, UTC ns."""
        self._from = time

    async def run(self, teller: InstantPublisher) -> None:
        """Let instants be told until cancelled, and then those that can be.

        Each turn looks at the clock again, and begins anew at its next instant when it was set.
        """
        time, changes = self._following(), self._keeper.changes
        try:
            while True:
                # By the monotonic clock: where the wall clock is set back the waits below are of another time.
                self.pulse.within((3.0 * self._tick + self._longest) / self._clock.speed)
                teller.look()
                now = self._clock.time()
                if self._keeper.unset or changes != self._keeper.changes or now - time >= MOST_BEHIND * NS:
                    time, changes = self._following(), self._keeper.changes
                if time - now > MS:  # a clock that is slewed comes a little early
                    await self._clock.sleep((time - now) / NS)
                elif self._complete(time) or (not self._waiting and time + self._patience() <= now):
                    teller.tick(time)
                    time += self._period
                    await asyncio.sleep(0)
                elif self._waiting:
                    await asyncio.sleep(0)
                else:
                    await self._arrival((time + self._patience() - now) / NS)
        finally:
            teller.look()
            goes_on = not self._keeper.unset and changes == self._keeper.changes
            while goes_on and 0 <= self._clock.time() - time < MOST_BEHIND * NS:
                teller.tick(time)
                time += self._period

    def _following(self) -> int:
        """The next instant of the clock, or of the readings that waited for it to be set."""
        now, begin, self._from = self._clock.time(), self._from, None
        if begin is not None:
            now = max(begin - 1, now - int(MOST_BEHIND * NS) + self._period)
        return (now // self._period + 1) * self._period

    def _complete(self, time: int) -> bool:
        now = self._clock.monotonic()
        return all(
            self._instants.reaches(one, time)
            for one in self._channels
            if one.config.interval <= self._longest and one.state(now) == "good"
        )

    @property
    def _longest(self) -> float:
        """Seconds between readings of a device that a tick may wait for."""
        return max(TICK_PATIENCE, self._tick)

    def _patience(self) -> int:
        """ns after a tick at which it is told with what there is."""
        now, tick = self._clock.monotonic(), self._tick
        waits = [
            one.config.interval + tick if one.config.interval > tick else LATEST_SHARE * tick
            for one in self._channels
            if one.config.interval <= self._longest and one.state(now) == "good"
        ]
        return int(max(waits, default=LATEST_SHARE * tick) * NS)

    async def _arrival(self, seconds: float) -> None:
        """Until a device is read, or so many seconds."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds / self._clock.speed):
                await self._arrived.wait()
