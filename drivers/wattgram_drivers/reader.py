"""Read a unit of a bus by a plan, within a time limit, and learn which registers the unit lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf

from .bus_time import FEWEST_REQUESTS, RequestCost
from .device import Device, Reading, Table
from .driver_errors import BadAnswer, DriverError, LayoutChanged, Refused
from .layout_check import FloatOrderCheck, LayoutCheck, touched
from .low_words import LowWords
from .plan import (
    Block,
    RefusedRegisters,
    RegisterSpan,
    arrange,
    fills,
    in_order,
    make_plan,
    spans_of,
)
from .reading_progress import Bus, Clock, ReadingProgress

RETRY_SECONDS = 3600.0
"""Seconds before refused registers are requested again: firmware and settings change."""

REFUSED_REQUESTS = 8
"""Most refused requests of a reading. The next reading continues, so that other units of the bus need not wait."""

DOUBTFUL_RETRY_SECONDS = 60.0
"""Seconds before registers that were refused with another exception are requested a third time; then twice as long."""

_REGISTER_EXCEPTIONS = (2, 3)
"""Exceptions about the requested registers: illegal data address, illegal data value (or count)."""

_PASSING_EXCEPTIONS = (5, 6, 10, 11)
"""Exceptions about the time or the way: acknowledged, busy, no path, no answer of the unit behind a gateway.

