"""A served unit: registers from constants, and from values at the time of a request.

This module also applies the faults of values: sleeping, zeros, counters that reset or roll over, moving scales.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isnan, nan

from wattgram_drivers.device import Device, Register, Table

from .faults import NO_FAULTS, Faults
from .register_encoding import FLOAT_NAN, directed, encode, limits, raw_number, split

Values = Callable[[], Mapping[str, float]]
"""Return quantities in the vocabulary's units and signs; NaN or missing = not available."""

ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
"""Exception codes (Modbus Application Protocol V1.1b3, section 7)."""

_NO_EXPONENT = 0x8000  # SunSpec's "not implemented" for a scale factor
_SCALE_EXPONENTS = range(-10, 11)  # of a scale factor (SunSpec Technology Overview 12040)
_COUNTER_NAMES = re.compile(r"(\w+_)?energy_(?!net$)|(?!battery_)\w+_energy$|volume_total|totalizer_|pulse_count_")


@dataclass(frozen=True, slots=True)
class Served:
    """A device to serve. constants: words by address: identity, lengths, scale factors.

    A scale register contains its constant, else 0. With `fill`, undefined addresses between the first and the last
    contain 0, so that reads across gaps work; without `fill`, they are refused.
    """

    device: Device
    values: Values
    constants: Mapping[int, int] = field(default_factory=dict)
    fill: bool = True


REQUESTS_KEPT = 1000
"""Number of different requests whose registers a unit keeps; a scan sends more."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Values of a table at a request, and exponents by address."""

    values: Mapping[str, float]
    exponents: Mapping[int, int]


