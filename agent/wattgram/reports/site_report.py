"""The report of a site: its ledger with coverage and provenance, as a table, JSON or CSV (HTML: `report_html`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from wattgram.accounts.figures import APART, CARBON, ENERGY, FIGURES, SHARES, UNCERTAINTIES, Figure
from wattgram.accounts.ledger import MIN_COVERAGE, Ledger, LedgerRow, make_ledger
from wattgram.acquisition.stored_judgements import rated_findings
from wattgram.base.clock import NS
from wattgram.base.errors import HistoryError
from wattgram.base.period import PeriodOption, local_day, local_minute, spans, window_start
from wattgram.base.record import WINDOWS, Record
from wattgram.base.units import rfc3339
from wattgram.config.correction_table import named
from wattgram.config.grid_table import ladder
from wattgram.config.load import Config
from wattgram.formats.csv_cells import sheet
from wattgram.formats.language import Translate
from wattgram.formats.tables import printable, table
from wattgram.formats.versions import factors
from wattgram.store.history import History

from .bill_comparison import BillComparison, bill_json, bill_table, comparisons
from .certificate_report import CertificateReport, certificate_json, certificate_report, certificate_table
from .correction_effect import CorrectionEffect, effect_json, effect_table, effects

LATE_SECONDS = 3600
"""Time without a window after which a report states the time of the last window, s."""


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One kind of event of one device ("" = the site): number, times of the first and the last, and the last detail."""

    device: str
    event: str
    count: int
    first: int
    last: int
    detail: str


@dataclass(frozen=True, slots=True)
class SiteReport:
    """The content of a report, common to all formats.

    made: time of the report, UTC ns. as_of: end of the last quarter-hour that the report can contain, UTC ns.
    method_stored: whether the windows contain their method; if not, `method` is the configured one. residual: residual
    mix of the market-based method, g/kWh. versions: of the program and its factor files. corrections, bills,
    certificates: of the period.
    """

    site: str
    zone: ZoneInfo
    basis: str
    method: str
    method_stored: bool
    made: int
    as_of: int
    rows: tuple[LedgerRow, ...]
    total: LedgerRow
    events: tuple[EventSummary, ...]
    notes: tuple[str, ...]
    residual: float
    versions: dict[str, str]
    corrections: tuple[CorrectionEffect, ...] = ()
    bills: tuple[BillComparison, ...] = ()
    certificates: CertificateReport | None = None

    def local(self, time: int) -> str:
        """Return an instant in local time, to the minute, with the abbreviation of the time zone."""
        return local_minute(time, self.zone)

    def corrected(self, row: LedgerRow) -> str:
        """Return the corrections of the time of a row; "" for none."""
        return named([effect.correction for effect in self.corrections], row.span.start, row.span.end)

    def shown(self, figures: Iterable[Figure]) -> list[Figure]:
        """Return the figures of which the total has a value."""
        return [figure for figure in figures if self.total.value(figure) is not None]


def report(config: Config, wanted: PeriodOption, now: int) -> SiteReport:
    """Create the report of a period as of `now`, UTC ns.

    HistoryError: no history, or no data in the period. ValueError: as `PeriodOption.bounds`.
    """
    zone, grid = config.site.timezone, config.grid
    history = History(config.spool.path, config.site.name)
    stored = history.stored()
    if stored is None:
        raise HistoryError(_no_windows(history))
    as_of = window_start("15m", now, zone)
    found = spans(wanted, stored[0], as_of, zone)
    roles = {device.role for device in config.devices}
    hydro, fuel = bool(roles & {"wind", "hydro"}), bool(roles & {"genset", "chp"})
    ledger = (
        make_ledger(history, found, as_of, zone, grid.basis, grid.method, hydro=hydro and not fuel) if found else None
    )
    if ledger is None:
        days = f"{local_day(stored[0], zone)}..{local_day(stored[1], zone)}"
        raise HistoryError(f"{config.spool.path}: no window of this period is stored; stored are windows of {days}")
    if wanted.unit:
        ledger = ledger.trimmed()
    whole = ledger.total.span
    notes = _notes(config, ledger, history.damaged, own_unclear=hydro and fuel)
    notes += rated_findings(config)
    mix = ladder(grid, zone)
    bills = comparisons(history, config, whole.start, whole.end, as_of)
    notes += [bill.finding for bill in bills if bill.finding]
    if as_of - stored[1] > LATE_SECONDS * NS:
        notes.append(
            f"the last stored window began on {datetime.fromtimestamp(stored[1] // NS, zone):%Y-%m-%d at %H:%M %Z}"
        )
    if (seal := history.last_seal()) is not None:
        origin = str(seal["checkpoint"]).partition("\n")[0]
        notes.append(f"last seal: {seal['size']:.0f} entries of {origin}, key {seal['key_id']} (wattgram verify)")
    return SiteReport(
        site=config.site.name,
        zone=zone,
        basis=ledger.book.basis,
        method=ledger.book.method or grid.method,
        method_stored=bool(ledger.book.method),
        made=now,
        as_of=as_of,
        rows=ledger.rows,
        total=ledger.total,
        events=_event_summaries(history.events(whole.start, whole.end)),
        notes=tuple(notes),
        residual=mix.residual(whole.end - 1),
        versions=factors(),
        corrections=effects(history, config, whole.start, min(whole.end, as_of)),
        bills=bills,
        certificates=certificate_report(grid.streams, ledger.rows, zone, mix.residual, as_of),
    )


