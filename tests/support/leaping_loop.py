"""An event loop whose clock leaps over waiting: hours of time-outs in seconds, over real sockets.

Time stands still while anything is to be done. For work whose peers all live in the same loop: what comes from
another process or thread would come too late.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from wattgram.base.clock import NS, Clock

T = TypeVar("T")
START = 1_790_000_000 * NS


class _Selector(selectors.EpollSelector):
    """A selector that leaps over a time-out: all peers are in this loop, so nothing else can arrive."""

    leapt = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            return super().select(None)
        if not events and timeout:
            self.leapt += timeout
        return events


class LeapLoop(asyncio.SelectorEventLoop):
    """A loop whose `time` counts from 0, in seconds leapt. Work for other threads runs at once in this thread."""

    def __init__(self) -> None:
        self._leaping = _Selector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.leapt

    def run_in_executor(self, executor: Any, func: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:  # type: ignore[override]  # the same, without a thread
        done = self.create_future()
        try:
            done.set_result(func(*arguments))
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits for it gets it
            done.set_exception(error)
        return done


class LeapClock(Clock):
    """The leaping loop's time, at `speed` times its seconds; its wall clock shows `start` when the loop begins."""

    def __init__(self, start: int = START, speed: float = 1.0) -> None:
        super().__init__(start, speed)
        self._begin = start

    def time(self) -> int:
        return self._begin + int(self.monotonic() * NS)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * self.speed

    async def sleep(self, seconds: float) -> None:
        # On a clock that stands still between, less might never end.
        await asyncio.sleep(max(1e-6, seconds / self.speed))


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a leaping clock."""
    with asyncio.Runner(loop_factory=LeapLoop) as runner:
        return runner.run(work)
