"""Refused records that a command hands over to their sink once more."""

from __future__ import annotations

import logging

from wattgram.base.errors import RefusalsOnly, SinkError
from wattgram.base.refusal import RefusalKind
from wattgram.store.spool import Refusal, Spool

from .sinks.sink import SINK_STEP, Sink

log = logging.getLogger(__name__)


class Handover:
    """Hands the refused records of one sink over, one batch after the other, each record once.

    Accepted records are deleted from the refused records; the others stay there.
    """

    def __init__(self, sink: Sink, spool: Spool) -> None:
        self._sink = sink
        self._spool = spool
        self._left: list[Refusal] = []
        self._accepted = self._count = 0

    async def step(self) -> int:
        """Hand a batch over; return the number of accepted records. The exceptions of the sink."""
        if not self._left:
            self._left = await self._spool.refusals.take_again(self._sink.name)
            self._count, self._accepted = len(self._left), 0
            if not self._left:
                return 0
        batch, self._left = self._left[: self._sink.limit], self._left[self._sink.limit :]
        self._sink.pulse.within(SINK_STEP)
        try:
            refused = await self._sink.write([refusal.record for refusal in batch], len(batch))
        except SinkError as error:
            answered = error.taken | error.refused.keys()
            unanswered = [refusal for place, refusal in enumerate(batch) if place not in answered]
            if isinstance(error, RefusalsOnly):  # nothing has changed
                self._left = []
            else:  # the sink may have failed at the first of these
                self._left = [*(unanswered if error.unavailable else unanswered[1:]), *self._left]
            await self._accept([batch[place] for place in sorted(error.taken)])
            if isinstance(error, RefusalsOnly):
                return 0
            raise
        kept = {place for place, refusal in refused.items() if refusal.kind is not RefusalKind.FIELD}
        await self._accept([refusal for place, refusal in enumerate(batch) if place not in kept])
        return len(batch) - len(kept)

    async def _accept(self, accepted: list[Refusal]) -> None:
        self._accepted += len(accepted)
        if accepted:
            await self._spool.refusals.forget(accepted)
        if not self._left:
            log.info(
                "%s: %d refused records were handed over again, %d of them accepted",
                self._sink.name,
                self._count,
                self._accepted,
            )