def as_table(shown: SiteReport, say: Translate = str) -> str:
    """Return the report as text for a terminal. say: translation of the texts."""
    method = shown.method if shown.method_stored else say(f"{shown.method} (as configured)")
    first = say(f"{shown.site}, {shown.zone.key}, as of {shown.local(shown.as_of)}")
    parts = [f"{first}\n{say(f'basis {shown.basis}, method {method}')}"]
    rows = [*shown.rows, shown.total]
    for title, figures in (
        ("energy", ENERGY),
        ("carbon", CARBON),
        ("uncertainty, k = 2", UNCERTAINTIES),
        ("shares", SHARES),
        ("separate ledgers, not netted with other figures", APART),
    ):
        if present := shown.shown(figures):
            parts.append(f"{say(title)}\n{_figures(shown, rows, present, say, coverage=figures is SHARES)}")
    sources = [
        (printable(source.name), str(source.tier or "-"), f"{time:.1%}", "-" if energy is None else f"{energy:.1%}")
        for source, time, energy in shown.total.shares()
    ]
    parts.append(
        table(tuple(map(say, ("grid source", "tier", "share of time", "share of import"))), sources, right=(1, 2, 3))
    )
    if shown.certificates:
        parts.append(certificate_table(shown.certificates, say))
    if shown.corrections:
        parts.append(effect_table(shown.corrections, say))
    if shown.bills:
        parts.append(bill_table(shown.bills, say))
    if shown.events:
        happened = [
            (
                printable(event.device or say("site")),
                printable(say(event.event)),
                str(event.count),
                shown.local(event.first),
                shown.local(event.last),
            )
            for event in shown.events
        ]
        parts.append(table(tuple(map(say, ("device", "event", "times", "first", "last"))), happened, right=(2,)))
    versions = ", ".join(f"{name} {version}" for name, version in shown.versions.items())
    notes = [*shown.notes, f"highest revision {shown.total.revision}; {versions}"]
    parts.append("\n".join(say(f"note: {note}") for note in notes))
    return "\n\n".join(parts)


def as_json(shown: SiteReport) -> str:
    """Return the JSON document that docs/report.md describes."""
    document = {
        "site": shown.site,
        "timezone": shown.zone.key,
        "basis": shown.basis,
        "method": shown.method,
        "method_from": "history" if shown.method_stored else "configuration",
        "made": rfc3339(shown.made),
        "as_of": rfc3339(shown.as_of),
        "rows": [_row(row) | {"correction": shown.corrected(row)} for row in shown.rows],
        "total": _row(shown.total) | {"correction": shown.corrected(shown.total)},
        "sources": _sources(shown.total),
        "events": [
            {
                "device": event.device,
                "event": event.event,
                "count": event.count,
                "first": rfc3339(event.first),
                "last": rfc3339(event.last),
                "detail": event.detail,
            }
            for event in shown.events
        ],
        "corrections": [effect_json(effect) for effect in shown.corrections],
        "invoices": [bill_json(bill) for bill in shown.bills],
        **({"certificates": certificate_json(shown.certificates)} if shown.certificates else {}),
        "notes": list(shown.notes),
        "versions": {**shown.versions, "revision": shown.total.revision},
    }
    return json.dumps(document, allow_nan=False)


def as_csv(shown: SiteReport) -> str:
    """Return CSV after RFC 4180: a line of names, one line per row, the total last. Empty cells are missing numbers."""
    head = ["period", "from", "to", "complete", "enough_data", "coverage", *(figure.key for figure in FIGURES)]
    rows = []
    for row in (*shown.rows, shown.total):
        facts = _row(row)
        sources = "; ".join(f"{source.name} (tier {source.tier}) {time:.1%}" for source, time, _ in row.shares())
        rows.append(
            [*(facts[name] for name in head), sources, shown.basis, shown.method, row.revision, shown.corrected(row)]
        )
    return sheet([*head, "grid_sources", "basis", "method", "revision", "correction"], rows)


