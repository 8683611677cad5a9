"""Devices that do everything wrong by chance, and an account of what each of them really measured.

A `Truth` knows each value at each time. A `HostileUnit` serves it and spoils a share of its answers: frames, words,
refusals, connections. Spoilt answers carry values that could be true (`SHADOW` times the right ones), so that an answer
which is taken for another one shows, or values that cannot be true.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from wattgram_drivers.device import Device, Table
from wattgram_drivers.simulated.unit import Served, SimulatedUnit, is_counter

from tests.support.misbehaving_device import Request, Step, crc16

TABLES: Mapping[int, Table] = {3: "holding", 4: "input"}
SHADOW = 1.04
"""A shadow's values lie this factor above the right ones: possible, and wrong."""

LAGGING = 6.0
"""Time between a measurement and its record, at most, s."""


@dataclass(frozen=True)
class Truth:
    """What a device measures: a power that rises by 1 W a second and falls back every 500 s, and counters.

    Counters grow by 1 Wh a second. base: W. steps: the smallest step of a quantity where the served registers have one.
    """

    base: float
    quantities: Sequence[str]
    steps: Mapping[str, float] = field(default_factory=dict)

    def value(self, quantity: str, time: float) -> float:
        """Return a value at a time of the loop, s."""
        if is_counter(quantity):
            return 1000.0 * self.base + float(int(time))
        if quantity == "active_power_total":
            return self.base + float(int(time) % 500)
        return {"voltage_l1n": 220.0 + self.base / 1000.0, "frequency": 49.5 + self.base / 1e5, "status": 4.0}.get(
            quantity, 1.0
        )

    def right(self, quantity: str, value: float, time: float) -> bool:
        """Return whether a value that was recorded for a time was measured about then."""
        moments = [time + shift / 4.0 for shift in range(round(-4 * LAGGING), round(4 * LAGGING) + 1)]
        room = self.steps.get(quantity, 0.0) / 2.0 + 1e-6 * abs(value)
        return any(abs(self.value(quantity, moment) - value) <= room for moment in moments)


Spoiler = Callable[["HostileUnit", Request, list[int]], Sequence[Step]]


@dataclass
class HostileUnit:
    """A unit that serves a truth and spoils a share of its answers by these spoilers."""

    device: Device
    truth: Truth
    spoilers: Sequence[Spoiler] = ()
    share: float = 0.0
    seed: int = 1
    constants: Mapping[int, int] = field(default_factory=dict)
    echo: bool = False
    served: int = 0
    spoilt: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = Random(f"{self.device.name} {self.seed}")
        self._time = 0.0
        self._factor = 1.0
        self._unit = SimulatedUnit(Served(self.device, self._values, self.constants))

    def _values(self) -> Mapping[str, float]:
        return {name: self._factor * self.truth.value(name, self._time) for name in self.truth.quantities}

    def words(self, request: Request, factor: float = 1.0) -> list[int] | int:
        """Return the words of a request, or the code of its exception."""
        self._time, self._factor = request.time, factor
        return self._unit.read(TABLES[request.code], request.address, request.count)

    def shadow(self, request: Request, **other: int) -> bytes:
        """Return an answer that could be true and is wrong; with another unit or transaction id where given."""
        words = self.words(request, SHADOW)
        return answered(request, words if isinstance(words, list) else [0] * request.count, **other)

    def __call__(self, request: Request) -> Sequence[Step]:
        words = self.words(request)
        if isinstance(words, int):
            steps: Sequence[Step] = [Step(data=request.frame(bytes([request.code | 0x80, words])))]
        elif self.spoilers and self.dice.random() < self.share:
            spoiler = self.dice.choice(self.spoilers)
            self.spoilt[spoiler.__name__] = self.spoilt.get(spoiler.__name__, 0) + 1
            steps = spoiler(self, request, words)
        else:
            self.served += 1
            steps = [Step(data=answered(request, words))]
        if self.echo:
            body = bytes([request.unit]) + request.pdu
            return [Step(data=body + crc16(body)), *(Step(step.delay + 0.002, step.data, step.end) for step in steps)]
        return steps


