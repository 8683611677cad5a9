"""A grid source: a file that the site supplies, checked every few seconds and read after each change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import ClassVar

from wattgram.base import toml_table
from wattgram.base.clock import NS, Clock
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import content
from wattgram.base.watchdog import Pulse
from wattgram.grid.feed import Feed
from wattgram.grid.mix import Factors
from wattgram.grid.signal import Signal

from . import file_check, grid_source, profile
from .grid_source import SourceParts
from .source_settings import SourceConfig, SourceTerms
from .supplied_values import SuppliedValue, ValueTerms, mean, read_timezone, read_unit, signals

SOURCE_FILE_BYTES = 8 << 20
"""Largest size of a file, bytes: more than a year of quarter hours with twenty fuels."""

MOST_FILE_VALUES = 40_000
"""Largest number of values in a file: a year of quarter hours has 35136."""

FILE_READ_SECONDS = 120.0
"""Longest time to read and parse a file, real s."""

SETTLED = NS
"""Age in ns from which a file counts as completely written."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Settings of a file source. timezone: of times without an offset. unit: of a mix."""

    default_factors: ClassVar[str] = ""
    computes_mean: ClassVar[bool] = True

    path: Path
    timezone: tzinfo
    unit: str

    @property
    def detail(self) -> str:
        """The file name."""
        return self.path.name

    @property
    def period(self) -> float | None:
        """Shortest period of a value in the file, s; None for a file that cannot be read now."""
        terms = ValueTerms("", Factors.shipped("ipcc", "direct"), self.unit, self.timezone)
        try:
            good, _ = signals(entries_of(self.path, content(self.path, SOURCE_FILE_BYTES)), terms, 0, live=False)
        except (OSError, ValueError):
            return None
        return min(((signal.valid_to - signal.valid_from) / NS for signal in good), default=None)

    def check(self, factors: Factors) -> tuple[Sequence[str], Sequence[str]]:
        """Return the findings and the notes about the rows, with line numbers."""
        found = file_check.checked(self.path, ValueTerms("", factors, self.unit, self.timezone), SOURCE_FILE_BYTES)
        return found.findings, found.notes


def read(table: Table, terms: SourceTerms) -> FileSettings:
    """Read the keys of a file source; mistakes go to the table."""
    path = table.take("path", toml_table.text, toml_table.REQUIRED)
    return FileSettings(terms.directory / (path or ""), read_timezone(table, terms.zone), read_unit(table))


def made(config: SourceConfig, settings: FileSettings, parts: SourceParts) -> FileSource:
    """Make a file source."""
    feed = grid_source.feed(config, parts.clock, most=MOST_FILE_VALUES, keeps=True)
    terms = ValueTerms(config.name, parts.factors, settings.unit, settings.timezone)
    return FileSource(feed, settings.path, terms, parts.clock, shape=config.level == "official")


def entries_of(path: Path, data: bytes) -> Sequence[SuppliedValue]:
    """Return the values of a file; ValueError for another format."""
    return profile.from_json(data) if path.suffix.lower() == ".json" else profile.from_csv(data)


class FileSource:
    """Reads a CSV or JSON file of intensities or mixes over time, tier 4. A broken file changes only the state.

    `shape`: take the mean of the file as the mean of the feed (METHOD 4.3).
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
        self._seen: tuple[int, ...] = ()

    async def run(self) -> None:
        """Check the file until cancelled."""
        while True:
            self.pulse.within(FILE_READ_SECONDS)
            await self.check()
            await self.pulse.sleep(self._clock, self._interval)

    async def check(self) -> None:
        """Read the file if it has changed and is completely written."""
        try:
            state = await asyncio.to_thread(self._path.stat)
            mark = (state.st_mtime_ns, state.st_size, state.st_ino)
            settled = mark == self._seen or self._clock.time() - state.st_mtime_ns > SETTLED
            self._seen = mark
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
        except Exception as error:  # noqa: BLE001 - a source must not end the daemon, whatever the file contains
            self.feed.failed(f"internal error, {type(error).__name__}", error)

    async def _take(self, data: bytes) -> None:
        good, bad = await asyncio.to_thread(self._signals, data)
        if not good and bad:
            raise ValueError(bad[0])
        remark = f"{len(bad)} of {len(good) + len(bad)} entries are not used, the first: {bad[0]}" if bad else ""
        mark = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        self.feed.put(good, remark, mean=mean(good) if self._shape and good else None, mark=mark)

    def _signals(self, data: bytes) -> tuple[list[Signal], list[str]]:
        return signals(entries_of(self._path, data), self._terms, self._clock.time(), live=False)
