"""The JSON schema of a register map, for the catalogue and for editors. `maps/device.schema.json` is a copy."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .device import TYPE_WORDS
from .map_roles import MAP_ROLES
from .quantity import KIND_SIGN, QUANTITIES, SIGN_DIRECTION, STATED_UNITS

_TYPE = {"type": "string", "enum": list(TYPE_WORDS)}
_TABLE = {"type": "string", "enum": ["holding", "input"]}
_WORD_ORDER = {"type": "string", "enum": ["big", "little"]}
_ADDRESS = {"type": "integer", "minimum": 0, "maximum": 0xFFFF}
_WORD = {"type": "integer", "minimum": 0, "maximum": 0xFFFF}
_APART = {"type": "array", "items": _ADDRESS, "minItems": 2, "maxItems": 2}
_PATTERNS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_SECONDS_SCHEMA = {"type": "number", "minimum": 0, "maximum": 300}
_NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_POWERS = {
    "type": "array",
    "items": {"anyOf": [{"type": "string"}, _NAMES]},
    "description": "quantities that give the power, best first; a list is added, a name after - is subtracted",
}
_COUNTERS = {
    "type": "array",
    "items": {"anyOf": [{"type": "string"}, {**_NAMES, "minItems": 2, "maxItems": 2}]},
    "description": "counters, best first; of two the second counts the opposite direction",
}


def schema() -> dict[str, Any]:
    """Return the JSON schema of a map. `maps/device.schema.json` is a copy."""
    address = {
        "anyOf": [_ADDRESS, _APART],
        "description": "as in the request, counted from 0; of two words that stand apart both, the high word first",
    }
    guard = _object(
        {
            "address": _ADDRESS,
            "registers": {"type": "integer", "minimum": 1, "maximum": 4, "description": "default 1"},
            "values": {**_PATTERNS, "minItems": 1, "description": "raw bit patterns, high word first"},
        },
        required=["address", "values"],
    )
    when = {
        "anyOf": [guard, {"type": "array", "items": guard, "minItems": 1, "maxItems": 4}],
        "description": "registers of the same table that hold one of the values; of several, each",
    }
    register = _object(
        {
            "address": address,
            "unit": {"type": "string", "enum": list(STATED_UNITS), "description": "the register's own unit"},
            "table": _TABLE,
            "type": _TYPE,
            "word_order": {**_WORD_ORDER, "description": "which word of a long value comes first"},
            "scale": {"type": "number", "description": "raw x scale is the value in the unit"},
            "scale_address": {**_ADDRESS, "description": "register with a decimal exponent"},
            "offset": {"type": "integer", "description": "subtracted from the raw value before scaling"},
            "encoding": {
                "type": "string",
                "enum": ["plain", "four-quadrant"],
                "description": "four-quadrant: a power factor above 1 means 2 - value, below -1 it means -2 - value",
            },
            "direction": {
                **_object(
                    {
                        "address": _ADDRESS,
                        "mask": {**_WORD, "description": "bits of the register that contain the direction"},
                        "negative": {**_WORD, "description": "content of the bits if the value is negative"},
                        "contrary": {**_WORD, "description": "bits that contradict each other when all are set"},
                    },
                    required=["address", "negative"],
                ),
                "description": "another register contains the direction of the value",
            },
            "factors": {
                "type": "array",
                "items": {"type": "string"},
                "description": "quantities that the value is multiplied by",
            },
            "sign": {
                "type": "string",
                "enum": list(SIGN_DIRECTION),
                "description": "meaning of a positive value",
            },
            "invalid": {
                **_PATTERNS,
                "description": "raw bit patterns, of the full width, that mean: not available",
            },
            "repeat": {
                **_object(
                    {
                        "count": {"type": "integer", "minimum": 2, "maximum": 64},
                        "step": {"type": "integer", "minimum": 1, "maximum": 1000},
                    },
                    required=["count", "step"],
                ),
                "description": "rows for the next numbers of the name, each `step` registers further",
            },
            "low_alone": {
                "type": "boolean",
                "description": "true: on units without the high word apart, the low word is the signed value",
            },
            "overlaps": {
                "type": "string",
                "description": "quantity of another row that has registers of this row, too",
            },
            "variant": {
                **_object(
                    {
                        "when": when,
                        "absent": {"type": "boolean", "description": "true: the quantity does not exist then"},
                        "address": address,
                        "type": _TYPE,
                        "word_order": _WORD_ORDER,
                        "scale": {"type": "number"},
                        "offset": {"type": "integer"},
                        "invalid": _PATTERNS,
                    },
                    required=["when"],
                ),
                "description": "keys of the row that differ for some models of the same map",
            },
            "optional": {"type": "boolean", "description": "true: some models of the map lack the register"},
            "note": {"type": "string"},
        },
        required=["address", "unit"],
    )
    condition = _object(
        {
            "quantity": {"type": "string", "description": "a row of the map with a state"},
            "values": {"type": "array", "items": {"type": "number"}, "minItems": 1, "description": "valid states"},
            "covers": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": "quantities that are valid in these states only; default: all others",
            },
        },
        required=["quantity", "values"],
    )
    limits = _object(
        {
            "max_registers": {"type": "integer", "minimum": 1, "maximum": 125},
            "gap": {"type": "integer", "minimum": 0, "maximum": 125},
            "even": {"type": "boolean"},
            "windows": {
                "type": "array",
                "items": {"type": "array", "items": _ADDRESS, "minItems": 2, "maxItems": 2},
            },
            "request_delay": _SECONDS_SCHEMA,
            "connect_delay": _SECONDS_SCHEMA,
            "timeout": _SECONDS_SCHEMA,
            "one_client": {"type": "boolean"},
        }
    )
    excerpt = {
        "address": {**_ADDRESS, "description": "as in the request, counted from 0"},
        "registers": {
            "type": "integer",
            "minimum": 1,
            "maximum": 125,
            "description": "registers of the request; default 1",
        },
        "table": {**_TABLE, "description": "default: holding"},
        "skip": {"type": "integer", "minimum": 0, "maximum": 249, "description": "octets to skip at the start"},
        "length": {"type": "integer", "minimum": 1, "maximum": 250, "description": "octets to use; default: the rest"},
    }
    label = _object({**excerpt, "number": {"type": "boolean", "description": "a number, not a text"}}, ["address"])
    mark = _object(
        {
            **excerpt,
            "values": {**_PATTERNS, "minItems": 1, "description": "numbers, high word first"},
            "ranges": {
                "type": "array",
                "minItems": 1,
                "items": {**_PATTERNS, "minItems": 2, "maxItems": 2},
                "description": "first and last number of each range",
            },
            "pattern": {"type": "string", "description": "regular expression for the beginning of the text"},
        },
        ["address"],
    )
    identity = _object(
        {
            "source": {"type": "string", "description": "manual or software that documents the marks"},
            "marks": {
                "type": "array",
                "items": mark,
                "minItems": 1,
                "description": "a device with all marks is this model",
            },
            "model": {**label, "description": "registers with the name of the model"},
            "serial": {**label, "description": "registers with the serial number"},
            "only": {
                "type": "boolean",
                "description": "true: other models have the same registers, so that values identify nothing",
            },
        },
        ["source"],
    )
    shape = _object(
        {
            "vendor": {"type": "string"},
            "model": {"type": "string"},
            "kind": {"type": "string", "enum": list(KIND_SIGN)},
            "source": {"type": "string", "description": "manual or software that the registers are from"},
            "unit": {"type": "integer", "minimum": 0, "maximum": 255},
            "transports": {
                "type": "array",
                "items": {"type": "string", "enum": ["tcp", "rtu", "rtutcp"]},
                "minItems": 1,
            },
            "night": {"type": "string", "enum": ["answers", "silent", "not-available", "zeros"]},
            "line": {
                **_object(
                    {
                        "baudrate": {"type": "integer", "minimum": 300, "maximum": 1000000},
                        "parity": {"type": "string", "enum": ["N", "E", "O"]},
                        "stopbits": {"type": "integer", "minimum": 1, "maximum": 2},
                    },
                    required=["baudrate"],
                ),
                "description": "factory settings of the serial port",
            },
            "invalid": {
                **_object(dict.fromkeys(TYPE_WORDS, _PATTERNS)),
                "description": "patterns that mean: not available, by type; invalid in a register has precedence",
            },
            "defaults": _object({"table": _TABLE, "type": _TYPE, "word_order": _WORD_ORDER}),
            "limits": limits,
            "valid_when": {
                "type": "array",
                "items": condition,
                "minItems": 1,
                "description": "states of the device in which its values are valid",
            },
            "running": {
                **_object(
                    {key: condition["properties"][key] for key in ("quantity", "values")}, ["quantity", "values"]
                ),
                "description": "state of an inverter that feeds in: a request of zeros is then void",
            },
            "nameplate": {"type": "string", "description": "row with the rated AC power"},
            "identity": {**identity, "description": "marks by which wattgram scan identifies the device"},
            "registers": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"enum": sorted(QUANTITIES)},
                "additionalProperties": register,
            },
        },
        required=["vendor", "model", "kind", "source", "registers"],
    )
    reads = _object({"power": _POWERS, "energy": _COUNTERS})
    shape["properties"]["roles"] = {
        "type": "object",
        "propertyNames": {"enum": list(MAP_ROLES)},
        "additionalProperties": reads,
        "description": "roles that the device can have; meter: all electrical roles",
    }
    shape["properties"]["terminal"] = {
        **_object(
            {
                "bridge": {**_NAMES, "description": "power over the converter's bridge, + from DC to AC"},
                "grid_port": {**_NAMES, "description": "power out of the grid port"},
                "backup_power": {**_NAMES, "description": "power out of the backup port; not added to a bridge"},
                "pv_power": _POWERS,
                "battery_power": _POWERS,
                "dc": {"type": "string", "enum": ["pv", "net"], "description": "net: pv_power includes the battery"},
                "energy": _COUNTERS,
                "pv_energy": _COUNTERS,
                "battery_energy": _COUNTERS,
            }
        ),
        "description": "AC terminal and DC side of an inverter with a battery",
    }
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "wattgram register map", **shape}


def _object(properties: dict[str, Any], required: Collection[str] = ()) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**shape, "required": list(required)} if required else shape
