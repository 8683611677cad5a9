"""Reads one unit of a bus by its plan, within a time, and learns which registers the unit does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from math import inf
from typing import Protocol

from .device import Device, Reading, Table
from .driver_errors import BadAnswer, DriverError, Refused
from .plan import (
    FEWEST,
    Block,
    Plan,
    Price,
    RefusedRegisters,
    RegisterSpan,
    arrange,
    fills,
    in_order,
    make_plan,
    spans_of,
)

RETRY_SECONDS = 3600.0
"""Seconds after which registers that were refused are asked for again: firmware and settings change."""

REFUSED_REQUESTS = 8
"""Refused requests in one reading; the learning goes on at the next, so that neighbours on the bus need not wait."""

_NOT_THERE = (2, 3)
"""Exceptions that concern the registers asked for: illegal data address, illegal data value (or count)."""

_MS = 1_000_000


class Bus(Protocol):
    """What a reader needs of a bus."""

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float,  # noqa: ASYNC109 - a fact of the device, on its way to the one who waits
        delay: float,
        deadline: float | None = None,
    ) -> bytes:
        """The registers' octets as on the wire.

        `delay` is the silence in seconds that the unit needs between two requests, `timeout` what one answer
        may take, `deadline` the loop's time at which it must be there whatever the time-out says. Refused,
        NoAnswer, BadAnswer or BusDown when it fails.
        """
        ...


class Clock(Protocol):
    """What a reader needs of a clock."""

    def time(self) -> int:
        """UTC in ns."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that is never set."""
        ...


class _Round:
    """A reading while it is being made: its words, its time, and what has come between."""

    def __init__(self, plan: Plan, bus: Bus, clock: Clock, within: float | None) -> None:
        self.bus = bus
        self.octets = bytearray(2 * plan.words)
        self.valid = bytearray(plan.words)
        self.stamp: tuple[int, float] | None = None
        self.refused = 0
        self.failure: DriverError | None = None
        self.refusal: Refused | None = None
        self.missed: set[RegisterSpan] = set()
        self._plan = plan
        self._settled: set[RegisterSpan] = set()
        self.clock = clock
        self._loop = asyncio.get_running_loop()
        self.deadline = None if within is None else self._loop.time() + within

    @property
    def left(self) -> float:
        """Real seconds until the deadline."""
        return inf if self.deadline is None else self.deadline - self._loop.time()

    def put(self, block: Block, answer: bytes) -> None:
        """The words of a block's spans; the first ones stamp the reading."""
        if self.stamp is None:
            self.stamp = self.clock.time() // _MS * _MS, self.clock.monotonic()
        for span in block.spans:
            position, offset, count = self._plan.positions[span], span.first - block.address, span.last - span.first + 1
            words, place = answer[2 * offset : 2 * (offset + count)], slice(2 * position, 2 * (position + count))
            if span in self._plan.twice and self.valid[position] and self.octets[place] == words:
                self._settled.add(span)
            self.octets[place] = words
            self.valid[position : position + count] = b"\1" * count

    def settle(self) -> None:
        """A scale that is to be read twice and was not the same both times is not known."""
        for span in self._plan.twice - self._settled:
            self.valid[self._plan.positions[span]] = 0


