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
from wattgram.formats.language import HTML_LANGUAGE, LANGUAGES, Translate, translate

from .bill_comparison import bill_html
from .certificate_report import certificate_html
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


def page(shown: SiteReport, language: str = LANGUAGES[0]) -> str:
    """Return the HTML file."""
    say = translate(language)
    style = files("wattgram.reports").joinpath("report.css").read_text(encoding="utf-8")
    period = _period(shown, say)
    body = "".join(
        (
            _head(shown, period, say),
            _charts(shown, say),
            _table("Energy", shown, ENERGY, say),
            _table("Carbon", shown, CARBON, say),
            _table("Uncertainty, k = 2", shown, UNCERTAINTIES, say),
            _table("Shares and coverage", shown, SHARES, say),
            _apart(shown, say),
            certificate_html(shown.certificates, say),
            effect_html(shown.corrections, say),
            bill_html(shown.bills, say),
            _provenance(shown, say),
            _rules(shown, say),
        )
    )
    return document(say(f"{shown.site}: energy and carbon, {period}"), style, body, HTML_LANGUAGE[language])


def _period(shown: SiteReport, say: Translate) -> str:
    first, last = shown.rows[0].span.name, shown.rows[-1].span.name
    return first if first == last else say(f"{first} to {last}")


def _head(shown: SiteReport, period: str, say: Translate) -> str:
    total = shown.total
    grid = total.value(BY_KEY["grid_intensity_g_per_kwh"])
    site = total.value(BY_KEY["emission_intensity_g_per_kwh"])
    comparison = (
        say(f"{abs(1 - site / grid):.1%} {'below' if site <= grid else 'above'} the grid") if grid and site else ""
    )
    numbers = (
        ("load", _number(total.value(BY_KEY["load_energy_kwh"])), "kWh", ""),
        ("emission of the load", _number(total.value(BY_KEY["emission_kg"])), "kg CO2", ""),
        ("intensity", number(site, 1), "g/kWh", comparison),
        ("clean share", percent(total.value(BY_KEY["clean_share"])), "", ""),
        ("self-sufficiency", percent(total.value(BY_KEY["self_sufficiency"])), "", ""),
        (
            "coverage",
            percent(total.coverage),
            "",
            "" if total.enough else say(f"not enough data: below {MIN_COVERAGE:.0%}"),
        ),
    )
    tiles = "".join(
        f"<div><dt>{say(name)}</dt><dd>{value}{f' <small>{unit}</small>' if unit else ''}</dd>"
        f"{f'<dd class=beside>{note}</dd>' if note else ''}</div>"
        for name, value, unit, note in numbers
    )
    until, covered = escape(shown.local(shown.as_of)), percent(total.coverage)
    warning = "" if total.complete else f"<p class=quiet>{say(f'Not over: the figures end at {until}.')}</p>"
    if not total.enough:
        span = "the period" if total.complete else f"the time until {until}"
        lacking = f"{covered} of {span} is covered. Below {MIN_COVERAGE:.0%} the figures are not reliable."
        warning += f"<p class=warning><b>{say('Not enough data:')}</b> {say(lacking)}</p>"
    ends = say(f"{shown.local(total.span.start)} to {shown.local(total.span.end)}")
    rule = say(f"basis {shown.basis}, method {shown.method}")
    return (
        f"<header><h1>{escape(shown.site)}</h1><p>{escape(say(f'Energy and carbon, {period}'))}</p>"
        f"<p class=quiet>{escape(ends)}, {escape(shown.zone.key)}; {escape(rule)}</p></header>"
        f"{warning}<dl class=numbers>{tiles}</dl>"
    )