class SimulatedUnit:
    """The registers of a unit, and the state of its counters."""

    def __init__(self, served: Served) -> None:
        """Start with unchanged counters."""
        self._served = served
        self._factors = {name for register in served.device.registers for name in register.factors}
        self._states = {condition.state: condition.allowed[0] for condition in served.device.conditions}
        self._guards = {
            guard
            for register in served.device.registers
            if register.variant is not None
            for guard in register.variant.guards
        }
        self._registers: dict[Table, list[Register]] = {"holding": [], "input": []}
        for register in served.device.registers:
            self._registers[register.table].append(register)
        self._words = {table: self._fixed(registers) for table, registers in self._registers.items() if registers}
        for table, registers in self._registers.items():
            scales = {register.scale_address for register in registers}
            self._registers[table] = [register for register in registers if register.address not in scales]
        self._requested: dict[tuple[Table, int, int], list[Register]] = {}  # by request: the same come again and again
        self._offsets: dict[str, float] = {}  # subtracted from each counter since a reset
        self._lifts: dict[Register, int] = {}  # counts added for a rollover
        self._scale_moved = False

    def has_counter(self, table: Table, address: int, count: int) -> bool:
        """Return whether these registers contain a counter."""
        return any(is_counter(register.quantity) for register in self._overlapping(table, address, count))

    def read(self, table: Table, address: int, count: int, faults: Faults = NO_FAULTS) -> list[int] | int:
        """Return the words under the faults of a request, or the code of its exception."""
        if not 1 <= count <= self._served.device.limits.max_registers:
            return ILLEGAL_VALUE
        fixed = self._words.get(table, {})
        try:
            words = [fixed[index] for index in range(address, address + count)]
        except KeyError:
            return ILLEGAL_ADDRESS
        snapshot = self._snapshot(table, faults)
        for at, exponent in snapshot.exponents.items():
            if address <= at < address + count:
                words[at - address] = exponent & 0xFFFF
        for register in self._overlapping(table, address, count):
            for at, word in zip(register.addresses, self._encoded(register, snapshot, faults), strict=True):
                if address <= at < address + count:
                    words[at - address] = word
        for register in self._registers[table]:
            if register.direction and address <= register.direction.address < address + count:
                position = register.direction.address - address
                words[position] = directed(register, snapshot.values.get(register.quantity, nan), words[position])
        return words

    def _overlapping(self, table: Table, address: int, count: int) -> list[Register]:
        """Return the registers of which a request reads a word."""
        request = table, address, count
        if request not in self._requested:
            overlapping = [register for register in self._registers[table] if _overlaps(register, address, count)]
            if len(self._requested) >= REQUESTS_KEPT:
                self._requested.clear()
            self._requested[request] = overlapping
        return self._requested[request]

    def _fixed(self, registers: list[Register]) -> dict[int, int]:
        """Return the content of every address of a table before values are inserted."""
        mapped = {address for register in registers for address in register.addresses}
        mapped |= {address for register in registers for address in register.companions}
        mapped |= self._served.constants.keys()
        if self._served.fill:
            mapped = set(range(min(mapped), max(mapped) + 1))
        return {address: self._served.constants.get(address, 0) for address in mapped}

    def _snapshot(self, table: Table, faults: Faults) -> _Snapshot:
        fixed = self._words[table]
        exponents = {
            register.scale_address: (fixed[register.scale_address] ^ 0x8000) - 0x8000
            for register in self._registers[table]
            if register.scale_address is not None and fixed[register.scale_address] != _NO_EXPONENT
        }
        if faults.sleeping or faults.swapped_nan:
            return _Snapshot({}, exponents)
        values = self._counted({**self._states, **self._served.values()}, faults)
        if faults.rollover:
            self._lift(_Snapshot(values, exponents), self._registers[table], faults.rollover)
        if faults.moving_scale:
            self._scale_moved = not self._scale_moved
            if self._scale_moved:
                exponents = {at: self._moved(table, at, _Snapshot(values, exponents)) for at in exponents}
        return _Snapshot(values, exponents)

    def _counted(self, values: Mapping[str, float], faults: Faults) -> Mapping[str, float]:
        """Return the values with past resets, and the counter faults of this request, applied."""
        counters = {name: value for name, value in values.items() if is_counter(name) and not isnan(value)}
        if faults.reset:
            self._offsets |= counters
            self._lifts.clear()
        if faults.glitch:
            return {**values, **dict.fromkeys(counters, 0.0)}
        return {**values, **{name: value - self._offsets.get(name, 0.0) for name, value in counters.items()}}

    def _lift(self, snapshot: _Snapshot, registers: list[Register], counts: int) -> None:
        """Lift integer counters to `counts` below the rollover of their register."""
        for register in registers:
            scaling = self._scaling(register, snapshot)
            value = snapshot.values.get(register.quantity, nan)
            if scaling and is_counter(register.quantity) and register.type not in FLOAT_NAN and not isnan(value):
                self._lifts[register] = limits(register)[1] + 1 - counts - round(raw_number(register, value, *scaling))

    def _moved(self, table: Table, address: int, snapshot: _Snapshot) -> int:
        """Return another exponent: one lower if all scaled values still fit, else one higher."""
        exponent = snapshot.exponents[address]
        scaled = [register for register in self._registers[table] if register.scale_address == address]
        if any(register in self._lifts for register in scaled) or {exponent - 1, exponent + 1} - set(_SCALE_EXPONENTS):
            return exponent  # a lifted counter fits only at its present scale
        finer = _Snapshot(snapshot.values, {**snapshot.exponents, address: exponent - 1})
        return exponent - 1 if all(self._fits(register, finer) for register in scaled) else exponent + 1

    def _fits(self, register: Register, snapshot: _Snapshot) -> bool:
        scaling = self._scaling(register, snapshot)
        value = snapshot.values.get(register.quantity, nan)
        if scaling is None or isnan(value) or register.type in FLOAT_NAN:
            return True
        low, high = limits(register)
        return low < raw_number(register, value, *scaling) < high  # both ends may mean "not available"

    def _scaling(self, register: Register, snapshot: _Snapshot) -> tuple[int, float] | None:
        """Return exponent and factor of a register; None if its scale is not implemented."""
        factor = 1.0
        for name in register.factors:
            ratio = snapshot.values.get(name, nan)
            factor *= 1.0 if isnan(ratio) else ratio
        exponent = 0 if register.scale_address is None else snapshot.exponents.get(register.scale_address)
        return None if exponent is None or factor == 0.0 else (exponent, factor)

    def _encoded(self, register: Register, snapshot: _Snapshot, faults: Faults) -> list[int]:
        if faults.zeros:
            return [0] * register.words
        if faults.swapped_nan and register.type in FLOAT_NAN:
            return split(register, FLOAT_NAN[register.type])[::-1]
        value = snapshot.values.get(register.quantity, nan)
        if register.quantity in self._factors and isnan(value):
            value = 1.0  # transformer ratios that the source lacks
        scaling = self._scaling(register, snapshot)
        if scaling is None:
            return encode(register, nan)
        if isnan(value) and self._is_guard(register):
            return [0] * register.words
        exponent, factor = scaling
        lift = None if faults.glitch else self._lifts.get(register)
        return encode(register, value, exponent=exponent, factor=factor, lift=lift)

    def _is_guard(self, register: Register) -> bool:
        """Return whether a missing value of this register would put a variant of another register in force."""
        bits = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in encode(register, nan)), "big")
        return any(
            guard.address == register.address and guard.registers == register.words and bits in guard.values
            for guard in self._guards
        )


@cache
def is_counter(quantity: str) -> bool:
    """Return whether a quantity is a counter: energy, volume, mass, pulses."""
    return _COUNTER_NAMES.match(quantity) is not None


def _overlaps(register: Register, address: int, count: int) -> bool:
    return any(address <= at < address + count for at in register.addresses)
