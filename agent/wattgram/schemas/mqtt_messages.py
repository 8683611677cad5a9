"""JSON Schema of each MQTT message, from the fields of the records that the messages contain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from wattgram_drivers.quantity import BY_KIND, QUANTITIES, Quantity
from wattgram_ext.intensity import DETAILS, OUTPUTS

from wattgram.accounts.books import EXTRA_FIELDS, WHOLE_FIELDS
from wattgram.accounts.correction_names import CORRECTION_TEXT
from wattgram.accounts.estimated_energy import WINDOW_FIELDS
from wattgram.accounts.stated_terms import EMISSION_TEXTS
from wattgram.accounts.uncertainty import UNCERTAINTY_FIELDS, UNCERTAINTY_TEXT
from wattgram.acquisition.record_quality import WORST_QUALITY_FIRST
from wattgram.base.event_severity import Severity
from wattgram.base.record import WINDOWS
from wattgram.formats.export_columns import unit
from wattgram.goals.terms.outcome import State
from wattgram.web.prometheus import HELP, HELP_OF_SINK

from . import field_texts

VERSION = "1"
"""Version of the messages; another one when a field changes its meaning, its type or its unit, or disappears."""

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

LABELLED = frozenset({"bus_busy_share", "part_stuck", "device_quantities_missing"})
"""Metrics of a single bus, part or device, which only /metrics has."""

TEXTS: Mapping[str, Schema] = {
    "grid_source": {"type": "string", "description": "Name of the grid source of the factor"},
    "basis": {
        "enum": ["direct", "lifecycle"],
        "description": "direct: CO2 emitted by the power stations; lifecycle: carbon footprint of the electricity",
    },
    "method": {
        "enum": ["proportional", "local-first"],
        "description": "Method of sharing carbon between load and export",
    },
    "factor_digest": {
        "type": "string",
        "pattern": "^[0-9a-f]{16}$",
        "description": "First digits of the SHA-256 of the emission factors in use",
    },
    "config_digest": {
        "type": "string",
        "pattern": "^[0-9a-f]{16}$",
        "description": "First digits of the SHA-256 of the effective configuration without secrets",
    },
}

TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"


def mqtt_schemas() -> dict[str, Schema]:
    """Return the schema of each message by the name of its file."""
    return {
        "device": _device(),
        "emission": _tick(),
        "emission-window": _window(),
        "event": _event(),
        "goal": _goal(),
        "gateway": _gateway(),
        "seal": _seal(),
        "status": _status(),
        "homeassistant": _discovery(),
    }


def tick_fields() -> dict[str, Schema]:
    """Return the schema of each field of a tick's balance, without time and window."""
    return _emission_fields((*OUTPUTS, *EXTRA_FIELDS))


def _message(
    name: str, title: str, description: str, properties: Mapping[str, Schema], required: Iterable[str]
) -> Schema:
    return {
        "$schema": DRAFT,
        "$id": f"urn:wattgram:mqtt:{name}:{VERSION}",
        "title": title,
        "description": description,
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
    }


def _time(description: str) -> Schema:
    return {
        "type": "string",
        "format": "date-time",
        "pattern": TIME_PATTERN,
        "description": f"{description}; UTC, milliseconds",
    }


_REPLAYED: Schema = {"const": True, "description": "Present after an outage: the record was delivered late"}


def _device() -> Schema:
    properties = {
        "time": _time("Time of the first response of this reading"),
        "quality": {
            "enum": list(reversed(WORST_QUALITY_FIRST)),
            "description": "Verdict on this reading. stale: no value, or a frozen device; implausible: a value that "
            "cannot be true is absent; reset, glitch, estimated: verdict on the counters; partial: a wanted quantity "
            "is missing. estimated is also the power by counters, and of a hybrid without a register of its terminal",
        },
        **{name: _quantity(quantity) for name, quantity in QUANTITIES.items()},
        "replayed": _REPLAYED,
    }
    return _message(
        "device",
        "MQTT message: one reading of a device",
        "Topic PREFIX/SITE/device/DEVICE. A message contains the quantities that the device returned in this reading. "
        "The other quantities are absent.",
        properties,
        ("time", "quality"),
    )


def _quantity(quantity: Quantity) -> Schema:
    words = quantity.meaning if quantity.unit == "1" else f"{quantity.meaning}, {quantity.unit}"
    if quantity.sign == BY_KIND:
        words += "; positive: import of a meter, generation of a producer, discharge of a battery, use of a charger"
    elif quantity.sign:
        words += f"; positive: {quantity.sign.removesuffix('+')}"
    return {"type": "number", "description": words[0].upper() + words[1:]}


