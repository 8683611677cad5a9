"""Plan the fastest requests for a device's registers, and the position of each value in a reading's image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from .block_places import BlockPlaces, block_places, heads, split
from .bus_time import FEWEST_REQUESTS, RequestCost
from .device import Device, DeviceLimits, Register, RegisterBlock, Table, ValidWhen
from .driver_errors import MapError, few_words
from .places import Field, Place, placed


@dataclass(frozen=True, slots=True)
class RegisterSpan:
    """Registers `first` to `last`, which one request must contain: a value, with all that it depends on."""

    table: Table
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Block:
    """A request: `count` registers of a table from `address`, and the spans that it covers."""

    table: Table
    address: int
    count: int
    spans: tuple[RegisterSpan, ...]


@dataclass(frozen=True, slots=True)
class RefusedRegisters:
    """Registers that a unit refused: `holes` are spans that do not exist; no request may cross a register of `cuts`.

    A request crosses a cut if it begins before the register and contains it. A cut marks where a refused request was
    split.
    """

    holes: frozenset[RegisterSpan] = frozenset()
    cuts: frozenset[tuple[Table, int]] = frozenset()

    def forbids(self, table: Table, first: int, last: int) -> bool:
        """Return whether the unit has refused such a request."""
        return any(hole.table == table and first <= hole.first and hole.last <= last for hole in self.holes) or any(
            cut_table == table and first < cut <= last for cut_table, cut in self.cuts
        )


NOTHING_REFUSED = RefusedRegisters()


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests to a device, and the position of each value in the image.

    The image contains the `spans` one after another, each with separate words: a value never mixes two answers, and
    its position does not depend on the requests. `blocks` read all spans; `fast_blocks` read the spans in `fast`, and
    any others that lie within the same requests. `twice` are scales, and high words apart, that do not fit a request
    with their values: they are read before and after the values, and are valid if both readings agree. A scale that
    changes in between would make the value wrong by a power of ten. So are headers of blocks with several requests.
    `checked` are the device's register blocks with planned values, and `headers` their headers by span: the words that
    every reading must contain there.
    """

    blocks: tuple[Block, ...]
    fast_blocks: tuple[Block, ...]
    spans: tuple[RegisterSpan, ...]
    fast: frozenset[RegisterSpan]
    positions: Mapping[RegisterSpan, int]
    words: int
    places: tuple[Place, ...]
    twice: frozenset[RegisterSpan]
    checked: tuple[BlockPlaces, ...]
    headers: Mapping[RegisterSpan, RegisterBlock]

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names in the order of `places`, of `fields` and of a decoded block."""
        return tuple(place.register.quantity for place in self.places)

    def fields(self) -> tuple[Field, ...]:
        """Return the decoder's fields, in the order of `places`."""
        index = {quantity: number for number, quantity in enumerate(self.quantities)}
        witnesses = [[index[name] for name in place.register.witnesses] or (-1, -1) for place in self.places]
        return tuple(
            place.field()._replace(active=active, apparent=apparent)
            for place, (active, apparent) in zip(self.places, witnesses, strict=True)
        )

    def factors(self) -> tuple[tuple[int, int], ...]:
        """Return the decoder's (target, factor) pairs: the decoder multiplies the target by the factor's value."""
        index = {quantity: number for number, quantity in enumerate(self.quantities)}
        return tuple(
            (number, index[factor]) for number, place in enumerate(self.places) for factor in place.register.factors
        )


def make_plan(
    device: Device,
    quantities: Collection[str] | None = None,
    cost: RequestCost = FEWEST_REQUESTS,
    slow: Collection[str] = (),
) -> Plan:
    """Return the fastest plan for these quantities (None: all), their factors and the states of their conditions.

    `fast_blocks` omit the `slow` quantities, unless a fast quantity needs them or no other quantity remains.
    MapError: the device lacks a quantity, or a value does not fit the device's limits.
    """
    limits = device.limits
    registers = _wanted(device, quantities)
    fast = _fast(device, registers, slow)
    headers = {RegisterSpan(*where): block for where, block in heads(device.blocks)}
    spans = _with_headers(_spans(registers, limits), headers)
    needed = frozenset(_with_headers(_spans(fast, limits), headers))
    positions: dict[RegisterSpan, int] = {}
    words = 0
    for span in spans:
        positions[span] = words
        words += span.last - span.first + 1
    twice = frozenset(span for register in registers for span in _lone_parts(register, limits))
    blocks = arrange(spans, limits, cost)
    twice |= {
        header for header, block in headers.items() if split(block, [(each.table, each.address) for each in blocks])
    }
    blocks = in_order(blocks, twice, limits, cost)
    fast_blocks = in_order(arrange(needed, limits, cost, along=spans), twice, limits, cost)
    places = tuple(_place(register, limits, positions) for register in registers)
    return Plan(
        blocks,
        blocks if len(fast) == len(registers) else fast_blocks,
        spans,
        needed,
        positions,
        words,
        places,
        twice,
        tuple(
            block_places(device.blocks, [(place.register, place.position, place.scale_position) for place in places])
        ),
        MappingProxyType({span: block for span, block in headers.items() if span in positions}),
    )


