"""The shipped factors against METHOD 2.1 and 2.2, and the rule for the year of a factor."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from importlib.resources import files
from math import isnan

import pytest
from wattgram.grid.factor_rows import CONTEXT, FAMILIES, RESIDUAL, is_chinese
from wattgram.grid.table import FactorTable

TABLE = FactorTable.shipped()


def at(year: int, month: int = 6) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("zone", "year", "expected"),
    [
        ("CN-CQ", 2021, 474.3),
        ("CN-CQ", 2022, 522.7),
        ("CN-CQ", 2023, 558.1),
        ("CN-CQ", 2026, 558.1),  # the newest factor not later than the reading
        ("CN-CQ", 2019, 474.3),  # older than the table: its oldest
        ("CN-SC", 2023, 156.4),
        ("CN-GRID-SW", 2023, 247.2),
        ("CN", 2023, 530.6),
        ("CN-NM", 2022, 684.9),
    ],
)
def test_direct_factors_are_those_of_the_official_notices(zone: str, year: int, expected: float) -> None:
    signal = TABLE.signal(zone, "direct", at(year))
    assert signal.intensity == pytest.approx(expected)
    assert signal.tier == 5


def test_the_footprint_is_the_national_value_and_named_so() -> None:
    assert TABLE.signal("CN-CQ", "lifecycle", at(2023)).intensity == pytest.approx(620.5)
    signal = TABLE.signal("CN-CQ", "lifecycle", at(2026))
    assert signal.intensity == pytest.approx(577.7)
    assert signal.source.startswith("table CN 2024 ")


def test_the_residual_mix_is_the_national_value() -> None:
    assert TABLE.residual("CN-CQ", at(2026)) == pytest.approx(609.6)


def test_the_clean_share_is_the_implied_share_where_the_table_has_it() -> None:
    assert TABLE.signal("CN-CQ", "direct", at(2023)).clean_share == 0.325
    assert isnan(TABLE.signal("CN-YN", "direct", at(2023)).clean_share)


def test_the_age_counts_from_the_end_of_the_year_of_the_factor_in_china() -> None:
    signal = TABLE.signal("CN-CQ", "direct", at(2026))
    new_year = at(2024, 1) - 8 * 3600 * 1_000_000_000  # midnight at +08:00
    assert signal.age(new_year) == 0.0
    assert signal.age(new_year + 31 * 86400 * 1_000_000_000) == 31 * 86400.0


def test_the_year_of_a_reading_is_the_calendar_year_in_china() -> None:
    new_year = at(2023, 1) - 8 * 3600 * 1_000_000_000
    assert TABLE.signal("CN-CQ", "direct", new_year - 1).intensity == pytest.approx(522.7)
    assert TABLE.signal("CN-CQ", "direct", new_year).intensity == pytest.approx(558.1)


def test_the_next_year_begins_at_midnight_in_china() -> None:
    new_year = at(2024, 1) - 8 * 3600 * 1_000_000_000
    assert TABLE.next_year("CN-CQ", at(2023)) == TABLE.next_year("CN-CQ", new_year - 1) == new_year
    assert TABLE.next_year("CN-CQ", new_year) == at(2025, 1) - 8 * 3600 * 1_000_000_000


def test_repeated_look_ups_distinguish_basis_and_zone() -> None:
    for _ in range(2):
        keys = [("CN-CQ", "direct"), ("CN-CQ", "lifecycle"), ("CN-SC", "direct")]
        intensities = [TABLE.signal(zone, basis, at(2023)).intensity for zone, basis in keys]
        assert intensities == pytest.approx([558.1, 620.5, 156.4])


def test_every_row_of_the_file_is_of_one_family_and_no_family_is_mixed() -> None:
    with files("wattgram.grid").joinpath("grid_factors_cn.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    direct, footprint = FAMILIES["direct"], FAMILIES["lifecycle"]
    kinds = [*direct, *footprint, RESIDUAL, *CONTEXT]
    assert sorted(kinds) == sorted({row["kind"] for row in rows})
    assert len(kinds) == len(set(kinds))
    for row in rows:
        basis = "direct" if row["kind"] in direct else "lifecycle" if row["kind"] in footprint else ""
        if basis:
            signal = TABLE.signal(row["zone"], basis, at(int(row["year"])))
            assert signal.intensity == pytest.approx(1000.0 * float(row["kg_co2_per_kwh"]))
            assert (signal.basis, signal.source) == (basis, f"table {row['zone']} {row['year']} {row['kind']}")


def test_every_zone_of_the_file_has_a_factor() -> None:
    with files("wattgram.grid").joinpath("grid_factors_cn.csv").open(encoding="utf-8") as file:
        zones = {row["zone"] for row in csv.DictReader(file)}
    assert {zone for zone in TABLE.zones if is_chinese(zone)} == zones
    assert len(zones) == 38  # 30 provincial units, 7 grids and the nation
    for zone in zones:
        assert 100.0 < TABLE.signal(zone, "direct", at(2023)).intensity < 850.0
