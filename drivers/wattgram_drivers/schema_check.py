"""Differences between a map and its JSON schema, for the keywords that `map_schema` uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from .driver_errors import few_words

_KEY_NOUNS = {"registers": "quantity", "roles": "role"}
"""Meaning of the keys of a table, for messages."""


def schema_mistakes(value: object, shape: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield differences between a value and its JSON schema `shape`. place: of the value in the map, "" for the map."""
    where = f"{place}: " if place else ""
    if "anyOf" in shape:
        shape = next((choice for choice in shape["anyOf"] if _has_type(value, choice["type"])), shape["anyOf"][0])
    if not _has_type(value, shape["type"]):
        yield f"{where}found {_quoted(value)}; expected {shape['type']}"
    elif isinstance(value, dict):
        yield from _table_mistakes(value, shape, place)
    elif isinstance(value, list):
        least, most = shape.get("minItems", 0), shape.get("maxItems", len(value))
        if not least <= len(value) <= most:
            yield f"{where}found {len(value)} items; expected {least if least > len(value) else most}"
        for index, item in enumerate(value):
            yield from schema_mistakes(item, shape["items"], f"{place}[{index}]")
    elif "enum" in shape and value not in shape["enum"]:
        yield f"{where}found {_quoted(value)}; {few_words(str(value), shape['enum'])}"
    elif isinstance(value, int | Decimal) and not _in_range(value, shape):
        yield f"{where}found {value}; allowed: {shape.get('minimum', '')} to {shape.get('maximum', '')}"


def _table_mistakes(value: Mapping[str, Any], shape: Mapping[str, Any], place: str) -> Iterator[str]:
    where = f"{place}: " if place else ""
    properties = shape.get("properties", {})
    for key, item in value.items():
        inner = f"{place}.{key}" if place else key
        if key in properties:
            yield from schema_mistakes(item, properties[key], inner)
        elif not shape["additionalProperties"]:
            yield f"{where}unknown key {key!r}; {few_words(key, properties)}"
        elif key not in shape["propertyNames"]["enum"]:
            noun = _KEY_NOUNS.get(place, "key")
            yield f"{where}unknown {noun} {key!r}; {few_words(key, shape['propertyNames']['enum'])}"
        else:
            yield from schema_mistakes(item, shape["additionalProperties"], inner)
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
