"""Parsers of a site's own files and messages: JSON or CSV becomes supplied values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wattgram.base.untrusted import columns, document, mapping, number, quoted, written
from wattgram.grid.mix import UNKNOWN, checked_name, fuel_of

from .supplied_values import SuppliedValue

TIME_COLUMNS = ("time", "datetime", "valid_from")
UNTIL = ("valid_to", "until")
VALUE = ("intensity", "intensity_g_per_kwh", "carbonIntensity")
MIX = ("mix", "shares")
MARK = ("estimated", "isEstimated")
BASIS = ("basis",)
"""Names of an entry's parts; the first name of each is the documented one."""

JSON_FILE_ELEMENTS = 2_000_000
"""Most elements of a file of the site: some years of quarter hours."""

YES, NO = ("true", "1", "yes"), ("false", "0", "no", "")


def from_json(data: bytes) -> list[SuppliedValue]:
    """Return the values of a JSON number, an object, a list of objects or `{"data": [...]}`; ValueError otherwise."""
    found = document(data, JSON_FILE_ELEMENTS)
    if isinstance(found, int | float) and not isinstance(found, bool):
        found = {VALUE[0]: found}
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        found = found["data"]
    if isinstance(found, dict):
        return [_entry("entry", found)]
    if not isinstance(found, list):
        raise ValueError(f"found {quoted(found)}; expected an object or a list of objects")
    return [_entry(f"entry {index}", mapping(entry, f"entry {index}")) for index, entry in enumerate(found, 1)]


def from_csv(data: bytes) -> list[SuppliedValue]:
    """Return the values of a CSV file; ValueError for another file, with its first mistake.

    Columns: `time` with `intensity`, `time` with a column for each fuel, or `time` with `fuel` and `share`.
    """
    entries, wrong = lines_of(data)
    if wrong:
        raise ValueError(wrong[0])
    return entries


def lines_of(data: bytes) -> tuple[list[SuppliedValue], list[str]]:
    """Return the values of a CSV file, and the mistakes of its lines; ValueError for a wrong head."""
    head, rows = columns(data)
    long = {"fuel", "share"} <= set(head)
    known = {*TIME_COLUMNS, *UNTIL, *VALUE, *MARK, *BASIS, *(("fuel", "share") if long else ())}
    for name in head:
        if name not in known:
            _check_name(name, "line 1")
    lines: dict[int, dict[str, str]] = {}
    wrong: list[str] = []
    try:
        for place, line in rows:
            lines[place] = line
    except ValueError as error:  # the lines after a broken one cannot be told apart
        wrong.append(str(error))
    if long:
        grouped, more = _grouped(lines)
        return grouped, [*more, *wrong]
    entries: list[SuppliedValue] = []
    unreadable: list[str] = []
    for place, line in lines.items():
        try:
            entries.append(_entry(f"line {place}", line))
        except ValueError as error:
            unreadable.append(str(error))
    return entries, [*unreadable, *wrong]


def _entry(place: str, found: Mapping[str, Any]) -> SuppliedValue:
    try:
        return _read(place, dict(found))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _read(place: str, rest: dict[str, Any]) -> SuppliedValue:
    time, until = (_optional(rest, names, written) for names in (TIME_COLUMNS, UNTIL))
    intensity = _optional(rest, VALUE, number)
    mark, basis = _part(rest, MARK), _part(rest, BASIS)
    given = _part(rest, MIX)
    by_name = mapping(given, MIX[0]) if given is not None else ({} if intensity is not None else rest)
    if intensity is None and all(fuel_of(name) == UNKNOWN for name in by_name):
        raise ValueError(f"found {quoted(list(by_name))}; expected {VALUE[0]!r}, or {MIX[0]!r} with fuels")
    amounts = {name: _amount(name, value) for name, value in by_name.items()}
    return SuppliedValue(place, time, until, intensity, amounts, _flag(mark), None if basis is None else str(basis))


def _part(found: dict[str, Any], names: Sequence[str]) -> Any:
    """Remove and return a part, by any of its names; None for a missing or empty part."""
    values = [found.pop(name) for name in names if name in found]
    return next((value for value in values if value not in (None, "")), None)


def _optional(found: dict[str, Any], names: Sequence[str], read: Any) -> Any:
    value = _part(found, names)
    return None if value is None else read(value, names[0])


def _amount(name: str, value: object) -> float | None:
    """Return the amount of a fuel; None, not 0, for an empty cell (METHOD 4.2)."""
    return None if value is None or value == "" else number(value, quoted(name))


def _flag(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    text = str(value).strip().lower()
    if text not in (*YES, *NO):
        raise ValueError(f"{MARK[0]}: found {quoted(value)}; expected true or false")
    return text in YES


def _grouped(lines: Mapping[int, Mapping[str, str]]) -> tuple[list[SuppliedValue], list[str]]:
    """Return the values of a table with a line for each time and fuel, and the mistakes of its lines."""
    groups: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    places: dict[tuple[tuple[str, str], ...], int] = {}
    entries: list[SuppliedValue] = []
    wrong: list[str] = []
    for place, line in lines.items():
        key = tuple((name, cell) for name, cell in line.items() if name not in ("fuel", "share"))
        mix, name = groups.setdefault(key, {}), line["fuel"]
        places.setdefault(key, place)
        if name in mix:
            wrong.append(f"line {place}: found {quoted(name)} a second time for one moment")
            continue
        try:
            _check_name(name, f"line {place}")
        except ValueError as error:
            wrong.append(str(error))
        mix[name] = line["share"]
    for key, mix in groups.items():
        try:
            entries.append(_entry(f"line {places[key]}", dict(key) | {MIX[0]: mix}))
        except ValueError as error:
            wrong.append(str(error))
    return entries, wrong


def _check_name(name: str, place: str) -> None:
    try:
        checked_name(name)
    except ValueError as error:
        others = ", ".join(names[0] for names in (TIME_COLUMNS, UNTIL, VALUE, MARK, BASIS))
        raise ValueError(f"{place}: {error}; in the head also {others}") from error
