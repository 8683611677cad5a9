"""One task a sink: batch, write, settle. Alone retries; one sink's trouble is invisible to the other."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass

from .clock import Clock
from .errors import SinkError, SpoolError
from .sinks import STEP, Sink
from .spool import Batch, Spool

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0

READ = 60.0
"""Real seconds in which records that are there are read from the disk, at most."""

SAID = 5
"""Different reasons that are logged in one outage."""


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
        self.pulse = sink.pulse
        self._spool = spool
        self._clock = clock
        self._chance = chance
        self._replayed_until = spool.head
        self._said: set[str] = set()

    async def run(self) -> None:
        """Deliver until cancelled.

        A sink that fails in a way it should not is tried again too: ending the daemon for it would stop polling and
        the other sink, and a restart would only meet the same record.
        """
        wait = FIRST_WAIT
        try:
            while True:
                asked = None
                try:
                    self.pulse.within(STEP)
                    await self.sink.open()
                    if self.progress.state == "away":
                        self._replayed_until = self._spool.last
                    while True:
                        await self._one_batch()
                        wait = FIRST_WAIT
                except SinkError as error:
                    self._away(str(error))
                    asked = error.retry_after
                except SpoolError as error:
                    self._away(str(error))
                except Exception as error:  # noqa: BLE001 - see above
                    self._away(f"internal error, {type(error).__name__}: {error}", error)
                self.pulse.within(STEP)
                await self.sink.close()
                # Several gateways that lost one server must not come back at one moment, nor before it asked them to.
                pause = asked * self._chance.uniform(1.0, 1.25) if asked else wait * self._chance.uniform(0.75, 1.25)
                await self.pulse.sleep(self._clock, pause)
                wait = min(LONGEST_WAIT, wait * 2.0)
        finally:
            await self.sink.close()

    async def _one_batch(self) -> None:
        self.pulse.within(READ, unless=self._idle)
        batch = await self._spool.batch(self.sink.name, self.sink.limit)
        self.pulse.within(STEP)
        replayed = sum(seq <= self._replayed_until for seq in batch.seqs)
        try:
            refused = await self.sink.write(batch.records, replayed)
        except SinkError as error:
            await self._settle(batch, error.accepted, error.refused)
            raise
        await self._settle(batch, len(batch.seqs), refused)
        if self.progress.state != "online":
            self._online()

    def _idle(self) -> bool:
        """Whether there is nothing to deliver."""
        return self._spool.undelivered(self.sink.name) == 0

    async def _settle(self, batch: Batch, count: int, refused: dict[int, str]) -> None:
        if refused:
            await self._spool.refuse(self.sink.name, batch, refused)
            reason = next(iter(refused.values()))
            log.warning("%s refuses %d records, set aside: %s", self.sink.name, len(refused), reason)
        self._spool.settle(self.sink.name, batch, count)
        self.progress.delivered += count - len(refused)
        self.progress.refused += len(refused)

    def _online(self) -> None:
        if self.progress.state == "away":
            log.info("%s is back, %d records left to deliver", self.sink.name, self._spool.undelivered(self.sink.name))
        self.progress.state, self.progress.detail = "online", ""
        self._said.clear()

    def _away(self, reason: str, bug: Exception | None = None) -> None:
        self.progress.state, self.progress.detail = "away", reason
        if reason not in self._said and len(self._said) < SAID:
            self._said.add(reason)
            log.warning("%s is away: %s", self.sink.name, reason, exc_info=bug)
