"""Whether every part gets on: each says until when it will have taken its next step, and is held to it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Protocol

from .clock import Clock
from .notify import Supervisor

log = logging.getLogger(__name__)

CHECK_PERIOD = 5.0
"""Real seconds between two looks at all parts, at most."""

STUCK_MARGIN = 30.0
"""Real seconds past its word after which a part is stuck, at most; half of what systemd waits, where that is less."""

STUCK, RESUMED = "part stuck", "part goes on"
"""Events."""


class Pulse:
    """What one part, whose task has the same name, says of its next step. It knows no time; the watchdog does.

    Numbers go on without a part that is not `vital`: it is named when it is stuck, and nothing is restarted for it.
    """

    __slots__ = ("name", "seconds", "steps", "unless", "vital")

    def __init__(self, name: str, *, vital: bool = True) -> None:
        self.name = name
        self.vital = vital
        self.steps = 0
        self.seconds = 0.0
        self.unless: Callable[[], bool] | None = None

    def within(self, seconds: float, unless: Callable[[], bool] | None = None) -> None:
        """A step is taken, and the next one will be within so many real seconds, or later while `unless` is true."""
        self.steps += 1
        self.seconds = seconds
        self.unless = unless

    async def sleep(self, clock: Clock, seconds: float) -> None:
        """Wait so many of the clock's seconds, as declared."""
        self.within(seconds / clock.speed)
        await clock.sleep(seconds)


class WatchedPart(Protocol):
    """What runs in a task of its own and is watched."""

    pulse: Pulse

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass(slots=True)
class _Watched:
    """A part, the step that it was seen at last, the real seconds since, and whether it is told to be stuck."""

    pulse: Pulse
    step: int = 0
    waited: float = 0.0
    stuck: bool = False


class Watchdog:
    """Looks at all parts and feeds systemd's watchdog while each vital one keeps its word.

    Seconds in which this process stood still as a whole, stopped or busy with one thing, are no part's fault: of
    them one period counts, so that each has a chance first. systemd notices by itself that nothing is said.
    """

    def __init__(self, supervisor: Supervisor, clock: Clock) -> None:
        patience = supervisor.watchdog / 2.0  # sd_watchdog_enabled(3): to be fed at half of its time
        self.period = min(CHECK_PERIOD, patience / 2.0)
        self.margin = min(STUCK_MARGIN, patience)
        self._watched: list[_Watched] = []
        self._supervisor = supervisor
        self._clock = clock
        self._looked = self._now()
        self._status = ""

    @property
    def states(self) -> list[tuple[str, bool]]:
        """Each part's name, and whether it is stuck."""
        return [(one.pulse.name, one.stuck) for one in self._watched]

    @property
    def stuck(self) -> list[str]:
        """The names of those that are."""
        return [name for name, stuck in self.states if stuck]

    def watch(self, pulses: Sequence[Pulse]) -> None:
        """These are the parts."""
        self._watched = [_Watched(one) for one in pulses]

    async def run(self, status: Callable[[], str], report: Callable[[str, str], None]) -> None:
        """Tell systemd that we run, look every period until cancelled, and then that we end.

        `status` returns one line for people about the whole process; `report` gets a part's event and its detail.
        """
        self._looked = self._now()
        self._say(status(), READY="1")
        try:
            while True:
                await asyncio.sleep(self.period)
                self.check(report)
                alive = not any(one.stuck and one.pulse.vital for one in self._watched)
                self._say(status(), **({"WATCHDOG": "1"} if alive else {}))
        finally:
            self._say("ending, records go to disk", STOPPING="1")

    def check(self, report: Callable[[str, str], None]) -> None:
        """Judge each part by the time since the last look; `report` hears of who is stuck and who goes on."""
        now = self._now()
        since, self._looked = now - self._looked, now
        if since > self.period + self.margin:
            log.warning("everything stood still for %.0f s: stopped, or busy with one thing", since - self.period)
        for one in self._watched:
            pulse = one.pulse
            if one.step != pulse.steps or (pulse.unless is not None and pulse.unless()):
                one.step, one.waited = pulse.steps, 0.0
            else:
                one.waited += min(since, self.period)
            stuck = one.waited > pulse.seconds + self.margin
            if stuck == one.stuck:
                continue
            one.stuck = stuck
            if stuck:
                place = _place(pulse.name)
                where = f"it waits at {place}" if place else "its task has ended"
                said = f"{pulse.name}: nothing for {one.waited:.0f} s, expected within {pulse.seconds:.0f} s; {where}"
                fed = not pulse.vital or self._supervisor.watchdog == inf
                log.error("%s%s", said, "" if fed else "; systemd's watchdog is not fed any more")
                report(STUCK, said)
            else:
                log.info("%s: goes on", pulse.name)
                report(RESUMED, pulse.name)

    def _now(self) -> float:
        """Real seconds."""
        return self._clock.monotonic() / self._clock.speed

    def _say(self, status: str, **words: str) -> None:
        if status != self._status:
            self._status = status
            words["STATUS"] = status
        if words:
            self._supervisor.notify(**words)


def _place(name: str) -> str:
    """Our file and line at which the task of that name waits, "" when there is none."""
    place = ""
    for task in asyncio.all_tasks():
        awaited = task.get_coro() if task.get_name() == name else None
        while inspect.iscoroutine(awaited):
            frame, awaited = awaited.cr_frame, awaited.cr_await
            if frame is not None and frame.f_globals["__name__"].startswith("wattgram"):
                place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    return place
