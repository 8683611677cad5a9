"""One task per sink: read records, write them, settle each. Only this module retries, each sink on its own."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from wattgram.base.clock import Clock
from wattgram.base.errors import RefusalsOnly, SinkError, SpoolError
from wattgram.base.record import Record
from wattgram.base.refusal import RefusalKind, SinkRefusal
from wattgram.store.spool import Spool

from .backlog import Backlog, NumberedRecord
from .failure_search import FailureSearch
from .handover import Handover
from .sink_state import EventPublisher, Outage
from .sinks.sink import SINK_STEP, Sink
from .suspects import Suspects

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0

LONGEST_PAUSE = 10.0
"""Time in s without any other record, after which the suspects are written again."""

READ_SECONDS = 60.0
"""Longest time to read a batch from the disk, real s."""

SHORT_WAIT = 0.1
"""Wait in s after a record that broke the connection, if the sink accepted others on it."""

MOST_SUSPECTS = 10_000
"""Suspects in memory; above this, no more records are read."""

PROBES = 8
"""Largest number of new records that find out whether a sink accepts any."""

NEWEST = 256
"""Number of the newest records from which these are chosen."""


class _SuspectFailed(Exception):
    """The sink failed at a record that is suspected, after it had accepted others: the sink itself works."""


class Delivery:
    """Delivers the spool's records to one sink, oldest first, from the sink's own position.

    A refusal makes a record a suspect, and so does a failure at the record alone. The other records go on. `Suspects`
    decides when a refusal counts; the record is then set aside. While the sink accepts no record, the sink is
    unavailable, and all records are kept.
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
        self._suspects = Suspects()
        self._backlog = Backlog(sink.name, spool)
        self._search = FailureSearch()
        self._handover = Handover(sink, spool)
        self._unproven = False  # whether the sink has accepted nothing since a refusal
        self._probe_first = False
        self._paused = 0.0  # s, while only suspects are left

    async def run(self) -> None:
        """Deliver until cancelled.

        An unexpected error is retried, too: the end of the daemon would stop polling and the other sinks, and a
        restart would fail at the same record.
        """
        wait = FIRST_WAIT
        try:
            while True:
                retry_after = None
                try:
                    self.pulse.within(SINK_STEP)
                    await self.sink.open()
                    if self.progress.state == "away":
                        self._replayed_until = self._spool.last
                    while True:
                        await self._round()
                        wait = FIRST_WAIT
                except _SuspectFailed:
                    retry_after, wait = SHORT_WAIT, FIRST_WAIT
                except SpoolError as error:
                    self._outage.failed(str(error), wait)
                except SinkError as error:
                    retry_after = error.retry_after
                    self._outage.failed(str(error), retry_after or wait)
                except Exception as error:  # noqa: BLE001 - see above
                    self._outage.failed(_reason(error), wait, error)
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

    async def _round(self) -> None:
        """Write new records and suspects; SinkError if the sink accepts none of them."""
        self.pulse.within(READ_SECONDS, unless=self._idle)
        if await self._backlog.read(self.sink.limit, self._is_held, self._may_read):
            self._suspects.clear()
            self._search = FailureSearch()
            self._replayed_until = max(self._replayed_until, self._spool.stored)  # of a disk that was read late
            return
        self.pulse.within(SINK_STEP)
        before = self._suspects.accepted
        self._unproven = self._unproven and bool(self._suspects)
        if self._unproven:
            await self._find_out()
        elif self._backlog.waiting:
            await self._write_new()
            if self._unproven:
                await self._probe()
                self._check_accepted(before)
        elif self._suspects and not self._suspects.ripe:
            await self._wait_for_others()
        if self._suspects.ripe:
            await self._write_suspects()
        if not self._unproven:
            self.progress.delivered += await self._handover.step()
        if self._suspects.accepted > before:
            self._outage.recovered(self._spool.undelivered(self.sink.name))

    # new records

    async def _write_new(self) -> None:
        """Write new records: all that are read, or a part of them after failures.

        Note whether there are new suspects while no record is accepted.
        """
        self._paused = 0.0
        before = self._suspects.accepted
        if self._search.active:
            await self._probe()
        proven = self._suspects.accepted > before
        part = self._search.part(self._backlog.waiting, self.sink.limit)
        try:
            await self._write(part)
        except Exception as error:
            left = self._backlog.left_of(part)
            if left and not _is_unavailable(error) and self._search.failed(part, left):
                await self._note_failed_alone(left[0], error)
            if proven and not _is_unavailable(error):
                raise _SuspectFailed from error
            raise
        else:
            self._search.succeeded(complete=not self._backlog.waiting or len(part) == self.sink.limit)
        finally:
            suspected = any(seq in self._suspects for seq, _ in part)
            self._unproven = suspected and self._suspects.accepted == before

    # suspects

    async def _write_suspects(self) -> None:
        """Write the suspects once more: those with an answer together, and one of the others alone.

        If another refusal would count for some of them, only these.
        """
        suspects = self._suspects.ripe or list(self._suspects)
        together = [(suspect.seq, suspect.record) for suspect in suspects if not suspect.alone]
        for start in range(0, len(together), self.sink.limit):
            part = together[start : start + self.sink.limit]
            proven = bool(self._suspects.ripe)
            try:
                await self._write(part)
            except Exception as error:
                if _is_unavailable(error):
                    raise
                if not (isinstance(error, SinkError) and error.refused):
                    self._suspects.send_alone(part)
                if proven:
                    raise _SuspectFailed from error
                raise
        suspect = next((suspect for suspect in suspects if suspect.alone), None)
        if suspect is None:
            return
        proven = suspect.write < self._suspects.accepted
        try:
            await self._write([(suspect.seq, suspect.record)])
        except Exception as error:
            if _is_unavailable(error) or suspect.seq not in self._suspects:
                raise
            await self._note_failed_alone((suspect.seq, suspect.record), error)
            if proven:
                raise _SuspectFailed from error
            raise

    async def _find_out(self) -> None:
        """Find out whether the sink accepts any record again; SinkError if not."""
        before = self._suspects.accepted
        # Oldest first. But a suspect may end the connection, so the other records must come first every other time.
        steps = [self._write_suspects, self._probe]
        if self._probe_first:
            steps.reverse()
        self._probe_first = not self._probe_first
        for step in steps:
            if self._suspects.accepted == before:
                await step()
        self._check_accepted(before)

    def _check_accepted(self, before: int) -> None:
        """Raise SinkError, with the reason of the first suspect, if the sink has accepted no record since a write."""
        if self._suspects.accepted == before:
            raise SinkError(next((suspect.refusal.reason for suspect in self._suspects), "no record is accepted"))
        self._unproven = False

    async def _probe(self) -> None:
        """Write some of the newest records, of different series if possible, and not of those of the suspects."""
        suspected = self._suspects.series
        newest = [numbered for numbered in await self._backlog.newest(NEWEST) if numbered[0] not in self._suspects]
        of_series = {record.series: (seq, record) for seq, record in reversed(newest)}
        found = [numbered for series, numbered in of_series.items() if series not in suspected] or newest[:1]
        found = found or self._suspects.newest_unsent
        if not found:
            return
        if self._search.active or any(suspect.alone for suspect in self._suspects):
            found = [self._chance.choice(found)]  # by chance, because this one may end the connection, too
        await self._write(sorted(found[:PROBES], key=_number))

    async def _wait_for_others(self) -> None:
        """Wait for other records, without which nothing decides about the suspects.

        Without any, write the suspects once more: SinkError if the sink does not accept them now.
        """
        before = self._suspects.accepted
        await self._probe()
        if self._suspects.accepted > before:
            return
        if self._paused >= LONGEST_PAUSE:
            self._unproven = True
            await self._write_suspects()
            self._check_accepted(before)
        else:
            await self.pulse.sleep(self._clock, FIRST_WAIT)
            self._paused += FIRST_WAIT

    async def _note_failed_alone(self, numbered: NumberedRecord, error: Exception) -> None:
        """Note the failure of the sink at one record."""
        seq, record = numbered
        refusal = SinkRefusal(_reason(error))
        if self._suspects.note_refused(seq, record, refusal, self._clock.monotonic(), alone=True):
            self._outage.recovered(self._spool.undelivered(self.sink.name))
            await self._set_aside([(seq, record, f"{refusal.reason}, although others are taken")])
        else:
            self._backlog.take_out({seq})

    def _may_read(self) -> bool:
        """Return whether there is room for more suspects."""
        return len(self._suspects) < MOST_SUSPECTS

    def _is_held(self, seq: int, record: Record) -> bool:
        """Return whether a record that is read is a suspect."""
        return seq in self._suspects or self._suspects.hold_known(seq, record, self._clock.monotonic())

    # results

    async def _write(self, part: Sequence[NumberedRecord]) -> None:
        """Write records and note the answers; the exceptions of the sink, but RefusalsOnly."""
        replayed = sum(seq <= self._replayed_until for seq, _ in part)
        self._suspects.begin_write()
        self.pulse.within(SINK_STEP)
        try:
            refused = await self.sink.write([record for _, record in part], replayed)
        except SinkError as error:
            await self._note_answers(part, error.taken, error.refused)
            if not isinstance(error, RefusalsOnly):
                raise
        else:
            await self._note_answers(part, range(len(part)), refused)

    async def _note_answers(
        self, part: Sequence[NumberedRecord], answered: Collection[int], refused: Mapping[int, SinkRefusal]
    ) -> None:
        """Note the answers to records, by index; those in `refused` are not accepted, but for the kind FIELD."""
        now = self._clock.monotonic()
        aside: list[tuple[int, Record, str]] = []
        accepted = set(answered) - refused.keys()
        # The refusals first: an acceptance in the same write must not hide an earlier one.
        for index, refusal in refused.items():
            seq, record = part[index]
            if refusal.kind is RefusalKind.FIELD:
                accepted.add(index)
                self._outage.field_refused(refusal.reason)
            elif self._suspects.note_refused(seq, record, refusal, now):
                aside.append((seq, record, refusal.reason))
        self._suspects.note_accepted(part[index] for index in accepted)
        self.progress.delivered += len(accepted)
        self._backlog.take_out({part[index][0] for index in refused})
        self._backlog.settle(part[index][0] for index in accepted)
        if aside:
            await self._set_aside(aside)

    async def _set_aside(self, aside: Sequence[tuple[int, Record, str]]) -> None:
        """Set records aside; further records of their series are suspects from now on."""
        await self._backlog.refuse(aside)
        self._outage.refused(reason for _, _, reason in aside)
        self._backlog.settle(seq for seq, _, _ in aside)
        now = self._clock.monotonic()
        held = {seq for seq, record in self._backlog.waiting if self._suspects.hold_known(seq, record, now)}
        self._backlog.take_out(held)

    def _idle(self) -> bool:
        """Return whether the sink has no undelivered record."""
        return self._spool.undelivered(self.sink.name) == 0


def _is_unavailable(error: Exception) -> bool:
    """Return whether a failure has nothing to do with the records sent."""
    return isinstance(error, SinkError) and error.unavailable


def _number(numbered: NumberedRecord) -> int:
    return numbered[0]


def _reason(error: Exception) -> str:
    """Describe a failure; any error but a SinkError is internal."""
    return str(error) if isinstance(error, SinkError) else f"internal error, {type(error).__name__}: {error}"
