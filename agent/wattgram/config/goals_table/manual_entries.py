"""Manual entries: their kinds and units, and their reader for the configuration and for a CSV file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from wattgram.base import supplied, toml_table
from wattgram.base.errors import ConfigError
from wattgram.base.toml_table import Table, nearest
from wattgram.base.untrusted import number

from . import dates
from .correction_entries import CORRECTION_OF, CORRECTION_PROCESSES
from .goals_settings import ManualEntry, ProductSettings
from .meters import GoalMeter
from .products import PIECES_CLAIM

ENTRY_COLUMNS = ("what", "value", "unit", "period", "name", "entered", "document")

ENTRY_FILE_BYTES = 1 << 20
"""Largest size of a file, bytes."""

MOST_ENTRIES = 10_000
"""Largest number of entries of a file: daily tonnes of nine products over three years."""

FUEL_METER_UNITS = ("m3", "kg", "1")
"""Units of fuel meters; "1" is a pulse."""

LONGEST_TEXT = 200
"""Longest text, characters."""


@dataclass(frozen=True, slots=True)
class EntryKind:
    """An input from people; its value is from 0 to `most`, in `unit`.

    says: description. of: kind of the name after the colon, as in `tonnes:food line`, "" for no name. For a "meter" the
    unit is per unit of the meter.
    """

    unit: str
    most: float
    says: str
    of: Literal["", "product", "meter", "process"] = ""


ENTRY_KINDS: Mapping[str, EntryKind] = {
    "allowance": EntryKind("tCO2e", 1e9, "emission allowances of the period, allotted or bought"),
    "process_emission": EntryKind(
        "tCO2e", 1e9, "process emissions other than combustion, such as calcination; 0 for none"
    ),
    "captured_stored": EntryKind("tCO2", 1e9, "CO2 captured and stored, by certificate"),
    "heat": EntryKind("GJ", 1e9, "heat and steam bought"),
    "heat_sold": EntryKind("GJ", 1e9, "heat and steam sold"),
    "km_driven": EntryKind("km", 1e9, "distance of the vehicles that the chargers of the site charge"),
    "green_finance": EntryKind("CNY", 1e12, "certified green finance received"),
    "rnd_share": EntryKind("%", 100.0, "research and development, share of revenue"),
    "trained_staff": EntryKind("persons", 1e6, "people trained in energy matters"),
    "palm_oil_certified": EntryKind("%", 100.0, "share of the palm oil that is certified"),
    "tonnes": EntryKind("t", 1e9, "mass of a product without a counter", "product"),
    "pieces": EntryKind("pieces", 1e9, "pieces of a product without a counter", "product"),
    **{
        word: EntryKind(
            "%", 100.0, f"{CORRECTION_OF[word]}, for the correction of the limits of {', '.join(processes)}", "process"
        )
        for word, processes in CORRECTION_PROCESSES.items()
    },
    "fuel_heat": EntryKind("kWh", 1e6, "heat per unit of the fuel meter, by net calorific value", "meter"),
}

NAME_OF = {
    "product": "the name of a [[goals.product]] without output",
    "meter": "the name of a device with role fuel",
    "process": "the name of a [[goals.product]] with this process",
}
"""Description of the name after the colon."""

NAMED = {"product": "PRODUCT", "meter": "METER", "process": "PRODUCT"}

ENTRY_WORDS = tuple(f"{what}:{NAMED[kind.of]}" if kind.of else what for what, kind in ENTRY_KINDS.items())


def read(
    table: Table, directory: Path, products: Sequence[ProductSettings], devices: Mapping[str, GoalMeter]
) -> tuple[ManualEntry, ...]:
    """Read the entries of `[goals]`: tables `entry` and lines of the file `entries`. Mistakes go to the table."""
    name = table.take("entries", _text, None)
    mistakes: list[str] = []
    lines = _lines(directory / name, mistakes) if name else []
    found: dict[tuple[str, date, date, date], ManualEntry] = {}
    for row in (*table.tables("entry"), *lines):
        made = _entry(row, products, devices)
        if made is None:
            continue
        key = made.what, made.first, made.last, made.entered
        if key in found:
            row.mistake("what", f"found {made.what!r} a second time for its period; allowed: entered on a later day")
        found[key] = made
    table.mistakes += supplied.first_mistakes(directory / name, mistakes, "mistakes") if name else []
    return tuple(found.values())


def _lines(path: Path, mistakes: list[str]) -> list[Table]:
    """Return the rows of a file as tables whose mistakes contain the number of the line."""
    try:
        rows = supplied.rows(path, ENTRY_COLUMNS, ENTRY_FILE_BYTES, MOST_ENTRIES)
    except ConfigError as error:
        mistakes += error.mistakes
        return []
    return [Table(f"{path}: line {place}", "", _cells(cells), mistakes) for place, cells in rows.items()]


def _cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return cells as TOML values: `value` as a number, without empty cells."""
    found: dict[str, Any] = {name: cell for name, cell in cells.items() if cell}
    with suppress(ValueError):  # the parser of `value` reports it with the allowed numbers
        found["value"] = number(cells["value"], "value")
    return found


