"""Ledger: stored windows added up by period. Every ratio is a ratio of sums, never a mean of ratios (METHOD 4.4)."""

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

from .figures import FIGURES, UNCERTAINTIES, Figure
from .ledger_uncertainty import UncertainPart, added, uncertain_parts

MIN_COVERAGE = 0.9
"""Coverage below which a row is marked "not enough data" (METHOD 4.5)."""

MIN_EXTRA_SECONDS = 1.0
"""Seconds by which a coarser window must cover more than its finer windows to replace them."""

WEIGHTS = {
    "grid_intensity": ("grid_import_energy",),
    "clean_share": ("load_energy",),
    "self_sufficiency": ("load_energy",),
    "self_consumption": ("pv_energy",),
    "carbon_free_share": ("load_energy",),
}
"""Energies that weight a stored ratio; the weighted ratio is the ratio of the underlying sums."""

NOTHING_UNCERTAIN = UncertainPart({}, {})
"""Uncertainties of a row without windows."""

RATIOS = ("emission_intensity", *WEIGHTS)

MEAN_LOAD = "mean_load"
"""Ratio of energy (Wh) and time (h) of the load, as far as a window has a load. No field of a record."""

SUMS = (
    *(figure.field for figure in FIGURES if figure.field not in RATIOS and figure not in UNCERTAINTIES),
    *(
        name
        for name in DETAILS
        if name.endswith(("_energy", "_emission")) and name not in [figure.field for figure in FIGURES]
    ),
)
"""Fields that are added up; the fields of groups and fuel are not figures of a report."""


@dataclass(frozen=True, slots=True)
class LedgerBasis:
    """Basis and method of a ledger: carbon of two bases or two methods is not added. `method` is "" if not stored."""

    basis: str
    method: str


@dataclass(frozen=True, slots=True)
class SourceLabel:
    """Source of grid intensities, and its tier by METHOD 3.4 (0 = not stored)."""

    name: str
    tier: int


