"""Uncertainty of an indicator's value from those of the days' sums (METHOD-SITE 11).

The indicator is computed again with one number of all days changed by its uncertainty: the errors of a device are the
same on all days. The changes of different numbers are combined as independent ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import hypot

from .terms.day import Stretch
from .terms.finding import IndicatorValue
from .terms.indicator import Facility, Indicator

CHANGED = {
    "load_energy": "load_energy",
    "emission": "emission",
    "scope2_location": "scope2_location",
    "scope2_market": "scope2_market",
    "emission_intensity": "emission_intensity.part",
}
"""Entry of a day's sums that changes with each uncertain number."""


def uncertainty(indicator: Indicator, stretch: Stretch, facility: Facility, value: float) -> float | None:
    """Return U of a value, k = 2, in its unit; None if it is not known, or if the value needs no uncertain number.

    Uncertainties of devices' own energies are not contained.
    """
    changes = []
    for name, entry in CHANGED.items():
        if not any(entry in day.sums for day in stretch.days):
            continue
        changed = replace(stretch, days=tuple(replace(day, sums=_changed(day.sums, name)) for day in stretch.days))
        found = indicator.find(changed, facility)
        if not isinstance(found, IndicatorValue):
            return None
        if found.value == value:
            continue  # the indicator does not use the number, or no day has its uncertainty
        if not all(_is_known(day.sums, name) for day in stretch.days):
            return None
        changes.append(found.value - value)
    return hypot(*changes) if changes else None


def _changed(sums: Mapping[str, float], name: str) -> Mapping[str, float]:
    """Return the sums of a day with one number changed."""
    entry, unsure = CHANGED[name], sums.get(f"{name}_uncertainty")
    if entry not in sums or unsure is None:
        return sums
    weight = sums.get("emission_intensity.whole", 0.0) if name == "emission_intensity" else 1.0
    return {**sums, entry: sums[entry] + weight * unsure}


def _is_known(sums: Mapping[str, float], name: str) -> bool:
    """Return whether a day has an uncertainty of a number, or nothing of it."""
    return f"{name}_uncertainty" in sums or not sums.get(CHANGED[name])
