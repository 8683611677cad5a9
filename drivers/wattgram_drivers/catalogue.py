"""The catalogue of register maps: parse TOML into Devices, and report mistakes with file, place and allowed values.

`map_schema` has the JSON schema of a map. Rules beyond the schema are checked row by row.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

from .device import (
    TYPE_WORDS,
    Device,
    DeviceLimits,
    Direction,
    Excerpt,
    IdentityMarks,
    Label,
    Mark,
    Register,
    SerialSettings,
)
from .driver_errors import MapError
from .map_schema import schema
from .plan import make_plan
from .quantity import QUANTITIES, STATED_UNITS, orientation

SUNSPEC = "sunspec"
"""A driver without a map: `sunspec.discover` reads the list of registers from the device."""

SUNSPEC_MEMBERS = tuple(f"{SUNSPEC}:{kind}" for kind in ("inverter", "meter", "battery", "sensor"))
"""Drivers of the first device of each kind behind a unit. A number at the end selects a further device."""

SUNSPEC_NAME = re.compile(rf"{SUNSPEC}(:(?P<kind>inverter|meter|battery|sensor)(?P<number>[1-9]\d?)?)?")
"""Pattern of the drivers without a map."""

_NAMED_DIRECTIONS = ("import", "export", "charge", "discharge")


def names(directory: Path | None = None) -> list[str]:
    """Return every driver: shipped maps, maps in `directory`, and sunspec."""
    return sorted({*_files(directory), SUNSPEC})


def is_sunspec(name: str) -> bool:
    """Return whether a driver needs no map: sunspec, or sunspec:KIND for one of several devices."""
    return SUNSPEC_NAME.fullmatch(name) is not None


def load(name: str, directory: Path | None = None) -> Device:
    """Return a map by name. A map in `directory` has precedence over a shipped map.

    MapError: unknown name (with the nearest names), or mistakes in the map.
    """
    return parse(text(name, directory), f"{name}.toml")


def text(name: str, directory: Path | None = None) -> str:
    """Return the text of a map's file. MapError: unknown name, or unreadable file."""
    files = _files(directory)
    if is_sunspec(name):
        raise MapError([f"{name}: not a map; wattgram reads the list of registers from the device"])
    if name not in files:
        raise MapError([f"no driver {name!r}{_hint(name, names(directory))}"])
    try:
        return str(files[name].read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MapError([f"{files[name].name}: {error}"]) from error


def parse(text: str, filename: str) -> Device:
    """Return a map's text as a Device named after the file. MapError lists every mistake."""
    try:
        # Decimal keeps 0.1 exact, as the manual states it.
        content = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise MapError([f"{filename}: {error}"]) from error
    mistakes = list(_schema_mistakes(content, schema(), ""))
    if not mistakes:
        rows = {name: _with_defaults(row, content) for name, row in content["registers"].items()}
        mistakes = list(_row_mistakes(rows))
        if "identity" in content:
            mistakes += _identity_mistakes(content["identity"])
    if mistakes:
        raise MapError([f"{filename}: {mistake}" for mistake in mistakes])
    device = _device(content, rows, Path(filename).stem)
    try:
        make_plan(device)
    except MapError as error:
        raise MapError([f"{filename}: limits: {mistake}" for mistake in error.mistakes]) from error
    return device


def _files(directory: Path | None) -> dict[str, Any]:
    """Return maps by name, as paths or, inside the package, as importlib's traversables."""
    shipped = resources.files(__package__).joinpath("maps")
    files: dict[str, Any] = {
        file.name.removesuffix(".toml"): file for file in shipped.iterdir() if file.name.endswith(".toml")
    }
    if directory is not None and directory.is_dir():
        files.update({file.stem: file for file in sorted(directory.glob("*.toml"))})
    return files


def _device(content: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], name: str) -> Device:
    limits: dict[str, Any] = {
        key: float(value) if isinstance(value, Decimal) else value for key, value in content.get("limits", {}).items()
    }
    if "windows" in limits:
        limits["windows"] = tuple((low, high) for low, high in limits["windows"])
    optional = {key: content[key] for key in ("unit", "night") if key in content}
    if "transports" in content:
        optional["transports"] = tuple(content["transports"])
    if "line" in content:
        optional["line"] = SerialSettings(**content["line"])
    if "identity" in content:
        optional["identity"] = _identity(content["identity"])
    return Device(
        name=name,
        vendor=content["vendor"],
        model=content["model"],
        kind=content["kind"],
        registers=tuple(_register(quantity, row, content) for quantity, row in rows.items()),
        limits=DeviceLimits(**limits),
        source=content["source"],
        **optional,
    )


