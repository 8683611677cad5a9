"""Degree days of a site, from its own temperature sensor or from a file of daily means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

from wattgram.config.goals_table.goals_settings import BaselineSettings
from wattgram.config.goals_table.temperatures import read
from wattgram.goals.terms.day import Day

REQUIRED_COVERAGE = 0.9
"""Required coverage of a day by the temperature sensor (METHOD 4.5)."""


def heating(base: float, mean: float) -> float:
    """Return the heating degree days of a day, HDD = max(0, T_b - T_d), K d (METHOD 5)."""
    return max(0.0, base - mean)


def cooling(base: float, mean: float) -> float:
    """Return the cooling degree days of a day, CDD = max(0, T_d - T_b), K d (METHOD 5)."""
    return max(0.0, mean - base)


def temperatures(model: BaselineSettings, days: Iterable[Day]) -> dict[date, float]:
    """Return daily mean temperatures, degC: from the file, and from the device `weather` for days with 90 % coverage.

    The device has priority. OSError: the file cannot be read. ConfigError: mistakes of the file.
    """
    found = dict(_file(model.temperatures, model.temperatures.stat().st_mtime_ns)) if model.temperatures else {}
    for day in days:
        device = day.devices.get(model.weather)
        if device is not None and device.temperature_seconds >= REQUIRED_COVERAGE * (day.end - day.start) / 1e9 > 0.0:
            found[day.date] = device.temperature
    return found


@lru_cache(maxsize=1)
def _file(path: Path, _edition: int) -> Mapping[date, float]:
    """Read the file once per time of modification: each evaluation of a year uses it many times."""
    return read(path)
