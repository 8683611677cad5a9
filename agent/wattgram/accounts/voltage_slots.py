"""Supply voltage as ten-minute means of each phase, evaluated by GB/T 12325-2008."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, NamedTuple

from wattgram.base.clock import NS

SLOT_NS = 600 * NS
"""Length of a mean, ns (GB/T 12325-2008 uses means; ten minutes are those of IEC 61000-4-30)."""

VOLTAGE_TOLERANCE = 0.07
"""Allowed deviation as a share of the nominal voltage, three phases up to 20 kV (GB/T 12325-2008)."""

NO_SUPPLY = 0.1
"""Share of the nominal voltage below which a phase has no supply (product choice)."""

PHASE_VOLTAGES = ("voltage_l1n", "voltage_l2n", "voltage_l3n")
LINES = ("voltage_l1l2", "voltage_l2l3", "voltage_l3l1")


class VoltageSample(NamedTuple):
    """Result of a reading: whether a voltage was measured, and whether there is a supply.

    slots: means that ended with this reading. good: means of these within the tolerance.
    """

    measured: bool
    live: bool = False
    slots: int = 0
    good: int = 0


@dataclass(slots=True)
class VoltageSlots:
    """Running ten minutes: their number since 1970, and sum and count of each phase."""

    number: int = -1
    sums: list[float] = field(default_factory=lambda: [0.0] * 3)
    counts: list[int] = field(default_factory=lambda: [0] * 3)

    def take(self, time: int, value: Callable[[str], float | None], nominal: float) -> VoltageSample:
        """Take a reading at a time, UTC ns; `nominal`: V between phases."""
        names, expected = PHASE_VOLTAGES, nominal / sqrt(3)
        if all(value(name) is None for name in names):
            names, expected = LINES, nominal
        volts = [value(name) for name in names]
        measured = [phase_volts for phase_volts in volts if phase_volts is not None]
        if not measured:
            return VoltageSample(measured=False)
        slots = good = 0
        if time // SLOT_NS != self.number:
            means = [total / count for total, count in zip(self.sums, self.counts, strict=True) if count]
            slots, good = len(means), sum(abs(mean - expected) <= VOLTAGE_TOLERANCE * expected for mean in means)
            self.number, self.sums, self.counts = time // SLOT_NS, [0.0] * 3, [0] * 3
        for phase, phase_volts in enumerate(volts):
            if phase_volts is not None:
                self.sums[phase] += phase_volts
                self.counts[phase] += 1
        return VoltageSample(measured=True, live=max(measured) > NO_SUPPLY * expected, slots=slots, good=good)

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [self.number, self.sums, self.counts]

    @classmethod
    def load(cls, dumped: Any) -> VoltageSlots:
        """Return the slots from `dump`; ValueError or TypeError if the state is invalid."""
        number, sums, counts = dumped
        if not len(sums) == len(counts) == len(PHASE_VOLTAGES):
            raise ValueError(f"found {dumped!r}, expected three phases")
        return cls(int(number), list(map(float, sums)), list(map(int, counts)))