def arrange(
    wanted: Iterable[RegisterSpan],
    limits: DeviceLimits,
    cost: RequestCost,
    *,
    along: Iterable[RegisterSpan] | None = None,
    learned: RefusedRegisters = NOTHING_REFUSED,
) -> tuple[Block, ...]:
    """Return the fastest requests for the wanted spans, in the order of their registers.

    Each request covers all spans of `along` (None: the wanted spans) within it. To join two spans, a request may
    contain up to `limits.gap` unneeded registers. MapError: a span does not fit a request.
    """
    wanted = set(wanted)
    served = sorted(wanted if along is None else set(along), key=_order)
    blocks: list[Block] = []
    for table in sorted({span.table for span in wanted}):
        outer = _outermost(span for span in wanted if span.table == table)
        for first, count in _cheapest(outer, limits, cost, learned):
            last = first + count - 1
            inside = (span for span in served if span.table == table and first <= span.first and span.last <= last)
            blocks.append(Block(table, first, count, tuple(inside)))
    return tuple(blocks)


def in_order(
    blocks: Iterable[Block], twice: Collection[RegisterSpan], limits: DeviceLimits, cost: RequestCost
) -> tuple[Block, ...]:
    """Return requests in the order of sending: first those with spans read `twice`, last the same spans again.

    Between them, requests of equal shape are separated where possible: on RTU their answers are indistinguishable, so
    `rtu` sends an additional request between two neighbours of equal shape.
    """
    early = [block for block in blocks if not set(twice).isdisjoint(block.spans)]
    again = arrange({span for block in early for span in block.spans if span in twice}, limits, cost)
    return (*early, *_separated([block for block in blocks if block not in early]), *again)


def fills(span: RegisterSpan, block: Block, limits: DeviceLimits) -> bool:
    """Return whether a request for the span alone equals the block's request."""
    return _stretch(span.first, span.last, limits) == (block.address, block.count)


def spans_of(register: Register, limits: DeviceLimits) -> list[RegisterSpan]:
    """Return the span of a value with its companions; separate spans if they do not fit one request."""
    alone = [RegisterSpan(register.table, first, last) for first, last in register.parts]
    first, last = min(span.first for span in alone), max(span.last for span in alone)
    return alone if _stretch(first, last, limits) is None else [RegisterSpan(register.table, first, last)]


def _cheapest(
    spans: Sequence[RegisterSpan], limits: DeviceLimits, cost: RequestCost, learned: RefusedRegisters
) -> list[tuple[int, int]]:
    """Return (first, count) of the fastest requests for spans of one table, with ascending first and last registers.

    Every span between two spans of a request lies in the same request. So the best requests up to a span are a
    request that ends with the span, and the best requests for the spans before. Among equal durations, fewer requests
    win, then fewer registers.
    """
    bridges = [later.first - earlier.last - 1 <= limits.gap for earlier, later in pairwise(spans)]
    best: list[tuple[float, int, int, int]] = [
        (0.0, 0, 0, 0)
    ]  # seconds, requests, registers, first span of the last request
    for end, span in enumerate(spans):
        choices = []
        for start in range(end, -1, -1):
            stretch = _stretch(spans[start].first, span.last, limits)
            alone = start == end
            if stretch is None or not (alone or bridges[start]):
                break  # longer requests are not possible either
            if not alone and learned.forbids(span.table, stretch[0], stretch[0] + stretch[1] - 1):
                break
            requests, registers = best[start][1] + 1, best[start][2] + stretch[1]
            choices.append((cost.request * requests + cost.register * registers, requests, registers, start))
        if not choices:
            raise MapError([_misfit(span, limits)])
        best.append(min(choices))
    stretches: list[tuple[int, int]] = []
    end = len(spans)
    while end:
        start = best[end][3]
        stretch = _stretch(spans[start].first, spans[end - 1].last, limits)
        assert stretch is not None  # checked in the loop above
        stretches.append(stretch)
        end = start
    return stretches[::-1]


