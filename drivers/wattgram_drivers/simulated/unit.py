"""One served unit: its registers, made of constants and of values at the time of a request.

Here is also where values go wrong: asleep, all zero, counters that reset or roll over, scales that move.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isnan, nan

from wattgram_drivers.device import Device, Register, Table

from .faults import WELL, Faults
from .register_encoding import FLOAT_NAN, directed, encode, limits, raw_number, split

Values = Callable[[], Mapping[str, float]]
"""Gives quantities in the vocabulary's units and signs; NaN or missing = not available."""

ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
"""Exception codes (Modbus Application Protocol V1.1b3, section 7)."""

_NO_EXPONENT = 0x8000  # SunSpec's "not implemented" for a scale factor
_SCALE_EXPONENTS = range(-10, 11)  # of a scale factor (SunSpec Technology Overview 12040)
_COUNTER_NAMES = re.compile(r"(\w+_)?energy_(?!net$)|volume_total|totalizer_|pulse_count_")


@dataclass(frozen=True, slots=True)
class Served:
    """A device to serve. `constants` are words at addresses of its tables: identity, lengths, scale factors.

    A scale register is never a value: it holds what they say, else 0. With `fill`, addresses between the first and
    the last one that nothing is said about hold 0, so that reads over gaps work; without it they are refused.
    """

    device: Device
    values: Values
    constants: Mapping[int, int] = field(default_factory=dict)
    fill: bool = True


@dataclass(frozen=True, slots=True)
class _Moment:
    """What the registers of a table show at one request: values, and exponents by their address."""

    values: Mapping[str, float]
    exponents: Mapping[int, int]


