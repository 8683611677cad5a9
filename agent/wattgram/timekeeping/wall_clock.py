"""Plausibility of the wall clock, by comparison with the monotonic clock.

After a power-up, a gateway without a battery-backed clock shows 1970, the time of its system image or the time of the
last shutdown. A reading then has a monotonic time and no wall time; it waits and gets its timestamp when the clock has
been set (SPEC 6.8). Wall time is UTC in ns, monotonic time is s of the clock that stamps readings, a step is in s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from wattgram.base.clock import NS
from wattgram.base.occurrence import Occurrence
from wattgram.base.units import rfc3339

EARLIEST = 1_735_689_600 * NS
"""2025-01-01T00:00:00Z: no gateway with this program was switched on before."""

CLOCK_STEP = 1.0
"""Smallest jump of a clock, s. A busy gateway reads its two clocks some milliseconds apart."""

SLEWED = 500e-6
"""Largest slew of the kernel, as a share of the time since the last check (adjtimex(2)). A slew is no step."""

CONFIRM_SECONDS = 540.0
"""Time after power-up during which a clock without confirmation is unreliable, s."""

UNSET, SET, UNCONFIRMED, STEPPED = "clock unset", "clock set", "clock not confirmed", "clock stepped"


class ClockVerdict(NamedTuple):
    """Result of one check.

    step: jump of a clock that was set, mostly 0. For a clock that was unset meanwhile: difference from the time that it
    would show without the interruption.
    """

    occurrences: tuple[Occurrence, ...] = ()
    step: float = 0.0


Pair = tuple[int, float]
"""Wall and monotonic time of one instant."""


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """Comparison of each pair of times with the previous pair.

    min_step: smallest jump, s. earliest: the wall time before which the clock cannot be right. confirm_seconds: uptime
    after which a clock without confirmation is accepted, s. previous: the last pair. last_set: the last pair while the
    clock was set.
    """

    min_step: float = CLOCK_STEP
    earliest: int = EARLIEST
    confirm_seconds: float = CONFIRM_SECONDS
    previous: Pair | None = None
    last_set: Pair | None = None
    unset: bool = False

    def advance(
        self, wall: int, monotonic: float, *, synchronised: bool = True, uptime: float = inf
    ) -> tuple[ClockWatch, ClockVerdict]:
        """Take both clocks, read at one instant; return the next watch and the result.

        A clock is set as soon as a time server keeps it, it is set by hand, or the uptime reaches `confirm_seconds`. It
        stays set, even without a time server, while its time is possible.
        """
        now = wall, monotonic
        jumped = self.previous is not None and self._step(self.previous, now) != 0.0
        confirmed = self.last_set is not None or synchronised or jumped
        possible = wall >= self.earliest
        if not possible or not (confirmed or uptime >= self.confirm_seconds):
            reason = self._impossible(wall) if not possible else self._unconfirmed(wall, uptime)
            after = replace(self, previous=now, unset=True)
            return after, ClockVerdict(
                () if self.unset else (Occurrence(UNSET, f"{reason}; readings wait until it is set"),)
            )
        after = replace(self, previous=now, last_set=now, unset=False)
        step = 0.0 if self.last_set is None else self._step(self.last_set, now)
        if self.unset:
            stamped = f"to {rfc3339(wall)}; earlier readings get their timestamps"
            if confirmed:
                return after, ClockVerdict((Occurrence(SET, stamped),), step)
            detail = f"{stamped}, although no time server has synchronised the clock in {uptime:.0f} s"
            return after, ClockVerdict((Occurrence(UNCONFIRMED, detail),), step)
        return after, ClockVerdict((Occurrence(STEPPED, f"by {step:+.1f} s"),) if step else (), step)

    def _step(self, earlier: Pair, later: Pair) -> float:
        """Return the jump of the wall clock between two pairs, s; 0 if there was none."""
        elapsed = later[1] - earlier[1]
        step = (later[0] - earlier[0] - round(elapsed * NS)) / NS
        return step if abs(step) > self.min_step + SLEWED * elapsed else 0.0

    def _impossible(self, wall: int) -> str:
        return f"found {rfc3339(wall)}, expected {rfc3339(self.earliest)} or later"

    def _unconfirmed(self, wall: int, uptime: float) -> str:
        return (
            f"found {rfc3339(wall)} {uptime:.0f} s after the machine was switched on, without a time "
            f"server; expected synchronisation, or {self.confirm_seconds:.0f} s of uptime"
        )


def wall_time(anchor: int, monotonic: float) -> int:
    """Return the time of a monotonic instant, UTC ns; `anchor` is the wall time when the monotonic clock was 0."""
    return anchor + round(monotonic * NS)
