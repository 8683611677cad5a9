"""The site's time: whether the wall clock is reliable, and the time of readings that were made before it was set."""

from __future__ import annotations

from math import inf

from wattgram.base.clock import MS, NS, Clock, at_one_instant

from .kernel_clock import ClockStatus
from .wall_clock import CLOCK_STEP, ClockVerdict, ClockWatch, wall_time

DAY = 86400.0
"""Time without deletion by age after the clock jumped ahead by more than this time, s."""


class Timekeeper:
    """Check of the wall clock against the monotonic clock, and against `ClockStatus` until the wall clock is set.

    unset: whether the wall clock is unreliable. changes: how often it was set or has jumped. held: whether the times
    that earlier processes published are unknown, because the disk cannot be read; readings wait then as well.
    """

    def __init__(self, clock: Clock, clock_status: ClockStatus) -> None:
        self.clock_status = clock_status
        self.changes = 0
        self.held = False
        self._was_held = False
        self._clock = clock
        self._watch = ClockWatch(CLOCK_STEP * clock.speed)
        self._unreliable_until = 0.0

    @property
    def unset(self) -> bool:
        """Whether no record can get a time: the wall clock was unreliable at the last check, or `held`."""
        return self._watch.unset or self.held

    @property
    def ahead(self) -> float:
        """Uptime of the machine minus the monotonic clock, s."""
        uptime, monotonic = at_one_instant(self.clock_status.uptime, self._clock)
        return uptime - monotonic

    def check_clock(self) -> ClockVerdict:
        """Return the change of the wall clock since the last check."""
        watch = self._watch
        wall, monotonic = at_one_instant(self._clock.time, self._clock)
        if watch.last_set is None:
            synchronised = self.clock_status.synchronised()
            uptime = inf if self.clock_status.runs_when_off() else self.clock_status.uptime()
            self._watch, verdict = watch.advance(wall, monotonic, synchronised=synchronised, uptime=uptime)
        else:
            self._watch, verdict = watch.advance(wall, monotonic)
        if verdict.step > DAY:
            self._unreliable_until = monotonic + DAY
        released, self._was_held = self._was_held and not self.held, self.held
        if not self._watch.unset and (watch.unset or verdict.step or watch.previous is None or released):
            self.changes += 1
        return verdict

    def timestamp(self, monotonic: float) -> int:
        """Return the time of a monotonic instant by the present wall clock, UTC ns in whole ms."""
        wall, now = at_one_instant(self._clock.time, self._clock)
        return wall_time(wall - round(now * NS), monotonic) // MS * MS

    def note_last_published(self, time: int) -> None:
        """Note the last time that an earlier process published, UTC ns."""
        if self._clock.time() - time > DAY * NS:
            self._unreliable_until = self._clock.monotonic() + DAY

    @property
    def ages_reliable(self) -> bool:
        """Whether the age of a record by the wall clock is reliable.

        A clock that jumped far ahead may be wrong; deletion by age would then destroy the history. The clock is
        reliable if a time server keeps it, or if it was not set back for a day.
        """
        if self.unset:
            return False
        return self._clock.monotonic() >= self._unreliable_until or self.clock_status.synchronised()

    @property
    def state(self) -> str:
        """State for /healthz: unset, not confirmed (no time server keeps the clock), or good."""
        if self._watch.unset:
            return "unset"
        return "good" if self.clock_status.synchronised() else "not confirmed"
