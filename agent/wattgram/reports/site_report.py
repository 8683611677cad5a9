"""The report of a site: its ledger with coverage and provenance, as a table, JSON or CSV (`paper` makes it HTML)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from wattgram.accounts.figures import APART, CARBON, ENERGY, FIGURES, SHARES, Figure
from wattgram.accounts.ledger import MIN_COVERAGE, Ledger, LedgerRow, make_ledger
from wattgram.base.clock import NS
from wattgram.base.errors import HistoryError
from wattgram.base.period import PeriodOption, local_day, local_minute, spans, window_start
from wattgram.base.record import WINDOWS, Record
from wattgram.base.units import rfc3339
from wattgram.config.load import Config
from wattgram.formats.csv_cells import sheet
from wattgram.formats.tables import printable, table
from wattgram.formats.versions import factors
from wattgram.grid.table import FactorTable
from wattgram.store.history import History

LATE_SECONDS = 3600
"""Seconds without a window after which a report says when the last one was."""


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One kind of event of one device ("" = the site): how often, when first and last, what it said then."""

    device: str
    event: str
    count: int
    first: int
    last: int
    detail: str


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What every format shows. `over`: the end of the last quarter of an hour that could count, UTC ns.

    `method_stored`: whether the windows say their method; else it is the configuration's.
    `residual`: g/kWh of the market-based method's residual mix. `versions`: of the program and its factor files.
    """

    site: str
    zone: ZoneInfo
    basis: str
    method: str
    method_stored: bool
    made: int
    over: int
    rows: tuple[LedgerRow, ...]
    total: LedgerRow
    events: tuple[EventSummary, ...]
    notes: tuple[str, ...]
    residual: float
    versions: dict[str, str]

    def local(self, time: int) -> str:
        """An instant on the site's clock, to the minute, with the zone's name for it."""
        return local_minute(time, self.zone)

    def shown(self, figures: Iterable[Figure]) -> list[Figure]:
        """The figures that the total has."""
        return [one for one in figures if self.total.value(one) is not None]


def report(config: Config, wanted: PeriodOption, now: int) -> SiteReport:
    """The report of a period as of `now`, UTC ns.

    HistoryError when there is no history or nothing in the period; ValueError as of `Asked.bounds`.
    """
    zone, grid = config.site.timezone, config.grid
    history = History(config.spool.path, config.site.name)
    stored = history.stored()
    if stored is None:
        raise HistoryError(_nothing(history))
    over = window_start("15m", now, zone)  # the last quarter of an hour that is over
    found = spans(wanted, stored[0], over, zone)
    roles = {one.role for one in config.devices}
    hydro, fuel = bool(roles & {"wind", "hydro"}), bool(roles & {"genset", "chp"})
    ledger = (
        make_ledger(history, found, over, zone, grid.basis, grid.method, hydro=hydro and not fuel) if found else None
    )
    if ledger is None:
        days = f"{local_day(stored[0], zone)}..{local_day(stored[1], zone)}"
        raise HistoryError(f"{config.spool.path}: no window of this period is stored; there are windows of {days}")
    if wanted.unit:
        ledger = ledger.trimmed()
    whole = ledger.total.span
    notes = _notes(config, ledger, history.damaged, own_unclear=hydro and fuel)
    if over - stored[1] > LATE_SECONDS * NS:
        notes.append(
            f"the last stored window began on {datetime.fromtimestamp(stored[1] // NS, zone):%Y-%m-%d at %H:%M %Z}"
        )
    return SiteReport(
        site=config.site.name,
        zone=zone,
        basis=ledger.book.basis,
        method=ledger.book.method or grid.method,
        method_stored=bool(ledger.book.method),
        made=now,
        over=over,
        rows=ledger.rows,
        total=ledger.total,
        events=_happened(history.events(whole.start, whole.end)),
        notes=tuple(notes),
        residual=FactorTable.shipped().residual(grid.zone, whole.start),
        versions=factors(),
    )


def as_table(shown: SiteReport) -> str:
    """For a terminal."""
    method = shown.method if shown.method_stored else f"{shown.method} (as configured)"
    parts = [f"{shown.site}, {shown.zone.key}, as of {shown.local(shown.over)}\nbasis {shown.basis}, method {method}"]
    rows = [*shown.rows, shown.total]
    for title, figures in (
        ("energy", ENERGY),
        ("carbon", CARBON),
        ("shares", SHARES),
        ("ledgers of their own, netted with nothing", APART),
    ):
        if present := shown.shown(figures):
            parts.append(f"{title}\n{_figures(rows, present, coverage=figures is SHARES)}")
    sources = [
        (printable(source.name), str(source.tier or "-"), f"{time:.1%}", "-" if energy is None else f"{energy:.1%}")
        for source, time, energy in shown.total.shares()
    ]
    parts.append(table(("grid source", "tier", "of time", "of import"), sources, right=(1, 2, 3)))
    if shown.events:
        happened = [
            (
                printable(one.device or "site"),
                printable(one.event),
                str(one.count),
                shown.local(one.first),
                shown.local(one.last),
            )
            for one in shown.events
        ]
        parts.append(table(("device", "event", "times", "first", "last"), happened, right=(2,)))
    versions = ", ".join(f"{name} {version}" for name, version in shown.versions.items())
    notes = [*shown.notes, f"highest revision {shown.total.revision}; {versions}"]
    parts.append("\n".join(f"note: {note}" for note in notes))
    return "\n\n".join(parts)


def as_json(shown: SiteReport) -> str:
    """The shape that docs/report.md describes."""
    document = {
        "site": shown.site,
        "timezone": shown.zone.key,
        "basis": shown.basis,
        "method": shown.method,
        "method_from": "history" if shown.method_stored else "configuration",
        "made": rfc3339(shown.made),
        "as_of": rfc3339(shown.over),
        "rows": [_row(row) for row in shown.rows],
        "total": _row(shown.total),
        "sources": _sources(shown.total),
        "events": [
            {
                "device": one.device,
                "event": one.event,
                "count": one.count,
                "first": rfc3339(one.first),
                "last": rfc3339(one.last),
                "detail": one.detail,
            }
            for one in shown.events
        ],
        "notes": list(shown.notes),
        "versions": {**shown.versions, "revision": shown.total.revision},
    }
    return json.dumps(document, allow_nan=False)


def as_csv(shown: SiteReport) -> str:
    """RFC 4180: one line of names with their units, one a row, the total last; empty where there is no number."""
    head = ["period", "from", "to", "complete", "enough_data", "coverage", *(one.key for one in FIGURES)]
    rows = []
    for row in (*shown.rows, shown.total):
        facts = _row(row)
        sources = "; ".join(f"{one.name} (tier {one.tier}) {time:.1%}" for one, time, _ in row.shares())
        rows.append([*(facts[name] for name in head), sources, shown.basis, shown.method, row.revision])
    return sheet([*head, "grid_sources", "basis", "method", "revision"], rows)


def digits(values: Iterable[float | None]) -> int:
    """Decimals with which numbers of one unit are read best beside each other."""
    largest = max((abs(one) for one in values if one is not None), default=0.0)
    return 0 if largest >= 10_000 or not largest else 1 if largest >= 100 else 3


def written(rows: Sequence[LedgerRow], figures: Sequence[Figure], *, percent: str) -> list[list[str]]:
    """A column of each figure, "" where there is no number; figures of one unit have the same decimals."""
    decimals = {
        unit: digits(row.value(one) for one in figures if one.unit == unit for row in rows)
        for unit in {one.unit for one in figures}
    }

    def cell(value: float | None, unit: str) -> str:
        if value is None:
            return ""
        return f"{100 * value:.1f}{percent}" if unit == "1" else f"{value:z,.{decimals[unit]}f}"

    return [[cell(row.value(one), one.unit) for row in rows] for one in figures]


def _figures(rows: Sequence[LedgerRow], figures: Sequence[Figure], *, coverage: bool) -> str:
    head = [one.head if one.unit == "1" else f"{one.head} {one.unit}" for one in figures]
    columns = [[cell or "-" for cell in column] for column in written(rows, figures, percent="%")]
    if coverage:
        head.append("coverage")
        columns.append([f"{row.coverage:.1%}" for row in rows])
    states = [row.state for row in rows]
    cells = list(zip((row.span.name for row in rows), *columns, states, strict=True))
    return table(("period", *head, ""), cells, right=range(1, len(head) + 1))


def _row(row: LedgerRow) -> dict[str, object]:
    figures = {one.key: _rounded(row.value(one)) for one in FIGURES}
    return {
        "period": row.span.name,
        "from": rfc3339(row.span.start),
        "to": rfc3339(row.span.end),
        "complete": row.complete,
        "enough_data": row.enough,
        "coverage": _rounded(row.coverage),
        **figures,
        "revision": row.revision,
        "windows": {kind: row.windows[kind] for kind in WINDOWS if row.windows.get(kind)},
        "grid_sources": _sources(row),
    }


def _sources(row: LedgerRow) -> list[dict[str, object]]:
    return [
        {
            "source": source.name,
            "tier": source.tier or None,
            "time_share": _rounded(time),
            "import_share": _rounded(energy),
        }
        for source, time, energy in row.shares()
    ]


def _rounded(value: float | None) -> float | None:
    """To a millionth: the last digits of a sum of doubles say nothing."""
    return None if value is None else round(value, 6) + 0.0  # never -0.0


def _happened(events: Iterable[Record]) -> tuple[EventSummary, ...]:
    found: dict[tuple[str, str], EventSummary] = {}
    for one in events:
        device, event = one.series.tag("device"), str(one["event"])
        before = found.get((device, event))
        count, first = (before.count + 1, before.first) if before else (1, one.time)
        found[device, event] = EventSummary(device, event, count, first, one.time, str(one["detail"]))
    return tuple(sorted(found.values(), key=lambda one: (-one.count, one.device, one.event)))


def _notes(config: Config, ledger: Ledger, damaged: int, *, own_unclear: bool) -> list[str]:
    book, used = ledger.book, ledger.total.windows
    notes = []
    short = sum(not row.enough for row in ledger.rows)
    if short:
        notes.append(f"not enough data: coverage below {MIN_COVERAGE:.0%} in {short} of {len(ledger.rows)} rows")
    if not book.method:
        notes.append(
            f"the stored windows do not say their method; the configuration's is {config.grid.method}; "
            "totals of the other one are not stored"
        )
    for other, seconds in ledger.excluded.items():
        name = f"basis {other.basis}" + (f", method {other.method}" if other.method else "")
        notes.append(f"{seconds / 3600:.1f} h with {name} are left out: what differs in these is never added up")
    if book.basis != config.grid.basis:
        notes.append(f"the configuration's basis is {config.grid.basis}; nothing of this period is stored in it")
    coarse = [f"{used[kind]} of {kind}" for kind in WINDOWS[1:] if used.get(kind)]
    if coarse:
        notes.append(f"coarser windows stand where finer ones are missing: {', '.join(coarse)}")
    if own_unclear:
        notes.append(
            "self-consumption is weighted by PV alone: stored windows do not tell wind and hydro from gensets and CHP"
        )
    if damaged:
        notes.append(f"{damaged} damaged records are left out")
    return notes


def _nothing(history: History) -> str:
    others = [one for one in history.sites() if one != history.site]
    if others:
        return f"{history.folder}: nothing of site {history.site!r} is stored; there are {', '.join(map(repr, others))}"
    return f"{history.folder}: no window of site {history.site!r} is stored yet; the first one takes 15 minutes"
