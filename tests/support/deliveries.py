"""A delivery from a real spool to scripted sinks, on a clock whose sleeps take no time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.record import Record
from wattgram.base.refusal import RefusalKind, SinkRefusal
from wattgram.base.watchdog import Pulse
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks.sink import Sink
from wattgram.store.spool import Spool

from tests.support.records import numbers, readings

S = TypeVar("S", bound=Sink)


@asynccontextmanager
async def connected(sink: S) -> AsyncIterator[S]:
    """Open a sink, and close the sink after the block, even where it cannot be opened."""
    try:
        await sink.open()
        yield sink
    finally:
        await sink.close()


class Leaping(Clock):
    """A clock on which sleeps end at once; it moves by their time and records them."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return super().monotonic() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class RecordedEvents:
    """Events as an operator gets them."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, device: str, event: str, detail: str) -> None:
        assert device == ""
        self.events.append((event, detail))


Answer = Callable[[Sequence[Record]], dict[int, SinkRefusal]]


class Scripted:
    """A sink with scripted answers, one a write; afterwards it accepts everything."""

    name = "one"
    limit = 10

    def __init__(self, *answers: Answer | Exception, unreachable: int = 0) -> None:
        self.answers = list(answers)
        self.unreachable = unreachable
        self.hangs = False
        self.pulse = Pulse("deliver one")
        self.got: list[tuple[list[float | str], int]] = []
        self.opened = self.closed = 0

    async def probe(self) -> str:
        raise NotImplementedError

    async def open(self) -> None:
        self.opened += 1
        if self.unreachable:
            self.unreachable -= 1
            raise SinkError("nobody there")

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, SinkRefusal]:
        if self.hangs:
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        self.got.append((numbers(records), replayed))
        return answer(records) if answer else {}

    async def close(self) -> None:
        self.closed += 1


class Judging:
    """A sink that answers one record after the other.

    `judge` says of each number "" (accepted), "never" (lasting refusal), "later" (passing refusal), "unwritable",
    "field" (stored without a field), "cut" (the connection ends at it), "lost" (it ends, and earlier answers get lost),
    "busy" (it ends for a reason of the sink's own) or "bug".
    """

    name = "one"
    limit = 10

    def __init__(self, judge: Callable[[float | str], str]) -> None:
        self.judge = judge
        self.pulse = Pulse("deliver one")
        self.taken: list[float | str] = []
        self.writes: list[list[float | str]] = []
        self.opened = 0

    async def probe(self) -> str:
        raise NotImplementedError

    async def open(self) -> None:
        self.opened += 1

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, SinkRefusal]:
        self.writes.append(numbers(records))
        taken: list[int] = []
        refused: dict[int, SinkRefusal] = {}
        for index, number in enumerate(numbers(records)):
            match self.judge(number):
                case "":
                    taken.append(index)
                    self.taken.append(number)
                case "never":
                    refused[index] = SinkRefusal(f"{number} is wrong")
                case "later":
                    refused[index] = SinkRefusal("not now", RefusalKind.PASSING)
                case "unwritable":
                    refused[index] = SinkRefusal(f"{number} has no form", RefusalKind.UNWRITABLE)
                case "field":
                    refused[index] = SinkRefusal("field 'f' has another type", RefusalKind.FIELD)
                    self.taken.append(number)
                case "cut":
                    raise SinkError("cut", taken=taken, refused=refused)
                case "lost":
                    raise SinkError("lost")
                case "busy":
                    raise SinkError("busy", taken=taken, unavailable=True)
                case "bug":
                    raise ZeroDivisionError("oops")
        return refused

    async def close(self) -> None:
        pass


@asynccontextmanager
async def delivering(
    folder: Path, sink: Sink, *, stored: int | Iterable[Record] = 0, events: RecordedEvents | None = None
) -> AsyncIterator[tuple[Delivery, Spool, Leaping]]:
    """A running delivery from a spool of an earlier process with these records, or with this number of readings."""
    before = Spool(folder, max_size=2**26, keep=1e6, sinks=["one"])
    await before.open()
    for record in readings(1, stored) if isinstance(stored, int) else stored:
        before.append(record)
    await before.close()
    spool, clock = Spool(folder, max_size=2**26, keep=1e6, sinks=["one"]), Leaping()
    await spool.open()
    delivery = Delivery(sink, spool, clock, random.Random(1), events)
    task = asyncio.create_task(delivery.run())
    try:
        yield delivery, spool, clock
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await spool.close()


async def put(spool: Spool, first: int, last: int) -> None:
    """Append these readings and sync."""
    for record in readings(first, last):
        spool.append(record)
    await spool.sync()


async def put_until_settled(spool: Spool, first: int) -> int:
    """Append one record after the other until all are settled, as a running daemon does; return the last number."""
    while True:
        await put(spool, first, first)
        for _ in range(15):
            await asyncio.sleep(0.002)
            if spool.undelivered("one") == 0:
                return first
        first += 1
