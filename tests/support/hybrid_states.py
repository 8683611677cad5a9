"""States of a hybrid inverter: the two tables of METHOD-SITE 8.2."""

from __future__ import annotations

from math import nan

HYBRID_STATES = {
    "noon, charging": (4.8, 8.0, -3.0, 2.0, 7.8, 0.0, 3.0, 6.8),
    "night": (4.75, 0.0, 5.0, 1.0, 0.0, 4.75, 0.0, 5.75),
    "evening, both": (4.8, 2.0, 3.0, 1.0, 1.92, 2.88, 0.0, 5.8),
    "charged from the grid": (-4.25, 0.0, -4.0, 10.0, 0.0, 0.0, 4.25, 5.75),
    "grid and PV charge": (-3.2, 1.0, -4.0, 10.0, 1.0, 0.0, 4.2, 6.8),
    "standby": (-0.03, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "P unknown, charging": (5.0, nan, -3.0, 0.0, 8.0, 0.0, 3.0, 5.0),
    "P unknown, discharging": (5.0, nan, 2.0, 0.0, 3.0, 2.0, 0.0, 5.0),
    "PV feeds the backup port": (2.8 + 2.0, 5.0, 0.0, 1.0, 4.8, 0.0, 0.0, 5.8),
    "grid passes through and charges": (-3.05 + 2.0, 0.0, -1.0, 4.0, 0.0, 0.0, 1.05, 2.95),
    "battery carries part of the backup": (-1.0 + 2.0, 0.0, 1.05, 1.5, 0.0, 1.0, 0.0, 2.5),
    "island": (0.0 + 2.0, 0.0, 2.1, 0.0, 0.0, 2.0, 0.0, 2.0),
}
"""Terminal, PV, battery; import, PV, discharge, charge, load, kW."""
