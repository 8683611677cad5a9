"""Certificates of a report: each stream with its part of the period, and scope 2 by the market with all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from math import fsum, isfinite
from zoneinfo import ZoneInfo

from wattgram.accounts.ledger import LedgerRow
from wattgram.base.errors import ConfigError
from wattgram.base.period import instant, local_day
from wattgram.config import green_certificates
from wattgram.config.green_certificates import CertificateStream
from wattgram.formats.language import Translate
from wattgram.formats.tables import html_table, printable, table

BY_HOUR, BY_YEAR, OWN_USE = "hour", "year", "self-used"
"""Kinds of streams: matched hour by hour in the windows, by the sums of a year, and proof of own production alone."""


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A stream in the period of a report.

    offered: certified energy of the known time of the period, Wh, None if it is unknown. counted: part of it that
    covers import, Wh, None if the windows hold only the sum of several streams.
    """

    stream: CertificateStream
    kind: str
    offered: float | None
    counted: float | None


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """All streams in the period. matched: import covered by the hour, Wh. counted: by the year, Wh.

    market: scope 2 by the market with all certificates, g, None if unknown.
    """

    uses: tuple[CertificateUse, ...]
    matched: float
    counted: float
    market: float | None


@dataclass(frozen=True, slots=True)
class _MarketYear:
    """Sums of a calendar year within the period, Wh and g. covered: share of the year with a balance."""

    covered: float
    imported: float
    matched: float
    market: float


def certificate_report(
    streams: Sequence[CertificateStream],
    rows: Sequence[LedgerRow],
    zone: ZoneInfo,
    residual: Callable[[int], float],
    as_of: int,
) -> CertificateReport | None:
    """Return the certificates of some rows, none of which is of two calendar years; None without streams (METHOD 4.8).

    Certificates of a year are spread evenly over the year; those of the time with a balance count, at most the import
    that certificates by the hour leave. Streams share by their energy. residual: g/kWh of the residual mix at a time,
    UTC ns. as_of: end of the known time, UTC ns.
    """
    if not streams:
        return None
    of_year: dict[int, list[LedgerRow]] = defaultdict(list)
    for row in rows:
        of_year[local_day(row.span.start, zone).year].append(row)
    years = {year: _market_year(year, found, zone) for year, found in of_year.items()}
    counted, saved = dict.fromkeys((stream.id for stream in streams), 0.0), 0.0
    offered = dict(counted)
    for year, sums in years.items():
        yearly = [each for each in streams if each.path is None and not each.self_used and each.year == year]
        given = {each.id: 1000.0 * each.energy * sums.covered for each in yearly}
        whole, left = fsum(given.values()), max(0.0, sums.imported - sums.matched)
        share = min(1.0, left / whole) if whole > 0.0 else 0.0
        mix = (
            sums.market / sums.imported * 1000.0
            if sums.imported > 0.0 and not sums.matched
            else residual(of_year[year][0].span.start)
        )
        for each in yearly:
            offered[each.id], counted[each.id] = given[each.id], given[each.id] * share
            saved += given[each.id] * share * (mix - each.factor) / 1000.0
    matched = fsum(sums.matched for sums in years.values())
    hourly = [each for each in streams if each.path is not None and not each.self_used]
    uses = tuple(
        _use(each, rows, zone, as_of, matched if len(hourly) == 1 else None, offered[each.id], counted[each.id])
        for each in streams
    )
    known = any("scope2_market" in row.sums for row in rows) and isfinite(saved)
    market = fsum(sums.market for sums in years.values()) - saved if known else None
    return CertificateReport(uses, matched, fsum(counted.values()), market)


def _market_year(year: int, rows: Sequence[LedgerRow], zone: ZoneInfo) -> _MarketYear:
    length = (instant(date(year + 1, 1, 1), zone) - instant(date(year, 1, 1), zone)) / 1e9

    def total(name: str) -> float:
        return fsum(row.sums.get(name, 0.0) for row in rows)

    covered = fsum(row.covered for row in rows) / length
    return _MarketYear(covered, total("grid_import_energy"), total("matched_energy"), total("scope2_market"))