def _identity(content: Mapping[str, Any]) -> IdentityMarks:
    return IdentityMarks(
        marks=tuple(
            Mark(
                _excerpt(mark),
                tuple(mark.get("values", ())),
                tuple((low, high) for low, high in mark.get("ranges", ())),
                mark.get("pattern", ""),
            )
            for mark in content.get("marks", ())
        ),
        model=_label(content.get("model")),
        serial=_label(content.get("serial")),
        source=content["source"],
    )


def _label(content: Mapping[str, Any] | None) -> Label | None:
    return None if content is None else Label(_excerpt(content), content.get("number", False))


def _excerpt(content: Mapping[str, Any]) -> Excerpt:
    keys = ("address", "registers", "table", "skip", "length")
    return Excerpt(**{key: content[key] for key in keys if key in content})


def _register(name: str, row: Mapping[str, Any], content: Mapping[str, Any]) -> Register:
    """Return a row as a register in the vocabulary's unit and sign."""
    turn = orientation(QUANTITIES[name], content["kind"], row.get("sign", ""))
    return Register(
        quantity=name,
        address=row["address"],
        table=row["table"],
        type=row["type"],
        word_order=row.get("word_order", "big"),
        scale=Fraction(row.get("scale", 1)) * STATED_UNITS[row["unit"]][1] * turn,
        scale_address=row.get("scale_address"),
        factors=tuple(row.get("factors", ())),
        invalid=tuple(row.get("invalid", ())),
        note=row.get("note", ""),
        offset=row.get("offset", 0),
        encoding=row.get("encoding", "plain"),
        direction=Direction(**row["direction"]) if "direction" in row else None,
    )


