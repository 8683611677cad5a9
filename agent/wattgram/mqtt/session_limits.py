"""Limits of what a broker may send and of the time that it may cost, and the terms of a session."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

LONGEST_PACKET = 4096
"""Largest packet from a broker, bytes, other than a message: a reason code with its text."""

LONGEST_MESSAGE = 1_048_576
"""Largest message from a broker with a subscription, bytes; the rest of a larger message is discarded."""

MOST_DISCARDED = 16_777_216
"""Largest message whose rest is discarded, bytes; a larger one ends the connection."""

MOST_STRAY = 1000
"""Most answers on a connection that nobody asked for: a few come from careless brokers, a flood costs time."""

MOST_UNSENT = 10_000
"""Most unsent acknowledgements of received messages: more of them wait only while the broker does not read."""

READ_BYTES = 8192
"""Largest number of bytes that are read and parsed before other tasks run: 4,096 of the smallest packets."""

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors of a socket that has no bytes, or takes none, at the moment."""


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """Terms of a connection.

    version5: MQTT 5 or 3.1.1. window: largest number of unacknowledged messages. largest: largest packet, bytes, 0 for
    any. keepalive: s between two pings.
    """

    version5: bool
    window: int
    largest: int
    keepalive: float
