"""The daemon, as the server reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class DaemonView(Protocol):
    """The values of the page and the API. All are plain JSON: a missing number is None, never NaN."""

    def ticks(self) -> int:
        """Return the number of balances since the start. After a change, `now` returns a newer balance."""

    def now(self) -> Mapping[str, object]:
        """Return the present state: site, time, emission, devices, wiring, grid, buses, sinks, spool, events."""

    async def history(self, seconds: float, until: float | None = None) -> Mapping[str, object]:
        """Return the columns of a period: `seconds` long, up to `until` (s since the epoch, None for now).

        The answer has about 1500 rows at most, in the columns `time` (s since the epoch) and the emission's fields (in
        their units, or None), and beside them `resolution` ("tick", "15m", "1h", "1d" or "1mo"), `step` (s from row to
        row), `since`, `until`, `correction` and `uncertainty_basis`. SpoolError, HistoryError: the history cannot be
        read.
        """

    async def results(self) -> Sequence[Mapping[str, object]]:
        """Return the last quarter of an hour, today and yesterday, as far as their windows are over.

        Keys: period, start, end, coverage, basis, load_energy (Wh), emission (g), emission_intensity (g/kWh), their
        uncertainties and uncertainty_basis; None for unknown. SpoolError, HistoryError: the history cannot be read.
        """

    def goals(self) -> Sequence[Mapping[str, object]]:
        """Return a card for each claim; no card before the first evaluation.

        Keys: goal, article, claim, indicator, value, unit, target, state, coverage, period, as_of, why (reason of the
        state), add (what a value still needs), extras (name, value, unit).
        """

    def health(self) -> tuple[bool, Mapping[str, object]]:
        """Return whether the daemon is healthy, and the details."""

    def metrics(self) -> Mapping[str, float]:
        """Return the self-metrics by name, with labels in Prometheus' notation. Equal names are adjacent."""
