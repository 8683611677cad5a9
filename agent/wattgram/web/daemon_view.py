"""What the server knows of the daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class DaemonView(Protocol):
    """What the page shows. Everything returned is plain JSON: None where there is no number, never NaN."""

    def ticks(self) -> int:
        """How many balances there were since the start; with another number `now` has another one to show."""

    def now(self) -> Mapping[str, object]:
        """The state of this moment: site, time, emission, devices, grid, buses, sinks, spool, events."""

    async def history(self, seconds: float, until: float | None = None) -> Mapping[str, object]:
        """Columns of the `seconds` before `until`, s since the epoch, None for now; never more than some 1500 rows.

        `resolution`: "tick", "15m", "1h", "1d" or "1mo", `step`: seconds from one row to the next, `since` and `until`;
        `time` in s since the epoch, the rest in their units or None. SpoolError, HistoryError: there is none to read.
        """

    def goals(self) -> Sequence[Mapping[str, object]]:
        """Each claim's card: goal, article, claim, indicator, value, unit, target, state, coverage, period, as_of,
        why (it is in this state), add (what a value needs), extras (name, value, unit). Empty before the first."""

    def health(self) -> tuple[bool, Mapping[str, object]]:
        """Whether all is well, and the details."""

    def metrics(self) -> Mapping[str, float]:
        """Self-metrics by name, with labels as Prometheus writes them; those of one name follow one another."""
