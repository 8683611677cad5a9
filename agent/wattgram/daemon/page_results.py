"""The last results of a site for the page: load, emission and intensity, each with its uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wattgram.accounts.ledger import LedgerRow, make_ledger
from wattgram.accounts.uncertainty import UNCERTAINTY_TEXT
from wattgram.base.clock import NS
from wattgram.base.period import PeriodSpan, window_start
from wattgram.base.units import rfc3339
from wattgram.config.load import Config
from wattgram.store.history import History

PAGE_SUMS = ("load_energy", "emission")
PAGE_RATIO = "emission_intensity"
PAGE_RESULTS = (*PAGE_SUMS, PAGE_RATIO)
"""Numbers of a result, Wh, g and g/kWh."""

STORING_SECONDS = 60.0
"""Seconds after which a window is stored, beside the tick that ends it: the last quarter must not miss for a moment."""


class PageResults:
    """The stored results of a site, of the windows that are over."""

    def __init__(self, folder: Path, config: Config) -> None:
        self._folder, self._config = folder, config

    def read(self, now: int) -> list[dict[str, Any]]:
        """Return the last quarter of an hour, today and yesterday, at a time in UTC ns; only periods with windows.

        A quarter counts a minute and a tick after its end. Keys: period ("quarter", "today", "yesterday"), start, end
        (of its last possible window), coverage (0 to 1), basis, the fields of PAGE_RESULTS and their uncertainties
        (None if unknown), and uncertainty_basis (None without an uncertainty). It blocks, so call it in a thread.
        HistoryError without a stored history.
        """
        zone = self._config.site.timezone
        stored = now - round((self._config.site.tick + STORING_SECONDS) * NS)
        over, today = window_start("15m", stored, zone), window_start("1d", now, zone)
        spans = (
            PeriodSpan("quarter", window_start("15m", over - 1, zone), over),
            PeriodSpan("today", today, over),
            PeriodSpan("yesterday", window_start("1d", today - 1, zone), min(today, over)),
        )
        return [found for span in spans if span.end > span.start and (found := self._read(span)) is not None]

    def _read(self, span: PeriodSpan) -> dict[str, Any] | None:
        """Return the result of a period; None without a window."""
        grid, zone = self._config.grid, self._config.site.timezone
        history = History(self._folder, self._config.site.name)
        # `hydro` concerns the own consumption of renewables, which is no number of a result.
        ledger = make_ledger(history, [span], span.end, zone, grid.basis, grid.method, hydro=False)
        if ledger is None:
            return None
        return {
            "period": span.name,
            "start": rfc3339(span.start),
            "end": rfc3339(span.end),
            "coverage": round(ledger.total.coverage, 4),
            "basis": ledger.book.basis,
            **_numbers(ledger.total),
        }


def _numbers(row: LedgerRow) -> dict[str, float | str | None]:
    """Return the numbers of a row with their uncertainties; an uncertainty needs its number."""
    load = row.wholes.get(PAGE_RATIO, 0.0)
    numbers = {name: row.sums.get(name) for name in PAGE_SUMS}
    numbers[PAGE_RATIO] = row.parts[PAGE_RATIO] / load if load > 0.0 else None
    found: dict[str, float | str | None] = {}
    for name, number in numbers.items():
        unsure = row.uncertain.uncertainties.get(f"{name}_uncertainty")
        found |= {name: number, f"{name}_uncertainty": None if number is None else unsure}
    known = any(found[f"{name}_uncertainty"] is not None for name in numbers)
    found[UNCERTAINTY_TEXT] = ("assumed" if row.uncertain.assumed else "stated") if known else None
    return found
