"""The records of the spool that one sink has not settled: read, waiting, answered ahead of others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from wattgram.base.record import Record
from wattgram.store.spool import Batch, Spool

NumberedRecord = tuple[int, Record]
"""Number in the spool, and the record."""


class Backlog:
    """The unsettled records of a sink from its position in the spool.

    waiting: records that are read and have no answer, oldest first. The position moves up to the first record without
    a result; later results are remembered in memory.
    """

    def __init__(self, sink: str, spool: Spool) -> None:
        self.waiting: list[NumberedRecord] = []
        self._sink = sink
        self._spool = spool
        self._numbers: list[int] = []  # of all records read behind the position
        self._done: set[int] = set()  # numbers of settled records behind the position
        self._cursor = 0  # number of the last record read
        self._era = -1  # of the numbers

    async def read(self, limit: int, is_held: Callable[[int, Record], bool], may_read: Callable[[], bool]) -> bool:
        """Read records until `limit` wait; return whether the spool has new numbers, so that all earlier ones are void.

        Without any unsettled record, wait for one. `is_held`: whether a record is to be kept out of `waiting`.
        `may_read`: whether to read beyond the unsettled records.
        """
        if not self._numbers:
            batch = await self._spool.batch(self._sink, limit)
            if batch.era != self._era:
                self._forget(batch.era)
                return True
            self._take(batch, batch.seqs[-1], is_held)
        while len(self.waiting) < limit and may_read():
            batch, through = await self._spool.read_after(self._cursor, limit - len(self.waiting))
            if batch.era != self._era:
                self._forget(batch.era)
                return True
            if through == self._cursor:
                break
            self._take(batch, through, is_held)
        return False

    def _take(self, batch: Batch, through: int, is_held: Callable[[int, Record], bool]) -> None:
        """Take records that were read, up to a number."""
        self._cursor = through
        for seq, record in zip(batch.seqs, batch.records, strict=True):
            self._numbers.append(seq)
            if seq not in self._done and not is_held(seq, record):
                self.waiting.append((seq, record))
        self._advance()

    def _forget(self, era: int) -> None:
        """Forget all records, because the spool has new numbers."""
        self.waiting, self._numbers, self._done, self._era = [], [], set(), era

    async def newest(self, count: int) -> list[NumberedRecord]:
        """Return those of the last `count` records that have no answer, newest first."""
        batch, _ = await self._spool.read_after(max(self._cursor, self._spool.last - count), count)
        unread = zip(batch.seqs, batch.records, strict=True) if batch.era == self._era else ()
        found = [*self.waiting[-count:], *(numbered for numbered in unread if numbered[0] not in self._done)]
        return found[::-1]

    def settle(self, seqs: Iterable[int]) -> None:
        """Note settled records, and move the sink's position up to the first unsettled record."""
        done = set(seqs)
        self._done |= done
        self.take_out(done)
        self._advance()

    def take_out(self, seqs: Collection[int]) -> None:
        """Take records out of `waiting`."""
        if seqs:
            self.waiting = [numbered for numbered in self.waiting if numbered[0] not in seqs]

    def left_of(self, part: Iterable[NumberedRecord]) -> list[NumberedRecord]:
        """Return those records that still wait."""
        seqs = {seq for seq, _ in self.waiting}
        return [numbered for numbered in part if numbered[0] in seqs]

    async def refuse(self, refused: Iterable[tuple[int, Record, str]]) -> None:
        """Set records aside in the spool, by number, each with a reason."""
        seqs, records, reasons = zip(*refused, strict=True)
        await self._spool.refuse(self._sink, Batch(records, seqs, self._era), dict(enumerate(reasons)))

    def _advance(self) -> None:
        count = next((place for place, seq in enumerate(self._numbers) if seq not in self._done), len(self._numbers))
        if count:
            self._spool.settle(self._sink, Batch((), tuple(self._numbers[:count]), self._era), count)
            self._done.difference_update(self._numbers[:count])
            del self._numbers[:count]
