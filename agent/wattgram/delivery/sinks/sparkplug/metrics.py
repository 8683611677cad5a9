"""Sparkplug metrics: the fields of a series with aliases and units, and their current values."""

from __future__ import annotations

import re
from math import isfinite

from wattgram_drivers.quantity import QUANTITIES

from wattgram.base.record import Record, Series

from .payload import (
    BEGINS,
    DOUBLE,
    DOUBLE_KEY,
    DOUBLE_VALUE,
    HISTORICAL,
    INT64,
    NULL,
    STALE,
    STRING,
    aliased,
    defined,
    int64,
    metric,
    properties,
    string,
    varint,
    whole,
)

MS = 1_000_000
"""One ms in ns."""

_FIELD_UNITS = (
    (re.compile(r".*_power"), "W"),
    (re.compile(r".*_energy"), "Wh"),
    (re.compile(r".*_intensity"), "g/kWh"),
    (re.compile(r".*_rate"), "g/h"),
    (re.compile(r"(.*_)?emission|scope1|scope2_.*|avoided|captured"), "g"),
    (re.compile(r"grid_age"), "s"),
)
"""Units of an emission's fields (SPEC 5)."""


def unit(series: Series, field: str) -> str:
    """Return the unit of a field, "" for none."""
    if series.kind == "device":
        found = QUANTITIES[field].unit if field in QUANTITIES else ""
        return "" if found == "1" else found
    if series.kind == "emission":
        measured = field.removesuffix("_uncertainty")  # it has the unit of its field
        return next((word for pattern, word in _FIELD_UNITS if pattern.fullmatch(measured)), "")
    return ""


class Metrics:
    """The fields of a series: names with a `prefix`, and aliases from `first` on.

    `sparse`: fields that most records lack; their last value stays.
    """

    def __init__(self, series: Series, prefix: str, first: int, sparse: frozenset[str] = frozenset()) -> None:
        names = (*series.fields, *series.texts)
        types = (INT64 if field in series.integers else DOUBLE for field in series.fields)
        self.count = len(names)
        self._series = series
        self._sparse = tuple(name in sparse for name in names)
        self._births = tuple(
            defined(f"{prefix}{name}", alias, datatype)
            for alias, name, datatype in zip(
                range(first, first + len(names)), names, (*types, *(STRING for _ in series.texts)), strict=True
            )
        )
        self._aliases = tuple(aliased(first + index) for index in range(len(names)))
        self._units = tuple(properties({"engUnit": found} if (found := unit(series, name)) else {}) for name in names)
        self._integers = tuple(field in series.integers for field in series.fields)
        self._heads: dict[int, tuple[bytes, ...]] = {}
        self._current: list[tuple[int, bytes] | None] = [None] * len(names)  # time, and the value with its quality

    def clear(self) -> None:
        """Forget the current values."""
        self._current = [None] * self.count

    def birth(self, time: int) -> bytes:
        """Return all metrics with their current values, at a time in ms."""
        metrics = []
        for definition, units, current in zip(self._births, self._units, self._current, strict=True):
            read_at, value = current or (time, NULL)
            metrics.append(metric(definition, read_at, value, more=units))
        return b"".join(metrics)

    def note(self, record: Record) -> None:
        """Take the values of a record as the current values."""
        self.data(record, historical=False)

    def data(self, record: Record, *, historical: bool) -> bytes:
        """Return the metrics of a record, b"" for none.

        A current record also has metrics for vanished values and for changed texts; a historical record does not
        change the current values.
        """
        series, current, time = self._series, self._current, record.time // MS
        stale = "quality" in series.texts and record["quality"] == "stale"
        quality = properties({"Quality": STALE}) if stale else b""
        tail = whole(3, time) + (HISTORICAL if historical else b"") + quality
        heads = self._heads_of(len(tail) + DOUBLE_VALUE.size)
        metrics: list[bytes] = []
        for index, number in enumerate(record.numbers()):
            if not isfinite(number):
                if not historical:
                    metrics.append(self._missing(index, time))
                continue
            if self._integers[index]:
                value = int64(int(number))
                metrics.append(metric(self._aliases[index], time, value, historical=historical, more=quality))
            else:
                value = DOUBLE_VALUE.pack(DOUBLE_KEY, number)
                metrics += (heads[index], tail, value)
            if not historical:
                current[index] = time, quality + value
        for index, text in enumerate(record.texts, start=len(series.fields)):
            value = string(text)
            if not text:
                metrics.append(b"" if historical else self._missing(index, time))
            elif historical:
                metrics.append(metric(self._aliases[index], time, value, historical=True))
            elif (known := current[index]) is None or known[1] != value:
                metrics.append(metric(self._aliases[index], time, value))
                current[index] = time, value
        return b"".join(metrics)

    def _missing(self, index: int, time: int) -> bytes:
        """Return the metric of a field that a current record lacks."""
        if self._sparse[index] or self._current[index] is None:
            return b""
        self._current[index] = None
        return metric(self._aliases[index], time, NULL)

    def _heads_of(self, size: int) -> tuple[bytes, ...]:
        """Return the starts of metrics with `size` more bytes, by alias; there are few sizes."""
        found = self._heads.get(size)
        if found is None:
            found = tuple(BEGINS + varint(len(alias) + size) + alias for alias in self._aliases)
            self._heads[size] = found
        return found
