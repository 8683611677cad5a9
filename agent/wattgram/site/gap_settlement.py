"""Stage: energy of gaps that counters told, as rows to store, and rows to book with the instant."""

from __future__ import annotations

from typing import NamedTuple

from wattgram.accounts.books import Layout
from wattgram.accounts.instant_rows import Instants
from wattgram.accounts.late_energy import LateAmount
from wattgram.base.clock import NS
from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.base.period import window_end, window_start
from wattgram.base.units import rfc3339

from .settlement import Settlement

REPORTED_GAP = 60.0
"""Length from which a gap that a counter has told is an event, s."""


class SettledGaps(NamedTuple):
    """Amounts of gaps that counters told now, their events, and rows of late energy with the end of their quarter.

    rows: to store. booked: those of them to book with the instant. totals: row of energy that belongs to days and
    months only, at the end of an hour.
    """

    amounts: tuple[LateAmount, ...] = ()
    occurrences: tuple[DeviceOccurrence, ...] = ()
    rows: tuple[tuple[int, bytes], ...] = ()
    booked: tuple[tuple[int, bytes], ...] = ()
    totals: bytes | None = None


class GapSettlement:
    """Late energy of `instants`. `settlement` receives the quarters that are closed: a revision books them."""

    def __init__(self, instants: Instants, layout: Layout, settlement: Settlement) -> None:
        self._instants = instants
        self._layout = layout
        self._settlement = settlement

    def advance(self, time: int, begin: int, *, withheld: bool) -> SettledGaps:
        """Return the late energy that is due at an instant; none, and forget it, while the balance is withheld.

        begin: the last instant, UTC ns.
        """
        if withheld:
            self._instants.forget_late()
            return SettledGaps(totals=self._totals(time))
        amounts = tuple(self._instants.amounts)
        occurrences = tuple(reported for amount in amounts for reported in self._report_late(amount))
        rows = tuple(self._instants.late(time))
        self._settlement.rows += len(rows)
        for end, _ in rows:
            if end <= begin:
                self._settlement.add(self._layout.slot_begin(end))
        booked = tuple((end, row) for end, row in rows if end > begin)
        return SettledGaps(amounts, occurrences, rows, booked, self._totals(time))

    def _totals(self, time: int) -> bytes | None:
        start = window_start("1h", time - 1, self._layout.zone)
        return self._instants.late_totals(time) if window_end("1h", start, self._layout.zone) <= time else None

    def _report_late(self, amount: LateAmount) -> tuple[DeviceOccurrence, ...]:
        """Return the event about the energy of a gap, unless the gap was short."""
        begin, end = amount.spans[0].begin, amount.spans[-1].end
        if end - begin < REPORTED_GAP * NS:
            return ()
        energy = amount.positive - amount.negative
        name = self._instants.device_of(amount.channel)
        detail = f"{energy / 1000.0:.3f} kWh from {rfc3339(begin)} to {rfc3339(end)} by counter, shared by time"
        return ((name, Occurrence("gap settled", detail)),)
