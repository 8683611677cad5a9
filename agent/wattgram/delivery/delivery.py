"""One task a sink: batch, write, settle. Alone retries; one sink's trouble is invisible to the other."""

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
"""Real seconds in which records that are there are read from the disk, at most."""

SOON = 0.1
"""Seconds before a sink is tried again that does well but for one record."""

ATTEMPTS = 3
"""Failures at one record before it is tried alone, and alone before it is set aside."""

NEIGHBOURS = 20
"""Records behind a doubtful one of which one is written before it."""


class _SetAside(Exception):
    """A record that cost the connection is set aside; the sink itself does well."""


class Delivery:
    """Brings the spool's records to one sink, oldest first, from the sink's own position.

    A record that the sink fails at again and again is tried alone, beside another one that the sink takes. What fails
    then is the record, and it is set aside; as long as the sink takes no other either, the sink is away.
    """

    def __init__(
        self, sink: Sink, spool: Spool, clock: Clock, chance: random.Random, teller: EventPublisher | None = None
    ) -> None:
        self.sink = sink
        self._outage = Outage(sink.name, clock, teller)
        self.progress = self._outage.progress
        self.pulse = sink.pulse
        self._spool = spool
        self._clock = clock
        self._chance = chance
        self._replayed_until = spool.head
        self._portion = sink.limit  # records that are written at once
        self._failed_at = (-1, 0)  # the position, and how often in a row
        self._ahead: set[int] = set()  # settled records behind one that is not
        self._era = 0  # of these numbers
        self._tries: Counter[int] = Counter()  # of records that the sink fails at although it takes others
        self._unwelcome: set[Series] = set()  # set aside for a reason that might have passed
        self._fatal: set[Series] = set()  # set aside because they cost the connection
        self._takes = False  # whether the sink took anything since it was reached

    async def run(self) -> None:
        """Deliver until cancelled.

        A sink that fails in a way it should not is tried again too: ending the daemon for it would stop polling and
        the other sink, and a restart would only meet the same record.
        """
        wait = FIRST_WAIT
        try:
            while True:
                asked, reached = None, False
                try:
                    self.pulse.within(SINK_STEP)
                    await self.sink.open()
                    reached, self._takes = True, False
                    if self.progress.state == "away":
                        self._replayed_until = self._spool.last
                    while True:
                        await self._turn()
                        wait = FIRST_WAIT
                except _SetAside:
                    asked, wait = SOON, FIRST_WAIT
                except SpoolError as error:
                    reached = False
                    self._outage.away(str(error), wait)
                except SinkError as error:
                    asked, reached = error.retry_after, reached and not error.unavailable
                    self._outage.away(str(error), asked or wait)
                except Exception as error:  # noqa: BLE001 - see above
                    self._outage.away(_said(error), wait, error)
                if reached:
                    self._failed()
                self.pulse.within(SINK_STEP)
                await self.sink.close()
                # Several gateways that lost one server must not come back at one moment, nor before it asked them to.
                pause = asked * self._chance.uniform(1.0, 1.25) if asked else wait * self._chance.uniform(0.75, 1.25)
                await self.pulse.sleep(self._clock, pause)
                wait = min(LONGEST_WAIT, wait * 2.0)
        finally:
            await self.sink.close()

    # what is written

    @property
    def _patience(self) -> int:
        """Failures at one record before a trial; none more while one has just been."""
        return ATTEMPTS if self._portion == self.sink.limit else 1

    async def _turn(self) -> None:
        """One batch, or a piece of it where there is trouble."""
        self.pulse.within(READ_SECONDS, unless=self._idle)
        # Behind doubtful records there shall be others, by which to tell.
        batch = await self._spool.batch(self.sink.name, self.sink.limit + len(self._ahead))
        self.pulse.within(SINK_STEP)
        if batch.era != self._era:
            self._era, self._ahead, self._tries = batch.era, set(), Counter()
        left: Sequence[int] = range(len(batch.seqs))
        if self._ahead:
            left = [index for index in left if batch.seqs[index] not in self._ahead]
        if not left:
            self._settle(batch, left)
        elif self._failed_at[1] >= self._patience or batch.records[left[0]].series in self._fatal:
            await self._trial(batch, left)
        else:
            end = self._portion
            if self._fatal:
                fatal = (place for place, index in enumerate(left) if batch.records[index].series in self._fatal)
                end = min(end, next(fatal, end))
            await self._write(batch, left[:end])
            self._well()

    async def _trial(self, batch: Batch, left: Sequence[int]) -> None:
        """Find out whether it is the sink that fails or the first record: another one is written before it."""
        first, *others = left
        seq, series = batch.seqs[first], batch.records[first].series
        self._portion = 1
        # By chance, because the other one may be what costs the connection; near, because it overtakes those between.
        others = ([one for one in others if batch.records[one].series not in self._fatal] or others)[:NEIGHBOURS]
        takes = bool(others) and await self._write(batch, [self._chance.choice(others)])
        if series in self._fatal:  # which is no news, so that it took any since it was reached is enough
            takes = takes or self._takes
        try:
            await self._write(batch, [first])
        except Exception as error:
            settled = self._spool.positions.get(self.sink.name, 0) >= seq
            if settled or not takes or (isinstance(error, SinkError) and error.unavailable):
                raise
            self._tries[seq] += 1
            if series not in self._fatal and self._tries[seq] < ATTEMPTS:
                raise
            self._fatal.add(series)
            self._outage.over(self._spool.undelivered(self.sink.name))
            await self._refuse(batch, {first: f"{_said(error)}, although others are taken"})
            self._settle(batch, [first])
            raise _SetAside from error
        self._fatal.discard(series)
        self._well()

    async def _write(self, batch: Batch, some: Sequence[int]) -> bool:
        """Write records of a batch, by index, and settle them; whether the sink took any."""
        records = [batch.records[index] for index in some]
        replayed = sum(batch.seqs[index] <= self._replayed_until for index in some)
        self.pulse.within(SINK_STEP)
        try:
            refused = await self.sink.write(records, replayed)
        except SinkError as error:
            hopeless = self._hopeless(batch, some, error)
            refused = {some[place]: reason for place, reason in (error.refused | hopeless).items()}
            await self._refuse(batch, refused)
            self._settle(batch, [*(some[place] for place in error.taken), *refused])
            self.progress.delivered += len(error.taken)
            self._takes = self._takes or bool(error.taken)
            if hopeless and hopeless.keys() == error.doubted.keys():
                return True
            raise
        await self._refuse(batch, {some[place]: reason for place, reason in refused.items()})
        self._settle(batch, some)
        self.progress.delivered += len(some) - len(refused)
        if self._unwelcome:
            self._unwelcome -= {one.series for place, one in enumerate(records) if place not in refused}
        took = len(refused) < len(some)
        self._takes = self._takes or took
        return took

    def _hopeless(self, batch: Batch, some: Sequence[int], error: SinkError) -> dict[int, str]:
        """Those of the doubted records that are not tried again, since the sink takes others all the time."""
        hopeless: dict[int, str] = {}
        if not error.taken:
            return hopeless
        for place, reason in error.doubted.items():
            seq, series = batch.seqs[some[place]], batch.records[some[place]].series
            self._tries[seq] += 1
            if series in self._unwelcome or self._tries[seq] >= ATTEMPTS:
                self._unwelcome.add(series)
                hopeless[place] = reason
        return hopeless

    def _idle(self) -> bool:
        """Whether there is nothing to deliver."""
        return self._spool.undelivered(self.sink.name) == 0

    # what became of it

    def _settle(self, batch: Batch, done: Iterable[int]) -> None:
        """Records of a batch are done with; the spool learns of them as far as there is no gap."""
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

    def _failed(self) -> None:
        """A sink that was reached did not get through."""
        position, (before, times) = self._spool.positions.get(self.sink.name, 0), self._failed_at
        self._failed_at = (position, times + 1 if position == before else 1)

    def _well(self) -> None:
        """The sink does what it was asked."""
        self._failed_at = (-1, 0)
        self._portion = min(self.sink.limit, 2 * self._portion)
        self._outage.over(self._spool.undelivered(self.sink.name))


def _said(error: Exception) -> str:
    """What went wrong; anything but a SinkError is a mistake of ours."""
    return str(error) if isinstance(error, SinkError) else f"internal error, {type(error).__name__}: {error}"
