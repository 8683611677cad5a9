"""Late truth: what a grid value that came late, or other factors, have changed is computed again and told again."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wattgram.accounts.books import Books
from wattgram.accounts.instant_replay import ImpliedPast, Replay
from wattgram.base.clock import Clock
from wattgram.base.errors import HistoryError, SpoolError
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.base.watchdog import Pulse
from wattgram.grid import remembered
from wattgram.store.history import History
from wattgram.store.spool import Spool

from . import replay_request
from .replay_request import ReplayRequest
from .site import Site

log = logging.getLogger(__name__)

CHECK = 1.0
"""Real seconds between two looks at what the grid's sources have said."""

SETTLE = 5.0
"""Real seconds after late news before it is worked in, since more may follow; and at most a tenth of the time is
spent on it."""

HANDED_RECORDS = 5000
"""Records that are handed on at once."""

WAITING_RECORDS = 20_000
"""Records that may wait for the disk; past that the replay does."""

BLOCK_PAUSE = 0.02
"""Real seconds between two blocks, in which the daemon has the processor for itself."""

REPLAY_STEP = 600.0
"""Real seconds in which a block of a replay is read and computed, at most."""

GRID = "grid"

OVER = ("done", "failed")


def replayed(
    folder: Path,
    site: str,
    books: Books,
    since: int,
    until: int,
    windows: Iterable[str],
    tell: Callable[[Sequence[Record], Replay], None],
) -> Replay:
    """Compute a stored site again with fresh `books`, from the last state before `since`, both UTC ns; blocks.

    `tell` gets what changed, piece by piece, and may raise to end it. HistoryError where nothing is stored.
    """
    history = History(folder, site)
    with history.past() as past:
        noted = past.checkpoint(since) or past.checkpoint(past.first() or 0)
        if noted is None:
            raise HistoryError(f"{folder}: no instants of {site} are stored there")
        try:
            books.restore(base64.b85decode(noted.texts[1]))
            strange = False
        except ValueError:
            strange = True
        replay = Replay(books, noted.time, since, until, past, windows, strange=strange)
        made: list[Record] = []
        told = 0
        for record in past.journal(noted.time):
            made.extend(replay.take(record))
            if len(made) >= HANDED_RECORDS or replay.counts.instants > told:
                told = replay.counts.instants
                tell(made, replay)
                made = []
        made.extend(replay.finish())
        tell(made, replay)
    return replay


class RequestWithdrawn(Exception):
    """Who asked for a replay does not want it any more."""


