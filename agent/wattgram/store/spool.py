"""The durable buffer: every record is on disk before a sink sees it; each sink has its own position.

`append` only remembers; one write a sync period puts everything on disk, in a thread, so the loop never waits for
a card. While the disk takes nothing, records stay in memory and sinks get them from there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from wattgram.base.errors import SpoolError
from wattgram.base.record import Kind, Record

from . import REFUSED_KEPT, Batch, Numbered, Refusal, Store, unreadable

__all__ = ["Batch", "Spool"]

log = logging.getLogger(__name__)

T = TypeVar("T")


class Pruned(NamedTuple):
    """What was lost: undelivered records that gave way to newer ones, and records that could not be read.

    more: whether there is more that is past its age.
    """

    given_up: int
    damaged: int
    more: bool


PENDING = 50_000
"""Records kept in memory while the disk takes nothing; past that the oldest are dropped and counted."""


class Spool:
    """Append, sync, batch, settle, history; on disk and bounded. One per directory.

    appended: records of this process. head: number of the last record on disk. last: number of the last record.
    dropped: records that never came to disk. lost: undelivered records that were deleted for want of room. damaged:
    records that could not be read. refused: records that a sink refused. set_aside: the damaged file that was put
    away, if any. notes: what else was found damaged when it was opened.
    """

    def __init__(self, path: Path, *, max_size: int, keep: float, sinks: Sequence[str]) -> None:
        self.path = path
        self.max_size = max_size
        self.keep = keep
        self.sinks = tuple(sinks)
        self.appended = 0
        self.dropped = 0
        self.refused = 0
        self.head = 0
        self.last = 0
        self.positions: dict[str, int] = dict.fromkeys(self.sinks, 0)
        self._reach = 0
        self._era = 0
        self._told = (0, 0)
        self._left: dict[str, int] = dict.fromkeys(self.sinks, 0)
        self._coming = 0  # records that sinks will have after the next sync
        self._pending: deque[Record] = deque()
        self._state: dict[str, bytes] = {}
        self._moved: dict[str, int] = {}
        self._refused: deque[Refusal] = deque(maxlen=REFUSED_KEPT)
        self._synced = asyncio.Event()
        self._syncing = asyncio.Lock()
        self._store = Store(path, max_size)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history")

    @property
    def lost(self) -> int:
        """Undelivered records that were deleted for want of room."""
        return self._store.lost

    @property
    def damaged(self) -> int:
        """Records that could not be read."""
        return self._store.damaged

    @property
    def share(self) -> float:
        """Share of its room, 0 to 1, that belongs to what a sink still waits for; at 1 undelivered records go.

        To within a segment, 1/64 of `max_size` at most 4 MiB; delivered history counts nothing, it gives way first.
        """
        return self._store.waiting(self._delivered())

    @property
    def payload(self) -> int:
        """Bytes of the records that this process has put on disk: their numbers, texts and time."""
        return self._store.payload

    @property
    def written(self) -> int:
        """Bytes of the pages that this process has written for them."""
        return self._store.written

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found damaged when the spool was opened, a line each."""
        return tuple(self._store.notes)

    @property
    def set_aside(self) -> Path | None:
        """Where the damaged file is; None when there was none."""
        return self._store.set_aside

    @property
    def pending(self) -> int:
        """Records that are not on disk yet."""
        return len(self._pending)

    def undelivered(self, sink: str) -> int:
        """Records that a sink could have and has not settled."""
        return self._left.get(sink, 0)

    async def open(self) -> None:
        """Open or make the spool; a damaged one is set aside. On a full or read-only disk it works from memory.

        SpoolError when another process has it or the place is wrong.
        """
        try:
            await self._enter()
        except SpoolError as error:
            if self._final(error):
                self._store.close()
                self._shut()
                raise
            log.error("spool: %s; records are kept in memory until the disk takes them", error)

    async def close(self) -> None:
        """Put everything on disk and close; SpoolError when the disk refuses the last records."""
        try:
            await self.sync()
        except SpoolError as error:
            raise SpoolError(f"{error}; {self.pending} records are lost") from error
        finally:
            try:
                await self._run(self._store.close)
            finally:
                self._shut()

    def append(self, record: Record) -> None:
        """Remember a record for the next sync."""
        self.appended += 1
        self.last += 1
        self._pending.append(record)
        self._coming += not record.series.internal
        if len(self._pending) > PENDING:
            self._drop()

    def put_state(self, name: str, data: bytes) -> None:
        """Remember a piece of state; it goes to disk in one write with the records before it."""
        self._state[name] = data

    async def state(self, name: str) -> bytes | None:
        """A piece of state as of the last sync; None when there is none or the disk could not be opened."""
        return await self._run(partial(self._store.state, name)) if self._store.is_open else None

    async def sync(self) -> None:
        """Commit what was appended; SpoolError keeps it in memory for the next time, and sinks get it from there."""
        async with self._syncing:
            # What is remembered here changes only after the commit, so one that is cancelled is simply done again.
            due, given_up = self.last, self._store.lost
            try:
                if not self._store.is_open:
                    await self._enter()
                    due = self.last
                await self._commit()
            except SpoolError:
                self._serve(due)
                raise
            self._serve(self.head)
            if self._store.lost > given_up:
                await self._recount()

    async def batch(self, sink: str, limit: int) -> Batch:
        """The next records of a sink, oldest first; waits until there are some."""
        while True:
            synced, head, after = self._synced, self.head, self.positions.get(sink, 0)
            if after < head and self._store.is_open:
                found = await self._run(partial(self._store.read, after, limit))
                if found.seqs:
                    return Batch(found.records, found.seqs, self._era)
                self._move(sink, head)  # what was there is gone
                async with self._syncing:
                    await self._recount()
            elif after < self._reach:
                if (found := self._remembered(after, limit)).seqs:
                    return found
                self._move(sink, self._reach)  # dropped
            else:
                self._left[sink] = 0  # what was counted and is not there was not readable
                await synced.wait()

    def settle(self, sink: str, batch: Batch, count: int) -> None:
        """The sink is done with the first `count` records of its batch."""
        if count and batch.era == self._era:
            done = bisect_right(batch.seqs, self.positions.get(sink, 0))
            self._left[sink] = max(0, self._left.get(sink, 0) - max(0, count - done))
            self._move(sink, batch.seqs[count - 1])

    async def refuse(self, sink: str, batch: Batch, reasons: dict[int, str]) -> None:
        """Set records of a batch aside, by index, with the sink's reason; kept from the next sync on, the latest."""
        self.refused += len(reasons)
        self._refused.extend(
            Refusal(batch.seqs[index], sink, reason, batch.records[index]) for index, reason in reasons.items()
        )

    async def history(self, kind: Kind, since: int, tags: dict[str, str] | None = None) -> list[Record]:
        """Records of a kind with a time of at least `since` (UTC ns), oldest first, as of the last sync."""
        if not self._store.is_open:
            return []
        return await self._run(partial(self._store.history, kind, since, tags or {}), self._reader)

    async def pack(self, now: int) -> None:
        """Bring what was synced to where it stays, packed, before `now`, UTC ns; keep the bounds. Often is wasteful.

        SpoolError when the disk refuses; then it is tried again with a later sync.
        """
        async with self._syncing:
            self._store.delivered = self._delivered()
            await self._run(partial(self._store.pack, now))
            await self._recount()

    async def prune(self, now: int) -> Pruned:
        """Delete some of the delivered records past their age; what was lost since the last call.

        A piece at a time, so that a sync never waits for a month to be deleted.
        """
        self._store.delivered = self._delivered()
        more = await self._run(partial(self._store.expire, now - int(self.keep * 1e9)))
        before, self._told = self._told, (self.lost, self.damaged)
        return Pruned(self.lost - before[0], self.damaged - before[1], more)

    async def _enter(self) -> None:
        """Open the file; records that came before it was there get the numbers after its last."""
        await self._run(self._store.open)
        store = self._store
        self.head = self._reach = store.head
        # A sink that is new to this spool starts at the oldest record.
        self.positions = {sink: max(store.positions.get(sink, 0), store.oldest - 1) for sink in self.sinks}
        self._moved.clear()
        self._era += 1
        self.last = self.head + len(self._pending)
        self._coming = sum(not one.series.internal for one in self._pending)
        await self._recount()

    def _drop(self) -> None:
        """Forget the oldest record that did not come to disk."""
        seq, record = self._first(), self._pending.popleft()
        self.dropped += 1
        if record.series.internal:
            return
        if seq > self._reach:
            self._coming -= 1
        else:
            for sink in self.sinks:
                self._left[sink] -= seq > self.positions[sink]

    async def _recount(self) -> None:
        """Count anew what each sink has to get; not while a sync is at work."""
        for sink in self.sinks:
            after = None
            while after != self.positions[sink]:  # it moves on meanwhile
                after = self.positions[sink]
                stored = await self._run(partial(self._store.undelivered, after))
            there = enumerate(islice(self._pending, self._waiting()), self._first())
            self._left[sink] = stored + sum(seq > after and not one.series.internal for seq, one in there)

    async def _commit(self) -> None:
        records: list[Numbered] = list(enumerate(self._pending, self._first()))
        state, moved, refused = dict(self._state), dict(self._moved), list(self._refused)
        if not (records or state or moved or refused):
            return
        store = self._store
        store.delivered = self._delivered()
        try:
            await self._run(lambda: store.commit(records, state, moved, refused))
        finally:
            self.head = store.head
            while self._pending and self._first() <= self.head:
                self._pending.popleft()
        self._state = {name: data for name, data in self._state.items() if state.get(name) is not data}
        self._moved = {sink: seq for sink, seq in self._moved.items() if moved.get(sink) != seq}
        for one in refused:
            if self._refused and self._refused[0] is one:
                self._refused.popleft()

    def _serve(self, reach: int) -> None:
        """Let sinks have the records up to there."""
        self._reach = max(reach, self.head)
        later = sum(not one.series.internal for one in islice(self._pending, self._waiting(), None))
        for sink in self.sinks:
            self._left[sink] += self._coming - later
        self._coming = later
        synced, self._synced = self._synced, asyncio.Event()
        synced.set()

    def _remembered(self, after: int, limit: int) -> Batch:
        first = max(after + 1, self._first())
        there = islice(self._pending, first - self._first(), self._waiting())
        wanted = ((seq, one) for seq, one in enumerate(there, first) if not one.series.internal)
        found = list(islice(wanted, limit))
        return Batch(tuple(one for _, one in found), tuple(seq for seq, _ in found), self._era)

    def _waiting(self) -> int:
        """How many records in memory sinks may have already."""
        return max(0, self._reach - self._first() + 1)

    def _first(self) -> int:
        """Number of the oldest record in memory, where they are consecutive."""
        return self.last - len(self._pending) + 1

    def _move(self, sink: str, seq: int) -> None:
        if seq > self.positions.get(sink, 0):
            self.positions[sink] = self._moved[sink] = seq

    def _delivered(self) -> int:
        """Every sink is done with the records up to this number."""
        return min(self.positions.values(), default=self.head)

    async def _run(self, work: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> T:
        """Do it in a thread; a damaged file is set aside and it is done again on the new one."""
        loop, generation = asyncio.get_running_loop(), self._store.generation
        try:
            try:
                return await loop.run_in_executor(thread or self._thread, work)
            except sqlite3.DatabaseError as error:
                if not unreadable(error):
                    raise
            await loop.run_in_executor(self._thread, self._store.recover, generation)
            return await loop.run_in_executor(thread or self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"{self.path}: {error}") from error

    def _final(self, error: SpoolError) -> bool:
        """Whether waiting will not help: another process, a wrong place, no permission."""
        cause = error.__cause__
        if isinstance(cause, BlockingIOError) or cause is None:
            return True
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT):
            return False
        try:
            disk = os.statvfs(self.path)
        except OSError:
            return True
        return not (disk.f_flag & os.ST_RDONLY or disk.f_bavail == 0)

    def _shut(self) -> None:
        self._thread.shutdown()
        self._reader.shutdown()
