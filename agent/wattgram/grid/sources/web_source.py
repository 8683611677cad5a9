"""A source that is asked over HTTP, again and again: one task, one back-off."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wattgram.base.clock import Clock
from wattgram.base.errors import FeedError, FeedRefused
from wattgram.base.untrusted import document
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal

from .fetch import FETCH_TIMEOUT, get

WEB_FIRST_WAIT = 30.0
WEB_LONGEST_WAIT = 3600.0

REFUSED_WAIT = 21600.0
"""Seconds until one is asked again that refuses as long as the configuration is as it is."""


class WebService(Protocol):
    """What is asked of one kind of source, and how its answers read."""

    @property
    def url(self) -> str:
        """The whole address."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with the request; may hold a secret."""

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """What a JSON document says; ValueError when it is not of the expected shape."""


class WebSource:
    """Asks every `interval` s, a little earlier or later than all others, and less often while it fails."""

    def __init__(
        self,
        feed: Feed,
        shape: WebService,
        clock: Clock,
        chance: random.Random,
        interval: float,
        ca: Path | None = None,
    ) -> None:
        self.feed = feed
        self.pulse = Pulse(f"grid {feed.name}", vital=False)
        self._shape = shape
        self._clock = clock
        self._chance = chance
        self._interval = interval
        self._ca = ca
        self._wait = WEB_FIRST_WAIT

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            self.pulse.within(2.0 * FETCH_TIMEOUT)
            pause = await self.ask()
            await self.pulse.sleep(self._clock, pause)

    async def ask(self) -> float:
        """Ask once; seconds until the next time."""
        arrived = self._clock.time()
        spread = self._chance.uniform(0.75, 1.25)
        try:
            body = await get(self._shape.url, self._shape.headers, arrived, self._ca)
            self.feed.put(self._shape.signals(document(body), arrived))
        except FeedRefused as error:
            self.feed.failed(f"{error}; it needs another configuration")
            return REFUSED_WAIT * spread
        except FeedError as error:
            self.feed.failed(str(error))
            if error.retry_after is not None:
                return max(WEB_FIRST_WAIT, error.retry_after) * self._chance.uniform(1.0, 1.25)
        except ValueError as error:
            self.feed.failed(f"unusable answer: {error}")
        except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever it sent
            self.feed.failed(f"internal error, {type(error).__name__}", error)
        else:
            self._wait = WEB_FIRST_WAIT
            return self._interval * self._chance.uniform(0.9, 1.1)
        self._wait, pause = min(WEB_LONGEST_WAIT, 2.0 * self._wait), self._wait
        return pause * spread
