"""The hinge: readings become powers and energies at common instants, these become accounts, accounts become records."""

from __future__ import annotations

import base64
import json
import logging
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from math import nan
from typing import Any

from wattgram_drivers.device import Reading
from wattgram_ext.intensity import OUTPUTS, Accounts

from wattgram.accounts.balance import Balance
from wattgram.accounts.books import LEADING_COLUMNS, Books, era_of
from wattgram.accounts.daybook import DayBook
from wattgram.accounts.instant_rows import Instants
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS, Clock
from wattgram.base.occurrence import Occurrence
from wattgram.base.period import window_end
from wattgram.base.record import REPLAY_KINDS, Record, Series
from wattgram.base.units import rfc3339
from wattgram.config.load import Config
from wattgram.counters.counter import GAP_INTERVALS
from wattgram.counters.frozen_device import FrozenDeviceWatch
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import AlwaysSynchronised, Witness
from wattgram.timekeeping.published_times import STAMPED, PublishedTimes, named, names
from wattgram.timekeeping.tick_order import TickOrder
from wattgram.timekeeping.timekeeper import Timekeeper
from wattgram.timekeeping.wall_clock import CLOCK_STEP, EARLIEST

from .events import SiteEvents
from .ticker import Ticker
from .undated_readings import UndatedReadings

log = logging.getLogger(__name__)

DATED = 50
"""Readings that waited for the clock and are taken at once, so that polling goes on."""

STATE, ENERGY, COUNTERS, TOLD, DAYS = "site", "energy", "counters", "told", "days"
"""Pieces of state in the spool."""

ANEW = {
    STATE: "accounts began anew",
    ENERGY: "energies began anew",
    COUNTERS: "counters began anew",
    TOLD: "times began anew",
    DAYS: "days began anew",
}
"""What an operator is told when a piece cannot be read."""


