"""Modbus RTU frames, with protection against mistaken answers: an answer contains only unit, function and length.

wattgram assumes that a unit answers requests in order. If an answer is pending (timeout, cancelled read, malformed
answer), the bus first sends a probe with an unambiguous answer: another number of registers. After the probe's
answer, all earlier answers have arrived or are lost. A probe also precedes a request of the same shape as the request
before, but for other registers: a duplicate of the earlier answer could pass for the answer.

A two-wire adapter may receive what it sends. An echo of a request can be a valid frame, and even look like the answer.
So received bytes are compared with the sent ones before they are taken for a frame.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from wattgram_drivers.driver_errors import BadAnswer

from .framing import Tolerance, Unmatched
from .pdu import EXCEPTION, MAX_REGISTERS, READS, ReadRequest, ReadResponse

_CODES = frozenset(READS.values())
_MAX_PENDING = 64  # most pending answers of a unit
_ECHOED = 4  # last requests whose echo may still arrive
_MOST_NOISE = 1024  # last bytes of the line that are looked through; the longest frame has 256, in ASCII 513
_SHORTEST_ECHO = 4  # bytes of an echo whose beginning was lost: the high byte of the count, 0, begins no answer


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _table()


def crc16(octets: bytes) -> bytes:
    """Return the checksum of a frame, low byte first (Modbus over Serial Line V1.02, section 6.2.2)."""
    crc = 0xFFFF
    for octet in octets:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ octet) & 0xFF]
    return crc.to_bytes(2, "little")


@dataclass(slots=True)
class _Unit:
    """Answers that a unit may still send without a waiting request."""

    pending: list[tuple[int, int]] = field(default_factory=list)  # shapes of abandoned requests, oldest first
    answered: ReadRequest | None = None  # last answered request; a duplicate of its answer may follow
    refused: bool = False  # the last answer was an exception
    unexpected: bool = False  # an unexpected answer since the last answer
    duplicates: bool = False  # an unexpected answer before or during the last request

    def wait_for(self, shape: tuple[int, int]) -> None:
        """Record that an answer of this shape may still come."""
        if shape in self.pending:
            self.pending.remove(shape)
        self.pending.append(shape)
        del self.pending[:-_MAX_PENDING]

    def ambiguous(self, request: ReadRequest) -> bool:
        """Return whether an earlier answer could pass for the answer to this request."""
        last = self.answered
        same_shape = last is not None and last.shape == request.shape and not self.refused
        return bool(self.pending) or (same_shape and (self.duplicates or last != request))


class Rtu:
    """The framing of `rtu://` and `rtutcp://`."""

    def __init__(self) -> None:
        self._units: defaultdict[int, _Unit] = defaultdict(_Unit)
        self._sent: deque[bytes] = deque(maxlen=_ECHOED)

    def frame(self, request: ReadRequest) -> bytes:
        """Return unit, request and checksum."""
        frame = self._encoded(request)
        self._sent.append(frame)
        return frame

    def idle(self, received: bytearray) -> None:
        """Discard all bytes. A complete answer among them (late, or a duplicate) marks its unit as ambiguous."""
        self._drop_noise(received)
        self._drop_echoes(received)
        while answer := self._first(received):
            self.unexpected(answer)
            self._drop_echoes(received)
        received.clear()

    def unexpected(self, answer: ReadResponse) -> None:
        """Record an answer that came without a request."""
        unit = self._units[answer.unit]
        unit.unexpected = unit.duplicates = True
        if not answer.code & EXCEPTION and (unit.answered is None or unit.answered.shape != answer.shape):
            unit.wait_for(answer.shape)  # of no request, or of an old one: a second copy may follow

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """Remove and return the first frame with a correct checksum, with all noise, echoes and fragments before it."""
        self._drop_noise(received)
        if self._drop_echoes(received) or self.missing(received, request):
            return None
        if received[:3] != answer_head(request):
            self._drop_noise_before_echo(received)
        return self._first(received)

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Return the missing bytes of a frame that begins like the answer."""
        if not received or not answer_head(request).startswith(received[:3]) or self._begins_echo(received):
            return 0
        return max(0, 5 + 2 * request.count - len(received))

    def matches(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """Return False for a pending answer, a duplicate, or an answer of another unit. BadAnswer: ambiguous."""
        unit = self._units[answer.unit]
        if answer.unit != request.unit:
            unit.unexpected = unit.duplicates = True
            return False
        if answer.code & EXCEPTION:
            if any(code == answer.code & ~EXCEPTION for code, _ in unit.pending) or (unit.refused and unit.duplicates):
                raise BadAnswer(f"exception {answer.body[0]} may belong to an earlier request")
            return True
        duplicate = unit.answered is not None and answer.shape == unit.answered.shape and not unit.refused
        if answer.shape in unit.pending or (duplicate and answer.shape != request.shape):
            unit.unexpected = True
            return False
        return True

    def unmatched(self, request: ReadRequest, answer: ReadResponse) -> Unmatched | None:
        """Return the unit that answered instead; None for a late answer or a duplicate."""
        if answer.unit == request.unit or self._units[answer.unit].pending:
            return None
        return Unmatched("unit", f"unit {answer.unit} answered instead of unit {request.unit}")

    def tolerates(self, unit: int, fault: Tolerance) -> bool:
        """Return False: a frame has neither a transaction id nor a length."""
        return False

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """Yield two probes, one for each function, if the answer would be ambiguous."""
        unit = self._units[request.unit]
        if not unit.ambiguous(request):
            return
        last = None if unit.answered is None else unit.answered.shape
        other_code = 7 - request.code  # 3 and 4: even an exception of the other function is unambiguous
        for code in (request.code, other_code):
            ambiguous = {request.shape, last, *unit.pending}
            fewer = (
                request.count - count
                for count in range(1, MAX_REGISTERS + 1)
                if (code, 2 * count) not in ambiguous and request.address + count <= 0x10000
            )
            # fewer registers than requested are as legal as the request, and an even count stays even
            best = min(fewer, key=lambda less: (less < 0, less % 2, abs(less)))
            yield replace(request, code=code, count=request.count - best)

    def abandoned(self, request: ReadRequest) -> None:
        """Record that the answer to a request is pending."""
        self._units[request.unit].wait_for(request.shape)

    def answered(self, request: ReadRequest, answer: ReadResponse) -> None:
        """Record an answer: all earlier answers have arrived or are lost."""
        unit = self._units[request.unit]
        unit.pending.clear()
        unit.answered, unit.refused = request, bool(answer.code & EXCEPTION)
        unit.duplicates, unit.unexpected = unit.unexpected, False

    def _encoded(self, request: ReadRequest) -> bytes:
        octets = bytes((request.unit,)) + request.octets
        return octets + crc16(octets)

    def _drop_noise(self, received: bytearray) -> None:
        """Remove all but the last bytes. A peer that sends without an end must not cost seconds of checksums.

        The removed bytes may contain answers, so all units then count as ambiguous.
        """
        if len(received) > _MOST_NOISE:
            del received[:-_MOST_NOISE]
            for unit in self._units.values():
                unit.unexpected = unit.duplicates = True

    def _drop_echoes(self, received: bytearray) -> bool:
        """Remove echoes of the last requests. True: the bytes may be the beginning of an echo."""
        while any(self._drop_echo(received, sent) for sent in self._sent):
            pass
        return self._begins_echo(received)

    def _drop_echo(self, received: bytearray, sent: bytes) -> bool:
        """Remove an echo, also one without its first bytes, which an adapter may lose when it changes direction."""
        for start in range(len(sent) - _SHORTEST_ECHO + 1):
            if received.startswith(sent[start:]):
                del received[: len(sent) - start]
                return True
        return False

    def _drop_noise_before_echo(self, received: bytearray) -> None:
        for sent in self._sent:
            if (place := received.find(sent)) >= 0:
                del received[: place + len(sent)]

    def _begins_echo(self, received: bytearray) -> bool:
        return bool(received) and any(len(received) < len(sent) and sent.startswith(received) for sent in self._sent)

    def _first(self, received: bytearray) -> ReadResponse | None:
        """Remove and return the first frame with a correct checksum; also remove all bytes before it."""
        for start in range(len(received) - 4):
            code = received[start + 1]
            if code & ~EXCEPTION in _CODES:
                end = start + (5 if code & EXCEPTION else 5 + received[start + 2])
            elif start == 0:
                end = len(received)  # another function, of unknown length: all bytes
            else:
                continue
            frame = bytes(received[start:end])
            if end == len(received) and self._begins_echo(received[start:]):
                return None
            if end <= len(received) and crc16(frame[:-2]) == frame[-2:]:
                del received[:end]
                return ReadResponse(0, frame[0], code, frame[2:-2])
        return None


def answer_head(request: ReadRequest) -> bytes:
    """Return unit, function and byte count of the normal answer."""
    return bytes((request.unit, request.code, 2 * request.count))
