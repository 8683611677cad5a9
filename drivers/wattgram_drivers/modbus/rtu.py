"""Modbus RTU frames, and the guard that they need: unit, function and length are all that an answer shows.

A unit answers in turn. One that owes an answer (time-out, cancelled read, malformed answer) is first asked
something whose answer cannot be mistaken: another number of registers. Once that answer is in, everything owed
before it is in or lost. The same goes for a request that looks like the one before it and asks for other
registers, since a second copy of that answer could pass for its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from wattgram_drivers.driver_errors import BadAnswer

from .pdu import EXCEPTION, MAX_REGISTERS, READS, ReadRequest, ReadResponse

_CODES = frozenset(READS.values())
_MAX_OWED = 64  # answers of one unit that are kept in mind


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
    """Checksum of a frame, low byte first (Modbus over Serial Line V1.02, section 6.2.2)."""
    crc = 0xFFFF
    for octet in octets:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ octet) & 0xFF]
    return crc.to_bytes(2, "little")


@dataclass(slots=True)
class _Unit:
    """What one unit may still send that nobody waits for."""

    owed: list[tuple[int, int]] = field(default_factory=list)  # requests given up, the oldest first
    settled: ReadRequest | None = None  # the last one answered; a copy of its answer may follow
    refused: bool = False  # that answer was an exception
    unasked: bool = False  # something came unasked since the last answer
    doubles: bool = False  # something came unasked before or during the last request

    def ambiguous(self, request: ReadRequest) -> bool:
        """Whether an earlier answer could pass for this request's."""
        last = self.settled
        alike = last is not None and last.shape == request.shape and not self.refused
        return bool(self.owed) or (alike and (self.doubles or last != request))


class Rtu:
    """The framing of `rtu://` and `rtutcp://`."""

    def __init__(self) -> None:
        self._units: defaultdict[int, _Unit] = defaultdict(_Unit)

    def frame(self, request: ReadRequest) -> bytes:
        """Unit, request, checksum."""
        octets = bytes((request.unit,)) + request.octets
        return octets + crc16(octets)

    def idle(self, received: bytearray) -> None:
        """Drop all; a whole answer that nobody asked for (late, or sent twice) makes its unit suspect."""
        while answer := self._first(received):
            unit = self._units[answer.unit]
            unit.unasked = unit.doubles = True
        received.clear()

    def take(self, received: bytearray, request: ReadRequest) -> ReadResponse | None:
        """The first frame with a right checksum; noise, echoes and halves before it are dropped with it."""
        return None if self.missing(received, request) else self._first(received)

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Of a frame that begins like the answer."""
        head = bytes((request.unit, request.code, 2 * request.count))
        if not received or not head.startswith(received[:3]):
            return 0
        return max(0, 5 + 2 * request.count - len(received))

    def belongs(self, request: ReadRequest, answer: ReadResponse) -> bool:
        """Whatever is owed, or is another copy, or comes from another unit does not. BadAnswer when in doubt."""
        unit = self._units[answer.unit]
        if answer.unit != request.unit:
            unit.unasked = unit.doubles = True
            return False
        if answer.code & EXCEPTION:
            if any(code == answer.code & ~EXCEPTION for code, _ in unit.owed) or (unit.refused and unit.doubles):
                raise BadAnswer(f"exception {answer.body[0]} may belong to an earlier request")
            return True
        copied = unit.settled is not None and answer.shape == unit.settled.shape and not unit.refused
        if answer.shape in unit.owed or (copied and answer.shape != request.shape):
            unit.unasked = True
            return False
        return True

    def probes(self, request: ReadRequest) -> Iterator[ReadRequest]:
        """Two questions, one a function, for a unit that may be misunderstood."""
        unit = self._units[request.unit]
        if not unit.ambiguous(request):
            return
        last = None if unit.settled is None else unit.settled.shape
        other = 7 - request.code  # 3 and 4: even a refusal of the other function cannot be mistaken
        for code in (request.code, other):
            mistakable = {request.shape, last, *unit.owed}
            fewer = (
                request.count - count
                for count in range(1, MAX_REGISTERS + 1)
                if (code, 2 * count) not in mistakable and request.address + count <= 0x10000
            )
            # fewer registers than wanted are as legal as the request, and an even number stays even
            best = min(fewer, key=lambda less: (less < 0, less % 2, abs(less)))
            yield replace(request, code=code, count=request.count - best)

    def owed(self, request: ReadRequest) -> None:
        """Its answer may come at any time."""
        owed = self._units[request.unit].owed
        if request.shape in owed:
            owed.remove(request.shape)
        owed.append(request.shape)
        del owed[:-_MAX_OWED]

    def settled(self, request: ReadRequest, answer: ReadResponse) -> None:
        """Everything asked before it is in or lost."""
        unit = self._units[request.unit]
        unit.owed.clear()
        unit.settled, unit.refused = request, bool(answer.code & EXCEPTION)
        unit.doubles, unit.unasked = unit.unasked, False

    def _first(self, received: bytearray) -> ReadResponse | None:
        """Remove and return the first frame with a right checksum, and what stood before it."""
        for start in range(len(received) - 4):
            code = received[start + 1]
            if code & ~EXCEPTION in _CODES:
                end = start + (5 if code & EXCEPTION else 5 + received[start + 2])
            elif start == 0:
                end = len(received)  # a foreign function, whose length is not known: all that there is
            else:
                continue
            frame = bytes(received[start:end])
            if end <= len(received) and crc16(frame[:-2]) == frame[-2:]:
                del received[:end]
                return ReadResponse(0, frame[0], code, frame[2:-2])
        return None
