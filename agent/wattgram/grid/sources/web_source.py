"""A grid source that polls a web service over HTTP: the keys of such a source, its polling and its back-off."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wattgram.base import toml_table, units
from wattgram.base.clock import Clock
from wattgram.base.errors import FeedError, FeedRefused
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import document
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal

from .fetch import FETCH_TIMEOUT, get

WEB_FIRST_WAIT = 30.0
WEB_LONGEST_WAIT = 3600.0

REFUSED_WAIT = 21600.0
"""Wait in s after a refusal that only another configuration can end."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Keys of every web source. url: base address. interval: s between two requests. ca: file of a private CA."""

    url: str
    interval: float
    ca: Path | None


def read_web(table: Table, directory: Path, url: str, interval: float) -> WebSettings:
    """Read the keys of every web source, with these default values; mistakes go to the table."""
    return WebSettings(
        url=table.take("url", _address, url) or "",
        interval=table.take("interval", toml_table.bounded(units.duration, 60.0, 86400.0, "1min to 1d"), interval)
        or interval,
        ca=table.take("ca", toml_table.file(directory), None),
    )


def _address(value: object) -> str:
    toml_table.address({"https": 443, "http": 80})(value)
    text = str(value).rstrip("/")
    if not (text.isascii() and text.isprintable()) or set(text) & set(" ?#"):
        raise ValueError(f"found {value!r}; allowed: https://HOST[:PORT][/PATH] without a query")
    return text


class WebService(Protocol):
    """The requests of one kind of web source, and the meaning of its responses."""

    @property
    def url(self) -> str:
        """Whole address of the request."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the request; may contain a secret."""

    def signals(self, found: Any, arrived: int) -> Sequence[Signal]:
        """Return the signals of a JSON document that arrived at a time, UTC ns; ValueError for an unexpected shape."""


class WebSource:
    """Polls a web service every `interval` s, spread by chance, and less often while requests fail."""

    def __init__(
        self,
        feed: Feed,
        service: WebService,
        clock: Clock,
        chance: random.Random,
        interval: float,
        ca: Path | None = None,
    ) -> None:
        self.feed = feed
        self.pulse = Pulse(f"grid {feed.name}", vital=False)
        self._service = service
        self._clock = clock
        self._chance = chance
        self._interval = interval
        self._ca = ca
        self._wait = WEB_FIRST_WAIT

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self.pulse.within(2.0 * FETCH_TIMEOUT)
            pause = await self.poll()
            await self.pulse.sleep(self._clock, pause)

    async def poll(self) -> float:
        """Send one request; return the wait in s until the next."""
        arrived = self._clock.time()
        spread = self._chance.uniform(0.75, 1.25)
        try:
            body = await get(self._service.url, self._service.headers, arrived, self._ca)
            self.feed.put(self._service.signals(document(body), arrived))
        except FeedRefused as error:
            self.feed.failed(f"{error}; it needs another configuration")
            return REFUSED_WAIT * spread
        except FeedError as error:
            self.feed.failed(str(error))
            if error.retry_after is not None:
                return max(WEB_FIRST_WAIT, error.retry_after) * self._chance.uniform(1.0, 1.25)
        except ValueError as error:
            self.feed.failed(f"unusable answer: {error}")
        except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever the service sent
            self.feed.failed(f"internal error, {type(error).__name__}", error)
        else:
            self._wait = WEB_FIRST_WAIT
            return self._interval * self._chance.uniform(0.9, 1.1)
        self._wait, pause = min(WEB_LONGEST_WAIT, 2.0 * self._wait), self._wait
        return pause * spread
