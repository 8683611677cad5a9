"""SunSpec: definitions of models, models found on a device, and their registers.

Offsets, types, scale factors and units are from the model definitions in pysunspec2's data files. The "not
implemented" values are from the SunSpec Technology Overview 12040 v1.4, plus values that devices send instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

from wattgram_drivers.device import Register, RegisterBlock, Table, Type
from wattgram_drivers.quantity import QUANTITIES, STATED_UNITS

from .points import BLOCK_POINTS, POINT_QUANTITIES, RUNNING_STATES

TABLE: Table = "holding"

MARKER = b"SunS"
"""First two registers of a chain of models."""

END = 0xFFFF
"""Model number at the end of a chain."""

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
    # An unsupported accumulator is 0 (12040). SMA marks missing values with the largest number of any type
    # (sunspec/pysunspec issue 74); a real counter has this value for one second in years.
    "acc16": ("u16", (0, 0xFFFF)),
    "acc32": ("u32", (0, 0xFFFFFFFF)),
    "acc64": ("u64", (0, (1 << 64) - 1)),
    "float32": (
        "f32",
        (
            0x7FC00000,  # the NaN of 12040; the decoder treats every other NaN as not available, too
            0x00007FC0,  # NaN with its words swapped: 4.58e-41
            0x0000FFC0,
            0x00007F80,  # infinity with its words swapped
            0x0000FF80,
            0x00008000,  # "not implemented" of int32 or int16, in one word or both: 4.59e-41
            0x80008000,
            0x0000FFFF,  # "not implemented" of uint16: 9.18e-41
            0xFF7FFFFF,  # lowest float: WillCodeForCats/solaredge-modbus-multi issue 123, jbuehl/solaredge issue 50
            0x7F7FFFFF,  # evcc-io/evcc issue 4989
        ),
    ),
    "float64": ("f64", ()),
}
"""Register type of each numeric SunSpec type, and its "not implemented" values, the specification's first."""

_MINUS_ZERO = 0x80000000
_NEVER_NEGATIVE = ("V", "Hz", "WH", "Wh", "VAh", "varh")
"""Units of floats without a negative zero: there, 0x80000000 is int32's "not implemented"."""

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
    "HPa": "hPa",
    "mps": "m/s",
}
"""SunSpec's spelling of units. The meter models write PF for percent, as in the inverter models."""


_PERCENT_OR_RATIO = ("Pct", "PF")
"""Units of power factors. The definitions mean percent (Fronius, SolarEdge); SMA, Kostal, Veris, Elkor and AccuEnergy
send a ratio, which active and apparent power of the same reading show."""


@dataclass(frozen=True, slots=True)
class ModelPoint:
    """A point of a model. offset: from the ID register, or from the start of its repeating block.

    scale: name of the point with the scale factor, or the decimal exponent itself.
    """

    name: str
    offset: int
    size: int
    type: str
    scale: str
    unit: str

    @property
    def exponent(self) -> int | None:
        """Decimal exponent of the definition, None for a point with a scale factor register or without a scale."""
        return int(self.scale) if re.fullmatch(r"-?\d+", self.scale) else None


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """A model's definition: fixed points, and the points of its repeating block (empty for none)."""

    points: tuple[ModelPoint, ...]
    block: tuple[ModelPoint, ...]

    @property
    def size(self) -> int:
        """Number of registers of the fixed part, including ID and L."""
        return sum(point.size for point in self.points)

    @property
    def block_size(self) -> int:
        """Number of registers of a repeating block."""
        return sum(point.size for point in self.block)

    def blocks(self, length: int) -> int:
        """Return the number of repeating blocks in a model with L = `length`."""
        return max(0, length + 2 - self.size) // self.block_size if self.block else 0


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on a device: number, address of the ID register, and L."""

    model: int
    address: int
    length: int


def definition(number: int) -> ModelDefinition:
    """Return a model's definition from pysunspec2's data."""
    path = resources.files("sunspec2").joinpath("models", "json", f"model_{number}.json")
    group = json.loads(path.read_text(encoding="utf-8"))["group"]
    blocks = group.get("groups", [])
    return ModelDefinition(_layout(group["points"]), _layout(blocks[0]["points"]) if blocks else ())


def registers(found: FoundModel) -> Iterator[Register]:
    """Yield the registers of a model within its L that have a quantity.

    A point with a scale factor beyond L has no value, hence no register.
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
        # Model 160 has a point "ID" in its block, beside the ID at the head of every model.
        name = (block_names if number else fixed_names).get(point.name, "").format(number)
        if number > 1 and f"{name}_{number}" in QUANTITIES:  # the sensors of a weather station
            name = f"{name}_{number}"
        quantity = QUANTITIES.get(name)
        scale = scales.get(point.scale)
        covered = offset >= 2 and offset + point.size <= end and (scale is None or scale < end)
        if quantity is None or not covered:
            continue
        percent = quantity.name.startswith("power_factor") and point.unit.strip() in _PERCENT_OR_RATIO
        yield Register(
            quantity=name,
            address=found.address + offset,
            table=TABLE,
            type=_NUMBER_TYPES[point.type][0],
            scale=_scale(point, quantity.unit),
            scale_address=None if scale is None else found.address + scale,
            invalid=absent(point),
            encoding="percent-or-ratio" if percent else "plain",
            witnesses=_witnesses(name) if percent else (),
        )


