"""`wattgram replay`: results again, by the daemon that has the spool, or without one here, and then to the sinks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from wattgram.accounts.books import Books, era_of
from wattgram.accounts.instant_replay import Replay
from wattgram.base.clock import NS, Clock
from wattgram.base.errors import HistoryError, SpoolError
from wattgram.base.record import EVERY, Record
from wattgram.config.load import Config
from wattgram.daemon.daemon import sinks
from wattgram.delivery.delivery import Delivery
from wattgram.grid import remembered
from wattgram.grid.ladder import Ladder
from wattgram.grid.sources import grid_source
from wattgram.grid.sources.file_source import FileSource
from wattgram.site import replay_request
from wattgram.site.revision import replayed
from wattgram.site.site import STATE
from wattgram.store.history import History
from wattgram.store.spool import Spool

UNHEARD = 10.0
"""Seconds after which a daemon that does not take up a request is given up."""

AWAY = 10.0
"""Seconds without progress after which a sink is left to the next `wattgram run`."""

WAITING_RECORDS = 20_000
"""Records that may wait for the disk."""

Progress = Callable[[str, int], None]
"""Told what goes on and how far it is, UTC ns."""


@dataclass(slots=True)
class ReplayOutcome:
    """What a replay did: seconds it took, instants and source-samples, records computed and changed by window, and
    records that are still to be delivered, by sink. `daemon`: a running one did it."""

    since: int
    until: int
    daemon: bool
    seconds: float = 0.0
    instants: int = 0
    samples: int = 0
    computed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    undelivered: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Windows in their order, each with what was computed and changed."""
        return {
            "daemon": self.daemon,
            "seconds": round(self.seconds, 3),
            "instants": self.instants,
            "samples": self.samples,
            "windows": {
                window: {"computed": self.computed[window], "changed": self.changed[window]} for window in EVERY
            },
            "undelivered": self.undelivered,
        }


async def recompute(
    config: Config, since: int | None, until: int | None, windows: Sequence[str], clock: Clock, progress: Progress
) -> ReplayOutcome:
    """Compute from `since` to `until` again, UTC ns; None is all that is stored, and now.

    SpoolError and HistoryError say why it cannot be.
    """
    first = stored(config)
    begin, end = first if since is None else since, clock.time() if until is None else until
    if end < first:
        raise HistoryError(f"{config.spool.path}: nothing is stored before {_day(first)}")
    begun = time.monotonic()
    spool = Spool(
        config.spool.path,
        max_size=config.spool.max_size,
        keep=config.spool.keep,
        sinks=[one.name for one in sinks(config)],
    )
    try:
        await spool.open()
    except SpoolError as error:
        if not isinstance(error.__cause__, BlockingIOError):
            raise
        outcome = await _by_daemon(config, begin, end, windows, progress)
    else:
        try:
            outcome = await _here(config, spool, begin, end, windows, clock, progress)
        finally:
            await spool.close()
    outcome.seconds = time.monotonic() - begun
    return outcome


def stored(config: Config) -> int:
    """From when on there is something to compute again, UTC ns; HistoryError when there is nothing."""
    with History(config.spool.path, config.site.name).past() as past:
        first = past.first()
    if first is None:
        raise HistoryError(f"{config.spool.path}: no instants of {config.site.name} are stored there")
    return first


async def _here(
    config: Config, spool: Spool, since: int, until: int, windows: Sequence[str], clock: Clock, progress: Progress
) -> ReplayOutcome:
    loop = asyncio.get_running_loop()
    ladder = await _ladder(config, clock)
    state = await spool.state(STATE)
    books = Books(config, ladder, clock.time(), era_of(state) if state else 0)

    async def take(made: Sequence[Record]) -> None:
        for one in made:
            spool.append(one)
        if spool.pending > WAITING_RECORDS:
            await spool.sync()

    def tell(made: Sequence[Record], replay: Replay) -> None:
        asyncio.run_coroutine_threadsafe(take(made), loop).result()
        progress("computing", replay.reached)

    replay = await asyncio.to_thread(
        replayed, config.spool.path, config.site.name, books, since, until, tuple(windows), tell
    )
    spool.put_state(STATE, replay.books.state())
    await spool.sync()
    counts = replay.counts
    outcome = ReplayOutcome(since, until, False, 0.0, counts.instants, counts.samples, counts.computed, counts.changed)
    if any(counts.changed.values()):
        await _deliver(config, spool, clock, progress)
    outcome.undelivered = {name: left for name in spool.sinks if (left := spool.undelivered(name))}
    return outcome


async def _ladder(config: Config, clock: Clock) -> Ladder:
    """What the grid's sources have said, as it is remembered; files are read now."""
    grid = config.grid
    made = [
        grid_source.made(one, grid.basis, config.mqtt, clock, random.Random(0))  # noqa: S311 - it asks nobody
        for one in grid.sources
    ]
    feeds = [one.feed for one in made]
    with History(config.spool.path, config.site.name).past() as past:
        remembered.restore(feeds, past.signals(), grid.basis)
    for one in made:
        if isinstance(one, FileSource):
            for _ in range(2):  # one that was written just now is looked at twice
                await one.check()
    return Ladder(grid.zone, grid.basis, grid.factor, feeds)


async def _deliver(config: Config, spool: Spool, clock: Clock, progress: Progress) -> None:
    """Bring what is new to the sinks, as long as they take it."""
    deliveries = [Delivery(one, spool, clock, random.Random(0)) for one in sinks(config)]  # noqa: S311 - as above
    tasks = [asyncio.create_task(one.run(), name=f"deliver {one.sink.name}") for one in deliveries]
    moved, left = time.monotonic(), inf
    try:
        while (now := sum(spool.undelivered(name) for name in spool.sinks)) and time.monotonic() - moved < AWAY:
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
    """Ask the daemon and wait; SpoolError when it does not answer or says no."""
    folder = config.spool.path
    wish = replay_request.ReplayRequest(
        f"{os.getpid()}-{time.time_ns()}", since, until, tuple(windows), replay_request.edition(config)
    )
    try:
        replay_request.ask(folder, wish)
    except OSError as error:
        raise SpoolError(
            f"{folder}: the daemon that has it cannot be asked: {error.strerror}; run this as the daemon's user"
        ) from error
    heard = time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.2)
            told = replay_request.answered(folder, wish)
            if not told and time.monotonic() - heard > UNHEARD:
                raise SpoolError(f"{folder}: the process that has it does not answer; is it `wattgram run`?")
            if told.get("state") == "failed":
                raise SpoolError(str(told.get("message", "the daemon could not")))
            if told.get("state") == "done":
                break
            if told:
                progress("computing, by the daemon", int(told.get("reached", 0)))
    finally:
        with contextlib.suppress(OSError):
            replay_request.withdraw(folder)
    return ReplayOutcome(
        since,
        until,
        True,
        0.0,
        int(told["instants"]),
        int(told["samples"]),
        _counter(told["computed"]),
        _counter(told["changed"]),
    )


def _counter(told: Mapping[str, int]) -> Counter[str]:
    return Counter({str(window): int(count) for window, count in told.items()})


def _day(instant: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant // NS))