@dataclass(frozen=True, slots=True)
class SourceUse:
    """Time (s) and import (Wh) of a grid source."""

    seconds: float
    energy: float


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Sums over a period; `complete` if the period is over.

    elapsed: seconds of the period that were over when the ledger was made. covered: seconds of these with a balance.
    sums: Wh and g. parts, wholes: numerator and denominator of each ratio. Values that are not stored are absent.
    windows: number of added windows of each kind. revision: the highest of them. uncertain: uncertainties, in Wh, g and
    g/kWh.
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
    uncertain: UncertainPart = NOTHING_UNCERTAIN

    @property
    def coverage(self) -> float:
        """Covered share of the elapsed time."""
        return min(1.0, self.covered / self.elapsed) if self.elapsed else 0.0

    @property
    def enough(self) -> bool:
        """Whether the coverage is sufficient."""
        return self.coverage >= MIN_COVERAGE

    @property
    def state(self) -> str:
        """Note on the row; "" without one."""
        notes = [] if self.complete else ["not over"]
        return ", ".join([*notes, *([] if self.enough else ["not enough data"])])

    def value(self, figure: Figure) -> float | None:
        """Return a figure in its unit; None if undefined or not stored."""
        if figure in UNCERTAINTIES:
            found = self.uncertain.uncertainties.get(figure.field)
            return found if found is None or figure.unit == "g/kWh" else found / 1000.0
        if figure.field in RATIOS:
            whole = self.wholes.get(figure.field, 0.0)
            return self.parts[figure.field] / whole if whole > 0.0 else None
        total = self.sums.get(figure.field)
        return None if total is None else total / 1000.0

    def shares(self) -> list[tuple[SourceLabel, float, float | None]]:
        """Return each grid source with its share of the covered time and of the import, the longest first."""
        energy = fsum(use.energy for use in self.sources.values())
        ordered = sorted(self.sources.items(), key=lambda item: (-item[1].seconds, item[0].name))
        return [
            (source, use.seconds / self.covered, use.energy / energy if energy > 0.0 else None)
            for source, use in ordered
            if self.covered > 0.0
        ]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Rows of one book and their total; `excluded`: covered seconds of each other stored book."""

    book: LedgerBasis
    rows: tuple[LedgerRow, ...]
    total: LedgerRow
    excluded: Mapping[LedgerBasis, float]

    def trimmed(self) -> Ledger:
        """Return the ledger without empty rows at both ends."""
        with_data = [index for index, row in enumerate(self.rows) if row.windows]
        rows = self.rows[with_data[0] : with_data[-1] + 1]
        return Ledger(self.book, rows, total(rows), self.excluded)


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
    uncertain: list[UncertainPart] = field(default_factory=list)


def make_ledger(
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
    """Return the ledger of consecutive spans, as far as they are over at `over` (UTC ns); None if nothing is stored.

    The ledger has `basis` and `method` if there are windows of these, else the basis and method of most windows. hydro:
    other generation is wind and water only, and counts as own renewable production. kinds: the windows to read, the
    finest first. HistoryError if there is no history to read.
    """
    tallies: list[dict[LedgerBasis, _Tally]] = [{} for _ in spans]
    for index, windows in _by_span(history, spans, over, zone, kinds):
        for window in _finest(windows):
            _add(tallies[index].setdefault(window.book, _Tally()), window, hydro=hydro)
        for book, tally in tallies[index].items():
            of_book = [window for window in windows if window.book == book]
            tally.uncertain = uncertain_parts(of_book, fsum(tally.covered))
    covered: dict[LedgerBasis, float] = {}
    for by_book in tallies:
        for book, sums in by_book.items():
            covered[book] = covered.get(book, 0.0) + fsum(sums.covered)
    if not covered:
        return None
    chosen = max(covered, key=lambda book: (book.basis == basis, book.method in ("", method), covered[book]))
    rows = tuple(_row(span, over, tally.get(chosen, _Tally())) for span, tally in zip(spans, tallies, strict=True))
    return Ledger(chosen, rows, total(rows), {book: time for book, time in covered.items() if book != chosen})


def total(rows: Sequence[LedgerRow]) -> LedgerRow:
    """Return consecutive rows as one row."""
    sources: dict[SourceLabel, list[SourceUse]] = {}
    for row in rows:
        for source, use in row.sources.items():
            sources.setdefault(source, []).append(use)
    return LedgerRow(
        PeriodSpan("total", rows[0].span.start, rows[-1].span.end),
        all(row.complete for row in rows),
        fsum(row.elapsed for row in rows),
        fsum(row.covered for row in rows),
        _add_up([row.sums for row in rows]),
        _add_up([row.parts for row in rows]),
        _add_up([row.wholes for row in rows]),
        _source_totals(sources),
        sum((Counter(row.windows) for row in rows), Counter()),
        max(row.revision for row in rows),
        added([row.uncertain for row in rows if row.windows]),
    )


def _by_span(
    history: History, spans: Sequence[PeriodSpan], over: int, zone: ZoneInfo, kinds: Sequence[str]
) -> Iterator[tuple[int, list[_Window]]]:
    """Yield the windows that are over, by the span that contains them; the spans are consecutive."""
    since, until = spans[0].start, min(spans[-1].end, over)
    starts = [span.start for span in spans]
    by_kind = [_windows(history, kind, since, until, zone) for kind in kinds]
    in_order = heapq.merge(*by_kind, key=attrgetter("start"))
    for index, windows in groupby(in_order, key=lambda window: bisect_right(starts, window.start) - 1):
        end = min(spans[index].end, over)
        yield index, [window for window in windows if window.end <= end]


def _windows(history: History, kind: str, since: int, until: int, zone: ZoneInfo) -> Iterator[_Window]:
    for record in history.windows(kind, since, until):
        end = window_end(kind, record.time, zone)
        fields = record.as_dict()
        yield _Window(kind, record.time, end, _number(fields, "coverage") * (end - record.time) / NS, fields)


def _finest(windows: Iterable[_Window]) -> list[_Window]:
    """Return the finest windows; a coarser window replaces its finer windows only if it covers more time."""
    by_kind: dict[str, list[_Window]] = {kind: [] for kind in WINDOWS}
    for window in windows:
        by_kind[window.kind].append(window)
    chosen = by_kind[WINDOWS[0]]
    for kind in WINDOWS[1:]:
        starts = [finer.start for finer in chosen]
        replacements = []
        for window in by_kind[kind]:
            first, last = bisect_left(starts, window.start), bisect_left(starts, window.end)
            if window.covered > fsum(finer.covered for finer in chosen[first:last]) + MIN_EXTRA_SECONDS:
                replacements.append((first, last, window))
        for first, last, window in reversed(replacements):
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
    for name, part, whole in _terms(fields, window.covered / 3600.0, hydro=hydro):
        tally.parts.setdefault(name, []).append(part)
        tally.wholes.setdefault(name, []).append(whole)
    source = SourceLabel(str(fields.get("grid_source", "")), int(_number(fields, "grid_tier")))
    tally.sources.setdefault(source, []).append(SourceUse(window.covered, _number(fields, "grid_import_energy")))


def _terms(
    fields: Mapping[str, float | int | str], window_hours: float, *, hydro: bool
) -> Iterator[tuple[str, float, float]]:
    """Yield numerator and denominator of each ratio of a window with a covered time of `window_hours`."""
    if "emission" in fields and "load_energy" in fields:
        yield "emission_intensity", 1000.0 * _number(fields, "emission"), _number(fields, "load_energy")
    if _number(fields, "load_power") > 0.0:  # the load's own time: `covered` also counts time without a load
        yield MEAN_LOAD, _number(fields, "load_energy"), _number(fields, "load_energy") / _number(fields, "load_power")
    elif "load_power" in fields:
        yield MEAN_LOAD, 0.0, window_hours
    for name, energies in WEIGHTS.items():
        if name in fields:
            further = ("generation_energy",) if hydro and name == "self_consumption" else ()
            weight = sum(_number(fields, energy) for energy in (*energies, *further))
            yield name, weight * _number(fields, name), weight


def _row(span: PeriodSpan, over: int, tally: _Tally) -> LedgerRow:
    return LedgerRow(
        span,
        span.end <= over,
        max(0, min(span.end, over) - span.start) / NS,
        fsum(tally.covered),
        _sums(tally.sums),
        _sums(tally.parts),
        _sums(tally.wholes),
        _source_totals(tally.sources),
        tally.windows,
        tally.revision,
        added(tally.uncertain),
    )


def _sums(values: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: fsum(terms) for name, terms in values.items()}


def _add_up(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: fsum(row[name] for row in rows if name in row) for name in names}


def _source_totals(sources: Mapping[SourceLabel, list[SourceUse]]) -> dict[SourceLabel, SourceUse]:
    return {
        source: SourceUse(fsum(use.seconds for use in uses), fsum(use.energy for use in uses))
        for source, uses in sources.items()
    }


def _number(fields: Mapping[str, float | int | str], name: str) -> float:
    value = fields.get(name, 0.0)
    return 0.0 if isinstance(value, str) else float(value)