def digits(values: Iterable[float | None]) -> int:
    """Return the decimals for numbers of one unit, by the largest number: 0 from 10 000 on, 1 from 100 on, else 3."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return 0 if largest >= 10_000 or not largest else 1 if largest >= 100 else 3


def figure_columns(rows: Sequence[LedgerRow], figures: Sequence[Figure], *, percent: str) -> list[list[str]]:
    """Return one column per figure, "" for a missing number. Figures of one unit have the same decimals."""
    decimals = {
        unit: digits(row.value(figure) for figure in figures if figure.unit == unit for row in rows)
        for unit in {figure.unit for figure in figures}
    }

    def cell(value: float | None, unit: str) -> str:
        if value is None:
            return ""
        return f"{100 * value:.1f}{percent}" if unit == "1" else f"{value:z,.{decimals[unit]}f}"

    return [[cell(row.value(figure), figure.unit) for row in rows] for figure in figures]


def _figures(
    shown: SiteReport, rows: Sequence[LedgerRow], figures: Sequence[Figure], say: Translate, *, coverage: bool
) -> str:
    head = [say(figure.head) if figure.unit == "1" else f"{say(figure.head)} {figure.unit}" for figure in figures]
    columns = [[cell or "-" for cell in column] for column in figure_columns(rows, figures, percent="%")]
    if coverage:
        head.append(say("coverage"))
        columns.append([f"{row.coverage:.1%}" for row in rows])
    states = [
        ", ".join(map(say, filter(None, (row.state, "corrected" if shown.corrected(row) else "")))) for row in rows
    ]
    cells = list(zip((say(row.span.name) for row in rows), *columns, states, strict=True))
    return table((say("period"), *head, ""), cells, right=range(1, len(head) + 1))


def _row(row: LedgerRow) -> dict[str, object]:
    figures = {figure.key: _rounded(row.value(figure)) for figure in FIGURES}
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
    """Round to a millionth: the last digits of a sum of doubles are not significant."""
    return None if value is None else round(value, 6) + 0.0  # never -0.0


def _event_summaries(events: Iterable[Record]) -> tuple[EventSummary, ...]:
    found: dict[tuple[str, str], EventSummary] = {}
    for record in events:
        device, event = record.series.tag("device"), str(record["event"])
        before = found.get((device, event))
        count, first = (before.count + 1, before.first) if before else (1, record.time)
        found[device, event] = EventSummary(device, event, count, first, record.time, str(record["detail"]))
    return tuple(sorted(found.values(), key=lambda summary: (-summary.count, summary.device, summary.event)))


def _notes(config: Config, ledger: Ledger, damaged: int, *, own_unclear: bool) -> list[str]:
    book, used = ledger.book, ledger.total.windows
    notes = []
    short = sum(not row.enough for row in ledger.rows)
    if short:
        notes.append(f"not enough data: coverage below {MIN_COVERAGE:.0%} in {short} of {len(ledger.rows)} rows")
    if not book.method:
        notes.append(
            f"the stored windows do not contain their method of sharing; configured is {config.grid.method}; totals of "
            "the other method are not stored"
        )
    for omitted, seconds in ledger.excluded.items():
        name = f"basis {omitted.basis}" + (f", method {omitted.method}" if omitted.method else "")
        notes.append(f"{seconds / 3600:.1f} h with {name} are omitted: different bases or methods are never added")
    if book.basis != config.grid.basis:
        notes.append(f"the configured basis is {config.grid.basis}; no window of this period has this basis")
    coarse = [f"{used[kind]} of {kind}" for kind in WINDOWS[1:] if used.get(kind)]
    if coarse:
        notes.append(f"coarser windows replace missing finer windows: {', '.join(coarse)}")
    if own_unclear:
        notes.append(
            "self-consumption is weighted with PV alone: stored windows do not separate wind and hydro from gensets "
            "and CHP"
        )
    if ledger.total.uncertain.assumed:
        notes.append("uncertainty: some limits of error are assumed; state accuracy and rated_power of each device")
    if damaged:
        notes.append(f"{damaged} damaged records are omitted")
    return notes


def _no_windows(history: History) -> str:
    others = [site for site in history.sites() if site != history.site]
    if others:
        return (
            f"{history.folder}: nothing of site {history.site!r} is stored; stored are {', '.join(map(repr, others))}"
        )
    return f"{history.folder}: no window of site {history.site!r} is stored yet; the first one takes 15 minutes"
