"""Where records go: one file a sink, each foreign library known to one file.

A sink opens, writes and closes. It has no memory of records: it never buffers and never retries; `deliver` does that,
out of the spool.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wattgram.base.record import Record
from wattgram.base.watchdog import Pulse

SINK_STEP = 120.0
"""Real seconds that one step with a sink takes at most: names may resolve slowly, and time-outs add up."""


class Sink(Protocol):
    """A place that takes batches of records."""

    name: str
    """Its position in the spool goes by this name."""
    limit: int
    """Records in a batch at most."""
    pulse: Pulse
    """Each request of a write that needs several is a step, of at most STEP."""

    async def probe(self) -> None:
        """Reach the server and prove the login, leaving nothing there; SinkError says what is wrong."""

    async def open(self) -> None:
        """Connect; SinkError when it cannot be reached now."""

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Deliver; returns when the sink has them, with the reason for each index that it refused for good.

        The first `replayed` records were read before an outage ended. SinkError says which of them the sink has,
        refused for good or refused for now; keep the others and retry. Refused for good is only what the sink says of
        the record, not of itself: in doubt, and while it took no other, it is refused for now.
        """

    async def close(self) -> None:
        """Disconnect; never raises for a connection that is gone."""
