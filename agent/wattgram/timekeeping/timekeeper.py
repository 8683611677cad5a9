"""The site's time: whether the wall clock is believed, and what time it was when something happened before it was."""

from __future__ import annotations

from math import inf

from wattgram.base.clock import MS, NS, Clock

from .kernel_clock import Witness
from .wall_clock import CLOCK_STEP, ClockVerdict, ClockWatch, wall_time

DAY = 86400.0
"""Seconds for which nothing is deleted for its age after the clock jumped ahead by more than as much."""


class Timekeeper:
    """Looks at both clocks, and at the witness as long as the wall clock is not believed.

    unset: whether it is not. changes: how often it was set or has jumped.
    """

    def __init__(self, clock: Clock, witness: Witness) -> None:
        self.witness = witness
        self.changes = 0
        self._clock = clock
        self._watch = ClockWatch(CLOCK_STEP * clock.speed)
        self._doubtful_until = 0.0

    @property
    def unset(self) -> bool:
        """Whether the wall clock is not believed, as of the last look."""
        return self._watch.unset

    @property
    def ahead(self) -> float:
        """Seconds by which the machine's uptime is ahead of the monotonic clock."""
        return self.witness.uptime() - self._clock.monotonic()

    def look(self) -> ClockVerdict:
        """What became of the wall clock since the last look."""
        watch, wall, monotonic = self._watch, self._clock.time(), self._clock.monotonic()
        if watch.sure is None:
            synchronised = self.witness.synchronised()
            uptime = inf if self.witness.went_on() else self.witness.uptime()
            self._watch, told = watch.advance(wall, monotonic, synchronised=synchronised, uptime=uptime)
        else:
            self._watch, told = watch.advance(wall, monotonic)
        if told.step > DAY:
            self._doubtful_until = monotonic + DAY
        if not self._watch.unset and (watch.unset or told.step or watch.before is None):
            self.changes += 1
        return told

    def at(self, monotonic: float) -> int:
        """UTC ns, in whole ms, of a monotonic instant by what the wall clock shows now."""
        anchor = self._clock.time() - round(self._clock.monotonic() * NS)
        return wall_time(anchor, monotonic) // MS * MS

    def began_after(self, told: int) -> None:
        """The last time that an earlier process told, UTC ns."""
        if self._clock.time() - told > DAY * NS:
            self._doubtful_until = self._clock.monotonic() + DAY

    @property
    def dates(self) -> bool:
        """Whether what is old by the wall clock is old. One that jumped far ahead may be wrong, and cost a history.

        It is believed when a time server keeps it, or when nobody has set it back for a day.
        """
        if self.unset:
            return False
        return self._clock.monotonic() >= self._doubtful_until or self.witness.synchronised()

    @property
    def state(self) -> str:
        """For /healthz: unset, not confirmed when no time server keeps it, or good."""
        if self.unset:
            return "unset"
        return "good" if self.witness.synchronised() else "not confirmed"