def _emission_fields(names: Iterable[str]) -> dict[str, Schema]:
    texts = {**field_texts.EMISSION, **field_texts.WINDOW_TEXTS}
    made = {name: dict(TEXTS[name]) for name in EMISSION_TEXTS}
    for name in names:
        measured = unit("emission", name)
        words = texts[name]
        made[name] = {
            "type": "integer" if name in WHOLE_FIELDS else "number",
            "description": f"{words}, {measured}" if measured else words,
        }
    return made


_ALWAYS = ("time", "window", "grid_source", "basis", "coverage", "grid_tier", "revision")


def _tick() -> Schema:
    properties = {
        "time": _time("End of the interval of this balance"),
        "window": {"const": "tick", "description": "Kind of the interval"},
        **tick_fields(),
        "replayed": _REPLAYED,
    }
    return _message(
        "emission",
        "MQTT message: balance of a tick",
        "Topic PREFIX/SITE/emission. Powers are means since the previous tick, energies and masses are sums. An "
        "undefined value is absent, never 0.",
        properties,
        _ALWAYS,
    )


def _window() -> Schema:
    properties = {
        "time": _time("Start of the window"),
        "window": {
            "enum": list(WINDOWS),
            "description": "Length of the window of local time; the same as in the topic",
        },
        **_emission_fields((*OUTPUTS, *DETAILS, *WINDOW_FIELDS, *UNCERTAINTY_FIELDS, *EXTRA_FIELDS)),
        UNCERTAINTY_TEXT: {
            "enum": ["stated", "assumed"],
            "description": "stated: the configuration states all limits of error that matter; assumed: some are "
            "typical ones. Absent without an uncertainty",
        },
        CORRECTION_TEXT: {
            "type": "string",
            "description": "Corrections of the past in the time of the window, such as incomer x 0.75; withdrawn: the "
            "window was corrected before, and is no longer; absent without a correction",
        },
        "replayed": _REPLAYED,
    }
    return _message(
        "emission-window",
        "MQTT message: balance of a window",
        f"Topics PREFIX/SITE/emission/WINDOW with WINDOW {', '.join(WINDOWS)}. Powers are means over the time with a "
        "balance, energies and masses are sums, intensities and shares are ratios of sums. An undefined value is "
        "absent, never 0.",
        properties,
        _ALWAYS,
    )


def _event() -> Schema:
    properties = {
        "time": _time("Time of the event"),
        "device": {"type": "string", "description": "Name of the device; absent for an event of the site"},
        "event": {"enum": list(field_texts.EVENTS), "description": "Kind of the event; docs/trouble.md has a table"},
        "detail": {"type": "string", "description": "Cause or numbers of this event, for people"},
        "severity": {
            "enum": list(get_args(Severity)),
            "description": "info: nothing to do; warning: values are missing or doubtful; alarm: results or "
            "records are lost or absent until a person acts",
        },
        "replayed": _REPLAYED,
    }
    return _message("event", "MQTT message: event", "Topic PREFIX/SITE/event.", properties, ("time", "event"))


def _goal() -> Schema:
    properties = {
        "time": _time("Time of the evaluation"),
        "goal": {"type": "string", "pattern": "^[AB][0-9]{2}$", "description": "Id of the claim"},
        "state": {"enum": list(get_args(State)), "description": "Result of the comparison with the target"},
        "value": {"type": "number", "description": "Value, in the unit that /api/goals states for the claim"},
        "target": {"type": "number", "description": "Target, in the same unit"},
        "coverage": {"type": "number", "description": "Share of the time with readings, 0 to 1"},
        "replayed": _REPLAYED,
    }
    return _message(
        "goal",
        "MQTT message: state of a claim",
        "Topic PREFIX/SITE/goal/ID, retained. Published after a change and once a day. "
        "A value or a target that does not exist is absent.",
        properties,
        ("time", "goal", "state"),
    )


def _gateway() -> Schema:
    own = {name: text for name, text in HELP.items() if name not in LABELLED}
    properties = {
        "time": _time("Time of the measurement"),
        **{name: {"type": "number", "description": text.removesuffix(".")} for name, text in own.items()},
        "replayed": _REPLAYED,
    }
    made = _message(
        "gateway",
        "MQTT message: metrics of the daemon",
        "Topic PREFIX/SITE/gateway, every minute. For each sink there are two more fields, such as mqtt_delivered and "
        "mqtt_undelivered.",
        properties,
        ("time", *(name for name in own if name != "memory")),
    )
    made["patternProperties"] = {
        f"^[a-z0-9-]+{ending}$": {"type": "number", "description": text.removesuffix(".")}
        for ending, text in HELP_OF_SINK.items()
    }
    return made


