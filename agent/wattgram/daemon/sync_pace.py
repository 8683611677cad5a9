"""When the spool is synced: what came just after one sync began is on disk within a period (SPEC 6.1).

The next one has to be over by then, and a card takes as long for it as it likes. So the wait is counted from when the
last one began, and is shorter by what the slow ones took lately. Real seconds, since what may be lost is real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

RESERVE = 0.1
"""Of a period, for all that a busy gateway does between two looks at its clock."""

REST = 0.1
"""Of a period: the least wait, or a card that is slower than the period would do nothing else."""

FADES = 0.9
"""What is left of a slow sync at each one after it: a card that tidies up does so again, but not at once."""


@dataclass(frozen=True, slots=True)
class SyncPace:
    """period: s. slow: s that a sync may take, by those before it."""

    period: float
    slow: float = 0.0

    def after(self, took: float) -> SyncPace:
        """The pace after a sync that took so many seconds."""
        return replace(self, slow=max(took, FADES * self.slow))

    def wait(self, since: float) -> float:
        """Seconds until the next sync, `since` s after the last one began."""
        return max((1.0 - RESERVE) * self.period - self.slow - since, REST * self.period)
