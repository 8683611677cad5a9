"""The hinge: readings become powers and energies at common instants, these become accounts, accounts become records."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from wattgram_drivers.device import Reading
from wattgram_ext.intensity import OUTPUTS, Accounts

from .balance import Balance
from .books import HEAD, Books
from .clock import MS, NS, Clock
from .clock_watch import EARLIEST, ClockWatch, Waiting, wall_time
from .config import Config
from .counter import GAP
from .frozen import Stillness
from .grid.feed import Feed
from .grid.ladder import Ladder
from .grid.signal import Signal
from .history import JOURNAL
from .instants import Instants
from .metering import Happened
from .period import window_end
from .record import Record, Series
from .source import Source
from .spool import Spool
from .watchdog import Pulse

log = logging.getLogger(__name__)

LATEST = 0.9
"""Share of a tick's period after which it is computed with what there is, if every device is read within a tick."""

PATIENCE = 10.0
"""Seconds; devices that are read less often are not waited for, their last value stands until the next."""

BEHIND = 600.0
"""Seconds behind the clock after which ticks are left out: the process was stopped."""

STATE, ENERGY, COUNTERS = "site", "energy", "counters"
"""Pieces of state in the spool."""

ANEW = {STATE: "accounts began anew", ENERGY: "energies began anew", COUNTERS: "counters began anew"}
"""What an operator is told when a piece cannot be read."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that an operator should know, as in the event record."""

    time: int
    device: str
    event: str
    detail: str


