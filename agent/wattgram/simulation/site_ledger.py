"""The simulated site's own ledger: true energies, and the flows that METHOD-SITE 8.2 and 8.3 make of them.

The accounts of wattgram are compared with this ledger, so nothing here comes from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

RENEWABLE = ("pv", "wind", "hydro")


class TrueHybrid(NamedTuple):
    """Powers of a hybrid inverter, W: terminal + from DC to AC, PV strings, battery + discharging; rated powers."""

    terminal: float
    strings: float
    battery: float
    rated: float
    battery_rated: float


class HybridFlows(NamedTuple):
    """What the busbar sees of a hybrid inverter, W, none negative."""

    pv: float
    discharge: float
    charge: float


def flows_of(hybrid: TrueHybrid) -> HybridFlows:
    """Return the flows of a hybrid by the four states of METHOD-SITE 8.2. ValueError: powers that cannot be true."""
    terminal, strings = hybrid.terminal, max(0.0, hybrid.strings)
    battery = hybrid.battery if abs(hybrid.battery) >= 0.01 * hybrid.battery_rated else 0.0
    if terminal < 0.0 <= battery:
        if -terminal > max(100.0, 0.02 * hybrid.rated):
            raise ValueError(f"found {hybrid}; allowed: an own consumption of at most 2 % of rated power or 100 W")
        return HybridFlows(0.0, 0.0, 0.0)
    if terminal < 0.0:
        return HybridFlows(strings, 0.0, strings - terminal)
    if battery < 0.0:
        pv = min(terminal - battery, max(strings, terminal))
        return HybridFlows(pv, 0.0, pv - terminal)
    direct = strings + battery
    if not direct:
        return HybridFlows(terminal, 0.0, 0.0)
    return HybridFlows(terminal * strings / direct, terminal * battery / direct, 0.0)


class SiteLedger:
    """Energies of a site since the start, by name.

    Flows of the balance: grid_import, grid_export, pv, generation, battery_discharge, battery_charge, load. Incomers
    are one connection: their sum has the sign (METHOD 4.1). So are the batteries of a pool; the battery of a hybrid is
    a pool of its own (METHOD-SITE 9.6), with " battery_discharge" and " battery_charge" after its NAME. Use of a group:
    "group NAME". Of a hybrid: NAME with " out" and " in" (terminal), " strings", " discharge" and " charge" (battery at
    the DC side), and " loss".
    """

    def __init__(self) -> None:
        self._joules: defaultdict[str, float] = defaultdict(float)

    def add(
        self,
        seconds: float,
        *,
        imported: float,
        producers: Iterable[tuple[str, float]],
        batteries: Iterable[float],
        hybrids: Mapping[str, TrueHybrid],
        loads: Iterable[tuple[str, float]],
    ) -> None:
        """Add a step of constant powers, W.

        imported: sum of the incomers. producers: role and power. batteries: + discharging, without those of hybrids.
        loads: group and power of the load itself, without what is behind its meter.
        """
        powers: defaultdict[str, float] = defaultdict(float)
        powers["grid_import"], powers["grid_export"] = max(0.0, imported), max(0.0, -imported)
        for role, power in producers:
            powers["pv" if role in RENEWABLE else "generation"] += power
        pool = sum(batteries)
        powers["battery_discharge"], powers["battery_charge"] = max(0.0, pool), max(0.0, -pool)
        for name, hybrid in hybrids.items():
            self._add_hybrid(powers, name, hybrid)
        for group, power in loads:
            powers["load"] += power
            powers[f"group {group}"] += power
        for name, power in powers.items():
            self._joules[name] += power * seconds

    def _add_hybrid(self, powers: defaultdict[str, float], name: str, hybrid: TrueHybrid) -> None:
        """Add the powers of a hybrid."""
        flows = flows_of(hybrid)
        powers["pv"] += flows.pv
        powers["load"] += flows.pv + flows.discharge - flows.charge - hybrid.terminal  # own consumption, else 0
        powers[f"{name} out"], powers[f"{name} in"] = max(0.0, hybrid.terminal), max(0.0, -hybrid.terminal)
        powers[f"{name} strings"] = hybrid.strings
        powers[f"{name} discharge"], powers[f"{name} charge"] = max(0.0, hybrid.battery), max(0.0, -hybrid.battery)
        powers[f"{name} loss"] = hybrid.strings + hybrid.battery - hybrid.terminal
        for direction, power in (("battery_discharge", flows.discharge), ("battery_charge", flows.charge)):
            powers[direction] += power
            powers[f"{name} {direction}"] = power

    def energies(self) -> dict[str, float]:
        """Return the energies since the start, Wh."""
        return {name: joules / 3600 for name, joules in self._joules.items()}
