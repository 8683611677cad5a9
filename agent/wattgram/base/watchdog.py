"""Watchdog of the parts. Each part declares the time of its next step; a part that is late is reported as stuck."""

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
"""Longest time between two checks of all parts, real s."""

STUCK_MARGIN = 30.0
"""Time beyond the declared time after which a part is stuck, real s. A shorter watchdog of systemd shortens it to half
of that watchdog's time."""

STUCK, RESUMED = "part stuck", "part goes on"
"""Events."""


class Pulse:
    """The declared next step of a part, whose task has the same name. The watchdog measures the time.

    Without a part that is not `vital` the numbers continue: the watchdog reports such a part and restarts nothing.
    """

    __slots__ = ("name", "seconds", "steps", "unless", "vital")

    def __init__(self, name: str, *, vital: bool = True) -> None:
        self.name = name
        self.vital = vital
        self.steps = 0
        self.seconds = 0.0
        self.unless: Callable[[], bool] | None = None

    def within(self, seconds: float, unless: Callable[[], bool] | None = None) -> None:
        """Record a step. The next step comes within a number of real seconds, or later while `unless` is true."""
        self.steps += 1
        self.seconds = seconds
        self.unless = unless

    async def sleep(self, clock: Clock, seconds: float) -> None:
        """Declare and wait for a number of seconds of the clock."""
        self.within(seconds / clock.speed)
        await clock.sleep(seconds)


class WatchedPart(Protocol):
    """A part that runs in its own task under the watchdog."""

    pulse: Pulse

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass(slots=True)
class _Watched:
    """A part: the step at the last check, the real seconds since that step, and whether the part is stuck."""

    pulse: Pulse
    step: int = 0
    waited: float = 0.0
    stuck: bool = False


class Watchdog:
    """Checks all parts, and feeds systemd's watchdog while each vital part is on time.

    When the whole process made no progress (stopped, or blocked by one call), one check period at most counts for each
    part, so that each part can make its step first. systemd notices a blocked process, because WATCHDOG is missing.
    """

    def __init__(self, supervisor: Supervisor, clock: Clock) -> None:
        patience = supervisor.watchdog / 2.0  # sd_watchdog_enabled(3): feed at half of the time
        self.period = min(CHECK_PERIOD, patience / 2.0)
        self.margin = min(STUCK_MARGIN, patience)
        self._watched: list[_Watched] = []
        self._supervisor = supervisor
        self._clock = clock
        self._checked_at = self._now()
        self._status = ""

    @property
    def states(self) -> list[tuple[str, bool]]:
        """Name of each part, and whether the part is stuck."""
        return [(part.pulse.name, part.stuck) for part in self._watched]

    @property
    def stuck(self) -> list[str]:
        """Names of the stuck parts."""
        return [name for name, stuck in self.states if stuck]

    def watch(self, pulses: Sequence[Pulse]) -> None:
        """Set the parts to check."""
        self._watched = [_Watched(pulse) for pulse in pulses]

    async def run(self, status: Callable[[], str], report: Callable[[str, str], None]) -> None:
        """Notify systemd of the start, check every period until cancelled, and notify systemd of the end.

        `status` returns one line for people about the whole process; `report` gets a part's event and its detail.
        """
        self._checked_at = self._now()
        self._notify(status(), READY="1")
        try:
            while True:
                await asyncio.sleep(self.period)
                self.check(report)
                alive = not any(part.stuck and part.pulse.vital for part in self._watched)
                self._notify(status(), **({"WATCHDOG": "1"} if alive else {}))
        finally:
            self._notify("ending, records go to disk", STOPPING="1")

    def check(self, report: Callable[[str, str], None]) -> None:
        """Check each part by the time since the last check; `report` gets the events."""
        now = self._now()
        since, self._checked_at = now - self._checked_at, now
        if since > self.period + self.margin:
            log.warning("no part made progress for %.0f s: stopped, or blocked by one call", since - self.period)
        for part in self._watched:
            pulse = part.pulse
            if part.step != pulse.steps or (pulse.unless is not None and pulse.unless()):
                part.step, part.waited = pulse.steps, 0.0
            else:
                part.waited += min(since, self.period)
            stuck = part.waited > pulse.seconds + self.margin
            if stuck == part.stuck:
                continue
            part.stuck = stuck
            if stuck:
                place = _place(pulse.name)
                where = f"it waits at {place}" if place else "its task has ended"
                detail = (
                    f"{pulse.name}: no progress for {part.waited:.0f} s, expected within {pulse.seconds:.0f} s; {where}"
                )
                fed = not pulse.vital or self._supervisor.watchdog == inf
                log.error("%s%s", detail, "" if fed else "; systemd's watchdog is not fed any more")
                report(STUCK, detail)
            else:
                log.info("%s: goes on", pulse.name)
                report(RESUMED, pulse.name)

    def _now(self) -> float:
        """Return real seconds."""
        return self._clock.monotonic() / self._clock.speed

    def _notify(self, status: str, **words: str) -> None:
        if status != self._status:
            self._status = status
            words["STATUS"] = status
        if words:
            self._supervisor.notify(**words)


def _place(name: str) -> str:
    """Return the file and line of wattgram at which the task of a part waits; "" when there is none."""
    place = ""
    for task in asyncio.all_tasks():
        awaited = task.get_coro() if task.get_name() == name else None
        while inspect.iscoroutine(awaited):
            frame, awaited = awaited.cr_frame, awaited.cr_await
            if frame is not None and frame.f_globals["__name__"].startswith("wattgram"):
                place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    return place