class Site:
    """Takes readings, computes the balance of every tick, appends the records of both to the spool."""

    def __init__(
        self,
        config: Config,
        sources: Sequence[Source],
        spool: Spool,
        clock: Clock,
        feeds: Sequence[Feed] = (),
        witness: Witness | None = None,
    ) -> None:
        self.config = config
        self.grid = Ladder(config.grid.zone, config.grid.basis, config.grid.factor, feeds)
        self.sources = tuple(sources)
        self.latest: Record | None = None
        self.readings = 0
        self.records = 0
        self.ticks = 0
        self._spool = spool
        self._clock = clock
        self.books = Books(config, self.grid, max(clock.time(), EARLIEST))
        self._instants = Instants(config, self.books.layout, self.sources, self.grid)
        self._channels = self._instants.channels
        self._days = DayBook(config.site.name, config.site.timezone, self.books.layout, config.goals.nominal_voltage)
        self._order = TickOrder(config.site.tick)
        self._checkpoint = "anew"
        self._still: dict[str, FrozenDeviceWatch] = {}
        self.keeper = Timekeeper(clock, witness or AlwaysSynchronised())
        self.events = SiteEvents(config.site.name, clock, self.keeper, self._append)
        self._waiting = UndatedReadings(spool, self.keeper.witness, self.keeper.ahead)
        self._ticker = Ticker(config.site.tick, self._instants, clock, self.keeper, self._waiting)
        self.pulse = self._ticker.pulse
        self._told = PublishedTimes()
        channels = self.books.layout.channels
        roles = [one.role for one in channels]
        self._judge = Accounts(roles, [0.0] * len(roles))
        self._balance = Balance(
            wiring=repr([(one.name, one.role, one.driver, one.unit, one.invert) for one in channels])
        )
        self.meanwhile: list[Record] | None = None
        self._states = {one.config.name: "waiting" for one in self.sources}

    def take(self, source: Source, reading: Reading) -> None:
        """A reading of one device becomes its record, and what its counters went through an event.

        While the clock is not set it waits, and is stamped when that is.
        """
        self.look()
        if self.keeper.unset or self._waiting:
            self._waiting.add(source, reading)
        else:
            self._take(source, reading)
        self._ticker.arrived()

    def _take(self, source: Source, reading: Reading) -> None:
        stamp = self.keeper.at(reading.monotonic)
        if abs(stamp - reading.time) > CLOCK_STEP * self._clock.speed * NS:  # the clock was set while it was read
            reading = replace(reading, time=stamp)
        self.readings += 1
        record = source.take(reading)
        assert source.taken is not None  # it has just been
        name = source.config.name
        happened = [*source.taken.metered.happened, *self._moves(source, record, reading)]
        self._append(source.frozen_record(record) if source.frozen else record)
        if not source.frozen:
            self._days.read(source, reading.time)
        self._instants.put(source, reading.time)
        for event, detail in happened:
            self.event(name, event, detail)

    def _moves(self, source: Source, record: Record, reading: Reading) -> tuple[Occurrence, ...]:
        """Whether the device still measures."""
        config = source.config
        still = self._still.get(config.name) or FrozenDeviceWatch(
            config.frozen_after, config.rated_power, source.metering.directions, config.interval
        )
        assert source.taken is not None  # it has just been
        power, metered = source.taken.power, source.taken.metered
        still, told = still.advance(record.values, power, reading.time, reading.monotonic, metered)
        self._still[config.name] = still
        source.frozen = still.frozen
        return told

    async def restore(self) -> None:
        """Continue counters, energies, accounts and windows where the last process left them."""
        self.look()  # so that what there is to tell of it waits for a clock that is not set
        for name, take in (
            (TOLD, self._restore_told),
            (COUNTERS, self._restore_counters),
            (ENERGY, self._restore_energies),
            (STATE, self._restore_books),
            (DAYS, self._restore_days),
        ):
            await self._restored(name, name, take)
        for name in names([one.config.name for one in self.sources]):
            await self._restored(TOLD, f"{TOLD} {name}", partial(self._told.restore_stamp, name))
        if undated := await self._waiting.restore():
            self.event("", "readings undated", f"{undated} waited for the clock when the machine was switched off")

    async def run(self) -> None:
        """Balance every tick of the wall clock until cancelled, and then those that can be told."""
        await self._ticker.run(self)

    def tick(self, time: int) -> None:
        """Balance at one instant, UTC ns; nothing when it has been told, by a clock that was set back since."""
        now = self._clock.monotonic()
        self._watch(now, time)
        step = self._order.advance(time, now - (self._clock.time() - time) / NS)
        for event, detail in step.happened:
            self.event("", event, detail)
        if not step.told:
            self._instants.skip(time)
            return
        if step.back:
            self.books.set_back(time)
            self._checkpoint = "anew"
        if not step.joined:
            self._instants.interrupt()
        pause = not step.joined or step.gap > GAP_INTERVALS * self.config.site.tick
        seconds = 0.0 if pause else step.gap
        self._instants.take(time, seconds)
        if self._checkpoint:
            self._note_state(time - 1)
        if pause:
            self._instants.paused(step.gap)
        if pause and step.joined:
            self._settle_days(time - round(step.gap * NS), time)
        row = self._judged(time, self._instants.row(time, seconds, now), seconds)
        terms = [self.books.terms(time)]
        row = self.books.priced(row, terms)
        self._append(Record(self.books.layout.instant, time, row))
        self._days.book(time, row)
        self._book(self.books.advance([time], row, terms))
        self.ticks += 1
        assert self.latest is not None  # an instant has a record
        if seconds > 0.0 and not self.latest["coverage"] and not self._balance.withheld:
            self._instants.unbalanced(seconds)
        if self.books.begun("1h") is None:  # it ended with this tick
            self._settle(time, 3600.0)
            self._note_state(time)
            for one in self._days.records():
                self._append(one)
        self._save()

    def signal(self, time: int) -> Signal:
        """What the grid emits at a time, as far as it is known by now."""
        return self.grid.at(time)

    @property
    def last(self) -> int | None:
        """The last instant that was told, UTC ns."""
        return self._order.last

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
        self.events.tell(device, event, detail)

    def tell(self, made: Record) -> None:
        """A record of what is now; none while nobody knows when that is."""
        if not self.keeper.unset:
            self._append(made)

    # the clock

    def look(self) -> None:
        """Tell what became of the wall clock; what waited for it gets its time."""
        changes = self.keeper.changes
        told = self.keeper.look()
        if self._waiting and self.keeper.changes != changes:
            self._ticker.begin(self.keeper.at(self._waiting.first))
        if told.step:
            self._order.interrupt()
            self._instants.clear()
            if told.step < 0.0:
                for source in self.sources:
                    source.metering.moved(round(told.step * NS))
        if not self.keeper.unset:
            self.events.stamp()
        for event, detail in told.happened:
            self.event("", event, detail)
        if not self.keeper.unset and self._waiting:
            self._date()

    def _date(self) -> None:
        """Some of the readings that waited for the clock get their time."""
        if self._waiting.dropped:
            self.event("", "readings undated", f"{self._waiting.dropped} gave way while others waited for the clock")
            self._waiting.dropped = 0
        for _ in range(min(DATED, len(self._waiting))):
            one = self._waiting.take()
            if one.source is not None and one.reading is not None:
                self._take(one.source, replace(one.reading, time=self.keeper.at(one.monotonic)))
            else:
                self._append(replace(one.record, time=self.keeper.at(one.monotonic)))

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
            self._append(Record(self.books.layout.late, time, row))
            self._days.book(time, row)
            self._book(self.books.late(time, row))

    # records

    def _append(self, made: Record) -> None:
        if made.series.kind in STAMPED:
            made, name = self._told.stamped(made), named(made.series)
            self._spool.put_state(f"{TOLD} {name}", self._told.stamp(name))
        self.records += 1
        self._spool.append(made)
        if self.meanwhile is not None and made.series.kind in REPLAY_KINDS:
            self.meanwhile.append(made)

    def _book(self, made: Iterable[Record]) -> None:
        for one in made:
            window = one.series.tag("window")
            if window == "tick":
                self.latest = one
            elif not self._told.first(one):
                detail = f"{window} from {rfc3339(one.time)}: one was told, before the clock was set"
                self.event("", "window not told", detail)
                continue
            elif window == "15m":
                self._days.window(one)
            self._append(one)

    def _note_state(self, time: int) -> None:
        """The books' state into the history, for a replay to begin from; it is `anew` where it follows from nothing."""
        state = base64.b85encode(self.books.state()).decode()
        series = Series("checkpoint", (("site", self.config.site.name),), (), (), ("how", "state"))
        self._append(Record(series, time, b"", (self._checkpoint, state)))
        self._checkpoint = ""

    # what an operator is told

    def _judged(self, time: int, row: bytes, seconds: float) -> bytes:
        """The row; without powers while they cannot be true (`balance`)."""
        powers = row[8 * LEADING_COLUMNS : 8 * (LEADING_COLUMNS + len(self._channels))]
        grid = struct.pack("2d", 0.0, nan)  # what it emits makes no balance true or false
        (tick,) = struct.iter_unpack(f"{len(OUTPUTS)}d", self._judge.step(row[:8] + grid + powers))
        self._balance, verdict = self._balance.advance(dict(zip(OUTPUTS, tick, strict=True)), seconds)
        for event, detail in verdict.happened:
            self.event("", event, detail)
        if not verdict.withheld:
            return row
        return struct.pack("d", 0.0) + struct.pack("d", nan) * (self.books.layout.size // 8 - 1)

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
            "instants": self._instants.dump(),
            "balance": self._balance.dump(),
        }
        self._spool.put_state(ENERGY, json.dumps(energy).encode())
        told = {"order": self._order.dump(), "windows": self._told.dump()}
        self._spool.put_state(TOLD, json.dumps(told).encode())
        self._spool.put_state(DAYS, json.dumps(self._days.dump()).encode())

    async def _restored(self, name: str, piece: str, take: Callable[[bytes], None]) -> None:
        """A piece of state; one that cannot be read is an event, and what it was for begins anew."""
        if (stored := await self._spool.state(piece)) is None:
            return
        try:
            take(stored)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("%s: %s", ANEW[name], error)
            self.event("", ANEW[name], str(error))

    def _restore_told(self, stored: bytes) -> None:
        found: Any = json.loads(stored)
        self._order.restore(found["order"])
        self._told.restore(found["windows"])
        if self._order.last is not None:
            self.keeper.began_after(self._order.last)

    def _restore_counters(self, stored: bytes) -> None:
        states = json.loads(stored)
        for source in self.sources:
            source.metering.restore(states.get(source.config.name, {}))

    def _restore_energies(self, stored: bytes) -> None:
        found: Any = json.loads(stored)
        self._instants.restore(found["instants"])
        self._balance = self._balance.restored(found["balance"])

    def _restore_days(self, stored: bytes) -> None:
        self._days.restore(json.loads(stored))

    def _restore_books(self, stored: bytes) -> None:
        self.books.enter(era_of(stored))
        self.books.restore(stored)
        self._checkpoint = ""
