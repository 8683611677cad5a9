"""The refused records of a spool: those that wait for the next sync, and those on disk."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from wattgram.base.errors import SpoolError

from .files import Store
from .journal import Refusal
from .refused_table import again_file

log = logging.getLogger(__name__)

MOST_REFUSED = 50_000
"""Most refused records in memory between two syncs; above this, the oldest are not stored."""


class RefusedRecords:
    """Adds, lists and deletes refused records, and takes a command's request to hand them over again."""

    def __init__(self, store: Store, run: Callable[[Callable[[], Any]], Awaitable[Any]], syncing: asyncio.Lock) -> None:
        """`run`: runs blocking work in the thread of the spool. `syncing`: held during a sync."""
        self._store = store
        self._run = run
        self._syncing = syncing
        self._pending: deque[Refusal] = deque(maxlen=MOST_REFUSED)

    def limit(self, size: int) -> None:
        """Limit the stored records to a number of bytes; before the spool is opened."""
        self._store.refused_size = size

    def add(self, refusals: Iterable[Refusal]) -> None:
        """Add records for the next sync."""
        self._pending.extend(refusals)

    def pending(self) -> list[Refusal]:
        """Return the records that are not on disk yet."""
        return list(self._pending)

    def note_written(self, refusals: Sequence[Refusal]) -> None:
        """Note records on disk."""
        for refusal in refusals:
            if self._pending and self._pending[0] is refusal:
                self._pending.popleft()

    async def of_sink(self, sink: str) -> list[Refusal]:
        """Return the records that a sink refused and that are still kept, oldest first."""
        stored: list[Refusal] = await self._run(self._store.stored_refusals) if self._store.is_readable else []
        found = {refusal.seq: refusal for refusal in (*stored, *self._pending) if refusal.sink == sink}
        return [found[seq] for seq in sorted(found)]

    async def take_again(self, sink: str) -> list[Refusal]:
        """Return the refused records of a sink if a command has asked to hand them over again, and end the request."""
        if not self._store.is_open:
            return []
        file = again_file(self._store.folder, sink)
        try:
            if not await self._run(file.exists):
                return []
            found = await self.of_sink(sink)
            await self._run(lambda: file.unlink(missing_ok=True))
        except SpoolError as error:  # the request stays; a disk that refuses must not stop the new records
            log.debug("%s", error)
            return []
        return found

    async def forget(self, refusals: Sequence[Refusal]) -> None:
        """Delete records, because the sink has accepted them."""
        gone = {(refusal.seq, refusal.sink) for refusal in refusals}
        kept = [refusal for refusal in self._pending if (refusal.seq, refusal.sink) not in gone]
        self._pending = deque(kept, maxlen=MOST_REFUSED)
        async with self._syncing:
            if self._store.is_open:
                await self._run(lambda: self._store.forget_refused(gone))
