"""The report over spools whose sums are calculated by hand: calendar, ratios of sums, gaps, revisions, formats."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.accounts.figures import FIGURES
from wattgram.accounts.ledger import LedgerRow
from wattgram.base.errors import HistoryError
from wattgram.base.period import parse_period
from wattgram.base.record import Record, Value
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.reports import report_html
from wattgram.reports.site_report import SiteReport, as_csv, as_json, as_table, report
from wattgram.store.history import History
from wattgram_drivers.catalogue import load
from wattgram_drivers.endpoint import parse

from tests.agent.site.test_site import MeteredSite
from tests.support.command_runs import called, wattgram
from tests.support.markup import Read
from tests.support.running_site import configuration, daemon, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.stored_history import QUARTER, event, held, quarters, stored, utc, window

HOSTILE = "<script>alert('x')</script>"
LATER = "2027-06-01T00:00:00Z"

KWH: dict[str, Value] = {"load_energy": 1000.0, "grid_import_energy": 1000.0, "emission": 500.0}
"""A window of 1 kWh, all imported at 500 g/kWh."""


def report_of(
    folder: Path,
    period: str = "day",
    now: str = LATER,
    *,
    zone: str = "Europe/Berlin",
    basis: str = "direct",
    roles: Sequence[str] = ("grid", "pv"),
) -> SiteReport:
    meter = load("eastron_sdm630")
    devices = tuple(
        DeviceConfig(f"meter-{number}", role, meter.name, meter, parse("tcp://127.0.0.1"), number)
        for number, role in enumerate(roles, 1)
    )
    site = SiteConfig("works", ZoneInfo(zone))
    config = Config(site, devices, SpoolConfig(folder), GridConfig("CN-CQ", basis=basis))
    return report(config, parse_period(period), utc(now))


def figures(row: LedgerRow) -> dict[str, float | None]:
    return {figure.key: row.value(figure) for figure in FIGURES}


def loads(site_report: SiteReport) -> dict[str, float | None]:
    """Return the load by period, kWh."""
    return {row.span.name: figures(row)["load_energy_kwh"] for row in site_report.rows}


MORNING: dict[str, Value] = {
    "load_energy": 10_000.0,
    "grid_import_energy": 8_000.0,
    "grid_export_energy": 0.0,
    "pv_energy": 4_000.0,
    "generation_energy": 0.0,
    "battery_discharge_energy": 0.0,
    "battery_charge_energy": 2_000.0,
    "residual_energy": -100.0,
    "emission": 5_000.0,
    "emission_intensity": 500.0,
    "grid_intensity": 558.1,
    "scope1": 0.0,
    "scope2_location": 4_464.8,
    "scope2_market": 4_876.8,
    "avoided": 1_800.0,
    "clean_share": 0.5,
    "self_consumption": 1.0,
    "self_sufficiency": 0.4,
    "grid_source": "table CN-CQ",
}
NOON: dict[str, Value] = MORNING | {
    "load_energy": 30_000.0,
    "grid_import_energy": 2_000.0,
    "grid_export_energy": 8_000.0,
    "pv_energy": 16_000.0,
    "battery_discharge_energy": 1_500.0,
    "battery_charge_energy": 0.0,
    "residual_energy": 400.0,
    "emission": 3_000.0,
    "emission_intensity": 100.0,
    "grid_intensity": 400.0,
    "scope1": 250.0,
    "scope2_location": 800.0,
    "scope2_market": 1_219.2,
    "avoided": 7_000.0,
    "clean_share": 0.9,
    "self_consumption": 0.5,
    "self_sufficiency": 0.8,
    "grid_source": "feed",
    "grid_tier": 1,
}
BY_HAND = {
    "load_energy_kwh": 40.0,
    "grid_import_energy_kwh": 10.0,
    "grid_export_energy_kwh": 8.0,
    "pv_energy_kwh": 20.0,
    "generation_energy_kwh": 0.0,
    "battery_discharge_energy_kwh": 1.5,
    "battery_charge_energy_kwh": 2.0,
    "residual_energy_kwh": 0.3,
    "emission_kg": 8.0,
    "emission_intensity_g_per_kwh": 200.0,  # 8000 g / 40 kWh; the mean of the ratios would be 300
    "grid_intensity_g_per_kwh": 526.48,  # (8 x 558.1 + 2 x 400) / 10
    "scope1_kg": 0.25,
    "scope2_location_kg": 5.2648,
    "scope2_market_kg": 6.096,  # 10 kWh at 609.6
    "clean_share": 0.8,  # (0.5 x 10 + 0.9 x 30) / 40
    "self_consumption": 0.6,  # (1.0 x 4 + 0.5 x 16) / 20
    "self_sufficiency": 0.7,  # (0.4 x 10 + 0.8 x 30) / 40
    "avoided_kg": 8.8,
    "captured_kg": None,
    "biogenic_kg": None,
    "heat_energy_kwh": None,
}
WITHOUT_DATA = ("captured", "biogenic_emission", "heat_energy")
"""Fields that neither quarter has."""


@pytest.fixture
def two_sources(tmp_path: Path) -> Path:
    """Store two quarters of an hour of a Berlin morning with two grid sources; return the spool."""
    first = utc("2026-06-01T06:00:00Z")
    return stored(
        tmp_path / "spool",
        [window("15m", first, MORNING), window("15m", first + QUARTER, NOON)],
        [event("2026-06-01T06:05:00Z", "roof", "device lost", "no answer")],
        [event("2026-06-01T06:20:00Z", "roof", "device lost", HOSTILE)],
        [event("2026-06-02T00:00:00Z", "roof", "device lost", "after the period")],
    )


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
    assert [figures(site_report.total)[key] for key in absent] == [None] * 5
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
        if value is not None:
            expected = float(day_fields[figure.field]) / (1.0 if figure.unit in {"1", "g/kWh"} else 1000.0)
            assert value == pytest.approx(expected, rel=1e-9), figure.key
    assert row.coverage == pytest.approx(float(day_fields["coverage"]), rel=1e-9)


# The history


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_reading_a_closed_spool_changes_and_creates_no_file(two_sources: Path) -> None:
    before = contents(two_sources)
    report_of(two_sources)
    assert contents(two_sources) == before
    assert sorted(before) == ["journal", "spool.db"]


def test_an_open_spool_is_read_including_its_write_ahead_log(tmp_path: Path) -> None:
    async def read_open_spool() -> dict[str, float | None]:
        async with held(tmp_path / "spool", quarters("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", KWH)) as spool:
            assert (tmp_path / "spool" / "spool.db-wal").stat().st_size > 0
            before = sorted(contents(tmp_path / "spool"))
            first = loads(report_of(tmp_path / "spool"))
            assert first == {"2026-06-01": 4.0}
            spool.append(window("15m", utc("2026-06-01T11:00:00Z"), KWH))
            await spool.sync()
            assert sorted(contents(tmp_path / "spool")) == before
            return loads(report_of(tmp_path / "spool"))

    assert asyncio.run(read_open_spool()) == {"2026-06-01": 5.0}


def test_a_record_with_a_wrong_checksum_is_omitted_and_counted(two_sources: Path) -> None:
    db = sqlite3.connect(two_sources / "spool.db")
    with db:
        db.execute("UPDATE record SET time = time + 1 WHERE seq = 1")
    db.close()
    site_report = report_of(two_sources)
    assert figures(site_report.total)["load_energy_kwh"] == 30.0
    assert "1 damaged records are omitted" in site_report.notes


def test_a_directory_without_a_history_is_reported_in_one_line(tmp_path: Path, two_sources: Path) -> None:
    foreign, empty, other = tmp_path / "foreign", tmp_path / "empty", tmp_path / "other"
    for folder in (foreign, empty, other):
        folder.mkdir()
    (foreign / "spool.db").write_bytes(b"no database at all" * 100)
    sqlite3.connect(other / "spool.db").execute("CREATE TABLE series (name TEXT)").connection.close()
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "spool.db").write_bytes((two_sources / "spool.db").read_bytes())
    (torn / "spool.db-wal").write_bytes(b"x" * 100)
    for folder, words in {
        tmp_path / "missing": "no such directory",
        two_sources / "spool.db": "no such directory",
        empty: "no history of wattgram there (spool.db is missing)",
        foreign: "not a history of wattgram",
        other: "not a history of wattgram",
        torn: "its spool.db-shm is missing",
    }.items():
        with pytest.raises(HistoryError, match=re.escape(words)) as caught:
            History(folder, "works").stored()
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
    assert sorted(path.name for path in torn.iterdir()) == ["spool.db", "spool.db-wal"]


def test_windows_of_another_site_are_not_read(tmp_path: Path) -> None:
    spool = stored(tmp_path / "spool", [window("15m", utc("2026-06-01T10:00:00Z"), KWH, site="mill")])
    with pytest.raises(HistoryError, match="nothing of site 'works' is stored; stored are 'mill'"):
        report_of(spool)


def test_windows_are_sorted_and_start_in_the_period(tmp_path: Path) -> None:
    records: list[Record] = list(quarters("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", KWH))
    spool = stored(tmp_path / "spool", reversed(records))
    windows = History(spool, "works").windows("15m", records[1].time, records[3].time)
    assert [found.time for found in windows] == [records[1].time, records[2].time]
    assert list(History(spool, "works").windows("1h", 0, 2**62)) == []


# Formats


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
    assert set(document["versions"]) == {"wattgram", "grid_factors_cn.csv", "generation_mix.csv", "revision"}
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


@pytest.mark.server
def test_a_report_works_beside_the_daemon_and_after_a_kill(tmp_path: Path) -> None:
    stored(tmp_path / "spool", quarters("2026-06-01T04:00:00Z", "2026-06-01T05:00:00Z", KWH))
    page = f"127.0.0.1:{free_port()}"
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    with daemon(tmp_path, configuration(tmp_path, devices, http=page)) as running:
        wal = tmp_path / "spool" / "spool.db-wal"
        wait_for(lambda: wal.exists() and wal.stat().st_size > 0, 30, "the daemon's first commit")
        wait_for(lambda: "live page on" in running.log, 30, "the page")
        call = ("report", "-c", str(running.path), "--period", "2026-06-01..2026-06-01", "--format", "json")
        with_daemon = wattgram(*call)
        assert (with_daemon.code, with_daemon.err) == (0, "")
        assert json.loads(with_daemon.out)["total"]["load_energy_kwh"] == 4.0
        assert request(f"http://{page}/api/now")[0] == 200
        running.kill()
        assert wal.stat().st_size > 0
        before = contents(tmp_path / "spool")
        after_kill = wattgram(*call)
        assert (after_kill.code, json.loads(after_kill.out)["rows"]) == (0, json.loads(with_daemon.out)["rows"])
        assert contents(tmp_path / "spool") == before
        running.start()
        wait_for(lambda: running.log.count("1 devices on 1 buses") == 2, 30, "the daemon after the report")
    assert "in use" not in running.log
