"""SunSpec: a model as it is defined and as a device has it, and the registers that this gives.

Offsets, types, scale factors and units come from the model definitions in pysunspec2's data files; the "not
implemented" values are those of the SunSpec Technology Overview 12040 v1.4, and what devices send instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

from wattgram_drivers.device import Register, Table, Type
from wattgram_drivers.quantity import QUANTITIES, STATED_UNITS

from .points import BLOCK_POINTS, POINT_QUANTITIES

TABLE: Table = "holding"

MARKER = b"SunS"
"""How a chain of models begins."""

END = 0xFFFF
"""Model number that ends a chain."""

_NUMBER_TYPES: Mapping[str, tuple[Type, tuple[int, ...]]] = {
    "int16": ("i16", (0x8000,)),
    "uint16": ("u16", (0xFFFF,)),
    "count": ("u16", (0xFFFF,)),
    "enum16": ("u16", (0xFFFF,)),
    "bitfield16": ("u16", (0xFFFF,)),
    "int32": ("i32", (0x80000000,)),
    "uint32": ("u32", (0xFFFFFFFF,)),
    "enum32": ("u32", (0xFFFFFFFF,)),
    "bitfield32": ("u32", (0xFFFFFFFF,)),
    "int64": ("i64", (1 << 63,)),
    "uint64": ("u64", ((1 << 64) - 1,)),
    # An accumulator that is not supported is 0 (12040). SMA marks what it has not got with the largest number
    # whatever the type (sunspec/pysunspec issue 74); a counter that stops there would be one second in years.
    "acc16": ("u16", (0, 0xFFFF)),
    "acc32": ("u32", (0, 0xFFFFFFFF)),
    "acc64": ("u64", (0, (1 << 64) - 1)),
    "float32": (
        "f32",
        (
            0x7FC00000,  # the one NaN of 12040; the decoder takes none of the others for a number either
            0x00007FC0,  # NaN with its words swapped: 4.58e-41
            0x0000FFC0,
            0x00007F80,  # infinity with its words swapped
            0x0000FF80,
            0x00008000,  # int32's and int16's "not implemented" in one word or both: 4.59e-41
            0x80008000,
            0x0000FFFF,  # uint16's: 9.18e-41
            0xFF7FFFFF,  # off the scale: WillCodeForCats/solaredge-modbus-multi issue 123, jbuehl/solaredge issue 50
            0x7F7FFFFF,  # evcc-io/evcc issue 4989
        ),
    ),
    "float64": ("f64", ()),
}
"""Our type of each SunSpec type that is a number, and its "not implemented", the specification's first."""

_MINUS_ZERO = 0x80000000
_NEVER_NEGATIVE = ("V", "Hz", "WH", "Wh", "VAh", "varh")
"""Units of floats in which int32's "not implemented" cannot be a zero with a sign."""

_UNIT_SPELLING: Mapping[str, str] = {
    "Pct": "%",
    "PF": "%",
    "%WHRtg": "%",
    "% WMax": "%",
    "% WChaMax": "%",
    "% WDisChaMax": "%",
    "% AhrRtg": "%",
    "C": "degC",
    "Secs": "s",
    "cos()": "1",
    "AH": "Ah",
    "WH": "Wh",
    "Var": "var",
    "Varh": "varh",
    "ohms": "ohm",
}
"""SunSpec's spelling of units. The meter models say PF and mean percent as the inverter models do."""


@dataclass(frozen=True, slots=True)
class ModelPoint:
    """A point of a model; `offset` counts from the ID register, or from the start of its repeating block."""

    name: str
    offset: int
    size: int
    type: str
    scale: str
    unit: str


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """A model's definition: fixed points, and the points of its repeating block (empty when it has none)."""

    points: tuple[ModelPoint, ...]
    block: tuple[ModelPoint, ...]

    @property
    def size(self) -> int:
        """Registers of the fixed part, ID and L included."""
        return sum(point.size for point in self.points)

    @property
    def block_size(self) -> int:
        """Registers of one repeating block."""
        return sum(point.size for point in self.block)

    def blocks(self, length: int) -> int:
        """Repeating blocks in a model whose L is `length`."""
        return max(0, length + 2 - self.size) // self.block_size if self.block else 0


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on a device: its number, the address of its ID register, its L."""

    model: int
    address: int
    length: int


def definition(number: int) -> ModelDefinition:
    """A model's definition out of pysunspec2's data."""
    path = resources.files("sunspec2").joinpath("models", "json", f"model_{number}.json")
    group = json.loads(path.read_text(encoding="utf-8"))["group"]
    blocks = group.get("groups", [])
    return ModelDefinition(_layout(group["points"]), _layout(blocks[0]["points"]) if blocks else ())


def registers(found: FoundModel) -> Iterator[Register]:
    """The registers of a model that its L covers and that we have a quantity for.

    A point whose scale factor lies beyond L has no value, so it has no register.
    """
    model = definition(found.model)
    scales = {point.name: point.offset for point in model.points if point.type == "sunssf"}
    fixed_names = POINT_QUANTITIES[found.model]
    block_names = BLOCK_POINTS.get(found.model, fixed_names)
    end = found.length + 2
    places = [(point, point.offset, 0) for point in model.points]
    for block in range(model.blocks(found.length)):
        start = model.size + block * model.block_size
        places += [(point, start + point.offset, block + 1) for point in model.block]
    for point, offset, number in places:
        # Model 160 has a point "ID" in its block as every model has one at its head.
        name = (block_names if number else fixed_names).get(point.name, "").format(number)
        quantity = QUANTITIES.get(name)
        scale = scales[point.scale] if point.scale else None
        covered = offset >= 2 and offset + point.size <= end and (scale is None or scale < end)
        if quantity is None or not covered:
            continue
        yield Register(
            quantity=name,
            address=found.address + offset,
            table=TABLE,
            type=_NUMBER_TYPES[point.type][0],
            scale=_scale(point, quantity.unit),
            scale_address=None if scale is None else found.address + scale,
            invalid=absent(point),
        )


def absent(point: ModelPoint) -> tuple[int, ...]:
    """The raw bits with which a device says that a point has no value, the specification's first."""
    patterns = _NUMBER_TYPES[point.type][1]
    never = point.type == "float32" and point.unit.strip() in _NEVER_NEGATIVE
    return (*patterns, _MINUS_ZERO) if never else patterns


def _scale(point: ModelPoint, unit: str) -> Fraction:
    """What one of the point's units is in the quantity's; ValueError when the two do not fit."""
    word = point.unit.strip()
    given, factor = STATED_UNITS[_UNIT_SPELLING.get(word, word)] if word else (unit, Fraction(1))
    if given != unit:
        raise ValueError(f"SunSpec point {point.name} is in {point.unit}, its quantity in {unit}")
    return factor


def _layout(points: Sequence[Mapping[str, Any]]) -> tuple[ModelPoint, ...]:
    laid, offset = [], 0
    for point in points:
        scale, unit = str(point.get("sf", "")), str(point.get("units", ""))
        laid.append(ModelPoint(point["name"], offset, point["size"], point["type"], scale, unit))
        offset += point["size"]
    return tuple(laid)
