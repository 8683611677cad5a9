"""The voltage of the supply in means of ten minutes of each phase, as GB/T 12325-2008 judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, NamedTuple

from wattgram.base.clock import NS

SLOT = 600 * NS
"""ns of a mean (GB/T 12325-2008 takes means; ten minutes are those of IEC 61000-4-30)."""

VOLTAGE_TOLERANCE = 0.07
"""Allowed share of the nominal voltage, of three phases up to 20 kV (GB/T 12325-2008)."""

DEAD = 0.1
"""Share of the nominal voltage below which a phase has no supply (product choice)."""

PHASE_VOLTAGES = ("voltage_l1n", "voltage_l2n", "voltage_l3n")
LINES = ("voltage_l1l2", "voltage_l2l3", "voltage_l3l1")


class VoltageSample(NamedTuple):
    """What a reading says: whether there was any voltage to look at, and any supply; means that ended, those within."""

    known: bool
    live: bool = False
    slots: int = 0
    good: int = 0


@dataclass(slots=True)
class VoltageSlots:
    """The ten minutes that run: their number since 1970, and sum and count of each phase."""

    number: int = -1
    sums: list[float] = field(default_factory=lambda: [0.0] * 3)
    counts: list[int] = field(default_factory=lambda: [0] * 3)

    def take(self, time: int, value: Callable[[str], float | None], nominal: float) -> VoltageSample:
        """A reading at a time, UTC ns; `nominal`: V between phases."""
        names, wanted = PHASE_VOLTAGES, nominal / sqrt(3)
        if all(value(one) is None for one in names):
            names, wanted = LINES, nominal
        volts = [value(one) for one in names]
        known = [one for one in volts if one is not None]
        if not known:
            return VoltageSample(known=False)
        slots = good = 0
        if time // SLOT != self.number:
            means = [total / count for total, count in zip(self.sums, self.counts, strict=True) if count]
            slots, good = len(means), sum(abs(one - wanted) <= VOLTAGE_TOLERANCE * wanted for one in means)
            self.number, self.sums, self.counts = time // SLOT, [0.0] * 3, [0] * 3
        for phase, one in enumerate(volts):
            if one is not None:
                self.sums[phase] += one
                self.counts[phase] += 1
        return VoltageSample(known=True, live=max(known) > DEAD * wanted, slots=slots, good=good)

    def dump(self) -> list[object]:
        """What a restart must not lose, as JSON knows it."""
        return [self.number, self.sums, self.counts]

    @classmethod
    def load(cls, dumped: Any) -> VoltageSlots:
        """The reverse of `dump`; ValueError or TypeError when it is none."""
        number, sums, counts = dumped
        if not len(sums) == len(counts) == len(PHASE_VOLTAGES):
            raise ValueError(f"found {dumped!r}, expected three phases")
        return cls(int(number), [float(one) for one in sums], [int(one) for one in counts])
