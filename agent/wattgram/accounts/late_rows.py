"""Stored rows of late energy as a replay reads them: of each time, the last row counts (METHOD-SITE 9.3)."""

from __future__ import annotations

from collections.abc import Iterable

from wattgram.base.record import Record

from .row_layout import Layout


class LateRows:
    """Rows of late energy of a site, of each quarter or each hour's end the last stored one.

    stored: all rows of the store, in the order of storage. A replay reads them again between the instants, and there an
    earlier row of a quarter may precede a state that the later row follows: `take` ignores rows that are known.
    """

    def __init__(self, layout: Layout, stored: Iterable[Record] = ()) -> None:
        self._layout = layout
        self._quarters: dict[int, Record] = {}
        self._totals: dict[int, Record] = {}
        self._known: set[tuple[bool, int, bytes, tuple[str, ...]]] = set()
        for record in stored:
            self._put(record)

    def take(self, record: Record) -> None:
        """Take a row of this site in the order of storage; one that is not known replaces the row of its time."""
        if self._key(record) not in self._known:
            self._put(record)

    def between(self, begin: int, end: int) -> dict[int, Record]:
        """Return the rows of the quarters that end after `begin`, up to `end`, UTC ns, by time and in its order."""
        return {time: self._quarters[time] for time in sorted(self._quarters) if begin < time <= end}

    def total(self, time: int) -> Record:
        """Return the row of days and months at the end of an hour, UTC ns; KeyError without one."""
        return self._totals[time]

    def replace(self, record: Record) -> None:
        """Replace the row of a time by the same row with another price."""
        self._rows_of(record)[record.time] = record

    def _put(self, record: Record) -> None:
        if record.series in (self._layout.late, self._layout.totals):
            self._known.add(self._key(record))
            self._rows_of(record)[record.time] = record

    def _rows_of(self, record: Record) -> dict[int, Record]:
        return self._totals if record.series == self._layout.totals else self._quarters

    def _key(self, record: Record) -> tuple[bool, int, bytes, tuple[str, ...]]:
        return record.series == self._layout.totals, record.time, record.values, record.texts
