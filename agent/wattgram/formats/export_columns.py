"""Records of several series as rows of one table: its columns and cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from wattgram_drivers.quantity import QUANTITIES

from wattgram.base.record import STORED_KINDS, Kind, Record, Series

TAGS = ("site", "device", "role", "driver", "window", "goal", "feed", "roles", "columns", "slot", "era")
"""Tags in the order of their columns. All other tags follow."""

COLUMN_UNITS = {
    "emission_rate": "g/h",
    "fuel_rate": "g/h",
    "emission": "g",
    "scope1": "g",
    "scope2_location": "g",
    "scope2_market": "g",
    "avoided": "g",
    "captured": "g",
    "grid_age": "s",
    "uptime": "s",
    "cpu_time": "s",
    "memory": "B",
    "spool_payload": "B",
    "spool_written": "B",
}
"""Units of results and self-metrics by name. Other fields take the unit of their ending, or have none."""

ENDINGS = {"_power": "W", "_energy": "Wh", "_intensity": "g/kWh", "_emission": "g"}

ROW_UNITS = {"seconds": "s", "certificates": "Wh", "captured_mass": "kg", "burnt": "g", "biogenic": "g", "heat": "Wh"}
ROW_ENDINGS = {
    " power": "W",
    " energy": "Wh",
    " energy against": "Wh",
    " carbon rate": "g/h",
    " carbon": "g",
    "_intensity": "g/kWh",
}
"""Units of the numbers of `instant`, `late` and `withheld` records, by name and by ending."""

DAY_UNITS = {
    "energy": "Wh",
    "against": "Wh",
    "seconds": "s",
    "reactive": "varh",
    "reactive_beside": "Wh",
    "reactive_seconds": "s",
    "supplied": "s",
    "observed": "s",
    "temperature": "degC s",
    "temperature_seconds": "s",
    "curve_energy": "Wh",
    "curve_heat": "Wh",
    "yield_energy": "Wh",
    "yield_irradiation": "Wh/m2",
    "yield_seconds": "s",
    "sunny_seconds": "s",
    "producing_seconds": "s",
    "overlap": "Wh",
    "peak": "W",
    "peak_time": "ns",
    "import_peak": "W",
    "night": "W",
}
SIGNAL_UNITS = {"intensity": "g/kWh", "raw": "g/kWh"}

_UNITS: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    **dict.fromkeys(("emission", "gateway"), (COLUMN_UNITS, ENDINGS)),
    **dict.fromkeys(("instant", "late", "withheld"), (ROW_UNITS, ROW_ENDINGS)),
    "day": (DAY_UNITS, {}),
    "signal": (SIGNAL_UNITS, {}),
}

Cell = str | int | float | None
"""Content of a cell; None if the record has no value."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. unit: "" for none. holds: "tag" and "text" are texts, "number" is a double, "whole" an integer."""

    name: str
    unit: str
    holds: Literal["tag", "text", "number", "whole"]


def unit(kind: Kind, field: str) -> str:
    """Return the unit of a field; "" for shares, counts, and fields whose unit differs between records."""
    if kind == "device":
        found = QUANTITIES[field].unit if field in QUANTITIES else ""
        return "" if found == "1" else found
    named, endings = _UNITS.get(kind, ({}, {}))
    field = field.removesuffix("_uncertainty")  # it has the unit of its field
    return named.get(field) or next((unit for ending, unit in endings.items() if field.endswith(ending)), "")


def columns(series: Iterable[Series]) -> tuple[Column, ...]:
    """Return the columns of a table for records of some series: kind, tags, texts, numbers.

    Quantities have the order of the vocabulary, other numbers the order of their records. The order of `series` does
    not matter.
    """
    order = {kind: place for place, kind in enumerate(STORED_KINDS)}
    listed = sorted(series, key=lambda layout: (order[layout.kind], layout.tags, layout.fields, layout.texts))
    tags = {name: None for layout in listed for name, _ in layout.tags}
    texts = {name: None for layout in listed for name in layout.texts}
    units: dict[str, str] = {}
    for kind in STORED_KINDS:
        fields = {name: None for layout in listed if layout.kind == kind for name in layout.fields}
        for name in sorted(fields, key=_place) if kind == "device" else fields:
            units.setdefault(name, unit(kind, name))
    fractional = {name for layout in listed for name in layout.fields if name not in layout.integers}
    return (
        Column("kind", "", "tag"),
        *(Column(name, "", "tag") for name in sorted(tags, key=_tag)),
        *(Column(name, "", "text") for name in texts),
        *(Column(name, unit, "number" if name in fractional else "whole") for name, unit in units.items()),
    )


class RowMaker:
    """Converter of records into rows. Texts are escaped where UTF-8 cannot encode them."""

    def __init__(self, made: Sequence[Column]) -> None:
        self._columns = made
        self._layouts: dict[Series, _Layout] = {}

    def row(self, record: Record) -> list[Cell]:
        """Return one cell per column. KeyError: the record has a field without a column."""
        series = record.series
        layout = self._layouts.get(series)
        if layout is None:
            layout = self._layouts[series] = self._layout(series)
        cells = list(layout.tags)
        for place, text in zip(layout.texts, record.texts, strict=True):
            if text:
                cells[place] = text if text.isascii() else printable(text)
        for place, number in zip(layout.numbers, record.numbers(), strict=True):
            if isfinite(number):
                cells[place] = number
        for place in layout.whole:
            if (cell := cells[place]) is not None:
                cells[place] = int(cell)
        return cells

    def _layout(self, series: Series) -> _Layout:
        places = {(column.holds in ("tag", "text"), column.name): place for place, column in enumerate(self._columns)}
        tags: list[Cell] = [None] * len(self._columns)
        for name, value in (("kind", series.kind), *series.tags):
            tags[places[True, name]] = printable(value) or None
        numbers = tuple(places[False, name] for name in series.fields)
        return _Layout(
            tags=tags,
            texts=tuple(places[True, name] for name in series.texts),
            numbers=numbers,
            whole=tuple(place for place in numbers if self._columns[place].holds == "whole"),
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """A row with the tags of a series, and the columns of its texts, its numbers and its whole numbers."""

    tags: list[Cell]
    texts: tuple[int, ...]
    numbers: tuple[int, ...]
    whole: tuple[int, ...]


def printable(text: str) -> str:
    """Return a text with backslash escapes where UTF-8 cannot encode it."""
    return text.encode(errors="backslashreplace").decode()


_PLACES = {name: place for place, name in enumerate(QUANTITIES)}


def _place(quantity: str) -> tuple[int, str]:
    return _PLACES.get(quantity, len(_PLACES)), quantity


def _tag(name: str) -> tuple[int, str]:
    return TAGS.index(name) if name in TAGS else len(TAGS), name
