"""Replay of the stored history: by the running daemon if there is one, or else in this process with delivery."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from wattgram.accounts.books import Books
from wattgram.accounts.books_state import era_of
from wattgram.accounts.instant_replay import Replay
from wattgram.accounts.left_out import LeftOut
from wattgram.base.clock import NS, Clock
from wattgram.base.errors import HistoryError, SpoolError
from wattgram.base.record import ALL_WINDOWS, Record
from wattgram.base.units import rfc3339
from wattgram.config import grid_table
from wattgram.config.load import Config
from wattgram.daemon.daemon import sinks, spool_of
from wattgram.delivery.delivery import Delivery
from wattgram.grid import remembered
from wattgram.grid.ladder import Ladder
from wattgram.grid.sources import grid_source
from wattgram.grid.sources.file_source import FileSource
from wattgram.site import replay_request
from wattgram.site.applied_corrections import CORRECTIONS, applied, first_change, stored_corrections, stored_text
from wattgram.site.configuration_watch import ConfigurationWatch
from wattgram.site.stored_replay import replayed
from wattgram.site.stored_state import STATE
from wattgram.store.history import History
from wattgram.store.spool import Spool

REQUEST_LIMIT = 10.0
"""Time limit for the daemon to accept a request, s."""

DELIVERY_LIMIT = 10.0
"""Time without progress after which the rest of the delivery is left to the next `wattgram run`, s."""

WAITING_RECORDS = 20_000
"""Most records in memory before they are written to disk."""

Progress = Callable[[str, int], None]
"""Called with the work in progress and the time reached, UTC ns (0: unknown)."""


@dataclass(slots=True)
class ReplayOutcome:
    """Result of a replay from `since` to `until`, UTC ns. `daemon`: the running daemon did it.

    `seconds`: duration; `instants`, `samples`: replayed instants and samples of the sources; `computed`, `changed`:
    records by window; `undelivered`: records not yet delivered, by sink. `asked`: replayed instants of the period;
    `left_out`: instants of the period that were not replayed.
    """

    since: int
    until: int
    daemon: bool
    seconds: float = 0.0
    instants: int = 0
    samples: int = 0
    computed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    undelivered: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the result for JSON; `since` and `until` are left out."""
        return {
            "daemon": self.daemon,
            "seconds": round(self.seconds, 3),
            "instants": self.instants,
            "samples": self.samples,
            "windows": {
                window: {"computed": self.computed[window], "changed": self.changed[window]} for window in ALL_WINDOWS
            },
            "left_out": [
                {
                    "instants": part.instants,
                    "from": rfc3339(part.first),
                    "to": rfc3339(part.last),
                    "reason": part.reason,
                }
                for part in self.left_out
            ],
            "undelivered": self.undelivered,
        }


async def recompute(
    config: Config, since: int | None, until: int | None, windows: Sequence[str], clock: Clock, progress: Progress
) -> ReplayOutcome:
    """Compute the results from `since` to `until` again, UTC ns. None: from the first stored instant, and until now.

    SpoolError when spool or daemon do not work, HistoryError when no history is stored.
    """
    first = first_stored(config)
    begin, end = first if since is None else since, clock.time() if until is None else until
    if end < first:
        raise HistoryError(f"{config.spool.path}: nothing is stored before {_day(first)}")
    start = time.monotonic()
    async with _unused_spool(config) as spool:
        if spool is not None:
            outcome = await _in_process(config, spool, begin, end, windows, clock, progress)
    if spool is None:
        outcome = await _by_daemon(config, begin, end, windows, progress)
    outcome.seconds = time.monotonic() - start
    return outcome


async def recompute_alone(config: Config, since: int, clock: Clock) -> ReplayOutcome | None:
    """Compute the results from `since` on again, UTC ns, with the grid's values as published.

    None if the running daemon holds the spool: with another configuration it would refuse. SpoolError when the spool
    does not work, HistoryError when no history is stored.
    """
    start = time.monotonic()
    async with _unused_spool(config) as spool:
        if spool is None:
            return None
        outcome = await _in_process(config, spool, since, since, ALL_WINDOWS, clock, lambda _current, _reached: None)
    outcome.seconds = time.monotonic() - start
    return outcome


@contextlib.asynccontextmanager
async def _unused_spool(config: Config) -> AsyncIterator[Spool | None]:
    """Open the spool while the block lasts; None if the running daemon holds it. SpoolError when it does not open."""
    spool = spool_of(config, sinks(config))
    try:
        await spool.open()
        await spool.sync()  # a disk that cannot be written is an error here
    except SpoolError as error:
        if not isinstance(error.__cause__, BlockingIOError):
            raise
        yield None
        return
    try:
        yield spool
    finally:
        await spool.close()


def first_stored(config: Config) -> int:
    """Return the first stored instant, UTC ns. HistoryError when none is stored."""
    with History(config.spool.path, config.site.name).past() as past:
        first = past.first()
    if first is None:
        raise HistoryError(f"{config.spool.path}: no instants of {config.site.name} are stored there")
    return first