def _with_defaults(row: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the map's defaults for all rows and for the row's type."""
    full = {**content.get("defaults", {}), **row}
    return {"invalid": content.get("invalid", {}).get(full.get("type"), []), **full}


def _row_mistakes(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield mistakes in rows that match the schema."""
    for name, row in rows.items():
        place = f"registers.{name}"
        for key in ("table", "type"):
            if key not in row:
                yield f"{place}: missing key {key!r}; give it here or in defaults"
        width = TYPE_WORDS[row["type"]] if "type" in row else 1
        if row["address"] + width > 0x10000:
            yield f"{place}: address {row['address']} leaves no space for {row['type']}"
        yield from (
            f"{place}: invalid {value:#x} is wider than {row['type']}"
            for value in row.get("invalid", ())
            if value >> (16 * width)
        )
        scale = Fraction(row.get("scale", 1))
        if scale == 0:
            yield f"{place}: scale must not be 0"
        unit, wanted = row["unit"], QUANTITIES[name].unit
        if STATED_UNITS[unit][0] != wanted:
            fitting = [stated for stated, (base, _) in STATED_UNITS.items() if base == wanted]
            yield f"{place}: unit {unit!r} does not fit{_hint(unit, fitting)}"
        direction = row.get("direction", {})
        mask, negative = direction.get("mask", 0xFFFF), direction.get("negative", 0)
        if negative & ~mask or not mask:
            yield f"{place}.direction: negative {negative:#x} has bits outside mask {mask:#x}"
        yield from _sign_mistakes(name, row.get("sign", ""))
        for factor in row.get("factors", ()):
            allowed = [quantity for quantity in rows if not rows[quantity].get("factors")]
            if factor not in allowed:
                yield f"{place}: factor {factor!r} is not a register without factors{_hint(factor, allowed)}"


def _identity_mistakes(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield mistakes in an identity that matches the schema."""
    marks = {f"marks[{index}]": mark for index, mark in enumerate(content.get("marks", ()))}
    labels = {key: content[key] for key in ("model", "serial") if key in content}
    if not marks and not labels:
        yield "identity: found no marks, model or serial; give at least one"
    for key, row in {**marks, **labels}.items():
        place = f"identity.{key}"
        count = row.get("registers", 1)
        size = 2 * count - row.get("skip", 0)
        if row["address"] + count > 0x10000:
            yield f"{place}: address {row['address']} leaves no space for {count} registers"
        if size < row.get("length", 1):
            yield f"{place}: skip and length exceed the {2 * count} octets of the answer"
        size = row.get("length", size)
        number = row.get("number", "values" in row or "ranges" in row)
        if number and size > 8:
            yield f"{place}: found a number of {size} octets; allowed: 1 to 8"
        numbers = [*row.get("values", ()), *(end for ends in row.get("ranges", ()) for end in ends)]
        yield from (f"{place}: {value:#x} is wider than {size} octets" for value in numbers if value >> (8 * size))
        yield from (f"{place}: range {low} to {high} is empty" for low, high in row.get("ranges", ()) if low > high)
    for key, mark in marks.items():
        if ("pattern" in mark) == ("values" in mark or "ranges" in mark):
            yield f"identity.{key}: needs either a pattern, or values and ranges"
        try:
            re.compile(mark.get("pattern", ""))
        except re.error as error:
            yield f"identity.{key}: pattern {mark['pattern']!r}: {error}"


def _sign_mistakes(name: str, sign: str) -> Iterator[str]:
    """Yield a mistake if the sign contradicts a direction in the quantity's name."""
    named = [f"{word}+" for word in _NAMED_DIRECTIONS if word in name.split("_")]
    if sign and named and sign not in named:
        yield f"registers.{name}: sign {sign!r} contradicts the name; allowed: {', '.join(named)}"


def _schema_mistakes(value: object, shape: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield differences between a value and its JSON schema, for the keywords that `schema` uses."""
    where = f"{place}: " if place else ""
    if not _has_type(value, shape["type"]):
        yield f"{where}found {_quoted(value)}; expected {shape['type']}"
    elif isinstance(value, dict):
        yield from _table_mistakes(value, shape, place)
    elif isinstance(value, list):
        least, most = shape.get("minItems", 0), shape.get("maxItems", len(value))
        if not least <= len(value) <= most:
            yield f"{where}found {len(value)} items; expected {least if least > len(value) else most}"
        for index, item in enumerate(value):
            yield from _schema_mistakes(item, shape["items"], f"{place}[{index}]")
    elif "enum" in shape and value not in shape["enum"]:
        yield f"{where}found {_quoted(value)}{_hint(str(value), shape['enum'])}"
    elif isinstance(value, int | Decimal) and not _in_range(value, shape):
        yield f"{where}found {value}; allowed: {shape.get('minimum', '')} to {shape.get('maximum', '')}"


def _table_mistakes(value: Mapping[str, Any], shape: Mapping[str, Any], place: str) -> Iterator[str]:
    where = f"{place}: " if place else ""
    properties = shape.get("properties", {})
    for key, item in value.items():
        inner = f"{place}.{key}" if place else key
        if key in properties:
            yield from _schema_mistakes(item, properties[key], inner)
        elif not shape["additionalProperties"]:
            yield f"{where}unknown key {key!r}{_hint(key, properties)}"
        elif key not in shape["propertyNames"]["enum"]:
            yield f"{where}unknown quantity {key!r}{_hint(key, shape['propertyNames']['enum'])}"
        else:
            yield from _schema_mistakes(item, shape["additionalProperties"], inner)
    if len(value) < shape.get("minProperties", 0):
        yield f"{where}found none; expected at least {shape['minProperties']}"
    for key in shape.get("required", ()):
        if key not in value:
            yield f"{where}missing key {key!r}"


def _has_type(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, Decimal):
        return kind == "number" and value.is_finite()
    kinds: Mapping[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),
        "number": (int,),
    }
    return isinstance(value, kinds.get(kind, ()))


def _in_range(value: int | Decimal, shape: Mapping[str, Any]) -> bool:
    return bool(shape.get("minimum", value) <= value <= shape.get("maximum", value))


def _quoted(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _hint(found: str, allowed: Collection[str]) -> str:
    """Return the allowed words and the nearest; a long list is left out if a near word exists."""
    near = get_close_matches(found, allowed, n=3, cutoff=0.5)
    listed = f"; allowed: {', '.join(allowed)}" if len(allowed) <= 100 or not near else ""
    return listed + (f"; nearest: {', '.join(map(repr, near))}" if near else "")
