"""The site: the list of its stages, and the order in which a reading and an instant pass them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from wattgram_drivers.device import Reading

from wattgram.accounts.account_stages import AccountStages
from wattgram.accounts.books import Books
from wattgram.accounts.daybook import DayBook
from wattgram.accounts.instant_rows import Instants
from wattgram.accounts.row_corrections import RowCorrections
from wattgram.acquisition.device_source import Source
from wattgram.base.clock import Clock
from wattgram.base.occurrence import Occurrence, of_device
from wattgram.base.record import Record
from wattgram.config import grid_table
from wattgram.config.load import Config
from wattgram.grid.feed import Feed
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import AlwaysSynchronised, ClockStatus
from wattgram.timekeeping.timekeeper import Timekeeper

from .configuration_watch import ConfigurationWatch
from .device_presence import DevicePresence
from .device_readings import DatedReading, LearnedJudgements
from .events import SiteEvents
from .flow_stages import FlowStages
from .publication import Publication
from .reading_stages import ReadingStages
from .result_stages import ResultStages
from .stored_replay import continue_uncertainty
from .stored_state import COUNTERS, DAYS, ENERGY, JUDGED, PUBLISHED, STATE, StageGroup, StoredState, note_published
from .ticker import Ticker


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
        self.config, self.sources, self._clock = config, tuple(sources), clock
        self._folder = spool.path
        self.readings = self.ticks = 0
        self.latest: Record | None = None  # emission of the last instant
        self.grid = grid_table.ladder(config.grid, config.site.timezone, feeds)
        self.timekeeper = Timekeeper(clock, clock_status or AlwaysSynchronised())
        self.events = SiteEvents(config.site.name, clock, self.timekeeper)
        books = Books(config, self.grid)
        layout, goals = books.layout, config.goals
        self._readings = ReadingStages(self.sources, spool, clock, self.timekeeper)
        self.instants = Instants(config, layout, self.sources, self.grid)
        self._presence = DevicePresence(self.sources, self.instants.is_asleep)
        self._flows = FlowStages(config.site.tick, layout, self.instants, clock, RowCorrections(config, layout))
        self._accounts = AccountStages(books)
        self._days = DayBook(config.site.name, config.site.timezone, layout, goals.nominal_voltage, goals.arrays)
        self._results = ResultStages(self._accounts, self._days)
        self.publication = Publication(spool, self.events, self.timekeeper)
        self._state = StoredState(
            spool,
            {
                PUBLISHED: StageGroup({"order": self._flows.order, "windows": self._results}),
                COUNTERS: self._readings.devices,
                ENERGY: self._flows,
                STATE: self._accounts,
                DAYS: self._days,
                JUDGED: LearnedJudgements(self.sources),
            },
        )
        self._configuration = ConfigurationWatch(config.site.name, spool, books.stated)
        self._ticker = Ticker(config.site.tick, self.instants, clock, self.timekeeper, self._readings.waiting)
        self.pulse, self.settlement = self._ticker.pulse, self._flows.settlement

    @property
    def books(self) -> Books:
        """The books up to the last instant."""
        return self._accounts.books

    @property
    def undated(self) -> int:
        """Number of the readings that wait for the clock, or for the stored state."""
        return len(self._readings.waiting)

    @property
    def last(self) -> int | None:
        """The last published instant, UTC ns."""
        return self._flows.order.last

    async def restore(self, elsewhere: Mapping[str, bytes] | None = None) -> None:
        """Restore the stages from the state of the last process; readings that waited for it get their times then.

        elsewhere: state with published times of another directory. SpoolError while the disk cannot be read.
        """
        self.check_clock()  # first, so that events wait while the clock is unset
        pieces = await self._state.restore()
        if self.last is not None:
            of_books = self._folder, self.config, self.grid, self.books, self.last
            await asyncio.to_thread(continue_uncertainty, *of_books)
        times = await self.publication.restore([source.config.name for source in self.sources])
        if self.last is not None:
            self.timekeeper.note_last_published(self.last)
        self.publication.report(of_device("", [*pieces, *times, *await self._readings.restore()]))
        self.publication.report(await self._configuration.restore())
        if elsewhere is not None:
            self.publication.note_published(elsewhere)
            note_published(elsewhere, self._flows.order, self._results)

    async def run(self) -> None:
        """Compute the balance of every tick of the wall clock until cancelled, then of the ticks that are due."""
        try:
            await self._ticker.run(self)
        finally:
            self.publication.append(*self.events.release(all_held=True))

    def take(self, source: Source, reading: Reading) -> None:
        """Publish a reading as a record, and its events; while the clock is not set, the reading waits for its time."""
        self.check_clock()
        self._publish_readings(self._readings.advance(source, reading))
        self._ticker.arrived()

    def check_clock(self) -> None:
        """Check the wall clock, report changes, and give waiting readings their times."""
        change = self._readings.check_clock()
        if change.begin is not None:
            self._ticker.begin(change.begin)
        if change.step:
            self._flows.interrupt()
        self.publication.advance(self.events.stamp(), change.occurrences)
        self._publish_readings(self._readings.dated())

    def tick(self, time: int) -> None:
        """Compute the balance at an instant, UTC ns; skip one that was published before the clock was set back."""
        now = self._clock.monotonic()
        self.publication.advance(*self._presence.advance(time, now))
        self.publication.append(*self.events.release())
        flows, occurrences = self._flows.advance(time, now)
        self.publication.report(occurrences)
        if flows is not None:
            self.publication.append(*self._configuration.advance(time))
            self.publication.advance(*self._results.advance(flows))
            self.latest = self._results.latest
            self.ticks += 1
            self._state.save()

    def store_late(self) -> bool:
        """Store some rows of late energy of closed quarters, after the ticks' own; return whether there were any."""
        rows = self._flows.late_rows()
        if rows:
            self.publication.append(*(late.record(self.books.layout) for late in rows))
            self._state.save()
        return bool(rows)

    def end_settlement(self, computed_from: int | None) -> None:
        """Note that closed quarters were computed again from a time, UTC ns, or None: it must be tried again."""
        self.publication.report(self._flows.end_settlement(computed_from))
        self._state.save()

    def event(self, device: str, event: str, detail: str) -> None:
        """Report an event; device "" is the site itself."""
        self.publication.report([(device, Occurrence(event, detail))])

    def replace_books(self, books: Books) -> None:
        """Continue with books that were computed again, up to the last instant."""
        self._accounts.replace(books)
        self._state.save()

    def _publish_readings(self, readings: Iterable[DatedReading]) -> None:
        for reading in readings:
            self.publication.advance([reading.record], reading.occurrences)
            if reading.source is not None:
                self.readings += 1
                self._results.put(reading.source, reading.record.time)
                self.instants.put(reading.source, reading.record.time)
