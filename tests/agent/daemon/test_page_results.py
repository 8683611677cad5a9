"""The results of the page, from a real spool with the windows of real books. Expected values are by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from wattgram.base.errors import HistoryError
from wattgram.base.record import Series, Value, record
from wattgram.daemon.page_history import PageHistory
from wattgram.daemon.page_results import PAGE_RESULTS, PageResults

from tests.support.stored_history import NS, quarters, stored
from tests.support.uncertain_sites import HOUR, QUARTER, START, accuracy, books_of, drive, meter, site

WORKS = site(meter("incomer", "grid", accuracy=accuracy(2.0)), tick=60)
DAY = 24 * HOUR
STORED = 120  # a tick of a minute, and a minute


def read(folder: Path, seconds: int) -> dict[str, dict[str, Any]]:
    """Return the results by period, some seconds after local midnight."""
    return {found["period"]: found for found in PageResults(folder, WORKS).read(START + seconds * NS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool with the windows of a day with 100 kW, and of an hour and a quarter with 40 kW of the next day."""
    powers = [100e3] * (DAY // QUARTER) + [40e3] * 5
    records = drive(books_of(WORKS), START, [{"incomer": power} for power in powers])
    emissions = [each for each in records if each.series.kind == "emission"]
    return stored(tmp_path_factory.mktemp("results") / "spool", emissions)


def test_a_result_is_the_sum_of_the_windows_that_are_over(folder: Path) -> None:
    found = read(folder, DAY + HOUR + QUARTER + STORED)
    # A quarter has the mean of the powers at its ends: today 70 kW, then 40 kW four times.
    loads = {period: result["load_energy"] for period, result in found.items()}
    assert loads == pytest.approx({"quarter": 10e3, "today": 57.5e3, "yesterday": 2.4e6})  # Wh
    today = found["today"]
    assert today["emission"] == pytest.approx(28.75e3)  # 57.5 kWh x 500 g/kWh
    assert today["emission_intensity"] == pytest.approx(500.0)
    assert (today["start"], today["end"]) == ("2026-06-01T16:00:00.000Z", "2026-06-01T17:15:00.000Z")
    assert (today["coverage"], today["basis"]) == (1.0, "direct")


def test_the_uncertainties_of_the_windows_are_added(folder: Path) -> None:
    found = read(folder, DAY + HOUR + QUARTER + STORED)
    # One input with the limit of 2 %: U is 2 / sqrt 3 times the limit, at most the limit itself (METHOD-SITE 11).
    assert found["today"]["load_energy_uncertainty"] == pytest.approx(0.02 * 57.5e3, rel=1e-3)
    assert found["yesterday"]["load_energy_uncertainty"] == pytest.approx(0.02 * 2.4e6, rel=1e-3)
    # Typical limits apply to the official factor and the residual mix of both inventories.
    assert {result["uncertainty_basis"] for result in found.values()} == {"assumed"}
    assert all(result[f"{name}_uncertainty"] > 0.0 for result in found.values() for name in PAGE_RESULTS)


def test_a_period_that_begins_has_no_result(folder: Path) -> None:
    assert list(read(folder, DAY + STORED)) == ["quarter", "yesterday"]


def test_a_quarter_counts_as_soon_as_it_is_surely_stored(folder: Path) -> None:
    before = read(folder, DAY + HOUR + QUARTER + STORED - 1)
    assert [before[period]["end"] for period in ("quarter", "today")] == ["2026-06-01T17:00:00.000Z"] * 2
    midnight = read(folder, DAY)
    assert list(midnight) == ["quarter", "yesterday"]
    assert (midnight["yesterday"]["end"], midnight["yesterday"]["coverage"]) == ("2026-06-01T15:45:00.000Z", 1.0)


def test_a_period_without_windows_is_absent_and_a_gap_is_in_the_coverage(folder: Path) -> None:
    found = read(folder, DAY + 2 * HOUR + 2 * QUARTER + STORED)
    assert list(found) == ["today", "yesterday"]  # the last quarter has no window
    assert found["today"]["coverage"] == 0.5  # 5 of 10 quarters
    assert read(folder, 9 * DAY) == {}


def test_windows_without_uncertainty_give_none(tmp_path: Path) -> None:
    fields = {"load_energy": 25e3, "emission": 12.5e3, "emission_intensity": 500.0}
    spool = stored(tmp_path / "spool", quarters("2026-05-31T16:00:00Z", "2026-05-31T17:00:00Z", fields))
    today = read(spool, HOUR + STORED)["today"]
    assert today["load_energy"] == 100e3
    assert {today[f"{name}_uncertainty"] for name in PAGE_RESULTS} == {None}
    assert today["uncertainty_basis"] is None


def test_the_history_has_the_uncertainty_of_windows_and_none_of_ticks(folder: Path) -> None:
    history = PageHistory(folder, "works", 1.0, WORKS.site.timezone)
    day = history.read(START, START + DAY * NS)
    assert (day["resolution"], day["uncertainty_basis"]) == ("15m", "assumed")
    # The factor of 500 g/kWh has a limit of 0.01 %; the error of the only meter does not change the intensity.
    assert day["emission_intensity_uncertainty"] == pytest.approx([0.05] * 96, rel=0.2)
    ticks = history.read(START, START + HOUR * NS)
    assert (ticks["resolution"], ticks["uncertainty_basis"]) == ("tick", None)
    assert set(ticks["emission_intensity_uncertainty"]) == {None}


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        (("stated", "stated"), "stated"),
        (("stated", "assumed"), "assumed"),
        (("stated", ""), "stated"),
        (("", ""), None),
    ],
)
def test_one_window_with_an_assumed_limit_makes_the_basis_assumed(
    tmp_path: Path, bases: tuple[str, str], expected: str | None
) -> None:
    names = ("coverage", "load_energy", "load_energy_uncertainty")
    series = Series("emission", (("site", "works"), ("window", "15m")), names, (), ("uncertainty_basis",))
    windows = []
    for index, basis in enumerate(bases):
        fields: dict[str, Value] = {"coverage": 1.0, "load_energy": 25e3, "uncertainty_basis": basis}
        unsure: dict[str, Value] = {"load_energy_uncertainty": 500.0} if basis else {}
        windows.append(record(series, START + index * QUARTER * NS, fields | unsure))
    spool = stored(tmp_path / "spool", windows)
    history = PageHistory(spool, "works", 1.0, WORKS.site.timezone).read(START, START + DAY * NS)
    assert history["uncertainty_basis"] == expected
    today = read(spool, 2 * QUARTER + STORED)["today"]
    complete = all(bases)  # a window without uncertainty leaves the sum without one
    assert today["load_energy_uncertainty"] == (1000.0 if complete else None)
    assert today["uncertainty_basis"] == (expected if complete else None)


def test_without_a_spool_there_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no such directory"):
        read(tmp_path / "nowhere", DAY)