async def _in_process(
    config: Config, spool: Spool, since: int, until: int, windows: Sequence[str], clock: Clock, progress: Progress
) -> ReplayOutcome:
    loop = asyncio.get_running_loop()
    ladder = await stored_ladder(config, clock)
    state = await spool.state(STATE)
    books = Books(config, ladder, era=era_of(state) if state else 0)
    watch = ConfigurationWatch(config.site.name, spool, books.stated)
    await watch.restore()
    for record in watch.unrecorded(clock.time()):
        spool.append(record)

    async def append(records: Sequence[Record]) -> None:
        for record in records:
            spool.append(record)
        if spool.pending > WAITING_RECORDS:
            await spool.sync()

    def publish(records: Sequence[Record], replay: Replay) -> None:
        asyncio.run_coroutine_threadsafe(append(records), loop).result()
        progress("computing", replay.reached)

    replay = await asyncio.to_thread(
        replayed, config.spool.path, config.site.name, books, since, until, tuple(windows), publish
    )
    spool.put_state(STATE, replay.books.state())
    await _note_corrections(config, spool, since)
    await spool.sync()
    counts = replay.counts
    outcome = ReplayOutcome(
        since,
        until,
        False,
        0.0,
        counts.instants,
        counts.samples,
        counts.computed,
        counts.changed,
        counts.asked,
        counts.left_out,
    )
    if any(counts.changed.values()):
        await _deliver(config, spool, clock, progress)
    outcome.undelivered = {name: left for name in spool.sinks if (left := spool.undelivered(name))}
    return outcome


async def _note_corrections(config: Config, spool: Spool, since: int) -> None:
    """Note that the stored results contain the corrections of the past, if all their time was computed again."""
    corrections = applied(config.corrections)
    with contextlib.suppress(ValueError):  # a damaged state: the daemon applies all corrections again
        before = stored_corrections(await spool.state(CORRECTIONS))
        change = first_change(before, corrections, round(config.site.tick * NS))
        if change is not None and since <= max(change[0], first_stored(config)):
            spool.put_state(CORRECTIONS, stored_text(corrections))


async def stored_ladder(config: Config, clock: Clock) -> Ladder:
    """Return the grid values from the stored history; file sources are read now."""
    grid = config.grid
    sources = [
        grid_source.made(source, grid.basis, config.mqtt, clock, random.Random(0))  # noqa: S311 - spreads pauses; none here
        for source in grid.sources
    ]
    feeds = [source.feed for source in sources]
    with History(config.spool.path, config.site.name).past() as past:
        remembered.restore(feeds, past.signals(), grid.basis)
    for source in sources:
        if isinstance(source, FileSource):
            for _ in range(2):  # a file that has just changed is read when the second look finds it unchanged
                await source.check()
    return grid_table.ladder(grid, config.site.timezone, feeds)


async def _deliver(config: Config, spool: Spool, clock: Clock, progress: Progress) -> None:
    """Deliver the new records as long as the sinks accept records."""
    deliveries = [Delivery(sink, spool, clock, random.Random(0)) for sink in sinks(config)]  # noqa: S311 - as above
    tasks = [asyncio.create_task(delivery.run(), name=f"deliver {delivery.sink.name}") for delivery in deliveries]
    moved, left = time.monotonic(), inf
    try:
        while (
            now := sum(spool.undelivered(name) for name in spool.sinks)
        ) and time.monotonic() - moved < DELIVERY_LIMIT:
            if now < left:
                moved, left = time.monotonic(), now
            progress(f"delivering, {now} records left", 0)
            await asyncio.sleep(0.1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await spool.sync()


async def _by_daemon(
    config: Config, since: int, until: int, windows: Sequence[str], progress: Progress
) -> ReplayOutcome:
    """Request the replay from the daemon and wait. SpoolError when the daemon does not answer or cannot replay."""
    folder = config.spool.path
    request = replay_request.ReplayRequest(
        f"{os.getpid()}-{time.time_ns()}", since, until, tuple(windows), replay_request.edition(config)
    )
    try:
        replay_request.ask(folder, request)
    except OSError as error:
        raise SpoolError(
            f"{folder}: cannot request a replay from the daemon: {error.strerror}; run this as the daemon's user"
        ) from error
    begin = time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.2)
            reply = replay_request.answered(folder, request)
            if not reply and time.monotonic() - begin > REQUEST_LIMIT:
                raise SpoolError(
                    f"{folder}: the process that uses the spool does not answer; check that it is `wattgram run`"
                )
            if reply.get("state") == "failed":
                raise SpoolError(str(reply.get("message", "the daemon could not")))
            if reply.get("state") == "done":
                break
            if reply:
                progress("computing, by the daemon", int(reply.get("reached", 0)))
    finally:
        with contextlib.suppress(OSError):
            replay_request.withdraw(folder)
    return ReplayOutcome(
        since,
        until,
        True,
        0.0,
        int(reply["instants"]),
        int(reply["samples"]),
        _counter(reply["computed"]),
        _counter(reply["changed"]),
        int(reply["asked"]),
        [LeftOut(int(count), int(first), int(last), str(reason)) for count, first, last, reason in reply["left_out"]],
    )


def _counter(counts: Mapping[str, int]) -> Counter[str]:
    return Counter({str(window): int(count) for window, count in counts.items()})


def _day(instant: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant // NS))
