"""One task per sink: read a batch, write it, settle its records. Only this module retries, each sink on its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError, SpoolError
from wattgram.base.record import Series
from wattgram.store.spool import Batch, Spool

from .sink_state import EventPublisher, Outage
from .sinks.sink import SINK_STEP, Sink

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0

READ_SECONDS = 60.0
"""Longest time to read a batch from the disk, real s."""

SHORT_WAIT = 0.1
"""Wait in s after the refusal of a record that broke the connection."""

ATTEMPTS = 3
"""Failures at a record before the record is tried alone; failures alone before it is set aside."""

NEIGHBOURS = 20
"""Number of records behind a doubtful record from which the record to try before it is chosen."""


class _RecordSetAside(Exception):
    """A record that broke the connection has been set aside; the sink itself works."""


class Delivery:
    """Delivers the spool's records to one sink, oldest first, from the sink's own position.

    A record at which the sink fails repeatedly is tried alone, after another record. If the sink accepts the other
    record, the failing record is set aside. If the sink accepts neither, the sink is unavailable.
    """

    def __init__(
        self, sink: Sink, spool: Spool, clock: Clock, chance: random.Random, events: EventPublisher | None = None
    ) -> None:
        self.sink = sink
        self._outage = Outage(sink.name, clock, events)
        self.progress = self._outage.progress
        self.pulse = sink.pulse
        self._spool = spool
        self._clock = clock
        self._chance = chance
        self._replayed_until = spool.head
        self._portion = sink.limit  # records per write
        self._failed_at = (-1, 0)  # the position, and the number of failures in a row
        self._ahead: set[int] = set()  # numbers of settled records behind an unsettled record
        self._era = 0  # of the numbers in _ahead
        self._tries: Counter[int] = Counter()  # failures by record, while the sink accepted other records
        self._given_up: set[Series] = set()  # with a record set aside after temporary refusals
        self._fatal: set[Series] = set()  # with a record set aside because it broke the connection
        self._accepts = False  # whether the sink accepted a record since the last open

    async def run(self) -> None:
        """Deliver until cancelled.

        An unexpected error is retried, too: the end of the daemon would stop polling and the other sinks, and a
        restart would fail at the same record.
        """
        wait = FIRST_WAIT
        try:
            while True:
                retry_after, reached = None, False
                try:
                    self.pulse.within(SINK_STEP)
                    await self.sink.open()
                    reached, self._accepts = True, False
                    if self.progress.state == "away":
                        self._replayed_until = self._spool.last
                    while True:
                        await self._deliver_batch()
                        wait = FIRST_WAIT
                except _RecordSetAside:
                    retry_after, wait = SHORT_WAIT, FIRST_WAIT
                except SpoolError as error:
                    reached = False
                    self._outage.failed(str(error), wait)
                except SinkError as error:
                    retry_after, reached = error.retry_after, reached and not error.unavailable
                    self._outage.failed(str(error), retry_after or wait)
                except Exception as error:  # noqa: BLE001 - see above
                    self._outage.failed(_reason(error), wait, error)
                if reached:
                    self._note_failure()
                self.pulse.within(SINK_STEP)
                await self.sink.close()
                # By chance, so that several gateways do not return to one server at once; never before its Retry-After.
                if retry_after:
                    pause = retry_after * self._chance.uniform(1.0, 1.25)
                else:
                    pause = wait * self._chance.uniform(0.75, 1.25)
                await self.pulse.sleep(self._clock, pause)
                wait = min(LONGEST_WAIT, wait * 2.0)
        finally:
            await self.sink.close()

    # writing

    @property
    def _allowed_failures(self) -> int:
        """Failures at a record before its trial: fewer directly after another trial."""
        return ATTEMPTS if self._portion == self.sink.limit else 1

    async def _deliver_batch(self) -> None:
        """Deliver a batch, or a part of it after failures."""
        self.pulse.within(READ_SECONDS, unless=self._idle)
        # A trial needs other records behind the doubtful ones.
        batch = await self._spool.batch(self.sink.name, self.sink.limit + len(self._ahead))
        self.pulse.within(SINK_STEP)
        if batch.era != self._era:
            self._era, self._ahead, self._tries = batch.era, set(), Counter()
            self._replayed_until = max(self._replayed_until, self._spool.stored)  # of a disk that was read late
        left: Sequence[int] = range(len(batch.seqs))
        if self._ahead:
            left = [index for index in left if batch.seqs[index] not in self._ahead]
        if not left:
            self._settle(batch, left)
        elif self._failed_at[1] >= self._allowed_failures or batch.records[left[0]].series in self._fatal:
            await self._trial(batch, left)
        else:
            end = self._portion
            if self._fatal:
                fatal = (place for place, index in enumerate(left) if batch.records[index].series in self._fatal)
                end = min(end, next(fatal, end))
            await self._write(batch, left[:end])
            self._note_success()

    async def _trial(self, batch: Batch, left: Sequence[int]) -> None:
        """Find out whether the sink fails or the first record: write another record before it."""
        first, *others = left
        seq, series = batch.seqs[first], batch.records[first].series
        self._portion = 1
        # By chance, because the other record may be the cause; near, because it overtakes the records between.
        harmless = [index for index in others if batch.records[index].series not in self._fatal]
        others = (harmless or others)[:NEIGHBOURS]
        accepts = bool(others) and await self._write(batch, [self._chance.choice(others)])
        if series in self._fatal:  # a known cause: any record accepted since the last open is proof enough
            accepts = accepts or self._accepts
        try:
            await self._write(batch, [first])
        except Exception as error:
            settled = self._spool.positions.get(self.sink.name, 0) >= seq
            if settled or not accepts or (isinstance(error, SinkError) and error.unavailable):
                raise
            self._tries[seq] += 1
            if series not in self._fatal and self._tries[seq] < ATTEMPTS:
                raise
            self._fatal.add(series)
            self._outage.recovered(self._spool.undelivered(self.sink.name))
            await self._refuse(batch, {first: f"{_reason(error)}, although others are taken"})
            self._settle(batch, [first])
            raise _RecordSetAside from error
        self._fatal.discard(series)
        self._note_success()

    async def _write(self, batch: Batch, some: Sequence[int]) -> bool:
        """Write records of a batch, by index, and settle them; return whether the sink accepted any."""
        records = [batch.records[index] for index in some]
        replayed = sum(batch.seqs[index] <= self._replayed_until for index in some)
        self.pulse.within(SINK_STEP)
        try:
            refused = await self.sink.write(records, replayed)
        except SinkError as error:
            given_up = self._give_up(batch, some, error)
            refused = {some[place]: reason for place, reason in (error.refused | given_up).items()}
            await self._refuse(batch, refused)
            self._settle(batch, [*(some[place] for place in error.taken), *refused])
            self.progress.delivered += len(error.taken)
            self._accepts = self._accepts or bool(error.taken)
            if given_up and given_up.keys() == error.doubted.keys():
                return True
            raise
        await self._refuse(batch, {some[place]: reason for place, reason in refused.items()})
        self._settle(batch, some)
        self.progress.delivered += len(some) - len(refused)
        if self._given_up:
            self._given_up -= {record.series for place, record in enumerate(records) if place not in refused}
        accepted = len(refused) < len(some)
        self._accepts = self._accepts or accepted
        return accepted

    def _give_up(self, batch: Batch, some: Sequence[int], error: SinkError) -> dict[int, str]:
        """Return the records to give up: refused ATTEMPTS times while the sink accepted others."""
        given_up: dict[int, str] = {}
        if not error.taken:
            return given_up
        for place, reason in error.doubted.items():
            seq, series = batch.seqs[some[place]], batch.records[some[place]].series
            self._tries[seq] += 1
            if series in self._given_up or self._tries[seq] >= ATTEMPTS:
                self._given_up.add(series)
                given_up[place] = reason
        return given_up

    def _idle(self) -> bool:
        """Return whether the sink has no undelivered record."""
        return self._spool.undelivered(self.sink.name) == 0

    # results

    def _settle(self, batch: Batch, done: Iterable[int]) -> None:
        """Note settled records of a batch, and move the sink's position up to the first unsettled record."""
        if self._tries:
            for index in done:
                self._tries.pop(batch.seqs[index], None)
        self._ahead.update(batch.seqs[index] for index in done)
        count = next((place for place, seq in enumerate(batch.seqs) if seq not in self._ahead), len(batch.seqs))
        self._spool.settle(self.sink.name, batch, count)
        self._ahead.difference_update(batch.seqs[:count])

    async def _refuse(self, batch: Batch, refused: dict[int, str]) -> None:
        if refused:
            await self._spool.refuse(self.sink.name, batch, refused)
            self._outage.refused(refused.values())

    def _note_failure(self) -> None:
        """Count a failure of the connected sink at its position."""
        position, (before, times) = self._spool.positions.get(self.sink.name, 0), self._failed_at
        self._failed_at = (position, times + 1 if position == before else 1)

    def _note_success(self) -> None:
        """Note that the sink works."""
        self._failed_at = (-1, 0)
        self._portion = min(self.sink.limit, 2 * self._portion)
        self._outage.recovered(self._spool.undelivered(self.sink.name))


def _reason(error: Exception) -> str:
    """Describe a failure; any error but a SinkError is internal."""
    return str(error) if isinstance(error, SinkError) else f"internal error, {type(error).__name__}: {error}"
