"""What simulated devices do wrong: which faults strike a request, and what then leaves the server and when.

`Faults` are a unit's, `Trouble` is its bus': frozen data. A `Course` decides what strikes the request at hand;
`answer` turns the right answer into the bytes that leave. Nothing here knows a clock or a connection.
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
    """What a unit does wrong, in every request or in a share of them.

    `shares` has the chance (0 to 1) of a fault to strike a request. One in `ONCE` strikes once when it has no
    share, and again and again with one.
    """

    silent: bool = False  # answers nothing
    late: float = 0.0  # seconds
    exception: int = 0  # its code, instead of registers
    busy: float = 0.0  # seconds of exception 6 (device busy)
    storm: float = 0.0  # seconds of exceptions with any code
    short: int = 0  # registers fewer than asked
    long: int = 0  # registers more than asked
    garbled: bool = False  # one to three bits of the frame are flipped
    cut: bool = False  # the first half of the frame, and nothing more
    doubled: bool = False  # the answer comes twice
    wrong_unit: bool = False  # another unit's answer
    wrong_transaction: bool = False  # the answer to another request; Modbus TCP only
    wrong_function: bool = False  # the answer to the other reading function
    sleeping: bool = False  # every value is marked as not available
    zeros: bool = False  # every value's words are 0
    swapped_nan: bool = False  # asleep, with the words of a float's NaN in the wrong order
    moving_scale: bool = False  # scale registers change with every request, and the values' words with them
    glitch: bool = False  # counters read 0 in one request
    reset: bool = False  # counters begin at 0 again and count on
    rollover: int = 0  # counters are this many counts before the width of their register; then they roll over
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """ValueError for a share of what is no fault, or one that is no chance."""
        _checked(self)


@dataclass(frozen=True, slots=True)
class BusFaults:
    """What a bus does wrong; `shares` as for `Faults`. All but `rebooting` need a network."""

    one_client: OneClient = ""  # a second connection ends the first, or is refused
    slow_accept: float = 0.0  # seconds after connecting before anything is answered
    first_swallowed: bool = False  # the first request of a connection is not answered
    half_open: bool = False  # the connection stays, and nothing on it is answered any more
    rebooting: float = 0.0  # seconds without anybody there; connections are reset
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """ValueError for a share of what is no trouble, or one that is no chance."""
        _checked(self)


ONCE = frozenset({"busy", "storm", "glitch", "reset", "rollover", "half_open", "rebooting"})
"""Faults that come once, with the first request after they were set; those that have a share keep coming."""

_SPELLS = ("busy", "storm")  # once begun they last as long as they say
_STORM = (1, 2, 3, 4, 5, 6, 8, 10, 11)  # Modbus Application Protocol V1.1b3, section 7
_EXCEPTION = 0x80
_OTHER = {3: 4, 4: 3}  # reading functions
_MOST = 127  # registers whose bytes one byte can count

_F = TypeVar("_F", Faults, BusFaults)


def names(faults: Faults | BusFaults) -> list[str]:
    """The faults that are set."""
    return [one.name for one in fields(faults) if one.name != "shares" and getattr(faults, one.name) != one.default]


def _checked(faults: Faults | BusFaults) -> None:
    known = {one.name for one in fields(faults)} - {"shares"}
    for name, share in faults.shares.items():
        if name not in known:
            raise ValueError(f"found a share of {name!r}; allowed: {', '.join(sorted(known))}")
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"found share {share!r} of {name}; allowed: 0 to 1")


WELL = Faults()
CALM = BusFaults()


class FaultSchedule:
    """Which faults strike which request: with the same seed, the same requests are struck."""

    def __init__(self, seed: str) -> None:
        """Nothing has struck yet."""
        self.dice = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
        self._faults: Faults | BusFaults | None = None
        self._spent: set[str] = set()
        self._until: dict[str, float] = {}

    def strike(self, faults: _F, now: float, *, spared: Collection[str] = ()) -> _F:
        """`faults` with only what strikes the request at `now` (s); what is `spared` has no chance to."""
        if faults is not self._faults:
            self._faults, self._spent, self._until = faults, set(), {}
        missed = {one for one in names(faults) if one in spared or not self._strikes(faults, one, now)}
        defaults: dict[str, Any] = {one.name: one.default for one in fields(faults) if one.name in missed}
        return replace(faults, shares={}, **defaults) if missed or faults.shares else faults

    def _strikes(self, faults: Faults | BusFaults, name: str, now: float) -> bool:
        if now < self._until.get(name, -inf):
            return True
        if name in faults.shares:
            if self.dice.random() >= faults.shares[name]:
                return False
        elif name in ONCE:
            if name in self._spent:
                return False
            self._spent.add(name)
        if name in _SPELLS:
            self._until[name] = now + getattr(faults, name)
        return True


@dataclass(frozen=True, slots=True)
class RequestEcho:
    """A request as far as its answer repeats it; `transaction` is None on RTU, whose frames have none."""

    unit: int
    code: int
    transaction: int | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Bytes that leave the server `delay` seconds after the unit took up the request."""

    delay: float
    data: bytes


def exception(faults: Faults, dice: Random) -> int:
    """The code of the exception that a struck request gets instead of registers; 0: none."""
    if faults.storm:
        return dice.choice(_STORM)
    return 6 if faults.busy else faults.exception


def answer(asked: RequestEcho, said: Sequence[int] | int, faults: Faults, dice: Random) -> tuple[Leaving, ...]:
    """What leaves for a request that `faults` strike; `said` are the right registers, or an exception's code.

    An answer of a wrong unit, function or transaction has other registers (each bit turned over), so that one
    that is taken for the right one shows. Flipped bits are always to be noticed: RTU's checksum finds up to
    three; Modbus TCP has none, so there they are in the header, the function or the byte count. For the same
    reason an answer is not short and long at once.
    """
    if faults.silent:
        return ()
    code, unit, transaction = asked.code, asked.unit, asked.transaction
    foreign = False
    if faults.wrong_unit:
        unit, foreign = (unit + 123) % 247 + 1, True  # far away: that one is hardly on the bus
    if faults.wrong_function and code in _OTHER:
        code, foreign = _OTHER[code], True
    if faults.wrong_transaction and transaction is not None:
        transaction, foreign = transaction ^ 0x5555, True
    if isinstance(said, int):
        pdu, checked = bytes([code | _EXCEPTION, said]), 8
    else:
        missing, more = faults.short, 0 if faults.short else faults.long
        words = [*said[: max(len(said) - missing, 0)], *[0] * more][:_MOST]
        words = [word ^ 0xFFFF for word in words] if foreign else words
        pdu, checked = bytes([code, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words), 9
    data = frame(unit, pdu, transaction)
    if faults.garbled:
        data = _flipped(data, len(data) if transaction is None else checked, dice)
    if faults.cut:
        data = data[: len(data) // 2]
    return (Leaving(faults.late, data),) * (2 if faults.doubled else 1)


def frame(unit: int, pdu: bytes, transaction: int | None) -> bytes:
    """A frame of Modbus TCP, or of RTU where there is no transaction."""
    if transaction is not None:
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
    body = bytes([unit]) + pdu
    return body + crc16(body)


def _flipped(data: bytes, size: int, dice: Random) -> bytes:
    """`data` with one to three bits of its first `size` bytes turned over."""
    turned = bytearray(data)
    for bit in dice.sample(range(8 * size), dice.randint(1, 3)):
        turned[bit // 8] ^= 1 << bit % 8
    return bytes(turned)
