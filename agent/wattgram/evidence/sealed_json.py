"""Records and entries as canonical JSON (RFC 8785)."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, cast

import rfc8785

from wattgram.base.record import Record, Value
from wattgram.base.units import rfc3339
from wattgram.formats.export_columns import printable

JsonObject = dict[str, Any]


def canonical(value: object) -> bytes:
    """Return a value in the form of RFC 8785. ValueError: the value has no such form."""
    try:
        return rfc8785.dumps(cast(Any, value))
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error


def sealed_text(text: str) -> str:
    """Return a text as it is sealed: on one line, as line protocol writes it, and with UTF-8 characters only."""
    return printable(text).replace("\n", " ").replace("\r", " ")


def sealed_fields(fields: Mapping[str, Value]) -> dict[str, float | str]:
    """Return the fields as they are sealed: numbers as doubles, without -0, absent values left out."""
    found: dict[str, float | str] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            if value:
                found[name] = sealed_text(value)
        elif isfinite(value):
            found[name] = float(value) + 0.0
    return found


def sealed_tags(record: Record) -> dict[str, str]:
    """Return the tags of a record as they are sealed: without the site, without empty tags."""
    return {name: sealed_text(value) for name, value in record.series.tags if value and name != "site"}


def sealed_record(record: Record) -> JsonObject:
    """Return a record with all its values."""
    return {
        "kind": record.series.kind,
        "tags": sealed_tags(record),
        "time": rfc3339(record.time),
        "fields": sealed_fields(record.as_dict()),
    }
