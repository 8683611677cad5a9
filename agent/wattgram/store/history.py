"""The stored history of a directory, beside a daemon that writes it or without one: opened for reading, nothing else.

This is the one file outside the spool that knows how it is stored.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from wattgram.base.errors import HistoryError
from wattgram.base.record import REPLAY_KINDS, Kind, Record, Series

from . import DATABASE_FILE, StoreView, loose_of

TICK_KINDS: tuple[Kind, ...] = ("emission",)


class History:
    """The `emission` windows and the events of one site in a spool directory.

    `damaged`: records that were left out because their checksum is wrong.
    Every method raises HistoryError, in one line, where there is no history to read.
    """

    def __init__(self, folder: Path, site: str) -> None:
        self.folder = folder
        self.site = site
        self.damaged = 0

    def windows(self, window: str, since: int, until: int) -> Iterator[Record]:
        """Windows ("15m", "1h", "1d" or "1mo") that start at `since` to before `until` (UTC ns), oldest first.

        Of the records of one key the one with the highest revision, of these the last.
        """
        return _last(self._records("emission", {"window": window}, since, until))

    def days(self, since: int, until: int) -> Iterator[Record]:
        """The day book's records of days that start at `since` to before `until` (UTC ns), oldest first."""
        with self._opened() as view:
            found = view.latest(lambda one: one.kind == "day" and self._ours(one, {}), since, until)
            yield from (one for _, one in found)
            self.damaged += view.damaged

    def ticks(self, since: int, until: int) -> list[Record]:
        """Ticks from `since` to before `until` (UTC ns), oldest first; of each the last that was told."""
        ours = {"site": self.site, "window": "tick"}.items()
        with self._opened() as view:
            found = view.all_by_time(TICK_KINDS, lambda one: ours <= dict(one.tags).items(), since, until)
            latest = {one.time: one for one in found}
            self.damaged += view.damaged
            return list(latest.values())

    def events(self, since: int, until: int) -> Iterator[Record]:
        """Events from `since` to before `until` (UTC ns), oldest first."""
        return self._records("event", {}, since, until)

    def stored(self) -> tuple[int, int] | None:
        """Start of the first and of the last stored window, UTC ns; None when there is none."""
        with self._opened() as view:
            return view.span(
                lambda one: one.kind == "emission" and self._ours(one, {}) and ("window", "tick") not in one.tags
            )

    def devices(self) -> set[str]:
        """Every device that the site has readings of."""
        with self._opened() as view:
            found = view.series_between(lambda one: one.kind == "device" and self._ours(one, {}), 0, FAR)
            return {one.tag("device") for one in found}

    def sites(self) -> list[str]:
        """Every site that has records here."""
        with self._opened() as view:
            return sorted({one.tag("site") for one in view.series(lambda one: True)})

    @contextlib.contextmanager
    def past(self) -> Iterator[StoredPast]:
        """What a replay needs, of one look at the files; in one thread."""
        with self._opened() as view:
            yield StoredPast(view, self.site)
            self.damaged += view.damaged

    @contextlib.contextmanager
    def told(self, kinds: Collection[Kind], wanted: Callable[[Series], bool]) -> Iterator[DeliveredRecords]:
        """What sinks were told, or will be, of some kinds and the wanted series; of one look at the files.

        An exception of the block goes out as it is: it may be of the disk that is written, not of this one.
        """
        with contextlib.ExitStack() as stack:
            with self._named():
                view = stack.enter_context(self._looking())
            yield DeliveredRecords(
                view, kinds, lambda one: one.kind in kinds and self._ours(one, {}) and wanted(one), self._named
            )

    def _records(self, kind: Kind, tags: dict[str, str], since: int, until: int) -> Iterator[Record]:
        with self._opened() as view:
            yield from view.by_time(lambda one: one.kind == kind and self._ours(one, tags), since, until)
            self.damaged += view.damaged

    def _ours(self, series: Series, tags: dict[str, str]) -> bool:
        return ({"site": self.site} | tags).items() <= dict(series.tags).items()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[StoreView]:
        with self._named(), self._looking() as view:
            yield view

    @contextlib.contextmanager
    def _looking(self) -> Iterator[StoreView]:
        """The files, opened so that no other one is made beside them and none is changed.

        SQLite would make the WAL's index of a spool that nobody has open; a spool that was closed in order has no
        WAL, and is read as the unchanging file that it is. One with a WAL, written or left by a process that was
        killed, is read through the index that lies beside it.
        """
        file = self.folder / DATABASE_FILE
        wal, index = (self.folder / f"{DATABASE_FILE}{suffix}" for suffix in ("-wal", "-shm"))
        if not self.folder.is_dir():
            raise HistoryError(f"{self.folder}: no such directory; it comes with the first `wattgram run`")
        if not file.is_file():
            raise HistoryError(f"{self.folder}: no history of wattgram there ({DATABASE_FILE} is missing)")
        alone = not wal.exists() or not index.exists()
        if alone and wal.exists() and wal.stat().st_size:
            raise HistoryError(f"{wal}: its {index.name} is missing; copy a spool with all of its files")
        loose = loose_of(self.folder)
        how = "mode=ro&immutable=1" if alone else "mode=ro&readonly_shm=1"
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)) as db:
            yield StoreView(self.folder, db, loose)
        if alone and wal.exists() and wal.stat().st_size:
            raise HistoryError(f"{file}: a daemon began to write it in this moment; ask again")

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """What fails with the files is told with their names."""
        file = self.folder / DATABASE_FILE
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a sound database with other tables than ours
                raise HistoryError(f"{file}: not a history of wattgram: {error}") from error
            raise HistoryError(f"{file}: cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise HistoryError(f"{file}: not a history of wattgram, or damaged: {error}") from error
        except OSError as error:
            raise HistoryError(f"{self.folder}: {error.strerror or error}") from error


class StoredPast:
    """The stored instants of a site and what was published of them."""

    def __init__(self, view: StoreView, site: str) -> None:
        self._view = view
        self._site = site

    def checkpoint(self, at: int) -> Record | None:
        """The last state that was noted at or before a time, UTC ns, as it is known by now."""
        found = self._view.latest(self._of("checkpoint"), 0, at + 1, newest=True)
        return found[0][1] if found else None

    def noted(self, time: int) -> Record | None:
        """The latest state that was noted of exactly this time, UTC ns."""
        found = self._view.latest(self._of("checkpoint"), time, time + 1)
        return found[0][1] if found else None

    def first(self) -> int | None:
        """The time of the first state that was noted, UTC ns; nothing can be replayed before it."""
        span = self._view.span(self._of("checkpoint"))
        return span[0] if span else None

    def journal(self, since: int) -> Iterator[Record]:
        """Instants and what came of them in the order in which they were stored, from no later than `since` on."""
        return self._view.in_order(REPLAY_KINDS, self._view.appended_before(since), self._of(*REPLAY_KINDS))

    def published(self, window: str, since: int, until: int) -> dict[int, Record]:
        """The latest records of a window from `since` to before `until`, by time; of ticks only the revised."""
        ours = self._of("emission")
        found = self._view.latest(lambda one: ours(one) and ("window", window) in one.tags, since, until)
        return {one.time: one for _, one in found}

    def signals(self) -> Iterator[Record]:
        """Grid signals in the order in which they were stored."""
        found = self._view.latest(self._of("signal"), 0, FAR)
        return (one for _, one in sorted(found, key=lambda one: one[0]))

    def _of(self, *kinds: Kind) -> Callable[[Series], bool]:
        return lambda one: one.kind in kinds and ("site", self._site) in one.tags


class DeliveredRecords:
    """Records of some kinds as a database would hold them that was told all of them."""

    def __init__(
        self,
        view: StoreView,
        kinds: Collection[Kind],
        wanted: Callable[[Series], bool],
        named: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        """`named`: in it, what fails becomes a HistoryError."""
        self._view = view
        self._named = named
        self._kinds = frozenset(kinds)
        self._wanted = wanted

    @property
    def damaged(self) -> int:
        """Records that were left out so far, at most: of a block that is not readable none is known."""
        return self._view.damaged

    def records(self, since: int, until: int) -> Iterator[Record]:
        """Those from `since` to before `until` (UTC ns), oldest first; of one key the one with the highest revision,
        of these the last."""
        with self._named():
            yield from _last(self._view.all_by_time(self._kinds, self._wanted, since, until))

    def series(self, since: int, until: int) -> set[Series]:
        """Every series that has records in that time, and some that have them near it."""
        with self._named():
            return self._view.series_between(self._wanted, since, until)

    def ends(self) -> tuple[int, int] | None:
        """The time of the first and of the last, UTC ns; None when there is none."""
        with self._named():
            return self._view.extent(self._kinds, self._wanted)


FAR = 2**62
"""UTC ns; past every time."""


def _last(found: Iterable[Record]) -> Iterator[Record]:
    """Records by time, of each key the last one with the highest revision."""
    for _, alike in itertools.groupby(found, key=_time):
        several = list(alike)
        if len(several) == 1:
            yield several[0]
            continue
        keys: dict[tuple[str, tuple[tuple[str, str], ...]], list[Record]] = {}
        for one in several:
            keys.setdefault((one.series.kind, one.series.tags), []).append(one)
        for revisions in keys.values():
            # Not `max`: it keeps the first of equals, and a key that is written again is replaced.
            yield revisions[0] if len(revisions) == 1 else sorted(revisions, key=_revision)[-1]


def _time(one: Record) -> int:
    return one.time


def _revision(one: Record) -> float:
    return float(one.as_dict().get("revision", 0))
