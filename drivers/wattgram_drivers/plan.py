"""From registers to the fewest requests that a device allows, and where each value lies in the answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

from .device import Device, Limits, Register, Table
from .errors import MapError


class Field(NamedTuple):
    """How a decoder reads one value: see `wattgram_ext.decode`, which takes it in this order."""

    position: int
    type: str
    little: bool
    numerator: float
    denominator: float
    scale_position: int
    invalid: tuple[int, ...]
    offset: float
    quadrants: bool
    direction_position: int
    mask: int
    negative: int


@dataclass(frozen=True, slots=True)
class Span:
    """Registers `first` to `last` that must come in one request: a value, with its scale and direction."""

    table: Table
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Request:
    """One read: `count` registers of a table from `address`, and the spans that it serves."""

    table: Table
    address: int
    count: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One read and its place in the image: the word at which its registers begin."""

    table: Table
    address: int
    count: int
    position: int
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a register's value begins in the image, and its scale and direction (-1 = it has none)."""

    register: Register
    position: int
    scale_position: int = -1
    direction_position: int = -1

    def field(self) -> Field:
        """The decoder's field."""
        one = self.register
        return Field(
            self.position,
            one.type,
            one.word_order == "little",
            float(one.scale.numerator),
            float(one.scale.denominator),
            self.scale_position,
            one.invalid,
            float(one.offset),
            one.encoding == "four-quadrant",
            self.direction_position,
            one.direction.mask if one.direction else 0,
            one.direction.negative if one.direction else 0,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Blocks to read in their order, words of the image that they fill, and the place of each value in it.

    `twice` has the two positions of each scale that cannot come in one request with its values: it is read before
    and after them, and counts where both are the same. A scale that moves in between would be a power of ten.
    """

    blocks: tuple[Block, ...]
    words: int
    places: tuple[Place, ...]
    twice: tuple[tuple[int, int], ...] = ()

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names in the order of `places`, of `fields` and so of a decoded block."""
        return tuple(place.register.quantity for place in self.places)

    def fields(self) -> tuple[Field, ...]:
        """A decoder's fields, one a place."""
        return tuple(place.field() for place in self.places)

    def factors(self) -> tuple[tuple[int, int], ...]:
        """A decoder's (target, factor) pairs: the target is multiplied by the factor's value."""
        index = {quantity: number for number, quantity in enumerate(self.quantities)}
        return tuple(
            (number, index[factor]) for number, place in enumerate(self.places) for factor in place.register.factors
        )


def make_plan(device: Device, quantities: Collection[str] | None = None) -> Plan:
    """The plan for these quantities (all when None), and for what they are multiplied by.

    MapError when a quantity is not one of the device's, or a value does not fit the device's limits.
    """
    registers = _wanted(device, quantities)
    lone = {register: span for register in registers if (span := _lone_scale(register, device.limits))}
    spans = {span for register in registers for span in spans_of(register, device.limits)}
    scales = coalesce(lone.values(), device.limits)
    blocks = []
    words = 0
    for request in [*scales, *coalesce(spans - set(lone.values()), device.limits), *scales]:
        blocks.append(Block(request.table, request.address, request.count, words, request.spans))
        words += request.count
    last = blocks[len(blocks) - len(scales) :]
    places = tuple(_place(register, blocks, last if register in lone else ()) for register in registers)
    twice = {(_position(blocks, *place), _position(last, *place)) for place in map(astuple, lone.values())}
    return Plan(tuple(blocks), words, places, tuple(sorted(twice)))


def coalesce(spans: Iterable[Span], limits: Limits, gap: int | None = None) -> list[Request]:
    """The fewest requests within the limits; `gap` overrides the device's. MapError when a span fits none."""
    allowed = limits.gap if gap is None else gap
    requests: list[Request] = []
    for span in sorted(set(spans), key=lambda each: (each.table, each.first, each.last)):
        if requests and requests[-1].table == span.table:
            before = requests[-1]
            start = before.spans[0].first
            reach = max(each.last for each in before.spans)
            joined = _request(start, max(reach, span.last), (*before.spans, span), limits)
            if joined is not None and span.first - reach - 1 <= allowed:
                requests[-1] = joined
                continue
        alone = _request(span.first, span.last, (span,), limits)
        if alone is None:
            raise MapError([_misfit(span, limits)])
        requests.append(alone)
    return requests


def _wanted(device: Device, quantities: Collection[str] | None) -> list[Register]:
    if quantities is None:
        return list(device.registers)
    unknown = [name for name in quantities if name not in device.quantities]
    if unknown:
        offered = ", ".join(device.quantities)
        raise MapError([f"{device.name}: no quantity {name!r}; it has {offered}" for name in unknown])
    needed = set(quantities)
    needed.update(factor for register in device.registers if register.quantity in needed for factor in register.factors)
    return [register for register in device.registers if register.quantity in needed]


def spans_of(register: Register, limits: Limits) -> list[Span]:
    """One span of the value with its companions; one each when they lie too far apart for one request."""
    value = Span(register.table, register.address, register.address + register.words - 1)
    alone = [value, *(Span(register.table, each, each) for each in register.companions)]
    first, last = min(span.first for span in alone), max(span.last for span in alone)
    together = Span(register.table, first, last)
    return [together] if _request(first, last, (together,), limits) else alone


def _lone_scale(register: Register, limits: Limits) -> Span | None:
    """The span of a scale that cannot come in one request with its value; None when it can, or there is none."""
    address = register.scale_address
    if address is None or len(spans_of(register, limits)) == 1:
        return None
    return Span(register.table, address, address)


def _request(first: int, last: int, spans: tuple[Span, ...], limits: Limits) -> Request | None:
    """The request that covers first to last, or None when the limits forbid it."""
    start, end = first, last
    if limits.even:
        start -= start % 2
        end += (end - start + 1) % 2
    if end - start + 1 > limits.max_registers or end > 0xFFFF:
        return None
    if limits.windows and not any(low <= start and end <= high for low, high in limits.windows):
        return None
    return Request(spans[0].table, start, end - start + 1, spans)


def _place(register: Register, blocks: Sequence[Block], scales: Sequence[Block]) -> Place:
    """Where a register lies in the blocks; `scales` are those that hold its scale when that comes apart."""
    last = register.address + register.words - 1
    lowest = min(register.address, *register.companions, last)
    highest = max(last, *register.companions, last)
    together = [block for block in blocks if _covers(block, register.table, lowest, highest)] or blocks
    scale, direction = register.scale_address, register.direction
    return Place(
        register,
        _position(together, register.table, register.address, last),
        -1 if scale is None else _position(scales or together, register.table, scale, scale),
        -1 if direction is None else _position(together, register.table, direction.address, direction.address),
    )


def _position(blocks: Sequence[Block], table: Table, first: int, last: int) -> int:
    block = next(each for each in blocks if _covers(each, table, first, last))
    return block.position + first - block.address


def _covers(block: Block, table: Table, first: int, last: int) -> bool:
    return block.table == table and block.address <= first and last < block.address + block.count


def _misfit(span: Span, limits: Limits) -> str:
    windows = "; ".join(f"{low}-{high}" for low, high in limits.windows) or "none"
    return (
        f"registers {span.first}-{span.last} ({span.table}) do not fit one request: at most "
        f"{limits.max_registers} registers, even {str(limits.even).lower()}, windows {windows}"
    )
