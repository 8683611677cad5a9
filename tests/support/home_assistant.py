"""Home Assistant's handling of a message: which announcements are valid, and the states that it reads from a topic.

Sources: home-assistant.io, "MQTT" (device discovery payload, discovery topic) and "MQTT sensor"; Home Assistant's
developer documentation, "Sensor entity" (device classes with their units and state classes; the sum of a `total`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

TOPIC = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config")

MEASURED, COUNTED = {"measurement"}, {"total", "total_increasing"}
CLASSES: Mapping[str, tuple[set[str | None], set[str]]] = {
    "apparent_power": ({"VA"}, MEASURED),
    "battery": ({"%"}, MEASURED),
    "current": ({"A"}, MEASURED),
    "duration": ({"s"}, MEASURED),
    "energy": ({"Wh"}, COUNTED),
    "energy_storage": ({"Wh"}, MEASURED),
    "frequency": ({"Hz"}, MEASURED),
    "irradiance": ({"W/m²"}, MEASURED),
    "power": ({"W"}, MEASURED),
    "power_factor": ({None, "%"}, MEASURED),
    "pressure": ({"Pa"}, MEASURED),
    "reactive_power": ({"var"}, MEASURED),
    "speed": ({"m/s"}, MEASURED),
    "temperature": ({"°C"}, MEASURED),
    "voltage": ({"V"}, MEASURED),
    "volume": ({"m³"}, COUNTED),
}
"""Of a device class: units and state classes that go with it, as far as they are ours."""

SHARED = {"device", "origin", "components", "state_topic", "availability", "availability_mode"}
SENSOR = {
    "platform", "name", "unique_id", "state_topic", "value_template", "unit_of_measurement", "device_class",
    "state_class", "last_reset_value_template", "expire_after", "enabled_by_default", "entity_category",
    "suggested_display_precision",
}  # fmt: skip

_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
"""Templates run in a sandbox there too; an undefined name is a warning in its log, and a failure here."""


def announced(topic: str, payload: str) -> dict[str, dict[str, Any]]:
    """The entities of an announcement by id, each with what it inherits; AssertionError where it is not valid."""
    assert TOPIC.fullmatch(topic), topic
    found = json.loads(payload)
    assert found.keys() <= SHARED
    assert found["device"]["identifiers"]
    assert found["origin"]["name"]
    assert found["availability_mode"] in ("all", "any", "latest")
    entities = {}
    for name, own in found["components"].items():
        if own == {"platform": "sensor"}:
            continue  # to be forgotten
        assert own.keys() <= SENSOR, name
        entity = {key: found[key] for key in ("state_topic", "availability") if key in found} | own
        assert entity["platform"] == "sensor"
        assert entity["unique_id"]
        assert entity["state_topic"]
        assert entity["expire_after"] > 0
        state, unit = entity.get("state_class"), entity.get("unit_of_measurement")
        assert state in (None, "measurement", "total", "total_increasing")
        assert unit != ""
        if "last_reset_value_template" in entity:
            assert state == "total"
        if "device_class" in entity:
            units, states = CLASSES[entity["device_class"]]
            assert unit in units, name
            assert state in states, name
        entities[name] = entity
    assert len({entity["unique_id"] for entity in entities.values()}) == len(entities)
    return entities


def rendered(template: str, payload: str) -> str:
    """Return the text of a template for a message."""
    return _JINJA.from_string(template).render(value=payload, value_json=json.loads(payload))


def shown(entity: Mapping[str, Any], payload: str, before: str = "unknown") -> str:
    """Return the state after a message: "None" is unknown; an empty text of a number keeps the state before."""
    state = rendered(entity["value_template"], payload)
    return "unknown" if state == "None" else state or before


def total(entity: Mapping[str, Any], payloads: Iterable[str]) -> float:
    """The long-term sum of a `total`: each new `last_reset` begins a cycle at 0, within one the difference counts.

    The first state is where it begins.
    """
    sum_, state, reset = 0.0, None, ""
    for payload in payloads:
        value = rendered(entity["value_template"], payload)
        since = rendered(entity["last_reset_value_template"], payload) or reset
        if not value:
            continue
        if state is not None:
            sum_ += float(value) - (0.0 if since != reset else state)
        state, reset = float(value), since
    return sum_