def _entry(table: Table, products: Sequence[ProductSettings], devices: Mapping[str, GoalMeter]) -> ManualEntry | None:
    """Read one entry; None if it has mistakes, which go to the table."""
    before = len(table.mistakes)
    what = table.take("what", _what(products, devices), toml_table.REQUIRED)
    if what and table.place:
        table.rename(f"{table.place} ({what})")
    kind = ENTRY_KINDS[what.partition(":")[0]] if what else None
    value = table.take("value", toml_table.number(0.0, kind.most) if kind else _anything, toml_table.REQUIRED)
    unit = table.take(
        "unit", toml_table.choice(_units(kind, what, devices)) if kind else _anything, toml_table.REQUIRED
    )
    period = table.take("period", dates.period, toml_table.REQUIRED)
    name = table.take("name", _text, toml_table.REQUIRED)
    entered = table.take("entered", dates.day, toml_table.REQUIRED)
    document = table.take("document", _text, toml_table.REQUIRED)
    table.done()
    if len(table.mistakes) > before:
        return None
    first, last = period
    return ManualEntry(what, value, unit, first, last, name, entered, document)


def _units(kind: EntryKind, what: str, devices: Mapping[str, GoalMeter]) -> list[str]:
    """Return the allowed units of an input: one unit, or several for a meter whose counted unit is unknown."""
    if kind.of != "meter":
        return [kind.unit]
    counts = devices[what.partition(":")[2]].counts
    return [f"{kind.unit}/{'pulse' if unit == '1' else unit}" for unit in ([counts] if counts else FUEL_METER_UNITS)]


def _what(products: Sequence[ProductSettings], devices: Mapping[str, GoalMeter]) -> toml_table.Parser:
    """Return a parser of an input's word with the name that belongs to it."""
    made = {product.name: product for product in products}

    def fits(word: str, name: str) -> bool:
        if ENTRY_KINDS[word].of == "meter":
            return name in devices and devices[name].role == "fuel"
        if ENTRY_KINDS[word].of == "process":
            return name in made and made[name].process in CORRECTION_PROCESSES[word]
        return name in made and not made[name].output and word == _counted(made[name])

    def parser(value: object) -> str:
        word, colon, name = _text(value).partition(":")
        kind = ENTRY_KINDS.get(word)
        if kind is None or bool(kind.of) != bool(colon):
            raise ValueError(
                f"found {value!r}{'' if kind else nearest(word, ENTRY_KINDS)}; allowed: {', '.join(ENTRY_WORDS)}"
            )
        if not kind.of or fits(word, name):
            return word + colon + name
        why = ""
        if kind.of == "product" and name in made:
            product = made[name]
            why = (
                f", which {product.output!r} counts"
                if product.output
                else f", whose goal {product.goal} takes {_counted(product)}"
            )
        fitting = [f"{word}:{candidate}" for candidate in (*made, *devices) if fits(word, candidate)]
        allowed = ", ".join(fitting) or f"{word}: with {NAME_OF[kind.of]}"
        raise ValueError(f"found {value!r}{why or nearest(str(value), fitting)}; allowed: {allowed}")

    return parser


def _counted(product: ProductSettings) -> str:
    """Return the word for the manual count of a product."""
    return "pieces" if product.goal == PIECES_CLAIM else "tonnes"


def _text(value: object) -> str:
    text: str = toml_table.matching(
        rf"[^\x00-\x1f\x7f]{{1,{LONGEST_TEXT}}}", f"1 to {LONGEST_TEXT} characters on one line"
    )(value)
    return text


def _anything(value: object) -> object:
    """Accept any value of an entry whose kind is wrong: it cannot be checked."""
    return value
