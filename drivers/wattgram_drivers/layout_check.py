"""Check of one reading against the layout that was discovered: heads of models, and the order of words in floats."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import isfinite

from .device import RegisterBlock
from .driver_errors import LayoutChanged, WordsSwapped
from .places import Place
from .plan import Block, Plan, RegisterSpan

PLAUSIBLE = {"frequency": (40.0, 75.0), "voltage": (50.0, 1000.0)}
"""Values that prove an order of words: of the grid's frequency, Hz, and of a low-voltage grid, V."""

NO_MEASUREMENT = (1e-30, 1e15)
"""Floats outside are no measurement in any unit: a round number with its words swapped is about 1e-41."""

MEASUREMENT = (1e-2, 1e9)
"""Range of a swapped float that explains such a number."""


class LayoutCheck:
    """Check of the heads of models during one reading.

    A value counts only if the head of its model was right in the same request, or before and after it: a device that
    changes its models between two requests must not mix them. `unproved`: heads to read again at the end.
    """

    def __init__(self, plan: Plan, unit: int) -> None:
        self._plan = plan
        self._unit = unit
        self.seen: set[RegisterSpan] = set()
        self.unproved: set[RegisterSpan] = set()

    def admits(self, block: Block, answer: bytes) -> bool:
        """Compare the heads in an answer; return whether its values may count. LayoutChanged: a head differs."""
        admitted = True
        for span in touched(self._plan, block):
            if span not in block.spans:
                admitted = admitted and span in self.seen
                self.unproved.add(span)
                continue
            header = self._plan.headers[span].header
            offset = 2 * (span.first - block.address)
            found = struct.unpack_from(f">{len(header)}H", answer, offset)
            if found != header:
                raise LayoutChanged(self._described(self._plan.headers[span], found))
            self.seen.add(span)
            self.unproved.discard(span)
        return admitted

    def _described(self, block: RegisterBlock, found: tuple[int, ...]) -> str:
        """Return what was found in place of a head."""
        words = " ".join(f"{word:04x}" for word in found)
        expected = " ".join(f"{word:04x}" for word in block.header)
        return f"unit {self._unit}: {block.table} {block.first} is {words}, expected {expected} ({block.name})"


def touched(plan: Plan, block: Block) -> Iterator[RegisterSpan]:
    """Yield the heads of the models that a request touches."""
    for span, model in plan.headers.items():
        if span.table == block.table and block.address <= model.last and block.address + block.count > model.first:
            yield span


class FloatOrderCheck:
    """Check of the order of words in the floats of a device that describes itself."""

    def __init__(self, plan: Plan) -> None:
        self._floats = [
            place
            for checked in plan.checked
            if checked.block.header
            for place in (plan.places[index] for index in checked.values)
            if place.register.type == "f32"
        ]
        self._floats.sort(key=lambda place: place.register.quantity != "frequency")  # one look is usually enough

    def check(self, image: bytes, valid: bytes, unit: int) -> None:
        """WordsSwapped: a reading has floats that only make sense with their words swapped, and none as they are."""
        swapped = []
        sure = False
        for place in self._floats:
            if not valid[place.position]:
                continue
            low, high = PLAUSIBLE.get(place.register.quantity.partition("_")[0], (0.0, 0.0))
            octets = image[2 * place.position : 2 * place.position + 4]
            (value,) = struct.unpack(">f", octets)
            if low and low <= value <= high:
                return
            (other,) = struct.unpack(">f", octets[2:] + octets[:2])
            if not isfinite(other) or value == 0.0:
                continue
            absurd = not NO_MEASUREMENT[0] <= abs(value) <= NO_MEASUREMENT[1]
            if (low and low <= other <= high) or (absurd and MEASUREMENT[0] <= abs(other) <= MEASUREMENT[1]):
                swapped.append((place, octets, other))
                sure = sure or absurd
        if sure or len(swapped) > 1:
            raise WordsSwapped(_finding(unit, *swapped[0]))


def _finding(unit: int, place: Place, octets: bytes, value: float) -> str:
    register = place.register
    return (
        f"unit {unit}: {register.table} {register.address} is {octets.hex(' ', 2)}: the words of floats are swapped "
        f"({register.quantity} would be {value:.6g}); set the device's Modbus byte order to big-endian (ABCD, "
        "SunSpec), or choose its models with integers and scale factors"
    )
