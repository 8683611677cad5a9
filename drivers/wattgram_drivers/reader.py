"""Reads one unit of a bus by its plan, and learns which registers the unit does not have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from .device import Device, Reading, Table
from .errors import BadAnswer, Refused
from .plan import Block, Request, Span, coalesce, make_plan, spans_of

RETRY = 3600.0
"""Seconds after which registers that were refused are asked for again: firmware and settings change."""

PATIENCE = 8
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
    ) -> bytes:
        """The registers' octets as on the wire.

        `delay` is the silence in seconds that the unit needs between two requests, `timeout` what one answer
        may take. Refused, NoAnswer, BadAnswer or BusDown when it fails.
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


class _Image:
    """The words of a reading while it is being made."""

    def __init__(self, words: int) -> None:
        self.octets = bytearray(2 * words)
        self.valid = bytearray(words)
        self.stamp: tuple[int, float] | None = None
        self.refusal: Refused | None = None
        self.refused = 0

    def put(self, position: int, answer: bytes, clock: Clock) -> None:
        """Words from `position` on; the first ones stamp the reading."""
        if self.stamp is None:
            self.stamp = clock.time() // _MS * _MS, clock.monotonic()
        self.octets[2 * position : 2 * position + len(answer)] = answer
        count = len(answer) // 2
        self.valid[position : position + count] = b"\1" * count

    def settle(self, before: int, after: int) -> None:
        """The later of two readings of a word counts only when the earlier one was the same."""
        if not self.valid[before] or self.octets[2 * before : 2 * before + 2] != self.octets[2 * after : 2 * after + 2]:
            self.valid[after] = 0


class Reader:
    """One device at one unit address; `plan` says how to decode what `read` returns.

    A request that the unit refuses for its registers is split until the illegal ones are known, over several
    readings where it takes more than `patience` refusals. They are left out, their words stay invalid, and
    `RETRY` seconds after the last refusal the whole request is tried again.
    """

    def __init__(
        self, device: Device, unit: int, quantities: Collection[str] | None = None, *, patience: int = PATIENCE
    ) -> None:
        self.device = device
        self.unit = unit
        self.patience = patience
        self.plan = make_plan(device, quantities)
        self._requests: list[list[Request]] = []
        self._holes: set[Span] = set()
        self._retry_at: float | None = None
        self._forget()

    @property
    def missing(self) -> tuple[str, ...]:
        """Quantities that the unit refused and that are left out for now."""
        return tuple(
            place.register.quantity
            for place in self.plan.places
            if not self._holes.isdisjoint(spans_of(place.register, self.device.limits))
        )

    async def read(self, bus: Bus, clock: Clock) -> Reading:
        """One reading, stamped when its first answer came.

        Refused when the unit is busy or refuses every register; NoAnswer, BadAnswer and BusDown as they come.
        """
        if self._retry_at is not None and clock.monotonic() >= self._retry_at:
            self._forget()
        image = _Image(self.plan.words)
        for index, block in enumerate(self.plan.blocks):
            self._requests[index] = await self._read_block(bus, clock, block, self._requests[index], image)
        if image.stamp is None:
            if not any(self._requests):
                self._forget()
            raise image.refusal or Refused(f"unit {self.unit} has none of the registers asked for", 2)
        for before, after in self.plan.twice:
            image.settle(before, after)
        time, monotonic = image.stamp
        return Reading(time, monotonic, bytes(image.octets), bytes(image.valid))

    async def _read_block(
        self, bus: Bus, clock: Clock, block: Block, requests: list[Request], image: _Image
    ) -> list[Request]:
        """Ask the requests of a block while there is patience; what to ask the next time."""
        following: list[Request] = []
        for request in requests:
            answered = await self._ask(bus, clock, block, request, image)
            remaining = [span for piece in answered for span in piece.spans]
            if len(remaining) < len(request.spans):
                # What remains is joined again around the holes. Without a hole the unit refuses long requests
                # or the registers between the values, and the pieces that it answered must stay.
                answered = coalesce(remaining, self.device.limits, gap=0)
            following += answered
        return following

    async def _ask(self, bus: Bus, clock: Clock, block: Block, request: Request, image: _Image) -> list[Request]:
        """Read a request, or its halves when the unit refuses it; the requests that were answered or must wait."""
        if image.refused >= self.patience:
            return [request]
        limits = self.device.limits
        try:
            answer = await bus.read(
                self.unit,
                request.table,
                request.address,
                request.count,
                timeout=limits.timeout,
                delay=limits.request_delay,
            )
        except Refused as refused:
            if refused.code not in _NOT_THERE:
                raise
            image.refusal = refused
            image.refused += 1
            self._retry_at = clock.monotonic() + RETRY
            if len(request.spans) == 1:
                self._holes.update(request.spans)
                return []
            middle = len(request.spans) // 2
            answered: list[Request] = []
            for half in (request.spans[:middle], request.spans[middle:]):
                for part in coalesce(half, limits):
                    answered += await self._ask(bus, clock, block, part, image)
            return answered
        if len(answer) != 2 * request.count:
            raise BadAnswer(f"unit {self.unit}: {len(answer)} octets for {request.count} registers")
        self._holes.difference_update(request.spans)
        image.put(block.position + request.address - block.address, answer, clock)
        return [request]

    def _forget(self) -> None:
        self._requests = [[Request(block.table, block.address, block.count, block.spans)] for block in self.plan.blocks]
        self._holes = set()
        self._retry_at = None
