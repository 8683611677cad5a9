"""One reading in progress: its words, its time, and what failed; and the bus and the clock that it uses."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Protocol

from .device import RequestFailure, Table
from .driver_errors import DriverError, Refused
from .layout_check import LayoutCheck
from .low_words import LowWords
from .plan import Block, Plan, RegisterSpan

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


class ReadingProgress:
    """A reading in progress: words, time, failures, and spans not yet read."""

    def __init__(
        self, plan: Plan, bus: Bus, clock: Clock, within: float | None, layout: LayoutCheck, low_words: LowWords
    ) -> None:
        self.bus = bus
        self.layout = layout
        self.low_words = low_words
        self.octets = bytearray(2 * plan.words)
        self.valid = bytearray(plan.words)
        self.stamp: tuple[int, float] | None = None
        self.refused = 0
        self.failure: DriverError | None = None
        self.refusal: Refused | None = None
        self.failures: list[RequestFailure] = []
        self.skipped: set[RegisterSpan] = set()
        self.doubtful: list[Block] = []  # refused for the first time, with a code that may pass
        self.postponed: dict[Block, Refused] = {}  # those refused with a code about the time or the way
        self.smallest: Block | None = None  # of the answered requests
        self.busy = False  # whether a busy unit was asked twice in vain
        self.proved = False  # whether the unit answered after the requests were postponed
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
            if span not in self._plan.positions:
                offset = 2 * (span.first - block.address)
                self.low_words.put(span, answer[offset : offset + 2], self.octets, self.valid)
                continue
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
