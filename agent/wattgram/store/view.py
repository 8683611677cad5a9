"""One view of a folder's journal, segments and database, also while another process writes them."""

from __future__ import annotations

import heapq
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from wattgram.base.record import Kind, Record, Series

from . import journal
from .block import Numbered
from .database_swap import DATABASE_FILE
from .refused_table import refused_of
from .regular_files import read_regular
from .ring import PlacedBlock, Ring
from .rows import ROW_COLUMNS, all_series, decoded, text
from .small_tables import appended_before, rings_of, states_of

RINGS: dict[str, tuple[Kind, ...]] = {
    "readings": ("device", "emission", "gateway"),
    "instants": ("instant", "withheld"),
}
"""Rings and their kinds, except for records searched by key."""

SENT_RINGS = ("readings",)
"""Rings whose records go to sinks."""


def journal_records(folder: Path) -> list[Numbered]:
    """Return the records of the journal, which may also be in segments and database by now.

    OSError if the journal cannot be read.
    """
    try:
        data = read_regular(folder / journal.JOURNAL_FILE)
    except FileNotFoundError:
        return []
    return [numbered for entry in journal.read(data).entries for numbered in entry.records]


def journal_refusals(folder: Path) -> list[journal.Refusal]:
    """Return the refused records of the journal, which may also be in the database by now."""
    try:
        data = read_regular(folder / journal.JOURNAL_FILE)
    except FileNotFoundError:
        return []
    return [refusal for entry in journal.read(data).entries for refusal in entry.refused]


