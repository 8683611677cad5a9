"""Export of stored readings and results as CSV, Parquet or line protocol, with or without a running daemon.

The export streams: only some minutes of the history are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from wattgram.base.encoders import LineProtocol
from wattgram.base.errors import HistoryError
from wattgram.base.period import local_day
from wattgram.base.record import STORED_KINDS, Kind, Record, Series
from wattgram.base.toml_table import nearest
from wattgram.config.load import Config
from wattgram.formats.export_columns import Column, columns
from wattgram.store.history import MAX_TIME, DeliveredRecords, History

from .exported_names import ExportedNames

Form = Callable[[BinaryIO, Iterator[Record], Sequence[Column]], int]
"""Writer of records in one format; returns the number of records that the format cannot represent."""

PROGRESS_RECORDS = 1000
"""Records between two calls of `progress`."""

KINDS_WITH_TAG: dict[str, tuple[Kind, ...]] = {"device": ("device", "event", "day"), "window": ("emission",)}
"""Kinds of records that can be selected by a tag."""


@dataclass(frozen=True, slots=True)
class ExportSelection:
    """Selection of records by kind, and by device or window for kinds that have such a tag. Empty: no restriction.

    revisions: all stored records of a key, not the valid one alone.
    """

    kinds: tuple[Kind, ...]
    devices: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    revisions: bool = False

    @classmethod
    def of(
        cls, kinds: Sequence[str], devices: Sequence[str], windows: Sequence[str], *, revisions: bool = False
    ) -> ExportSelection:
        """Create a selection from command options.

        Without kinds it has those of the devices or windows, else readings and results. ValueError: devices or windows
        with kinds that have none.
        """
        requested = {"device": devices, "window": windows}
        if not kinds:
            kinds = [KINDS_WITH_TAG[tag][0] for tag in KINDS_WITH_TAG if requested[tag]] or ["device", "emission"]
        for tag, names in requested.items():
            if names and not set(KINDS_WITH_TAG[tag]) & set(kinds):
                allowed = " or ".join(KINDS_WITH_TAG[tag])
                raise ValueError(f"found --{tag} {names[0]} with --kind {','.join(kinds)}; allowed: with {allowed}")
        chosen = tuple(kind for kind in STORED_KINDS if kind in kinds)
        return cls(chosen, tuple(devices), tuple(windows), revisions)

    def wants(self, series: Series) -> bool:
        """Return whether the selection contains the records of a series."""
        tags = dict(series.tags)
        return not (
            (self.devices and series.kind in KINDS_WITH_TAG["device"] and tags.get("device") not in self.devices)
            or (self.windows and series.kind in KINDS_WITH_TAG["window"] and tags.get("window") not in self.windows)
        )


@dataclass(slots=True)
class ExportSummary:
    """Result of an export. first, last: times of the first and the last record, UTC ns. unwritten: records that the
    format cannot represent. damaged: upper bound of the unreadable records."""

    records: int = 0
    first: int = 0
    last: int = 0
    unwritten: int = 0
    damaged: int = 0


def export(
    config: Config,
    selection: ExportSelection,
    since: int | None,
    until: int | None,
    form: Form,
    opened: Callable[[], AbstractContextManager[BinaryIO]],
    progress: Callable[[int, int], None],
) -> ExportSummary:
    """Write the records from `since` to before `until`, UTC ns; None: from the first record, to the last.

    opened: opens the file; called only if there are records. progress: receives the times of the first and of the
    present record, UTC ns. HistoryError: no records. ValueError: an unknown device.
    """
    start, end = since or 0, MAX_TIME if until is None else until
    history = History(config.spool.path, config.site.name)
    opened_history = history.delivered(selection.kinds, selection.wants, revisions=selection.revisions)
    # The file is named after the history is closed, because closing can detect that the data was not consistent.
    with ExitStack() as place, opened_history as delivered:
        found = delivered.records(start, end)
        first = next(found, None)
        if first is None:
            raise _no_records(config, selection, history, delivered)
        count, rows = ExportSummary(first=first.time), ExportedNames()

        def counted() -> Iterator[Record]:
            for record in chain((first,), found):
                count.records += 1
                count.last = record.time
                if count.records % PROGRESS_RECORDS == 1:
                    progress(count.first, record.time)
                yield rows.record(record)

        file = place.enter_context(opened())
        count.unwritten = form(file, counted(), columns(map(rows.series, delivered.series(start, end))))
        count.damaged = delivered.damaged
    return count


def as_lines(file: BinaryIO, records: Iterator[Record], _: Sequence[Column]) -> int:
    """Write line protocol, as sent to the database. Return the number of records that it cannot represent."""
    lines, unwritten = LineProtocol(), 0
    for record in records:
        try:
            line = lines.line(record)
        except ValueError:
            line = b""
        if line:
            file.write(line + b"\n")
        else:
            unwritten += 1
    return unwritten


def _no_records(
    config: Config, selection: ExportSelection, history: History, delivered: DeliveredRecords
) -> HistoryError | ValueError:
    """Return the error that states why there are no records."""
    kinds = " or ".join(selection.kinds)
    if (ends := delivered.time_range()) is not None:
        first, last = (local_day(time, config.site.timezone) for time in ends)
        return HistoryError(f"{history.folder}: nothing of this period is stored; there are records of {first}..{last}")
    devices = {*history.devices(), *(device.name for device in config.devices)}
    for name in selection.devices:
        if name not in devices:
            return ValueError(f"found --device {name!r}{nearest(name, devices)}; allowed: {', '.join(sorted(devices))}")
    others = [site for site in history.sites() if site != history.site]
    there = f"; there are sites {', '.join(map(repr, others))}" if others else ""
    chosen = f" of {', '.join(selection.devices + selection.windows)}" if selection.devices + selection.windows else ""
    return HistoryError(f"{history.folder}: no {kinds} record{chosen} of site {history.site!r} is stored{there}")
