"""What Sparkplug calls metrics: a series' fields with aliases and units, and the values that they have now."""

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
"""ns."""

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
    """The unit of a number, "" where it has none."""
    if series.kind == "device":
        found = QUANTITIES[field].unit if field in QUANTITIES else ""
        return "" if found == "1" else found
    if series.kind == "emission":
        return next((word for pattern, word in _FIELD_UNITS if pattern.fullmatch(field)), "")
    return ""


class Metrics:
    """The fields of one series under a name's `prefix`, with aliases from `first` on.

    `kept`: fields that most records are without, so that their last value holds.
    """

    def __init__(self, series: Series, prefix: str, first: int, kept: frozenset[str] = frozenset()) -> None:
        names = (*series.fields, *series.texts)
        types = (INT64 if one in series.integers else DOUBLE for one in series.fields)
        self.count = len(names)
        self._series = series
        self._kept = tuple(one in kept for one in names)
        self._births = tuple(
            defined(f"{prefix}{name}", alias, datatype)
            for alias, name, datatype in zip(
                range(first, first + len(names)), names, (*types, *(STRING for _ in series.texts)), strict=True
            )
        )
        self._aliases = tuple(aliased(first + index) for index in range(len(names)))
        self._units = tuple(properties({"engUnit": found} if (found := unit(series, one)) else {}) for one in names)
        self._whole = tuple(one in series.integers for one in series.fields)
        self._heads: dict[int, tuple[bytes, ...]] = {}
        self._now: list[tuple[int, bytes] | None] = [None] * len(names)  # when, and the value with its quality

    def forget(self) -> None:
        """Nobody knows the values of now."""
        self._now = [None] * self.count

    def birth(self, time: int) -> bytes:
        """All of them with the values that they have, at a time in ms."""
        made = []
        for described, units, now in zip(self._births, self._units, self._now, strict=True):
            when, value = now or (time, NULL)
            made.append(metric(described, when, value, more=units))
        return b"".join(made)

    def note(self, record: Record) -> None:
        """A record has the values of now."""
        self.data(record, historical=False)

    def data(self, record: Record, *, historical: bool) -> bytes:
        """What a record tells; b"" when nothing. Of now also what is not there any more, and texts when they change.

        Only what is not history changes the values of now.
        """
        series, now, time = self._series, self._now, record.time // MS
        stale = "quality" in series.texts and record["quality"] == "stale"
        quality = properties({"Quality": STALE}) if stale else b""
        tail = whole(3, time) + (HISTORICAL if historical else b"") + quality
        heads = self._heads_of(len(tail) + DOUBLE_VALUE.size)
        made: list[bytes] = []
        for index, number in enumerate(record.numbers()):
            if not isfinite(number):
                if not historical:
                    made.append(self._missing(index, time))
                continue
            if self._whole[index]:
                value = int64(int(number))
                made.append(metric(self._aliases[index], time, value, historical=historical, more=quality))
            else:
                value = DOUBLE_VALUE.pack(DOUBLE_KEY, number)
                made += (heads[index], tail, value)
            if not historical:
                now[index] = time, quality + value
        for index, text in enumerate(record.texts, start=len(series.fields)):
            value = string(text)
            if not text:
                made.append(b"" if historical else self._missing(index, time))
            elif historical:
                made.append(metric(self._aliases[index], time, value, historical=True))
            elif (known := now[index]) is None or known[1] != value:
                made.append(metric(self._aliases[index], time, value))
                now[index] = time, value
        return b"".join(made)

    def _missing(self, index: int, time: int) -> bytes:
        """A field that a record of now does not have."""
        if self._kept[index] or self._now[index] is None:
            return b""
        self._now[index] = None
        return metric(self._aliases[index], time, NULL)

    def _heads_of(self, size: int) -> tuple[bytes, ...]:
        """What comes before so many bytes in a metric, by alias; there are few sizes."""
        found = self._heads.get(size)
        if found is None:
            found = tuple(BEGINS + varint(len(one) + size) + one for one in self._aliases)
            self._heads[size] = found
        return found
