"""Names of the simulated plants, for the options of the commands; `plants` has the parts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

STANDARD, HYBRID = "standard", "hybrid"

PLANTS: Mapping[str, str] = MappingProxyType(
    {
        STANDARD: "two PV inverters, a battery on the busbar, a hybrid inverter, three sub-meters, an EV charger, "
        "counters of castings and gas, goals",
        HYBRID: "two hybrid inverters with batteries, a backup port, a tree of sub-meters",
    }
)
"""Summary of each plant by name."""
