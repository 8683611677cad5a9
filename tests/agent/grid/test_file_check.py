"""`wattgram check` names the rows of a file source that are wrong or ambiguous, with their lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.commands.site_check import check_plan
from wattgram.delivery.configuration import load
from wattgram.grid.mix import Factors
from wattgram.grid.sources.file_check import MOST_ROWS_SHOWN, FileCheck, checked
from wattgram.grid.sources.profile import from_csv
from wattgram.grid.sources.supplied_values import ValueTerms, signals

from tests.support.running_site import configuration, one_device

BERLIN = ZoneInfo("Europe/Berlin")
TERMS = ValueTerms("file mix.csv", Factors.shipped("ipcc", "direct"), "share", BERLIN)


def check(folder: Path, *rows: str, head: str = "time,intensity", name: str = "mix.csv") -> FileCheck:
    path = folder / name
    path.write_text("\n".join([head, *rows, ""]))
    return checked(path, TERMS, 1 << 20)


GOOD = [f"2026-06-01 {hour:02}:00,{300 + hour}" for hour in range(6)]


def test_a_good_file_has_no_finding(tmp_path: Path) -> None:
    assert check(tmp_path, *GOOD) == FileCheck()


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ([*GOOD, "2026-06-01 24:00,300"], "line 8: time: found '2026-06-01 24:00'; expected 00:00 to 23:59"),
        ([*GOOD, "2026-06-01T24:00:00,300"], "line 8: time: found '2026-06-01T24:00:00'; expected 00:00 to 23:59"),
        ([*GOOD, "2026/6/1 24:00,300"], "line 8: time: found '2026/6/1 24:00'; expected 00:00 to 23:59"),
        ([*GOOD, GOOD[2]], "line 8: found the time of line 4 again, 2026-06-01 02:00"),
        ([*GOOD, "2026-06-01 02:00,999"], "line 8: found two values for one time, as in line 4; neither is used"),
        (
            [GOOD[0], GOOD[2], GOOD[1], *GOOD[3:]],
            "line 4: 2026-06-01 01:00 is earlier than the row before; sort the rows",
        ),
        (
            ["2026-03-29 01:00,1", "2026-03-29 02:00,2"],
            "line 3: 2026-03-29 02:00 does not exist: the clocks go forward",
        ),
        (["2026-10-25 01:00,1", "2026-10-25 02:00,2", "2026-10-25 03:00,3"], "line 3: 2026-10-25 02:00 occurs twice"),
        ([*GOOD, "2026-06-01 06:00,3000"], "line 8: intensity: found 3000; expected 0 to 2000 g/kWh"),
        ([*GOOD, "2026-06-01 06:00,many"], "line 8: intensity: found 'many'; expected a number"),
        ([*GOOD, "2026-06-01 06:00"], "line 8: found 1 columns; expected 2"),
        ([*GOOD, "soon,3"], "line 8: time: found 'soon'"),
        ([], "found no row"),
    ],
)
def test_a_row_is_named_with_its_line(tmp_path: Path, rows: list[str], finding: str) -> None:
    assert any(text.startswith(finding) for text in check(tmp_path, *rows).findings), check(tmp_path, *rows)


def test_both_hours_of_the_autumn_night_are_no_finding(tmp_path: Path) -> None:
    rows = ["2026-10-25 01:00,1", "2026-10-25 02:00,2", "2026-10-25 02:00,3", "2026-10-25 03:00,4"]
    assert check(tmp_path, *rows) == FileCheck()
    offsets = ["2026-10-25 02:00+02:00,2", "2026-10-25 02:00+01:00,3"]
    assert check(tmp_path, *offsets) == FileCheck()


def test_a_gap_is_a_note(tmp_path: Path) -> None:
    found = check(tmp_path, *GOOD[:3], *GOOD[4:])
    assert found.findings == []
    assert found.notes == ["line 4 to line 5: no value from 2026-06-01 01:00 UTC to 2026-06-01 02:00 UTC"]


def test_every_wrong_row_is_named_up_to_a_limit(tmp_path: Path) -> None:
    found = check(tmp_path, *(f"2026-06-01 {hour:02}:00,-1" for hour in range(24)))
    assert len(found.findings) == MOST_ROWS_SHOWN + 1
    assert found.findings[-1] == "and 14 more rows"


def test_a_mix_with_a_wrong_sum_and_a_table_of_fuels(tmp_path: Path) -> None:
    found = check(tmp_path, "2026-06-01 08:00,0.8,0.7", "2026-06-01 09:00,0.5,0.5", head="time,coal,hydro")
    assert found.findings == ["line 2: the fuels add up to 1.5 of the whole; expected at most 1.02"]
    rows = ["2026-06-01 08:00,coal,0.5", "2026-06-01 08:00,coal,0.5", "2026-06-01 24:00,coal,0.5"]
    found = check(tmp_path, *rows, head="time,fuel,share")
    assert [text.split(":")[0] for text in found.findings] == ["line 3", "line 4"]


def test_json_entries_are_named_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "mix.json"
    path.write_text('[{"time": "2026-06-01 08:00", "intensity": 3}, {"time": "2026-06-01 08:00", "intensity": 3}]')
    assert checked(path, TERMS, 1 << 20).findings == ["entry 2: found the time of entry 1 again, 2026-06-01 08:00"]


def test_the_command_shows_the_rows(tmp_path: Path) -> None:
    (tmp_path / "mix.csv").write_text("time,intensity\n2026-06-01 23:00,300\n2026-06-01 24:00,310\n")
    path = tmp_path / "site.toml"
    path.write_text(
        configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", 502))
        + '[[grid.source]]\nkind = "file"\npath = "mix.csv"\n[[grid.source]]\nkind = "file"\npath = "none.csv"\n'
    )
    report = check_plan(load(path))
    assert [text.split("; ")[0] for text in report.findings if "mix.csv" in text] == [
        "file mix.csv: line 3: time: found '2026-06-01 24:00'"
    ]
    assert any(text.startswith("file none.csv: cannot be read: No such file") for text in report.notes)


@pytest.mark.parametrize(
    ("source", "nation"),
    [
        ('kind = "ukgrid"', "GB"), ('kind = "energycharts"\ncountry = "uk"', "GB"),
        ('kind = "energycharts"\ncountry = "de"', "DE"), ('kind = "energycharts"\ncountry = "eu"', ""),
        ('kind = "eia"\nrespondent = "CISO"\ntoken = { env = "TOKEN_OF_TEST" }', "US"),
        ('kind = "electricitymaps"\nzone = "US-CAL-CISO"\ntoken = { env = "TOKEN_OF_TEST" }', "US"),
        ('kind = "electricitymaps"\nzone = "CN"\ntoken = { env = "TOKEN_OF_TEST" }', ""),
        ('kind = "file"\npath = "none.csv"', ""),
    ],
)  # fmt: skip
def test_the_factor_of_another_country_behind_a_source_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, nation: str
) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "t0ken")
    path = tmp_path / "site.toml"
    site = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", 502))
    path.write_text(f"{site}[[grid.source]]\n{source}\n")
    found = [text for text in check_plan(load(path)).notes if "grid.zone is CN-CQ" in text]
    assert len(found) == bool(nation)
    assert all(f"the grid of {nation}, and" in text for text in found)
    fixed = site.replace("[grid]\n", "[grid]\nfactor_g_per_kwh = 300.0\n")
    path.write_text(f"{fixed}[[grid.source]]\n{source}\n")
    assert not [text for text in check_plan(load(path)).notes if "grid.zone" in text]


def test_two_values_for_one_time_are_both_left_out() -> None:
    entries = from_csv(b"time,intensity\n2026-06-01 08:00,300\n2026-06-01 09:00,310\n2026-06-01 09:00,320\n")
    good, bad = signals(entries, TERMS, 0, live=False)
    assert [signal.intensity for signal in good] == [300.0]
    assert bad == [f"line {line}: found two values for one time, as in line 3; neither is used" for line in (3, 4)]


@given(
    st.integers(0, 400),
    st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]),
    st.sampled_from([15, 30, 60]),
)
def test_local_rows_of_every_day_are_without_finding_and_gap(day: int, zone: str, minutes: int) -> None:
    """A file with each period of a day once, as clocks show it: 23, 24 or 25 hours."""
    local = ZoneInfo(zone)
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    times = [begin + timedelta(minutes=minutes * step) for step in range(26 * 60 // minutes)]
    rows = [f"{time.astimezone(local):%Y-%m-%d %H:%M},{300 + step}" for step, time in enumerate(times)]
    entries = from_csv("\n".join(["time,intensity", *rows]).encode())
    good, bad = signals(entries, ValueTerms("", TERMS.factors, "share", local), 0, live=False)
    assert bad == []
    assert [signal.valid_from // 10**9 for signal in good] == [int(time.timestamp()) for time in times]