def _seal() -> Schema:
    properties = {
        "time": _time("Time of the sealing"),
        "checkpoint": {
            "type": "string",
            "description": "Signed head of the log: name, number of entries, root of the tree, signatures "
            "(C2SP tlog-checkpoint)",
        },
        "size": {"type": "integer", "minimum": 0, "description": "Number of entries of the log"},
        "key_id": {"type": "string", "pattern": "^[0-9a-f]{8}$", "description": "Id of the key that signed first"},
        "replayed": _REPLAYED,
    }
    return _message(
        "seal",
        "MQTT message: seal of the log",
        "Topic PREFIX/SITE/seal, retained, after each closed quarter of an hour. docs/evidence.md describes the log.",
        properties,
        ("time", "checkpoint", "size", "key_id"),
    )


def _status() -> Schema:
    return {
        "$schema": DRAFT,
        "$id": f"urn:wattgram:mqtt:status:{VERSION}",
        "title": "MQTT message: whether the gateway is connected",
        "description": "Topic PREFIX/SITE/status, retained. The payload is plain text, not JSON. The broker publishes "
        "offline as the last will when it loses the connection.",
        "type": "string",
        "enum": ["online", "offline"],
    }


def _discovery() -> Schema:
    text, number = {"type": "string"}, {"type": "integer", "minimum": 0}
    entity = {
        "type": "object",
        "description": "A sensor. An entity with only platform removes the sensor of that name.",
        "properties": {
            "platform": {"const": "sensor", "description": "Kind of the entity"},
            "name": {**text, "description": "Name for people"},
            "unique_id": {**text, "description": "Identity, the same after each restart"},
            "state_topic": {**text, "description": "Topic of the value, if not the device's"},
            "value_template": {**text, "description": "Jinja template that reads the value from a message"},
            "unit_of_measurement": {**text, "description": "Unit in Home Assistant's spelling; absent without a unit"},
            "device_class": {**text, "description": "Home Assistant's class of the quantity"},
            "state_class": {"enum": ["measurement", "total", "total_increasing"], "description": "Use in statistics"},
            "last_reset_value_template": {**text, "description": "Jinja template that reads the start of a sum"},
            "expire_after": {**number, "description": "Time after which a value is unknown, s"},
            "entity_category": {"const": "diagnostic", "description": "Present for values about the gateway itself"},
            "enabled_by_default": {"const": False, "description": "Present if a person must enable the sensor first"},
            "suggested_display_precision": {**number, "description": "Decimals on a dashboard"},
        },
        "required": ["platform"],
    }
    properties: dict[str, Schema] = {
        "device": {
            "type": "object",
            "description": "The device, or the site, in Home Assistant's list of devices",
            "properties": {
                "identifiers": {"type": "array", "items": text, "minItems": 1, "description": "Identities"},
                "name": {**text, "description": "Name for people"},
                "manufacturer": {**text, "description": "Maker"},
                "model": {**text, "description": "Model"},
                "via_device": {**text, "description": "Identity of the site; absent for the site itself"},
            },
            "required": ["identifiers", "name"],
        },
        "state_topic": {**text, "description": "Topic of the device's readings; absent for the site"},
        "origin": {
            "type": "object",
            "description": "The program that publishes this message",
            "properties": {
                "name": {"const": "wattgram", "description": "Name"},
                "sw_version": {**text, "description": "Version"},
            },
            "required": ["name"],
        },
        "availability": {
            "type": "array",
            "description": "Topics that tell whether the sensors are available",
            "items": {
                "type": "object",
                "properties": {
                    "topic": {**text, "description": "Topic"},
                    "value_template": {**text, "description": "Jinja template that returns online or offline"},
                },
                "required": ["topic"],
            },
            "minItems": 1,
        },
        "availability_mode": {"const": "all", "description": "Every topic must say online"},
        "components": {"type": "object", "description": "Sensors by name", "additionalProperties": entity},
    }
    return _message(
        "homeassistant",
        "MQTT message: announcement for Home Assistant",
        "Topics homeassistant/device/PREFIX-SITE/site/config and homeassistant/device/PREFIX-SITE/device-DEVICE/config"
        ", retained. An empty message removes a device.",
        properties,
        ("device", "origin", "availability", "availability_mode", "components"),
    )
