"""Readings of a device whose words a test changes on the wire, without any socket; and a decoder of its own.

    images = ServedImages(device, values)
    images.change("frequency", 0xFFFF)       # these words, whatever the device would say
    reading = images.reading()

The words come from the simulated unit. `requests` shows what was asked, so that a test knows which quantities came in
one answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan, prod

from wattgram_drivers.device import Device, Reading, Register, Table
from wattgram_drivers.driver_errors import Refused
from wattgram_drivers.reader import Reader
from wattgram_drivers.simulated.unit import Served, SimulatedUnit

from tests.support.one_loop import on_one_loop
from tests.support.register_memory import HandClock, MemoryBus

FORMS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}


class ServedImages(MemoryBus):
    """A unit's words with changes, read by the real reader."""

    def __init__(self, device: Device, values: Mapping[str, float], constants: Mapping[int, int] | None = None) -> None:
        super().__init__()
        self.device = device
        self.values = dict(values)
        self.registers = {register.quantity: register for register in device.registers}
        self.clock = HandClock()
        self.every: Callable[[int], int] | None = None
        self._unit = SimulatedUnit(Served(device, lambda: self.values, dict(constants or {})))
        self._changed: dict[tuple[Table, int], int] = {}
        self._reader = Reader(device, device.unit)

    @property
    def reader(self) -> Reader:
        """The reader; its plan is the layout of the readings."""
        return self._reader

    def words(self, table: Table, address: int, count: int) -> list[int]:
        """Return the words on the wire."""
        words = self._unit.read(table, address, count)
        if isinstance(words, int):
            raise Refused(f"{address}+{count}", words)
        if self.every is not None:
            return [self.every(word) for word in words]
        return [self._changed.get((table, address + place), word) for place, word in enumerate(words)]

    def own_words(self, quantity: str) -> list[int]:
        """Return the words of one value."""
        register = self.registers[quantity]
        return [word for address in self._addresses(register) for word in self.words(register.table, address, 1)]

    def change(self, quantity: str, *words: int) -> None:
        """Put words in the place of a value's."""
        register = self.registers[quantity]
        for address, word in zip(self._addresses(register), words, strict=True):
            self._changed[register.table, address] = word

    @staticmethod
    def _addresses(register: Register) -> Sequence[int]:
        """Return the addresses of a value's words; of two words that stand apart the high word's first."""
        low: int | None = getattr(register, "low_address", None)
        return range(register.address, register.address + register.words) if low is None else (register.address, low)

    def change_word(self, table: Table, address: int, word: int) -> None:
        """Put one word in the place of another."""
        self._changed[table, address] = word

    def restore(self) -> None:
        """Forget all changes of words."""
        self._changed.clear()
        self.every = None

    def reading(self) -> Reading:
        """Return a reading, a second after the one before."""
        self.requests.clear()
        self.clock.now += 1_000_000_000
        self.clock.seconds += 1.0
        return on_one_loop(self._reader.read(self, self.clock))

    def answer(self, table: Table, address: int, count: int) -> Sequence[int]:
        return self.words(table, address, count)

    def together_with(self, quantity: str) -> set[str]:
        """Return the quantities whose words came in the same answer of the last reading as this value's."""
        mine = self.registers[quantity]
        return {
            name
            for table, address, count in self.requests
            if _within(mine, table, address, count)
            for name, register in self.registers.items()
            if _within(register, table, address, count)
        }

    def decoded(self, quantity: str) -> float:
        """Return the value of a quantity's words by the map; NaN where the map says not available."""
        return decoded(self.registers[quantity], self)


def decoded(register: Register, images: ServedImages) -> float:
    """Decode a value's words by the map's row: type, order, scale, offset, factors, direction, quadrants."""
    words = images.own_words(register.quantity)
    apart = getattr(register, "low_address", None) is not None
    octets = struct.pack(f">{len(words)}H", *(words if register.word_order == "big" or apart else words[::-1]))
    if int.from_bytes(octets, "big") in register.invalid:
        return nan
    raw = float(struct.unpack(f">{FORMS[register.type]}", octets)[0])
    if isnan(raw):
        return nan
    exponent = 0
    if register.scale_address is not None:
        (word,) = images.words(register.table, register.scale_address, 1)
        exponent = (word ^ 0x8000) - 0x8000
        if not -10 <= exponent <= 10:
            return nan
    factors = prod(images.decoded(name) for name in register.factors)
    value = (raw - register.offset) * float(register.scale) * 10.0**exponent * factors
    if register.direction is not None:
        (word,) = images.words(register.table, register.direction.address, 1)
        if (contrary := register.direction.contrary) and word & contrary == contrary:
            return nan
        value = abs(value) if raw >= 0 else value
        if word & register.direction.mask == register.direction.negative:
            value = -abs(value)
    if register.encoding == "four-quadrant":
        value = 2.0 - value if value > 1.0 else -2.0 - value if value < -1.0 else value
    return value


def _within(register: Register, table: Table, address: int, count: int) -> bool:
    return register.table == table and address <= register.address < address + count