def _witnesses(power_factor: str) -> tuple[str, str]:
    """Return the active and the apparent power of the same point."""
    point = power_factor.removeprefix("power_factor_")
    return f"active_power_{point}", f"apparent_power_{point}"


def register_block(found: FoundModel) -> RegisterBlock:
    """Return a model as a block: ID and L are its header."""
    model = definition(found.model)
    codes = [found.address + point.offset for point in model.points if _is_code(point)]
    for block in range(model.blocks(found.length)):
        start = found.address + model.size + block * model.block_size
        codes += [start + point.offset for point in model.block if _is_code(point)]
    state, running = RUNNING_STATES.get(found.model, ("", ()))
    return RegisterBlock(
        f"SunSpec model {found.model}",
        TABLE,
        found.address,
        found.address + 1 + found.length,
        (found.model, found.length),
        tuple(codes),
        state,
        running,
    )


def _is_code(point: ModelPoint) -> bool:
    """Return whether a point is a state, a number or a set of bits, not a measured value."""
    return point.type.startswith(("enum", "bitfield", "count")) or point.name in ("ID", "N", "NStr", "NPrt", "Idx")


def has_value(found: FoundModel, octets: bytes, *, scales: bool) -> bool:
    """Return whether a model's points, from its third register on in `octets`, contain a value other than 0.

    States, numbers and bits are no values: a device that is not there has a state, too. scales: scale factors are.
    """
    model = definition(found.model)
    places = [(point, point.offset) for point in model.points]
    for block in range(model.blocks(found.length)):
        places += [(point, model.size + block * model.block_size + point.offset) for point in model.block]
    for point, offset in places:
        scale = point.type == "sunssf"
        if offset < 2 or _is_code(point) or point.type in ("pad", "string") or (scale and not scales):
            continue
        bits = int.from_bytes(octets[2 * offset - 4 : 2 * (offset + point.size) - 4], "big")
        ones = (1 << 16 * point.size) - 1  # what a device without content sends, whatever the type
        if bits not in (0, ones, *((0x8000,) if scale else absent(point))):
            return True
    return False


def absent(point: ModelPoint) -> tuple[int, ...]:
    """Return the raw bits for "no value" of a point, the specification's first."""
    patterns = _NUMBER_TYPES[point.type][1]
    non_negative = point.type == "float32" and point.unit.strip() in _NEVER_NEGATIVE
    return (*patterns, _MINUS_ZERO) if non_negative else patterns


def _scale(point: ModelPoint, unit: str) -> Fraction:
    """Return the factor from the point's unit to the quantity's. ValueError: the units do not match."""
    word = point.unit.strip()
    base, factor = STATED_UNITS[_UNIT_SPELLING.get(word, word)] if word else (unit, Fraction(1))
    if base != unit:
        raise ValueError(f"SunSpec point {point.name} is in {point.unit}, its quantity in {unit}")
    return factor if point.exponent is None else factor * Fraction(10) ** point.exponent


def _layout(points: Sequence[Mapping[str, Any]]) -> tuple[ModelPoint, ...]:
    placed, offset = [], 0
    for point in points:
        scale, unit = str(point.get("sf", "")), str(point.get("units", ""))
        placed.append(ModelPoint(point["name"], offset, point["size"], point["type"], scale, unit))
        offset += point["size"]
    return tuple(placed)
