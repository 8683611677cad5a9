"""The durable buffer: every record is on disk before a sink receives it; each sink has its own position.

`append` only stores a record in memory. One write per sync period puts all records on disk, in a thread, so the event
loop never waits for a card. While the disk refuses, records stay in memory and sinks receive them from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from wattgram.base.errors import SpoolError
from wattgram.base.record import Kind, Record

from . import Batch, FolderReplaced, Numbered, Refusal, Store, is_wrong_path, unreadable
from .batch import Pruned
from .carried_records import CarriedRecords, carried
from .refused_records import RefusedRecords

__all__ = ["Batch", "Refusal", "Spool"]

log = logging.getLogger(__name__)

T = TypeVar("T")


MOST_PENDING = 50_000
"""Most records in memory while the disk refuses; above this, the oldest are discarded and counted."""


class Spool:
    """Append, sync, batch, settle, history; on disk, with a size limit. One per directory.

    appended: records of this process. head: number of the last record on disk. last: number of the last record.
    stored: that of earlier processes.
    dropped: records that never came to disk. lost: undelivered records that were discarded for lack of room. damaged:
    records that could not be read. refused: records that a sink refused. set_aside: the damaged file that was set
    aside, if any. notes: other damage found at opening. unread: why nobody knows what is stored, "" as soon as that
    could be read; then `readable` is set. replaced: set when another directory has taken the place of this one.
    """

    def __init__(self, path: Path, *, max_size: int, keep: float, sinks: Sequence[str]) -> None:
        self.path = path
        self.max_size = max_size
        self.keep = keep
        self.sinks = tuple(sinks)
        self.appended = self.dropped = self.refused = 0
        self.head = self.last = self.stored = 0
        self.positions = dict.fromkeys(self.sinks, 0)
        self._served = self._era = 0
        self._began_empty = False
        self._adopted: Mapping[str, bytes] = {}
        self._reported = (0, 0)
        self._undelivered: dict[str, int] = dict.fromkeys(self.sinks, 0)
        self._unserved = 0  # records that the next sync releases to sinks
        self.unread = ""
        self._pending: deque[Record] = deque()
        self._state: dict[str, bytes] = {}
        self._new_positions: dict[str, int] = {}
        self.readable, self.replaced = asyncio.Event(), asyncio.Event()
        self.carried: CarriedRecords | None = None
        self._synced, self._syncing = asyncio.Event(), asyncio.Lock()
        self._store = Store(path, max_size)
        self.refusals = RefusedRecords(self._store, self._run, self._syncing)
        self._log_size = 0
        names = ("spool", "history")
        self._thread, self._history_thread = (ThreadPoolExecutor(1, thread_name_prefix=name) for name in names)

    @property
    def lost(self) -> int:
        """Undelivered records that were discarded for lack of room."""
        return self._store.lost

    @property
    def damaged(self) -> int:
        """Records that could not be read."""
        return self._store.damaged

    @property
    def share(self) -> float:
        """Share of the room, 0 to 1, with records that a sink still needs; at 1, undelivered records are discarded.

        The resolution is a segment: 1/64 of `max_size`, at most 4 MiB.
        """
        return self._store.undelivered_share(self._delivered())

    @property
    def payload(self) -> int:
        """Bytes of the records that this process has stored: numbers, texts and time."""
        return self._store.payload

    @property
    def written(self) -> int:
        """Bytes of the pages that this process has written for these records."""
        return self._store.written

    @property
    def log_size(self) -> int:
        """Bytes of the transparency log in the folder: part of `max_size`, and never discarded."""
        return self._log_size

    @log_size.setter
    def log_size(self, size: int) -> None:
        self._log_size = size
        self._store.note_beside(size)

    @property
    def notes(self) -> tuple[str, ...]:
        """Damage found at opening, one line each."""
        return tuple(self._store.notes)

    @property
    def set_aside(self) -> Path | None:
        """Path of the damaged file; None if there was none."""
        return self._store.set_aside

    @property
    def pending(self) -> int:
        """Records that are not on disk yet."""
        return len(self._pending)

    def undelivered(self, sink: str) -> int:
        """Return the number of records available to a sink and not settled."""
        return self._undelivered.get(sink, 0)

    async def open(self) -> None:
        """Open or create the spool; a damaged one is set aside.

        On a disk that cannot be written, the stored records and state are read, and new records stay in memory. On a
        disk that cannot be read, `unread` says why, and each sync tries again. SpoolError if another process uses the
        directory or the path is wrong.
        """
        try:
            await self._open_store()
        except SpoolError as error:
            if _is_permanent(error):
                self._store.close()
                self._stop_threads()
                raise
            await self._read_store()
            state = "nothing stored can be read yet" if self.unread else "the stored records and state can be read"
            log.error("spool: %s; %s; records stay in memory until the disk accepts them", error, state)

    async def close(self) -> None:
        """Write everything to disk and close; SpoolError if the disk refuses the last records.

        If another directory has taken the place of this one, `carried` has the undelivered records and the state.
        """
        try:
            if not self.replaced.is_set():
                try:
                    await self.sync()
                except SpoolError:
                    if not self.replaced.is_set():  # else this very sync has found it
                        raise
            if self.replaced.is_set():
                self.carried = await self._carried()
        except SpoolError as error:
            raise SpoolError(f"{error}; {self.pending} records are lost") from error
        finally:
            try:
                await self._run(self._store.close)
            finally:
                self._stop_threads()

    async def _carried(self) -> CarriedRecords:
        """Return what moves to the other directory; all that is in memory if this directory cannot be read."""
        with contextlib.suppress(SpoolError):
            await self._run(self._store.stay)
            await self.sync()
        # Without sinks, the history is what counts: it began in this directory.
        after = 0 if self._began_empty and not self.sinks else self._delivered()
        pending = list(self._pending)
        try:
            found = await self._run(partial(carried, self._store, after, self.head, pending))
        except SpoolError as error:
            log.error("spool: %s; undelivered records stay there", error)
            found = carried(self._store, self.head, self.head, pending)
        return found._replace(state={**found.state, **self._state})

    def append(self, record: Record) -> None:
        """Store a record in memory for the next sync."""
        self.appended += 1
        self.last += 1
        self._pending.append(record)
        self._unserved += not record.series.internal
        if len(self._pending) > MOST_PENDING:
            self._drop()

    def put_state(self, name: str, data: bytes) -> None:
        """Store a piece of state for the next sync; it is written together with the earlier records."""
        self._state[name] = data

    async def state(self, name: str) -> bytes | None:
        """Return a piece of state as of the last sync, or as adopted; None if there is none.

        SpoolError while the disk cannot be read: then nobody knows.
        """
        stored = await self._run(partial(self._store.state, name))
        return self._adopted.get(name) if stored is None else stored

    async def adopt(self, taken: CarriedRecords) -> bool:
        """Append the records of another directory; return whether its state was adopted too.

        A directory that is empty adopts the state. Otherwise the stored state counts.
        """
        for record in taken.records:
            self.append(record)
        if adopts := self._store.is_empty:
            self._state |= taken.state
            self._adopted = taken.state
        return adopts

    async def sync(self) -> None:
        """Commit the appended records; after a SpoolError they stay in memory, and sinks receive them from there."""
        async with self._syncing:
            # The memory changes only after the commit, so a cancelled commit is simply repeated.
            due, discarded = self.last, self._store.lost
            try:
                if not self._store.is_open:
                    await self._open_again()
                    due = self.last
                await self._commit()
            except SpoolError as error:
                if isinstance(error.__cause__, FolderReplaced):
                    self.replaced.set()
                self._serve(due)
                raise
            self._serve(self.head)
            if self._store.lost > discarded:
                await self._recount()

    async def batch(self, sink: str, limit: int) -> Batch:
        """Return the next records of a sink, oldest first; wait until there are some."""
        while True:
            synced, head, after = self._synced, self.head, self.positions.get(sink, 0)
            if after < head and self._store.is_readable:
                found = await self._run(partial(self._store.read, after, limit))
                if found.seqs:
                    return Batch(found.records, found.seqs, self._era)
                self._advance_position(sink, head)  # the records were discarded
                async with self._syncing:
                    await self._recount()
            elif after < self._served:
                if (found := self._pending_batch(after, limit)).seqs:
                    return found
                self._advance_position(sink, self._served)  # dropped
            else:
                self._undelivered[sink] = 0  # counted records that are missing were not readable
                await synced.wait()

    async def read_after(self, after: int, limit: int) -> tuple[Batch, int]:
        """Return the next records for sinks after a number, and the number up to which these are all; do not wait."""
        head = self.head
        if after < head and self._store.is_readable:
            found = await self._run(partial(self._store.read, after, limit))
            return Batch(found.records, found.seqs, self._era), found.seqs[-1] if found.seqs else head
        if after < self._served and (found := self._pending_batch(after, limit)).seqs:
            return found, found.seqs[-1]
        return Batch((), (), self._era), max(after, self._served)

    def settle(self, sink: str, batch: Batch, count: int) -> None:
        """Note that a sink is done with the first `count` records of its batch."""
        if count and batch.era == self._era:
            done = bisect_right(batch.seqs, self.positions.get(sink, 0))
            self._undelivered[sink] = max(0, self._undelivered.get(sink, 0) - max(0, count - done))
            self._advance_position(sink, batch.seqs[count - 1])

    async def refuse(self, sink: str, batch: Batch, reasons: dict[int, str]) -> None:
        """Set records of a batch aside, by index, with the sink's reason; stored at the next sync."""
        self.refused += len(reasons)
        self.refusals.add(
            Refusal(batch.seqs[index], sink, reason, batch.records[index]) for index, reason in reasons.items()
        )

    async def history(self, kind: Kind, since: int, tags: dict[str, str] | None = None) -> list[Record]:
        """Return the records of a kind with a time of at least `since` (UTC ns), oldest first, as of the last sync."""
        work = partial(self._store.history, kind, since, tags or {})
        return await self._run(work, self._history_thread) if self._store.is_readable else []

    async def pack(self, now: int) -> None:
        """Pack the synced records, before `now`, UTC ns, and keep the limits. Frequent packing costs writes.
        SpoolError if the disk refuses; packing is then repeated after a later sync.
        """
        async with self._syncing:
            self._store.delivered = self._delivered()
            await self._run(partial(self._store.pack, now))
            await self._recount()

    async def prune(self, now: int) -> Pruned:
        """Delete some delivered records past their age; return the losses since the last call.
        One part per call, so that a sync never waits for the deletion of a month.
        """
        self._store.delivered = self._delivered()
        more = await self._run(partial(self._store.expire, now - int(self.keep * 1e9)))
        before, self._reported = self._reported, (self.lost, self.damaged)
        return Pruned(self.lost - before[0], self.damaged - before[1], more)

    async def _open_store(self) -> None:
        """Open the store for writing; records that were appended before get the numbers after its last."""
        known = self._store.is_readable
        await self._run(self._store.open)
        if not known:
            await self._take_numbers()

    async def _read_store(self) -> None:
        """Open the store of a disk that cannot be written; `unread` says why that is not possible."""
        try:
            await self._run(self._store.open_read_only)
        except SpoolError as error:
            self.unread = str(error)
        else:
            await self._take_numbers()

    async def _open_again(self) -> None:
        """Open the store after a failure: for writing, or else for reading; SpoolError if it cannot be written."""
        try:
            await self._open_store()
        except SpoolError:
            if not self._store.is_readable:
                await self._read_store()
            raise

    async def _take_numbers(self) -> None:
        """Continue after the numbers of the store, which was just read."""
        store = self._store
        self.head = self.stored = self._served = store.head
        # A new sink starts at the oldest record.
        self.positions = {sink: max(store.positions.get(sink, 0), store.oldest - 1) for sink in self.sinks}
        self._new_positions.clear()
        self._era += 1
        self._began_empty = store.is_empty
        self.last = self.head + len(self._pending)
        self._unserved = sum(not record.series.internal for record in self._pending)
        await self._recount()
        self.unread = ""
        self.readable.set()

    def _drop(self) -> None:
        """Discard the oldest record that is not on disk."""
        seq, record = self._first(), self._pending.popleft()
        self.dropped += 1
        if record.series.internal:
            return
        if seq > self._served:
            self._unserved -= 1
        else:
            for sink in self.sinks:
                self._undelivered[sink] -= seq > self.positions[sink]

    async def _recount(self) -> None:
        """Count the undelivered records of each sink; not during a sync."""
        for sink in self.sinks:
            after = None
            while after != self.positions[sink]:  # the position may move during the count
                after = self.positions[sink]
                try:
                    stored = await self._run(partial(self._store.undelivered, after))
                except SpoolError as error:  # one bad sector: a number for people must not keep the spool closed
                    log.warning("spool: the undelivered records of %s cannot be counted: %s", sink, error)
                    stored = max(0, self.head - after)
            available = enumerate(islice(self._pending, self._served_pending()), self._first())
            self._undelivered[sink] = stored + sum(
                seq > after and not record.series.internal for seq, record in available
            )

    async def _commit(self) -> None:
        records: list[Numbered] = list(enumerate(self._pending, self._first()))
        state, positions, refused = dict(self._state), dict(self._new_positions), self.refusals.pending()
        if not (records or state or positions or refused):
            return
        store = self._store
        store.delivered = self._delivered()
        try:
            await self._run(lambda: store.commit(records, state, positions, refused))
        finally:
            self.head = store.head
            while self._pending and self._first() <= self.head:
                self._pending.popleft()
        self._state = {name: data for name, data in self._state.items() if state.get(name) is not data}
        self._new_positions = {sink: seq for sink, seq in self._new_positions.items() if positions.get(sink) != seq}
        self.refusals.note_written(refused)

    def _serve(self, last_released: int) -> None:
        """Release the records up to a number to the sinks."""
        self._served = max(last_released, self.head)
        later = sum(not record.series.internal for record in islice(self._pending, self._served_pending(), None))
        for sink in self.sinks:
            self._undelivered[sink] += self._unserved - later
        self._unserved = later
        synced, self._synced = self._synced, asyncio.Event()
        synced.set()

    def _pending_batch(self, after: int, limit: int) -> Batch:
        first = max(after + 1, self._first())
        released = islice(self._pending, first - self._first(), self._served_pending())
        for_sinks = ((seq, record) for seq, record in enumerate(released, first) if not record.series.internal)
        found = list(islice(for_sinks, limit))
        return Batch(tuple(record for _, record in found), tuple(seq for seq, _ in found), self._era)

    def _served_pending(self) -> int:
        """Return the number of records in memory that are released to sinks."""
        return max(0, self._served - self._first() + 1)

    def _first(self) -> int:
        """Return the number of the oldest record in memory; the numbers are consecutive."""
        return self.last - len(self._pending) + 1

    def _advance_position(self, sink: str, seq: int) -> None:
        if seq > self.positions.get(sink, 0):
            self.positions[sink] = self._new_positions[sink] = seq

    def _delivered(self) -> int:
        """Return the number up to which every sink is done."""
        return min(self.positions.values(), default=self.head)

    async def _run(self, work: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> T:
        """Run blocking work in a thread; after damage of the database, set the file aside and repeat the work."""
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
            own = isinstance(error, OSError) and error.filename == str(self.path)
            raise SpoolError(str(error) if own else f"{self.path}: {error}") from error

    def _stop_threads(self) -> None:
        self._thread.shutdown()
        self._history_thread.shutdown()


def _is_permanent(error: SpoolError) -> bool:
    """Return whether an error will not pass by itself: another process, or a wrong path."""
    cause = error.__cause__
    return isinstance(cause, BlockingIOError) or (isinstance(cause, OSError) and is_wrong_path(cause))
