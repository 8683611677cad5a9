"""From registers to the requests that cost a bus the fewest seconds, and where each value lies in a reading's image."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from .device import Device, DeviceLimits, Register, Table
from .driver_errors import MapError
from .endpoint import Endpoint, Scheme
from .quantity import QUANTITIES

TURNAROUND: Mapping[Scheme, float] = MappingProxyType(
    {"tcp": 0.005, "udp": 0.005, "tls": 0.005, "rtutcp": 0.02, "rtu": 0.02, "ascii": 0.02}
)
"""Seconds between a request and its answer beyond their time on the wire, assumed: no map states them.

A serial unit needs 20 to 50 ms (FlowFuse/website issue 4805); mbmd's README counts 33 ms a request in all, wire
included, so the quick end is taken. On TCP it is a round trip in the plant's own network and the device's own time;
what a gateway's serial line behind it takes cannot be known here.
"""

OVERHEAD = 13
"""Characters of an RTU request (8) and of its answer without the registers (5)."""

_FAST_UNITS = ("W", "var", "VA", "V", "A", "Hz")
_SETTING = re.compile(r"(^|_)(rated|limit|nominal|reference|setpoint|enable)(_|$)|^max_current|^battery_max_")


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
class RegisterSpan:
    """Registers `first` to `last` that must come in one request: a value, with its scale and direction."""

    table: Table
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers of a table from `address`, and the spans that it serves."""

    table: Table
    address: int
    count: int
    spans: tuple[RegisterSpan, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """What a bus pays for reading: seconds a request, and seconds for each register in it."""

    request: float
    register: float

    def seconds(self, blocks: Iterable[Block]) -> float:
        """Seconds that the bus is busy with these requests."""
        return sum(self.request + self.register * block.count for block in blocks)


FEWEST = Price(1.0, 0.0)
"""Counts requests: for whoever has no bus in mind."""


def price_of(endpoint: Endpoint, limits: DeviceLimits) -> Price:
    """What a request to a device costs at an endpoint.

    On a serial line 13 characters and the silence after which the unit takes the request as ended; then its
    turnaround, and the silence before the next request: the line's, or the device's own where that is longer. Two
    characters a register. On a network a turnaround and the device's own silence; registers cost nothing.
    """
    letters = 2 if endpoint.scheme == "ascii" else 1  # two characters an octet
    wire = letters * OVERHEAD * endpoint.character + endpoint.silence
    pause = max(endpoint.silence, limits.request_delay)
    return Price(wire + TURNAROUND[endpoint.scheme] + pause, 2 * letters * endpoint.character)


@dataclass(frozen=True, slots=True)
class RefusedRegisters:
    """What a unit refused: `holes` are spans that it does not have, no request may pass a register of `cuts`.

    A request that passes a cut begins before it and reaches it: there a refused request was split.
    """

    holes: frozenset[RegisterSpan] = frozenset()
    cuts: frozenset[tuple[Table, int]] = frozenset()

    def forbids(self, table: Table, first: int, last: int) -> bool:
        """Whether a request for these registers is known to be refused."""
        return any(one.table == table and first <= one.first and one.last <= last for one in self.holes) or any(
            where == table and first < cut <= last for where, cut in self.cuts
        )


NOTHING_REFUSED = RefusedRegisters()


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
    """What to read of a device, and the place of each value in the image.

    The image holds the `spans` one after another, each with words of its own, so that a value is never made of two
    answers and its place does not depend on the requests. `blocks` read all spans; `fast_blocks` those in `fast`,
    and any others that lie within them. `twice` are scales that cannot come in one request with their values: they
    are read before and after, and count where both are the same. One that moves in between is a power of ten.
    """

    blocks: tuple[Block, ...]
    fast_blocks: tuple[Block, ...]
    spans: tuple[RegisterSpan, ...]
    fast: frozenset[RegisterSpan]
    positions: Mapping[RegisterSpan, int]
    words: int
    places: tuple[Place, ...]
    twice: frozenset[RegisterSpan] = frozenset()

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


def make_plan(
    device: Device,
    quantities: Collection[str] | None = None,
    price: Price = FEWEST,
    slow: Collection[str] = (),
) -> Plan:
    """The cheapest plan for these quantities (all when None), and for what they are multiplied by.

    `slow` ones are not in `fast_blocks`, unless a fast one is multiplied by them or nothing else is left. MapError
    when a quantity is not one of the device's, or a value does not fit the device's limits.
    """
    limits = device.limits
    registers = _wanted(device, quantities)
    fast = _fast(device, registers, slow)
    spans = _spans(registers, limits)
    needed = frozenset(_spans(fast, limits))
    positions: dict[RegisterSpan, int] = {}
    words = 0
    for span in spans:
        positions[span] = words
        words += span.last - span.first + 1
    twice = frozenset(span for register in registers for span in _lone_scale(register, limits))
    blocks = in_order(arrange(spans, limits, price), twice, limits, price)
    few = in_order(arrange(needed, limits, price, along=spans), twice, limits, price)
    return Plan(
        blocks,
        blocks if len(fast) == len(registers) else few,
        spans,
        needed,
        positions,
        words,
        tuple(_place(register, limits, positions) for register in registers),
        twice,
    )


def is_slow(quantity: str) -> bool:
    """Whether it changes slowly: all but power, current, voltage, frequency and power factor as they are now.

    A battery's charge is not slow either: it is shown beside its power, and is absent where it is not read.
    """
    measured = QUANTITIES[quantity].unit in _FAST_UNITS or "power_factor" in quantity or quantity == "battery_soc"
    return not measured or _SETTING.search(quantity) is not None


def arrange(
    wanted: Iterable[RegisterSpan],
    limits: DeviceLimits,
    price: Price,
    *,
    along: Iterable[RegisterSpan] | None = None,
    learned: RefusedRegisters = NOTHING_REFUSED,
) -> tuple[Block, ...]:
    """The cheapest requests for the wanted spans, in the order of their registers.

    Each serves all spans of `along` (the wanted ones when None) that lie within it. Up to `limits.gap` registers
    that no wanted span needs are read to join two spans. MapError when a span fits no request.
    """
    wanted = set(wanted)
    served = sorted(wanted if along is None else set(along), key=_order)
    blocks: list[Block] = []
    for table in sorted({span.table for span in wanted}):
        outer = _outermost(span for span in wanted if span.table == table)
        for first, count in _cheapest(outer, limits, price, learned):
            last = first + count - 1
            inside = (one for one in served if one.table == table and first <= one.first and one.last <= last)
            blocks.append(Block(table, first, count, tuple(inside)))
    return tuple(blocks)


def in_order(
    blocks: Iterable[Block], twice: Collection[RegisterSpan], limits: DeviceLimits, price: Price
) -> tuple[Block, ...]:
    """The order in which requests are sent: those with scales that are read `twice` first, and their scales again.

    Others that look alike are kept apart where that is possible: on RTU nothing else tells their answers apart, and
    `rtu` asks a question more between them.
    """
    scales = [block for block in blocks if not set(twice).isdisjoint(block.spans)]
    again = arrange({span for block in scales for span in block.spans if span in twice}, limits, price)
    return (*scales, *_apart([block for block in blocks if block not in scales]), *again)


def fills(span: RegisterSpan, block: Block, limits: DeviceLimits) -> bool:
    """Whether a request for the span alone would be the very request of the block."""
    return _stretch(span.first, span.last, limits) == (block.address, block.count)


def spans_of(register: Register, limits: DeviceLimits) -> list[RegisterSpan]:
    """One span of the value with its companions; one each when they lie too far apart for one request."""
    value = RegisterSpan(register.table, register.address, register.address + register.words - 1)
    alone = [value, *(RegisterSpan(register.table, each, each) for each in register.companions)]
    first, last = min(span.first for span in alone), max(span.last for span in alone)
    return alone if _stretch(first, last, limits) is None else [RegisterSpan(register.table, first, last)]


def _cheapest(
    spans: Sequence[RegisterSpan], limits: DeviceLimits, price: Price, learned: RefusedRegisters
) -> list[tuple[int, int]]:
    """(first, count) of the cheapest requests for spans of one table whose firsts and lasts both ascend.

    Such spans are served by neighbours: whoever is wanted between two spans of a request lies in it, too. So the
    best way to serve the spans up to one is a request that ends with it and the best way to serve those before.
    Of equal prices fewer requests win, then fewer registers.
    """
    bridges = [later.first - earlier.last - 1 <= limits.gap for earlier, later in pairwise(spans)]
    best: list[tuple[float, int, int, int]] = [(0.0, 0, 0, 0)]  # seconds, requests, registers, its first span
    for end, span in enumerate(spans):
        choices = []
        for start in range(end, -1, -1):
            stretch = _stretch(spans[start].first, span.last, limits)
            alone = start == end
            if stretch is None or not (alone or bridges[start]):
                break  # what is longer still is not possible either
            if not alone and learned.forbids(span.table, stretch[0], stretch[0] + stretch[1] - 1):
                break
            requests, registers = best[start][1] + 1, best[start][2] + stretch[1]
            choices.append((price.request * requests + price.register * registers, requests, registers, start))
        if not choices:
            raise MapError([_misfit(span, limits)])
        best.append(min(choices))
    made: list[tuple[int, int]] = []
    end = len(spans)
    while end:
        start = best[end][3]
        stretch = _stretch(spans[start].first, spans[end - 1].last, limits)
        assert stretch is not None  # it was possible above
        made.append(stretch)
        end = start
    return made[::-1]


def _apart(blocks: Sequence[Block]) -> list[Block]:
    """In the order given, unless two neighbours look alike; then the shapes that are left most often go first."""
    shapes = [(block.table, block.count) for block in blocks]
    if all(one != other for one, other in pairwise(shapes)):
        return list(blocks)
    left: dict[tuple[Table, int], list[Block]] = {}
    for shape, block in zip(shapes, blocks, strict=True):
        left.setdefault(shape, []).append(block)
    ordered: list[Block] = []
    last = None
    while left:
        shape = max(left, key=lambda one: (one != last, len(left[one])))
        ordered.append(left[shape].pop(0))
        last = shape
        if not left[shape]:
            del left[shape]
    return ordered


def _outermost(spans: Iterable[RegisterSpan]) -> list[RegisterSpan]:
    """Those of one table that lie in no other, ascending."""
    outer: list[RegisterSpan] = []
    for span in sorted(spans, key=lambda one: (one.first, -one.last)):
        if not outer or span.last > outer[-1].last:
            outer.append(span)
    return outer


def _stretch(first: int, last: int, limits: DeviceLimits) -> tuple[int, int] | None:
    """First register and count of the request that covers first to last, or None when the limits forbid it."""
    if limits.even:
        first -= first % 2
        last += (last - first + 1) % 2
    if last - first + 1 > limits.max_registers or last > 0xFFFF:
        return None
    if limits.windows and not any(low <= first and last <= high for low, high in limits.windows):
        return None
    return first, last - first + 1


def _wanted(device: Device, quantities: Collection[str] | None) -> list[Register]:
    if quantities is None:
        return list(device.registers)
    needed = _with_factors(device, _known(device, quantities))
    return [register for register in device.registers if register.quantity in needed]


def _fast(device: Device, registers: Sequence[Register], slow: Collection[str]) -> Sequence[Register]:
    """The registers that are not slow, and their factors; all when that leaves none."""
    _known(device, slow)
    needed = _with_factors(device, {one.quantity for one in registers if one.quantity not in slow})
    return [one for one in registers if one.quantity in needed] or registers


def _known(device: Device, quantities: Collection[str]) -> Collection[str]:
    unknown = [name for name in quantities if name not in device.quantities]
    if unknown:
        offered = ", ".join(device.quantities)
        raise MapError([f"{device.name}: no quantity {name!r}; it has {offered}" for name in unknown])
    return quantities


def _with_factors(device: Device, quantities: Collection[str]) -> set[str]:
    return {
        name
        for register in device.registers
        if register.quantity in quantities
        for name in (register.quantity, *register.factors)
    }


def _spans(registers: Iterable[Register], limits: DeviceLimits) -> tuple[RegisterSpan, ...]:
    return tuple(sorted({span for register in registers for span in spans_of(register, limits)}, key=_order))


def _order(span: RegisterSpan) -> tuple[Table, int, int]:
    return span.table, span.first, span.last


def _lone_scale(register: Register, limits: DeviceLimits) -> Iterator[RegisterSpan]:
    """The span of a scale that cannot come in one request with its value."""
    address = register.scale_address
    if address is not None and len(spans_of(register, limits)) > 1:
        yield RegisterSpan(register.table, address, address)


def _place(register: Register, limits: DeviceLimits, positions: Mapping[RegisterSpan, int]) -> Place:
    spans = spans_of(register, limits)

    def position(address: int) -> int:
        return next(positions[one] + address - one.first for one in spans if one.first <= address <= one.last)

    scale, direction = register.scale_address, register.direction
    return Place(
        register,
        position(register.address),
        -1 if scale is None else position(scale),
        -1 if direction is None else position(direction.address),
    )


def _misfit(span: RegisterSpan, limits: DeviceLimits) -> str:
    windows = "; ".join(f"{low}-{high}" for low, high in limits.windows) or "none"
    return (
        f"registers {span.first}-{span.last} ({span.table}) do not fit one request: at most "
        f"{limits.max_registers} registers, even {str(limits.even).lower()}, windows {windows}"
    )
