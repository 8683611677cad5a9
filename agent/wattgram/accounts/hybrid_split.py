"""Split of a hybrid inverter's terminal into PV production, battery discharge and battery charge (METHOD-SITE 8.2).

The busbar sees the terminal power alone. It is shared out so that pv - charge + discharge = terminal, except for the
inverter's own consumption, which is load. Pure functions; W or Wh, terminal + from DC to AC, battery + discharging.
"""

from __future__ import annotations

from math import isnan, nan
from typing import NamedTuple

NOISE_SHARE = 0.01
"""Battery power that counts as 0, as a share of the battery's rated power."""

BATTERY_NOISE = 50.0
"""Battery power that counts as 0 without a rated power, W."""

OWN_USE_SHARE = 0.02
"""Largest consumption of an inverter itself, as a share of its rated power."""

OWN_USE = 100.0
"""Consumption of an inverter itself that is possible in any case, W."""


class HybridLimits(NamedTuple):
    """Powers below which a flow has no meaning, W. noise: of the battery. own_use: of the inverter itself."""

    noise: float = BATTERY_NOISE
    own_use: float = OWN_USE


class HybridSplit(NamedTuple):
    """Shares of a terminal, W or Wh, none negative; NaN if unknown.

    contradictory: the terminal draws more than the inverter consumes, and the battery is not charged.
    """

    pv: float = nan
    discharge: float = nan
    charge: float = nan
    contradictory: bool = False

    @property
    def battery(self) -> float:
        """The battery's flow as the busbar sees it, + discharging."""
        return self.discharge - self.charge


UNKNOWN_SPLIT = HybridSplit()
CONTRADICTION = HybridSplit(contradictory=True)


def limits_of(rated_power: float | None, battery_rated_power: float | None) -> HybridLimits:
    """Return the limits of an inverter and its battery; None for an unknown rated power."""
    return HybridLimits(
        NOISE_SHARE * battery_rated_power if battery_rated_power else BATTERY_NOISE,
        max(OWN_USE, OWN_USE_SHARE * (rated_power or 0.0)),
    )


def split_power(terminal: float, pv: float, battery: float, limits: HybridLimits) -> HybridSplit:
    """Return the shares of the terminal power.

    pv: power of the PV strings at the DC side, NaN without a value. battery: battery power at the DC side; NaN: the
    split is unknown.
    """
    return _split(terminal, pv, battery, limits)


def split_energy(
    forward: float, backward: float, pv: float, discharge: float, charge: float, hours: float, limits: HybridLimits
) -> HybridSplit:
    """Return the shares of an interval's energy, Wh.

    forward, backward: out of the terminal and into it, as its counters say; pv - charge + discharge equals forward -
    backward, except for the own consumption. pv (NaN: no value), discharge, charge: at the DC side; these fix the
    proportion only. hours: length of the interval.
    """
    noise, own_use = limits.noise * hours, limits.own_use * hours
    scaled = HybridLimits(noise, own_use)
    if isnan(discharge) or isnan(charge):
        return UNKNOWN_SPLIT
    if charge < noise or charge == 0.0:
        return _with_own_use(_split(forward, pv, discharge, scaled), backward, scaled)
    if discharge < noise or discharge == 0.0:
        return _split(forward - backward, pv, -charge, scaled)
    # The battery did both: the discharge went out first, as far as it could, and the rest is the time of the charge.
    share = discharge / (discharge + charge)
    first = _split(min(forward, discharge + (0.0 if isnan(pv) else share * pv)), share * pv, discharge, scaled)
    rest = _split(forward - backward - (first.pv + first.discharge), (1.0 - share) * pv, -charge, scaled)
    return HybridSplit(first.pv + rest.pv, first.discharge, rest.charge)


def _with_own_use(split: HybridSplit, backward: float, limits: HybridLimits) -> HybridSplit:
    """Return the split of the energy out of the terminal; what went into it is the inverter's own consumption."""
    if isnan(backward):
        return UNKNOWN_SPLIT
    return split if backward <= limits.own_use else CONTRADICTION


def _split(terminal: float, pv: float, battery: float, limits: HybridLimits) -> HybridSplit:
    if isnan(terminal) or isnan(battery):
        return UNKNOWN_SPLIT
    strings = max(pv, 0.0)  # NaN stays NaN
    if abs(battery) < limits.noise:
        battery = 0.0
    if battery >= 0.0 and terminal < 0.0:
        return HybridSplit(0.0, 0.0, 0.0) if -terminal <= limits.own_use else CONTRADICTION
    if battery >= 0.0:
        return _discharging(terminal, strings, battery)
    if terminal >= 0.0:
        # The battery is charged on the DC side from PV; the loss is PV's.
        produced = terminal - battery if isnan(strings) else min(terminal - battery, max(strings, terminal))
    else:
        # What is drawn from the busbar goes into the battery; the loss is the charging's.
        produced = 0.0 if isnan(strings) else strings
    return HybridSplit(produced, 0.0, produced - terminal)


def _discharging(terminal: float, strings: float, battery: float) -> HybridSplit:
    """Return the shares of a terminal that delivers beside a battery that is discharged or at rest."""
    if isnan(strings):
        discharge = min(battery, terminal)
        return HybridSplit(terminal - discharge, discharge, 0.0)
    total = strings + battery
    produced = terminal if total == 0.0 else terminal * (strings / total)
    return HybridSplit(produced, terminal - produced, 0.0)
