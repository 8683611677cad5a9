"""The catalogue of register maps: parse TOML into Devices, and report mistakes with file, place and allowed values.

`map_schema` has the JSON schema of a map, `map_rules` the rules beyond the schema.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from .device import (
    Device,
    DeviceLimits,
    Direction,
    Excerpt,
    Guard,
    IdentityMarks,
    Label,
    Mark,
    Register,
    SerialSettings,
    ValidWhen,
    Variant,
)
from .driver_errors import MapError, few_words
from .map_roles import role_mistakes, roles_of, terminal_of
from .map_rules import condition_mistakes, expanded, guards, identity_mistakes, row_mistakes, varied
from .map_schema import schema
from .plan import make_plan
from .quantity import QUANTITIES, STATED_UNITS, orientation
from .schema_check import schema_mistakes

MAP_BYTES = 1 << 20
"""Largest size of a map's file, bytes."""

MAP_BYTES = 1 << 20
"""Largest size of a map's file, bytes."""

SUNSPEC = "sunspec"
"""A driver without a map: `sunspec.discover` reads the list of registers from the device."""

SUNSPEC_MEMBERS = tuple(f"{SUNSPEC}:{kind}" for kind in ("inverter", "meter", "battery", "sensor"))
"""Drivers of the first device of each kind behind a unit. A number at the end selects a further device."""

SUNSPEC_NAME = re.compile(rf"{SUNSPEC}(:(?P<kind>inverter|meter|battery|sensor)(?P<number>[1-9]\d?)?)?")
"""Pattern of the drivers without a map."""


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
        raise MapError([f"no driver {name!r}; {few_words(name, names(directory))}"])
    try:
        data = _content(files[name]) if isinstance(files[name], Path) else files[name].read_bytes()
        return str(data.decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise MapError([f"{files[name].name}: {error}"]) from error


@lru_cache(maxsize=128)
def parse(text: str, filename: str) -> Device:
    """Return a map's text as a Device named after the file. MapError lists every mistake.

    The same text is parsed once: a configuration names one driver for many devices, and a map takes 3 ms on a PC.
    """
    try:
        # Decimal keeps 0.1 exact, as the manual states it.
        content = tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise MapError([f"{filename}: found tables or lists of too many levels"]) from None
    except ValueError as error:  # also a number with too many digits
        raise MapError([f"{filename}: {error}"]) from error
    mistakes = list(schema_mistakes(content, schema(), ""))
    if not mistakes:
        written, mistakes = expanded(content["registers"])
        rows = {name: _with_defaults(row, content) for name, row in written.items()}
        mistakes += [*row_mistakes(rows), *condition_mistakes(content, rows), *role_mistakes(content, rows)]
        if "identity" in content:
            mistakes += identity_mistakes(content["identity"])
    if mistakes:
        raise MapError([f"{filename}: {mistake}" for mistake in mistakes])
    device = _device(content, rows, Path(filename).stem)
    try:
        make_plan(device)
    except MapError as error:
        raise MapError([f"{filename}: limits: {mistake}" for mistake in error.mistakes]) from error
    return device


def _content(path: Path) -> bytes:
    """Return the content of a map's file; ValueError for a file that is too large, or no regular file."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not block
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("found a device, a FIFO or a directory; allowed: a regular file")
        data = file.read(MAP_BYTES + 1)
    if len(data) > MAP_BYTES:
        raise ValueError(f"found more than {MAP_BYTES} bytes")
    return data


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
    optional = {key: content[key] for key in ("unit", "night", "nameplate") if key in content}
    optional["conditions"] = tuple(
        ValidWhen(row["quantity"], tuple(map(float, row["values"])), tuple(row.get("covers", ())))
        for row in content.get("valid_when", ())
    )
    if running := content.get("running"):
        optional["running"] = ValidWhen(running["quantity"], tuple(map(float, running["values"])))
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
        roles=roles_of(content, rows),
        terminal=terminal_of(content),
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
        only=content.get("only", False),
    )


def _label(content: Mapping[str, Any] | None) -> Label | None:
    return None if content is None else Label(_excerpt(content), content.get("number", False))


def _excerpt(content: Mapping[str, Any]) -> Excerpt:
    keys = ("address", "registers", "table", "skip", "length")
    return Excerpt(**{key: content[key] for key in keys if key in content})


def _register(name: str, row: Mapping[str, Any], content: Mapping[str, Any]) -> Register:
    """Return a row as a register in the vocabulary's unit and sign."""
    turn = orientation(QUANTITIES[name], content["kind"], row.get("sign", ""))
    address, low = row["address"] if isinstance(row["address"], list) else (row["address"], None)
    return Register(
        quantity=name,
        address=address,
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
        low_address=low,
        low_alone=row.get("low_alone", False),
        variant=_variant(name, row, content) if "variant" in row else None,
        optional=row.get("optional", False),
    )


def _variant(name: str, row: Mapping[str, Any], content: Mapping[str, Any]) -> Variant:
    other = varied(row)
    return Variant(
        tuple(Guard(guard["address"], tuple(guard["values"]), guard.get("registers", 1)) for guard in guards(row)),
        None if other is None else _register(name, other, content),
    )


def _with_defaults(row: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the map's defaults for all rows and for the row's type, and its variant alike."""
    patterns = content.get("invalid", {})
    full = {**content.get("defaults", {}), **row}
    if "type" in row.get("variant", {}):
        full["variant"] = {"invalid": patterns.get(row["variant"]["type"], []), **row["variant"]}
    return {"invalid": patterns.get(full.get("type"), []), **full}
