"""The report over spools whose sums are calculated by hand: calendar, ratios of sums, gaps, revisions, command."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from wattgram.accounts.figures import FIGURES, UNCERTAINTIES

from tests.agent.site.test_site import MeteredSite
from tests.support.command_runs import called
from tests.support.markup import Read
from tests.support.report_quarters import BY_HAND, HOSTILE, KWH, MORNING, NOON, figures, loads, report_of
from tests.support.running_site import configuration, one_device
from tests.support.servers import free_port
from tests.support.stored_history import QUARTER, quarters, stored, utc, window


def test_every_figure_is_a_sum_or_a_ratio_of_sums(two_sources: Path) -> None:
    site_report = report_of(two_sources)
    (row,) = site_report.rows
    assert figures(row) == pytest.approx(BY_HAND)
    assert figures(site_report.total) == pytest.approx(BY_HAND)


def test_the_total_is_a_ratio_of_sums_over_the_rows(tmp_path: Path) -> None:
    spool = stored(
        tmp_path / "spool",
        [window("15m", utc("2026-06-01T10:00:00Z"), MORNING), window("15m", utc("2026-06-02T10:00:00Z"), NOON)],
    )
    site_report = report_of(spool)
    assert [row.span.name for row in site_report.rows] == ["2026-06-01", "2026-06-02"]
    assert [figures(row)["emission_intensity_g_per_kwh"] for row in site_report.rows] == [500.0, 100.0]
    assert figures(site_report.total) == pytest.approx(BY_HAND)


def test_each_grid_source_has_its_share_of_time_and_of_import(two_sources: Path) -> None:
    shares = [
        (source.name, source.tier, time, energy) for source, time, energy in report_of(two_sources).total.shares()
    ]
    # a quarter of an hour each; 8 and 2 of 10 kWh imported
    assert shares == [("feed", 1, 0.5, 0.2), ("table CN-CQ", 5, 0.5, 0.8)]


@pytest.mark.parametrize(
    ("day", "start", "end", "hours"),
    [
        ("2026-03-28", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", 24),
        ("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
        ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
    ],
)
def test_a_day_has_23_to_25_hours_by_the_sites_clock(
    tmp_path: Path, day: str, start: str, end: str, hours: int
) -> None:
    around = [window("15m", utc(start) - QUARTER, KWH), window("15m", utc(end), KWH)]
    site_report = report_of(stored(tmp_path / "spool", around[:1], quarters(start, end, KWH), around[1:]))
    before, row, after = site_report.rows
    assert (row.span.name, row.span.start, row.span.end) == (day, utc(start), utc(end))
    assert (row.elapsed, row.coverage, row.state) == (hours * 3600.0, 1.0, "")
    assert figures(row)["load_energy_kwh"] == 4.0 * hours
    assert [figures(neighbour)["load_energy_kwh"] for neighbour in (before, after)] == [1.0, 1.0]


def test_months_and_years_follow_the_sites_calendar(tmp_path: Path) -> None:
    # In Shanghai, 8 h ahead, the new year begins at 16:00 UTC.
    spool = stored(tmp_path / "spool", quarters("2025-12-31T15:00:00Z", "2025-12-31T18:00:00Z", KWH))
    assert loads(report_of(spool, "month", zone="Asia/Shanghai")) == {"2025-12": 4.0, "2026-01": 8.0}
    assert loads(report_of(spool, "year", zone="Asia/Shanghai")) == {"2025": 4.0, "2026": 8.0}
    months = report_of(spool, "month", zone="Asia/Shanghai").rows
    assert [row.elapsed for row in months] == [31 * 86400.0, 31 * 86400.0]


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("2026-06-01..2026-06-02", {"2026-06-01": 96.0, "2026-06-02": 96.0}),
        ("2026-06-02..2026-06-02", {"2026-06-02": 96.0}),
        # 06:00 in Berlin is 04:00 UTC: 18 h of the first day, 2 h of the second
        ("2026-06-01T06:00:00+02:00..2026-06-02T00:00:00Z", {"2026-06-01": 72.0, "2026-06-02": 8.0}),
        ("2026-06-02T12:00:00Z..2026-06-02", {"2026-06-02": 40.0}),
        # the window from 04:00 to 04:15 UTC is not wholly inside
        ("2026-06-01T04:05:00Z..2026-06-01T05:00:00Z", {"2026-06-01": 3.0}),
    ],
)
def test_a_range_of_dates_or_times_is_clipped_and_includes_its_last_date(
    tmp_path: Path, period: str, expected: dict[str, float]
) -> None:
    spool = stored(tmp_path / "spool", quarters("2026-05-31T22:00:00Z", "2026-06-03T22:00:00Z", KWH))
    assert loads(report_of(spool, period)) == expected


def test_a_long_range_has_rows_by_month_and_a_longer_range_by_year(tmp_path: Path) -> None:
    spool = stored(tmp_path / "spool", quarters("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", KWH))
    # 1 May to 1 July are 62 days, to 2 July 63; 1970-01 to 2026-06 are 678 months.
    assert len(report_of(spool, "2026-05-01..2026-07-01", "2026-08-01T00:00:00Z").rows) == 62
    assert list(loads(report_of(spool, "2026-05-01..2026-07-02", "2026-08-01T00:00:00Z"))) == [
        "2026-05",
        "2026-06",
        "2026-07",
    ]
    by_year = report_of(spool, "1970-01-01..2261-12-31", "2026-08-01T00:00:00Z").rows
    assert [by_year[0].span.name, by_year[-1].span.name, len(by_year)] == ["1970", "2026", 57]


def test_a_row_with_coverage_below_nine_tenths_is_marked_and_keeps_its_sums(tmp_path: Path) -> None:
    # 86 of 96 quarters are 89.6 %, 87 are 90.6 %.
    short = list(quarters("2026-06-01T22:00:00Z", "2026-06-02T22:00:00Z", KWH))[:86]
    enough = list(quarters("2026-06-02T22:00:00Z", "2026-06-03T22:00:00Z", KWH))[9:]
    site_report = report_of(stored(tmp_path / "spool", short, enough), "2026-06-02..2026-06-04")
    assert [row.coverage for row in site_report.rows] == pytest.approx([86 / 96, 87 / 96, 0.0])
    assert [row.state for row in site_report.rows] == ["not enough data", "", "not enough data"]
    assert [figures(row)["load_energy_kwh"] for row in site_report.rows] == [86.0, 87.0, None]
    assert site_report.total.coverage == pytest.approx(173 / 288)
    assert "not enough data: coverage below 90% in 2 of 3 rows" in site_report.notes


def test_a_window_counts_with_its_coverage(tmp_path: Path) -> None:
    half = KWH | {"coverage": 0.5}
    site_report = report_of(stored(tmp_path / "spool", quarters("2026-06-01T22:00:00Z", "2026-06-02T22:00:00Z", half)))
    assert site_report.total.coverage == 0.5


def test_the_highest_revision_counts_and_of_equal_revisions_the_latest(tmp_path: Path) -> None:
    first, second, third = (utc("2026-06-01T10:00:00Z") + number * QUARTER for number in range(3))
    records = [
        window("15m", first, KWH | {"load_energy": 2000.0, "revision": 1}),
        window("15m", first, KWH | {"load_energy": 9000.0}),
        window("15m", second, KWH | {"load_energy": 9000.0}),
        window("15m", second, KWH | {"load_energy": 3000.0, "revision": 2}),
        window("15m", third, KWH | {"load_energy": 9000.0}),
        window("15m", third, KWH | {"load_energy": 4000.0}),
    ]
    site_report = report_of(stored(tmp_path / "spool", records))
    assert figures(site_report.total)["load_energy_kwh"] == 2.0 + 3.0 + 4.0
    assert (site_report.total.revision, site_report.total.windows) == (2, {"15m": 3})


def test_a_coarser_window_counts_only_where_it_covers_more_than_the_finer_windows(tmp_path: Path) -> None:
    # 10:00: all quarters are present, the hour adds nothing. 11:00: a quarter is missing, the hour contains it.
    # 2 June: only the day is present.
    fine = list(quarters("2026-06-01T10:00:00Z", "2026-06-01T12:00:00Z", KWH))[:-1]
    coarse = [
        window("1h", utc("2026-06-01T10:00:00Z"), KWH | {"load_energy": 4000.0}),
        window("1h", utc("2026-06-01T11:00:00Z"), KWH | {"load_energy": 4000.0}),
        window("1d", utc("2026-05-31T22:00:00Z"), KWH | {"load_energy": 8000.0, "coverage": 2 / 24}),
        window("1d", utc("2026-06-01T22:00:00Z"), KWH | {"load_energy": 90_000.0}),
    ]
    site_report = report_of(stored(tmp_path / "spool", fine, coarse))
    assert loads(site_report) == {"2026-06-01": 8.0, "2026-06-02": 90.0}
    assert site_report.total.windows == {"15m": 4, "1h": 1, "1d": 1}
    assert [row.coverage for row in site_report.rows] == pytest.approx([2 / 24, 1.0])
    assert "coarser windows replace missing finer windows: 1 of 1h, 1 of 1d" in site_report.notes


def test_a_month_is_read_from_its_month_window_alone(tmp_path: Path) -> None:
    start = utc("2026-03-31T22:00:00Z")  # 1 April in Berlin
    spool = stored(tmp_path / "spool", [window("1mo", start, KWH | {"load_energy": 7e6, "coverage": 0.95})])
    site_report = report_of(spool, "month")
    assert loads(site_report) == {"2026-04": 7000.0}
    assert site_report.total.coverage == pytest.approx(0.95)


def test_carbon_of_two_bases_is_never_added(tmp_path: Path) -> None:
    direct = quarters("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", KWH)
    lifecycle = list(quarters("2026-06-01T11:00:00Z", "2026-06-01T13:00:00Z", KWH | {"basis": "lifecycle"}))
    spool = stored(tmp_path / "spool", direct, lifecycle)
    site_report = report_of(spool)
    assert (site_report.basis, loads(site_report)) == ("direct", {"2026-06-01": 4.0})
    assert any(note.startswith("2.0 h with basis lifecycle are omitted") for note in site_report.notes)
    assert loads(report_of(spool, basis="lifecycle")) == {"2026-06-01": 8.0}
    other = report_of(stored(tmp_path / "other", lifecycle))
    assert other.basis == "lifecycle"
    assert "the configured basis is direct; no window of this period has this basis" in other.notes


@pytest.mark.parametrize(
    ("roles", "share", "has_note"),
    [
        (("grid", "pv"), 0.5, False),  # PV alone: 1.0 x 0 and 0.5 x 10
        (("grid", "pv", "hydro"), 0.8, False),  # hydro is renewable: (1.0 x 15 + 0.5 x 10) / 25
        (("grid", "pv", "genset"), 0.5, False),  # a genset is not
        (("grid", "pv", "hydro", "genset"), 0.5, True),
    ],
)
def test_self_consumption_is_weighted_with_own_renewable_production(
    tmp_path: Path, roles: Sequence[str], share: float, has_note: bool
) -> None:
    first = utc("2026-06-01T10:00:00Z")
    night = KWH | {"pv_energy": 0.0, "generation_energy": 15_000.0, "self_consumption": 1.0}
    day = KWH | {"pv_energy": 10_000.0, "generation_energy": 0.0, "self_consumption": 0.5}
    site_report = report_of(
        stored(tmp_path / "spool", [window("15m", first, night), window("15m", first + QUARTER, day)]), roles=roles
    )
    assert figures(site_report.total)["self_consumption"] == pytest.approx(share)
    assert any("weighted with PV alone" in note for note in site_report.notes) == has_note


def test_a_running_period_is_marked_and_its_coverage_is_that_of_the_elapsed_time(tmp_path: Path) -> None:
    records = quarters("2026-06-01T22:00:00Z", "2026-06-02T10:00:00Z", KWH)
    site_report = report_of(stored(tmp_path / "spool", records), now="2026-06-02T10:14:59Z")
    assert (site_report.rows[-1].complete, site_report.rows[-1].state) == (False, "not over")
    # noon in Berlin: 12 h are over, the running quarter does not count
    assert (site_report.rows[-1].elapsed, site_report.rows[-1].coverage) == (12 * 3600.0, 1.0)
    assert (site_report.total.complete, site_report.as_of) == (False, utc("2026-06-02T10:00:00Z"))


def test_ratios_with_a_denominator_of_0_are_absent(tmp_path: Path) -> None:
    zeros = {"load_energy": 0.0, "grid_import_energy": 0.0, "emission": 0.0, "grid_intensity": 558.1}
    site_report = report_of(stored(tmp_path / "spool", [window("15m", utc("2026-06-01T10:00:00Z"), zeros)]))
    absent = [figure.key for figure in FIGURES if figure.unit in {"1", "g/kWh"}]
    assert [figures(site_report.total)[key] for key in absent] == [None] * 6
    assert figures(site_report.total)["emission_kg"] == 0.0


def test_without_a_stored_method_the_method_is_marked_as_configured(two_sources: Path) -> None:
    site_report = report_of(two_sources)
    assert (site_report.method, site_report.method_stored) == ("proportional", False)
    assert any(note.startswith("the stored windows do not contain their method") for note in site_report.notes)


def test_events_of_the_period_are_counted_by_device(two_sources: Path) -> None:
    (lost,) = report_of(two_sources).events
    assert (lost.device, lost.event, lost.count, lost.detail) == ("roof", "device lost", 2, HOSTILE)
    assert (lost.first, lost.last) == (utc("2026-06-01T06:05:00Z"), utc("2026-06-01T06:20:00Z"))


def test_the_sum_of_quarters_equals_the_day_of_the_accounts(tmp_path: Path) -> None:
    # The accounts sum the day separately from its quarters, so this is an independent calculation.
    start = utc("2026-06-01T00:00:00+08:00")
    site = MeteredSite(
        tmp_path / "unused", {"incomer": "grid", "roof": "pv", "battery": "battery"}, start=start, tick=60.0
    )
    for minute in range(24 * 60 + 2):
        sun = max(0.0, 1.0 - abs(minute - 720) / 360) * 150e3
        battery = 20e3 if 1080 <= minute < 1200 else -15e3 if 660 <= minute < 780 else 0.0
        load = 90e3 if 480 <= minute < 1080 else 40e3
        site.tick(60.0 if minute else 0.0, incomer=load - sun - battery, roof=sun, battery=battery)
    (day,) = site.appended("emission", "1d")
    assert len(site.appended("emission", "15m")) == 96
    spool = stored(tmp_path / "spool", site.appended("emission", "15m"))
    (row,) = report_of(spool, zone="Asia/Shanghai").rows
    day_fields = day.as_dict()
    for figure in FIGURES:
        value = row.value(figure)
        assert (value is None) == (figure.field not in day_fields), figure.key
        if value is not None and figure in UNCERTAINTIES:
            # The day combines independent errors once, and its quarters each for itself.
            day_value = float(day_fields[figure.field]) / (1.0 if figure.unit == "g/kWh" else 1000.0)
            assert day_value * (1.0 - 1e-9) <= value <= 1.5 * day_value, figure.key
        elif value is not None:
            expected = float(day_fields[figure.field]) / (1.0 if figure.unit in {"1", "g/kWh"} else 1000.0)
            assert value == pytest.approx(expected, rel=1e-9), figure.key
    assert row.coverage == pytest.approx(float(day_fields["coverage"]), rel=1e-9)


# The command


def settings(folder: Path) -> str:
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    return configuration(folder, devices)


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """Return the configuration of a site in Shanghai with an hour of windows on 1 June 2026."""
    stored(tmp_path / "spool", quarters("2026-06-01T04:00:00Z", "2026-06-01T05:00:00Z", KWH))
    path = tmp_path / "site.toml"
    path.write_text(settings(tmp_path))
    return path


def test_the_command_prints_each_format(config_path: Path) -> None:
    call = ("report", "-c", str(config_path), "--period", "2026-06-01..2026-06-01")
    table, answer, sheet, page = (
        called(*call, *options) for options in ((), ("--format", "json"), ("--format", "csv"), ("--format", "html"))
    )
    assert [(output.code, output.err) for output in (table, answer, sheet, page)] == [(0, "")] * 4
    document = json.loads(answer.out)
    assert document["total"]["load_energy_kwh"] == 4.0
    assert document["total"]["emission_intensity_g_per_kwh"] == 500.0
    assert "2026-06-01     4.000" in table.out
    assert next(csv.DictReader(io.StringIO(sheet.out)))["load_energy_kwh"] == "4.0"
    assert Read(page.out).table("load")[1][1] == "4.000"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--period", "dya"], 2, ["'dya'", "nearest: 'day'", "allowed: day, month, year, or FROM..TO"]),
        (["--period", "2026-06-01"], 2, ["'2026-06-01'", "2026-11-01..2026-11-30"]),
        (["--period", "2026-06-01..2026-06-31"], 2, ["'2026-06-31'", "2026-11-01..2026-11-30"]),
        (["--period", "2026-06-01T10:00..2026-06-02"], 2, ["'2026-06-01T10:00'", "2026-11-01T06:00:00Z"]),
        (["--period", "2026-06-02..2026-06-01"], 2, ["2026-06-02..2026-06-01", "ends before it begins"]),
        (["--period", "1066-10-14..2026-06-01"], 2, ["'1066-10-14'", "1970 to 2261"]),
        (["--format", "cvs"], 2, ["'cvs'", "nearest: 'csv'", "table, json, csv, html"]),
        (["--period", "2026-05-01..2026-05-02"], 1, ["no window of this period", "2026-06-01..2026-06-01"]),
        (["--period", "2100-01-01..2100-01-02"], 1, ["no window of this period", "2026-06-01..2026-06-01"]),
    ],
)
def test_a_wrong_period_is_reported_in_one_line(
    config_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    ended = called("report", "-c", str(config_path), *options)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("wattgram report: ")
    assert ended.err.count("\n") == 1
    assert [word for word in words if word not in ended.err] == [], ended.err


def test_a_site_without_records_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(settings(tmp_path))
    ended = called("report", "-c", str(path))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"wattgram report: {tmp_path / 'spool'}: no such directory; the first `wattgram run` creates it\n"
    )
    assert not (tmp_path / "spool").exists()