Some units refuse missing registers with them. So their meaning depends on the unit's other answers.
"""

BUSY_PAUSE = 0.1
"""Silence before the second request to a busy unit, s."""

_REFUSED_AT_FIRST = 2
"""Requests refused with such an exception, before any answer, that end a reading: the unit itself is not available."""


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

    A request that a busy unit refuses is sent once more after `BUSY_PAUSE`, if the unit has ever answered, until it
    refuses a second one in the reading. Exceptions of a busy unit (5, 6) and of a gateway (10, 11) are about
    registers only if the unit answers another request of the reading, answers it again afterwards, and then refuses
    the same registers a second time.
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
        self._doubtful_cuts: set[tuple[Table, int]] = set()  # those because of a code that may pass
        self._join_at = inf  # when the requests of these cuts are sent whole again, and the wait after it, s
        self._join_wait = DOUBTFUL_RETRY_SECONDS
        self._answers = False  # whether the unit has answered a request
        self._attempts = 0  # readings in a row in which the unit refused all requests with a code that may pass
        self._failed: set[RegisterSpan] = set()  # of failed or refused requests, not answered since
        self._skipped: set[RegisterSpan] = set()  # not requested in the last reading for lack of time
        self._sequences: dict[bool, tuple[Block, ...]] = {}
        self._retry_at: float | None = None
        self._heads: set[RegisterSpan] = set()  # of models that were as discovered
        self._low_words = LowWords(self.plan)
        self._word_order = FloatOrderCheck(self.plan)

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
        if clock.monotonic() >= self._join_at:
            self._join()
        progress = ReadingProgress(self.plan, bus, clock, within, LayoutCheck(self.plan, self.unit), self._low_words)
        for block in [*self._order(slow), *self._due_holes(clock.monotonic())]:
            await self._request(block, progress)
        if progress.stamp is None and progress.postponed:
            await self._try_others(progress)
        if progress.stamp is not None:  # the unit works: a second refusal is about the registers
            if progress.postponed:
                await self._prove(progress)
            for block in progress.doubtful:
                await self._request(block, progress)
        if progress.layout.unproved:
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
        self._low_words.extend(self._holes - self._doubtful_holes.keys(), progress.octets, progress.valid)
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

    async def _request(self, block: Block, progress: ReadingProgress) -> None:
        """Read a block, or its halves if the unit refuses it."""
        late = progress.stamp is not None and progress.left < self.cost.seconds([block])
        if progress.failure is not None or progress.refused >= self.max_refusals or late:
            progress.skipped.update(block.spans)
            return
        limits = self.device.limits
        left = progress.left
        try:
            answer = await self._answer(block, progress)
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
            self._attempts = 0
            self._answers = True
            if progress.smallest is None or block.count < progress.smallest.count:
                progress.smallest = block
            progress.put(block, answer)

    async def _answer(self, block: Block, progress: ReadingProgress) -> bytes:
        """Return the answer to a request, which is repeated once if the unit is busy. Errors as for `_asked`."""
        try:
            return await self._asked(block, progress)
        except Refused as refused:
            early = refused.busy and self._answers and not progress.busy
            if not early or progress.left < BUSY_PAUSE + self.cost.seconds([block]):
                raise
        try:
            return await self._asked(block, progress, pause=BUSY_PAUSE)
        except Refused:
            progress.busy = True
            raise

    async def _asked(self, block: Block, progress: ReadingProgress, *, pause: float = 0.0) -> bytes:
        """Return the answer to a request. Errors as for a bus; BadAnswer also for an answer of another size."""
        limits = self.device.limits
        self.requests += 1
        answer = await progress.bus.read(
            self.unit,
            block.table,
            block.address,
            block.count,
            timeout=limits.timeout,
            delay=max(limits.request_delay, pause),
            deadline=progress.deadline,
        )
        if len(answer) != 2 * block.count:
            raise BadAnswer(f"unit {self.unit}: {len(answer)} octets for {block.count} registers")
        return answer

    async def _try_others(self, progress: ReadingProgress) -> None:
        """Request single values of a unit that refuses every request: the registers of each may be in its way.

        The first such reading requests none, every further one two others.
        """
        spans = [span for block in progress.postponed for span in block.spans]
        if self._attempts:
            number = (self._attempts - 1) % len(spans)
            for span in dict.fromkeys((spans[number], spans[-1 - number])):
                (block,) = arrange([span], self.device.limits, self.cost)
                try:
                    progress.put(block, await self._answer(block, progress))
                except DriverError:
                    continue
                progress.smallest, progress.failure = block, None
                return
        self._attempts += 1
        for block, refused in progress.postponed.items():
            self._fail(block, progress, refused)

    async def _prove(self, progress: ReadingProgress) -> None:
        """Repeat an answered request. If that fails too, the refusals before it say nothing about registers."""
        assert progress.smallest is not None  # the unit has answered
        if progress.failure is None:
            try:
                await self._answer(progress.smallest, progress)
            except Refused as refused:
                progress.failure = refused if refused.code in _PASSING_EXCEPTIONS else None
            except DriverError as error:
                progress.failure = error
        progress.proved = progress.failure is None
        if progress.failure is not None:
            for block, refusal in progress.postponed.items():
                self._fail(block, progress, refusal)

    def _refused(self, block: Block, progress: ReadingProgress, refused: Refused) -> list[tuple[RegisterSpan, ...]]:
        """Record a refusal; return the spans to request separately.

        LayoutChanged: the unit refuses the head of a model that was there.
        """
        if refused.code in _PASSING_EXCEPTIONS and not progress.proved:
            self._postpone(block, progress, refused)
            return []
        progress.refusal = refused
        progress.refused += 1
        repeated = self._doubted.issuperset(block.spans)
        if refused.code not in _REGISTER_EXCEPTIONS and not repeated:
            self._doubted.update(block.spans)
            progress.doubtful.append(block)
            return []
        gone = self._heads.intersection(touched(self.plan, block))
        if gone and not self._holes.issuperset(block.spans):
            self._heads -= gone  # after a walk with the same models, the refused registers are a hole
            raise LayoutChanged(f"{refused}; the model was there before") from refused
        self._learn(block, refused.code, progress.clock.monotonic())
        halves = self._split(block, doubtful=refused.code not in _REGISTER_EXCEPTIONS, now=progress.clock.monotonic())
        found = self._holes.intersection(block.spans)
        for hole in found:
            progress.note(hole.table, hole.first, hole.last - hole.first + 1, refused, refused=True)
        apart = self._low_words.apart(found) - self._holes
        return [*halves, tuple(sorted(apart, key=lambda span: (span.table, span.first)))] if apart else halves

    def _postpone(self, block: Block, progress: ReadingProgress, refused: Refused) -> None:
        """Note a refusal whose meaning shows at the end of the reading: it is about the registers, or the unit."""
        progress.refusal = refused
        progress.doubtful.append(block)
        progress.postponed[block] = refused
        self._doubted.update(block.spans)
        if progress.stamp is None:
            self._failed.update(block.spans)
            self._sequences.clear()
            if len(progress.postponed) >= _REFUSED_AT_FIRST:
                progress.failure = refused

    def _fail(self, block: Block, progress: ReadingProgress, error: DriverError, *, cut: bool = False) -> None:
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

    def _split(self, block: Block, *, doubtful: bool, now: float) -> list[tuple[RegisterSpan, ...]]:
        """Return the spans still to request after a refusal. A span that fills the block alone does not exist."""
        self._sequences.clear()
        holes = {span for span in block.spans if fills(span, block, self.device.limits)}
        self._holes.update(holes)
        self._failed.update(block.spans)
        remaining = tuple(span for span in block.spans if span not in holes)
        if holes or len(remaining) < 2:
            return [remaining]
        middle = len(remaining) // 2
        cut = (block.table, remaining[middle].first)
        self._cuts[cut] = block
        if doubtful:
            self._doubtful_cuts.add(cut)
            self._join_at = now + self._join_wait
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
            apart = self._low_words.apart(self._holes) - self._holes
            existing = [*(span for span in self.plan.spans if span not in self._holes), *apart]
            wanted: Iterable[RegisterSpan] = existing if slow else (self.plan.fast - self._holes) | apart or existing
            limits = self.device.limits
            blocks = arrange(wanted, limits, self.cost, along=existing, learned=self._learned())
            self._sequences[slow] = in_order(blocks, self.plan.twice, limits, self.cost)
        return self._sequences[slow]

    def _join(self) -> None:
        """Send the requests whole again that were split because of a code that may pass."""
        for cut in self._doubtful_cuts:
            self._cuts.pop(cut, None)
        self._doubtful_cuts.clear()
        self._sequences.clear()
        self._join_at, self._join_wait = inf, min(RETRY_SECONDS, 2 * self._join_wait)

    def _reset(self) -> None:
        """Assume again that all registers exist."""
        self._join_at, self._join_wait = inf, DOUBTFUL_RETRY_SECONDS
        for learned in (
            self._holes,
            self._doubted,
            self._doubtful_holes,
            self._cuts,
            self._doubtful_cuts,
            self._failed,
            self._sequences,
            self._heads,
        ):
            learned.clear()
        self._retry_at = None
