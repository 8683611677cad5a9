"""The times of the spool's syncs: a record is on disk within a period (SPEC 6.1).

A record may arrive just after the start of a sync, so the next sync must end within the period. The duration of a sync
varies with the card. Therefore the wait starts with the last sync, and is shorter by the duration of recent slow syncs.
Times are real s, since a power failure is real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

RESERVE = 0.1
"""Share of a period for other work of a busy gateway."""

REST = 0.1
"""Shortest wait, as a share of a period: without it a slow card would only sync."""

FADES = 0.9
"""Factor on the duration of a slow sync at each later sync: a card is slow again, but not at once."""


@dataclass(frozen=True, slots=True)
class SyncPace:
    """period: s. slow: expected duration of a slow sync, s."""

    period: float
    slow: float = 0.0

    def after(self, took: float) -> SyncPace:
        """Return the pace after a sync of `took` s."""
        return replace(self, slow=max(took, FADES * self.slow))

    def wait(self, since: float) -> float:
        """Return the s until the next sync, `since` s after the start of the last."""
        return max((1.0 - RESERVE) * self.period - self.slow - since, REST * self.period)
