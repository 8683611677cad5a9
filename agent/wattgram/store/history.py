"""The stored history of a directory, opened read-only, with or without a running daemon.

No file outside the spool but this one depends on the storage format.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from wattgram.base.errors import HistoryError
from wattgram.base.record import REPLAY_KINDS, SEALED_KINDS, Kind, Record, Series

from . import DATABASE_FILE, Numbered, Refusal, StoreView, again_file, journal_records, journal_refusals

TICK_KINDS: tuple[Kind, ...] = ("emission",)
DEVICE_KINDS: tuple[Kind, ...] = ("device",)
STATES_SPAN = 7_200_000_000_000
"""Time in which a state follows an instant unless the site paused, ns: twice the time between two states."""

LATE_KINDS: tuple[Kind, ...] = ("late",)
INSTANT_KINDS: tuple[Kind, ...] = ("instant",)


class History:
    """Stored `emission` windows and events of one site in a spool directory.

    damaged: omitted records with a wrong checksum. Every method raises HistoryError, in one line, if there is no
    history to read.
    """

    def __init__(self, folder: Path, site: str) -> None:
        self.folder = folder
        self.site = site
        self.damaged = 0

    def may_exist(self) -> bool:
        """Return whether the directory has entries; also if it cannot be read."""
        try:
            return any(self.folder.iterdir())
        except OSError:
            return True

    def windows(self, window: str, since: int, until: int) -> Iterator[Record]:
        """Yield windows ("15m", "1h", "1d" or "1mo") that start at `since` to before `until` (UTC ns), oldest first.

        Of the records of one key: the highest revision, and of these the last.
        """
        return _highest_revisions(self._records("emission", {"window": window}, since, until))

    def revisions(self, window: str, since: int, until: int) -> Iterator[Record]:
        """Yield all stored revisions of windows that start at `since` to before `until` (UTC ns), oldest first."""
        return self._records("emission", {"window": window}, since, until)

    def days(self, since: int, until: int) -> Iterator[Record]:
        """Yield the day book's records of days that start at `since` to before `until` (UTC ns), oldest first."""
        with self._opened() as view:
            found = view.latest(lambda series: series.kind == "day" and self._is_of_site(series, {}), since, until)
            yield from (record for _, record in found)
            self.damaged += view.damaged

    def ticks(self, since: int, until: int) -> list[Record]:
        """Return the ticks from `since` to before `until` (UTC ns), oldest first; of each the last published."""
        tags = {"site": self.site, "window": "tick"}.items()
        with self._opened() as view:
            found = view.all_by_time(TICK_KINDS, lambda series: tags <= dict(series.tags).items(), since, until)
            latest = {record.time: record for record in found}
            self.damaged += view.damaged
            return list(latest.values())

    def events(self, since: int, until: int) -> Iterator[Record]:
        """Yield the events from `since` to before `until` (UTC ns), oldest first."""
        return self._records("event", {}, since, until)

    def last_seal(self) -> Record | None:
        """Return the seal with the latest time, None if none is stored."""
        seals = [*self._records("seal", {}, 0, MAX_TIME)]
        return seals[-1] if seals else None

    def stored(self) -> tuple[int, int] | None:
        """Return the start of the first and of the last stored window, UTC ns; None if there is none."""
        with self._opened() as view:
            return view.span(
                lambda series: (
                    series.kind == "emission" and self._is_of_site(series, {}) and ("window", "tick") not in series.tags
                )
            )

    def state(self, name: str) -> bytes | None:
        """Return a piece of the daemon's state as of its last save, None if it is not stored."""
        with self._opened() as view:
            return view.state(name)

    def refused(self) -> list[Refusal]:
        """Return the records that sinks refused and that are still kept, oldest first."""
        with self._naming_errors():
            journaled = journal_refusals(self.folder)
        with self._opened() as view:
            found = {(refusal.seq, refusal.sink): refusal for refusal in (*view.refused(), *journaled)}
        return [found[key] for key in sorted(found)]

    def ask_again(self, sink: str) -> None:
        """Ask the daemon to hand the refused records of a sink over again; OSError without the right to write."""
        again_file(self.folder, sink).touch()

    def devices(self) -> set[str]:
        """Return every device of the site with readings."""
        return {series.tag("device") for series in self._device_series()}

    def roles(self) -> set[tuple[str, str]]:
        """Return the name and the role of every device of the site with readings."""
        return {(series.tag("device"), series.tag("role")) for series in self._device_series()}

    def sites(self) -> list[str]:
        """Return every site with records."""
        with self._opened() as view:
            return sorted({series.tag("site") for series in view.series(lambda series: True)})

    @contextlib.contextmanager
    def past(self) -> Iterator[StoredPast]:
        """Yield the input of a replay, from one view of the files; in one thread."""
        with self._opened() as view:
            yield StoredPast(view, self.site)
            self.damaged += view.damaged

    @contextlib.contextmanager
    def delivered(
        self, kinds: Collection[Kind], wanted: Callable[[Series], bool], *, revisions: bool = False
    ) -> Iterator[DeliveredRecords]:
        """Yield the records of some kinds and the wanted series, from one view of the files.

        revisions: all records of a key, as long as they are stored; otherwise the valid one alone.

        An exception of the block passes unchanged: it may concern another disk.
        """
        with contextlib.ExitStack() as stack:
            with self._naming_errors():
                view = stack.enter_context(self._open_files())
            yield DeliveredRecords(
                view,
                kinds,
                lambda series: series.kind in kinds and self._is_of_site(series, {}) and wanted(series),
                self._naming_errors,
                revisions=revisions,
            )

    @contextlib.contextmanager
    def sealable(self) -> Iterator[SealableRecords]:
        """Yield the records that sinks get, for the log, from one view of the files; in one thread."""
        with self._opened() as view:
            yield SealableRecords(view, lambda series: self._is_of_site(series, {}))
            self.damaged += view.damaged

    def _device_series(self) -> set[Series]:
        with self._opened() as view:
            return view.series_between(
                DEVICE_KINDS, lambda series: series.kind == "device" and self._is_of_site(series, {}), 0, MAX_TIME
            )

    def _records(self, kind: Kind, tags: dict[str, str], since: int, until: int) -> Iterator[Record]:
        with self._opened() as view:
            yield from view.by_time(lambda series: series.kind == kind and self._is_of_site(series, tags), since, until)
            self.damaged += view.damaged

    def _is_of_site(self, series: Series, tags: dict[str, str]) -> bool:
        return ({"site": self.site} | tags).items() <= dict(series.tags).items()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[StoreView]:
        with self._naming_errors(), self._open_files() as view:
            yield view

    @contextlib.contextmanager
    def _open_files(self) -> Iterator[StoreView]:
        """Open the files without creating or changing any.

        SQLite would create the WAL's index of a spool that is not in use. A spool closed in order has no WAL, and is
        read as an immutable file. A spool with a WAL, in use or left by a killed process, is read with the index beside
        it.
        """
        file = self.folder / DATABASE_FILE
        wal, index = (self.folder / f"{DATABASE_FILE}{suffix}" for suffix in ("-wal", "-shm"))
        if not self.folder.is_dir():
            raise HistoryError(f"{self.folder}: no such directory; the first `wattgram run` creates it")
        if not file.is_file():
            raise HistoryError(f"{self.folder}: no history of wattgram there ({DATABASE_FILE} is missing)")
        not_in_use = not wal.exists() or not index.exists()
        if not_in_use and wal.exists() and wal.stat().st_size:
            raise HistoryError(f"{wal}: its {index.name} is missing; copy a spool with all of its files")
        journaled = journal_records(self.folder)
        options = "mode=ro&immutable=1" if not_in_use else "mode=ro&readonly_shm=1"
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?{options}", uri=True)) as db:
            yield StoreView(self.folder, db, journaled)
        if not_in_use and wal.exists() and wal.stat().st_size:
            raise HistoryError(f"{file}: a daemon has just opened it; repeat the command")

    @contextlib.contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Translate errors of the files to HistoryError with their names."""
        file = self.folder / DATABASE_FILE
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # an intact database with other tables
                raise HistoryError(f"{file}: not a history of wattgram: {error}") from error
            raise HistoryError(f"{file}: cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise HistoryError(f"{file}: not a history of wattgram, or damaged: {error}") from error
        except OSError as error:
            raise HistoryError(f"{self.folder}: {error.strerror or error}") from error


class StoredPast:
    """Stored instants of a site and the records published for them."""

    def __init__(self, view: StoreView, site: str) -> None:
        self._view = view
        self._site = site

    def checkpoint(self, at: int) -> Record | None:
        """Return the last state stored at or before a time, UTC ns, in its latest revision."""
        found = self._view.latest(self._of("checkpoint"), 0, at + 1, newest=True)
        return found[0][1] if found else None

    def start(self, since: int, instants: Series) -> Record | None:
        """Return the last state at or before a time, UTC ns, after which every instant of a series is stored.

        The first such state if there is none so early. States outlive the instants when the spool is full.
        """
        found = self.checkpoint(since)
        instant = next(self._view.in_order(INSTANT_KINDS, 0, lambda series: series == instants), None)
        if found is not None and (instant is None or found.time >= instant.time - 1):
            return found
        begin = 0 if instant is None else instant.time - 1  # accounts that begin have a state just before
        states = self._view.latest(self._of("checkpoint"), begin, begin + STATES_SPAN) or self._view.latest(
            self._of("checkpoint"), begin, MAX_TIME
        )
        return states[0][1] if states else None

    def checkpoint_at(self, time: int) -> Record | None:
        """Return the latest state stored for exactly this time, UTC ns."""
        found = self._view.latest(self._of("checkpoint"), time, time + 1)
        return found[0][1] if found else None

    def first(self) -> int | None:
        """Return the time of the first stored state, UTC ns; nothing can be replayed before it."""
        span = self._view.span(self._of("checkpoint"))
        return span[0] if span else None

    def journal(self, since: int) -> Iterator[Record]:
        """Yield instants and their results in the order of storage, starting no later than `since`."""
        return self._view.in_order(REPLAY_KINDS, self._view.appended_before(since), self._of(*REPLAY_KINDS))

    def instant_series(self) -> set[Series]:
        """Return the series of instants: one for each set of devices and each era; some may have no record."""
        return self._view.series(self._of("instant"))

    def instants(self, since: int) -> Iterator[Record]:
        """Yield the instants of all series in the order of storage, starting no later than `since`."""
        return self._view.in_order(INSTANT_KINDS, self._view.appended_before(since), self._of("instant"))

    def late(self, since: int) -> Iterator[Record]:
        """Yield rows of late energy in the order of storage, starting no later than `since`."""
        return self._view.in_order(LATE_KINDS, self._view.appended_before(since), self._of("late"))

    def published(self, window: str, since: int, until: int) -> dict[int, Record]:
        """Return the latest records of a window from `since` to before `until`, by time; of ticks only the revised."""
        is_emission = self._of("emission")
        found = self._view.latest(
            lambda series: is_emission(series) and ("window", window) in series.tags, since, until
        )
        return {record.time: record for _, record in found}

    def signals(self) -> Iterator[Record]:
        """Yield grid signals in the order of storage."""
        found = self._view.latest(self._of("signal"), 0, MAX_TIME)
        return (record for _, record in sorted(found, key=lambda numbered: numbered[0]))

    def _of(self, *kinds: Kind) -> Callable[[Series], bool]:
        return lambda series: series.kind in kinds and ("site", self._site) in series.tags


class DeliveredRecords:
    """Records of some kinds, as in a database that has received all of them, or with all revisions."""

    def __init__(
        self,
        view: StoreView,
        kinds: Collection[Kind],
        wanted: Callable[[Series], bool],
        naming_errors: Callable[[], contextlib.AbstractContextManager[None]],
        *,
        revisions: bool = False,
    ) -> None:
        """`naming_errors`: context that translates errors to HistoryError. revisions: all records of a key."""
        self._view = view
        self._naming_errors = naming_errors
        self._kinds = frozenset(kinds)
        self._wanted = wanted
        self._valid = iter if revisions else _highest_revisions

    @property
    def damaged(self) -> int:
        """Upper limit of the records omitted so far: an unreadable block does not show its series."""
        return self._view.damaged

    def records(self, since: int, until: int) -> Iterator[Record]:
        """Yield the records from `since` to before `until` (UTC ns), oldest first.

        Of the records of one key: the highest revision, and of these the last; with `revisions` all, in the order of
        their storage.
        """
        with self._naming_errors():
            yield from self._valid(self._view.all_by_time(self._kinds, self._wanted, since, until))

    def series(self, since: int, until: int) -> set[Series]:
        """Return every series with records in that time, and some with records near it."""
        with self._naming_errors():
            return self._view.series_between(self._kinds, self._wanted, since, until)

    def time_range(self) -> tuple[int, int] | None:
        """Return the time of the first and of the last record, UTC ns; None if there is none."""
        with self._naming_errors():
            return self._view.extent(self._kinds, self._wanted)


class SealableRecords:
    """Stored records that sinks get, without the seals themselves."""

    def __init__(self, view: StoreView, is_of_site: Callable[[Series], bool]) -> None:
        self._view = view
        self._is_of_site = is_of_site

    def after(self, number: int) -> Iterator[Numbered]:
        """Yield the records after a number with their numbers, in the order of appending."""
        return self._view.numbered(SEALED_KINDS, number, self._is_sealed)

    def appended_before(self, time: int) -> int:
        """Return a number up to which all records were appended before a time, UTC ns."""
        return self._view.appended_before(time)

    def last_revisions(self, wanted: Callable[[Series], bool], since: int, until: int) -> Iterator[Record]:
        """Yield the records of wanted series from `since` to before `until`, UTC ns, by time; of each key the last."""
        is_wanted = self._is_sealed
        found = self._view.all_by_time(SEALED_KINDS, lambda series: is_wanted(series) and wanted(series), since, until)
        return _highest_revisions(found)

    def seals(self) -> Iterator[Record]:
        """Yield the stored seals."""
        return self._view.by_time(lambda series: series.kind == "seal" and self._is_of_site(series), 0, MAX_TIME)

    def _is_sealed(self, series: Series) -> bool:
        return series.kind in SEALED_KINDS and self._is_of_site(series)


MAX_TIME = 2**62
"""Limit above every time, UTC ns."""


def _highest_revisions(found: Iterable[Record]) -> Iterator[Record]:
    """Yield records by time, of each key the last one with the highest revision."""
    for _, same_time in itertools.groupby(found, key=_time):
        several = list(same_time)
        if len(several) == 1:
            yield several[0]
            continue
        keys: dict[tuple[str, tuple[tuple[str, str], ...]], list[Record]] = {}
        for record in several:
            keys.setdefault((record.series.kind, record.series.tags), []).append(record)
        for revisions in keys.values():
            # Not `max`, which returns the first of equal revisions: the last write of a key counts.
            yield revisions[0] if len(revisions) == 1 else sorted(revisions, key=_revision)[-1]


def _time(record: Record) -> int:
    return record.time


def _revision(record: Record) -> float:
    return float(record.as_dict().get("revision", 0))
