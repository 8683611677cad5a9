"""The stored history of a directory, beside a daemon that writes it or without one: opened for reading, nothing else.

This is the one file outside the spool that knows how it is stored.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .errors import HistoryError
from .record import Record
from .rows import COLUMNS, all_series, decoded
from .store import FILE, appended_before

MAPPED = 1 << 30
"""Bytes of the file that are read where they lie; a replay goes through all of it once."""

JOURNAL = ("instant", "late", "checkpoint", "emission")
"""Kinds that a replay goes by."""


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
        found = self._records({"window": window}, "emission", since, until)
        for _, revisions in itertools.groupby(found, key=lambda one: one.time):
            # Not `max`: it keeps the first of equals, and a key that is written again is replaced.
            yield sorted(revisions, key=_revision)[-1]

    def events(self, since: int, until: int) -> Iterator[Record]:
        """Events from `since` to before `until` (UTC ns), oldest first."""
        return self._records({}, "event", since, until)

    def stored(self) -> tuple[int, int] | None:
        """Start of the first and of the last stored window, UTC ns; None when there is none."""
        with self._opened() as db:
            wanted = [
                number
                for number, series in all_series(db)
                if series.kind == "emission" and series.tag("site") == self.site and series.tag("window") != "tick"
            ]
            marks = ", ".join("?" * len(wanted))
            first, last = db.execute(
                f"SELECT min(time), max(time) FROM record WHERE series IN ({marks})",  # noqa: S608 - question marks
                wanted,
            ).fetchone()
        return None if first is None else (first, last)

    def sites(self) -> list[str]:
        """Every site that has records here."""
        with self._opened() as db:
            return sorted({series.tag("site") for _, series in all_series(db)})

    @contextlib.contextmanager
    def past(self) -> Iterator[Past]:
        """What a replay needs, of one look at the file; in one thread."""
        with self._opened() as db:
            db.execute(f"PRAGMA mmap_size = {MAPPED}")
            yield Past(self, db)

    def _records(self, tags: dict[str, str], kind: str, since: int, until: int) -> Iterator[Record]:
        tags = {"site": self.site} | tags
        with self._opened() as db:
            series = {
                number: one
                for number, one in all_series(db)
                if one.kind == kind and tags.items() <= dict(one.tags).items()
            }
            marks = ", ".join("?" * len(series))
            rows = db.execute(
                f"SELECT {COLUMNS} FROM record WHERE series IN ({marks}) AND time >= ? AND time < ?"  # noqa: S608 - question marks
                " ORDER BY time, seq",
                (*series, since, until),
            )
            for row in rows:
                if record := decoded(row, series):
                    yield record
                else:
                    self.damaged += 1

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file, opened so that no other one is made beside it and none is changed.

        SQLite would make the WAL's index of a spool that nobody has open; a spool that was closed in order has no
        WAL, and is read as the unchanging file that it is. One with a WAL, written or left by a process that was
        killed, is read through the index that lies beside it.
        """
        file = self.folder / FILE
        wal, index = (self.folder / f"{FILE}{suffix}" for suffix in ("-wal", "-shm"))
        try:
            if not self.folder.is_dir():
                raise HistoryError(f"{self.folder}: no such directory; it comes with the first `wattgram run`")
            if not file.is_file():
                raise HistoryError(f"{self.folder}: no history of wattgram there ({FILE} is missing)")
            alone = not wal.exists() or not index.exists()
            if alone and wal.exists() and wal.stat().st_size:
                raise HistoryError(f"{wal}: its {index.name} is missing; copy a spool with all of its files")
            how = "mode=ro&immutable=1" if alone else "mode=ro&readonly_shm=1"
            with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)) as db:
                yield db
            if alone and wal.exists() and wal.stat().st_size:
                raise HistoryError(f"{file}: a daemon began to write it in this moment; ask again")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a sound database with other tables than ours
                raise HistoryError(f"{file}: not a history of wattgram: {error}") from error
            raise HistoryError(f"{file}: cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise HistoryError(f"{file}: not a history of wattgram, or damaged: {error}") from error
        except OSError as error:
            raise HistoryError(f"{self.folder}: {error.strerror or error}") from error


class Past:
    """The stored instants of a site and what was published of them."""

    def __init__(self, history: History, db: sqlite3.Connection) -> None:
        self._history = history
        self._db = db
        self._series = {number: one for number, one in all_series(db) if ("site", history.site) in one.tags}

    def checkpoint(self, at: int) -> Record | None:
        """The last state that was noted at or before a time, UTC ns, as it is known by now."""
        query = (
            f"SELECT {_OF_RECORD} FROM latest JOIN record ON record.seq = latest.seq"  # noqa: S608 - constants, numbers
            f" WHERE latest.series IN ({self._numbers('checkpoint')}) AND latest.time <= ?"
            " ORDER BY latest.time DESC LIMIT 1"
        )
        return next(self._decoded(self._db.execute(query, (at,)), {}), None)

    def noted(self, time: int) -> Record | None:
        """The latest state that was noted of exactly this time, UTC ns."""
        found = self.checkpoint(time)
        return found if found is not None and found.time == time else None

    def first(self) -> int | None:
        """The time of the first state that was noted, UTC ns; nothing can be replayed before it."""
        query = (
            "SELECT min(record.time) FROM latest JOIN record ON record.seq = latest.seq"  # noqa: S608 - numbers
            f" WHERE latest.series IN ({self._numbers('checkpoint')})"
        )
        found: int | None = self._db.execute(query).fetchone()[0]
        return found

    def journal(self, since: int) -> Iterator[Record]:
        """Instants and what came of them in the order in which they were stored, from no later than `since` on."""
        query = (
            f"SELECT {COLUMNS} FROM record WHERE seq > ? AND series IN ({self._numbers(*JOURNAL)})"  # noqa: S608 - numbers
            " ORDER BY seq"
        )
        return self._decoded(self._db.execute(query, (appended_before(self._db, since),)), {})

    def published(self, window: str, since: int, until: int) -> dict[int, Record]:
        """The latest records of a window from `since` to before `until`, by time; of ticks only the revised."""
        numbers = [str(number) for number, one in self._series.items() if ("window", window) in one.tags]
        query = (
            f"SELECT {_OF_RECORD} FROM latest JOIN record ON record.seq = latest.seq"  # noqa: S608 - constants, numbers
            f" WHERE latest.series IN ({', '.join(numbers)}) AND latest.time >= ? AND latest.time < ?"
        )
        return {one.time: one for one in self._decoded(self._db.execute(query, (since, until)), {})}

    def signals(self) -> Iterator[Record]:
        """Grid signals in the order in which they were stored."""
        query = (
            f"SELECT {_OF_RECORD} FROM latest JOIN record ON record.seq = latest.seq"  # noqa: S608 - constants, numbers
            f" WHERE latest.series IN ({self._numbers('signal')}) ORDER BY record.seq"
        )
        return self._decoded(self._db.execute(query), {})

    def _numbers(self, *kinds: str) -> str:
        return ", ".join(str(number) for number, one in self._series.items() if one.kind in kinds)

    def _decoded(self, rows: sqlite3.Cursor, texts: dict[str, tuple[str, ...]]) -> Iterator[Record]:
        """Records of rows; texts that are alike are one object."""
        for row in rows:
            if (found := decoded(row, self._series, texts)) is None:
                self._history.damaged += 1
            else:
                yield found


_OF_RECORD = ", ".join(f"record.{name}" for name in COLUMNS.split(", "))


def _revision(one: Record) -> float:
    return float(one.as_dict().get("revision", 0))
