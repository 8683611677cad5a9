"""Whether the wall clock can be right, by what it says beside the monotonic one; and readings that wait until it is.

A gateway without a battery-backed clock wakes up in 1970, or when its system was built. What it reads then has a known
monotonic time and no known wall time: it is kept, and stamped when the clock has been set (SPEC 6.8).
Wall time is UTC in ns, monotonic time in s of the clock that stamps readings, a step in s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from wattgram_drivers.device import Reading

from .clock import MS, NS
from .metering import Happened
from .units import rfc3339

EARLIEST = 1_735_689_600 * NS
"""2025-01-01T00:00:00Z: no gateway that runs this has been switched on before."""

STEP = 1.0
"""Seconds at least by which a clock must jump. A clock that is slewed gains 0.5 ms a second at most (adjtimex(2)), and
a busy gateway reads its two clocks some milliseconds apart."""

KEPT = 100_000
"""Readings that wait at most: 50 minutes of 32 devices that are read once a second."""

UNSET, SET, STEPPED = "clock unset", "clock set", "clock stepped"

_S = TypeVar("_S")


class Told(NamedTuple):
    """Of one pair of times.

    unset: wall time means nothing now. anchor: the clock has just been set, and this is the wall time at which the
    monotonic clock was 0 (`wall_time`). step: by how much a clock that was set has jumped; 0 mostly.
    """

    happened: tuple[Happened, ...] = ()
    unset: bool = False
    anchor: int | None = None
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """Compares each pair of times with the one before.

    tick: s between two pairs. earliest: the wall time before which the clock cannot be right. A clock that stands at
    the last shutdown is later than that: it is taken as set, and its synchronisation as a step.
    """

    tick: float = 1.0
    earliest: int = EARLIEST
    before: tuple[int, float] | None = None
    unset: bool = False

    def advance(self, wall: int, monotonic: float) -> tuple[ClockWatch, Told]:
        """Take both clocks, read at one instant; the watch after it, and what it found.

        A jump is one of more than the larger of `STEP` and half a tick between two pairs, so slewing is none, however
        long it takes. A clock that is not set jumps unnoticed until it is set.
        """
        unset = wall < self.earliest
        after = replace(self, before=(wall, monotonic), unset=unset)
        if unset:
            return after, Told(() if self.unset else (Happened(UNSET, self._impossible(wall)),), unset=True)
        if self.unset:
            anchor = wall - round(monotonic * NS)
            detail = f"to {rfc3339(wall)}; what was read before is stamped by it"
            return after, Told((Happened(SET, detail),), anchor=anchor)
        if self.before is None:
            return after, Told()
        step = (wall - self.before[0] - round((monotonic - self.before[1]) * NS)) / NS
        if abs(step) <= max(STEP, self.tick / 2.0):
            return after, Told()
        return after, Told((Happened(STEPPED, f"by {step:+.1f} s"),), step=step)

    def _impossible(self, wall: int) -> str:
        return f"found {rfc3339(wall)}, expected {rfc3339(self.earliest)} or later; readings wait until it is set"


class Waiting(Generic[_S]):
    """Readings with their source that wait for the clock, at most `limit`; the oldest give way and are counted."""

    def __init__(self, limit: int = KEPT) -> None:
        self.dropped = 0
        self._kept: deque[tuple[_S, Reading]] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, source: _S, reading: Reading) -> None:
        """Keep one more."""
        self.dropped += len(self._kept) == self._kept.maxlen
        self._kept.append((source, reading))

    def stamped(self, anchor: int) -> Iterator[tuple[_S, Reading]]:
        """Give them back in the order in which they came, each with the wall time of its monotonic one (ms)."""
        while self._kept:
            source, reading = self._kept.popleft()
            yield source, replace(reading, time=wall_time(anchor, reading.monotonic) // MS * MS)


def wall_time(anchor: int, monotonic: float) -> int:
    """UTC ns at a monotonic instant, by the `anchor` of a clock that has been set since."""
    return anchor + round(monotonic * NS)
