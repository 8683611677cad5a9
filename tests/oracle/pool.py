"""A battery's carbon: stock, price, loss, learned round trip (METHOD 4.6, METHOD-SITE 9.6). Wh, g, g/Wh."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import sqrt

from .steps import rounded
from .wiring import Cell

UNLEARNED = Fraction(85, 100)
"""Round trip until enough was charged (NREL ATB)."""
ENOUGH = 10
"""Charged capacities after which the round trip counts as learned."""
ZERO = Fraction(0)


@dataclass(slots=True)
class Pool:
    """One well-mixed store. `first` is its intensity before anything was charged, g/Wh: EF_off (METHOD 4.6).

    Every movement returns what was lost in it, Wh and g, so that
    stock(end) - stock(begin) = charge - discharge - loss in energy and in carbon.
    """

    cell: Cell
    first: Fraction
    energy: Fraction = ZERO
    carbon: Fraction = ZERO
    charged: Fraction = ZERO
    discharged: Fraction = ZERO
    largest: Fraction = ZERO
    run: Fraction = ZERO
    discharging: bool = False
    learned: Fraction | None = None
    least: Fraction | None = None
    most: Fraction | None = None
    intensity: Fraction = field(init=False)

    def __post_init__(self) -> None:
        """Fill the store with what it begins with, at its first intensity."""
        self.intensity = self.first
        self.energy, self.carbon = self.cell.begins, self.cell.begins * self.first
        if self.energy:
            self.least = self.most = self.first

    @property
    def threshold(self) -> Fraction:
        """Charge above which the round trip is learned, Wh."""
        return ENOUGH * (self.largest if self.cell.capacity is None else self.cell.capacity)

    def efficiencies(self, *, next_charge: bool = False) -> tuple[Fraction, Fraction]:
        """Return the efficiency of charging and 1 / that of discharging; `next_charge` asks for the next watt-hour's.

        A round trip that is not configured falls on both alike. More discharged than charged is no efficiency: energy
        is conserved.
        """
        if self.cell.charging is not None and self.cell.discharging is not None:
            return self.cell.charging, rounded(1 / self.cell.discharging)
        enough = self.charged > self.threshold or (next_charge and self.charged == self.threshold)
        learned = self.learned if enough and self.learned and self.learned <= 1 else None
        round_trip = learned or UNLEARNED
        charging = rounded(Fraction(sqrt(round_trip)))
        return charging, rounded(charging / round_trip)

    def price(self) -> Fraction:
        """Return the intensity of what is discharged now, g/Wh: the stock's, or its last one, over the efficiency."""
        return rounded(self.intensity * self.efficiencies()[1])

    def mixed(self) -> None:
        """Take the intensity of the stock as the last one, while there is a stock."""
        if self.energy > 0:
            self.intensity = rounded(self.carbon / self.energy)

    def charge(self, energy: Fraction, carbon: Fraction) -> tuple[Fraction, Fraction]:
        """Put energy of the busbar into the store; carbon comes with it."""
        if energy <= 0:
            return ZERO, ZERO
        if self.discharging:
            self.learned = rounded(self.discharged / self.charged) if self.charged else None
            self.run, self.discharging = ZERO, False
        intensity = carbon / energy
        self.least = intensity if self.least is None else min(self.least, intensity)
        self.most = intensity if self.most is None else max(self.most, intensity)
        before, rest = self.energy, energy
        while rest > 0:
            room = self.threshold - self.charged
            part = min(rest, room) if room > 0 else rest
            self.energy += self.efficiencies(next_charge=True)[0] * part
            self.charged += part
            rest -= part
        self.run += energy
        self.largest = max(self.largest, self.run)
        self.carbon += carbon
        self.mixed()
        return energy - (self.energy - before), ZERO

    def discharge(self, energy: Fraction, carbon: Fraction) -> tuple[Fraction, Fraction]:
        """Take energy for the busbar out of the store, with its carbon; what is beyond the stock is negative loss.

        What is discharged before the first charge came from no charge: the round trip is learned without it.
        """
        if energy <= 0:
            return ZERO, ZERO
        before = self.energy, self.carbon
        self.discharging = True
        if self.charged:
            self.discharged += energy
        left = self.energy - energy * self.efficiencies()[1]
        remains = self.carbon - carbon
        if left <= 0 or remains < 0:
            left, remains = max(left, ZERO), ZERO
        self.energy, self.carbon = left, remains
        return before[0] - left - energy, before[1] - remains - carbon

    def out_of_range(self) -> bool:
        """Whether the stock's intensity is outside the range of what ever flowed in: an event (METHOD-SITE 9.6).

        The loss of charging concentrates the carbon, and is taken out before the comparison.
        """
        if self.least is None or self.most is None:
            return False
        inflow, margin = self.intensity * self.efficiencies()[0], Fraction(1, 10**9)
        return not self.least * (1 - margin) <= inflow <= self.most * (1 + margin)
