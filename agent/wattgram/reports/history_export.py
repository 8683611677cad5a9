"""What is stored as files for other programs: readings and results out of the history, as CSV, Parquet or line
protocol. Beside a running daemon or without one; however much it is, only some minutes of it are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from wattgram.base.encoders import LineProtocol
from wattgram.base.errors import HistoryError
from wattgram.base.period import local_day
from wattgram.base.record import KINDS, Kind, Record, Series
from wattgram.base.toml_table import nearest
from wattgram.config.load import Config
from wattgram.formats.export_columns import Column, columns
from wattgram.store.history import MAX_TIME, DeliveredRecords, History

Form = Callable[[BinaryIO, Iterator[Record], Sequence[Column]], int]
"""Writes records; how many of them it cannot hold."""

PROGRESS_RECORDS = 1000
"""Records between two words of progress."""

HAS: dict[str, tuple[Kind, ...]] = {"device": ("device", "event"), "window": ("emission",)}
"""Kinds that have a tag by which they are chosen."""


@dataclass(frozen=True, slots=True)
class ExportSelection:
    """Which records: of these kinds, and of those that have a device or a window, of these; none named: of all."""

    kinds: tuple[Kind, ...]
    devices: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()

    @classmethod
    def of(cls, kinds: Sequence[str], devices: Sequence[str], windows: Sequence[str]) -> ExportSelection:
        """As asked for. No kind: those that the devices or windows are of, else readings and results.

        ValueError for devices or windows of kinds that have none.
        """
        asked = {"device": devices, "window": windows}
        if not kinds:
            kinds = [HAS[tag][0] for tag in HAS if asked[tag]] or ["device", "emission"]
        for tag, names in asked.items():
            if names and not set(HAS[tag]) & set(kinds):
                allowed = " or ".join(HAS[tag])
                raise ValueError(f"found --{tag} {names[0]} with --kind {','.join(kinds)}; allowed: with {allowed}")
        return cls(tuple(one for one in KINDS if one in kinds), tuple(devices), tuple(windows))

    def wants(self, series: Series) -> bool:
        """Whether its records are among them."""
        tags = dict(series.tags)
        return not (
            (self.devices and series.kind in HAS["device"] and tags.get("device") not in self.devices)
            or (self.windows and series.kind in HAS["window"] and tags.get("window") not in self.windows)
        )


@dataclass(slots=True)
class ExportSummary:
    """What was exported: records, the time of the first and of the last (UTC ns). `unwritten`: that the format cannot
    hold; `damaged`: that could not be read, at most."""

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
    """Write records from `since` to before `until`, UTC ns; None: from the first, to the last.

    `opened` gives the file when there is something for it. `progress` hears when the first record was, and the one
    that is written, UTC ns. HistoryError when there is nothing; ValueError for a device that there never was.
    """
    start, end = since or 0, MAX_TIME if until is None else until
    history = History(config.spool.path, config.site.name)
    # The file has its name when the look at the history is over, which may find that it was no sound one.
    with ExitStack() as place, history.delivered(selection.kinds, selection.wants) as told:
        found = told.records(start, end)
        first = next(found, None)
        if first is None:
            raise _nothing(config, selection, history, told)
        count = ExportSummary(first=first.time)

        def counted() -> Iterator[Record]:
            for record in chain((first,), found):
                count.records += 1
                count.last = record.time
                if count.records % PROGRESS_RECORDS == 1:
                    progress(count.first, record.time)
                yield record

        file = place.enter_context(opened())
        count.unwritten = form(file, counted(), columns(told.series(start, end)))
        count.damaged = told.damaged
    return count


def as_lines(file: BinaryIO, records: Iterator[Record], _: Sequence[Column]) -> int:
    """Line protocol, as the database gets it; how many records it cannot hold."""
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


def _nothing(
    config: Config, selection: ExportSelection, history: History, told: DeliveredRecords
) -> HistoryError | ValueError:
    """Why there is nothing."""
    kinds = " or ".join(selection.kinds)
    if (ends := told.time_range()) is not None:
        first, last = (local_day(one, config.site.timezone) for one in ends)
        return HistoryError(f"{history.folder}: nothing of this period is stored; there are records of {first}..{last}")
    devices = {*history.devices(), *(one.name for one in config.devices)}
    for name in selection.devices:
        if name not in devices:
            return ValueError(f"found --device {name!r}{nearest(name, devices)}; allowed: {', '.join(sorted(devices))}")
    others = [one for one in history.sites() if one != history.site]
    there = f"; there are sites {', '.join(map(repr, others))}" if others else ""
    chosen = f" of {', '.join(selection.devices + selection.windows)}" if selection.devices + selection.windows else ""
    return HistoryError(f"{history.folder}: no {kinds} record{chosen} of site {history.site!r} is stored{there}")
