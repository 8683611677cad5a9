"""The report as one HTML file for printing, without scripts and external resources. External texts are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from math import isfinite

from wattgram.accounts.figures import APART, CARBON, ENERGY, FIGURES, METHOD_PAGE, SHARES, UNCERTAINTIES, Figure
from wattgram.accounts.ledger import MIN_COVERAGE, LedgerRow
from wattgram.formats.bar_chart import Bar, chart
from wattgram.formats.html_page import NARROW, document, number, percent

from .bill_comparison import bill_html
from .correction_effect import effect_html
from .site_report import SiteReport, digits, figure_columns

CHARTED = 62
"""Largest number of periods in a chart: the latest ones."""

UNDIVIDED_ROWS = 16
"""Largest number of rows of a table that is kept on one printed page."""

UP = ("pv_energy_kwh", "generation_energy_kwh", "battery_discharge_energy_kwh", "grid_import_energy_kwh")
DOWN = ("grid_export_energy_kwh", "battery_charge_energy_kwh")
"""Inflows, and outflows other than the load: load = sum of UP - sum of DOWN."""

BY_KEY = {figure.key: figure for figure in FIGURES}
TIERS = {
    1: "measured live",
    2: "estimated live",
    3: "forecast",
    4: "supplied by the site",
    5: "official yearly factor",
    6: "shipped life-cycle average",
}
"""METHOD 3.4."""


def page(shown: SiteReport) -> str:
    """Return the HTML file."""
    style = files("wattgram.reports").joinpath("report.css").read_text(encoding="utf-8")
    period = _period(shown)
    body = "".join(
        (
            _head(shown, period),
            _charts(shown),
            _table("Energy", shown, ENERGY),
            _table("Carbon", shown, CARBON),
            _table("Uncertainty, k = 2", shown, UNCERTAINTIES),
            _table("Shares and coverage", shown, SHARES),
            _apart(shown),
            effect_html(shown.corrections),
            bill_html(shown.bills),
            _provenance(shown),
            _rules(shown),
        )
    )
    return document(f"{shown.site}: energy and carbon, {period}", style, body)


def _period(shown: SiteReport) -> str:
    first, last = shown.rows[0].span.name, shown.rows[-1].span.name
    return first if first == last else f"{first} to {last}"


def _head(shown: SiteReport, period: str) -> str:
    total = shown.total
    grid = total.value(BY_KEY["grid_intensity_g_per_kwh"])
    site = total.value(BY_KEY["emission_intensity_g_per_kwh"])
    comparison = f"{abs(1 - site / grid):.1%} {'below' if site <= grid else 'above'} the grid" if grid and site else ""
    numbers = (
        ("load", _number(total.value(BY_KEY["load_energy_kwh"])), "kWh", ""),
        ("emission of the load", _number(total.value(BY_KEY["emission_kg"])), "kg CO2", ""),
        ("intensity", number(site, 1), "g/kWh", comparison),
        ("clean share", percent(total.value(BY_KEY["clean_share"])), "", ""),
        ("self-sufficiency", percent(total.value(BY_KEY["self_sufficiency"])), "", ""),
        ("coverage", percent(total.coverage), "", "" if total.enough else f"not enough data: below {MIN_COVERAGE:.0%}"),
    )
    tiles = "".join(
        f"<div><dt>{name}</dt><dd>{value}{f' <small>{unit}</small>' if unit else ''}</dd>"
        f"{f'<dd class=beside>{note}</dd>' if note else ''}</div>"
        for name, value, unit, note in numbers
    )
    until, covered = escape(shown.local(shown.as_of)), percent(total.coverage)
    warning = "" if total.complete else f"<p class=quiet>Not over: the figures end at {until}.</p>"
    if not total.enough:
        span = "the period" if total.complete else f"the time until {until}"
        warning += (
            f"<p class=warning><b>Not enough data:</b> {covered} of {span} is covered. "
            f"Below {MIN_COVERAGE:.0%} the figures are not reliable.</p>"
        )
    return (
        f"<header><h1>{escape(shown.site)}</h1><p>Energy and carbon, {escape(period)}</p>"
        f"<p class=quiet>{escape(shown.local(total.span.start))} to {escape(shown.local(total.span.end))}, "
        f"{escape(shown.zone.key)}; basis {escape(shown.basis)}, method {escape(shown.method)}</p></header>"
        f"{warning}<dl class=numbers>{tiles}</dl>"
    )


def _charts(shown: SiteReport) -> str:
    rows = shown.rows[-CHARTED:]
    mix = [
        Bar(row.span.name, _parts(row, UP), _parts(row, DOWN), row.value(BY_KEY["load_energy_kwh"]), row.enough)
        for row in rows
    ]
    intensity = [
        Bar(
            row.span.name,
            _parts(row, ("emission_intensity_g_per_kwh",)),
            (),
            row.value(BY_KEY["grid_intensity_g_per_kwh"]),
            row.enough,
        )
        for row in rows
    ]
    present = {kind for bar in mix for kind, value in (*bar.up, *bar.down) if value > 0.0}
    keys = [key for key in (*UP, *DOWN) if key in present]
    names = {key: f"{BY_KEY[key].head}{', downwards' if key in DOWN else ''}" for key in keys}
    note = "" if all(row.enough for row in rows) else " Pale: not enough data."
    note += "" if len(rows) == len(shown.rows) else f" Only the latest {CHARTED} periods."
    return (
        f"<section><h2>Energy mix, kWh</h2><p class=legend>{_legend(names)}"
        f'<span><i class="mark"></i>load</span>{note}</p>'
        f"{chart('Energy by period: sources upwards, export and battery charge downwards, load as a mark', mix)}"
        "</section><section><h2>Intensity against the grid, g/kWh</h2><p class=legend>"
        f"{_legend({'emission_intensity_g_per_kwh': 'site'})}"
        f'<span><i class="mark"></i>grid, weighted by import</span>{note}</p>'
        f"{chart('Emission intensity of the load by period as bars, of the grid as marks', intensity)}</section>"
    )


def _parts(row: LedgerRow, keys: Iterable[str]) -> list[tuple[str, float]]:
    return [(key, max(0.0, row.value(BY_KEY[key]) or 0.0)) for key in keys]


def _legend(names: dict[str, str]) -> str:
    return "".join(f'<span><i class="{key}"></i>{escape(name)}</span>' for key, name in names.items())


def _table(title: str, shown: SiteReport, figures: Sequence[Figure]) -> str:
    present = shown.shown(figures)
    if not present and figures is not SHARES:
        return ""
    rows = [*shown.rows, shown.total]
    columns = [
        [cell.replace(",", NARROW) or "-" for cell in column]
        for column in figure_columns(rows, present, percent=f"{NARROW}%")
    ]
    heads = [(figure.head, "" if figure.unit == "1" else figure.unit) for figure in present]
    if figures is SHARES:
        columns.append([percent(row.coverage) for row in rows])
        heads.append(("coverage", ""))
    head = "".join(f"<th>{escape(name)}{f'<br><small>{unit}</small>' if unit else ''}</th>" for name, unit in heads)
    lines = [
        f"<tr{'' if row.enough else ' class=weak'}><th>{escape(row.span.name)}"
        f"{f'<br><small>{row.state}</small>' if row.state else ''}"
        f"{'<br><small>corrected</small>' if shown.corrected(row) else ''}</th>"
        + "".join(f"<td>{column[index]}</td>" for column in columns)
        + "</tr>"
        for index, row in enumerate(rows)
    ]
    kind = " class=short" if len(rows) <= UNDIVIDED_ROWS else ""
    return (
        f"<section><h2>{title}</h2><table{kind}><thead><tr><th>period</th>{head}</tr></thead>"
        f"<tbody>{''.join(lines[:-1])}</tbody><tbody class=total>{lines[-1]}</tbody></table></section>"
    )


def _apart(shown: SiteReport) -> str:
    table = _table("Avoided and captured: separate ledgers", shown, APART)
    explanation = (
        "<p>These figures are not netted with the emissions above or with each other. Avoided emissions would have "
        "occurred elsewhere. They are computed with the average factor of the grid.</p>"
    )
    return table.replace("<section>", "<section class=apart>", 1).replace("</h2>", f"</h2>{explanation}", 1)


def _provenance(shown: SiteReport) -> str:
    sources = "".join(
        f"<tr><th>{escape(source.name) or '-'}</th><td>{source.tier or '-'}"
        f"{f', {TIERS[source.tier]}' if source.tier in TIERS else ''}</td>"
        f"<td>{percent(time)}</td><td>{percent(energy)}</td></tr>"
        for source, time, energy in shown.total.shares()
    )
    windows = ", ".join(f"{count} of {kind}" for kind, count in shown.total.windows.items())
    origin = "as stored" if shown.method_stored else "as configured; the stored windows do not contain their method"
    facts = (
        ("period", f"{shown.local(shown.total.span.start)} to {shown.local(shown.total.span.end)}"),
        ("created", f"{shown.local(shown.made)}; contains windows up to {shown.local(shown.as_of)}"),
        ("basis", shown.basis),
        ("method of sharing", f"{shown.method}, {origin}"),
        (
            "residual mix, scope 2 market",
            f"{shown.residual:.1f} g/kWh for all import: no certificates are recorded"
            if isfinite(shown.residual)
            else "unknown: scope 2 market is absent; set residual_g_per_kwh in [grid]",
        ),
        ("summed windows", windows or "none"),
        ("highest revision", f"{shown.total.revision}"),
        *((name if "." in name else f"{name}, version", version) for name, version in shown.versions.items()),
    )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    notes = "".join(f"<li>{escape(note)}</li>" for note in shown.notes)
    return (
        "<section><h2>Provenance</h2><table class=words><thead><tr><th>grid source</th><th>tier</th>"
        f"<th>share of time</th><th>share of import</th></tr></thead><tbody>{sources}</tbody></table>"
        f"<dl class=facts>{listed}</dl>{f'<ul>{notes}</ul>' if notes else ''}{_events(shown)}</section>"
    )


def _events(shown: SiteReport) -> str:
    if not shown.events:
        return ""
    lines = "".join(
        f"<tr><th>{escape(event.device) or 'site'}</th><td>{escape(event.event)}</td><td>{event.count}</td>"
        f"<td>{escape(shown.local(event.first))}</td><td>{escape(shown.local(event.last))}</td>"
        f"<td>{escape(event.detail)}</td></tr>"
        for event in shown.events
    )
    return (
        "<h3>Events</h3><table class=words><thead><tr><th>device</th><th>event</th><th>times</th><th>first</th>"
        f"<th>last</th><th>last detail</th></tr></thead><tbody>{lines}</tbody></table>"
    )


def _rules(shown: SiteReport) -> str:
    lines = "".join(
        f"<tr><th>{escape(figure.head)}</th><td>{'share' if figure.unit == '1' else figure.unit}</td>"
        f"<td>{escape(figure.rule)}</td><td>{escape(figure.source)}</td></tr>"
        for figure in shown.shown(FIGURES)
    )
    coverage = (
        "<tr><th>coverage</th><td>share</td><td>known time of each source and sink of the balance / elapsed time of "
        f"the period; below {MIN_COVERAGE:.0%}: not enough data</td><td>METHOD 4.5, METHOD-SITE 9.1</td></tr>"
    )
    return (
        "<section><h2>Calculation of the figures</h2><p>Each row is the sum of the finest windows that are stored for "
        "it. Each ratio is a ratio of sums over the period, not a mean of ratios. METHOD and METHOD-SITE refer to the "
        f"sections of {METHOD_PAGE} in the source of this program. Methods of sharing: with <i>proportional</i>, every "
        "outflow of the site carries the mix of its inflows. With <i>local first</i>, own renewables, battery, fuel "
        "and import are used up in this order.</p>"
        '<table class="words rules"><thead><tr><th>figure</th><th>unit</th><th>rule</th><th>source</th></tr></thead>'
        f"<tbody>{lines}{coverage}</tbody></table></section>"
    )


def _number(value: float | None) -> str:
    return number(value, digits([value]))
