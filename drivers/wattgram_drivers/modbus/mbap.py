"""Modbus TCP frames. The transaction id distinguishes late and foreign answers.

Header: transaction, protocol 0, length of what follows, unit (Modbus Messaging on TCP/IP V1.0b, section 3.1.3).
"""

from __future__ import annotations

from collections.abc import Iterator

from .framing import FramingLost
from .pdu import ReadRequest, ReadResponse


class Mbap:
    """The framing of `tcp://`, `udp://` and `tls://`."""

    def __init__(self) -> None:
        self._transaction = 0

    def frame(self, request: ReadRequest) -> bytes:
        """Return the bytes of a request, with a new transaction id."""
        self._transaction = self._transaction % 0xFFFF + 1  # never 0, which faulty servers send
        return self._transaction.to_bytes(2, "big") + bytes((0, 0, 0, 6, request.unit)) + request.octets

    def idle(self, received: bytearray) -> None:
        """Keep late answers in the buffer: `matches` rejects their ids, and frames must not be cut."""

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """Remove and return the first complete frame."""
        if len(received) < 6 or len(received) < (size := _size(received)):
            return None
        frame = bytes(received[:size])
        del received[:size]
        if len(received) >= 6:
            _size(received)  # FramingLost if no frame follows: this frame was short, and contains the next one's bytes
        return ReadResponse(int.from_bytes(frame[:2], "big"), frame[6], frame[7], frame[8:])

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Return 0: the duration of bytes on a network is unknown."""
        return 0

    def matches(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """Compare the transaction id."""
        return answer.transaction == self._transaction

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """Yield nothing: the transaction id is unambiguous."""
        return iter(())

    def abandoned(self, request: ReadRequest) -> None:
        """Do nothing: an id is not reused before 65534 other requests."""

    def answered(self, request: ReadRequest, answer: ReadResponse) -> None:
        """Do nothing: there is no state of pending answers."""


def _size(received: bytearray) -> int:
    """Return the size of the frame at the start of the buffer. FramingLost: not a frame."""
    protocol, length = int.from_bytes(received[2:4], "big"), int.from_bytes(received[4:6], "big")
    if protocol or not 3 <= length <= 254:
        raise FramingLost(f"no Modbus TCP header: {received[:8].hex(' ')}")
    return 6 + length
