"""Energy counters of SunSpec meters that may be negative numbers: absent until their direction is known.

Some makes send exported energy as a negative number in an unsigned accumulator (CJNE/ha-sunspec issues 88 and 249):
1 Wh is FFFF FFFF, and the counter falls. A first reading cannot tell this from a counter near its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from wattgram_drivers.device import Device, Reading
from wattgram_drivers.plan import Plan
from wattgram_drivers.quantity import QUANTITIES

from .examination import Examination

HIGHEST_BITS = 0xF0
"""Least first byte of a doubtful counter: it has 6 % of its counts left, or fewer than 268 million counted down."""

OBSERVED_BITS = 0xE0
"""Least first byte of a counter whose direction is observed, so that it is known before the counter is doubtful."""

STEPS = 3
"""Steps in one direction, without one in the other, that show it."""

LARGEST_STEP = 1 << 24
"""Counts of a larger step say nothing: a glitch, a reset or another meter."""

_COUNTS = 1 << 32
_ENERGIES = ("Wh", "VAh", "varh")


@dataclass(slots=True)
class _Direction:
    """Direction of one counter: its last count, and the steps of late. negated: None while unknown."""

    last: int | None = None
    rises: int = 0
    falls: int = 0
    negated: bool | None = None

    def take(self, count: int) -> None:
        """Take the count of a reading."""
        step = 0 if self.last is None else count - self.last
        self.last = count
        if abs(step) > LARGEST_STEP:
            self.rises = self.falls = 0
            self.negated = None
        elif step > 0:
            self.rises, self.falls = self.rises + 1, 0
        elif step < 0:
            self.rises, self.falls = 0, self.falls + 1
        if max(self.rises, self.falls) >= STEPS:
            self.negated = self.falls >= STEPS


class NegatedCounters:
    """The doubtful counters of one device. single: there is only one reading, so that the doubt is a finding."""

    def __init__(self, device: Device, plan: Plan, *, single: bool) -> None:
        self._single = single
        self._directions = {
            index: _Direction()
            for index, place in enumerate(plan.places)
            if device.kind == "meter"
            and device.blocks
            and (place.register.type, place.register.encoding) == ("u32", "plain")
            and QUANTITIES[place.register.quantity].unit in _ENERGIES
        }
        self._octets = tuple((index, 2 * plan.places[index].position) for index in self._directions)

    def take(self, reading: Reading) -> bool:
        """Take a reading; return whether it has a counter with its highest bits set that is not known to rise."""
        doubtful = False
        for index, octet in self._octets:
            image, direction = reading.image, self._directions[index]
            if reading.valid[octet // 2] and (image[octet] >= OBSERVED_BITS or direction.last is not None):
                direction.take(int.from_bytes(image[octet : octet + 4], "big"))
                doubtful |= image[octet] >= HIGHEST_BITS and direction.negated is not False
        return doubtful

    def judge(self, case: Examination, findings: list[str]) -> None:
        """Withhold the doubtful counters; return those that fall as what they counted."""
        for index, octet in self._octets:
            direction, value = self._directions[index], case.numbers[index]
            if case.reading.image[octet] < HIGHEST_BITS or direction.negated is False or direction.last is None:
                continue
            amount = value * (_COUNTS - direction.last) / direction.last
            if direction.negated:
                case.numbers[index] = amount
                continue
            name, unit = case.names[index], case.unit(index)
            if self._single and isfinite(value):
                findings.append(
                    f"{name}: as a signed number, its register means -{amount:.12g}{unit}; compare with the display"
                )
            case.withhold(
                [index],
                "a counter that is known to rise",
                "may be a negative number, as some meters send exported energy; it is absent until the counter moves",
            )
