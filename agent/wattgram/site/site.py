"""The site: readings become instants, instants become accounts, results become records."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from wattgram_drivers.device import Reading

from wattgram.accounts.books import Books, era_of, seconds_of
from wattgram.accounts.checkpoint_text import text_of
from wattgram.accounts.daybook import DayBook
from wattgram.accounts.instant_rows import Instants
from wattgram.accounts.late_energy import LateAmount
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import NS, Clock
from wattgram.base.occurrence import Occurrence
from wattgram.base.record import REPLAY_KINDS, Record, Series
from wattgram.base.units import rfc3339
from wattgram.config.load import Config
from wattgram.counters.counter import GAP_INTERVALS
from wattgram.counters.frozen_device import FrozenDeviceWatch
from wattgram.grid.feed import Feed
from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import AlwaysSynchronised, ClockStatus
from wattgram.timekeeping.published_times import STAMPED, PublishedTimes, series_name, series_names
from wattgram.timekeeping.tick_order import TickOrder
from wattgram.timekeeping.timekeeper import Timekeeper
from wattgram.timekeeping.wall_clock import CLOCK_STEP, EARLIEST

from .balance_check import BalanceCheck
from .events import SiteEvents
from .settlement import Settlement
from .ticker import Ticker
from .undated_readings import UndatedReadings
from .unknown_load import UnknownLoad

log = logging.getLogger(__name__)

DATED_AT_ONCE = 50
"""Waiting readings that are processed at once after the clock was set; then polling continues."""

REPORTED_GAP = 60.0
"""Length from which a gap that a counter has told is an event, s."""

STATE, ENERGY, COUNTERS, PUBLISHED, DAYS, JUDGED = "site", "energy", "counters", "told", "days", "judged"
"""Pieces of state in the spool."""

RESTARTED = {
    STATE: "accounts began anew",
    ENERGY: "energies began anew",
    COUNTERS: "counters began anew",
    PUBLISHED: "times began anew",
    DAYS: "days began anew",
    JUDGED: "judgements began anew",
}
"""Event for a piece of state that cannot be read."""


class Site:
    """Readings to records: the balance of every tick, and the records of devices and balance in the spool."""

    def __init__(
        self,
        config: Config,
        sources: Sequence[Source],
        spool: Spool,
        clock: Clock,
        feeds: Sequence[Feed] = (),
        clock_status: ClockStatus | None = None,
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
        self._days = DayBook(config.site.name, config.site.timezone, self.books.layout, config.goals.nominal_voltage)
        self._order = TickOrder(config.site.tick)
        self._checkpoint_kind = "anew"
        self._frozen_watches: dict[str, FrozenDeviceWatch] = {}
        self.timekeeper = Timekeeper(clock, clock_status or AlwaysSynchronised())
        self.events = SiteEvents(config.site.name, clock, self.timekeeper, self._append)
        self._waiting = UndatedReadings(spool, self.timekeeper.clock_status, self.timekeeper.ahead)
        self._ticker = Ticker(config.site.tick, self._instants, clock, self.timekeeper, self._waiting)
        self.pulse = self._ticker.pulse
        self._published = PublishedTimes()
        self._balance = BalanceCheck(self.books.layout)
        self.replay_backlog: list[Record] | None = None
        self.settlement = Settlement()
        self._unknown_load = UnknownLoad()
        self._learned: list[tuple[int, float, bool]] = []
        self._states = {device.config.name: "waiting" for device in self.sources}

    def take(self, source: Source, reading: Reading) -> None:
        """Publish a reading as a record, and the events of its counters.

        While the clock is not set, the reading waits for its timestamp.
        """
        self.check_clock()
        if self.timekeeper.unset or self._waiting:
            self._waiting.add(source, reading)
        else:
            self._take(source, reading)
        self._ticker.arrived()

    def _take(self, source: Source, reading: Reading) -> None:
        stamp = self.timekeeper.timestamp(reading.monotonic)
        if abs(stamp - reading.time) > CLOCK_STEP * self._clock.speed * NS:  # the clock was set during the reading
            reading = replace(reading, time=stamp)
        self.readings += 1
        record = source.take(reading)
        assert source.taken is not None  # `take` has set it
        name = source.config.name
        occurrences = [*source.notices, *source.taken.occurrences, *self._check_frozen(source, record, reading)]
        source.notices.clear()
        self._append(source.frozen_record(record) if source.frozen else record)
        if not source.frozen:
            self._days.add_reading(source, reading.time)
        self._instants.put(source, reading.time)
        for event, detail in occurrences:
            self.event(name, event, detail)

    def _check_frozen(self, source: Source, record: Record, reading: Reading) -> tuple[Occurrence, ...]:
        """Update the frozen state of a device; return its events."""
        config = source.config
        watch = self._frozen_watches.get(config.name) or FrozenDeviceWatch(
            config.frozen_after, config.rated_power, source.metering.directions, config.interval
        )
        assert source.taken is not None  # `take` has set it
        power, metered = source.taken.power, source.taken.metered
        watch, occurrences = watch.advance(record.values, power, reading.time, reading.monotonic, metered)
        self._frozen_watches[config.name] = watch
        source.frozen = watch.frozen
        return occurrences

    async def restore(self) -> None:
        """Restore counters, energies, accounts and windows from the last process."""
        self.check_clock()  # first, so that events wait while the clock is unset
        for name, take in (
            (PUBLISHED, self._restore_published),
            (COUNTERS, self._restore_counters),
            (ENERGY, self._restore_energies),
            (STATE, self._restore_books),
            (DAYS, self._restore_days),
            (JUDGED, self._restore_judged),
        ):
            await self._restored(name, name, take)
        for name in series_names([source.config.name for source in self.sources]):
            await self._restored(PUBLISHED, f"{PUBLISHED} {name}", partial(self._published.restore_stamp, name))
        if undated := await self._waiting.restore():
            self.event(
                "", "readings undated", f"{undated} readings waited for the clock when the machine was switched off"
            )

    async def run(self) -> None:
        """Compute the balance of every tick of the wall clock until cancelled, then of the ticks that are due."""
        try:
            await self._ticker.run(self)
        finally:
            self.events.release(all_held=True)

    def tick(self, time: int) -> None:
        """Compute the balance at an instant, UTC ns; skip one that was published before the clock was set back."""
        now = self._clock.monotonic()
        self._watch(now, time)
        self.events.release()
        last = self._order.last
        step = self._order.advance(time, now - (self._clock.time() - time) / NS)
        for event, detail in step.occurrences:
            self.event("", event, detail)
        if not step.published:
            self._instants.skip(time)
            return
        if step.set_back:
            self.books.set_back(time)
            self._checkpoint_kind = "anew"
        if not step.contiguous:
            self._instants.interrupt()
        pause = not step.contiguous or step.gap > GAP_INTERVALS * self.config.site.tick
        seconds = 0.0 if pause else step.gap
        begin = time - round(step.gap * NS)
        self._instants.take(time, seconds, begin, last)
        for name, (event, detail) in self._instants.occurrences:
            self.event(name, event, detail)
        if self._checkpoint_kind:
            self._store_checkpoint(time - 1)
        row, occurrences = self._balance.advance(self._instants.row(time, seconds, now), seconds)
        for name, (event, detail) in occurrences:
            self.event(name, event, detail)
        terms = [self.books.terms(time, seconds_of(row))]
        row = self.books.with_grid_terms(row, terms)
        self._append(Record(self.books.layout.instant, time, row))
        self._days.add_row(time, row)
        self._book(self.books.advance([time], row, terms, self._late(time, begin)))
        self.ticks += 1
        if not self._balance.withheld:
            self._report_unknown(now)
        if self.books.running_since("1h") is None:  # the hour ended with this tick
            if (totals := self._instants.late_totals(time)) is not None:
                self._append(Record(self.books.layout.totals, time, totals))
                self._book(self.books.late_totals(time, totals))
            self._store_checkpoint(time)
            for name, (event, detail) in self.books.battery_occurrences():
                self.event(name, event, detail)
            for record in self._days.records():
                self._append(record)
        self._save()

    def signal(self, time: int) -> Signal:
        """Return the grid signal at a time, as known now."""
        return self.grid.at(time)

    @property
    def last(self) -> int | None:
        """The last published instant, UTC ns."""
        return self._order.last

    def republish(self, records: Iterable[Record]) -> None:
        """Publish records that were computed again and replace earlier records."""
        for record in records:
            self.records += 1
            self._spool.append(record)

    def replace_books(self, books: Books) -> None:
        """Continue with books that were computed again, up to the last instant."""
        self.books = books
        self._save()

    def event(self, device: str, event: str, detail: str) -> None:
        """Report an event; device "" is the site itself."""
        self.events.report(device, event, detail)

    def publish(self, record: Record) -> None:
        """Publish a record of the present state; not while the clock is unset."""
        if not self.timekeeper.unset:
            self._append(record)

    # the clock

    def check_clock(self) -> None:
        """Check the wall clock, report changes, and give waiting readings their times."""
        changes = self.timekeeper.changes
        verdict = self.timekeeper.check_clock()
        if self._waiting and self.timekeeper.changes != changes:
            self._ticker.begin(self.timekeeper.timestamp(self._waiting.first))
        if verdict.step:
            self._order.interrupt()
            self._instants.clear()
            if verdict.step < 0.0:
                for source in self.sources:
                    for metering in source.meterings:
                        metering.shift_times(round(verdict.step * NS))
        if not self.timekeeper.unset:
            self.events.stamp()
        for event, detail in verdict.occurrences:
            self.event("", event, detail)
        if not self.timekeeper.unset and self._waiting:
            self._date_waiting()

    def _date_waiting(self) -> None:
        """Give some of the waiting readings their times."""
        if self._waiting.dropped:
            self.event(
                "",
                "readings undated",
                f"{self._waiting.dropped} readings were discarded: too many readings waited for the clock",
            )
            self._waiting.dropped = 0
        for _ in range(min(DATED_AT_ONCE, len(self._waiting))):
            waiting = self._waiting.take()
            if waiting.source is not None and waiting.reading is not None:
                self._take(waiting.source, replace(waiting.reading, time=self.timekeeper.timestamp(waiting.monotonic)))
            else:
                self._append(replace(waiting.record, time=self.timekeeper.timestamp(waiting.monotonic)))

    # late energy

    def _late(self, time: int, begin: int) -> list[tuple[int, bytes]]:
        """Store the late energy that is due, and return the rows to book now; a revision books earlier quarters.

        begin: the last instant, UTC ns.
        """
        if self._balance.withheld:
            self._instants.forget_late()
            return []
        for amount in self._instants.amounts:
            self._days.add_late(amount)
            self._report_late(amount)
        rows = self._instants.late(time)
        for end, row in rows:
            self._append(Record(self.books.layout.late, end, row))
            self.settlement.rows += 1
            if end <= begin:
                self.settlement.add(self.books.layout.slot_begin(end))
        return [(end, row) for end, row in rows if end > begin]

    def _report_late(self, amount: LateAmount) -> None:
        """Report the energy of a gap."""
        begin, end = amount.spans[0].begin, amount.spans[-1].end
        if end - begin < REPORTED_GAP * NS:
            return
        energy = amount.positive - amount.negative
        name = self._instants.device_of(amount.channel)
        detail = f"{energy / 1000.0:.3f} kWh from {rfc3339(begin)} to {rfc3339(end)} by counter, shared by time"
        self.event(name, "gap settled", detail)

    def _report_unknown(self, now: float) -> None:
        """Report devices whose missing power leaves the load unknown."""
        names, reasons = self._instants.unknown(), []
        for source in self._instants.channels:
            if source.config.name in names:
                reason = "frozen" if source.frozen else "no power" if source.answers(now) else "no reading"
                reasons.append(f"{source.config.name}: {reason}")
        for event, detail in self._unknown_load.advance(tuple(reasons)):
            self.event("", event, detail)

    # records

    def _append(self, record: Record) -> None:
        if record.series.kind in STAMPED:
            record, name = self._published.with_unique_time(record), series_name(record.series)
            self._spool.put_state(f"{PUBLISHED} {name}", self._published.stamp(name))
        self.records += 1
        self._spool.append(record)
        if self.replay_backlog is not None and record.series.kind in REPLAY_KINDS:
            self.replay_backlog.append(record)

    def _book(self, records: Iterable[Record]) -> None:
        for record in records:
            window = record.series.tag("window")
            if window == "tick":
                self.latest = record
            elif not self._published.add_window(record):
                detail = f"{window} from {rfc3339(record.time)}: published already, before the clock was set"
                self.event("", "window not told", detail)
                continue
            elif window == "15m":
                self._days.add_window(record)
            self._append(record)

    def _store_checkpoint(self, time: int) -> None:
        """Store the books' state as the start of a replay; kind `anew`: the books continue nothing."""
        state = text_of(self.books.state())
        series = Series("checkpoint", (("site", self.config.site.name),), (), (), ("how", "state"))
        self._append(Record(series, time, b"", (self._checkpoint_kind, state)))
        self._checkpoint_kind = ""

    # checks

    def _watch(self, now: float, time: int) -> None:
        """Report lost devices and devices that are back."""
        for source in self.sources:
            name, state = source.config.name, source.state(now)
            before = self._states[name]
            if state == before:
                continue
            self._states[name] = state
            if state in ("stale", "lost"):
                self._append(source.stale_record(time))
                self.event(name, "device lost", source.error or "no reading")
            elif source.answers(now) and before in ("stale", "lost"):
                self.event(name, "device back", "")

    # state

    def _save(self) -> None:
        self._spool.put_state(STATE, self.books.state())
        counters = {source.config.name: source.dump_counters() for source in self.sources}
        self._spool.put_state(COUNTERS, json.dumps(counters).encode())
        energy = {
            "instants": self._instants.dump(),
            "balance": self._balance.dump(),
            "settlement": self.settlement.dump(),
            "unknown": self._unknown_load.dump(),
        }
        self._spool.put_state(ENERGY, json.dumps(energy).encode())
        published = {"order": self._order.dump(), "windows": self._published.dump()}
        self._spool.put_state(PUBLISHED, json.dumps(published).encode())
        self._spool.put_state(DAYS, json.dumps(self._days.dump()).encode())
        learned = [source.learned for source in self.sources]
        if learned != self._learned:
            self._learned = learned
            dumps = {source.config.name: source.dump() for source in self.sources}
            self._spool.put_state(JUDGED, json.dumps(dumps).encode())

    async def _restored(self, name: str, piece: str, restore: Callable[[bytes], None]) -> None:
        """Restore a piece of state; report an event if the piece cannot be read."""
        if (stored := await self._spool.state(piece)) is None:
            return
        try:
            restore(stored)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("%s: %s", RESTARTED[name], error)
            self.event("", RESTARTED[name], str(error))

    def _restore_published(self, stored: bytes) -> None:
        state: Any = json.loads(stored)
        self._order.restore(state["order"])
        self._published.restore(state["windows"])
        if self._order.last is not None:
            self.timekeeper.note_last_published(self._order.last)

    def _restore_counters(self, stored: bytes) -> None:
        states = json.loads(stored)
        for source in self.sources:
            source.restore_counters(states.get(source.config.name, {}))

    def _restore_energies(self, stored: bytes) -> None:
        state: Any = json.loads(stored)
        self._instants.restore(state["instants"])
        self._balance.restore(state["balance"])
        self.settlement.restore(state.get("settlement"))
        self._unknown_load.restore(state.get("unknown", []))

    def _restore_judged(self, stored: bytes) -> None:
        states = json.loads(stored)
        for source in self.sources:
            source.restore(states.get(source.config.name))

    def _restore_days(self, stored: bytes) -> None:
        self._days.restore(json.loads(stored))

    def _restore_books(self, stored: bytes) -> None:
        self.books.enter_era(era_of(stored))
        self.books.restore(stored)
        self._checkpoint_kind = ""
