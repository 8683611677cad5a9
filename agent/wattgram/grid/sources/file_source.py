"""A file that the site supplies: looked at every few seconds, read when it changed."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from wattgram.base.clock import NS, Clock
from wattgram.base.untrusted import content
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.signal import Signal

from . import profile
from .supplied_values import ValueTerms, mean, signals

SOURCE_FILE_BYTES = 8 << 20
"""Bytes of a file at most: what a year of quarter hours with twenty fuels needs, and more."""

MOST_FILE_VALUES = 40_000
"""Values of a file at most: a year of quarter hours has 35136."""

FILE_READ_SECONDS = 120.0
"""Real seconds in which a file is read and understood, at most."""

SETTLED = NS
"""Age in ns from which a file counts as written to its end."""


class FileSource:
    """A CSV or JSON file of intensities or mixes over time, tier 4. A broken one changes nothing but the state.

    With `shape` the mean of the file is the mean of the feed (METHOD 4.3).
    """

    def __init__(
        self, feed: Feed, path: Path, terms: ValueTerms, clock: Clock, *, interval: float = 2.0, shape: bool = False
    ) -> None:
        self.feed = feed
        self.pulse = Pulse(f"grid {feed.name}", vital=False)
        self._path = path
        self._terms = terms
        self._clock = clock
        self._interval = interval
        self._shape = shape
        self._read: tuple[int, ...] = ()
        self._looked: tuple[int, ...] = ()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.pulse.within(FILE_READ_SECONDS)
            await self.look()
            await self.pulse.sleep(self._clock, self._interval)

    async def look(self) -> None:
        """Read the file if it is another one than before and nobody is writing it."""
        try:
            state = await asyncio.to_thread(self._path.stat)
            mark = (state.st_mtime_ns, state.st_size, state.st_ino)
            settled = mark == self._looked or self._clock.time() - state.st_mtime_ns > SETTLED
            self._looked = mark
            if mark == self._read or not settled:
                return
            data = await asyncio.to_thread(content, self._path, SOURCE_FILE_BYTES)
            self._read = mark
            await self._take(data)
        except OSError as error:
            self._read = ()
            self.feed.failed(f"cannot be read: {error.strerror or error}")
        except ValueError as error:
            self.feed.failed(f"{error}; what was read before stays")
        except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever is in it
            self.feed.failed(f"internal error, {type(error).__name__}", error)

    async def _take(self, data: bytes) -> None:
        good, bad = await asyncio.to_thread(self._signals, data)
        if not good and bad:
            raise ValueError(bad[0])
        remark = f"{len(bad)} of {len(good) + len(bad)} entries are not used, the first: {bad[0]}" if bad else ""
        mark = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        self.feed.put(good, remark, mean=mean(good) if self._shape and good else None, mark=mark)

    def _signals(self, data: bytes) -> tuple[list[Signal], list[str]]:
        read = profile.from_json if self._path.suffix.lower() == ".json" else profile.from_csv
        return signals(read(data), self._terms, self._clock.time(), live=False)
