"""What the grid emits over a span of time, and where that number comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan

NS = 1_000_000_000

FOREVER = 2**63 - 1
"""An end that never comes: the last UTC ns that 64 bits hold."""

HIGHEST = 2000.0
"""g/kWh above which a value is no grid's (METHOD 4.2)."""

MEASURED, ESTIMATED, FORECAST, SUPPLIED, OFFICIAL = 1, 2, 3, 4, 5
"""Tiers of METHOD 3.4: live, live but estimated, forecast, supplied by the site, official yearly factor.

6, a default compiled in, never comes up: a configuration without a zone of the shipped table does not start.
"""


@dataclass(frozen=True, slots=True)
class Signal:
    """g/kWh from `valid_from` until `valid_to`, both UTC ns; `arrived` is when we learned it, 0 for what is shipped.

    `clean_share` is the part without combustion of fossil fuel, NaN unknown. `shares` are fractions by fuel, empty
    unknown. `raw` is the source's own number where `intensity` was brought to the official level, else NaN.
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
        """Seconds since the end of what it is valid for; 0 inside."""
        return max(0.0, (time - self.valid_to) / NS)

    def repeats(self, other: Signal) -> bool:
        """Whether both say the same, whenever either arrived."""
        return (
            self.intensity == other.intensity
            and self.valid_from == other.valid_from
            and self.valid_to == other.valid_to
            and self.tier == other.tier
            and self.estimated == other.estimated
            and self.source == other.source
            and self.basis == other.basis
            and _alike(self.clean_share, other.clean_share)
            and _alike(self.raw, other.raw)
            and self.shares == other.shares
        )

    def withdrawn(self, time: int) -> Signal:
        """The news, as of `time`, that this is not said any more: the same without its numbers, its intensity NaN."""
        return replace(self, intensity=nan, arrived=time, clean_share=nan, shares=None, raw=nan)


def possible(intensity: float) -> bool:
    """Whether a grid can emit so much: from 0 to 2000 g/kWh (METHOD 4.2)."""
    return isfinite(intensity) and 0.0 <= intensity <= HIGHEST


def _alike(one: float, other: float) -> bool:
    return one == other or (isnan(one) and isnan(other))
