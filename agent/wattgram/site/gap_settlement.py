"""Stage: energy of gaps that counters told, as rows to store, and rows to book with the instant."""

from __future__ import annotations

from typing import NamedTuple

from wattgram.accounts.instant_rows import Instants, StoredLate
from wattgram.accounts.late_energy import LateAmount
from wattgram.accounts.row_layout import Layout
from wattgram.base.occurrence import DeviceOccurrence, Occurrence
from wattgram.base.period import window_end, window_start
from wattgram.base.units import rfc3339

from .settlement import Settlement

REPORTED_GAP = 60.0
"""Length from which a gap that a counter has told is an event, s."""


class SettledGaps(NamedTuple):
    """Amounts of gaps that counters told now, their events, and rows of late energy with the end of their quarter.

    rows: to store. booked: those of them to book with the instant. totals: row of energy that belongs to days and
    months only, at the end of an hour. beside: further late energy, of no gap or of no known time, for the day book.
    """

    amounts: tuple[LateAmount, ...] = ()
    occurrences: tuple[DeviceOccurrence, ...] = ()
    rows: tuple[StoredLate, ...] = ()
    booked: tuple[tuple[int, bytes], ...] = ()
    totals: bytes | None = None
    beside: tuple[LateAmount, ...] = ()


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
        amounts, quarter = tuple(self._instants.amounts), self._layout.slot_begin(time)
        for amount in (*amounts, *self._instants.held, *self._instants.late_fuel):
            self._settlement.add_amount(amount, quarter)
        occurrences = tuple(
            (self._device(amount), Occurrence("gap settled", f"{_told(amount)}, shared by time"))
            for amount in amounts
            if amount.length >= REPORTED_GAP
        )
        rows = self.rows(time, begin)
        booked = tuple((late.time, late.row) for late in rows if late.time > begin)
        beside = (*self._instants.held, *self._instants.undated)
        return SettledGaps(amounts, occurrences, rows, booked, self._totals(time), beside)

    def rows(self, time: int, begin: int) -> tuple[StoredLate, ...]:
        """Return rows of late energy that are due at a time; a revision books those that end up to `begin`."""
        rows = tuple(self._instants.late(time))
        self._settlement.rows += len(rows)
        for late in rows:
            if late.time <= begin:
                self._settlement.add(self._layout.slot_begin(late.time))
        return rows

    def end(self, computed_from: int | None) -> list[DeviceOccurrence]:
        """Note that closed quarters were computed again from a time, UTC ns, or None: it must be tried again.

        Late energy of the time before is booked at the end of the hour, with days and months only. Return its events.
        """
        occurrences = []
        for amount in self._settlement.end(computed_from):
            self._instants.add_old(amount)
            detail = f"{_told(amount)}; the history of this time is deleted: unaccounted in day and month"
            occurrences.append((self._device(amount), Occurrence("gap older than history", detail)))
        return occurrences

    def _totals(self, time: int) -> bytes | None:
        start = window_start("1h", time - 1, self._layout.zone)
        return self._instants.late_totals(time) if window_end("1h", start, self._layout.zone) <= time else None

    def _device(self, amount: LateAmount) -> str:
        return self._instants.device_of(amount.channel)


def _told(amount: LateAmount) -> str:
    """Return energy and time of a gap for an event."""
    energy, begin, end = amount.positive - amount.negative, amount.spans[0].begin, amount.spans[-1].end
    return f"{energy / 1000.0:.3f} kWh from {rfc3339(begin)} to {rfc3339(end)} by counter"
