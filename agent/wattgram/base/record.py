"""Records, and their series: the parts that all records of a series share."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

Kind = Literal[
    "device",
    "emission",
    "goal",
    "event",
    "gateway",
    "seal",
    "instant",
    "late",
    "checkpoint",
    "signal",
    "day",
    "configuration",
    "withheld",
]

INTERNAL_KINDS: tuple[Kind, ...] = ("instant", "late", "signal", "day", "checkpoint", "configuration", "withheld")
"""Kinds that no sink gets: the input of the accounts, so that a replay can compute results again, the day book, and the
terms of the results."""

INTERNAL = frozenset(INTERNAL_KINDS)

SEALED_KINDS: tuple[Kind, ...] = ("device", "emission", "event", "gateway", "goal")
"""Kinds whose records are sealed in the log."""

KINDS: tuple[Kind, ...] = (*SEALED_KINDS, "seal")
"""Kinds that the sinks get."""

STORED_KINDS: tuple[Kind, ...] = (*KINDS, *INTERNAL_KINDS)
"""All kinds, those of the sinks first."""

WINDOWS = ("15m", "1h", "1d", "1mo")
"""Windows of `emission` records in addition to the tick, shortest first."""

ALL_WINDOWS = ("tick", *WINDOWS)
"""Windows of `emission` records that a replay computes."""

REPLAY_KINDS: tuple[Kind, ...] = ("instant", "withheld", "late", "checkpoint", "emission")
"""Kinds that a replay reads."""

_LASTING_TAGS = frozenset((("window", "1d"), ("window", "1mo")))

Value = float | int | str


@dataclass(frozen=True, slots=True)
class Series:
    """Kind, tags and field names of a group of records. Series and time are the key of a record.

    `fields`: names of the numbers, in the order of `Record.values`; `integers`: names of the whole numbers among them;
    `texts`: names of the string fields. The type of a field never changes.
    """

    kind: Kind
    tags: tuple[tuple[str, str], ...]
    fields: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def internal(self) -> bool:
        """Whether no sink gets the records."""
        return self.kind in INTERNAL

    @property
    def lasting(self) -> bool:
        """Whether records stay beyond the age limit of the history: days, months, and the terms of their results."""
        return self.kind in ("day", "configuration") or (
            self.kind == "emission" and not _LASTING_TAGS.isdisjoint(self.tags)
        )

    @property
    def single(self) -> bool:
        """Whether the store keeps only the last record of each key."""
        return self.kind == "day"

    def tag(self, name: str) -> str:
        """Return the value of a tag. KeyError when the series has no such tag."""
        return dict(self.tags)[name]


@dataclass(frozen=True, slots=True)
class Record:
    """A record: `time` in UTC ns, `values` with one native double for each field (NaN: absent), `texts` in order."""

    series: Series
    time: int
    values: bytes = b""
    texts: tuple[str, ...] = ()

    @property
    def looked_up_by_key(self) -> bool:
        """Whether readers look the record up by its key: windows, checkpoints, and records that replaced others.

        The last number of an emission is `revision`.
        """
        if self.series.kind == "emission":
            return ("window", "tick") not in self.series.tags or self.values[-8:] != bytes(8)
        return self.series.kind in ("checkpoint", "late", "signal", "day", "configuration")

    def numbers(self) -> tuple[float, ...]:
        """Return the values as floats, NaN where absent."""
        return struct.unpack(f"{len(self.series.fields)}d", self.values)

    def __getitem__(self, name: str) -> float | str:
        """Return a field by name; NaN when absent. KeyError when the series has no such field."""
        if name in self.series.texts:
            return self.texts[self.series.texts.index(name)]
        if name not in self.series.fields:
            raise KeyError(name)
        return self.numbers()[self.series.fields.index(name)]

    def has(self, name: str) -> bool:
        """Return whether a field of this name is present."""
        series = self.series
        if name in series.texts:
            return bool(self.texts[series.texts.index(name)])
        return name in series.fields and isfinite(self.numbers()[series.fields.index(name)])

    def as_dict(self) -> dict[str, Value]:
        """Return the fields that are present and finite, whole numbers as int."""
        present: dict[str, Value] = {
            name: text for name, text in zip(self.series.texts, self.texts, strict=True) if text
        }
        for name, number in zip(self.series.fields, self.numbers(), strict=True):
            if isfinite(number):
                present[name] = int(number) if name in self.series.integers else number
        return present


def record(series: Series, time: int, fields: Mapping[str, Value]) -> Record:
    """Return a record with the named fields; all other fields are absent."""
    values = struct.pack(f"{len(series.fields)}d", *(fields.get(name, nan) for name in series.fields))
    return Record(series, time, values, tuple(str(fields.get(name, "")) for name in series.texts))
