"""Limits of the server's clients."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_SIZE = 8192
"""Most bytes of a request line with its headers."""


PIPELINED_PAUSE = 0.05
"""Pause before a request that came before the last response, s. Browsers send none, a flood sends thousands."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Timeouts of a client, s, and the most clients."""

    request: float = 10.0  # for a whole request; also closes an idle connection
    response: float = 10.0  # for a client to accept a response, or one event of a stream
    connections: int = 64
    connections_per_address: int = 32
    streams: int = 16  # among the connections
    heartbeat: float = 15.0  # without an event, before a stream sends a comment
