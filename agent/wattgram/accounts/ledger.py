"""The ledger: stored windows summed by period. Every ratio is a ratio of sums, never a mean of ratios (METHOD 4.4)."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import fsum
from operator import attrgetter
from zoneinfo import ZoneInfo

from wattgram_ext.intensity import DETAILS

from wattgram.base.clock import NS
from wattgram.base.period import PeriodSpan, window_end
from wattgram.base.record import WINDOWS
from wattgram.store.history import History

from .figures import FIGURES, Figure

ENOUGH = 0.9
"""Coverage below which a row says that there is not enough data (METHOD 4.5)."""

SLACK = 1.0
"""Seconds by which a coarser window must cover more than the finer ones in it to stand for them."""

WEIGHTS = {
    "grid_intensity": ("grid_import_energy",),
    "clean_share": ("load_energy",),
    "self_sufficiency": ("load_energy",),
    "self_consumption": ("pv_energy",),
    "carbon_free_share": ("load_energy",),
}
"""Energies by which a stored ratio is weighted, which makes it the ratio of the sums behind it."""

RATIOS = ("emission_intensity", *WEIGHTS)
SUMS = (
    *(one.field for one in FIGURES if one.field not in RATIOS),
    *(one for one in DETAILS if one.endswith(("_energy", "_emission"))),
)
"""Fields that are added up; those of groups and fuel are no figures of a report."""


@dataclass(frozen=True, slots=True)
class LedgerBasis:
    """What may be added up: carbon of two bases or of two methods may not. `method` is "" where it is not stored."""

    basis: str
    method: str


@dataclass(frozen=True, slots=True)
class SourceLabel:
    """Where grid intensities are from, and the tier of METHOD 3.4 (0 = not stored)."""

    name: str
    tier: int


@dataclass(frozen=True, slots=True)
class SourceUse:
    """How long a grid source counted (s) and for how much import (Wh)."""

    seconds: float
    energy: float


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Sums over a period, which is `complete` when it is over.

    `elapsed`: seconds of it that were over when the ledger was made; `covered`: of these, with a balance.
    `sums` in Wh and g; `parts` and `wholes` are above and below the line of each ratio; what is not stored is absent.
    `windows`: how many of each kind were added up; `revision`: the highest among them.
    """

    span: PeriodSpan
    complete: bool
    elapsed: float
    covered: float
    sums: Mapping[str, float]
    parts: Mapping[str, float]
    wholes: Mapping[str, float]
    sources: Mapping[SourceLabel, SourceUse]
    windows: Mapping[str, int]
    revision: int

    @property
    def coverage(self) -> float:
        """Covered share of the time that was over."""
        return min(1.0, self.covered / self.elapsed) if self.elapsed else 0.0

    @property
    def enough(self) -> bool:
        """Whether the row can be relied on."""
        return self.coverage >= ENOUGH

    @property
    def state(self) -> str:
        """What to know before reading the row; "" when there is nothing."""
        said = [] if self.complete else ["not over"]
        return ", ".join([*said, *([] if self.enough else ["not enough data"])])

    def value(self, figure: Figure) -> float | None:
        """A figure in its unit; None when it is undefined or nothing of it is stored."""
        if figure.field in RATIOS:
            whole = self.wholes.get(figure.field, 0.0)
            return self.parts[figure.field] / whole if whole > 0.0 else None
        total = self.sums.get(figure.field)
        return None if total is None else total / 1000.0

    def shares(self) -> list[tuple[SourceLabel, float, float | None]]:
        """Each grid source with its share of the covered time and of the import, the longest first."""
        energy = fsum(one.energy for one in self.sources.values())
        ordered = sorted(self.sources.items(), key=lambda one: (-one[1].seconds, one[0].name))
        return [
            (source, use.seconds / self.covered, use.energy / energy if energy > 0.0 else None)
            for source, use in ordered
            if self.covered > 0.0
        ]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Rows of one book and their total; `left_out`: covered seconds of each other book that is stored."""

    book: LedgerBasis
    rows: tuple[LedgerRow, ...]
    total: LedgerRow
    left_out: Mapping[LedgerBasis, float]

    def trimmed(self) -> Ledger:
        """Without the rows before the first and after the last that have anything."""
        with_data = [index for index, row in enumerate(self.rows) if row.windows]
        rows = self.rows[with_data[0] : with_data[-1] + 1]
        return Ledger(self.book, rows, total(rows), self.left_out)


@dataclass(frozen=True, slots=True)
class _Window:
    kind: str
    start: int
    end: int
    covered: float
    fields: Mapping[str, float | int | str]

    @property
    def book(self) -> LedgerBasis:
        return LedgerBasis(str(self.fields.get("basis", "")), str(self.fields.get("method", "")))


@dataclass(slots=True)
class _Tally:
    covered: list[float] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, list[float]] = field(default_factory=dict)
    wholes: dict[str, list[float]] = field(default_factory=dict)
    sources: dict[SourceLabel, list[SourceUse]] = field(default_factory=dict)
    windows: Counter[str] = field(default_factory=Counter)
    revision: int = 0


def summed(
    history: History,
    spans: Sequence[PeriodSpan],
    over: int,
    zone: ZoneInfo,
    basis: str,
    method: str,
    *,
    hydro: bool,
    kinds: Sequence[str] = WINDOWS,
) -> Ledger | None:
    """The ledger of consecutive spans, as far as they were over at `over` (UTC ns); None when nothing is stored.

    It is in `basis` and `method` where there are windows of these, else in what most windows are.
    `hydro`: other generation is wind and water alone, and counts into own renewable production. `kinds`: the windows
    to look at, the finest first.
    HistoryError when there is no history to read.
    """
    tallies: list[dict[LedgerBasis, _Tally]] = [{} for _ in spans]
    for index, windows in _by_span(history, spans, over, zone, kinds):
        for window in _finest(windows):
            _add(tallies[index].setdefault(window.book, _Tally()), window, hydro=hydro)
    covered: dict[LedgerBasis, float] = {}
    for tally in tallies:
        for book, one in tally.items():
            covered[book] = covered.get(book, 0.0) + fsum(one.covered)
    if not covered:
        return None
    wanted = max(covered, key=lambda one: (one.basis == basis, one.method in ("", method), covered[one]))
    rows = tuple(_row(span, over, tally.get(wanted, _Tally())) for span, tally in zip(spans, tallies, strict=True))
    return Ledger(wanted, rows, total(rows), {book: time for book, time in covered.items() if book != wanted})


def total(rows: Sequence[LedgerRow]) -> LedgerRow:
    """Consecutive rows as one."""
    sources: dict[SourceLabel, list[SourceUse]] = {}
    for row in rows:
        for source, use in row.sources.items():
            sources.setdefault(source, []).append(use)
    return LedgerRow(
        PeriodSpan("total", rows[0].span.start, rows[-1].span.end),
        all(row.complete for row in rows),
        fsum(row.elapsed for row in rows),
        fsum(row.covered for row in rows),
        _together([row.sums for row in rows]),
        _together([row.parts for row in rows]),
        _together([row.wholes for row in rows]),
        _used(sources),
        sum((Counter(row.windows) for row in rows), Counter()),
        max(row.revision for row in rows),
    )


def _by_span(
    history: History, spans: Sequence[PeriodSpan], over: int, zone: ZoneInfo, kinds: Sequence[str]
) -> Iterator[tuple[int, list[_Window]]]:
    """Windows that were over, by the span in which they lie wholly; the spans follow each other."""
    since, until = spans[0].start, min(spans[-1].end, over)
    starts = [span.start for span in spans]
    found_of = [_windows(history, kind, since, until, zone) for kind in kinds]
    in_order = heapq.merge(*found_of, key=attrgetter("start"))
    for index, found in groupby(in_order, key=lambda one: bisect_right(starts, one.start) - 1):
        end = min(spans[index].end, over)
        yield index, [one for one in found if one.end <= end]


def _windows(history: History, kind: str, since: int, until: int, zone: ZoneInfo) -> Iterator[_Window]:
    for record in history.windows(kind, since, until):
        end = window_end(kind, record.time, zone)
        fields = record.as_dict()
        yield _Window(kind, record.time, end, _number(fields, "coverage") * (end - record.time) / NS, fields)


def _finest(windows: Iterable[_Window]) -> list[_Window]:
    """The finest windows that there are; a coarser one only where it covers more time than the finer ones in it."""
    by_kind: dict[str, list[_Window]] = {kind: [] for kind in WINDOWS}
    for window in windows:
        by_kind[window.kind].append(window)
    chosen = by_kind[WINDOWS[0]]
    for kind in WINDOWS[1:]:
        starts = [one.start for one in chosen]
        instead = []
        for window in by_kind[kind]:
            first, last = bisect_left(starts, window.start), bisect_left(starts, window.end)
            if window.covered > fsum(one.covered for one in chosen[first:last]) + SLACK:
                instead.append((first, last, window))
        for first, last, window in reversed(instead):
            chosen[first:last] = [window]
    return chosen


def _add(tally: _Tally, window: _Window, *, hydro: bool) -> None:
    fields = window.fields
    tally.covered.append(window.covered)
    tally.windows[window.kind] += 1
    tally.revision = max(tally.revision, int(_number(fields, "revision")))
    for name in SUMS:
        if name in fields:
            tally.sums.setdefault(name, []).append(_number(fields, name))
    for name, part, whole in _terms(fields, hydro=hydro):
        tally.parts.setdefault(name, []).append(part)
        tally.wholes.setdefault(name, []).append(whole)
    source = SourceLabel(str(fields.get("grid_source", "")), int(_number(fields, "grid_tier")))
    tally.sources.setdefault(source, []).append(SourceUse(window.covered, _number(fields, "grid_import_energy")))


def _terms(fields: Mapping[str, float | int | str], *, hydro: bool) -> Iterator[tuple[str, float, float]]:
    """What a window adds above and below the line of each ratio."""
    if "emission" in fields and "load_energy" in fields:
        yield "emission_intensity", 1000.0 * _number(fields, "emission"), _number(fields, "load_energy")
    for name, energies in WEIGHTS.items():
        if name in fields:
            more = ("generation_energy",) if hydro and name == "self_consumption" else ()
            weight = sum(_number(fields, energy) for energy in (*energies, *more))
            yield name, weight * _number(fields, name), weight


def _row(span: PeriodSpan, over: int, tally: _Tally) -> LedgerRow:
    return LedgerRow(
        span,
        span.end <= over,
        max(0, min(span.end, over) - span.start) / NS,
        fsum(tally.covered),
        _summed(tally.sums),
        _summed(tally.parts),
        _summed(tally.wholes),
        _used(tally.sources),
        tally.windows,
        tally.revision,
    )


def _summed(values: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: fsum(each) for name, each in values.items()}


def _together(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: fsum(row[name] for row in rows if name in row) for name in names}


def _used(sources: Mapping[SourceLabel, list[SourceUse]]) -> dict[SourceLabel, SourceUse]:
    return {
        source: SourceUse(fsum(one.seconds for one in uses), fsum(one.energy for one in uses))
        for source, uses in sources.items()
    }


def _number(fields: Mapping[str, float | int | str], name: str) -> float:
    value = fields.get(name, 0.0)
    return 0.0 if isinstance(value, str) else float(value)
