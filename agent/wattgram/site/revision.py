"""Revision: results are computed and published again after a late grid value or a change of factors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from wattgram.accounts.books import Books
from wattgram.accounts.instant_replay import ImpliedPast, Replay
from wattgram.accounts.left_out import LeftOut
from wattgram.base.clock import NS, Clock
from wattgram.base.errors import HistoryError, SpoolError
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.base.watchdog import Pulse
from wattgram.grid import remembered
from wattgram.store.history import History
from wattgram.store.spool import Spool

from . import replay_request
from .applied_corrections import CORRECTIONS, applied, first_change, stored_corrections, stored_text
from .grid_watch import GridWatch
from .replay_request import ReplayRequest
from .site import Site
from .stored_replay import instants_left_out, replay_parts

log = logging.getLogger(__name__)

SOURCE_CHECK_PERIOD = 1.0
"""Time between two checks of the grid sources, real s."""

SETTLE_SECONDS = 5.0
"""Time between a late value and its revision, real s, because more values may follow.

Revisions take at most a tenth of the time.
"""

SETTLEMENT_RETRY = 300.0
"""Time until a failed settlement of late energy, or a failed correction of the past, is tried again, s."""

PENDING_RECORDS = 20_000
"""Most records that may wait for the disk; then the replay waits."""

BLOCK_PAUSE = 0.02
"""Pause between two blocks for the rest of the daemon, real s."""

REPLAY_STEP = 600.0
"""Longest time for reading and computing one block of a replay, real s."""

GRID = "grid"

FINAL_STATES = ("done", "failed")


class RequestWithdrawn(Exception):
    """The command has withdrawn its replay request."""


class Revision:
    """Supervision of the grid sources: their values are stored in the spool, and late values are applied."""

    def __init__(self, site: Site, spool: Spool, clock: Clock) -> None:
        self.pulse = Pulse("revision", vital=False)
        self._site = site
        self._spool = spool
        self._clock = clock
        self._span: tuple[int, int] | None = None
        self._changed_at = 0.0
        self._pause_until = 0.0
        self._settle_at = 0.0
        self._late_rows = 0
        self._watch = GridWatch(clock.monotonic())
        self._corrected: tuple[int, int] | None = None
        self._correct_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="replay")

    async def restore(self) -> None:
        """Restore the values of the grid sources, and the periods that wait for a revision."""
        config = self._site.config
        stored = await self._spool.state(GRID)
        try:
            state = json.loads(stored) if stored else {}
            marks = {str(name): str(mark) for name, mark in state.get("marks", {}).items()}
            span = state.get("span")
            self._span = (int(span[0]), int(span[1])) if span else None
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            log.warning("the stored state of the grid sources is not readable and starts again: %s", error)
            marks = {}

        def restore_feeds() -> None:
            with contextlib.suppress(HistoryError), History(config.spool.path, config.site.name).past() as past:
                remembered.restore(self._site.grid.feeds, past.signals(), config.grid.basis, marks)

        await asyncio.to_thread(restore_feeds)
        try:
            before = stored_corrections(await self._spool.state(CORRECTIONS))
        except ValueError as error:
            log.warning("all corrections are applied again: %s", error)
            before = []
        self._corrected = first_change(before, applied(config.corrections), round(config.site.tick * NS))

    async def run(self) -> None:
        """Run until cancelled."""
        folder = self._site.config.spool.path
        self._thread.submit(int)  # starts now: a thread that starts after weeks looks like growth
        try:
            while True:
                self.pulse.within(SOURCE_CHECK_PERIOD)
                await asyncio.sleep(SOURCE_CHECK_PERIOD)
                self.check_sources()
                await self._settle_late_energy()
                if self._corrected and time.monotonic() > max(self._correct_at, self._pause_until):
                    await self.correct()
                if self._span and time.monotonic() > max(self._changed_at + SETTLE_SECONDS, self._pause_until):
                    await self._apply_late_values()
                if (request := replay_request.pending(folder)) and replay_request.answered(folder, request).get(
                    "state"
                ) not in FINAL_STATES:
                    await self._answer(request)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def check_sources(self) -> None:
        """Store new values of the sources, note the period of late values, and report whether a source serves."""
        changes = self._site.grid.changes()
        for name, values in changes.signals.items():
            for record in remembered.records_of(self._site.config.site.name, name, values):
                self._spool.append(record)
        if changes.span is not None:
            begin, end = changes.span
            last = self._site.last or 0
            if begin <= last:
                old = self._span or (begin, end)
                self._span = min(begin, old[0]), max(end, old[1])
                self._changed_at = time.monotonic()
            self._store_state()
        if (event := self._watch.check(self._site.grid, self._clock.time(), self._clock.monotonic())) is not None:
            self._site.event("", *event)

    async def revise(
        self,
        since: int,
        until: int,
        windows: Iterable[str],
        progress: Callable[[Replay], None] | None = None,
    ) -> Replay:
        """Compute from `since` to `until` again, UTC ns, and continue from there; HistoryError if that is impossible.

        The daemon continues meanwhile; its new instants are computed again at the end, at once.
        """
        site, loop, started = self._site, asyncio.get_running_loop(), time.monotonic()
        new_instants: list[Record] = []
        site.publication.replay_backlog = new_instants
        self.pulse.within(REPLAY_STEP)
        try:
            await self._spool.sync()
            ladder = site.grid.snapshot()
            books = Books(site.config, ladder, era=site.books.era)
            folder, name = site.config.spool.path, site.config.site.name

            replay: Replay | None = None
            parts = replay_parts(folder, name, books, since, until, tuple(windows))
            try:
                while (part := await loop.run_in_executor(self._thread, next, parts, None)) is not None:
                    records, replay = part
                    self.pulse.within(REPLAY_STEP)
                    newer = {(late.series, late.time) for late in new_instants if late.series.kind == "late"}
                    # The row of a quarter with another price must not follow a row that has more of its energy.
                    site.publication.republish(
                        record for record in records if (record.series, record.time) not in newer
                    )
                    if progress is not None:
                        progress(replay)
                    await self._spool_room()
            finally:
                await loop.run_in_executor(self._thread, parts.close)
            assert replay is not None  # there is a last part
            replay.past = ImpliedPast()  # the following instants were published during the replay
            replay.know_late(new_instants)
            for record in list(new_instants):
                site.publication.republish(list(replay.take(record)))
            site.publication.republish(list(replay.finish()))
            replay.books.ladder = site.grid
            if site.books.era == replay.books.era:  # else the clock was set back meanwhile and the books are obsolete
                site.replace_books(replay.books)
        finally:
            site.publication.replay_backlog = None
            self._pause_until = time.monotonic() + 10.0 * (time.monotonic() - started)
        changed = replay.counts.changed
        if changed:
            detail = ", ".join(f"{changed[window]} of {window}" for window in ALL_WINDOWS if changed[window])
            site.event("", "results revised", detail)
        return replay

    async def _spool_room(self) -> None:
        """Wait until the spool has room for more records, and give the rest of the daemon its time."""
        if self._spool.pending > PENDING_RECORDS:
            await self._spool.sync()
        await asyncio.sleep(BLOCK_PAUSE)

    async def _settle_late_energy(self) -> None:
        """Compute closed quarters with late energy again once no more of it follows, or after a failure."""
        with contextlib.suppress(SpoolError):  # the next call continues; the task of the spool reports the error
            await self._spool_room()
            while self._site.store_late():  # a pause of a year has 35,000 rows
                self.pulse.within(REPLAY_STEP)
                await self._spool_room()
        now = asyncio.get_running_loop().time()
        if self._site.settlement.rows != self._late_rows:  # more may follow: devices return one after the other
            self._late_rows, self._settle_at = self._site.settlement.rows, max(self._settle_at, now + SETTLE_SECONDS)
        if now >= self._settle_at and not await self.settle():
            self._settle_at = asyncio.get_running_loop().time() + SETTLEMENT_RETRY

    async def settle(self) -> bool:
        """Compute again from the first quarter with new late energy; return whether that is possible now.

        The grid's values stay as published.
        """
        if (since := self._site.settlement.begin()) is None:
            return True
        computed_from = None
        try:
            begun = (await self.revise(since, since, ALL_WINDOWS)).begun
            computed_from = self._site.books.layout.slot_begin(begun + 1) if begun > since else since
        except (HistoryError, SpoolError) as error:
            log.error("late energy waits: %s", error)
        except Exception:  # late energy must not end the daemon
            log.exception("late energy waits")
        finally:
            self._site.end_settlement(computed_from)
        return computed_from is not None

    async def correct(self) -> bool:
        """Compute the time of new, changed and withdrawn corrections again; return whether that is done.

        The grid's values stay as published.
        """
        if self._corrected is None:
            return True
        begin, end = self._corrected
        corrections = applied(self._site.config.corrections)
        try:
            replay = await self.revise(begin, begin, ALL_WINDOWS)
            found = await asyncio.to_thread(self._left_out, replay, begin, end)
        except (HistoryError, SpoolError) as error:
            log.warning("the corrections of the past wait: %s", error)
        except Exception:  # a correction must not end the daemon
            log.exception("the corrections of the past wait")
        else:
            for part in found:
                log.warning("%d instants are not corrected: %s", part.instants, part.reason)
            self._corrected = None
            self._spool.put_state(CORRECTIONS, stored_text(corrections))
            return True
        self._correct_at = time.monotonic() + SETTLEMENT_RETRY
        return False

    def _left_out(self, replay: Replay, since: int, until: int) -> list[LeftOut]:
        with History(self._site.config.spool.path, self._site.config.site.name).past() as past:
            return instants_left_out(past, replay, since, until)

    async def _apply_late_values(self) -> None:
        assert self._span is not None  # the caller has checked
        (begin, end), self._span = self._span, None
        until = end + round(self._site.config.site.tick * NS)  # the first interval after the change may begin in it
        try:
            counts = (await self.revise(begin - 1, until, ALL_WINDOWS)).counts
            for part in counts.left_out:
                log.warning("late grid values are not applied to %d instants: %s", part.instants, part.reason)
        except (HistoryError, SpoolError) as error:
            log.error("late grid values are not applied: %s", error)
        except Exception:  # a late value must not end the daemon
            log.exception("late grid values are not applied")
        self._store_state()

    async def _answer(self, request: ReplayRequest) -> None:
        """Carry out the request of a command and report the progress."""
        folder = self._site.config.spool.path
        if request.configuration != replay_request.edition(self._site.config):
            message = "the daemon runs with another configuration; restart the daemon first"
            replay_request.answer(folder, request, "failed", {"message": message})
            return

        def progress(replay: Replay) -> None:
            if replay_request.pending(folder) != request:
                raise RequestWithdrawn
            replay_request.answer(folder, request, "working", {"reached": replay.reached})

        try:
            replay_request.answer(folder, request, "working", {})
            counts = (await self.revise(request.since, request.until, request.windows, progress)).counts
        except RequestWithdrawn:
            log.info("replay withdrawn")
        except (HistoryError, SpoolError) as error:
            replay_request.answer(folder, request, "failed", {"message": str(error)})
        except Exception as error:  # a request must not end the daemon
            log.exception("replay failed")
            replay_request.answer(
                folder, request, "failed", {"message": f"internal error, {type(error).__name__}: {error}"}
            )
        else:
            replay_request.answer(
                folder,
                request,
                "done",
                {
                    "instants": counts.instants,
                    "samples": counts.samples,
                    "computed": dict(counts.computed),
                    "changed": dict(counts.changed),
                    "asked": counts.asked,
                    "left_out": counts.left_out,
                },
            )

    def _store_state(self) -> None:
        state = {"marks": self._site.grid.marks(), "span": self._span}
        self._spool.put_state(GRID, json.dumps(state).encode())
