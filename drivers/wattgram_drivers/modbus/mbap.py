"""Modbus TCP frames. The transaction id distinguishes late and foreign answers.

Header: transaction, protocol 0, length of what follows, unit (Modbus Messaging on TCP/IP V1.0b, section 3.1.3).

Faulty servers are common, so the header is compared with the frame. An exception has two bytes after the unit, whatever
length its header states. In a normal answer, header and byte count must agree. A gateway that sets a field wrongly for
good can be tolerated, unit by unit; its answers are then told apart as on RTU (`rtu`), where no id exists.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Iterator
from itertools import islice
from math import gcd

from .framing import FramingLost, Tolerance, Unmatched
from .pdu import EXCEPTION, READS, ReadRequest, ReadResponse
from .rtu import Rtu, answer_head

_IDS = 255 * 255
"""Number of transaction ids: both bytes are 1 to 255, so zeros that pad a frame never look like an id."""

_MBAP_HEAD = 6
_SHORTEST = 9  # an exception: header, unit, function and code
_LENGTHS = range(3, 255)  # stated by a header: unit, function and 1 to 252 bytes
_PROTOCOL = b"\0\0"
_CRC_SIZE = 2  # bytes that some gateways leave behind a frame
_MOST_STRAY = 16  # bytes between two frames that are looked through
_REMEMBERED = 64  # abandoned ids, whose answers may come late


class Mbap:
    """The framing of `tcp://`, `udp://` and `tls://`."""

    def __init__(self, chance: random.Random) -> None:
        """chance: gives the first transaction id and the step to the next, so that no server can guess them."""
        self._number = chance.randrange(_IDS)
        self._step = _coprime(chance)
        self._late: deque[int] = deque(maxlen=_REMEMBERED)
        self._tolerated: dict[int, frozenset[Tolerance]] = {}
        self._order = Rtu()  # for units whose transaction ids mean nothing
        self._partial = False  # the buffer begins with a frame that began before the request
        self._padding = 0  # bytes that may follow the last exception: its header stated more than it had

    @property
    def _transaction(self) -> int:
        high, low = divmod(self._number, 255)
        return (high + 1) << 8 | (low + 1)

    def tolerate(self, unit: int, faults: Collection[Tolerance]) -> None:
        """Accept answers of a unit although these fields are wrong."""
        self._tolerated[unit] = frozenset(faults) | self._tolerated.get(unit, frozenset())

    def tolerates(self, unit: int, fault: Tolerance) -> bool:
        """Return whether a wrong field is tolerated in answers of this unit."""
        return fault in self._tolerated.get(unit, frozenset())

    def frame(self, request: ReadRequest) -> bytes:
        """Return the bytes of a request, with a new transaction id."""
        self._number = (self._number + self._step) % _IDS
        return self._transaction.to_bytes(2, "big") + bytes((0, 0, 0, 6, request.unit)) + request.octets

    def idle(self, received: bytearray) -> None:
        """Discard what came before a request. Of a frame that began to arrive, `take` discards the rest."""
        while 0 < (size := _stated_size(received)) <= len(received):
            self._order.unexpected(_response(received[:size]))
            del received[:size]
        if not _stated_size(received):
            received.clear()
        self._partial = bool(received)
        self._padding = 0

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """Remove and return the first complete frame that began after the request."""
        while 0 < (size := self._size(received, request)) <= len(received):
            frame = received[:size]
            del received[:size]
            if frame[7] in READS.values() and not self.tolerates(request.unit, "length"):
                self._check_next(received)
            if not self._partial:
                return _response(frame)
            self._partial = False
        return None

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Return 0: the duration of bytes on a network is unknown."""
        return 0

    def matches(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """Compare the transaction id; for a unit whose ids mean nothing, what RTU compares.

        An exception of such a unit belongs to this request: the connection of an abandoned request was closed, and an
        exception brings no values.
        """
        if self.tolerates(request.unit, "transaction-id") and answer.unit == request.unit:
            exception = answer.code & EXCEPTION != 0
            return answer.code & ~EXCEPTION == request.code if exception else self._order.matches(request, answer)
        return answer.transaction == self._transaction

    def unmatched(self, request: ReadRequest, answer: ReadResponse) -> Unmatched | None:
        """Return the found and the expected transaction id; None for the late answer to an earlier request."""
        found, expected = answer.transaction, self._transaction
        if found in self._late or found == expected:
            return None
        return Unmatched("transaction-id", f"an answer came with transaction id {found} instead of {expected}")

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """Yield nothing, because the transaction id is unambiguous; for a unit whose ids mean nothing, as on RTU.

        Only of the same table: the unit may lack the other one, and an exception is never ambiguous here (`matches`).
        """
        return islice(self._order.probes(request), 1 if self.tolerates(request.unit, "transaction-id") else 0)

    def abandoned(self, request: ReadRequest) -> None:
        """Remember the id: its answer may come late. An id is not reused before 65,024 other requests."""
        self._late.append(self._transaction)
        self._order.abandoned(request)

    def answered(self, request: ReadRequest, answer: ReadResponse) -> None:
        """Record an answer: of a unit that answers in order, all earlier answers have arrived or are lost."""
        self._order.answered(request, answer)

    def _size(self, received: bytearray, request: ReadRequest) -> int:
        """Return the size of the first frame, 0 while unknown. FramingLost: not a frame, or a length that lies."""
        del received[: self._stray(received)]
        if len(received) < _MBAP_HEAD:
            return 0
        if received[2:4] != _PROTOCOL:
            raise FramingLost(f"no Modbus TCP header: {received[:8].hex(' ')}")
        if len(received) < _SHORTEST:
            return 0
        stated, counted = _length(received), 3 + received[8]
        if _is_exception(received):
            self._padding = max(0, stated - 3)
            return _SHORTEST
        tolerated = self.tolerates(request.unit, "length") and received[6:9] == answer_head(request)
        if received[7] in READS.values() and stated != counted and not tolerated:
            raise FramingLost(
                f"the header states {stated} bytes, the byte count of {received[8]} needs {counted}", fault="length"
            )
        if stated not in _LENGTHS and not tolerated:
            raise FramingLost(f"no Modbus TCP header: {received[:8].hex(' ')}")
        return _MBAP_HEAD + (counted if tolerated else stated)

    def _stray(self, received: bytearray) -> int:
        """Return the number of bytes before the answer that belong to no frame.

        They are a checksum or zeros behind the frame before, or bytes that its header stated and its function has not.
        """
        expected = self._transaction.to_bytes(2, "big")
        if received.startswith(expected):
            return 0
        place = received.find(expected + _PROTOCOL, 0, _MOST_STRAY + 4)
        few = place <= max(_CRC_SIZE, self._padding) or not received[:place].strip(b"\0")
        return place if place > 0 and few else 0

    def _check_next(self, received: bytearray) -> None:
        """Raise FramingLost if no frame follows a normal answer: the answer then contains bytes of the next frame."""
        if len(received) >= _MBAP_HEAD and not _stated_size(received) and not self._stray(received):
            raise FramingLost(f"no Modbus TCP header after the answer: {received[:8].hex(' ')}")


def _coprime(chance: random.Random) -> int:
    """Return a step that reaches every id, and never the next number: some servers answer with id + 1."""
    while gcd(step := chance.randrange(256, _IDS - 256), _IDS) != 1:
        pass
    return step


def _response(frame: bytearray) -> ReadResponse:
    return ReadResponse(int.from_bytes(frame[:2], "big"), frame[6], frame[7], bytes(frame[8:]))


def _length(received: bytearray) -> int:
    return int.from_bytes(received[4:6], "big")


def _is_exception(received: bytearray) -> bool:
    return len(received) > 7 and received[7] & EXCEPTION != 0 and received[7] & ~EXCEPTION in READS.values()


def _stated_size(received: bytearray) -> int:
    """Return the size of the frame at the start of the buffer; 0: no frame begins there."""
    if len(received) < _MBAP_HEAD or received[2:4] != _PROTOCOL:
        return 0
    if _is_exception(received):
        return _SHORTEST
    return _MBAP_HEAD + _length(received) if _length(received) in _LENGTHS else 0
