"""The tables of the world: what ships, which row serves, generation by fuel, residual mix, the site's own rows."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from math import isnan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.grid.factor_rows import FactorRow, lines_of, shipped_rows
from wattgram.grid.table import CLEAN_FUELS, DIVIDED, RENEWABLE_FUELS, FactorTable
from wattgram.grid.zone_names import ATTRIBUTION, CHINESE_ZONES, country_of

ROOT = Path(__file__).resolve().parents[3]
TABLE = FactorTable.shipped()
ROWS = list(lines_of("grid_factors_world.csv", None))
OPEN = {"CC BY 4.0", "OGL 3.0", "US government work", "Singapore Open Data Licence 1.0"}


def at(year: int, month: int = 6) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


def test_every_shipped_row_has_an_open_licence_and_no_doubt() -> None:
    assert {row["licence"] for row in ROWS} == OPEN
    assert not [row for row in ROWS if "DOUBTFUL" in row["note"]]
    assert {row["zone"] for row in ROWS if row["basis"] == "direct"} == {
        *("GB", "SG", "US"),
        *(row["zone"] for row in ROWS if row["zone"].startswith("US-EGRID-")),
    }
    names = {row["zone"]: row["name"] for row in ROWS}
    assert names["TW"] == "Taiwan (China)"
    assert names["HK"] == "Hong Kong (SAR of China)"
    assert names["MO"] == "Macao (SAR of China)"


def test_the_tables_stay_small() -> None:
    # A start reads the lines of one zone; the limit is on the disk and on the time to pass over the other lines.
    names = ("grid_factors_world.csv", "generation_mix_world.csv", "grid_factors_cn.csv", "generation_mix.csv")
    assert sum(len(files("wattgram.grid").joinpath(name).read_bytes()) for name in names) < 250_000


def test_every_row_has_its_source_year_and_plausible_numbers() -> None:
    for row in shipped_rows(None):
        assert row.source
        assert row.licence
        assert 2020 <= row.year <= 2026
        assert 0.0 < row.intensity < 1100.0
        for share in (row.clean_share, row.renewable_share):
            assert share is None or 0.0 <= share <= 1.0
    keys = [(row["zone"], row["year"], row["basis"]) for row in ROWS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("zone", "basis", "year", "expected", "tier", "of_year"),
    [
        # Ember's yearly data; eGRID2023; DESNZ editions; EMA, average operating margin
        ("DE", "lifecycle", 2024, 336.38, 6, 2024),
        ("DE", "lifecycle", 2026, 329.65, 6, 2025),
        ("DE", "lifecycle", 2020, 362.92, 6, 2023),  # older than the table: its oldest
        ("GB", "direct", 2025, 177.0, 5, 2025),
        ("GB", "direct", 2026, 177.0, 5, 2025),  # the edition of 2026 is doubtful
        ("GB", "lifecycle", 2025, 217.41, 6, 2025),
        ("SG", "direct", 2026, 402.0, 5, 2024),
        ("US-EGRID-CAMX", "direct", 2026, 194.35, 5, 2023),
    ],
)
def test_a_zone_has_the_newest_row_up_to_the_year(
    zone: str, basis: str, year: int, expected: float, tier: int, of_year: int
) -> None:
    signal = TABLE.signal(zone, basis, at(year))
    assert (signal.intensity, signal.tier, signal.basis) == (expected, tier, basis)
    assert signal.source.startswith(f"table {zone} {of_year} ")


def test_direct_and_life_cycle_are_never_mixed() -> None:
    assert TABLE.default_basis("GB") == "direct"
    assert TABLE.default_basis("DE") == "lifecycle"
    assert not TABLE.has("DE", "direct")
    with pytest.raises(KeyError):
        TABLE.signal("DE", "direct", at(2026))
    # as a province has the footprint of its nation, and the source says so
    assert TABLE.signal("US-EGRID-CAMX", "lifecycle", at(2026)).source == "table US 2025 ember_average"


def test_the_year_is_that_of_the_site_s_time_zone_except_in_china() -> None:
    new_year = int(datetime(2025, 1, 1, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()) * 1_000_000_000
    table = FactorTable(calendar=ZoneInfo("America/Los_Angeles"))
    assert table.signal("DE", "lifecycle", new_year - 1).intensity == 336.38
    assert table.signal("DE", "lifecycle", new_year).intensity == 329.65
    assert table.next_year("DE", new_year - 1) == new_year
    assert table.year("CN-SC", new_year - 1) == 2025


def test_a_share_is_of_the_row_s_own_source_and_year() -> None:
    # Ember 2025, Germany: no nuclear power any more
    assert TABLE.signal("DE", "lifecycle", at(2026)).clean_share == 0.5909
    assert TABLE.renewable("DE", at(2026)) == 0.5909
    assert TABLE.renewable("GB", at(2025)) == 0.5197
    assert isnan(TABLE.signal("GB", "direct", at(2025)).clean_share)  # DESNZ publishes none


def test_generation_by_fuel_adds_up_and_gives_the_shares_of_the_row() -> None:
    for row in lines_of("generation_mix_world.csv", None):
        shares = {
            name: float(share) for name, share in row.items() if name not in ("zone", "year", "source", "licence")
        }
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-4)
        factor = next(
            found
            for found in ROWS
            if (found["zone"], found["year"], found["basis"]) == (row["zone"], row["year"], "lifecycle")
        )
        clean = sum(share for fuel, share in shares.items() if fuel in CLEAN_FUELS)
        assert clean == pytest.approx(float(factor["clean_share"]), abs=2e-3), row["zone"]


def test_the_facts_of_a_zone_are_of_one_source_and_year() -> None:
    germany = TABLE.facts("DE", at(2026))
    assert (germany.name, germany.year, germany.clean_share) == ("Germany", 2025, 0.5909)
    assert germany.shares["wind"] == 0.2718
    china = TABLE.facts("CN", at(2023))
    assert (china.name, china.year) == ("China", 2023)
    # METHOD 2.4, 2023: hydro 13.0 + wind 9.4 + solar 6.2 + biomass 2.1; + nuclear 4.6
    assert china.renewable_share == pytest.approx(0.307, abs=0.001)
    assert china.clean_share == pytest.approx(0.353, abs=0.001)
    sichuan = TABLE.facts("CN-SC", at(2023))
    # METHOD 2.4: 18.9 % fossil is implied; which part of the rest is renewable is unknown
    assert (sichuan.name, sichuan.renewable_share) == ("Sichuan", None)
    assert sichuan.clean_share == pytest.approx(0.811)
    grid = TABLE.facts("US-EGRID-CAMX", at(2026))
    assert (grid.name, grid.shares, grid.clean_share) == ("WECC California", {}, None)
    assert TABLE.facts("QQ", at(2026)).name == "QQ"
    assert sum(TABLE.facts("GB", at(2026)).shares.values()) == pytest.approx(1.0, abs=1e-4)
    assert {"hydro", "wind", "solar", "biomass"} <= RENEWABLE_FUELS


def test_the_residual_mix_is_that_of_the_year_where_a_table_has_one() -> None:
    # METHOD 2.1, national without market-traded non-fossil power
    expected = {2021: 594.2, 2022: 585.6, 2023: 609.6, 2026: 609.6}
    assert {year: TABLE.residual("CN-SC", at(year)) for year in expected} == pytest.approx(expected)
    assert TABLE.residual_year("CN-SC", at(2026)) == 2023
    assert isnan(TABLE.residual("DE", at(2026)))
    assert TABLE.residual_year("DE", at(2026)) is None


def test_rows_of_the_site_replace_those_of_their_zone_and_basis() -> None:
    own = (
        FactorRow("MY-GRID-PEN", 2024, "direct", 740.0, "direct of my.csv", 4, residual=760.0),
        FactorRow("MY", 2022, "lifecycle", 600.0, "lifecycle of my.csv", 4),
    )
    table = FactorTable(own)
    signal = table.signal("MY-GRID-PEN", "direct", at(2026))
    assert (signal.intensity, signal.tier) == (740.0, 4)
    assert signal.source == "table MY-GRID-PEN 2024 direct of my.csv"
    assert table.residual("MY-GRID-PEN", at(2026)) == 760.0
    assert table.signal("MY", "lifecycle", at(2026)).intensity == 600.0  # although Ember's is newer
    assert table.default_basis("MY") == "lifecycle"
    assert "MY-GRID-PEN" in table.zones


def test_a_divided_zone_is_none_of_the_zones_of_a_site() -> None:
    assert "US" not in TABLE.zones
    assert all(any(zone.startswith(part) for zone in TABLE.zones) for part in DIVIDED.values())
    assert {"CN", "DE", "GB", "SG", "US-EGRID-CAMX", "XK", "EU", "WORLD"} <= set(TABLE.zones)
    assert set(CHINESE_ZONES) == {zone for zone in TABLE.zones if zone == "CN" or zone.startswith("CN-")}


def test_a_time_zone_tells_its_country() -> None:
    found = {name: country_of(name) for name in ("Europe/Berlin", "America/Chicago", "Asia/Shanghai", "UTC")}
    assert found == {"Europe/Berlin": "DE", "America/Chicago": "US", "Asia/Shanghai": "CN", "UTC": ""}


def test_the_notice_has_the_attribution() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert all(line in notice for line in ATTRIBUTION)
