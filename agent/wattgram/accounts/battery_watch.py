"""Events about a battery's efficiency and carbon: configuration against measurement (METHOD-SITE 9.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, nan

from wattgram.base.occurrence import Occurrence

OUT_OF_RANGE, IN_RANGE = "battery intensity impossible", "battery intensity possible again"
DIFFERS, AGREES = "battery efficiency differs", "battery efficiency agrees"

MOST_DIFFERENCE = 0.03
"""Largest difference of configured and measured round trip without an event (METHOD-SITE 9.6)."""


@dataclass(frozen=True, slots=True)
class BatteryWatch:
    """State of the events. configured: efficiency of a round trip by the configuration, NaN for none."""

    configured: float = nan
    out_of_range: bool = False
    differs: bool = False

    def advance(self, learned: float, *, out_of_range: bool) -> tuple[BatteryWatch, tuple[Occurrence, ...]]:
        """Take the state of the accounts; return the next state and the events.

        learned: measured round trip, 0-1, NaN before it is learned. out_of_range: as of `Accounts.out_of_range`.
        """
        occurrences = []
        if out_of_range != self.out_of_range:
            detail = "the carbon per stored kWh lies outside the range of the charge: check meters and efficiencies"
            occurrences.append(Occurrence(OUT_OF_RANGE, detail) if out_of_range else Occurrence(IN_RANGE, ""))
        difference = abs(learned - self.configured)
        differs = self.differs if isnan(difference) else difference > MOST_DIFFERENCE
        if differs != self.differs:
            detail = (
                f"{learned:.1%} of the charged energy was discharged, and {self.configured:.1%} is configured: check "
                "charge_efficiency and discharge_efficiency, or leave them out"
            )
            occurrences.append(Occurrence(DIFFERS, detail) if differs else Occurrence(AGREES, ""))
        return replace(self, out_of_range=out_of_range, differs=differs), tuple(occurrences)
