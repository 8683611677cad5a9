"""JSON Schema of each HTTP response with JSON, from openapi.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from .mqtt_messages import DRAFT, Schema

RESPONSES = {
    "now": ("/api/now", "State of the gateway"),
    "history": ("/api/history", "History of the site"),
    "results": ("/api/results", "Last results of the site"),
    "goals": ("/api/goals", "Claims of the two articles"),
    "healthz": ("/healthz", "Health of the daemon"),
}
"""File name: path and title. Each event of /api/stream contains the response of /api/now."""

COMPONENTS = "#/components/schemas/"


def http_schemas() -> dict[str, Schema]:
    """Return the schema of each response by the name of its file."""
    document = json.loads(files("wattgram.web").joinpath("openapi.json").read_text(encoding="utf-8"))
    return {name: _response(document, name, *described) for name, described in RESPONSES.items()}


def _response(document: Mapping[str, Any], name: str, path: str, title: str) -> Schema:
    operation = document["paths"][path]["get"]
    answer = operation["responses"]["200"]
    body = answer["content"]["application/json"]["schema"]
    known = document["components"]["schemas"]
    needed = _references(body, known)
    top = needed.pop(0) if "$ref" in body else ""
    own = known[top] if top else body
    made = {
        "$schema": DRAFT,
        "$id": f"urn:wattgram:http:{name}:{document['info']['version']}",
        "title": f"HTTP response: {title}",
        "description": f"Response of {path}. {own.get('description') or answer['description']}",
        **{key: value for key, value in own.items() if key != "description"},
    }
    if needed:
        made["$defs"] = {name: known[name] for name in needed}
    moved: Schema = json.loads(json.dumps(made).replace(COMPONENTS, "#/$defs/"))
    return moved


def _references(schema: object, known: Mapping[str, Any]) -> list[str]:
    """Return the names of all components that a schema needs, in the order in which they are met."""
    found: list[str] = []
    waiting = [schema]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, Mapping):
            name = str(part.get("$ref", "")).removeprefix(COMPONENTS)
            if name and name not in found:
                found.append(name)
                waiting.append(known[name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found