def _separated(blocks: Sequence[Block]) -> list[Block]:
    """Return blocks in the given order; if neighbours have equal shapes, the most frequent shapes first."""
    shapes = [(block.table, block.count) for block in blocks]
    if all(earlier != later for earlier, later in pairwise(shapes)):
        return list(blocks)
    left: dict[tuple[Table, int], list[Block]] = {}
    for shape, block in zip(shapes, blocks, strict=True):
        left.setdefault(shape, []).append(block)
    ordered: list[Block] = []
    last = None
    while left:
        shape = max(left, key=lambda shape: (shape != last, len(left[shape])))
        ordered.append(left[shape].pop(0))
        last = shape
        if not left[shape]:
            del left[shape]
    return ordered


def _outermost(spans: Iterable[RegisterSpan]) -> list[RegisterSpan]:
    """Return spans of one table that lie in no other span, ascending."""
    outer: list[RegisterSpan] = []
    for span in sorted(spans, key=lambda span: (span.first, -span.last)):
        if not outer or span.last > outer[-1].last:
            outer.append(span)
    return outer


def _stretch(first: int, last: int, limits: DeviceLimits) -> tuple[int, int] | None:
    """Return first register and count of a request for first to last; None if the limits forbid it."""
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
    needed = _with_needed(device, _checked(device, quantities))
    return [register for register in device.registers if register.quantity in needed]


def _fast(device: Device, registers: Sequence[Register], slow: Collection[str]) -> Sequence[Register]:
    """Return the fast registers and all that they need; all registers if there is no fast register."""
    _checked(device, slow)
    needed = _with_needed(device, {register.quantity for register in registers if register.quantity not in slow})
    return [register for register in registers if register.quantity in needed] or registers


def _checked(device: Device, quantities: Collection[str]) -> Collection[str]:
    unknown = [name for name in quantities if name not in device.quantities]
    if unknown:
        raise MapError(
            [f"{device.name}: no quantity {name!r}; {few_words(name, device.quantities)}" for name in unknown]
        )
    return quantities


def _with_needed(device: Device, quantities: Collection[str]) -> set[str]:
    """Return the quantities, the states that tell whether they are valid, and the factors and witnesses of all."""
    states = {condition.state for condition in device.conditions if covered(condition, quantities)}
    return {
        name
        for register in device.registers
        if register.quantity in quantities or register.quantity in states
        for name in (register.quantity, *register.factors, *register.witnesses)
    }


def covered(condition: ValidWhen, quantities: Collection[str]) -> set[str]:
    """Return the quantities that a condition covers: all but its state if it names none."""
    return (set(condition.quantities) or set(quantities) - {condition.state}) & set(quantities)


def _spans(registers: Iterable[Register], limits: DeviceLimits) -> tuple[RegisterSpan, ...]:
    return tuple(sorted({span for register in registers for span in spans_of(register, limits)}, key=_order))


def _with_headers(
    spans: Iterable[RegisterSpan], headers: Mapping[RegisterSpan, RegisterBlock]
) -> tuple[RegisterSpan, ...]:
    """Return the spans, and the headers of the blocks that contain them."""
    found = set(spans)
    needed = {
        header for header, block in headers.items() if any(block.covers(span.table, span.first) for span in found)
    }
    return tuple(sorted(found | needed, key=_order))


def _order(span: RegisterSpan) -> tuple[Table, int, int]:
    return span.table, span.first, span.last


def _lone_parts(register: Register, limits: DeviceLimits) -> Iterator[RegisterSpan]:
    """Yield the spans that must be read twice: a scale and a high word that do not fit a request with their value."""
    if len(spans_of(register, limits)) == 1:
        return
    if register.scale_address is not None:
        yield RegisterSpan(register.table, register.scale_address, register.scale_address)
    if register.low_address is not None:
        yield RegisterSpan(register.table, register.address, register.address)


def _place(register: Register, limits: DeviceLimits, positions: Mapping[RegisterSpan, int]) -> Place:
    spans = spans_of(register, limits)

    def position(address: int) -> int:
        return next(positions[span] + address - span.first for span in spans if span.first <= address <= span.last)

    return placed(register, position)


def _misfit(span: RegisterSpan, limits: DeviceLimits) -> str:
    windows = "; ".join(f"{low}-{high}" for low, high in limits.windows) or "none"
    return (
        f"registers {span.first}-{span.last} ({span.table}) do not fit one request: at most "
        f"{limits.max_registers} registers, even {str(limits.even).lower()}, windows {windows}"
    )