class Reader:
    """One device at one unit address; `plan` says how to decode what `read` returns.

    A request that the unit refuses for its registers is split until the illegal ones are known, over several
    readings where it takes more than `patience` refusals. They are left out, their words stay invalid, and
    `RETRY` seconds after the last refusal everything is tried again. `requests` counts what was asked.
    """

    def __init__(
        self,
        device: Device,
        unit: int,
        quantities: Collection[str] | None = None,
        *,
        price: Price = FEWEST,
        slow: Collection[str] = (),
        patience: int = REFUSED_REQUESTS,
    ) -> None:
        self.device = device
        self.unit = unit
        self.price = price
        self.patience = patience
        self.plan = make_plan(device, quantities, price, slow)
        self.requests = 0
        self._holes: set[RegisterSpan] = set()
        self._cuts: dict[tuple[Table, int], Block] = {}  # where a refused request was split
        self._doubted: set[RegisterSpan] = set()  # of requests that failed by themselves, and not answered since
        self._missed: set[RegisterSpan] = set()  # for which the last reading had no time
        self._courses: dict[bool, tuple[Block, ...]] = {}
        self._retry_at: float | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Quantities that the unit refused and that are left out for now."""
        return tuple(
            place.register.quantity
            for place in self.plan.places
            if not self._holes.isdisjoint(spans_of(place.register, self.device.limits))
        )

    def seconds(self, *, slow: bool = True) -> float:
        """Predicted real seconds that a reading keeps the bus busy."""
        return self.price.seconds(self._course(slow))

    async def read(self, bus: Bus, clock: Clock, *, slow: bool = True, within: float | None = None) -> Reading:
        """One reading, stamped when its first answer came; without the slow quantities unless `slow`.

        It ends at the first request that fails, or after `within` real seconds. What was read until then is
        returned with the rest invalid; the next reading begins with what there was no time for, and ends with what
        failed. When nothing was read: Refused when the unit is busy or refuses every register; NoAnswer, BadAnswer
        and BusDown as they come.
        """
        if self._retry_at is not None and clock.monotonic() >= self._retry_at:
            self._forget()
        made = _Round(self.plan, bus, clock, within)
        for block in self._order(slow):
            await self._ask(block, made)
        self._missed = made.missed - self._doubted
        if made.stamp is None:
            if self._holes.issuperset(self.plan.spans):
                self._forget()
            none = Refused(f"unit {self.unit} has none of the registers asked for", 2)
            raise made.failure or made.refusal or none
        made.settle()
        time, monotonic = made.stamp
        return Reading(time, monotonic, bytes(made.octets), bytes(made.valid))

    def _order(self, slow: bool) -> list[Block]:
        """What to ask: first what was missed, last what failed, so that it costs the others nothing."""
        blocks = list(self._course(slow))
        if not slow:
            brought = {span for block in blocks for span in block.spans}
            late = self._missed - brought
            blocks += [block for block in self._course(True) if not late.isdisjoint(block.spans)]
        if self.plan.twice:
            return blocks
        return sorted(
            blocks, key=lambda one: (not self._doubted.isdisjoint(one.spans), self._missed.isdisjoint(one.spans))
        )

    async def _ask(self, block: Block, made: _Round) -> None:
        """Read a block, or its halves when the unit refuses it."""
        late = made.stamp is not None and made.left < self.price.seconds([block])
        if made.failure is not None or made.refused >= self.patience or late:
            made.missed.update(block.spans)
            return
        limits = self.device.limits
        left = made.left
        self.requests += 1
        try:
            answer = await made.bus.read(
                self.unit,
                block.table,
                block.address,
                block.count,
                timeout=limits.timeout,
                delay=limits.request_delay,
                deadline=made.deadline,
            )
            if len(answer) != 2 * block.count:
                raise BadAnswer(f"unit {self.unit}: {len(answer)} octets for {block.count} registers")
        except Refused as refused:
            if refused.code not in _NOT_THERE:
                self._fail(block, made, refused)
                return
            self._retry_at = made.clock.monotonic() + RETRY_SECONDS
            made.refusal = refused
            made.refused += 1
            for half in self._split(block):
                for part in arrange(half, limits, self.price, learned=self._learned()):
                    await self._ask(part, made)
        except DriverError as error:
            self._fail(block, made, error, cut=left < limits.timeout / 2)
        else:
            if not (self._doubted.isdisjoint(block.spans) and self._holes.isdisjoint(block.spans)):
                self._doubted.difference_update(block.spans)
                self._holes.difference_update(block.spans)
                self._courses.clear()
            made.put(block, answer)

    def _fail(self, block: Block, made: _Round, error: DriverError, *, cut: bool = False) -> None:
        """The request failed; `cut`: for lack of time, which says nothing about its registers."""
        made.failure = error
        if cut:
            made.missed.update(block.spans)
        else:
            self._doubted.update(block.spans)
            self._courses.clear()

    def _split(self, block: Block) -> list[tuple[RegisterSpan, ...]]:
        """What remains to be asked after a block was refused: the unit does not have what fills it alone."""
        self._courses.clear()
        holes = {span for span in block.spans if fills(span, block, self.device.limits)}
        self._holes.update(holes)
        self._doubted.update(block.spans)
        rest = tuple(span for span in block.spans if span not in holes)
        if holes or len(rest) < 2:
            return [rest]
        middle = len(rest) // 2
        self._cuts[block.table, rest[middle].first] = block
        return [rest[:middle], rest[middle:]]

    def _learned(self) -> RefusedRegisters:
        """What the unit refused. A cut is void when a hole explains it and the rest of its block has been answered."""
        return RefusedRegisters(
            frozenset(self._holes),
            frozenset(
                where
                for where, block in self._cuts.items()
                if self._holes.isdisjoint(block.spans) or not self._doubted.isdisjoint(set(block.spans) - self._holes)
            ),
        )

    def _course(self, slow: bool) -> tuple[Block, ...]:
        """The requests of a reading as far as is known; all of them where the unit has nothing fast."""
        if slow not in self._courses:
            there = [span for span in self.plan.spans if span not in self._holes]
            wanted: Iterable[RegisterSpan] = there if slow else self.plan.fast - self._holes or there
            limits = self.device.limits
            blocks = arrange(wanted, limits, self.price, along=there, learned=self._learned())
            self._courses[slow] = in_order(blocks, self.plan.twice, limits, self.price)
        return self._courses[slow]

    def _forget(self) -> None:
        """Take everything as there."""
        for known in (self._holes, self._cuts, self._doubted, self._courses):
            known.clear()
        self._retry_at = None
