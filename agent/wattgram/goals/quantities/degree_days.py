"""Degree days of a site, from its own thermometer or from a file of daily means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

from wattgram.config.goals_table.goals_settings import BaselineSettings
from wattgram.config.goals_table.temperatures import read
from wattgram.goals.terms.day import Day

REQUIRED_COVERAGE = 0.9
"""Share of a day for which a thermometer must have been read (METHOD 4.5, coverage)."""


def heating(base: float, mean: float) -> float:
    """HDD of a day = (T_b - T_d)^+ in K d (METHOD 5)."""
    return max(0.0, base - mean)


def cooling(base: float, mean: float) -> float:
    """CDD of a day = (T_d - T_b)^+ in K d (METHOD 5)."""
    return max(0.0, mean - base)


def temperatures(model: BaselineSettings, days: Iterable[Day]) -> dict[date, float]:
    """Means of days in degC: those of the file, and of the device `weather` where it was read for 90 % of a day.

    OSError, or ConfigError with the file's mistakes.
    """
    found = dict(_file(model.temperatures, model.temperatures.stat().st_mtime_ns)) if model.temperatures else {}
    for day in days:
        device = day.devices.get(model.weather)
        if device is not None and device.temperature_seconds >= REQUIRED_COVERAGE * (day.end - day.start) / 1e9 > 0.0:
            found[day.date] = device.temperature
    return found


@lru_cache(maxsize=1)
def _file(path: Path, _edition: int) -> Mapping[date, float]:
    """The file as it stood at a time of change: every evaluation of a year asks for it again."""
    return read(path)
