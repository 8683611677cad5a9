"""Read a unit of a bus by a plan, within a time limit, and learn which registers the unit lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from math import inf
from typing import Protocol

from .device import Device, Reading, RequestFailure, Table
from .driver_errors import BadAnswer, DriverError, LayoutChanged, Refused
from .layout_check import LayoutCheck, WordOrderCheck, touched
from .plan import (
    FEWEST_REQUESTS,
    Block,
    Plan,
    RefusedRegisters,
    RegisterSpan,
    RequestCost,
    arrange,
    fills,
    in_order,
    make_plan,
    spans_of,
)

RETRY_SECONDS = 3600.0
"""Seconds before refused registers are requested again: firmware and settings change."""

REFUSED_REQUESTS = 8
"""Most refused requests of a reading. The next reading continues, so that other units of the bus need not wait."""

DOUBTFUL_RETRY_SECONDS = 60.0
"""Seconds before registers that were refused with another exception are requested a third time; then twice as long."""

_REGISTER_EXCEPTIONS = (2, 3)
"""Exceptions about the requested registers: illegal data address, illegal data value (or count)."""

_PASSING_EXCEPTIONS = (5, 6, 10, 11)
"""Exceptions about the time or the way: acknowledged, busy, no path, no answer of the unit behind a gateway."""

_MS = 1_000_000


class Bus(Protocol):
    """The interface of a bus, as a reader uses it."""

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float,  # noqa: ASYNC109 - a property of the device, passed on to the bus
        delay: float,
        deadline: float | None = None,
    ) -> bytes:
        """Return the registers' octets as on the wire.

        delay: silence that the unit needs between two requests, s. timeout: for an answer, s. deadline: loop time at
        which the wait ends in any case. Refused, NoAnswer, BadAnswer or BusDown on failure.
        """
        ...


class Clock(Protocol):
    """The interface of a clock, as a reader uses it."""

    def time(self) -> int:
        """Return UTC, ns."""
        ...

    def monotonic(self) -> float:
        """Return the monotonic clock, s."""
        ...


class _Progress:
    """A reading in progress: words, time, failures, and spans not yet read."""

    def __init__(self, plan: Plan, bus: Bus, clock: Clock, within: float | None, layout: LayoutCheck) -> None:
        self.bus = bus
        self.layout = layout
        self.octets = bytearray(2 * plan.words)
        self.valid = bytearray(plan.words)
        self.stamp: tuple[int, float] | None = None
        self.refused = 0
        self.failure: DriverError | None = None
        self.refusal: Refused | None = None
        self.failures: list[RequestFailure] = []
        self.skipped: set[RegisterSpan] = set()
        self.doubtful: list[Block] = []  # refused for the first time, with a code that may pass
        self._plan = plan
        self._confirmed: set[RegisterSpan] = set()
        self.clock = clock
        self._loop = asyncio.get_running_loop()
        self.deadline = None if within is None else self._loop.time() + within

    @property
    def left(self) -> float:
        """Real seconds to the deadline."""
        return inf if self.deadline is None else self.deadline - self._loop.time()

    def note(self, table: Table, address: int, count: int, error: DriverError, *, refused: bool = False) -> None:
        """Note a failed request, or registers that the unit lacks."""
        self.failures.append(RequestFailure(table, address, count, str(error), refused))

    def put(self, block: Block, answer: bytes) -> None:
        """Store the words of a block's spans. The first answer gives the reading its time.

        LayoutChanged: the block contains the head of another model than the one discovered.
        """
        if not self.layout.admits(block, answer):
            return
        if self.stamp is None:
            self.stamp = self.clock.time() // _MS * _MS, self.clock.monotonic()
        for span in block.spans:
            position, offset, count = self._plan.positions[span], span.first - block.address, span.last - span.first + 1
            words, target = answer[2 * offset : 2 * (offset + count)], slice(2 * position, 2 * (position + count))
            if span in self._plan.twice and self.valid[position] and self.octets[target] == words:
                self._confirmed.add(span)
            self.octets[target] = words
            self.valid[position : position + count] = b"\1" * count

    def confirm(self) -> None:
        """Mark as invalid: scales that were to be read twice and differ, or were read once; models without proof."""
        for span in self._plan.twice - self._confirmed:
            self.valid[self._plan.positions[span]] = 0
        for header in self.layout.unproved:
            model = self._plan.headers[header]
            for span, position in self._plan.positions.items():
                if model.covers(span.table, span.first):
                    self.valid[position : position + span.last - span.first + 1] = bytes(span.last - span.first + 1)


class Reader:
    """A device at a unit address. `plan` describes how to decode what `read` returns.

    A request that the unit refuses because of its registers is split until the illegal registers are known; with more
    than `max_refusals` refusals in a reading, the next reading continues. Illegal registers are left out, and their
    words stay invalid. `RETRY_SECONDS` after the last refusal, the reader tries all registers again. `requests`
    counts the requests. Heads of models are compared with the layout that was discovered; a model that is refused
    after its head was right has gone, too.

    Some units refuse single registers with other exceptions, such as 4 (device failure). These are split only when
    the unit refuses them twice: in a reading in which it answers another request, or in two readings. Their registers
    are requested again in the next reading, then after `DOUBTFUL_RETRY_SECONDS`, then after twice the time.
    """

    def __init__(
        self,
        device: Device,
        unit: int,
        quantities: Collection[str] | None = None,
        *,
        cost: RequestCost = FEWEST_REQUESTS,
        slow: Collection[str] = (),
        max_refusals: int = REFUSED_REQUESTS,
    ) -> None:
        self.device = device
        self.unit = unit
        self.cost = cost
        self.max_refusals = max_refusals
        self.plan = make_plan(device, quantities, cost, slow)
        self.requests = 0
        self._holes: set[RegisterSpan] = set()
        self._doubted: set[RegisterSpan] = set()  # refused with a code that may pass, not answered since
        self._doubtful_holes: dict[RegisterSpan, tuple[float, float]] = {}  # next request, and wait after it, s
        self._cuts: dict[tuple[Table, int], Block] = {}  # registers at which a refused request was split
        self._failed: set[RegisterSpan] = set()  # of failed or refused requests, not answered since
        self._skipped: set[RegisterSpan] = set()  # not requested in the last reading for lack of time
        self._sequences: dict[bool, tuple[Block, ...]] = {}
        self._retry_at: float | None = None
        self._heads: set[RegisterSpan] = set()  # of models that were as discovered
        self._word_order = WordOrderCheck(self.plan)

    @property
    def missing(self) -> tuple[str, ...]:
        """Quantities that the unit refused; the reader leaves them out for now."""
        return tuple(
            place.register.quantity
            for place in self.plan.places
            if not self._holes.isdisjoint(spans_of(place.register, self.device.limits))
        )

    def seconds(self, *, slow: bool = True) -> float:
        """Return the predicted duration of a reading on the bus, s."""
        return self.cost.seconds(self._sequence(slow))

    async def read(self, bus: Bus, clock: Clock, *, slow: bool = True, within: float | None = None) -> Reading:
        """Return a reading with the time of its first answer; with the slow quantities only if `slow`.

        The reading ends at the first failed request, or after `within` real seconds. Registers not read until then
        are invalid. The next reading begins with the registers that lacked time, and ends with those that failed. If
        nothing was read: Refused (the unit is busy, or refuses every register), NoAnswer, BadAnswer or BusDown.
        LayoutChanged: the models are others than those discovered. WordsSwapped: floats with their words swapped.
        """
        if self._retry_at is not None and clock.monotonic() >= self._retry_at:
            self._reset()
        progress = _Progress(self.plan, bus, clock, within, LayoutCheck(self.plan, self.unit))
        for block in [*self._order(slow), *self._due_holes(clock.monotonic())]:
            await self._request(block, progress)
        if progress.stamp is not None:  # the unit works: a second refusal is about the registers
            for block in progress.doubtful:
                await self._request(block, progress)
        for block in arrange(set(progress.layout.unproved), self.device.limits, self.cost):
            await self._request(block, progress)
        self._heads |= progress.layout.seen
        self._skipped = progress.skipped - self._failed
        if progress.stamp is None:
            if self._holes.issuperset(self.plan.spans):
                self._reset()
            no_register = Refused(f"unit {self.unit} has none of the requested registers", 2)
            raise progress.failure or progress.refusal or no_register
        progress.confirm()
        time, monotonic = progress.stamp
        image, valid = bytes(progress.octets), bytes(progress.valid)
        self._word_order.check(image, valid, self.unit)
        return Reading(time, monotonic, image, valid, tuple(progress.failures), slow)

    def _order(self, slow: bool) -> list[Block]:
        """Return the requests in order: skipped ones first; failed ones last, so that they delay no others."""
        blocks = list(self._sequence(slow))
        if not slow:
            planned = {span for block in blocks for span in block.spans}
            late = self._skipped - planned
            blocks += [block for block in self._sequence(True) if not late.isdisjoint(block.spans)]
        if self.plan.twice:
            return blocks
        return sorted(
            blocks, key=lambda block: (not self._failed.isdisjoint(block.spans), self._skipped.isdisjoint(block.spans))
        )

    async def _request(self, block: Block, progress: _Progress) -> None:
        """Read a block, or its halves if the unit refuses it."""
        late = progress.stamp is not None and progress.left < self.cost.seconds([block])
        if progress.failure is not None or progress.refused >= self.max_refusals or late:
            progress.skipped.update(block.spans)
            return
        limits = self.device.limits
        left = progress.left
        self.requests += 1
        try:
            answer = await progress.bus.read(
                self.unit,
                block.table,
                block.address,
                block.count,
                timeout=limits.timeout,
                delay=limits.request_delay,
                deadline=progress.deadline,
            )
            if len(answer) != 2 * block.count:
                raise BadAnswer(f"unit {self.unit}: {len(answer)} octets for {block.count} registers")
        except Refused as refused:
            for half in self._refused(block, progress, refused):
                for part in arrange(half, limits, self.cost, learned=self._learned()):
                    await self._request(part, progress)
        except DriverError as error:
            self._fail(block, progress, error, cut=left < limits.timeout / 2)
        else:
            if not (self._failed.isdisjoint(block.spans) and self._holes.isdisjoint(block.spans)):
                self._failed.difference_update(block.spans)
                self._holes.difference_update(block.spans)
                self._sequences.clear()
            self._doubted.difference_update(block.spans)
            for span in block.spans:
                self._doubtful_holes.pop(span, None)
            progress.put(block, answer)

    def _refused(self, block: Block, progress: _Progress, refused: Refused) -> list[tuple[RegisterSpan, ...]]:
        """Record a refusal; return the spans to request separately.

        LayoutChanged: the unit refuses the head of a model that was there.
        """
        if refused.code in _PASSING_EXCEPTIONS:
            self._fail(block, progress, refused)
            return []
        progress.refusal = refused
        progress.refused += 1
        repeated = self._doubted.issuperset(block.spans)
        if refused.code not in _REGISTER_EXCEPTIONS and not repeated:
            self._doubted.update(block.spans)
            progress.doubtful.append(block)
            return []
        if gone := self._heads.intersection(touched(self.plan, block)):
            self._heads -= gone  # after a walk with the same models, the refused registers are a hole
            raise LayoutChanged(f"{refused}; the model was there before") from refused
        self._learn(block, refused.code, progress.clock.monotonic())
        halves = self._split(block)
        for hole in self._holes.intersection(block.spans):
            progress.note(hole.table, hole.first, hole.last - hole.first + 1, refused, refused=True)
        return halves

    def _fail(self, block: Block, progress: _Progress, error: DriverError, *, cut: bool = False) -> None:
        """Record a failed request. cut: it failed for lack of time, which gives no information on its registers."""
        progress.failure = error
        progress.note(block.table, block.address, block.count, error)
        if cut:
            progress.skipped.update(block.spans)
        else:
            self._failed.update(block.spans)
            self._sequences.clear()

    def _learn(self, block: Block, code: int, now: float) -> None:
        """Set when the registers of a refused block are requested again, if it turns out that they do not exist."""
        if code in _REGISTER_EXCEPTIONS:
            self._retry_at = now + RETRY_SECONDS
            return
        for span in block.spans:
            if fills(span, block, self.device.limits):
                _, wait = self._doubtful_holes.get(span, (0.0, 0.0))
                longer = min(RETRY_SECONDS, max(DOUBTFUL_RETRY_SECONDS, 2 * wait))
                self._doubtful_holes[span] = now + wait, longer

    def _due_holes(self, now: float) -> tuple[Block, ...]:
        """Return requests for registers that were refused with a code that may pass, and whose wait is over."""
        due = [span for span, (time, _) in self._doubtful_holes.items() if span in self._holes and now >= time]
        return arrange(due, self.device.limits, self.cost, learned=self._learned())

    def _split(self, block: Block) -> list[tuple[RegisterSpan, ...]]:
        """Return the spans still to request after a refusal. A span that fills the block alone does not exist."""
        self._sequences.clear()
        holes = {span for span in block.spans if fills(span, block, self.device.limits)}
        self._holes.update(holes)
        self._failed.update(block.spans)
        remaining = tuple(span for span in block.spans if span not in holes)
        if holes or len(remaining) < 2:
            return [remaining]
        middle = len(remaining) // 2
        self._cuts[block.table, remaining[middle].first] = block
        return [remaining[:middle], remaining[middle:]]

    def _learned(self) -> RefusedRegisters:
        """Return what the unit refused. A cut is void if a hole explains it and the rest of its block was answered."""
        return RefusedRegisters(
            frozenset(self._holes),
            frozenset(
                cut
                for cut, block in self._cuts.items()
                if self._holes.isdisjoint(block.spans) or not self._failed.isdisjoint(set(block.spans) - self._holes)
            ),
        )

    def _sequence(self, slow: bool) -> tuple[Block, ...]:
        """Return the requests of a reading, without known holes; all requests if the unit has no fast registers."""
        if slow not in self._sequences:
            existing = [span for span in self.plan.spans if span not in self._holes]
            wanted: Iterable[RegisterSpan] = existing if slow else self.plan.fast - self._holes or existing
            limits = self.device.limits
            blocks = arrange(wanted, limits, self.cost, along=existing, learned=self._learned())
            self._sequences[slow] = in_order(blocks, self.plan.twice, limits, self.cost)
        return self._sequences[slow]

    def _reset(self) -> None:
        """Assume again that all registers exist."""
        for learned in (
            self._holes,
            self._doubted,
            self._doubtful_holes,
            self._cuts,
            self._failed,
            self._sequences,
            self._heads,
        ):
            learned.clear()
        self._retry_at = None
