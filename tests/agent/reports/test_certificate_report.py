"""Certificates in a report: METHOD 4.8 by hand, by the hour and by the year."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from wattgram.base.period import parse_period
from wattgram.base.record import Value
from wattgram.config.green_certificates import CertificateStream
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.formats.language import translate
from wattgram.reports.report_html import page
from wattgram.reports.site_report import SiteReport, as_json, as_table, report

from tests.support.stored_history import quarters, stored, utc

WIND = CertificateStream("gec-1", "CN GEC", "wind", 0.0, year=2026, energy=36_500.0)
SUN = CertificateStream("gec-2", "CN GEC", "solar", 50.0, year=2026, energy=7_300.0)
ROOF = CertificateStream("roof", technology="solar", year=2026, energy=5_000.0, self_used=True)
KWH: dict[str, Value] = {"load_energy": 1000.0, "grid_import_energy": 1000.0, "scope2_market": 600.0}
DAY = ("2026-06-01T00:00:00+08:00", "2026-06-02T00:00:00+08:00")


def report_of(folder: Path, *streams: CertificateStream, period: str = "2026-06-01..2026-06-01") -> SiteReport:
    site = SiteConfig("works", ZoneInfo("Asia/Shanghai"))
    config = Config(site, (), SpoolConfig(folder), GridConfig("CN-CQ", streams=streams))
    return report(config, parse_period(period), utc("2027-06-01T00:00:00Z"))


def certificates(found: SiteReport) -> Any:
    """Return offered and counted kWh of each stream, and scope 2 in kg."""
    summary = json.loads(as_json(found))["certificates"]
    return [(use["offered_kwh"], use["counted_kwh"]) for use in summary["streams"]], summary["scope2_market_kg"]


def test_certificates_of_the_year_cover_the_import_of_the_known_time(tmp_path: Path) -> None:
    # a day of 96 kWh at 600 g/kWh: 100 and 20 kWh are offered, 96 / 120 of each counts; 16 kWh x 50 g/kWh remain
    spool = stored(tmp_path / "spool", quarters(*DAY, KWH))
    found = report_of(spool, WIND, SUN, ROOF)
    shares, remaining = certificates(found)
    assert shares == [(100.0, 80.0), (20.0, 16.0), (None, 0.0)]
    assert remaining == pytest.approx(0.8)
    assert json.loads(as_json(found))["total"]["scope2_market_kg"] == pytest.approx(57.6)


def test_fewer_certificates_than_import_leave_the_rest_at_the_residual_mix(tmp_path: Path) -> None:
    # 20 kWh x 50 g/kWh and 76 kWh x 600 g/kWh
    spool = stored(tmp_path / "spool", quarters(*DAY, KWH))
    shares, remaining = certificates(report_of(spool, SUN))
    assert shares == [(20.0, 20.0)]
    assert remaining == pytest.approx(1.0 + 45.6)


def test_the_time_without_a_balance_has_no_certificates(tmp_path: Path) -> None:
    # half of the day: 10 kWh are offered for 48 kWh of import
    spool = stored(tmp_path / "spool", quarters(DAY[0], "2026-06-01T12:00:00+08:00", KWH))
    shares, remaining = certificates(report_of(spool, SUN))
    assert shares == [(10.0, 10.0)]
    assert remaining == pytest.approx(0.5 + 38 * 0.6)


def test_certificates_count_in_their_own_year(tmp_path: Path) -> None:
    # 12 h of 2025 and 12 h of 2026: certificates of 2026 cover the import of 2026 alone
    spool = stored(tmp_path / "spool", quarters("2025-12-31T12:00:00+08:00", "2026-01-01T12:00:00+08:00", KWH))
    found = report_of(spool, WIND, period="2025-12-31..2026-01-01")
    shares, remaining = certificates(found)
    assert shares == [(50.0, 48.0)]
    assert remaining == pytest.approx(48 * 0.6)


def test_certificates_by_the_hour_come_first(tmp_path: Path) -> None:
    # 0.25 of each kWh is matched by the hour: 24 kWh at 10 g/kWh, 72 kWh at CN's residual mix of 609.6 g/kWh (2023)
    matched: dict[str, Value] = KWH | {"matched_energy": 250.0, "scope2_market": 2.5 + 457.2}
    spool = stored(tmp_path / "spool", quarters(*DAY, matched))
    file = tmp_path / "hours.csv"
    file.write_text("time,energy_kwh\n" + "".join(f"2026-06-01 {hour:02}:00,2\n" for hour in range(24)))
    hourly = CertificateStream("ppa", technology="wind", factor=10.0, path=file)
    found = report_of(spool, hourly, WIND)
    shares, remaining = certificates(found)
    assert shares == [(48.0, 24.0), (100.0, 72.0)]
    assert remaining == pytest.approx(0.24, abs=1e-9)
    second = replace(hourly, id="ppa-2")
    assert certificates(report_of(spool, hourly, second))[0] == [(48.0, None), (48.0, None)]
    file.write_text("nonsense")
    assert certificates(report_of(spool, hourly))[0] == [(None, 24.0)]


def test_without_a_residual_mix_the_figure_is_absent(tmp_path: Path) -> None:
    plain: dict[str, Value] = {"load_energy": 1000.0, "grid_import_energy": 1000.0}
    spool = stored(tmp_path / "spool", quarters(*DAY, plain))
    found = report_of(spool, WIND)
    assert certificates(found)[1] is None
    assert "set residual_g_per_kwh in [grid]" in as_table(found)


def test_table_and_page_name_the_streams_in_both_languages(tmp_path: Path) -> None:
    spool = stored(tmp_path / "spool", quarters(*DAY, KWH))
    found = report_of(spool, replace(WIND, market="<CN> GEC"), ROOF)
    lines = as_table(found).splitlines()
    assert ["gec-1", "<CN>", "GEC", "wind", "year", "2026", "0", "100.0", "96.0"] in [line.split() for line in lines]
    assert "scope 2 market with all certificates: 0.0 kg; certificates cover 96.0 kWh of import" in lines
    chinese = as_table(found, translate("zh"))
    assert "含全部绿证的范围二（基于市场）：0.0 kg；绿证覆盖购电 96.0 kWh" in chinese
    html = unescape(page(found, "zh")).replace("<CN>", "")
    assert "&lt;CN&gt; GEC" in page(found)
    assert "<td> GEC</td><td>风电</td><td>2026 年</td>" in html
    assert "自发自用（不可交易）" in html


def test_a_report_without_streams_has_no_list(tmp_path: Path) -> None:
    spool = stored(tmp_path / "spool", quarters(*DAY, KWH))
    assert "certificates" not in json.loads(as_json(report_of(spool)))
    assert "Certificates" not in page(report_of(spool))