def _charts(shown: SiteReport, say: Translate) -> str:
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
    heads = {key: say(BY_KEY[key].head) for key in keys}
    names = {key: say(f"{head}, downwards") if key in DOWN else head for key, head in heads.items()}
    note = "" if all(row.enough for row in rows) else f" {say('Pale: not enough data.')}"
    note += "" if len(rows) == len(shown.rows) else f" {say(f'Only the latest {CHARTED} periods.')}"
    mix_title = say("Energy by period: sources upwards, export and battery charge downwards, load as a mark")
    intensity_title = say("Emission intensity of the load by period as bars, of the grid as marks")
    return (
        f"<section><h2>{say('Energy mix, kWh')}</h2><p class=legend>{_legend(names)}"
        f'<span><i class="mark"></i>{say("load")}</span>{note}</p>{chart(mix_title, mix)}</section>'
        f"<section><h2>{say('Intensity against the grid, g/kWh')}</h2><p class=legend>"
        f"{_legend({'emission_intensity_g_per_kwh': say('site')})}"
        f'<span><i class="mark"></i>{say("grid, weighted by import")}</span>{note}</p>'
        f"{chart(intensity_title, intensity)}</section>"
    )


def _parts(row: LedgerRow, keys: Iterable[str]) -> list[tuple[str, float]]:
    return [(key, max(0.0, row.value(BY_KEY[key]) or 0.0)) for key in keys]


def _legend(names: dict[str, str]) -> str:
    return "".join(f'<span><i class="{key}"></i>{escape(name)}</span>' for key, name in names.items())


def _table(title: str, shown: SiteReport, figures: Sequence[Figure], say: Translate) -> str:
    present = shown.shown(figures)
    if not present and figures is not SHARES:
        return ""
    rows = [*shown.rows, shown.total]
    columns = [
        [cell.replace(",", NARROW) or "-" for cell in column]
        for column in figure_columns(rows, present, percent=f"{NARROW}%")
    ]
    heads = [(say(figure.head), "" if figure.unit == "1" else figure.unit) for figure in present]
    if figures is SHARES:
        columns.append([percent(row.coverage) for row in rows])
        heads.append((say("coverage"), ""))
    head = "".join(f"<th>{escape(name)}{f'<br><small>{unit}</small>' if unit else ''}</th>" for name, unit in heads)
    corrected = f"<br><small>{say('corrected')}</small>"
    lines = [
        f"<tr{'' if row.enough else ' class=weak'}><th>{escape(say(row.span.name))}"
        f"{f'<br><small>{say(row.state)}</small>' if row.state else ''}"
        f"{corrected if shown.corrected(row) else ''}</th>"
        + "".join(f"<td>{column[index]}</td>" for column in columns)
        + "</tr>"
        for index, row in enumerate(rows)
    ]
    kind = " class=short" if len(rows) <= UNDIVIDED_ROWS else ""
    return (
        f"<section><h2>{say(title)}</h2><table{kind}><thead><tr><th>{say('period')}</th>{head}</tr></thead>"
        f"<tbody>{''.join(lines[:-1])}</tbody><tbody class=total>{lines[-1]}</tbody></table></section>"
    )


def _apart(shown: SiteReport, say: Translate) -> str:
    table = _table("Avoided and captured: separate ledgers", shown, APART, say)
    explanation = say(
        "These figures are not netted with the emissions above or with each other. Avoided emissions would have "
        "occurred elsewhere. They are computed with the average factor of the grid."
    )
    return table.replace("<section>", "<section class=apart>", 1).replace("</h2>", f"</h2><p>{explanation}</p>", 1)


