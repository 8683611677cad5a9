"""A reading under examination: its numbers, and the verdicts on values that cannot be true."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from math import isfinite, isinf, isnan, nan
from typing import NamedTuple

from wattgram_drivers.device import Reading
from wattgram_drivers.places import Place
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import QUANTITIES


class Withheld(NamedTuple):
    """A value that cannot be true. register: "holding 40083"; words: "7f80 0000"; value in SI, NaN if it is none."""

    quantity: str
    register: str
    words: str
    value: float
    bound: str
    reason: str

    def __str__(self) -> str:
        """Return the event's text: quantity, register, words, value, reason."""
        unit = QUANTITIES[self.quantity].unit
        value = f"{self.value:.6g}{'' if unit == '1' else f' {unit}'}" if isfinite(self.value) else "no number"
        return f"{self.quantity} {value} ({self.register}: {self.words}) {self.reason}"


class Verdict(NamedTuple):
    bound: str
    reason: str


class Examination:
    """A reading under examination: its numbers, NaN where absent or withheld, and the verdicts by index."""

    def __init__(self, plan: Plan, names: Sequence[str], reading: Reading, numbers: Sequence[float]) -> None:
        self.places = plan.places
        self.names = names
        self.reading = reading
        self.raw = tuple(numbers)
        self.numbers = list(numbers)
        self.verdicts: dict[int, Verdict] = {}

    def withhold(self, indices: Iterable[int], bound: str, reason: str) -> None:
        """Withhold the values that are there and not withheld already."""
        for index in indices:
            if not isnan(self.numbers[index]):
                self.verdicts[index] = Verdict(bound, reason)
                self.numbers[index] = nan

    def clear(self, indices: Iterable[int]) -> None:
        """Leave out values that the device does not have, without a verdict."""
        for index in indices:
            self.numbers[index] = nan

    def note(self, indices: Iterable[int], bound: str, reason: str) -> None:
        """Note a verdict on values that were read and are no number."""
        for index in indices:
            if self.was_read(index):
                self.verdicts[index] = Verdict(bound, reason)

    def words(self, index: int) -> set[bytes]:
        """Return the different words of a value that were read."""
        octets, positions = self.reading.image, self.places[index].positions
        return {octets[2 * word : 2 * word + 2] for word in positions if self.reading.valid[word]}

    def known(self, indices: Iterable[int]) -> list[float]:
        """Return the numbers that are there."""
        return [self.numbers[index] for index in indices if not isnan(self.numbers[index])]

    def was_read(self, index: int) -> bool:
        """Return whether an answer contained the value's register."""
        return all(self.reading.valid[position] for position in self.places[index].positions)

    def is_infinite(self, index: int) -> bool:
        """Return whether the value's register holds an infinite float."""
        register = self.places[index].register
        if register.type not in ("f32", "f64") or not self.was_read(index):
            return False
        words = self._octets(self.places[index])
        if register.word_order == "little":
            words = b"".join(words[at : at + 2] for at in range(len(words) - 2, -1, -2))
        (number,) = struct.unpack(">f" if register.type == "f32" else ">d", words)
        return isinf(number)

    def step(self, index: int) -> float:
        """Return the smallest difference of an integer register's values, SI; 0 for a float or a product."""
        place = self.places[index].in_force(self.reading.image, self.reading.valid)
        register = place.register
        if register.type in ("f32", "f64") or register.factors:
            return 0.0
        exponent = 0
        if place.scale_position >= 0:
            (exponent,) = struct.unpack_from(">h", self.reading.image, 2 * place.scale_position)
        return abs(float(register.scale)) * 10.0 ** min(exponent, 10)

    def unit(self, index: int) -> str:
        """Return a space and the value's unit, "" for none."""
        unit = QUANTITIES[self.names[index]].unit
        return "" if unit == "1" else f" {unit}"

    def withheld(self) -> tuple[Withheld, ...]:
        """Return the withheld values, in the order of the plan."""
        return tuple(
            self._withheld(index, self.places[index].in_force(self.reading.image, self.reading.valid), verdict)
            for index, verdict in sorted(self.verdicts.items())
        )

    def _withheld(self, index: int, place: Place, verdict: Verdict) -> Withheld:
        return Withheld(
            self.names[index],
            place.register.name,
            self._octets(place).hex(" ", 2),
            self.raw[index],
            verdict.bound,
            verdict.reason,
        )

    def _octets(self, place: Place) -> bytes:
        return b"".join(self.reading.image[2 * position : 2 * position + 2] for position in place.positions)
