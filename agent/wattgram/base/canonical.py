"""Frozen data as text of one form: equal data has equal text, and a digest of the text names the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import NamedTuple

SECRET = "(secret)"  # noqa: S105 - the word that stands for a secret
"""Text in the place of a secret. Fields of settings with `repr=False` are secrets."""

DIGEST_DIGITS = 16
"""Hexadecimal digits of a digest in records, of the 64 of SHA-256."""

UNSET = "null"
"""Text of a value that is not set, as `flat` returns it."""

WHOLE = 2.0**53
"""Doubles below this number that are whole are exact integers."""

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""Data that JSON can represent."""


def plain(value: object) -> Plain:
    """Return settings as data for JSON, without secrets.

    Frozen objects and mappings become objects of JSON, lists and tuples become lists, other values their text. A secret
    that is set becomes `SECRET`. A whole number is an integer, so 60 and 60.0 are equal; one that is not finite becomes
    its name.
    """
    found: Plain = str(value)
    if value is None or isinstance(value, (bool, int, str)):
        found = value
    elif isinstance(value, float) and isfinite(value):
        found = int(value) if value.is_integer() and abs(value) < WHOLE else value
    elif isinstance(value, Mapping):
        found = {str(name): plain(each) for name, each in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        found = {item.name: _field(getattr(value, item.name), shown=item.repr) for item in fields(value)}
    elif isinstance(value, (list, tuple)):
        found = [plain(each) for each in value]
    elif isinstance(value, Set):
        found = [plain(each) for each in sorted(value, key=str)]
    return found


def canonical(value: object) -> str:
    """Return settings as JSON in one form: keys sorted, no spaces, ASCII, the shortest digits of each double."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_of(text: str) -> str:
    """Return SHA-256 over the UTF-8 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def digest(text: str) -> str:
    """Return the digest of a canonical text for a record: the first digits of `sha256_of`."""
    return sha256_of(text)[:DIGEST_DIGITS]


def flat(value: Plain, name: str = "") -> dict[str, str]:
    """Return every value of plain data as text, by the keys that lead to the value, joined with dots.

    The elements of a list of objects are numbered from 1.
    """
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, each in value.items():
            found |= flat(each, f"{name}.{key}" if name else key)
        return found
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return flat({str(number): each for number, each in enumerate(value, 1)}, name)
    if isinstance(value, str):
        return {name: value}
    return {name: json.dumps(value, separators=(", ", ": "), ensure_ascii=False)}


class SettingChange(NamedTuple):
    """A setting that differs: name, and both values as text; None for no value."""

    name: str
    before: str | None
    after: str | None


def changed_settings(before: Mapping[str, str], after: Mapping[str, str]) -> list[SettingChange]:
    """Return the differences of two results of `flat`: in the order of `before`, then new names."""
    found = []
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = (None if (text := values.get(name, UNSET)) == UNSET else text for values in (before, after))
        if old != new:
            found.append(SettingChange(name, old, new))
    return found


def _field(value: object, *, shown: bool) -> Plain:
    if shown:
        return plain(value)
    return SECRET if value else None
