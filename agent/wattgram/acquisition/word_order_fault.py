"""Recognition of a wrong word order: values that cannot be true, and whose exchanged words can (METHOD-SITE 10)."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence, Set
from math import isfinite

from wattgram_drivers.places import Field
from wattgram_drivers.plan import Block, Plan
from wattgram_ext.decode import Decoder

from .bounds import Limits, class_of

TINY = 1e-12
"""A float other than 0 below this value, in SI units, has exchanged words or is 0 (METHOD-SITE 10)."""

SMALL = 1e-6
"""The same beside a value of the same request whose words are exchanged: no device measures less, in SI units."""

SIGNIFICANT_SHARE = 0.01
"""Share of the rated power above which a value with exchanged words is no coincidence (METHOD-SITE 10)."""

SIGNIFICANT = {"AC voltage": 2.3, "DC voltage": 2.3, "frequency": 1.0}
"""The same for other classes, in SI units: 1 % of 230 V. Default: LEAST."""

LEAST = 0.01
"""Smallest significant value of other classes, and of powers and currents without a rated power."""

FEWEST_FAULTS = 2
"""Values that show the fault together, so that the other values of several words are not believed either."""

FAULT = "the words of the register are exchanged"


class WordOrderCheck:
    """Values of several words, decoded again in the other word order. `limits`: bounds by index of the value.

    long_integers: indices of the integers of several adjacent words.
    """

    def __init__(self, plan: Plan, fields: Sequence[Field], limits: Sequence[Limits]) -> None:
        self._long = tuple(index for index, place in enumerate(plan.places) if place.register.words > 1)
        self._floats = frozenset(
            index for index, place in enumerate(plan.places) if place.register.type in ("f32", "f64")
        )
        apart = {index for index, place in enumerate(plan.places) if place.low_position >= 0}
        self.long_integers = frozenset(self._long) - self._floats - apart
        self._narrow = frozenset(
            index for index in self._long if class_of(plan.places[index].register.quantity) in SIGNIFICANT
        )
        self._requests = tuple(_floats_of(block, plan, self._floats) for block in plan.blocks)
        self._limits = limits
        self._least = tuple(
            _least(place.register.quantity, limit) for place, limit in zip(plan.places, limits, strict=True)
        )
        turned = tuple(field._replace(little=not field.little) for field in fields)
        self._decoder = Decoder(turned, plan.factors(), plan.words)
        self._count = len(plan.places)

    def is_tiny(self, index: int, value: float) -> bool:
        """Return whether a value is a float other than 0 that is too small to be true."""
        return index in self._floats and value != 0.0 and abs(value) < TINY

    def exchanged(self, image: bytes, valid: bytes) -> tuple[float, ...]:
        """Return all values in the other word order."""
        return struct.unpack(f"{self._count}d", self._decoder.decode(image, valid))

    def faults(self, numbers: Sequence[float], suspicious: Sequence[int], image: bytes, valid: bytes) -> set[int]:
        """Return the values with exchanged words.

        suspicious: values outside their bounds, and tiny ones. If several of them are possible with exchanged words,
        and they are at least half of all values of several words, or all voltages and frequencies, all of these values
        have exchanged words: the bounds of powers and counters are too wide to show it. The floats of one request have
        the fault together, see `_together`.
        """
        if not any(index in self._long for index in suspicious):
            return set()
        exchanged = self.exchanged(image, valid)
        found = {index for index in suspicious if index in self._long and self._is_possible(index, exchanged[index])}
        counted = [index for index in self._long if isfinite(numbers[index]) and numbers[index] != exchanged[index]]
        for request in self._requests:
            found |= self._together(found & request, request.intersection(counted), numbers, exchanged)
        shown = found & self._narrow
        every_narrow = len(shown) >= FEWEST_FAULTS and shown.issuperset(self._narrow.intersection(counted))
        if every_narrow or (len(found) >= FEWEST_FAULTS and 2 * len(found) >= len(counted)):
            found.update(counted)
        return found

    def _together(
        self, found: Set[int], counted: Set[int], numbers: Sequence[float], exchanged: Sequence[float]
    ) -> Set[int]:
        """Return the floats of one request that have exchanged words, as its floats in `found` have.

        They are the small floats that are possible with exchanged words. If these are half of all, they are all. They
        are all, too, if every voltage and frequency of the request shows the fault, and no other float is small or
        outside its bounds with exchanged words: the exchanged words of a healthy float nearly always are.
        """
        if not found:
            return found
        possible = {index for index in counted if self._is_possible(index, exchanged[index])}
        shown = found | {index for index in possible if abs(numbers[index]) < SMALL}
        half = len(shown) >= FEWEST_FAULTS and 2 * len(shown) >= len(counted)
        narrow = counted & self._narrow
        every = (
            bool(narrow) and narrow <= found and all(self._is_credible(index, exchanged[index]) for index in counted)
        )
        return counted if half or every else shown

    def _is_possible(self, index: int, value: float) -> bool:
        return self._is_inside(index, value) and abs(value) >= self._least[index]

    def _is_credible(self, index: int, value: float) -> bool:
        """Return whether a value is 0, or within its bounds and not small."""
        return value == 0.0 or (abs(value) >= SMALL and self._is_inside(index, value))

    def _is_inside(self, index: int, value: float) -> bool:
        limits = self._limits[index]
        return limits.low <= value <= limits.high


def _floats_of(block: Block, plan: Plan, floats: Collection[int]) -> frozenset[int]:
    """Return the floats whose words are in one request, by index."""
    return frozenset(
        index
        for index in floats
        if (register := plan.places[index].register).table == block.table
        and all(block.address <= address < block.address + block.count for address in register.addresses)
    )


def _least(quantity: str, limits: Limits) -> float:
    name = class_of(quantity)
    if name in SIGNIFICANT:
        return SIGNIFICANT[name]
    return SIGNIFICANT_SHARE * limits.high / 3.0 if limits.source else LEAST
