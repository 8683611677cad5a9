"""Manual entries: what may be entered, in which unit, in the configuration or in a CSV file beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from .. import parse, supplied
from ..errors import ConfigError
from ..grid.foreign import number
from ..parse import Table, nearest
from . import written
from .meters import Meter
from .products import COUNTED
from .settings import Entry, Product

COLUMNS = ("what", "value", "unit", "period", "name", "entered", "document")

LARGEST = 1 << 20
"""Bytes of a file at most."""

ROWS = 10_000
"""Entries of a file at most: a day's tonnes of nine products over three years."""

COUNTS = ("m3", "kg", "1")
"""What a fuel meter may count."""

LONGEST = 200
"""Characters of a text at most."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An input that only people know; its value is from 0 to `most`, in `unit`.

    of: what its name goes on with, as in `tonnes:food line`, "" for nothing. unit: of a "meter" per unit of that.
    """

    unit: str
    most: float
    says: str
    of: Literal["", "product", "meter"] = ""


KINDS: Mapping[str, Kind] = {
    "allowance": Kind("tCO2e", 1e9, "emission allowances of the period, allotted or bought"),
    "process_emission": Kind("tCO2e", 1e9, "process emissions other than combustion, such as calcination; 0 for none"),
    "captured_stored": Kind("tCO2", 1e9, "CO2 captured and stored, by certificate"),
    "heat": Kind("GJ", 1e9, "heat and steam bought"),
    "rnd_share": Kind("%", 100.0, "research and development, share of revenue"),
    "trained_staff": Kind("persons", 1e6, "people trained in energy matters"),
    "palm_oil_certified": Kind("%", 100.0, "share of the palm oil that is certified"),
    "tonnes": Kind("t", 1e9, "mass of a product without a counter", "product"),
    "pieces": Kind("pieces", 1e9, "pieces of a product without a counter", "product"),
    "fuel_heat": Kind("kWh", 1e6, "heat per unit of the fuel meter, by net calorific value", "meter"),
}

PLACES = {"product": "the name of a [[goals.product]] without output", "meter": "the name of a device with role fuel"}
"""What the name of an input is, in words."""

WORDS = tuple(f"{what}:{kind.of.upper()}" if kind.of else what for what, kind in KINDS.items())


def read(table: Table, directory: Path, products: Sequence[Product], devices: Mapping[str, Meter]) -> tuple[Entry, ...]:
    """The entries of `[goals]`: its tables `entry`, and the lines of its file `entries`; mistakes go to the table."""
    name = table.take("entries", _text, None)
    mistakes: list[str] = []
    lines = _lines(directory / name, mistakes) if name else []
    found: dict[tuple[str, date, date, date], Entry] = {}
    for one in (*table.tables("entry"), *lines):
        made = _entry(one, products, devices)
        if made is None:
            continue
        key = made.what, made.first, made.last, made.entered
        if key in found:
            one.mistake("what", f"found {made.what!r} a second time for its period; allowed: entered on a later day")
        found[key] = made
    table.mistakes += supplied.told(directory / name, mistakes, "mistakes") if name else []
    return tuple(found.values())


def _lines(path: Path, mistakes: list[str]) -> list[Table]:
    """The rows of a file as tables whose mistakes are told with their line."""
    try:
        rows = supplied.rows(path, COLUMNS, LARGEST, ROWS)
    except ConfigError as error:
        mistakes += error.mistakes
        return []
    return [Table(f"{path}: line {place}", "", _cells(cells), mistakes) for place, cells in rows.items()]


def _cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """Cells as TOML would have them: the value is a number, an empty cell is not there."""
    found: dict[str, Any] = {name: cell for name, cell in cells.items() if cell}
    with suppress(ValueError):  # what is no number is told with those that are allowed
        found["value"] = number(cells["value"], "value")
    return found


def _entry(table: Table, products: Sequence[Product], devices: Mapping[str, Meter]) -> Entry | None:
    """One entry; None when it has mistakes, which are told."""
    before = len(table.mistakes)
    what = table.take("what", _what(products, devices), parse.REQUIRED)
    if what and table.place:
        table.rename(f"{table.place} ({what})")
    kind = KINDS[what.partition(":")[0]] if what else None
    value = table.take("value", parse.number(0.0, kind.most) if kind else _anything, parse.REQUIRED)
    unit = table.take("unit", parse.choice(_units(kind, what, devices)) if kind else _anything, parse.REQUIRED)
    period = table.take("period", written.period, parse.REQUIRED)
    name = table.take("name", _text, parse.REQUIRED)
    entered = table.take("entered", written.day, parse.REQUIRED)
    document = table.take("document", _text, parse.REQUIRED)
    table.done()
    if len(table.mistakes) > before:
        return None
    first, last = period
    return Entry(what, value, unit, first, last, name, entered, document)


def _units(kind: Kind, what: str, devices: Mapping[str, Meter]) -> list[str]:
    """The units that an input may have: one, but for a meter of which nobody knows what it counts."""
    if kind.of != "meter":
        return [kind.unit]
    counts = devices[what.partition(":")[2]].counts
    return [f"{kind.unit}/{'pulse' if unit == '1' else unit}" for unit in ([counts] if counts else COUNTS)]


def _what(products: Sequence[Product], devices: Mapping[str, Meter]) -> parse.Parser:
    """The word for an input, with the name that belongs to it."""
    made = {one.name: one for one in products}

    def fits(word: str, name: str) -> bool:
        if KINDS[word].of == "meter":
            return name in devices and devices[name].role == "fuel"
        return name in made and not made[name].output and word == _counted(made[name])

    def parser(value: object) -> str:
        word, colon, name = _text(value).partition(":")
        kind = KINDS.get(word)
        if kind is None or bool(kind.of) != bool(colon):
            raise ValueError(f"found {value!r}{'' if kind else nearest(word, KINDS)}; allowed: {', '.join(WORDS)}")
        if not kind.of or fits(word, name):
            return word + colon + name
        why = ""
        if kind.of == "product" and name in made:
            one = made[name]
            why = f", which {one.output!r} counts" if one.output else f", whose goal {one.goal} takes {_counted(one)}"
        fitting = [f"{word}:{one}" for one in (*made, *devices) if fits(word, one)]
        allowed = ", ".join(fitting) or f"{word}: with {PLACES[kind.of]}"
        raise ValueError(f"found {value!r}{why or nearest(str(value), fitting)}; allowed: {allowed}")

    return parser


def _counted(product: Product) -> str:
    """The word for what people count of a product."""
    return "pieces" if product.goal == COUNTED else "tonnes"


def _text(value: object) -> str:
    text: str = parse.matching(rf"[^\x00-\x1f\x7f]{{1,{LONGEST}}}", f"1 to {LONGEST} characters on one line")(value)
    return text


def _anything(value: object) -> object:
    """What cannot be judged, since nobody knows what it is for."""
    return value
