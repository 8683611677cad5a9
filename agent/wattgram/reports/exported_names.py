"""Rows of instants and of late energy with column names for readers: each number says whose and what it is."""

from __future__ import annotations

from dataclasses import replace

from wattgram.accounts.row_layout import LEADING_COLUMNS
from wattgram.base.record import Record, Series

ROW_KINDS = ("instant", "late", "withheld")
"""Kinds whose stored field names are device names, which may be those of other columns."""

RATE, LATE_CARBON = " carbon rate", " carbon"
"""Endings of the column `carbon`: g/h of an interval, and g of late energy."""

RENAMED = {"official": "official_intensity", "captured": "captured_mass"}
"""Columns that a result has by another name, or in another unit by the same name: kg here, g there."""


class ExportedNames:
    """Converter of records; those of other kinds stay as they are."""

    def __init__(self) -> None:
        self._series: dict[Series, Series] = {}

    def record(self, stored: Record) -> Record:
        """Return a record with the exported names of its numbers."""
        if stored.series.kind not in ROW_KINDS:
            return stored
        return Record(self.series(stored.series), stored.time, stored.values, stored.texts)

    def series(self, stored: Series) -> Series:
        """Return a series with the exported names of its numbers."""
        if stored.kind not in ROW_KINDS:
            return stored
        if stored not in self._series:
            own = LEADING_COLUMNS + len(dict(stored.tags).get("roles", "").split())
            names = (
                *stored.fields[:LEADING_COLUMNS],
                *(f"{name} power" for name in stored.fields[LEADING_COLUMNS:own]),
                *(_named(stored.kind, name) for name in stored.fields[own:]),
            )
            self._series[stored] = replace(stored, fields=names)
        return self._series[stored]


def _named(kind: str, field: str) -> str:
    if field in RENAMED:
        return RENAMED[field]
    if kind != "late" and field.endswith(" carbon"):
        return field.removesuffix(" carbon") + RATE
    return field
