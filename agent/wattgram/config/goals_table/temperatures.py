"""File of daily mean temperatures, such as those of a weather service, for degree days (METHOD 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from wattgram.base import supplied
from wattgram.base.untrusted import number, quoted

from . import dates

TEMPERATURE_COLUMNS = ("date", "mean_degC")

TEMPERATURE_FILE_BYTES = 1 << 20
"""Largest size of a file, bytes."""

MOST_DAYS = 40_000
"""Largest number of rows of a file: a century of days."""

COLDEST, HOTTEST = -70.0, 60.0
"""Range of a daily mean on Earth, degC."""


def read(path: Path) -> dict[date, float]:
    """Read a CSV file with `date` and `mean_degC`; return degC by local day. ConfigError: one line per wrong row."""
    found: dict[date, float] = {}
    supplied.read_rows(
        path, TEMPERATURE_COLUMNS, lambda cells: _add(found, cells), largest=TEMPERATURE_FILE_BYTES, most=MOST_DAYS
    )
    return found


def _add(found: dict[date, float], cells: Mapping[str, str]) -> None:
    day, mean = TEMPERATURE_COLUMNS
    cell = cells[mean]
    try:
        made = dates.day(cells[day])
    except ValueError as error:
        raise ValueError(f"{day}: found {quoted(cells[day])}; allowed: {dates.A_DAY}") from error
    if made in found:
        raise ValueError(f"{day}: found {quoted(cells[day])} a second time; allowed: one row a day")
    try:
        degrees = number(cell, mean)
    except ValueError:
        degrees = None
    if degrees is None or not COLDEST <= degrees <= HOTTEST:
        raise ValueError(f"{mean}: found {quoted(cell)}; allowed: a number of degC from {COLDEST:g} to {HOTTEST:g}")
    found[made] = degrees