def _use(
    stream: CertificateStream,
    rows: Sequence[LedgerRow],
    zone: ZoneInfo,
    as_of: int,
    matched: float | None,
    offered: float,
    counted: float,
) -> CertificateUse:
    """Return a stream by its kind. matched: of the only stream by the hour. offered, counted: of one by the year."""
    if stream.self_used:
        return CertificateUse(stream, OWN_USE, None, 0.0)
    if stream.path is None:
        return CertificateUse(stream, BY_YEAR, offered, counted)
    try:
        file = green_certificates.read(stream.path, zone)
    except ConfigError:  # the file has changed since the start; the windows hold what was matched
        return CertificateUse(stream, BY_HOUR, None, matched)
    energy = fsum(file.at(row.span.start, min(row.span.end, as_of)) for row in rows)
    return CertificateUse(stream, BY_HOUR, energy, matched)


def certificate_json(found: CertificateReport) -> dict[str, object]:
    """Return the certificates for JSON, in kWh and kg."""
    return {
        "streams": [
            {
                "id": use.stream.id,
                "market": use.stream.market or None,
                "technology": use.stream.technology or None,
                "kind": use.kind,
                "year": use.stream.year or None,
                "factor_g_per_kwh": use.stream.factor,
                "offered_kwh": _rounded(use.offered),
                "counted_kwh": _rounded(use.counted),
            }
            for use in found.uses
        ],
        "matched_by_hour_kwh": _rounded(found.matched),
        "counted_by_year_kwh": _rounded(found.counted),
        "scope2_market_kg": _rounded(found.market),
    }


CERTIFICATE_HEADS = ("certificates", "market", "technology", "matched by", "g/kWh", "offered kWh", "counted kWh")


def certificate_rows(found: CertificateReport, say: Translate = str) -> list[tuple[str, ...]]:
    """Return the cells of the streams below `CERTIFICATE_HEADS`."""
    return [
        (
            use.stream.id,
            use.stream.market or "-",
            say(use.stream.technology) or "-",
            say(f"year {use.stream.year}" if use.kind == BY_YEAR else use.kind),
            f"{use.stream.factor:g}",
            _kwh(use.offered),
            _kwh(use.counted),
        )
        for use in found.uses
    ]


def certificate_text(found: CertificateReport, say: Translate = str) -> str:
    """Return what the certificates make of scope 2 by the market."""
    if found.market is None:
        return say("scope 2 market with all certificates is unknown: set residual_g_per_kwh in [grid]")
    energy, mass = f"{(found.matched + found.counted) / 1e3:,.1f}", f"{found.market / 1e3:,.1f}"
    return say(f"scope 2 market with all certificates: {mass} kg; certificates cover {energy} kWh of import")


def certificate_table(found: CertificateReport, say: Translate = str) -> str:
    """Return the certificates as a table for a terminal."""
    rows = [tuple(printable(cell) for cell in row) for row in certificate_rows(found, say)]
    return f"{table(tuple(map(say, CERTIFICATE_HEADS)), rows, right=(4, 5, 6))}\n{certificate_text(found, say)}"


def certificate_html(found: CertificateReport | None, say: Translate = str) -> str:
    """Return the certificates as a section of a page; "" without streams."""
    if found is None:
        return ""
    rule = say(
        "Certificates of a year are spread evenly over the year. They count for the time with a balance, at most for "
        "the import that certificates by the hour leave. The rows above have certificates by the hour alone."
    )
    listed = html_table(tuple(map(say, CERTIFICATE_HEADS)), certificate_rows(found, say))
    text = escape(certificate_text(found, say))
    return f"<section><h2>{say('Certificates, market-based')}</h2>{listed}<p>{text}</p><p>{rule}</p></section>"


def _kwh(value: float | None) -> str:
    return "-" if value is None else f"{value / 1000.0:,.1f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value / 1000.0, 6) + 0.0