class SimulatedUnit:
    """The registers of one unit, and what has happened to its counters."""

    def __init__(self, served: Served) -> None:
        """As served, nothing has happened."""
        self._served = served
        self._factors = {name for register in served.device.registers for name in register.factors}
        self._registers: dict[Table, list[Register]] = {"holding": [], "input": []}
        for register in served.device.registers:
            self._registers[register.table].append(register)
        self._words = {table: self._fixed(registers) for table, registers in self._registers.items() if registers}
        for table, registers in self._registers.items():
            scales = {register.scale_address for register in registers}
            self._registers[table] = [register for register in registers if register.address not in scales]
        self._taken: dict[str, float] = {}  # by resets, from each counter
        self._lifts: dict[Register, int] = {}  # counts added before a rollover
        self._scale_moved = False

    def counts(self, table: Table, address: int, count: int) -> bool:
        """Whether a counter is among these registers."""
        return any(
            is_counter(register.quantity) and _among(register, address, count) for register in self._registers[table]
        )

    def read(self, table: Table, address: int, count: int, faults: Faults = WELL) -> list[int] | int:
        """The words under the faults that strike this request, or the code of the exception that it gets."""
        if not 1 <= count <= self._served.device.limits.max_registers:
            return ILLEGAL_VALUE
        fixed = self._words.get(table, {})
        try:
            words = [fixed[each] for each in range(address, address + count)]
        except KeyError:
            return ILLEGAL_ADDRESS
        moment = self._moment(table, faults)
        for at, exponent in moment.exponents.items():
            if address <= at < address + count:
                words[at - address] = exponent & 0xFFFF
        asked = [register for register in self._registers[table] if _among(register, address, count)]
        for register in asked:
            for place, word in enumerate(self._shown(register, moment, faults), register.address - address):
                if 0 <= place < count:
                    words[place] = word
        for register in self._registers[table]:
            if register.direction and address <= register.direction.address < address + count:
                place = register.direction.address - address
                words[place] = directed(register, moment.values.get(register.quantity, nan), words[place])
        return words

    def _fixed(self, registers: list[Register]) -> dict[int, int]:
        """Every address of a table with what it holds before values are written over it."""
        mapped = {
            address for register in registers for address in range(register.address, register.address + register.words)
        }
        mapped |= {address for register in registers for address in register.companions}
        mapped |= self._served.constants.keys()
        if self._served.fill:
            mapped = set(range(min(mapped), max(mapped) + 1))
        return {address: self._served.constants.get(address, 0) for address in mapped}

    def _moment(self, table: Table, faults: Faults) -> _Moment:
        fixed = self._words[table]
        exponents = {
            register.scale_address: (fixed[register.scale_address] ^ 0x8000) - 0x8000
            for register in self._registers[table]
            if register.scale_address is not None and fixed[register.scale_address] != _NO_EXPONENT
        }
        if faults.sleeping or faults.swapped_nan:
            return _Moment({}, exponents)
        values = self._counted(self._served.values(), faults)
        if faults.rollover:
            self._lift(_Moment(values, exponents), self._registers[table], faults.rollover)
        if faults.moving_scale:
            self._scale_moved = not self._scale_moved
            if self._scale_moved:
                exponents = {at: self._moved(table, at, _Moment(values, exponents)) for at in exponents}
        return _Moment(values, exponents)

    def _counted(self, values: Mapping[str, float], faults: Faults) -> Mapping[str, float]:
        """The values after what has happened to the counters, and what happens now."""
        counters = {name: value for name, value in values.items() if is_counter(name) and not isnan(value)}
        if faults.reset:
            self._taken |= counters
            self._lifts.clear()
        if faults.glitch:
            return {**values, **dict.fromkeys(counters, 0.0)}
        return {**values, **{name: value - self._taken.get(name, 0.0) for name, value in counters.items()}}

    def _lift(self, moment: _Moment, registers: list[Register], counts: int) -> None:
        """Bring integer counters so many counts below the number that their width does not hold any more."""
        for register in registers:
            scaling = self._scaling(register, moment)
            value = moment.values.get(register.quantity, nan)
            if scaling and is_counter(register.quantity) and register.type not in FLOAT_NAN and not isnan(value):
                self._lifts[register] = limits(register)[1] + 1 - counts - round(raw_number(register, value, *scaling))

    def _moved(self, table: Table, address: int, moment: _Moment) -> int:
        """Another exponent: one less where all values that it scales still fit, else one more."""
        exponent = moment.exponents[address]
        scaled = [register for register in self._registers[table] if register.scale_address == address]
        if any(register in self._lifts for register in scaled) or {exponent - 1, exponent + 1} - set(_SCALE_EXPONENTS):
            return exponent  # a lifted counter is at the end of its width in the scale that it has
        finer = _Moment(moment.values, {**moment.exponents, address: exponent - 1})
        return exponent - 1 if all(self._fits(register, finer) for register in scaled) else exponent + 1

    def _fits(self, register: Register, moment: _Moment) -> bool:
        scaling = self._scaling(register, moment)
        value = moment.values.get(register.quantity, nan)
        if scaling is None or isnan(value) or register.type in FLOAT_NAN:
            return True
        low, high = limits(register)
        return low < raw_number(register, value, *scaling) < high  # both ends may mean "not available"

    def _scaling(self, register: Register, moment: _Moment) -> tuple[int, float] | None:
        """Exponent and factor of a register; None where its scale is not implemented."""
        factor = 1.0
        for name in register.factors:
            ratio = moment.values.get(name, nan)
            factor *= 1.0 if isnan(ratio) else ratio
        exponent = 0 if register.scale_address is None else moment.exponents.get(register.scale_address)
        return None if exponent is None or factor == 0.0 else (exponent, factor)

    def _shown(self, register: Register, moment: _Moment, faults: Faults) -> list[int]:
        if faults.zeros:
            return [0] * register.words
        if faults.swapped_nan and register.type in FLOAT_NAN:
            return split(register, FLOAT_NAN[register.type])[::-1]
        value = moment.values.get(register.quantity, nan)
        if register.quantity in self._factors and isnan(value):
            value = 1.0  # transformer ratios that the source does not know
        scaling = self._scaling(register, moment)
        if scaling is None:
            return encode(register, nan)
        exponent, factor = scaling
        lift = None if faults.glitch else self._lifts.get(register)
        return encode(register, value, exponent=exponent, factor=factor, lift=lift)


def is_counter(quantity: str) -> bool:
    """Whether a quantity only grows: energy, volume, mass, pulses."""
    return _COUNTER_NAMES.match(quantity) is not None


def _among(register: Register, address: int, count: int) -> bool:
    return register.address < address + count and register.address + register.words > address
