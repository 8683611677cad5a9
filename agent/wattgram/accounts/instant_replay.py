"""Replay: emission records are computed again from the stored instants, with other factors or late grid values.

An unchanged record is not published again. A changed record has the same key and a higher revision.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from wattgram.base.record import Record, Series

from .account_stages import AccountStages
from .books import Books
from .checkpoint_text import state_of
from .correction_names import still_named
from .late_rows import LateRows
from .left_out import Computed, LeftOut
from .pricing import Repricing
from .same_results import same_record, same_state

UNREVISED = bytes(8)
"""Revision of the first publication."""

BLOCK_INSTANTS = 3600
"""Most instants that are computed at once."""


class Past(Protocol):
    """Published records."""

    def published(self, window: str, since: int, until: int) -> Mapping[int, Record]:
        """Return the latest records of a window from `since` to before `until`, UTC ns, by their time."""
        ...

    def checkpoint_at(self, time: int) -> Record | None:
        """Return the latest stored state of exactly this time."""
        ...


class ImpliedPast:
    """Past without stored records: the replay itself takes all published records."""

    def published(self, window: str, since: int, until: int) -> Mapping[int, Record]:
        """Return an empty mapping."""
        return {}

    def checkpoint_at(self, time: int) -> Record | None:
        """Return None."""
        return None


@dataclass(slots=True)
class ReplayCounts:
    """Counts of a replay: instants, samples (instants x channels), computed and changed records by window.

    asked: the computed instants of the period that was asked for, without those before and after it. left_out:
    instants of this period that were not computed.
    """

    instants: int = 0
    asked: int = 0
    samples: int = 0
    computed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    left_out: list[LeftOut] = field(default_factory=list)


class Replay:
    """Computation from the stored records of a site in the order in which they were appended.

    books: in the state of `begin`, UTC ns. After `since`, up to `until`, UTC ns, each instant gets the mean grid
    intensity of the interval before it, as known today. Before and after, it keeps the published intensity, so that the
    windows around are complete and the carbon of the battery continues. windows: kinds to publish. skip_to_checkpoint:
    the first records are of another configuration of the site; skip them up to a state of this one. late:
    all stored rows of late energy, in the order of storage: a later row of a quarter replaces an earlier one, and each
    belongs to the end of its quarter, also if the row was stored hours later. begun: the time of the state from which
    it computes. skipped: a state of another configuration was found.
    """

    def __init__(
        self,
        books: Books,
        begin: int,
        since: int,
        until: int,
        past: Past,
        windows: Iterable[str],
        *,
        skip_to_checkpoint: bool,
        late: Iterable[Record] = (),
    ) -> None:
        self.books = books
        self.reached = self.begun = begin
        self.counts = ReplayCounts()
        self._since, self._until = since, until
        self._pricing = Repricing(books, since, until)
        self._accounts = AccountStages(books, self._pricing)
        self._accounts.begun_anew = False  # it continues the books of the checkpoint
        self.past = past
        self._windows = frozenset(windows)
        self._times: list[int] = []
        self._rows: list[bytes] = []
        self._unrevised_windows: dict[tuple[str, int], Record] = {}
        self._skipping = self.skipped = skip_to_checkpoint
        self._spans: list[tuple[int, int]] = []
        self._kinds: dict[int, tuple[Series, str]] = {}
        self._tick_series = books.series("tick")
        self._withheld: dict[int, bytes] = {}
        self._unrevised_ticks: dict[int, Record] = {}
        self._late = LateRows(books.layout, late)

    @property
    def computed(self) -> Computed:
        """What has been computed so far."""
        return Computed(self.books.layout.instant, self._spans, self.skipped)

    def take(self, record: Record) -> Iterable[Record]:
        """Take a stored record; return the records to publish again, all to be read before the next call.

        They are computed while they are read.
        """
        series = record.series
        series_kind = self._kinds.get(id(series))  # a reader gives all records of a series the same object
        if series_kind is None:
            series_kind = self._kinds[id(series)] = series, self._kind(series)
        kind = series_kind[1]
        if kind == "tick":
            if record.values[-8:] == UNREVISED:
                self._unrevised_ticks[record.time] = record
        elif kind == "window":
            if record.values[-8:] == UNREVISED:
                self._unrevised_windows[series.tag("window"), record.time] = record
        elif kind == "checkpoint" and self._skipping:
            self._begin(record)
        elif kind == "late":
            self._late.take(record)
        elif kind == "withheld":
            self._withheld[record.time] = record.values
        elif record.time <= self.reached or (self._times and record.time < self._times[-1]):
            self._pass(kind, record)
        elif kind == "instant" and not self._skipping:
            records = self.finish() if len(self._times) == BLOCK_INSTANTS else ()
            self._times.append(record.time)  # of the next block: `finish` has taken the others
            self._rows.append(self._row_of(record))
            return records
        elif kind == "totals" and not self._skipping:
            self._late.take(record)
            last = self._late.total(record.time)
            priced = self._repriced(last)
            totals = self.books.late_totals(record.time, self._pricing.late_row(priced))
            repriced = () if priced is last else (priced,)
            return chain(self.finish(), repriced, self._changed(totals, record.time, {}))
        elif kind == "checkpoint":
            return chain(self.finish(), self._replace_checkpoint(record))
        return ()

    def know_late(self, records: Iterable[Record]) -> None:
        """Take the rows of late energy of records that `take` gets next, as those of the store."""
        for record in records:
            if record.series in (self.books.layout.late, self.books.layout.totals):
                self._late.take(record)

    def _pass(self, kind: str, record: Record) -> None:
        """Pass a replacement of an earlier record, or the instant from which it computes."""
        if kind == "instant" and record.time == self.reached:
            self.books.corrections.precede(record.values)

    def _row_of(self, record: Record) -> bytes:
        """Return the row of an instant; the measured one if a correction makes a withheld balance possible."""
        withheld = self._withheld.pop(record.time, None)
        if withheld is None:
            return record.values
        return self.books.corrections.restored(record.time, record.values, withheld)

    def _kind(self, series: Series) -> str:
        """Return the kind of a series' records for the replay; "" for other devices'."""
        if series.kind == "emission":
            return "tick" if ("window", "tick") in series.tags else "window"
        layout = self.books.layout
        if series == layout.totals:
            return "totals"
        of_this_site = series.kind == "checkpoint" or series in (layout.instant, layout.late, layout.withheld)
        return series.kind if of_this_site else ""

    def finish(self) -> Iterable[Record]:
        """Compute the instants taken so far; return the records to publish again, as `take`."""
        times, rows, self._times, self._rows = self._times, self._rows, [], []
        if not times:
            return ()
        before = self._unrevised_ticks | dict(self.past.published("tick", times[0], times[-1] + 1))
        self._unrevised_ticks = {}
        priced = self._pricing.advance(times, rows, before)
        begin, self.reached = self.reached, times[-1]
        continues = bool(self._spans) and self._spans[-1][1] == begin
        self._spans.append((self._spans.pop()[0] if continues else begin, self.reached))
        late = self._late.between(begin, times[-1])
        late_priced = {time: self._repriced(record) for time, record in late.items()}
        repriced = [record for time, record in late_priced.items() if record is not late[time]]
        rows_of_late = [(time, self._pricing.late_row(record)) for time, record in late_priced.items()]
        self.counts.instants += len(times)
        self.counts.asked += max(0, bisect_right(times, self._until) - bisect_right(times, self._since))
        self.counts.samples += len(times) * len(self.books.layout.channels)
        results = self._changed(self._accounts.advance(priced, rows_of_late), times[-1], before)
        return chain(repriced, results)

    def _repriced(self, record: Record) -> Record:
        """Return a row of late energy with its price; a later replay keeps a new price, because it is stored again."""
        priced = self._pricing.priced(record)
        self._late.replace(priced)
        return priced

    def _changed(self, records: Iterable[Record], time: int, ticks: Mapping[int, Record]) -> Iterator[Record]:
        """Yield the records that differ from the published ones, with the next revision."""
        for record in records:
            if record.series is self._tick_series:
                window, published = "tick", ticks.get(record.time)
            else:
                window = record.series.tag("window")
                published = self.past.published(window, record.time, record.time + 1).get(record.time)
                published = published or self._unrevised_windows.pop((window, record.time), None)
            self.counts.computed[window] += 1
            if published is None and time <= self._since:
                continue  # the published record is no longer stored
            result = still_named(record, published)
            if published is not None and same_record(result, published):
                continue
            self.counts.changed[window] += 1
            if window in self._windows:
                yield _revised(result, published)

    def _replace_checkpoint(self, record: Record) -> Iterator[Record]:
        """Process a stored state.

        If the accounts started again there, the replay does the same. Otherwise yield the replay's state if it differs.
        """
        kind, state = record.texts
        if kind == "anew":
            self._begin(record)
            return
        stored = self.past.checkpoint_at(record.time)
        if same_state(self.books.checkpoint_state(), state_of(stored.texts[1] if stored else state)):
            return
        yield self._accounts.checkpoint(record.time)

    def _begin(self, record: Record) -> None:
        """Start with a stored state; skip to the next one if the state is of another configuration.

        The state may be earlier than the records before it: the clock was set back, and the records of the wrong clock
        are not part of this replay.
        """
        kind, state = record.texts
        if kind != "anew":
            return
        try:
            self.books.restore(state_of(state))
        except ValueError:
            self._skipping = self.skipped = True
        else:
            if self._skipping:
                self.begun = record.time
            self._skipping, self.reached = False, record.time


def _revised(record: Record, published: Record | None) -> Record:
    revision = (
        0.0 if published is None else struct.unpack_from("d", published.values, len(published.values) - 8)[0] + 1.0
    )
    return Record(record.series, record.time, record.values[:-8] + struct.pack("d", revision), record.texts)