class Site:
    """Takes readings, computes the balance of every tick, appends the records of both to the spool."""

    def __init__(
        self, config: Config, sources: Sequence[Source], spool: Spool, clock: Clock, feeds: Sequence[Feed] = ()
    ) -> None:
        self.config = config
        self.grid = Ladder(config.grid.zone, config.grid.basis, config.grid.factor, feeds)
        self.sources = tuple(sources)
        self.latest: Record | None = None
        self.happenings: deque[Happening] = deque(maxlen=50)
        self.pulse = Pulse("site")
        self.readings = 0
        self.records = 0
        self.ticks = 0
        self._spool = spool
        self._clock = clock
        self.books = Books(config, self.grid, max(clock.time(), EARLIEST))
        self._layout = self.books.layout
        self._instants = Instants(config, self._layout, self.sources, self.grid)
        self._channels = self._instants.channels
        self._last: int | None = None
        self._checkpoint = "anew"
        self._still: dict[str, Stillness] = {}
        self._watch_clock = ClockWatch(config.site.tick)
        self._waiting: Waiting[Source] = Waiting()
        self._unstamped: list[tuple[float, str, str, str]] = []
        channels = self._layout.channels
        roles = [one.role for one in channels]
        self._judge = Accounts(roles, [0.0] * len(roles))
        self._balance = Balance(
            wiring=repr([(one.name, one.role, one.driver, one.unit, one.invert) for one in channels])
        )
        self.meanwhile: list[Record] | None = None
        self._states = {one.config.name: "waiting" for one in self.sources}
        self._arrived = asyncio.Event()

    def take(self, source: Source, reading: Reading) -> None:
        """A reading of one device becomes its record, and what its counters went through an event.

        While the clock is not set it waits, and is stamped when that is.
        """
        self._look_at_clock()
        if self._watch_clock.unset:
            self._waiting.add(source, reading)
        else:
            self._take(source, reading)

    def _take(self, source: Source, reading: Reading) -> None:
        self.readings += 1
        record = source.take(reading)
        assert source.latest is not None  # it has just been read
        name, latest = source.config.name, source.latest
        happened = [*latest.metered.happened, *self._moves(source, record, reading)]
        self._append(source.unbelieved(record) if source.frozen else record)
        self._instants.put(source, reading.time)
        for event, detail in happened:
            self.event(name, event, detail)
        self._arrived.set()

    def _moves(self, source: Source, record: Record, reading: Reading) -> tuple[Happened, ...]:
        """Whether the device still measures."""
        config = source.config
        still = self._still.get(config.name) or Stillness(
            config.frozen_after, config.rated_power, source.metering.directions, config.interval
        )
        assert source.latest is not None  # it has just been read
        power, metered = source.latest.power, source.latest.metered
        still, told = still.advance(record.values, power, reading.time, reading.monotonic, metered)
        self._still[config.name] = still
        source.frozen = still.frozen
        return told

    async def restore(self) -> None:
        """Continue counters, energies, accounts and windows where the last process left them."""
        for name, take in (
            (COUNTERS, self._restore_counters),
            (ENERGY, self._restore_energies),
            (STATE, self._restore_books),
        ):
            await self._restored(name, take)

    async def run(self) -> None:
        """Balance every tick of the wall clock until cancelled, and then those that can be told.

        A tick is computed when every device that lives has been read at it or later, at the latest when it had to be.
        """
        period = int(self.config.site.tick * NS)
        time = (self._clock.time() // period + 1) * period
        try:
            while True:
                # By the monotonic clock: where the wall clock is set back the waits below are of another time.
                self.pulse.within((3.0 * self.config.site.tick + self._longest) / self._clock.speed)
                await self._clock.sleep((time - self._clock.time()) / NS)
                self._look_at_clock()
                ahead = (time - self._clock.time()) / NS
                stopped_or_set = not -BEHIND < ahead <= 2.0 * self.config.site.tick
                if self._watch_clock.unset or stopped_or_set:
                    time = (self._clock.time() // period + 1) * period
                    continue
                while (left := time + self._patience() - self._clock.time()) > 0 and not self._complete(time):
                    await self._arrival(left / NS)
                self.tick(time)
                time += period
        finally:
            while 0 <= self._clock.time() - time < BEHIND * NS and not self._watch_clock.unset:
                self.tick(time)
                time += period

    def tick(self, time: int) -> None:
        """Balance at one instant, UTC ns."""
        self._watch(self._clock.monotonic(), time)
        gap = time - self._last if self._last is not None else 0
        pause = gap > GAP * self.config.site.tick * NS
        seconds = 0.0 if pause or gap < 0 else gap / NS
        self._instants.take(time, seconds)
        if self._checkpoint:
            self._note_state(time - 1)
        if pause and self._last is not None:
            self._instants.paused(gap / NS)
            self._settle_days(self._last, time)
        self._last = time
        row = self._judged(time, self._instants.row(time, seconds, self._clock.monotonic()), seconds)
        terms = [self.books.terms(time)]
        row = self.books.priced(row, terms)
        self._append(Record(self._layout.instant, time, row))
        self._book(self.books.advance([time], row, terms))
        self.ticks += 1
        assert self.latest is not None  # an instant has a record
        if seconds > 0.0 and not self.latest["coverage"] and not self._balance.withheld:
            self._instants.unbalanced(seconds)
        if self.books.begun("1h") is None:  # it ended with this tick
            self._settle(time, 3600.0)
            self._note_state(time)
        self._save()

    def signal(self, time: int) -> Signal:
        """What the grid emits at a time, as far as it is known by now."""
        return self.grid.at(time)

    @property
    def last(self) -> int | None:
        """The last instant that was told, UTC ns."""
        return self._last

    def retell(self, made: Iterable[Record]) -> None:
        """Records that were computed again and take the place of others."""
        for one in made:
            self.records += 1
            self._spool.append(one)

    def adopt(self, books: Books) -> None:
        """Go on with books that were computed again, up to the last instant."""
        self.books = books
        self._save()

    def event(self, device: str, event: str, detail: str) -> None:
        """Something happened; "" for the site itself."""
        self.happenings.append(Happening(self._clock.time() // MS * MS, device, event, detail))
        if self._watch_clock.unset:
            self._unstamped.append((self._clock.monotonic(), device, event, detail))
        else:
            self._record_event(self._clock.time(), device, event, detail)

    def _record_event(self, time: int, device: str, event: str, detail: str) -> None:
        tags = (("site", self.config.site.name), ("device", device))
        series = Series("event", tags, (), (), ("event", "detail"))
        self._append(Record(series, time // MS * MS, b"", (event, detail)))

    # when a tick can be told

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
        return max(PATIENCE, self.config.site.tick)

    def _patience(self) -> int:
        """ns after a tick at which it is told with what there is."""
        now, tick = self._clock.monotonic(), self.config.site.tick
        waits = [
            one.config.interval + tick if one.config.interval > tick else LATEST * tick
            for one in self._channels
            if one.config.interval <= self._longest and one.state(now) == "good"
        ]
        return int(max(waits, default=LATEST * tick) * NS)

    async def _arrival(self, seconds: float) -> None:
        """Until a device is read, or so many seconds."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds / self._clock.speed):
                await self._arrived.wait()

    # energy that belongs to totals alone

    def _settle_days(self, begin: int, end: int) -> None:
        """A pause across midnight: each day has its share of the time."""
        while (start := self.books.begun("1d")) is not None:
            midnight = window_end("1d", start, self.config.site.timezone)
            if not begin < midnight < end:
                return
            self._settle(midnight, (midnight - begin) / NS, (midnight - begin) / (end - begin))
            begin = midnight

    def _settle(self, time: int, span: float, share: float = 1.0) -> None:
        """Book what is in arrears at the end of an hour."""
        if (row := self._instants.late(time, span, share)) is not None:
            self._append(Record(self._layout.late, time, row))
            self._book(self.books.late(time, row))

    # records

    def _append(self, made: Record) -> None:
        self.records += 1
        self._spool.append(made)
        if self.meanwhile is not None and made.series.kind in JOURNAL:
            self.meanwhile.append(made)

    def _book(self, made: Iterable[Record]) -> None:
        for one in made:
            self._append(one)
            if ("window", "tick") in one.series.tags:
                self.latest = one

    def _note_state(self, time: int) -> None:
        """The books' state into the history, for a replay to begin from; it is `anew` where it follows from nothing."""
        state = base64.b85encode(self.books.state()).decode()
        series = Series("checkpoint", (("site", self.config.site.name),), (), (), ("how", "state"))
        self._append(Record(series, time, b"", (self._checkpoint, state)))
        self._checkpoint = ""

    # what an operator is told

    def _judged(self, time: int, row: bytes, seconds: float) -> bytes:
        """The row; without powers while they cannot be true (`balance`)."""
        powers = row[8 * HEAD : 8 * (HEAD + len(self._layout.channels))]
        grid = struct.pack("2d", 0.0, nan)  # what it emits makes no balance true or false
        (tick,) = struct.iter_unpack(f"{len(OUTPUTS)}d", self._judge.step(row[:8] + grid + powers))
        self._balance, verdict = self._balance.advance(dict(zip(OUTPUTS, tick, strict=True)), seconds)
        for event, detail in verdict.happened:
            self.event("", event, detail)
        if not verdict.withheld:
            return row
        return struct.pack("d", 0.0) + struct.pack("d", nan) * (self._layout.size // 8 - 1)

    def _look_at_clock(self) -> None:
        """Tell what became of the wall clock; readings that waited for it are stamped."""
        self._watch_clock, told = self._watch_clock.advance(self._clock.time(), self._clock.monotonic())
        if told.anchor is not None:
            for at, device, event, detail in self._unstamped:
                self._record_event(wall_time(told.anchor, at), device, event, detail)
            self._unstamped.clear()
            for source, reading in self._waiting.stamped(told.anchor):
                self._take(source, reading)
        if told.step:
            self._instants.clear()
            self._last = None
        for event, detail in told.happened:
            self.event("", event, detail)

    def _watch(self, now: float, time: int) -> None:
        """Report devices that fell silent or came back."""
        for source in self.sources:
            name, state = source.config.name, source.state(now)
            before = self._states[name]
            if state == before:
                continue
            self._states[name] = state
            if state in ("stale", "lost"):
                self._append(source.stale_record(time))
                self.event(name, "device lost", source.error or "no reading")
            elif state == "good" and before in ("stale", "lost"):
                self.event(name, "device back", "")

    # what a restart must not lose

    def _save(self) -> None:
        self._spool.put_state(STATE, self.books.state())
        counters = {source.config.name: source.metering.dump() for source in self.sources}
        self._spool.put_state(COUNTERS, json.dumps(counters).encode())
        energy = {
            "time": self._last,
            "instants": self._instants.dump(),
            "balance": self._balance.dump(),
        }
        self._spool.put_state(ENERGY, json.dumps(energy).encode())

    async def _restored(self, name: str, take: Callable[[bytes], None]) -> None:
        """A piece of state; one that cannot be read is an event, and what it was for begins anew."""
        if (stored := await self._spool.state(name)) is None:
            return
        try:
            take(stored)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("%s: %s", ANEW[name], error)
            self.event("", ANEW[name], str(error))

    def _restore_counters(self, stored: bytes) -> None:
        states = json.loads(stored)
        for source in self.sources:
            source.metering.restore(states.get(source.config.name, {}))

    def _restore_energies(self, stored: bytes) -> None:
        found: Any = json.loads(stored)
        self._instants.restore(found["instants"])
        self._last = None if found["time"] is None else int(found["time"])
        self._balance = self._balance.restored(found["balance"])

    def _restore_books(self, stored: bytes) -> None:
        self.books.restore(stored)
        self._checkpoint = ""
