"""Spools for tests: opened, filled, read to their end, and killed."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from wattgram.base.record import Record, Series
from wattgram.store.spool import Spool

from tests.support.records import METER, NOW, numbers

NS = 1_000_000_000
DAY = 86_400
MIB = 2**20

_DEAD: list[Spool] = []
"""References to databases, since Python closes a database without references in order."""

EVENT = Series("event", (("site", "works"), ("device", "")), (), (), ("event", "detail"))


@asynccontextmanager
async def opened(
    folder: Path, sinks: tuple[str, ...] = ("one",), *, size: int = 64 * MIB, keep: float = 30 * DAY
) -> AsyncIterator[Spool]:
    """A spool while the block lasts."""
    spool = Spool(folder, max_size=size, keep=keep, sinks=sinks)
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine; TimeoutError after five minutes."""
    asyncio.run(asyncio.wait_for(work(), 300))


async def put(spool: Spool, records: list[Record]) -> None:
    """Append and sync."""
    for record in records:
        spool.append(record)
    await spool.sync()


async def delivered(spool: Spool, sink: str = "one", limit: int = 1000) -> list[float | str]:
    """Return the numbers of all records that a sink can have now, and acknowledge them."""
    return numbers(await taken(spool, sink, limit))


async def taken(spool: Spool, sink: str = "one", limit: int = 1000) -> list[Record]:
    """Return all records that a sink can have now, and acknowledge them; do not wait for damaged records."""
    found: list[Record] = []
    while spool.undelivered(sink):
        pending = asyncio.create_task(spool.batch(sink, limit))
        while not pending.done() and spool.undelivered(sink):
            await asyncio.wait({pending}, timeout=0.01)
        if not pending.done():
            pending.cancel()
            break
        batch = pending.result()
        found += batch.records
        spool.settle(sink, batch, len(batch.seqs))
    return found


async def killed(spool: Spool) -> None:
    """End a spool as kill -9 does: it writes nothing more, and another process may open the files."""
    spool._store._lock.release()
    spool._stop_threads()
    _DEAD.append(spool)


def noisy(first: int, last: int) -> list[Record]:
    """Readings `first` to `last` that pack badly: a second number without any pattern."""
    chance = random.Random(first)
    return [
        Record(METER, NOW + number * NS, struct.pack("2d", number, chance.random()), ("good",))
        for number in range(first, last + 1)
    ]


def happening(number: int) -> Record:
    """An event, which is not in a ring but in the database."""
    return Record(EVENT, NOW + number * NS, b"", ("device lost", str(number)))
