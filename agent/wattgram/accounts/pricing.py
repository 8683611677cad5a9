"""Stage: rows of instants get the grid terms of their intervals, as the grid is known now; a replay keeps some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.grid.signal import Signal

from . import late_price
from .books import EXTRA_FIELDS, Books, GridTerms, interval_begin, seconds_of
from .late_energy import Span

NOTHING_PUBLISHED: Mapping[int, Record] = MappingProxyType({})


class PricedRows(NamedTuple):
    """Instants (UTC ns), their rows with grid terms one after the other, and the terms of each."""

    times: Sequence[int]
    rows: bytes
    terms: Sequence[GridTerms]


class Pricing:
    """Grid terms from the ladder of `books`."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def advance(
        self, times: Sequence[int], rows: Sequence[bytes], published: Mapping[int, Record] = NOTHING_PUBLISHED
    ) -> PricedRows:
        """Return the rows of instants with their grid terms. published: emissions of the ticks, by their time."""
        terms = [self._terms(time, seconds_of(row), published.get(time)) for time, row in zip(times, rows, strict=True)]
        return PricedRows(times, self._books.with_grid_terms(b"".join(rows), terms), terms)

    def _terms(self, time: int, seconds: float, published: Record | None) -> GridTerms:
        """Return the grid terms of an instant, and of the interval of `seconds` before it."""
        return self._books.terms(time, seconds)


class Repricing(Pricing):
    """Grid terms of a replay: new after `since`, up to `until`, UTC ns; before and after, the published ones."""

    def __init__(self, books: Books, since: int, until: int) -> None:
        super().__init__(books)
        self._since, self._until = since, until
        self._last_terms: tuple[GridTerms | None, int, int] = (None, 0, 0)  # the terms, and their period

    def priced(self, record: Record) -> Record:
        """Return a row of late energy, as read, with the grid's mean over its time; outside the period as stored."""
        if not self._since < record.time <= self._until:
            return record
        ladder = self._books.ladder
        if record.series == self._books.layout.totals:
            begin = record.time - int(max(3600.0, seconds_of(record.values)) * NS)
            spans: Sequence[Span] = (Span(begin, record.time),)
        else:
            spans = late_price.spans_of(record.texts[0])
        terms = GridTerms(late_price.price(ladder, spans), *ladder.inventory(record.time - 1))
        row = self._books.with_grid_terms(record.values, [terms])
        return record if row == record.values else Record(record.series, record.time, row, record.texts)

    def late_row(self, record: Record) -> bytes:
        """Return a row of late energy as corrected, with the price of the record."""
        layout, corrections = self._books.layout, self._books.corrections
        if record.series == layout.totals:
            return corrections.late(hour_before(record.time), record.values)
        slot = Span(layout.slot_begin(record.time), record.time)
        return corrections.late(slot, record.values, late_price.spans_of(record.texts[0]))

    def _terms(self, time: int, seconds: float, published: Record | None) -> GridTerms:
        if not self._since < time <= self._until and published is not None:
            return published_terms(published, self._books.ladder.residual(time - 1))
        begin = interval_begin(time, seconds) if seconds > 0.0 else time
        terms, since, until = self._last_terms
        if terms is None or not since <= begin <= time - 1 < until:
            terms = self._books.terms(time, seconds)
            until = self._books.ladder.until(begin)
            # The mean over a change is of this interval alone.
            self._last_terms = (terms, begin, until) if begin <= time - 1 < until else (None, 0, 0)
        return terms


def hour_before(time: int) -> Span:
    """Return the hour that ends at a time, to which energy of an unknown time is booked, UTC ns."""
    return Span(time - 3600 * NS, time)


def published_terms(published: Record, residual: float) -> GridTerms:
    """Return the grid terms of an emission of a tick. residual: of a record of an earlier version, which has none."""
    numbers = dict(zip(published.series.fields, published.numbers(), strict=True))
    intensity, clean, official = (numbers[name] for name in ("grid_intensity", *EXTRA_FIELDS[:2]))
    residual, tier, age = numbers.get("residual_intensity", residual), numbers["grid_tier"], numbers["grid_age"]
    ended = published.time - round(age * NS) if age else published.time
    signal = Signal(intensity, published.texts[1], published.texts[0], int(tier), 0, ended, clean_share=clean)
    return GridTerms(signal, official, residual)
