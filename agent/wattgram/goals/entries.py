"""Manual entries: what may be entered, in which unit, in the configuration or in a CSV file beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .. import parse, supplied
from ..errors import ConfigError
from ..grid.foreign import number
from ..parse import Table, nearest
from . import written
from .settings import Entry, Product

COLUMNS = ("what", "value", "unit", "period", "name", "entered", "document")

LARGEST = 1 << 20
"""Bytes of a file at most."""

ROWS = 10_000
"""Entries of a file at most: a day's tonnes of nine products over three years."""

LONGEST = 200
"""Characters of a text at most."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An input that only people know; its value is from 0 to `most`, in `unit`.

    of_product: the name of a product goes with it, as in `tonnes:food line`.
    """

    unit: str
    most: float
    says: str
    of_product: bool = False


KINDS: Mapping[str, Kind] = {
    "allowance": Kind("tCO2e", 1e9, "emission allowances allotted or bought for the period"),
    "process_emission": Kind("tCO2e", 1e9, "what processes emit besides burning fuel, such as calcination"),
    "captured_stored": Kind("tCO2", 1e9, "CO2 captured and stored, by certificate"),
    "bought_heat": Kind("GJ", 1e9, "heat and steam bought"),
    "rnd_share": Kind("%", 100.0, "research and development, share of revenue"),
    "trained_staff": Kind("persons", 1e6, "people trained in energy matters"),
    "palm_oil_certified": Kind("%", 100.0, "share of the palm oil that is certified"),
    "tonnes": Kind("t", 1e9, "mass of a product without a counter", of_product=True),
    "fuel_heat": Kind("GJ", 1e9, "heat of a product's fuels without a meter, by net calorific value", of_product=True),
}

WORDS = tuple(f"{what}:PRODUCT" if kind.of_product else what for what, kind in KINDS.items())


def read(table: Table, directory: Path, products: Sequence[Product]) -> tuple[Entry, ...]:
    """The entries of `[goals]`: its tables `entry`, and the lines of its file `entries`; mistakes go to the table."""
    name = table.take("entries", _text, None)
    mistakes: list[str] = []
    lines = _lines(directory / name, mistakes) if name else []
    found: dict[tuple[str, date, date, date], Entry] = {}
    for one in (*table.tables("entry"), *lines):
        made = _entry(one, products)
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


def _entry(table: Table, products: Sequence[Product]) -> Entry | None:
    """One entry; None when it has mistakes, which are told."""
    before = len(table.mistakes)
    what = table.take("what", _what(products), parse.REQUIRED)
    if what:
        table.rename(f"{table.place} ({what})" if table.place else "")
    kind = KINDS[what.partition(":")[0]] if what else None
    value = table.take("value", parse.number(0.0, kind.most) if kind else _anything, parse.REQUIRED)
    unit = table.take("unit", parse.choice([kind.unit]) if kind else _anything, parse.REQUIRED)
    period = table.take("period", written.period, parse.REQUIRED)
    name = table.take("name", _text, parse.REQUIRED)
    entered = table.take("entered", written.day, parse.REQUIRED)
    document = table.take("document", _text, parse.REQUIRED)
    table.done()
    if len(table.mistakes) > before:
        return None
    first, last = period
    return Entry(what, value, unit, first, last, name, entered, document)


def _what(products: Sequence[Product]) -> parse.Parser:
    """The word for an input, with the name of a product where one belongs to it."""
    named = {one.name: one for one in products}

    def parser(value: object) -> str:
        word, colon, name = _text(value).partition(":")
        kind = KINDS.get(word)
        if kind is None or kind.of_product != bool(colon):
            words = [one.partition(":")[0] for one in WORDS]
            near = "" if kind else nearest(word, words)
            raise ValueError(f"found {value!r}{near}; allowed: {', '.join(WORDS)}")
        if not kind.of_product:
            return word
        if name not in named:
            allowed = ", ".join(f"{word}:{one}" for one in named) or "the name of a [[goals.product]]"
            raise ValueError(f"found {value!r}{nearest(name, named)}; allowed: {allowed}")
        if word == "tonnes" and named[name].output:
            raise ValueError(
                f"found {value!r}, which {named[name].output!r} counts; allowed: of a product without output"
            )
        return f"{word}:{name}"

    return parser


def _text(value: object) -> str:
    text: str = parse.matching(rf"[^\x00-\x1f\x7f]{{1,{LONGEST}}}", f"1 to {LONGEST} characters on one line")(value)
    return text


def _anything(value: object) -> object:
    """What cannot be judged, since nobody knows what it is for."""
    return value
