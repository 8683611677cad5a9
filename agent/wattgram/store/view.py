"""What is stored in a folder, put together from journal, segments and database; read beside whoever writes it."""

from __future__ import annotations

import heapq
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from wattgram.base.record import Kind, Record, Series

from . import journal
from .block import Numbered
from .database import DATABASE_FILE, appended_before, rings_of
from .ring import PlacedBlock, Ring
from .rows import ROW_COLUMNS, all_series, decoded, text

RINGS: dict[str, tuple[Kind, ...]] = {"readings": ("device", "emission", "gateway"), "instants": ("instant",)}
"""The rings and the kinds that are in them, as long as they are not sought by their keys."""

SENT = ("readings",)
"""Those that go to sinks."""


def loose_of(folder: Path) -> list[Numbered]:
    """The records of the journal, which may be in segments and database by now; OSError when it cannot be read."""
    try:
        data = (folder / journal.JOURNAL_FILE).read_bytes()
    except FileNotFoundError:
        return []
    return [one for entry in journal.read(data).entries for one in entry.records]


class StoreView:
    """One look at everything: the database by a connection of the caller's, records that are nowhere else as `loose`.

    The loose ones must be those of before the connection's first question, or what is packed in between is missed.
    damaged: records that were left out because they are not readable.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection, loose: Sequence[Numbered]) -> None:
        self.folder = folder
        self.damaged = 0
        db.text_factory = text
        self._db = db
        self._loose = loose
        self._reached = rings_of(db)
        self._rings: list[Ring] | None = None
        self._series = dict(all_series(db))
        self._same = {one: one for one in self._series.values()}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._sought: dict[Series, list[Numbered]] = {}
        for one in loose:
            if one[1].looked_up_by_key:
                self._sought.setdefault(one[1].series, []).append(one)

    def series(self, wanted: Callable[[Series], bool]) -> set[Series]:
        """Series that the database or the journal know, of which some have no record there."""
        known = {*self._series.values(), *(one.series for _, one in self._loose)}
        return {one for one in known if wanted(one)}

    def appended_before(self, time: int) -> int:
        """A number up to which every record was appended before a time, UTC ns."""
        return appended_before(self._db, time)

    def in_order(self, kinds: Collection[Kind], after: int, wanted: Callable[[Series], bool]) -> Iterator[Record]:
        """Records of some kinds with numbers after one, in the order in which they were appended."""
        sources: list[Iterable[Numbered]] = [self._ringed(name, kinds, after) for name in RINGS]
        sources.append(self._selected(f"seq > {after}", "seq", lambda one: one.kind in kinds and wanted(one)))
        sources.append((seq, one) for seq, one in self._loose if seq > after and one.series.kind in kinds)
        before = after
        known: dict[int, tuple[Series, Series | None]] = {}  # with the object, so that its id stays its own
        for seq, record in heapq.merge(*sources, key=_number):
            series = record.series
            if id(series) not in known:
                known[id(series)] = series, self._same.setdefault(series, series) if wanted(series) else None
            same = known[id(series)][1]
            # What is being packed in this moment is found twice.
            if seq > before and same is not None:
                before = seq
                yield record if same is series else Record(same, record.time, record.values, record.texts)

    def by_time(self, wanted: Callable[[Series], bool], since: int, until: int) -> Iterator[Record]:
        """Records of the database's kinds from `since` to before `until`, UTC ns, by time and number."""
        return self._timed((), wanted, since, until)

    def all_by_time(
        self, kinds: Collection[Kind], wanted: Callable[[Series], bool], since: int, until: int
    ) -> Iterator[Record]:
        """Records of some kinds that sinks get, wherever they are, from `since` to before `until`, UTC ns, by time and
        number; in memory are those blocks alone whose times overlap."""
        rings = [self._ringed_by_time(ring, kinds, wanted, since, until) for ring in self._sent()]
        return self._timed(rings, wanted, since, until)

    def series_between(self, wanted: Callable[[Series], bool], since: int, until: int) -> set[Series]:
        """Series of records with such times; of the rings also those that stand in the same segments."""
        found = {one.series for _, one in self._loose if since <= one.time < until}
        numbers = self._db.execute("SELECT DISTINCT series FROM record WHERE time >= ? AND time < ?", (since, until))
        found.update(self._series[number] for (number,) in numbers if number in self._series)
        for ring in self._sent():
            for placed in {one.segment.number: one for one in _overlapping(ring, since, until)}.values():
                found.update(ring.series(placed))
        return {one for one in found if wanted(one)}

    def extent(self, kinds: Collection[Kind], wanted: Callable[[Series], bool]) -> tuple[int, int] | None:
        """The first and the last time of such records, wherever they are, UTC ns; None when there is none."""
        times = [*(self.span(wanted) or ())]
        for ring in self._sent():
            blocks = list(ring.blocks(0))
            for placed in sorted(blocks, key=lambda one: one.head.since):
                if times and min(times) <= placed.head.since:
                    break
                times += [one.time for _, one in self._unpacked(ring, placed, kinds, wanted)]
            for placed in sorted(blocks, key=lambda one: -one.head.until):
                if times and max(times) >= placed.head.until:
                    break
                times += [one.time for _, one in self._unpacked(ring, placed, kinds, wanted)]
        return (min(times), max(times)) if times else None

    def latest(
        self, wanted: Callable[[Series], bool], since: int, until: int, *, newest: bool = False
    ) -> list[Numbered]:
        """Of each key the last record, with a time from `since` to before `until`, UTC ns; by time, or only the newest.

        Of those kinds that are sought by their key.
        """
        query = (
            f"SELECT {_OF_RECORD} FROM latest JOIN record ON record.seq = latest.seq"  # noqa: S608 - constants, numbers
            f" WHERE latest.series IN ({self._numbers(wanted)}) AND latest.time >= ? AND latest.time < ?"
            f" ORDER BY latest.time{' DESC LIMIT 1' if newest else ''}"
        )
        found: dict[tuple[Series, int], Numbered] = {}
        stored = self._decoded(self._db.execute(query, (since, until)))
        sought = (rows for series, rows in self._sought.items() if wanted(series))
        loose = (one for rows in sought for one in rows if since <= one[1].time < until)
        for seq, record in (*stored, *loose):
            key = record.series, record.time
            if key not in found or found[key][0] <= seq:
                found[key] = seq, self._interned(record)
        listed = sorted(found.values(), key=_time)
        return listed[-1:] if newest else listed

    def span(self, wanted: Callable[[Series], bool]) -> tuple[int, int] | None:
        """The first and the last time of the database's kinds, UTC ns; None when there is none."""
        first, last = self._db.execute(
            f"SELECT min(time), max(time) FROM record WHERE series IN ({self._numbers(wanted)})"  # noqa: S608 - numbers
        ).fetchone()
        times = [one.time for _, one in self._loose if wanted(one.series)] + [one for one in (first, last) if one]
        return (min(times), max(times)) if times else None

    def _ringed(self, name: str, kinds: Collection[Kind], after: int) -> Iterator[Numbered]:
        if not set(kinds) & set(RINGS[name]):
            return
        ring = Ring(self.folder, name, RINGS[name])
        ring.load()
        for placed in ring.blocks(after):
            yield from ((seq, one) for seq, one in self._unpacked(ring, placed, kinds) if seq > after)

    def _ringed_by_time(
        self, ring: Ring, kinds: Collection[Kind], wanted: Callable[[Series], bool], since: int, until: int
    ) -> Iterator[Numbered]:
        """A ring's records by time and number, though its blocks stand in the order of appending."""
        waiting: list[Numbered] = []
        for placed in sorted(_overlapping(ring, since, until), key=lambda one: one.head.since):
            ready = bisect_left(waiting, placed.head.since, key=lambda one: one[1].time)
            yield from waiting[:ready]
            found = self._unpacked(ring, placed, kinds, wanted)
            waiting = waiting[ready:] + [one for one in found if since <= one[1].time < until]
            waiting.sort(key=_time)
            self.damaged += placed.missing
        yield from waiting

    def _unpacked(
        self, ring: Ring, placed: PlacedBlock, kinds: Collection[Kind], wanted: Callable[[Series], bool] | None = None
    ) -> list[Numbered]:
        """A block's records; none of one that is damaged or was written over in this moment, which is counted."""
        try:
            return ring.records(placed, [one for one in ring.kinds if one in kinds], wanted)
        except (ValueError, FileNotFoundError):
            self.damaged += placed.head.records
            return []

    def _sent(self) -> Sequence[Ring]:
        """The rings that go to sinks, as they were at the first look; what is missing at the end of one is counted."""
        if self._rings is None:
            self._rings = [Ring(self.folder, name, RINGS[name]) for name in SENT]
            for ring in self._rings:
                ring.load(*self._reached.get(ring.name, (0, 0)))
                self.damaged += ring.absent
        return self._rings

    def _timed(
        self, more: Iterable[Iterable[Numbered]], wanted: Callable[[Series], bool], since: int, until: int
    ) -> Iterator[Record]:
        """What the database and the journal have, and more, by time and number."""
        stored = self._selected(f"time >= {since} AND time < {until}", "time, seq", wanted)
        loose = [(seq, one) for seq, one in self._loose if since <= one.time < until and wanted(one.series)]
        loose.sort(key=_time)
        seen: tuple[int, int] | None = None
        for one in heapq.merge(stored, loose, *more, key=_time):
            if _time(one) != seen:  # what is being packed in this moment is found twice
                seen = _time(one)
                yield self._interned(one[1])

    def _selected(self, condition: str, order: str, wanted: Callable[[Series], bool]) -> Iterator[Numbered]:
        where = f"series IN ({self._numbers(wanted)}) AND {condition}"
        query = f"SELECT {ROW_COLUMNS} FROM record WHERE {where} ORDER BY {order}"  # noqa: S608 - numbers
        return self._decoded(self._db.execute(query))

    def _numbers(self, wanted: Callable[[Series], bool]) -> str:
        return ", ".join(str(number) for number, one in self._series.items() if wanted(one))

    def _decoded(self, rows: Iterable[tuple[int, int, int, bytes, str, int]]) -> Iterator[Numbered]:
        """Records of rows; texts that are alike are one object."""
        for row in rows:
            if (found := decoded(row, self._series, self._texts)) is None:
                self.damaged += 1
            else:
                yield row[0], found

    def _interned(self, record: Record) -> Record:
        """The record with the one object that stands for its series, by which readers know it."""
        same = self._same.setdefault(record.series, record.series)
        return record if same is record.series else Record(same, record.time, record.values, record.texts)


_OF_RECORD = ", ".join(f"record.{name}" for name in ROW_COLUMNS.split(", "))


def _overlapping(ring: Ring, since: int, until: int) -> Iterator[PlacedBlock]:
    """Blocks that may have records with such times."""
    return (one for one in ring.blocks(0) if one.head.since < until and one.head.until >= since)


def _number(one: Numbered) -> int:
    return one[0]


def _time(one: Numbered) -> tuple[int, int]:
    return one[1].time, one[0]


def connected(folder: Path) -> sqlite3.Connection:
    """The database of a folder whose writer is this process; read only."""
    return sqlite3.connect(f"{(folder.absolute() / DATABASE_FILE).as_uri()}?mode=ro", uri=True)
