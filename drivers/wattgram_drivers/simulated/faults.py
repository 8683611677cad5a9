"""Faults of simulated devices: the faults that affect a request, and the resulting bytes with their time.

`Faults` describes the faults of a unit, `BusFaults` those of a bus. A `FaultSchedule` selects the faults of each
request; `answer` turns the correct answer into the bytes to send. This module uses no clock and no connection.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from random import Random
from typing import Any, Literal, TypeVar

from wattgram_drivers.modbus.rtu import crc16

OneClient = Literal["", "kick", "refuse"]


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of a unit, in every request or in a share of the requests.

    shares: probability (0 to 1) of a fault for each request. A fault in `ONCE` without a share occurs once; with a
    share, it occurs repeatedly.
    """

    silent: bool = False  # no answers
    late: float = 0.0  # seconds
    exception: int = 0  # code of an exception instead of registers
    busy: float = 0.0  # seconds of exception 6 (device busy)
    storm: float = 0.0  # seconds of exceptions with any code
    short: int = 0  # number of missing registers
    long: int = 0  # number of additional registers
    garbled: bool = False  # one to three bits of the frame are flipped
    cut: bool = False  # only the first half of the frame
    doubled: bool = False  # each answer is sent twice
    wrong_unit: bool = False  # answer with another unit address
    wrong_transaction: bool = False  # answer with another transaction id; Modbus TCP only
    wrong_function: bool = False  # answer of the other read function
    sleeping: bool = False  # every value is "not available"
    zeros: bool = False  # every value's words are 0
    swapped_nan: bool = False  # as sleeping, with the words of a float's NaN swapped
    moving_scale: bool = False  # scale registers, and the values with them, change at each request
    glitch: bool = False  # counters read 0 in one request
    reset: bool = False  # counters restart at 0
    rollover: int = 0  # counters start this many counts before their register rolls over
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """ValueError: unknown fault in `shares`, or a share outside 0 to 1."""
        _checked(self)


@dataclass(frozen=True, slots=True)
class BusFaults:
    """Faults of a bus; `shares` as for `Faults`. All but `rebooting` need a network."""

    one_client: OneClient = ""  # "kick": a second connection ends the first; "refuse": it is refused
    slow_accept: float = 0.0  # seconds without answers after the start of a connection
    first_swallowed: bool = False  # the first request of a connection gets no answer
    half_open: bool = False  # the connection stays open, without further answers
    rebooting: float = 0.0  # seconds of absence; connections are reset
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """ValueError: unknown fault in `shares`, or a share outside 0 to 1."""
        _checked(self)


ONCE = frozenset({"busy", "storm", "glitch", "reset", "rollover", "half_open", "rebooting"})
"""Faults that occur once, at the first request after they were set; with a share, they occur repeatedly."""

_LASTING_FAULTS = ("busy", "storm")  # these last for the given seconds
_STORM = (1, 2, 3, 4, 5, 6, 8, 10, 11)  # Modbus Application Protocol V1.1b3, section 7
_EXCEPTION = 0x80
_OTHER_READ = {3: 4, 4: 3}  # function codes
_MOST_REGISTERS = 127  # the byte count is one byte

_F = TypeVar("_F", Faults, BusFaults)


def names(faults: Faults | BusFaults) -> list[str]:
    """Return the names of the active faults."""
    return [
        fault.name
        for fault in fields(faults)
        if fault.name != "shares" and getattr(faults, fault.name) != fault.default
    ]


def _checked(faults: Faults | BusFaults) -> None:
    allowed = {fault.name for fault in fields(faults)} - {"shares"}
    for name, share in faults.shares.items():
        if name not in allowed:
            raise ValueError(f"found a share of {name!r}; allowed: {', '.join(sorted(allowed))}")
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"found share {share!r} of {name}; allowed: 0 to 1")


NO_FAULTS = Faults()
NO_BUS_FAULTS = BusFaults()


