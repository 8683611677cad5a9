"""What one client may cost."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_SIZE = 8192
"""Bytes that a request line and its headers may have."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How long a client may take (s) and how many there may be."""

    request: float = 10.0  # from the first wait for a request to its end; also ends an idle connection
    response: float = 10.0  # until the client has taken the answer, or one event of a stream
    connections: int = 64
    streams: int = 16  # of the connections
    heartbeat: float = 15.0  # a stream says that it lives after so long a silence
