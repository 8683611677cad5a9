"""Limits of the national energy consumption standards, by process; sources in METHOD 5."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Limit:
    """Allowed energy of a process per tonne, kgce/t or kWh/t: class 1 is the best, class 3 the upper limit.

    class2: None if the standard has no class 2.
    """

    process: str
    unit: str
    class1: float
    class2: float | None
    class3: float
    standard: str


@cache
def limits() -> dict[str, Limit]:
    """Return the shipped limits, by process."""
    text = files("wattgram.config.goals_table").joinpath("limits.csv").read_text(encoding="utf-8")
    return {row["process"]: _limit(row) for row in csv.DictReader(text.splitlines())}


def _limit(row: dict[str, str]) -> Limit:
    class1, class2, class3 = (float(row[name]) if row[name] else None for name in ("class1", "class2", "class3"))
    if class1 is None or class3 is None:
        raise ValueError(f"limits.csv: {row['process']}: class 1 and class 3 are required")
    return Limit(row["process"], row["unit"], class1, class2, class3, row["standard"])
