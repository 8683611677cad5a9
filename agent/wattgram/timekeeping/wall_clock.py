"""Whether the wall clock can be right, by what it says beside the monotonic one.

A gateway without a battery-backed clock wakes up in 1970, when its system was built, or when it was last switched off.
What it reads then has a known monotonic time and no known wall time: it waits, and is stamped when the clock has been
set (SPEC 6.8). Wall time is UTC in ns, monotonic time in s of the clock that stamps readings, a step in s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.units import rfc3339

EARLIEST = 1_735_689_600 * NS
"""2025-01-01T00:00:00Z: no gateway that runs this has been switched on before."""

CLOCK_STEP = 1.0
"""Seconds at least by which a clock must jump: a busy gateway reads its two clocks some milliseconds apart."""

SLEWED = 500e-6
"""Of the time since the clock was last read, by which the kernel slews it at most (adjtimex(2)); that is no step."""

CONFIRM_SECONDS = 540.0
"""Seconds after the machine was switched on for which a clock that nobody confirms is not believed."""

UNSET, SET, UNCONFIRMED, STEPPED = "clock unset", "clock set", "clock not confirmed", "clock stepped"


class ClockVerdict(NamedTuple):
    """Of one pair of times.

    step: by how much a clock that was set has jumped, 0 mostly; of one that was unset meanwhile, by how much it is
    off what it would show by now.
    """

    happened: tuple[Occurrence, ...] = ()
    step: float = 0.0


Pair = tuple[int, float]
"""Wall and monotonic time of one instant."""


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """Compares each pair of times with the one before.

    least: s that a jump has at least. earliest: the wall time before which the clock cannot be right. patience: s of
    uptime until a clock is believed that nobody confirms. before: the last pair. sure: the last one when it was set.
    """

    least: float = CLOCK_STEP
    earliest: int = EARLIEST
    patience: float = CONFIRM_SECONDS
    before: Pair | None = None
    sure: Pair | None = None
    unset: bool = False

    def advance(
        self, wall: int, monotonic: float, *, synchronised: bool = True, uptime: float = inf
    ) -> tuple[ClockWatch, ClockVerdict]:
        """Take both clocks, read at one instant; the watch after it, and what it found.

        A clock is set from the moment on at which a time server keeps it, somebody sets it, or the machine has run for
        so long that nobody will. It stays so, whatever becomes of the server, while its time is possible.
        """
        now = wall, monotonic
        jumped = self.before is not None and self._step(self.before, now) != 0.0
        believed = self.sure is not None or synchronised or jumped
        possible = wall >= self.earliest
        if not possible or not (believed or uptime >= self.patience):
            why = self._impossible(wall) if not possible else self._unconfirmed(wall, uptime)
            after = replace(self, before=now, unset=True)
            return after, ClockVerdict(
                () if self.unset else (Occurrence(UNSET, f"{why}; readings wait until it is set"),)
            )
        after = replace(self, before=now, sure=now, unset=False)
        step = 0.0 if self.sure is None else self._step(self.sure, now)
        if self.unset:
            stamped = f"to {rfc3339(wall)}; what was read before is stamped by it"
            if believed:
                return after, ClockVerdict((Occurrence(SET, stamped),), step)
            detail = f"{stamped}, although no time server was heard for {uptime:.0f} s"
            return after, ClockVerdict((Occurrence(UNCONFIRMED, detail),), step)
        return after, ClockVerdict((Occurrence(STEPPED, f"by {step:+.1f} s"),) if step else (), step)

    def _step(self, one: Pair, other: Pair) -> float:
        """By how much the wall clock jumped between two pairs, s; 0 when it did not."""
        passed = other[1] - one[1]
        step = (other[0] - one[0] - round(passed * NS)) / NS
        return step if abs(step) > self.least + SLEWED * passed else 0.0

    def _impossible(self, wall: int) -> str:
        return f"found {rfc3339(wall)}, expected {rfc3339(self.earliest)} or later"

    def _unconfirmed(self, wall: int, uptime: float) -> str:
        return (
            f"found {rfc3339(wall)} {uptime:.0f} s after the machine was switched on, and no time server that keeps "
            f"it, expected one within {self.patience:.0f} s"
        )


def wall_time(anchor: int, monotonic: float) -> int:
    """UTC ns at a monotonic instant, by the wall time `anchor` at which the monotonic clock was 0."""
    return anchor + round(monotonic * NS)
