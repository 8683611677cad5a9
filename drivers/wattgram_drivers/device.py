"""What a device is on the bus: registers, limits, and one reading of them. Frozen facts, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Table = Literal["holding", "input"]
WordOrder = Literal["big", "little"]
Type = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]
Kind = Literal["meter", "inverter", "battery", "genset", "charger", "sensor"]
Night = Literal["answers", "silent", "not-available", "zeros"]
Encoding = Literal["plain", "four-quadrant"]
Parity = Literal["N", "E", "O"]

TYPE_WORDS: dict[Type, int] = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4}
"""Registers that a value of each type fills."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Where the direction of a magnitude stands: the value is negative when word & `mask` == `negative`."""

    address: int
    mask: int = 0xFFFF
    negative: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """One quantity's place on the wire.

    `address` counts from 0 as in the request. The value in the quantity's SI unit and sign is
    (raw - `offset`) x `scale` x 10^(register at `scale_address`) x the values of the quantities in `factors`.
    `scale` is exact, so that 2301 x 1/10 is 230.1 and not 230.10000000000002. `invalid` lists raw bit
    patterns (full width of the type) that mean "not available"; NaN always does for floats.
    With a `direction` the raw value is a magnitude, as the device may or may not sign it itself.
    `encoding` four-quadrant is a power factor that leads: above 1 it means 2 - value, below -1 -2 - value.
    """

    quantity: str
    address: int
    table: Table
    type: Type
    word_order: WordOrder = "big"
    scale: Fraction = Fraction(1)
    scale_address: int | None = None
    factors: tuple[str, ...] = ()
    invalid: tuple[int, ...] = ()
    note: str = ""
    offset: int = 0
    encoding: Encoding = "plain"
    direction: Direction | None = None

    @property
    def words(self) -> int:
        """Registers that the value fills."""
        return TYPE_WORDS[self.type]

    @property
    def companions(self) -> tuple[int, ...]:
        """Addresses of the words that its value depends on, in its own table: scale and direction."""
        direction = None if self.direction is None else self.direction.address
        return tuple(each for each in (self.scale_address, direction) if each is not None)


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """How a device wants to be spoken to; seconds and registers. Sources stand in its map."""

    max_registers: int = 125  # in one request
    gap: int = 0  # unneeded registers that may be read to join two requests
    even: bool = False  # start and count of a request must be even
    windows: tuple[tuple[int, int], ...] = ()  # a request must stay inside one of these (first, last)
    request_delay: float = 0.0  # silence between two requests
    connect_delay: float = 0.0  # silence after a connection is made
    timeout: float = 1.0  # for one answer
    one_client: bool = False  # refuses or breaks a second connection


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How a device's serial port is set when it is delivered."""

    baudrate: int
    parity: Parity = "N"
    stopbits: int = 1

    def __str__(self) -> str:
        return f"{self.baudrate} 8{self.parity}{self.stopbits}"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Registers that are read in one request, and the octets of the answer that are meant (`length` 0: the rest)."""

    address: int
    registers: int = 1
    table: Table = "holding"
    skip: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells a model: a text with `pattern` in it, or a number (high word first) of `values` or `ranges`."""

    excerpt: Excerpt
    values: tuple[int, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """Where a device has its model or serial number: a text, or a number."""

    excerpt: Excerpt
    number: bool = False


@dataclass(frozen=True, slots=True)
class IdentityMarks:
    """How a model is recognised: every one of `marks` holds. `source` says who knows."""

    marks: tuple[Mark, ...] = ()
    model: Label | None = None
    serial: Label | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A register map: what a model offers and how to ask it. `name` is the map's name in the catalogue."""

    name: str
    vendor: str
    model: str
    kind: Kind
    registers: tuple[Register, ...]
    limits: DeviceLimits = field(default_factory=DeviceLimits)
    unit: int = 1
    transports: tuple[str, ...] = ("tcp", "rtu", "rtutcp")
    night: Night = "answers"
    source: str = ""
    serial: str = ""
    line: SerialSettings | None = None  # None: not known, or it has no serial port
    identity: IdentityMarks = IdentityMarks()

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of what it offers, in the order of its registers and so of a decoded block."""
        return tuple(register.quantity for register in self.registers)


@dataclass(frozen=True, slots=True)
class Reading:
    """The raw registers of one device at one time.

    `image` is the plan's words, big-endian as on the wire; `valid` has one byte a word, 1 where an answer
    filled it. `time` is UTC in ns with millisecond resolution: when the first answer arrived.
    `monotonic` is the same instant in seconds of a clock that is never set.
    """

    time: int
    monotonic: float
    image: bytes
    valid: bytes
