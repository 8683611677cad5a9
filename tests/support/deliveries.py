"""A delivery that runs from a real spool, to sinks whose behaviour is written down, by a clock whose sleeps take no
time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.record import Record
from wattgram.base.watchdog import Pulse
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks.sink import Sink
from wattgram.store.spool import Spool

from tests.support.records import numbers, readings


class Leaping(Clock):
    """Sleeps take no time, but this clock goes on by them; they are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return super().monotonic() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Told:
    """Events as an operator gets them."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, device: str, event: str, detail: str) -> None:
        assert device == ""
        self.events.append((event, detail))


Answer = Callable[[Sequence[Record]], dict[int, str]]


class Scripted:
    """A sink whose answers are written down: one a write, then it takes everything."""

    name = "one"
    limit = 10

    def __init__(self, *answers: Answer | Exception, unreachable: int = 0) -> None:
        self.answers = list(answers)
        self.unreachable = unreachable
        self.hangs = False
        self.pulse = Pulse("deliver one")
        self.got: list[tuple[list[float | str], int]] = []
        self.opened = self.closed = 0

    async def probe(self) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        self.opened += 1
        if self.unreachable:
            self.unreachable -= 1
            raise SinkError("nobody there")

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
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
    """A sink that takes records one after the other: `judge` says of each number "" (taken), "never", "later", "cut"
    (the connection ends at it), "lost" (it ends, and what it acknowledged before is not heard of), "busy" (it ends for
    a reason of the sink's own) or "bug"."""

    name = "one"
    limit = 10

    def __init__(self, judge: Callable[[float | str], str]) -> None:
        self.judge = judge
        self.pulse = Pulse("deliver one")
        self.taken: list[float | str] = []
        self.opened = 0

    async def probe(self) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        self.opened += 1

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        taken: list[int] = []
        refused: dict[int, str] = {}
        doubted: dict[int, str] = {}
        for index, number in enumerate(numbers(records)):
            match self.judge(number):
                case "":
                    taken.append(index)
                    self.taken.append(number)
                case "never":
                    refused[index] = f"{number} is wrong"
                case "later":
                    doubted[index] = "not now"
                case "cut":
                    raise SinkError("cut", taken=taken, refused=refused, doubted=doubted)
                case "lost":
                    raise SinkError("lost")
                case "busy":
                    raise SinkError("busy", taken=taken, unavailable=True)
                case "bug":
                    raise ZeroDivisionError("oops")
        if doubted:
            raise SinkError("refused for now", taken=taken, refused=refused, doubted=doubted)
        return refused

    async def close(self) -> None:
        pass


@asynccontextmanager
async def delivering(
    folder: Path, sink: Sink, *, stored: int | Iterable[Record] = 0, events: Told | None = None
) -> AsyncIterator[tuple[Delivery, Spool, Leaping]]:
    """A running delivery from a spool in which an earlier process left these records, or so many readings."""
    before = Spool(folder, max_size=2**26, keep=1e6, sinks=["one"])
    await before.open()
    for one in readings(1, stored) if isinstance(stored, int) else stored:
        before.append(one)
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
    """Append these readings and put them on disk."""
    for one in readings(first, last):
        spool.append(one)
    await spool.sync()