class FaultSchedule:
    """Select the faults of each request, reproducibly for a seed."""

    def __init__(self, seed: str) -> None:
        """Start without any past fault."""
        self.random = Random(seed)  # noqa: S311 - reproducible randomness, not for secrets
        self._faults: Faults | BusFaults | None = None
        self._occurred: set[str] = set()
        self._until: dict[str, float] = {}

    def select(self, faults: _F, now: float, *, excluded: Collection[str] = ()) -> _F:
        """Return those of `faults` that affect a request at `now` (s), without the `excluded` faults."""
        if faults is not self._faults:
            self._faults, self._occurred, self._until = faults, set(), {}
        omitted = {name for name in names(faults) if name in excluded or not self._occurs(faults, name, now)}
        defaults: dict[str, Any] = {fault.name: fault.default for fault in fields(faults) if fault.name in omitted}
        return replace(faults, shares={}, **defaults) if omitted or faults.shares else faults

    def _occurs(self, faults: Faults | BusFaults, name: str, now: float) -> bool:
        if now < self._until.get(name, -inf):
            return True
        if name in faults.shares:
            if self.random.random() >= faults.shares[name]:
                return False
        elif name in ONCE:
            if name in self._occurred:
                return False
            self._occurred.add(name)
        if name in _LASTING_FAULTS:
            self._until[name] = now + getattr(faults, name)
        return True


@dataclass(frozen=True, slots=True)
class RequestEcho:
    """The parts of a request that an answer repeats. transaction: None on RTU."""

    unit: int
    code: int
    transaction: int | None = None


@dataclass(frozen=True, slots=True)
class DelayedBytes:
    """Bytes to send, `delay` seconds after the unit starts on the request."""

    delay: float
    data: bytes


def exception(faults: Faults, random: Random) -> int:
    """Return the code of the exception for a request with these faults; 0 for none."""
    if faults.storm:
        return random.choice(_STORM)
    return 6 if faults.busy else faults.exception


def answer(
    request: RequestEcho, content: Sequence[int] | int, faults: Faults, random: Random
) -> tuple[DelayedBytes, ...]:
    """Return the bytes for a request with these faults. content: the correct registers, or an exception's code.

    An answer with a wrong unit, function or transaction contains inverted registers, so that its acceptance becomes
    visible. Flipped bits are always detectable: RTU's checksum detects up to three; on Modbus TCP, without a
    checksum, they are in the header, the function or the byte count. For the same reason, no answer is both short
    and long.
    """
    if faults.silent:
        return ()
    code, unit, transaction = request.code, request.unit, request.transaction
    foreign = False
    if faults.wrong_unit:
        unit, foreign = (unit + 123) % 247 + 1, True  # a distant address, unlikely to exist on the bus
    if faults.wrong_function and code in _OTHER_READ:
        code, foreign = _OTHER_READ[code], True
    if faults.wrong_transaction and transaction is not None:
        transaction, foreign = transaction ^ 0x5555, True
    if isinstance(content, int):
        pdu, checked = bytes([code | _EXCEPTION, content]), 8
    else:
        missing, more = faults.short, 0 if faults.short else faults.long
        words = [*content[: max(len(content) - missing, 0)], *[0] * more][:_MOST_REGISTERS]
        words = [word ^ 0xFFFF for word in words] if foreign else words
        pdu, checked = bytes([code, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words), 9
    data = frame(unit, pdu, transaction)
    if faults.garbled:
        data = _flipped(data, len(data) if transaction is None else checked, random)
    if faults.cut:
        data = data[: len(data) // 2]
    return (DelayedBytes(faults.late, data),) * (2 if faults.doubled else 1)


def frame(unit: int, pdu: bytes, transaction: int | None) -> bytes:
    """Return a frame of Modbus TCP; without a transaction, of RTU."""
    if transaction is not None:
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
    body = bytes([unit]) + pdu
    return body + crc16(body)


def _flipped(data: bytes, size: int, random: Random) -> bytes:
    """Return `data` with one to three flipped bits in its first `size` bytes."""
    flipped = bytearray(data)
    for bit in random.sample(range(8 * size), random.randint(1, 3)):
        flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)
