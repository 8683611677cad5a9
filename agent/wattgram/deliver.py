"""One task a sink: batch, write, settle. Alone retries; one sink's trouble is invisible to the other."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass

from .clock import Clock
from .errors import SinkError, SpoolError
from .sinks import Sink
from .spool import Batch, Spool

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0


@dataclass(slots=True)
class Progress:
    """How a sink does: `state` is waiting, online or away, `detail` says why it is away."""

    state: str = "waiting"
    detail: str = ""
    delivered: int = 0
    refused: int = 0


class Delivery:
    """Brings the spool's records to one sink, oldest first, from the sink's own position."""

    def __init__(self, sink: Sink, spool: Spool, clock: Clock, chance: random.Random) -> None:
        self.sink = sink
        self.progress = Progress()
        self._spool = spool
        self._clock = clock
        self._chance = chance
        self._replayed_until = spool.head

    async def run(self) -> None:
        """Deliver until cancelled."""
        wait = FIRST_WAIT
        while True:
            try:
                await self.sink.open()
                if self.progress.state == "away":
                    self._replayed_until = self._spool.head
                while True:
                    await self._one_batch()
                    wait = FIRST_WAIT
            except (SinkError, SpoolError) as error:
                self._away(error)
                asked = getattr(error, "retry_after", None)
                await self.sink.close()
                await self._clock.sleep(asked or wait * self._chance.uniform(0.75, 1.25))
                wait = min(LONGEST_WAIT, wait * 2.0)
            except BaseException:
                await self.sink.close()
                raise

    async def _one_batch(self) -> None:
        batch = await self._spool.batch(self.sink.name, self.sink.limit)
        replayed = sum(seq <= self._replayed_until for seq in batch.seqs)
        try:
            refused = await self.sink.write(batch.records, replayed)
        except SinkError as error:
            self._settle(batch, error.accepted)
            raise
        if refused:
            await self._spool.refuse(self.sink.name, batch, refused)
            self.progress.refused += len(refused)
            reason = next(iter(refused.values()))
            log.warning("%s refuses %d records, set aside: %s", self.sink.name, len(refused), reason)
        self._settle(batch, len(batch.seqs))
        self.progress.delivered -= len(refused)
        if self.progress.state != "online":
            self._online()

    def _settle(self, batch: Batch, count: int) -> None:
        self._spool.settle(self.sink.name, batch, count)
        self.progress.delivered += count

    def _online(self) -> None:
        if self.progress.state == "away":
            log.info("%s is back, %d records to deliver", self.sink.name, self._spool.undelivered(self.sink.name))
        self.progress.state, self.progress.detail = "online", ""

    def _away(self, error: Exception) -> None:
        if self.progress.state != "away" or self.progress.detail != str(error):
            log.warning("%s is away: %s", self.sink.name, error)
        self.progress.state, self.progress.detail = "away", str(error)
