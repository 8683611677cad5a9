"""The formats of a report: JSON, CSV, table and HTML."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from wattgram.accounts.figures import FIGURES
from wattgram.reports import report_html
from wattgram.reports.site_report import as_csv, as_json, as_table

from tests.support.markup import Read
from tests.support.report_quarters import BY_HAND, HOSTILE, KWH, MORNING, WITHOUT_DATA, report_of
from tests.support.stored_history import event, stored, utc, window


def test_json_has_the_documented_shape(two_sources: Path) -> None:
    document = json.loads(as_json(report_of(two_sources)))
    assert list(document) == [
        "site",
        "timezone",
        "basis",
        "method",
        "method_from",
        "made",
        "as_of",
        "rows",
        "total",
        "sources",
        "events",
        "corrections",
        "invoices",
        "notes",
        "versions",
    ]
    (row,) = document["rows"]
    assert {key: row[key] for key in BY_HAND} == pytest.approx(BY_HAND)
    assert (row["period"], row["complete"], row["enough_data"]) == ("2026-06-01", True, False)
    assert (row["from"], row["to"]) == ("2026-05-31T22:00:00.000Z", "2026-06-01T22:00:00.000Z")
    assert row["coverage"] == pytest.approx(2 / 96, abs=1e-6)
    assert row["windows"] == {"15m": 2}
    assert document["total"] == row | {"period": "total"}
    assert document["sources"] == [
        {"source": "feed", "tier": 1, "time_share": 0.5, "import_share": 0.2},
        {"source": "table CN-CQ", "tier": 5, "time_share": 0.5, "import_share": 0.8},
    ]
    assert (document["site"], document["timezone"]) == ("works", "Europe/Berlin")
    assert (document["basis"], document["method"], document["method_from"]) == (
        "direct",
        "proportional",
        "configuration",
    )
    assert document["as_of"] == "2027-06-01T00:00:00.000Z"
    assert set(document["versions"]) == {
        "wattgram",
        "emission_factors.csv",
        "generation_mix.csv",
        "generation_mix_world.csv",
        "grid_factors_cn.csv",
        "grid_factors_world.csv",
        "revision",
    }
    assert document["events"][0]["detail"] == HOSTILE


def test_csv_has_units_in_its_column_names(two_sources: Path) -> None:
    text = as_csv(report_of(two_sources))
    assert text.count("\r\n") == text.count("\n") == 3  # RFC 4180: a header, a row, the total
    row, total = csv.DictReader(io.StringIO(text, newline=""))
    assert {key: float(row[key]) for key, value in BY_HAND.items() if value is not None} == pytest.approx(
        {key: value for key, value in BY_HAND.items() if value is not None}
    )
    assert row["captured_kg"] == ""
    assert (row["period"], total["period"]) == ("2026-06-01", "total")
    assert (row["complete"], row["enough_data"]) == ("true", "false")
    assert row["grid_sources"] == "feed (tier 1) 50.0%; table CN-CQ (tier 5) 50.0%"


def test_csv_cells_are_escaped_against_formulas(tmp_path: Path) -> None:
    fields = KWH | {"grid_source": '=cmd|"x",1\r\ny'}
    site_report = report_of(stored(tmp_path / "spool", [window("15m", utc("2026-06-01T10:00:00Z"), fields)]))
    row, _ = csv.DictReader(io.StringIO(as_csv(site_report), newline=""))
    assert row["grid_sources"] == '\'=cmd|"x",1\r\ny (tier 5) 100.0%'


def test_the_table_is_aligned_with_units_and_without_control_characters(tmp_path: Path) -> None:
    fields = MORNING | {"grid_source": "feed\x1b[2J"}
    site_report = report_of(stored(tmp_path / "spool", [window("15m", utc("2026-06-01T10:00:00Z"), fields)]))
    text = as_table(site_report)
    lines = text.splitlines()
    head = next(index for index, line in enumerate(lines) if line.startswith("period") and "load kWh" in line)
    # columns end where their heads end
    for name, value in (("load kWh", "10.000"), ("import kWh", "8.000"), ("residual kWh", "-0.100")):
        end = lines[head].index(name) + len(name)
        assert lines[head + 2][:end].endswith(f" {value}")
    assert "intensity g/kWh" in text
    assert lines[head + 2].endswith("not enough data")
    assert "feed?[2J" in text
    assert "\x1b" not in text


def test_html_is_a_single_valid_file_without_scripts_and_external_resources(two_sources: Path) -> None:
    text = report_html.page(report_of(two_sources))
    page = Read(text)
    assert page.open == []
    assert text.isascii()
    assert page.count("script") == page.count("link") == page.count("img") == page.count("iframe") == 0
    attributes = [(name, value) for _, attrs in page.tags for name, value in attrs.items()]
    assert [name for name, _ in attributes if name in {"src", "href"} or name.startswith("on")] == []
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert "http" not in text.replace("http-equiv", "")


def test_html_shows_the_sums(two_sources: Path) -> None:
    page = Read(report_html.page(report_of(two_sources)))
    head, row, total = page.table("load")
    assert head[:3] == ["period", "loadkWh", "importkWh"]
    assert row == [
        "2026-06-01not enough data",
        "40.000",
        "10.000",
        "8.000",
        "20.000",
        "0.000",
        "1.500",
        "2.000",
        "0.300",
    ]
    assert total[1:] == row[1:]
    _, carbon, _ = page.table("emission")
    assert carbon[1:4] == ["8.000", "200.0", "526.5"]
    _, shares, _ = page.table("clean share")
    assert [cell.replace("\u202f", "") for cell in shares[1:]] == ["80.0%", "60.0%", "70.0%", "2.1%"]
    assert all(len(row) == len(rows[0]) for rows in page.tables for row in rows)
    assert "62.0% below the grid" in page.text  # 1 - 200 / 526.48
    assert "Not enough data" in page.text


def test_html_explains_each_figure_and_its_source(two_sources: Path) -> None:
    site_report = report_of(two_sources)
    page = Read(report_html.page(site_report))
    rules = {row[0]: row for row in page.table("figure")[1:]}
    assert set(rules) == {figure.head for figure in FIGURES if figure.field not in WITHOUT_DATA} | {"coverage"}
    assert all(cell for row in rules.values() for cell in row)
    assert "METHOD and METHOD-SITE refer to the sections of docs/method.md" in page.text
    for version in site_report.versions.values():
        assert version in page.text
    assert [row[0] for row in page.table("grid source")[1:]] == ["feed", "table CN-CQ"]


def test_html_escapes_external_text(tmp_path: Path) -> None:
    first = utc("2026-06-01T10:00:00Z")
    records = [
        window("15m", first, KWH | {"grid_source": HOSTILE}),
        event("2026-06-01T10:01:00Z", "roof", "x", HOSTILE),
    ]
    page = Read(report_html.page(report_of(stored(tmp_path / "spool", records))))
    assert page.count("script") == 0
    assert page.text.count(HOSTILE) == 2


def test_html_prints_on_a4_with_page_numbers_and_repeated_table_heads(two_sources: Path) -> None:
    page = Read(report_html.page(report_of(two_sources)))
    style = " ".join(page.style.split())
    assert "@page { size: A4;" in style
    assert "counter(page)" in style
    assert "thead { display: table-header-group; }" in style
    assert "@media print" in style
    assert page.count("thead") == len(page.tables)


def test_the_heights_of_chart_bars_are_in_proportion_to_their_numbers(tmp_path: Path) -> None:
    fields = MORNING | {"grid_export_energy": 5_000.0}
    site_report = report_of(stored(tmp_path / "spool", [window("15m", utc("2026-06-01T10:00:00Z"), fields)]))
    page = Read(report_html.page(site_report))
    heights = {attrs["class"]: float(attrs["height"] or 0) for tag, attrs in page.tags if tag == "rect"}
    # 4 kWh PV, 8 kWh import, 5 kWh export, 2 kWh into the battery; the other chart has the intensity
    pv = heights["pv_energy_kwh"]
    assert heights["grid_import_energy_kwh"] / pv == pytest.approx(2.0, rel=0.01)
    assert heights["grid_export_energy_kwh"] / pv == pytest.approx(1.25, rel=0.01)
    assert heights["battery_charge_energy_kwh"] / pv == pytest.approx(0.5, rel=0.01)
    assert set(heights) == {
        "pv_energy_kwh",
        "grid_import_energy_kwh",
        "grid_export_energy_kwh",
        "battery_charge_energy_kwh",
        "emission_intensity_g_per_kwh",
    }