class StoreView:
    """View of all records: the database by a connection of the caller, the journal's records as `journaled`.

    The journal must be read before the first query of the connection; otherwise records packed in between are missing.
    damaged: omitted records that are not readable.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection, journaled: Sequence[Numbered]) -> None:
        self.folder = folder
        self.damaged = 0
        db.text_factory = text
        self._db = db
        self._journaled = journaled
        self._reached = rings_of(db)
        self._rings: dict[str, Ring] = {}
        self._series = dict(all_series(db))
        self._shared_series = {series: series for series in self._series.values()}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._journaled_by_series: dict[Series, list[Numbered]] = {}
        for numbered in journaled:
            if numbered[1].looked_up_by_key:
                self._journaled_by_series.setdefault(numbered[1].series, []).append(numbered)

    def series(self, wanted: Callable[[Series], bool]) -> set[Series]:
        """Return the series known to database or journal; some of them may have no record there."""
        known = {*self._series.values(), *(record.series for _, record in self._journaled)}
        return {series for series in known if wanted(series)}

    def refused(self) -> list[journal.Refusal]:
        """Return the refused records of the database, oldest first."""
        return list(refused_of(self._db, dict(all_series(self._db))))

    def state(self, name: str) -> bytes | None:
        """Return a piece of state, None if it is not stored."""
        return states_of(self._db).get(name)

    def appended_before(self, time: int) -> int:
        """Return a number up to which all records were appended before a time, UTC ns."""
        return appended_before(self._db, time)

    def in_order(self, kinds: Collection[Kind], after: int, wanted: Callable[[Series], bool]) -> Iterator[Record]:
        """Yield the records of some kinds after a number, in the order in which they were appended."""
        return (record for _, record in self.numbered(kinds, after, wanted))

    def numbered(self, kinds: Collection[Kind], after: int, wanted: Callable[[Series], bool]) -> Iterator[Numbered]:
        """Yield the records of some kinds after a number with their numbers, in the order of appending."""
        sources: list[Iterable[Numbered]] = [self._ring_records(name, kinds, after) for name in RINGS]
        sources.append(self._selected(f"seq > {after}", "seq", lambda series: series.kind in kinds and wanted(series)))
        sources.append((seq, record) for seq, record in self._journaled if seq > after and record.series.kind in kinds)
        last = after
        known: dict[int, tuple[Series, Series | None]] = {}  # with the object itself, so that its id is not reused
        for seq, record in heapq.merge(*sources, key=_number):
            series = record.series
            if id(series) not in known:
                known[id(series)] = series, self._shared_series.setdefault(series, series) if wanted(series) else None
            shared = known[id(series)][1]
            # A record that is just being packed is found twice.
            if seq > last and shared is not None:
                last = seq
                yield seq, record if shared is series else Record(shared, record.time, record.values, record.texts)

    def by_time(self, wanted: Callable[[Series], bool], since: int, until: int) -> Iterator[Record]:
        """Yield the records of the database's kinds from `since` to before `until`, UTC ns, by time and number."""
        return self._merged_by_time((), wanted, since, until)

    def all_by_time(
        self, kinds: Collection[Kind], wanted: Callable[[Series], bool], since: int, until: int
    ) -> Iterator[Record]:
        """Yield the records of some kinds from `since` to before `until`, UTC ns, by time and number.

        Only the blocks whose times overlap are in memory.
        """
        rings = [self._ring_records_by_time(ring, kinds, wanted, since, until) for ring in self._rings_of(kinds)]
        return self._merged_by_time(rings, wanted, since, until)

    def series_between(
        self, kinds: Collection[Kind], wanted: Callable[[Series], bool], since: int, until: int
    ) -> set[Series]:
        """Return the series of records in this period; of the rings with these kinds also others of the segments."""
        found = {record.series for _, record in self._journaled if since <= record.time < until}
        numbers = self._db.execute("SELECT DISTINCT series FROM record WHERE time >= ? AND time < ?", (since, until))
        found.update(self._series[number] for (number,) in numbers if number in self._series)
        for ring in self._rings_of(kinds):
            for placed in {placed.segment.number: placed for placed in _overlapping(ring, since, until)}.values():
                found.update(ring.series(placed))
        return {series for series in found if wanted(series)}

    def extent(self, kinds: Collection[Kind], wanted: Callable[[Series], bool]) -> tuple[int, int] | None:
        """Return the first and the last time of these records, UTC ns; None if there is none."""
        times = [*(self.span(wanted) or ())]
        for ring in self._rings_of(kinds):
            blocks = list(ring.blocks(0))
            for placed in sorted(blocks, key=lambda placed: placed.head.since):
                if times and min(times) <= placed.head.since:
                    break
                times += [record.time for _, record in self._unpacked(ring, placed, kinds, wanted)]
            for placed in sorted(blocks, key=lambda placed: -placed.head.until):
                if times and max(times) >= placed.head.until:
                    break
                times += [record.time for _, record in self._unpacked(ring, placed, kinds, wanted)]
        return (min(times), max(times)) if times else None

    def latest(
        self, wanted: Callable[[Series], bool], since: int, until: int, *, newest: bool = False
    ) -> list[Numbered]:
        """Return the last record of each key with a time from `since` to before `until`, UTC ns.

        In order of time, or only the newest. Only for kinds searched by key.
        """
        query = (
            f"SELECT {_OF_RECORD} FROM latest JOIN record ON record.seq = latest.seq"  # noqa: S608 - constants, numbers
            f" WHERE latest.series IN ({self._numbers(wanted)}) AND latest.time >= ? AND latest.time < ?"
            f" ORDER BY latest.time{' DESC LIMIT 1' if newest else ''}"
        )
        found: dict[tuple[Series, int], Numbered] = {}
        stored = self._decoded(self._db.execute(query, (since, until)))
        searched = (rows for series, rows in self._journaled_by_series.items() if wanted(series))
        journaled = (numbered for rows in searched for numbered in rows if since <= numbered[1].time < until)
        for seq, record in (*stored, *journaled):
            key = record.series, record.time
            if key not in found or found[key][0] <= seq:
                found[key] = seq, self._with_shared_series(record)
        listed = sorted(found.values(), key=_time)
        return listed[-1:] if newest else listed

    def span(self, wanted: Callable[[Series], bool]) -> tuple[int, int] | None:
        """Return the first and the last time of the database's kinds, UTC ns; None if there is none."""
        first, last = self._db.execute(
            f"SELECT min(time), max(time) FROM record WHERE series IN ({self._numbers(wanted)})"  # noqa: S608 - numbers
        ).fetchone()
        times = [record.time for _, record in self._journaled if wanted(record.series)] + [
            time for time in (first, last) if time
        ]
        return (min(times), max(times)) if times else None

    def _ring_records(self, name: str, kinds: Collection[Kind], after: int) -> Iterator[Numbered]:
        if not set(kinds) & set(RINGS[name]):
            return
        ring = Ring(self.folder, name, RINGS[name])
        ring.load()
        for placed in ring.blocks(after):
            yield from ((seq, record) for seq, record in self._unpacked(ring, placed, kinds) if seq > after)

    def _ring_records_by_time(
        self, ring: Ring, kinds: Collection[Kind], wanted: Callable[[Series], bool], since: int, until: int
    ) -> Iterator[Numbered]:
        """Yield a ring's records by time and number; its blocks are in the order of appending."""
        waiting: list[Numbered] = []
        for placed in sorted(_overlapping(ring, since, until), key=lambda placed: placed.head.since):
            ready = bisect_left(waiting, placed.head.since, key=lambda numbered: numbered[1].time)
            yield from waiting[:ready]
            found = self._unpacked(ring, placed, kinds, wanted)
            waiting = waiting[ready:] + [numbered for numbered in found if since <= numbered[1].time < until]
            waiting.sort(key=_time)
            self.damaged += placed.missing
        yield from waiting

    def _unpacked(
        self, ring: Ring, placed: PlacedBlock, kinds: Collection[Kind], wanted: Callable[[Series], bool] | None = None
    ) -> list[Numbered]:
        """Return a block's records; none if it is damaged or was just overwritten, which is counted."""
        try:
            return ring.records(placed, [kind for kind in ring.kinds if kind in kinds], wanted)
        except (ValueError, FileNotFoundError):
            self.damaged += placed.head.records
            return []

    def _rings_of(self, kinds: Collection[Kind]) -> Sequence[Ring]:
        """Return the rings with some kinds, as at their first use; records missing at the end are counted."""
        found: list[Ring] = []
        for name, held in RINGS.items():
            if set(held).isdisjoint(kinds):
                continue
            if name not in self._rings:
                ring = self._rings[name] = Ring(self.folder, name, held)
                ring.load(*self._reached.get(name, (0, 0)))
                self.damaged += ring.absent
            found.append(self._rings[name])
        return found

    def _merged_by_time(
        self, sources: Iterable[Iterable[Numbered]], wanted: Callable[[Series], bool], since: int, until: int
    ) -> Iterator[Record]:
        """Yield the records of database, journal and more sources, by time and number."""
        stored = self._selected(f"time >= {since} AND time < {until}", "time, seq", wanted)
        journaled = [
            (seq, record) for seq, record in self._journaled if since <= record.time < until and wanted(record.series)
        ]
        journaled.sort(key=_time)
        seen: tuple[int, int] | None = None
        for numbered in heapq.merge(stored, journaled, *sources, key=_time):
            if _time(numbered) != seen:  # a record that is just being packed is found twice
                seen = _time(numbered)
                yield self._with_shared_series(numbered[1])

    def _selected(self, condition: str, order: str, wanted: Callable[[Series], bool]) -> Iterator[Numbered]:
        where = f"series IN ({self._numbers(wanted)}) AND {condition}"
        query = f"SELECT {ROW_COLUMNS} FROM record WHERE {where} ORDER BY {order}"  # noqa: S608 - numbers
        return self._decoded(self._db.execute(query))

    def _numbers(self, wanted: Callable[[Series], bool]) -> str:
        return ", ".join(str(number) for number, series in self._series.items() if wanted(series))

    def _decoded(self, rows: Iterable[tuple[int, int, int, bytes, str, int]]) -> Iterator[Numbered]:
        """Yield the records of rows; equal texts are one object."""
        for row in rows:
            if (found := decoded(row, self._series, self._texts)) is None:
                self.damaged += 1
            else:
                yield row[0], found

    def _with_shared_series(self, record: Record) -> Record:
        """Return the record with the shared object of its series, by which readers identify the series."""
        shared = self._shared_series.setdefault(record.series, record.series)
        return record if shared is record.series else Record(shared, record.time, record.values, record.texts)


_OF_RECORD = ", ".join(f"record.{name}" for name in ROW_COLUMNS.split(", "))


def _overlapping(ring: Ring, since: int, until: int) -> Iterator[PlacedBlock]:
    """Yield the blocks that may have records in this period."""
    return (placed for placed in ring.blocks(0) if placed.head.since < until and placed.head.until >= since)


def _number(numbered: Numbered) -> int:
    return numbered[0]


def _time(numbered: Numbered) -> tuple[int, int]:
    return numbered[1].time, numbered[0]


def connected(folder: Path) -> sqlite3.Connection:
    """Open the database of a folder whose writer is this process, read-only."""
    return sqlite3.connect(f"{(folder.absolute() / DATABASE_FILE).as_uri()}?mode=ro", uri=True)


def latest_of_keys(view: StoreView, kind: Kind, since: int, tags: Mapping[str, str]) -> list[Record]:
    """Return the records of a kind with a time of at least `since`, oldest first; of each key the last."""
    found = view.in_order(
        (kind,),
        view.appended_before(since),
        lambda series: series.kind == kind and tags.items() <= dict(series.tags).items(),
    )
    latest = {(id(record.series), record.time): record for record in found if record.time >= since}
    return sorted(latest.values(), key=lambda record: record.time)