def answered(
    request: Request, words: Sequence[int], *, unit: int | None = None, transaction: int | None = None
) -> bytes:
    """Return the frame of an answer with these words."""
    pdu = bytes([request.code, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words)
    return request.frame(pdu, unit=unit, transaction=transaction)


# Frames


def says_nothing(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return []


def is_late(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(unit.dice.uniform(0.8, 3.0), answered(request, words))]


def names_another_unit(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(data=unit.shadow(request, unit=(request.unit + 100) % 247 + 1))]


def names_another_transaction(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    if request.transaction is None:
        return []
    other = unit.dice.choice((0, 1, 2, request.transaction + 1, request.transaction - 408)) % 0x10000
    return [Step(data=unit.shadow(request, transaction=other))]


def names_another_function(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    data = bytearray(unit.shadow(request))
    data[7 if request.transaction is not None else 1] = 7 - request.code
    if request.transaction is None:
        data[-2:] = crc16(bytes(data[:-2]))
    return [Step(data=bytes(data))]


def sends_too_few(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(data=answered(request, words[:-1]))]


def sends_too_many(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(data=answered(request, [*words, 0]))]


def sends_half(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    frame = answered(request, words)
    return [Step(data=frame[: len(frame) // 2]), *([Step(0.01, end="close")] if unit.dice.random() < 0.5 else [])]


def sends_twice(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(data=answered(request, words)), Step(unit.dice.uniform(0.0, 0.5), answered(request, words))]


def sends_in_pieces(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    frame = answered(request, words)
    return [Step(0.001 * place, frame[place : place + 3]) for place in range(0, len(frame), 3)]


def speaks_before_it_is_asked(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    """The right answer, and a while later one to the next request, which is not yet sent."""
    if request.transaction is None:
        return [Step(data=answered(request, words)), Step(0.5, unit.shadow(request))]
    after = [unit.shadow(request, transaction=(request.transaction + ahead) % 0x10000) for ahead in (1, 2, 3)]
    return [Step(data=answered(request, words)), Step(0.5, b"".join(after))]


# Connections


def closes_before(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(end="close")]


def resets_before(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(end="reset")]


def closes_after(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(data=answered(request, words)), Step(unit.dice.choice((0.0, 0.001, 1.0)), end="close")]


# Refusals


def refuses(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    code = unit.dice.choice((1, 2, 3, 4, 5, 6, 8, 10, 11))
    return [Step(data=request.frame(bytes([request.code | 0x80, code])))]


def refuses_with_a_length_that_lies(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    frame = bytearray(request.frame(bytes([request.code | 0x80, 2])))
    if request.transaction is not None:
        frame[4:6] = unit.dice.choice((2, 4, 9)).to_bytes(2, "big")
    return [Step(data=bytes(frame))]


# Words


def is_empty(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    """Send zeros where a counter is among them: zeros beside a counter of another answer are an outage."""
    counted = any(
        is_counter(register.quantity) and 0 <= register.address - request.address < len(words)
        for register in unit.device.registers
    )
    return [Step(data=answered(request, [0] * len(words) if counted else words))]


def is_full(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    return [Step(data=answered(request, [0xFFFF] * len(words)))]


def puts_impossible(*odd: int) -> Spoiler:
    """Return a spoiler that puts these words in the place of one float."""

    def says_what_cannot_be(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
        changed = list(words)
        floats = [
            register.address - request.address
            for register in unit.device.registers
            if register.type == "f32"
            and register.quantity in unit.truth.quantities
            and not is_counter(register.quantity)
            and 0 <= register.address - request.address <= len(words) - 2
        ]
        for place in floats[:: unit.dice.choice((1, 2))]:
            changed[place : place + 2] = odd
        return [Step(data=answered(request, changed))]

    return says_what_cannot_be


def sends_denormals(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    """Send round numbers with their words exchanged: 5,984 W, 230 V and 50 Hz become denormals."""
    exchanged = {"active_power_total": (0x0000, 0x45BB), "voltage_l1n": (0x0000, 0x4366), "frequency": (0x0000, 0x4248)}
    changed = list(words)
    for register in unit.device.registers:
        place = register.address - request.address
        if register.quantity in exchanged and register.type == "f32" and 0 <= place <= len(words) - 2:
            changed[place : place + 2] = exchanged[register.quantity]
    return [Step(data=answered(request, changed))]


def swaps_words(unit: HostileUnit, request: Request, words: list[int]) -> Sequence[Step]:
    """Exchange the words of each measured float of the answer."""
    changed = list(words)
    for register in unit.device.registers:
        place = register.address - request.address
        if register.type == "f32" and register.quantity in unit.truth.quantities and 0 <= place <= len(words) - 2:
            changed[place : place + 2] = changed[place : place + 2][::-1]
    return [Step(data=answered(request, changed))]


FRAMES: tuple[Spoiler, ...] = (
    says_nothing,
    is_late,
    names_another_unit,
    names_another_transaction,
    names_another_function,
    sends_too_few,
    sends_too_many,
    sends_half,
    sends_twice,
    sends_in_pieces,
)
EARLY: tuple[Spoiler, ...] = (speaks_before_it_is_asked, sends_twice, closes_after)
CONNECTIONS: tuple[Spoiler, ...] = (closes_before, resets_before, closes_after)
REFUSALS: tuple[Spoiler, ...] = (refuses, refuses_with_a_length_that_lies)
WORDS: tuple[Spoiler, ...] = (
    is_empty,
    is_full,
    puts_impossible(0x7F7F, 0xFFFF),  # 3.4e38
    puts_impossible(0xFF80, 0x0000),  # minus infinity
    puts_impossible(0x7FC0, 0x0000),  # not a number
    sends_denormals,
    puts_impossible(0x4E6E, 0x6B28),  # 1e9
    puts_impossible(0xCE6E, 0x6B28),
)
