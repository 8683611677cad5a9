"""Quantities with units in a configuration, and conversion factors with their sources."""

from __future__ import annotations

import re
from datetime import UTC, datetime

LB_PER_MWH = 0.45359237
"""g/kWh in one lb/MWh: the international pound is 453.59237 g by definition."""

KGCE_PER_KWH = 0.1229
"""Standard coal equivalent of electricity, kgce/kWh (METHOD 1.2; equivalent value of GB/T 2589-2020)."""

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_WATTS = {"W": 1.0, "kW": 1e3, "MW": 1e6}
_WATT_HOURS = {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6}
_VOLTS = {"V": 1.0, "kV": 1e3}
_KILOGRAMS = {"g": 0.001, "kg": 1.0, "t": 1000.0}
_SQUARE_METRES = {"m2": 1.0, "ha": 1e4}
_WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*((?:[A-Za-z]+2?)?)\s*\Z")


def duration(value: object) -> float:
    """Return the seconds of `"1s"`, `"100ms"`, `"5min"`, `"2h"`, `"30d"` or a plain number of seconds; ValueError."""
    return _measure(value, _UNIT_SECONDS, 'a duration such as "1s", "100ms", "5min", "2h" or "30d"')


def size(value: object) -> int:
    """Return the bytes of `"512MiB"`, `"1GiB"` or a plain number of bytes; ValueError."""
    return int(_measure(value, _BYTES, 'a size such as "512MiB" or "1GiB"'))


def power(value: object) -> float:
    """Return the watts of `"250 kW"`, `"1.2 MW"` or a plain number of W; ValueError."""
    return _measure(value, _WATTS, 'a power such as "250 kW" or a number of W')


def energy(value: object) -> float:
    """Return the watt-hours of `"200 kWh"`, `"1.2 MWh"` or a plain number of Wh; ValueError."""
    return _measure(value, _WATT_HOURS, 'an energy such as "200 kWh" or a number of Wh')


def voltage(value: object) -> float:
    """Return the volts of `"380 V"`, `"10 kV"` or a plain number of V; ValueError."""
    return _measure(value, _VOLTS, 'a voltage such as "380 V" or a number of V')


def mass(value: object) -> float:
    """Return the kilograms of `"0.5 kg"`, `"80 g"`, `"1.2 t"` or a plain number of kg; ValueError."""
    return _measure(value, _KILOGRAMS, 'a mass such as "0.5 kg" or a number of kg')


def area(value: object) -> float:
    """Return the square metres of `"1200 m2"`, `"1.5 ha"` or a plain number of m2; ValueError."""
    return _measure(value, _SQUARE_METRES, 'an area such as "1200 m2" or a number of m2')


def _measure(value: object, units: dict[str, float] | dict[str, int], allowed: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    written = _WRITTEN.match(value) if isinstance(value, str) else None
    if written is None or written[2] not in units:
        raise ValueError(f"found {value!r}; allowed: {allowed}")
    return float(written[1]) * units[written[2]]


def rfc3339(time: int) -> str:
    """Format UTC ns as RFC 3339 with milliseconds and Z."""
    seconds, rest = divmod(time, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"
