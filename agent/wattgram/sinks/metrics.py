"""What Sparkplug calls metrics: a series' fields with aliases and units, and the values that they have now."""

from __future__ import annotations

import re
from math import isfinite

from wattgram_drivers.quantity import QUANTITIES

from ..record import Record, Series
from .payload import (
    DOUBLE,
    INT64,
    NULL,
    STALE,
    STRING,
    aliased,
    defined,
    double,
    int64,
    metric,
    properties,
    string,
)

MS = 1_000_000
"""ns."""

_UNITS = (
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
        return next((word for pattern, word in _UNITS if pattern.fullmatch(field)), "")
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
        for index, value in enumerate(self._encoded(record)):
            if value is not None:
                self._now[index] = record.time // MS, value
            elif not self._kept[index]:
                self._now[index] = None

    def data(self, record: Record, *, historical: bool) -> bytes:
        """What a record tells; b"" when nothing. Of now also what is not there any more, and texts when they change."""
        time, made, numbers = record.time // MS, [], len(self._series.fields)
        before = self._now if historical else list(self._now)
        if not historical:
            self.note(record)
        for index, value in enumerate(self._encoded(record)):
            if value is not None:
                known = before[index]
                if historical or index < numbers or known is None or known[1] != value:
                    made.append(metric(self._aliases[index], time, value, historical=historical))
            elif not historical and before[index] is not None and self._now[index] is None:
                made.append(metric(self._aliases[index], time, NULL))
        return b"".join(made)

    def _encoded(self, record: Record) -> list[bytes | None]:
        series, stale = self._series, b""
        if "quality" in series.texts and record["quality"] == "stale":
            stale = properties({"Quality": STALE})
        made: list[bytes | None] = [
            stale + (int64(int(number)) if name in series.integers else double(number)) if isfinite(number) else None
            for name, number in zip(series.fields, record.numbers(), strict=True)
        ]
        made += [string(one) if one else None for one in record.texts]
        return made
