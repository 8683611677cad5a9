"""Modbus TCP frames: a transaction id tells late and foreign answers from the right one.

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
        """Each request has a new id."""
        self._transaction = self._transaction % 0xFFFF + 1  # never 0, which careless servers send
        return self._transaction.to_bytes(2, "big") + bytes((0, 0, 0, 6, request.unit)) + request.octets

    def idle(self, received: bytearray) -> None:
        """Late answers stay in the buffer: their ids give them away, and frames must not be cut."""

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """The first frame."""
        if len(received) < 6 or len(received) < (size := _size(received)):
            return None
        frame = bytes(received[:size])
        del received[:size]
        if len(received) >= 6:
            _size(received)  # no frame follows: this one lacks bytes and was filled up by the next
        return ReadResponse(int.from_bytes(frame[:2], "big"), frame[6], frame[7], frame[8:])

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """A network has no pace to wait for."""
        return 0

    def belongs(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """By the id alone."""
        return answer.transaction == self._transaction

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """None: an id cannot be mistaken."""
        return iter(())

    def owed(self, request: ReadRequest) -> None:
        """Nothing to remember: ids are not used again for a long time."""

    def settled(self, request: ReadRequest, answer: ReadResponse) -> None:
        """Nothing to forget."""


def _size(received: bytearray) -> int:
    """Bytes of the frame that begins here; FramingLost when none can."""
    protocol, length = int.from_bytes(received[2:4], "big"), int.from_bytes(received[4:6], "big")
    if protocol or not 3 <= length <= 254:
        raise FramingLost(f"no Modbus TCP header: {received[:8].hex(' ')}")
    return 6 + length