class Revision:
    """Watches the grid's sources: what they say is remembered in the spool, and what came late is worked in."""

    def __init__(self, site: Site, spool: Spool, clock: Clock) -> None:
        self.pulse = Pulse("revision", vital=False)
        self._site = site
        self._spool = spool
        self._clock = clock
        self._span: tuple[int, int] | None = None
        self._changed = 0.0
        self._rest = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="replay")

    async def restore(self) -> None:
        """Bring the sources back to what they knew, and what was not worked in yet."""
        config = self._site.config
        stored = await self._spool.state(GRID)
        try:
            found = json.loads(stored) if stored else {}
            marks = {str(name): str(mark) for name, mark in found.get("marks", {}).items()}
            span = found.get("span")
            self._span = (int(span[0]), int(span[1])) if span else None
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            log.warning("the state of the grid's sources begins anew: %s", error)
            marks = {}

        def recall() -> None:
            with contextlib.suppress(HistoryError), History(config.spool.path, config.site.name).past() as past:
                remembered.restore(self._site.grid.feeds, past.signals(), config.grid.basis, marks)

        await asyncio.to_thread(recall)

    async def run(self) -> None:
        """Work until cancelled."""
        folder = self._site.config.spool.path
        try:
            while True:
                self.pulse.within(CHECK)
                await asyncio.sleep(CHECK)
                self.look()
                if self._span and time.monotonic() > max(self._changed + SETTLE, self._rest):
                    await self._work_in()
                if (wish := replay_request.pending(folder)) and replay_request.answered(folder, wish).get(
                    "state"
                ) not in OVER:
                    await self._answer(wish)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def look(self) -> None:
        """Remember what the sources said, and note what of it came late."""
        learned = self._site.grid.changes()
        for name, news in learned.signals.items():
            for record in remembered.records_of(self._site.config.site.name, name, news):
                self._spool.append(record)
        if learned.span is not None:
            begin, end = learned.span
            last = self._site.last or 0
            if begin <= last:
                old = self._span or (begin, end)
                self._span = min(begin, old[0]), max(end, old[1])
                self._changed = time.monotonic()
            self._keep()

    async def revise(
        self,
        since: int,
        until: int,
        windows: Iterable[str],
        progress: Callable[[Replay], None] | None = None,
    ) -> Replay:
        """Compute from `since` to `until` again, UTC ns, and go on from there; HistoryError where it cannot be.

        The daemon goes on meanwhile; what it computes is computed again at the end, in one go.
        """
        site, loop, begun = self._site, asyncio.get_running_loop(), time.monotonic()
        meanwhile: list[Record] = []
        site.meanwhile = meanwhile
        self.pulse.within(REPLAY_STEP)
        try:
            await self._spool.sync()
            ladder = site.grid.snapshot()
            books = Books(site.config, ladder, self._clock.time(), site.books.era)
            folder, name = site.config.spool.path, site.config.site.name

            async def take(made: Sequence[Record], replay: Replay) -> None:
                if self._spool.pending > WAITING_RECORDS:
                    await self._spool.sync()
                self.pulse.within(REPLAY_STEP)
                site.retell(made)
                if progress is not None:
                    progress(replay)

            def tell(made: Sequence[Record], replay: Replay) -> None:
                asyncio.run_coroutine_threadsafe(take(made, replay), loop).result()
                time.sleep(BLOCK_PAUSE)

            replay = await loop.run_in_executor(
                self._thread, replayed, folder, name, books, since, until, tuple(windows), tell
            )
            replay.past = ImpliedPast()  # what follows was published while we looked away
            for record in list(meanwhile):
                site.retell(list(replay.take(record)))
            site.retell(list(replay.finish()))
            replay.books.ladder = site.grid
            if site.books.era == replay.books.era:  # else the clock was set back meanwhile, and these are of before
                site.adopt(replay.books)
        finally:
            site.meanwhile = None
            self._rest = time.monotonic() + 10.0 * (time.monotonic() - begun)
        changed = replay.counts.changed
        if changed:
            told = ", ".join(f"{changed[window]} of {window}" for window in ALL_WINDOWS if changed[window])
            site.event("", "results revised", told)
        return replay

    async def _work_in(self) -> None:
        assert self._span is not None  # or there is nothing to do
        (begin, end), self._span = self._span, None
        try:
            await self.revise(begin - 1, end, ALL_WINDOWS)
        except (HistoryError, SpoolError) as error:
            log.error("late grid values are not worked in: %s", error)
        except Exception:  # a late value must not end the daemon
            log.exception("late grid values are not worked in")
        self._keep()

    async def _answer(self, wish: ReplayRequest) -> None:
        """Do what a command asks for, and say how far it is."""
        folder = self._site.config.spool.path
        if wish.configuration != replay_request.edition(self._site.config):
            message = "the daemon runs with another configuration than this one; restart it first"
            replay_request.answer(folder, wish, "failed", {"message": message})
            return

        def progress(replay: Replay) -> None:
            if replay_request.pending(folder) != wish:
                raise RequestWithdrawn
            replay_request.answer(folder, wish, "working", {"reached": replay.reached})

        try:
            replay_request.answer(folder, wish, "working", {})
            counts = (await self.revise(wish.since, wish.until, wish.windows, progress)).counts
        except RequestWithdrawn:
            log.info("a replay was called off")
        except (HistoryError, SpoolError) as error:
            replay_request.answer(folder, wish, "failed", {"message": str(error)})
        except Exception as error:  # a question must not end the daemon
            log.exception("a replay failed")
            replay_request.answer(
                folder, wish, "failed", {"message": f"internal error, {type(error).__name__}: {error}"}
            )
        else:
            replay_request.answer(
                folder,
                wish,
                "done",
                {
                    "instants": counts.instants,
                    "samples": counts.samples,
                    "computed": dict(counts.computed),
                    "changed": dict(counts.changed),
                },
            )

    def _keep(self) -> None:
        state = {"marks": self._site.grid.marks(), "span": self._span}
        self._spool.put_state(GRID, json.dumps(state).encode())
