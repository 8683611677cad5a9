"""The schema files: their names and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .http_responses import http_schemas
from .mqtt_messages import mqtt_schemas

LINE_WIDTH = 120
"""Characters up to which an object or array stands on one line."""


def schema_files() -> dict[str, str]:
    """Return the text of each schema by its path below docs/schemas."""
    made = {f"mqtt/{name}.json": schema for name, schema in mqtt_schemas().items()}
    made |= {f"http/{name}.json": schema for name, schema in http_schemas().items()}
    return {path: f"{formatted(schema)}\n" for path, schema in made.items()}


def formatted(value: object, indent: str = "") -> str:
    """Return JSON with short objects and arrays on one line, so that a diff shows a property as a line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) < LINE_WIDTH or not isinstance(value, (Mapping, list)) or not value:
        return flat
    inner = f"{indent}  "
    if isinstance(value, Mapping):
        lines = [f"{inner}{json.dumps(name)}: {formatted(member, inner)}" for name, member in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    lines = [f"{inner}{formatted(element, inner)}" for element in value]
    return "[\n" + ",\n".join(lines) + f"\n{indent}]"
