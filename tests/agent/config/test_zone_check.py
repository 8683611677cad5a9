"""The key `zone` of [grid]: rows of the tables, codes with a factor or a source, the site's own tables, a history."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.errors import ConfigError
from wattgram.base.record import Series, record
from wattgram.commands.grid_notes import grid_notes
from wattgram.commands.site_check import check_plan
from wattgram.config import own_zones
from wattgram.config.grid_table import factor_table
from wattgram.config.load import Config, read
from wattgram.grid.zone_names import country_of
from wattgram.store.spool import Spool

NOON = 1_790_000_000 * NS
T0 = 1_790_000_100 * NS
DEVICE = '[[device]]\nname = "incomer"\nrole = "grid"\ndriver = "eastron_sdm630"\nurl = "tcp://127.0.0.1:1502"\n'
FACTOR = "factor_g_per_kwh = 380\n"
LIVE = '[[grid.source]]\nkind = "energycharts"\ncountry = "de"\n'
OWN = (
    "zone,name,year,g_per_kwh,basis,kind,clean_share,renewable_share,source,url_or_document,licence,note,verified\n"
    "MY-GRID-PEN,Peninsular Malaysia,2023,760.00,direct,average,,,Energy Commission,x,not stated,,no\n"
    "MY-GRID-PEN,Peninsular Malaysia,2024,740.00,direct,average,0.2,0.19,Energy Commission,x,not stated,,no\n"
)


def loaded(folder: Path, grid: str, timezone: str = "Europe/Berlin") -> Config:
    text = f'[site]\nname = "works"\ntimezone = "{timezone}"\n[spool]\npath = "{folder / "spool"}"\n[grid]\n{grid}\n'
    return read(text + DEVICE, folder / "site.toml", {})


def mistake(folder: Path, grid: str, timezone: str = "Europe/Berlin") -> str:
    with pytest.raises(ConfigError) as found:
        loaded(folder, grid, timezone)
    (text,) = found.value.mistakes
    return text.removeprefix(f"{folder / 'site.toml'}: ")


def test_a_missing_zone_is_a_mistake_that_suggests_one(tmp_path: Path) -> None:
    text = mistake(tmp_path, "")
    assert text.startswith("grid.zone: missing; allowed: a zone of the tables, `wattgram zones` lists them")
    assert text.endswith("timezone 'Europe/Berlin' suggests 'DE'")
    for grid in (FACTOR, LIVE):
        assert mistake(tmp_path, grid).startswith("grid.zone: missing")
    american = mistake(tmp_path, "", "America/Los_Angeles")
    assert "suggests US, which is several grids: US-EGRID-AKGD, " in american
    assert "US-EGRID-CAMX" in american
    assert mistake(tmp_path, "", "Asia/Shanghai").endswith("its province; `wattgram zones CN` lists them")
    assert "CN-CQ" not in mistake(tmp_path, "", "Asia/Shanghai")
    assert mistake(tmp_path, "", "Asia/Tashkent").endswith("suggests UZ, of which the shipped tables have no row")
    assert mistake(tmp_path, "", "UTC").endswith("timezone 'UTC' suggests none")


@pytest.mark.parametrize(
    ("zone", "nearest"),
    [
        ("de", "'DE'"),
        ("Germany", "'DE'"),
        ("Sichuan", "'CN-SC'"),
        ("CN-SCC", "'CN-SC'"),
        ("US-CA", "one of US-EGRID-AKGD, "),
        ("USA", "one of US-EGRID-AKGD, "),
    ],
)
def test_an_unknown_zone_is_a_mistake_with_the_nearest(tmp_path: Path, zone: str, nearest: str) -> None:
    assert f"grid.zone: found {zone!r}, nearest: {nearest}" in mistake(tmp_path, f'zone = "{zone}"')


def test_a_code_without_a_row_has_no_nearest_country(tmp_path: Path) -> None:
    assert mistake(tmp_path, 'zone = "AD"').startswith("grid.zone: found 'AD'; allowed: a zone of the tables")


def test_a_zone_of_several_grids_names_them(tmp_path: Path) -> None:
    text = mistake(tmp_path, 'zone = "US"')
    assert text.startswith("grid.zone: found 'US', which is several grids; allowed: US-EGRID-AKGD, ")
    assert "US-EGRID-CAMX" in text


@pytest.mark.parametrize(
    ("zone", "basis"),
    [("CN-SC", "direct"), ("DE", "lifecycle"), ("GB", "direct"), ("SG", "direct"), ("US-EGRID-CAMX", "direct")],
)
def test_the_basis_is_direct_where_the_zone_has_such_a_row(tmp_path: Path, zone: str, basis: str) -> None:
    config = loaded(tmp_path, f'zone = "{zone}"')
    assert (config.grid.zone, config.grid.basis) == (zone, basis)
    note = next(note for note in check_plan(config).notes if note.startswith("grid: zone"))
    assert f"zone {zone}, basis {basis}" in note


@pytest.mark.parametrize("zone", ["DE", "UZ", "US-CAL-CISO", "US"])
@pytest.mark.parametrize("grid", [FACTOR, LIVE])
def test_any_code_starts_with_a_factor_or_a_source(tmp_path: Path, zone: str, grid: str) -> None:
    assert loaded(tmp_path, f'zone = "{zone}"\n{grid}').grid.zone == zone


def test_a_code_is_a_code(tmp_path: Path) -> None:
    for zone in ("germany, south", "<b>", "d", "DE-", "X" * 40):
        assert mistake(tmp_path, f'zone = "{zone}"\n{FACTOR}').startswith(f"grid.zone: found {zone!r}")


def test_a_basis_without_a_row_is_a_mistake(tmp_path: Path) -> None:
    text = mistake(tmp_path, 'zone = "DE"\nbasis = "direct"')
    assert text.startswith("grid.basis: found 'direct', of which zone 'DE' has no row; allowed: the other basis")
    assert loaded(tmp_path, f'zone = "DE"\nbasis = "direct"\n{FACTOR}').grid.basis == "direct"
    level = f'{LIVE}level = "official"\nmean_g_per_kwh = 300\n'
    assert mistake(tmp_path, f'zone = "DE"\nbasis = "direct"\n{level}').startswith(
        'grid.source: found level "official"'
    )


def test_a_mix_has_the_factors_of_the_zone(tmp_path: Path) -> None:
    topic = '[[grid.source]]\nkind = "file"\npath = "mix.csv"\n'
    assert loaded(tmp_path, f'zone = "DE"\n{topic}').grid.sources[0].factors == "ipcc"
    assert loaded(tmp_path, f'zone = "CN-SC"\n{topic}').grid.sources[0].factors == "china"
    assert loaded(tmp_path, f'zone = "TW"\n{topic}').grid.family == "ipcc"


def test_a_site_brings_the_table_of_its_zone(tmp_path: Path) -> None:
    assert "nearest: 'MY'" in mistake(tmp_path, 'zone = "MY-GRID-PEN"', "Asia/Kuala_Lumpur")
    (tmp_path / "zones.d").mkdir()
    (tmp_path / "zones.d" / "malaysia.csv").write_text(OWN)
    config = loaded(tmp_path, 'zone = "MY-GRID-PEN"', "Asia/Kuala_Lumpur")
    assert config.grid.basis == "direct"
    signal = factor_table(config.grid, config.site.timezone).signal("MY-GRID-PEN", "direct", T0)
    assert (signal.intensity, signal.tier, signal.clean_share) == (740.0, 4, 0.2)
    assert signal.source == "table MY-GRID-PEN 2024 direct of malaysia.csv"
    assert [row.zone for row in config.grid.own_rows] == ["MY-GRID-PEN"] * 2
    assert loaded(tmp_path, 'zone = "DE"').grid.own_rows == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zone,year,basis\nMY,2024,direct\n", "line 1: column g_per_kwh is missing"),
        ("zone,year,basis,g_per_kwh,colour\n", "line 1: found column 'colour'"),
        ("zone,year,basis,g_per_kwh\nMY,2024,direct,0.74k\n", "line 2: g_per_kwh: found '0.74k'; allowed: 0 to 2000"),
        ("zone,year,basis,g_per_kwh\nMY,2024,direct,\n", "line 2: g_per_kwh: found nothing; allowed: 0 to 2000"),
        (
            "zone,year,basis,g_per_kwh\nMY,2024,direkt,740\n",
            "line 2: basis: found 'direkt'; allowed: direct, lifecycle",
        ),
        ("zone,year,basis,g_per_kwh\nMY,24,direct,740\n", "line 2: year: found '24'; allowed: 1990 to 2100"),
        ("zone,year,basis,g_per_kwh\nMY,2024,direct\n", "line 2: found another number of cells than in line 1"),
        ("zone,year,basis,g_per_kwh\nMY,2024,direct,1\nMY,2024,direct,2\n", "found two rows of MY 2024 direct"),
        (
            "zone,year,basis,g_per_kwh,clean_share\nMY,2024,direct,740,20\n",
            "line 2: clean_share: found '20'; allowed: 0 to 1",
        ),
        (
            "zone,year,basis,g_per_kwh,uncertainty\nMY,2024,direct,740,0.08\n",
            "line 2: uncertainty: found '0.08'; allowed: 0.01 % to 50 %",
        ),
    ],
)
def test_a_mistake_in_a_table_of_the_site_has_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "zones.d").mkdir()
    (tmp_path / "zones.d" / "own.csv").write_text(text)
    assert expected in mistake(tmp_path, 'zone = "DE"')


def store(folder: Path, sources: dict[int, str], site: str = "works") -> None:
    """Leave the spool of a site with a window for each time and source of the factor."""

    async def work() -> None:
        spool = Spool(folder / "spool", max_size=1 << 22, keep=86_400.0, sinks=[])
        await spool.open()
        tags = (("site", site), ("window", "15m"))
        series = Series("emission", tags, ("load_energy",), (), ("grid_source",))
        for time, source in sources.items():
            spool.append(record(series, time, {"load_energy": 1.0, "grid_source": source}))
        await spool.sync()
        await spool.close()

    asyncio.run(work())


def test_a_site_with_a_history_goes_on_with_its_zone_and_says_so(tmp_path: Path) -> None:
    quarter = 900 * NS
    store(tmp_path, {T0: "table CN-SC 2023 provincial_average", T0 + quarter: "file mix.csv"})
    config = loaded(tmp_path, "")
    assert (config.grid.zone, config.grid.basis) == ("CN-SC", "direct")
    expected = (
        "zone is missing in [grid]; found zone CN-SC of the stored history; timezone 'Europe/Berlin' suggests 'DE'"
    )
    assert config.grid.excuse == expected
    assert check_plan(config).findings == [expected]
    assert loaded(tmp_path, 'zone = "DE"').grid.excuse == ""


def test_a_history_that_names_no_zone_is_one_of_the_former_default(tmp_path: Path) -> None:
    # Versions that did not require the key had this zone.
    store(tmp_path, {T0: "configuration"})
    assert loaded(tmp_path, "").grid.zone == "CN-CQ"


def test_a_spool_of_another_site_is_no_history(tmp_path: Path) -> None:
    store(tmp_path, {T0: "table CN-SC 2023 provincial_average"}, site="other")
    assert mistake(tmp_path, "").startswith("grid.zone: missing")


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (
            "CN-XZ",
            "found 'CN-XZ', of which the tables have no row: no notice of China's ministry has a factor of Xizang",
        ),
        (
            "UZ",
            "found 'UZ', of which the tables have no row: its published average contradicts its mix; allowed: any code",
        ),
        ("CN-HK", "found 'CN-HK', nearest: 'HK'"),
        ("CN-TW", "found 'CN-TW', nearest: 'TW'"),
        ("CN-SZ", "found 'CN-SZ', nearest: 'CN'"),  # no province by the similarity of two letters
        ("CN-CHONGQING", "found 'CN-CHONGQING', nearest: 'CN-CQ'"),
        ("UK", "found 'UK', nearest: 'GB'"),
        ("四川省", "nearest: 'CN-SC'"),
        ("中国", "nearest: 'CN'"),
    ],
)
def test_a_mistake_names_a_near_zone_or_why_there_is_none(tmp_path: Path, zone: str, text: str) -> None:
    found = mistake(tmp_path, f'zone = "{zone}"')
    assert text in found
    assert "or a row in zones.d" in found


@pytest.mark.parametrize(
    ("timezone", "country"),
    [
        ("Asia/Calcutta", "IN"), ("Asia/Chongqing", "CN"), ("US/Pacific", "US"), ("Australia/NSW", "AU"), ("GB", "GB"),
        ("Iceland", "IS"), ("Asia/Kolkata", "IN"), ("US", ""), ("Etc/GMT-8", ""),
    ],
)  # fmt: skip
def test_a_former_name_of_a_time_zone_tells_its_country(timezone: str, country: str) -> None:
    assert country_of(timezone) == country


@pytest.mark.parametrize(("zone", "notes"), [("DE", 1), ("CN-SC", 0)])
def test_a_default_of_a_chinese_standard_is_noted_abroad(tmp_path: Path, zone: str, notes: int) -> None:
    meter = (
        '[[device]]\nname = "boiler"\nrole = "fuel"\ndriver = "suto_s430_gasflow"\nurl = "tcp://127.0.0.1:1503"\n'
        'quantities = ["volume_total"]\nfuel = "{fuel}"\n'
    )

    def noted(fuel: str, more: str = "") -> list[str]:
        text = f'[site]\nname = "works"\ntimezone = "UTC"\n[grid]\nzone = "{zone}"\n' + meter.format(fuel=fuel) + more
        found = grid_notes(read(text + DEVICE, tmp_path / "site.toml", {}), NOON)
        return [note for note in found if note.startswith("boiler")]

    assert [note.partition(" is the default by GB/T")[0] for note in noted("natural_gas")] == [
        "boiler: 2162 g of CO2 per m3 of natural_gas"
    ] * notes
    assert noted("natural_gas", "fuel_factor = 2020\n") == []


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            "0.740,direct,0.2,0.1",
            "line 2: g_per_kwh: found 0.74; a number below 2 looks like kg/kWh; write g/kWh, or 0",
        ),
        ("740,direct,0.2,0.3", "line 2: renewable_share: found 0.3; allowed: at most clean_share, 0.2"),
        ("0,lifecycle,,", "line 2: g_per_kwh: found 0 with basis lifecycle; allowed: above 0 to 2000"),
    ],
)
def test_a_row_that_cannot_be_true_is_a_mistake(tmp_path: Path, row: str, text: str) -> None:
    (tmp_path / "zones.d").mkdir()
    (tmp_path / "zones.d" / "my.csv").write_text(
        f"zone,year,g_per_kwh,basis,clean_share,renewable_share\nMY-GRID-PEN,2024,{row}\n"
    )
    with pytest.raises(ConfigError) as found:
        own_zones.read(tmp_path)
    assert text in str(found.value.mistakes)


@pytest.mark.parametrize("key", ["factor_g_per_kwh", "residual_g_per_kwh"])
def test_a_factor_in_kilograms_is_a_mistake(tmp_path: Path, key: str) -> None:
    """China publishes kg/kWh: 0.5306 of 2023 (METHOD 1.3)."""
    assert mistake(tmp_path, f'zone = "DE"\n{key} = 0.5306') == (
        f"grid.{key}: found 0.5306; a number below 2 looks like kg/kWh; write g/kWh, or 0 for a grid without CO2; "
        'a grid of water power that has it: write the unit, as in "1.3 g/kWh"'
    )
    assert (
        loaded(
            tmp_path,
            f'zone = "CA-QC"\nfactor_g_per_kwh = 40\n{key} = "1.3 g/kWh"'.replace(
                "factor_g_per_kwh = 40\nfactor", "factor"
            ),
        ).grid.zone
        == "CA-QC"
    )
    assert loaded(tmp_path, f'zone = "DE"\n{key} = 530.6').grid.zone == "DE"
    assert loaded(tmp_path, f'zone = "DE"\n{key} = 0').grid.zone == "DE"


def test_a_table_of_a_european_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "zones.d").mkdir()
    (tmp_path / "zones.d" / "de.csv").write_text(
        "zone;year;g_per_kwh;basis;clean_share;uncertainty;source\nDE;2024;363,5;direct;0,59;5,5 %;UBA, 2025\n"
    )
    (row,) = own_zones.read(tmp_path)
    assert (row.intensity, row.clean_share, row.uncertainty, row.source) == (363.5, 0.59, 0.055, "UBA, 2025")
