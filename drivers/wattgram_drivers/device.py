"""Frozen data of a device: registers, limits, identity, and a reading of the registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Table = Literal["holding", "input"]
WordOrder = Literal["big", "little"]
Type = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]
Kind = Literal["meter", "inverter", "battery", "genset", "charger", "sensor"]
Night = Literal["answers", "silent", "not-available", "zeros"]
Encoding = Literal["plain", "four-quadrant", "magnitude", "percent-or-ratio"]
Parity = Literal["N", "E", "O"]
DcSide = Literal["pv", "net"]

TYPE_WORDS: dict[Type, int] = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4}
"""Number of registers of a value, by type."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A register with the direction of a magnitude. The value is negative if word & `mask` == `negative`.

    A value that is negative already, because the device signs it itself, stays negative. While all bits of `contrary`
    are set, such as charging and discharging at once, the direction is unknown, and there is no value.
    """

    address: int
    mask: int = 0xFFFF
    negative: int = 0
    contrary: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """Address, type and scaling of one quantity.

    `address` counts from 0 as in the request. The value in the quantity's SI unit and sign is
    (raw - `offset`) x `scale` x 10^(register at `scale_address`) x the values of the quantities in `factors`.
    `scale` is exact, so that 2301 x 1/10 is 230.1 and not 230.10000000000002. `invalid` lists raw bit
    patterns (full width of the type) that mean "not available"; NaN always does for floats.
    If the two words of a value stand apart, `address` has the high word and `low_address` the low word; with
    `low_alone`, the low word is the whole signed value on units that do not have the high word.
    `optional`: some models of the map lack the register.
    `encoding` four-quadrant marks a leading power factor: above 1 it means 2 - value, below -1 it means -2 - value;
    magnitude: a counter that some devices send as a negative number; percent-or-ratio: a power factor with the `scale`
    of percent that some devices send as a ratio. The quantities in `witnesses`, active and apparent power, decide.
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
    witnesses: tuple[str, ...] = ()
    low_address: int | None = None
    low_alone: bool = False
    variant: Variant | None = None
    optional: bool = False

    @property
    def words(self) -> int:
        """Number of registers of the value."""
        return TYPE_WORDS[self.type]

    @property
    def name(self) -> str:
        """Table and address in words, such as "holding 40083"; of words apart both addresses."""
        low = "" if self.low_address is None else f" and {self.low_address}"
        return f"{self.table} {self.address}{low}"

    @property
    def addresses(self) -> tuple[int, ...]:
        """Addresses of the value's registers, in the order of the words of `words`; the high word first if apart."""
        if self.low_address is not None:
            return self.address, self.low_address
        return tuple(range(self.address, self.address + self.words))

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """First and last register of the value, and of everything that the value depends on, in the same table."""
        own = self.addresses
        value = [(own[0], own[-1])] if self.low_address is None else [(address, address) for address in own]
        direction = None if self.direction is None else self.direction.address
        value += [(address, address) for address in (self.scale_address, direction) if address is not None]
        if self.variant is not None:
            value += [(guard.address, guard.address + guard.registers - 1) for guard in self.variant.guards]
            value += [] if self.variant.register is None else self.variant.register.parts
        return tuple(value)

    @property
    def companions(self) -> tuple[int, ...]:
        """Addresses of further registers that the value depends on, in the same table."""
        every = {address for first, last in self.parts for address in range(first, last + 1)}
        return tuple(sorted(every - set(self.addresses)))


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on the `registers` words at `address`: they are one of the bit patterns `values`."""

    address: int
    values: tuple[int, ...]
    registers: int = 1


@dataclass(frozen=True, slots=True)
class Variant:
    """Another register of the same quantity, for a model or a wiring that the same map serves.

    The variant is in force while all `guards` hold, as long as `register` has a value. `register` None: the quantity
    does not exist then.
    """

    guards: tuple[Guard, ...]
    register: Register | None = None


@dataclass(frozen=True, slots=True)
class ValidWhen:
    """Condition under which values are valid: the value of the quantity `state` is one of `allowed`.

    `quantities` are the values that the condition covers; empty: all quantities of the device but `state`.
    """

    state: str
    allowed: tuple[float, ...]
    quantities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterBlock:
    """Registers `first` to `last` of a table that a device fills together, such as a SunSpec model.

    name: for messages. header: the words at `first`, constant while the layout is as discovered; they are read with
    every value of the block. codes: addresses of state codes and alarms, which a device may fill while it has no
    measured values. state: quantity with the operating state, "" for none; running: its values while the device works.
    A running block whose measured values are all 0 has no values.
    """

    name: str
    table: Table
    first: int
    last: int
    header: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()
    state: str = ""
    running: tuple[float, ...] = ()

    def covers(self, table: Table, address: int) -> bool:
        """Return whether a register lies in this block."""
        return table == self.table and self.first <= address <= self.last


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """Limits of a device's Modbus server, in seconds and registers. The device's map names the sources."""

    max_registers: int = 125  # most registers of a request
    gap: int = 0  # most unneeded registers between two values of a request
    even: bool = False  # whether start and count of a request must be even
    windows: tuple[tuple[int, int], ...] = ()  # a request must lie within one of these (first, last)
    request_delay: float = 0.0  # silence between two requests
    connect_delay: float = 0.0  # silence after the connection is open
    timeout: float = 1.0  # for an answer
    one_client: bool = False  # whether the device refuses or breaks a second connection


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Settings of a serial port; in a map, the factory settings."""

    baudrate: int
    parity: Parity = "N"
    stopbits: int = 1

    def __str__(self) -> str:
        return f"{self.baudrate} 8{self.parity}{self.stopbits}"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Registers of one request, and the relevant octets of the answer (`length` 0: all after `skip`)."""

    address: int
    registers: int = 1
    table: Table = "holding"
    skip: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of a model: a text that begins with `pattern`, or a number (high word first) in `values` or `ranges`."""

    excerpt: Excerpt
    values: tuple[int, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """Registers with a device's model or serial number, as a text or a number."""

    excerpt: Excerpt
    number: bool = False


@dataclass(frozen=True, slots=True)
class IdentityMarks:
    """Identification of a model: all `marks` must match. source: the manual or software that documents them.

    only: other models answer the same registers with another meaning, so that plausible values identify nothing.
    """

    marks: tuple[Mark, ...] = ()
    model: Label | None = None
    serial: Label | None = None
    source: str = ""
    only: bool = False


@dataclass(frozen=True, slots=True)
class RoleReads:
    """Quantities of one role of a device, best alternative first.

    power: the values of one alternative are added; a name that begins with "-" is subtracted. The sum is W, positive in
    the role's direction (a meter's: import). energy: the counter in the role's direction and the counter against it,
    "" for none. A counter "NAME" without a row of its own is the sum of its tariffs "NAME_t1" to "NAME_t4".
    """

    power: tuple[tuple[str, ...], ...] = ()
    energy: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Terminal:
    """Quantities of the AC terminal and the DC side of an inverter with a battery (METHOD-SITE 8.2).

    bridge: power over the converter's bridge, + from DC to AC. grid_port: power out of the grid port. backup_power:
    power out of the backup port; beside `bridge` it is not added, and the loss tells whether the bridge contains it.
    These are quantities, best first; () where the map has none. pv_power, battery_power (+ discharging): DC side,
    alternatives as in `RoleReads`. dc: "net" if `pv_power` includes the battery's power. energy, pv_energy,
    battery_energy: counters as in `RoleReads`; + of the terminal is DC to AC. A unit whose battery power has never had
    a value has no battery: the same map serves inverters without one. battery_signs: a value other than 0 of one of
    these shows that a battery is there, even without a power.
    """

    bridge: tuple[str, ...] = ()
    grid_port: tuple[str, ...] = ()
    backup_power: tuple[str, ...] = ()
    pv_power: tuple[tuple[str, ...], ...] = ()
    battery_power: tuple[tuple[str, ...], ...] = ()
    dc: DcSide = "pv"
    energy: tuple[tuple[str, str], ...] = ()
    pv_energy: tuple[tuple[str, str], ...] = ()
    battery_energy: tuple[tuple[str, str], ...] = ()
    battery_signs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A register map: a model's registers and limits. name: of the map in the catalogue.

    conditions: when the values are valid. running: when an inverter feeds in, so that a request of zeros is void.
    nameplate: quantity with the device's rated AC power, "" if no register has it. blocks: registers that the device
    fills together; none for most maps. roles: the roles that the device can have. terminal: of an inverter with a
    battery, None for other devices.
    """

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
    line: SerialSettings | None = None  # None: unknown, or no serial port
    identity: IdentityMarks = IdentityMarks()
    conditions: tuple[ValidWhen, ...] = ()
    running: ValidWhen | None = None
    nameplate: str = ""
    blocks: tuple[RegisterBlock, ...] = ()
    roles: Mapping[str, RoleReads] = field(default_factory=dict, hash=False)
    terminal: Terminal | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the device's quantities, in the order of its registers and of a decoded block."""
        return tuple(register.quantity for register in self.registers)


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """A request of a reading that failed. refused: the unit has no such registers; else `error` says what happened."""

    table: Table
    address: int
    count: int
    error: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The raw registers of one device at one time.

    `image` contains the plan's words, big-endian as on the wire; `valid` one byte a word, 1 if an answer contained
    the word. `time` is the arrival of the first answer, UTC in ns with millisecond resolution; `monotonic` is the
    same instant on the monotonic clock, s. `failures` are the requests that failed, and the registers found missing,
    in this reading. `slow`: whether the slow quantities were due.
    """

    time: int
    monotonic: float
    image: bytes
    valid: bytes
    failures: tuple[RequestFailure, ...] = ()
    slow: bool = True