def _provenance(shown: SiteReport, say: Translate) -> str:
    sources = "".join(
        f"<tr><th>{escape(source.name) or '-'}</th><td>{source.tier or '-'}"
        f"{f', {say(TIERS[source.tier])}' if source.tier in TIERS else ''}</td>"
        f"<td>{percent(time)}</td><td>{percent(energy)}</td></tr>"
        for source, time, energy in shown.total.shares()
    )
    windows = say(", ").join(say(f"{count} of {kind}") for kind, count in shown.total.windows.items())
    origin = "as stored" if shown.method_stored else "as configured; the stored windows do not contain their method"
    facts = (
        ("period", say(f"{shown.local(shown.total.span.start)} to {shown.local(shown.total.span.end)}")),
        ("created", say(f"{shown.local(shown.made)}; contains windows up to {shown.local(shown.as_of)}")),
        ("basis", shown.basis),
        ("method of sharing", say(f"{shown.method}, {origin}")),
        (
            "residual mix, scope 2 market",
            say(
                f"{shown.residual:.1f} g/kWh for import without certificates"
                if isfinite(shown.residual)
                else "unknown: scope 2 market is absent; set residual_g_per_kwh in [grid]"
            ),
        ),
        ("summed windows", windows or say("none")),
        ("highest revision", f"{shown.total.revision}"),
        *((name if "." in name else say(f"{name}, version"), version) for name, version in shown.versions.items()),
    )
    listed = "".join(f"<dt>{escape(say(name))}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    notes = "".join(f"<li>{escape(say(note))}</li>" for note in shown.notes)
    return (
        f"<section><h2>{say('Provenance')}</h2><table class=words><thead><tr>"
        f"{_th(say, 'grid source', 'tier', 'share of time', 'share of import')}</tr></thead>"
        f"<tbody>{sources}</tbody></table>"
        f"<dl class=facts>{listed}</dl>{f'<ul>{notes}</ul>' if notes else ''}{_events(shown, say)}</section>"
    )


def _th(say: Translate, *names: str) -> str:
    return "".join(f"<th>{say(name)}</th>" for name in names)


def _events(shown: SiteReport, say: Translate) -> str:
    if not shown.events:
        return ""
    lines = "".join(
        f"<tr><th>{escape(event.device) or say('site')}</th><td>{escape(say(event.event))}</td><td>{event.count}</td>"
        f"<td>{escape(shown.local(event.first))}</td><td>{escape(shown.local(event.last))}</td>"
        f"<td>{escape(say(event.detail))}</td></tr>"
        for event in shown.events
    )
    return (
        f"<h3>{say('Events')}</h3><table class=words><thead><tr>"
        f"{_th(say, 'device', 'event', 'times', 'first', 'last', 'last detail')}</tr></thead>"
        f"<tbody>{lines}</tbody></table>"
    )


def _rules(shown: SiteReport, say: Translate) -> str:
    coverage = (
        "coverage",
        "1",
        "known time of each source and sink of the balance / elapsed time of the period; "
        f"below {MIN_COVERAGE:.0%}: not enough data",
        "METHOD 4.5, METHOD-SITE 9.1",
    )
    rules = [(figure.head, figure.unit, figure.rule, figure.source) for figure in shown.shown(FIGURES)]
    lines = "".join(
        f"<tr><th>{escape(say(head))}</th><td>{say('share') if unit == '1' else unit}</td>"
        f"<td>{escape(say(rule))}</td><td>{escape(say(source))}</td></tr>"
        for head, unit, rule, source in (*rules, coverage)
    )
    summed = say(
        "Each row is the sum of the finest windows that are stored for it. Each ratio is a ratio of sums over the "
        "period, not a mean of ratios."
    )
    sections = say(f"METHOD and METHOD-SITE refer to the sections of {METHOD_PAGE} in the source of this program.")
    methods = say(
        "Methods of sharing: with proportional, every outflow of the site carries the mix of its inflows. With local "
        "first, own renewables, battery, fuel and import are used up in this order."
    )
    return (
        f"<section><h2>{say('Calculation of the figures')}</h2><p>{summed} {sections} {methods}</p>"
        f'<table class="words rules"><thead><tr>{_th(say, "figure", "unit", "rule", "source")}</tr></thead>'
        f"<tbody>{lines}</tbody></table></section>"
    )


def _number(value: float | None) -> str:
    return number(value, digits([value]))
