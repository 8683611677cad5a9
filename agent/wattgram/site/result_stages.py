"""The stages from the flows of an instant to the results of a running site: price, book, close windows, day book."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wattgram.accounts.account_stages import AccountStages
from wattgram.accounts.daybook import DayBook
from wattgram.accounts.late_energy import Span
from wattgram.accounts.late_price import spans_of
from wattgram.accounts.pricing import hour_before
from wattgram.acquisition.device_source import Source
from wattgram.base.occurrence import DeviceOccurrence, Occurrence, of_device
from wattgram.base.record import Record
from wattgram.base.units import rfc3339
from wattgram.timekeeping.published_times import PublishedWindows

from .flow_stages import InstantFlows
from .gap_settlement import SettledGaps


class ResultStages:
    """Results of instants, one after the other. latest: the last emission of a tick.

    The state for a restart is the state of the published windows; the other stages store their own.
    """

    def __init__(self, accounts: AccountStages, days: DayBook) -> None:
        self.latest: Record | None = None
        self._accounts = accounts
        self._days = days
        self._published = PublishedWindows()

    def put(self, source: Source, time: int) -> None:
        """Add the last reading of a device to its day; `time` in UTC ns. A frozen device has no values."""
        if not source.frozen:
            self._days.add_reading(source, time)

    def advance(self, flows: InstantFlows) -> tuple[list[Record], list[DeviceOccurrence]]:
        """Return the records of an instant in the order of their computation, and the events."""
        time, accounts, gaps = flows.time, self._accounts, flows.gaps
        if flows.set_back:
            accounts.set_back(time)
        records = [accounts.checkpoint(time - 1)] if accounts.begun_anew else []
        priced, layout = accounts.pricing.advance([time], [flows.row]), accounts.books.layout
        if flows.withheld:
            records.append(Record(layout.withheld, time, flows.withheld))
        records.append(Record(layout.instant, time, priced.rows))
        records += [late.record(layout) for late in gaps.rows]
        self._days.add_row(time, priced.rows)
        for amount in gaps.amounts:
            self._days.add_late(amount)
        for amount in gaps.beside:
            self._days.add_late(amount, of_gap=False)
        emissions, repeated = self._unpublished(accounts.advance(priced, self._corrected(gaps)))
        records += emissions
        occurrences = of_device("", repeated)
        hour_ended = accounts.books.running_since("1h") is None
        if gaps.totals is not None:
            row = accounts.books.corrections.late(hour_before(time), gaps.totals)
            emissions, repeated = self._unpublished(accounts.books.late_totals(time, row))
            records += [Record(layout.totals, time, gaps.totals), *emissions]
            occurrences += of_device("", repeated)
        if hour_ended:
            records += [accounts.checkpoint(time), *self._days.records()]
            occurrences += accounts.books.battery_occurrences()
        return records, occurrences

    def _corrected(self, gaps: SettledGaps) -> list[tuple[int, bytes]]:
        """Return the rows of late energy to book with the instant, as corrected."""
        books, spans = self._accounts.books, {late.time: late.spans for late in gaps.rows}
        return [
            (end, books.corrections.late(Span(books.layout.slot_begin(end), end), row, spans_of(spans[end])))
            for end, row in gaps.booked
        ]

    def _unpublished(self, emissions: Iterable[Record]) -> tuple[list[Record], list[Occurrence]]:
        """Return the emissions without the windows that were published before, by a clock that was ahead."""
        unpublished: list[Record] = []
        repeated: list[Occurrence] = []
        for record in emissions:
            window = record.series.tag("window")
            if window == "tick":
                self.latest = record
            elif not self._published.add(record):
                detail = f"{window} from {rfc3339(record.time)}: published already, before the clock was set"
                repeated.append(Occurrence("window not told", detail))
                continue
            elif window == "15m":
                self._days.add_window(record)
            unpublished.append(record)
        return unpublished, repeated

    def dump(self) -> dict[str, object]:
        """Return the published windows for a restart, JSON-compatible."""
        return self._published.dump()

    def note_published(self, dumped: Any) -> None:
        """Add the published windows of another dump; ValueError, KeyError or TypeError if it is invalid."""
        self._published.note_published(dumped)

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError, KeyError or TypeError if the state is invalid."""
        self._published.restore(dumped)
