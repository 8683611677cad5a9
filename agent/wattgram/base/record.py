"""Records: what the world is told. A series is what stays the same between records of one key."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

Kind = Literal["device", "emission", "goal", "event", "gateway", "instant", "late", "checkpoint", "signal", "day"]

INTERNAL = frozenset(("instant", "late", "checkpoint", "signal", "day"))
"""Kinds that no sink gets: what the accounts were fed with, so that they can be computed again, and the day book."""

KINDS: tuple[Kind, ...] = ("device", "emission", "event", "gateway", "goal")
"""Kinds that sinks get."""

WINDOWS = ("15m", "1h", "1d", "1mo")
"""Windows of `emission` records beside the tick, the finest first."""

ALL_WINDOWS = ("tick", *WINDOWS)
"""Results that a replay computes."""

REPLAY_KINDS: tuple[Kind, ...] = ("instant", "late", "checkpoint", "emission")
"""Kinds that a replay goes by."""

LASTING = frozenset((("window", "1d"), ("window", "1mo")))

Value = float | int | str


@dataclass(frozen=True, slots=True)
class Series:
    """Kind, tags and field names of a family of records; with a time it is a record's key.

    `fields` names the numbers in the order of a record's block; `integers` says which of them are whole;
    `texts` names the string fields. A field's type never changes.
    """

    kind: Kind
    tags: tuple[tuple[str, str], ...]
    fields: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def internal(self) -> bool:
        """Whether no sink gets its records."""
        return self.kind in INTERNAL

    @property
    def lasting(self) -> bool:
        """Whether its records outlive the history's age: those of days and months, of which years are made."""
        return self.kind == "day" or (self.kind == "emission" and not LASTING.isdisjoint(self.tags))

    @property
    def single(self) -> bool:
        """Whether of each key only the last record is kept."""
        return self.kind == "day"

    def tag(self, name: str) -> str:
        """The tag's value; KeyError when this kind has no such tag."""
        return dict(self.tags)[name]


@dataclass(frozen=True, slots=True)
class Record:
    """One record: `time` in UTC ns, `values` one native double a field (NaN = absent), `texts` in order."""

    series: Series
    time: int
    values: bytes = b""
    texts: tuple[str, ...] = ()

    @property
    def looked_up_by_key(self) -> bool:
        """Whether it is asked for by its key alone: windows, checkpoints, and what took the place of another record.

        `revision` is the last of an emission's numbers.
        """
        if self.series.kind == "emission":
            return ("window", "tick") not in self.series.tags or self.values[-8:] != bytes(8)
        return self.series.kind in ("checkpoint", "late", "signal", "day")

    def numbers(self) -> tuple[float, ...]:
        """The block as floats, NaN where absent."""
        return struct.unpack(f"{len(self.series.fields)}d", self.values)

    def __getitem__(self, name: str) -> float | str:
        """A field by name; NaN when absent; KeyError when the series has no such field."""
        if name in self.series.texts:
            return self.texts[self.series.texts.index(name)]
        if name not in self.series.fields:
            raise KeyError(name)
        return self.numbers()[self.series.fields.index(name)]

    def as_dict(self) -> dict[str, Value]:
        """Fields that are present and finite, whole numbers as int."""
        present: dict[str, Value] = {
            name: text for name, text in zip(self.series.texts, self.texts, strict=True) if text
        }
        for name, number in zip(self.series.fields, self.numbers(), strict=True):
            if isfinite(number):
                present[name] = int(number) if name in self.series.integers else number
        return present


def record(series: Series, time: int, fields: Mapping[str, Value]) -> Record:
    """A record from named fields; what is not named is absent."""
    values = struct.pack(f"{len(series.fields)}d", *(fields.get(name, nan) for name in series.fields))
    return Record(series, time, values, tuple(str(fields.get(name, "")) for name in series.texts))
