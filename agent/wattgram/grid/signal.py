"""A signal: the grid's emission intensity over a period, and its origin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan

NS = 1_000_000_000

FOREVER = 2**63 - 1
"""End of a signal without an end: the largest UTC ns of 64 bits."""

HIGHEST = 2000.0
"""Largest possible intensity of a grid, g/kWh (METHOD 4.2)."""

MEASURED, ESTIMATED, FORECAST, SUPPLIED, OFFICIAL, COMPILED_IN = 1, 2, 3, 4, 5, 6
"""Tiers of METHOD 3.4: live, live but estimated, forecast, supplied by the site, official yearly factor, shipped
life-cycle average of a publisher that is no authority."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Intensity in g/kWh from `valid_from` to before `valid_to`, both UTC ns.

    `arrived`: time of arrival, UTC ns, 0 for the shipped table. `clean_share`: share without combustion of fossil
    fuel, NaN for unknown. `shares`: fractions by fuel, None for unknown. `raw`: the source's own number if
    `intensity` was scaled to the official level, else NaN.
    """

    intensity: float
    basis: str
    source: str
    tier: int
    valid_from: int
    valid_to: int
    arrived: int = 0
    clean_share: float = nan
    estimated: bool = False
    shares: Mapping[str, float] | None = None
    raw: float = nan

    def age(self, time: int) -> float:
        """Return the s since the end of validity, 0 before the end."""
        return max(0.0, (time - self.valid_to) / NS)

    def repeats(self, other: Signal) -> bool:
        """Return whether both signals are equal except for their time of arrival."""
        return (
            self.intensity == other.intensity
            and self.valid_from == other.valid_from
            and self.valid_to == other.valid_to
            and self.tier == other.tier
            and self.estimated == other.estimated
            and self.source == other.source
            and self.basis == other.basis
            and _equal(self.clean_share, other.clean_share)
            and _equal(self.raw, other.raw)
            and self.shares == other.shares
        )

    def withdrawn(self, time: int) -> Signal:
        """Return the withdrawal of this signal at `time`: the same signal without numbers, with intensity NaN."""
        return replace(self, intensity=nan, arrived=time, clean_share=nan, shares=None, raw=nan)


KILOGRAMS = 2.0
"""Numbers below are kg/kWh, not g/kWh: the highest factors of a grid are about 1.5 kg/kWh."""

IN_KILOGRAMS = (
    "a number below 2 looks like kg/kWh; write g/kWh, or 0 for a grid without CO2; a grid of water power that has it: "
    'write the unit, as in "1.3 g/kWh"'
)
"""Mistake of a supplied number that `is_in_kilograms`."""


def possible(intensity: float, basis: str = "direct") -> bool:
    """Return whether an intensity is possible: from 0 to 2000 g/kWh (METHOD 4.2), with basis "lifecycle" above 0.

    Each power plant has a footprint. A service that gives a life-cycle intensity of 0 has no value.
    """
    return isfinite(intensity) and 0.0 <= intensity <= HIGHEST and not (intensity == 0.0 and basis == "lifecycle")


def is_in_kilograms(intensity: float) -> bool:
    """Return whether a number that a person supplies as g/kWh looks like kg/kWh: below 2, and no whole number.

    Official factors of China and of other countries are published in kg/kWh. A grid of water power may have such a
    factor in g/kWh; then the unit stands with the number.
    """
    return 0.0 < intensity < KILOGRAMS and not intensity.is_integer()


WITH_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*g/kWh\s*")
"""A number whose unit a person wrote."""


def grams_with_unit(text: str) -> float | None:
    """Return the number of a text such as "1.3 g/kWh"; None for another text."""
    found = WITH_UNIT.fullmatch(text)
    return float(found[1]) if found else None


def _equal(first: float, second: float) -> bool:
    """Return whether two numbers are equal or both NaN."""
    return first == second or (isnan(first) and isnan(second))
