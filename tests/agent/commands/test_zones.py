"""`wattgram zones`: the list, a search, the site's own tables."""

from __future__ import annotations

import json
from pathlib import Path

from wattgram.grid.zone_names import ATTRIBUTION

from tests.support.command_runs import wattgram


def test_the_list_has_a_line_for_each_zone_and_basis_with_source_and_licence() -> None:
    found = json.loads(wattgram("zones", "--format", "json").out)
    by_key = {(row["zone"], row["basis"]): row for row in found}
    assert len(by_key) == len(found) > 250
    germany = by_key["DE", "lifecycle"]
    assert (germany["name"], germany["year"], germany["g_per_kwh"], germany["clean_share"]) == (
        "Germany",
        2025,
        329.65,
        0.5909,
    )
    assert germany["licence"] == "CC BY 4.0"
    assert (by_key["GB", "direct"]["g_per_kwh"], by_key["GB", "direct"]["tier"]) == (177.0, 5)
    assert by_key["CN-SC", "direct"]["name"] == "Sichuan"
    assert by_key["CN-SC", "direct"]["source"] == "MEE/NBS notice 2025 No.47 (2025-12-31)"
    assert [zone for (zone, _), row in by_key.items() if not row["selectable"]] == ["US", "US"]
    assert ("TW", "direct") not in by_key


def test_a_text_finds_codes_and_names_and_the_attribution_is_shown() -> None:
    germany = wattgram("zones", "germ")
    assert germany.code == 0
    assert [line.split()[0] for line in germany.out.splitlines()[2:3]] == ["DE"]
    assert all(line in germany.out for line in ATTRIBUTION)
    american = wattgram("zones", "US")
    assert american.out.splitlines()[2].startswith("US ")
    assert "US is several grids: a site uses one of US-EGRID-..." in american.out
    assert wattgram("zones", "US-EGRID-CAMX").out.count("US-EGRID-CAMX") == 1
    nothing = wattgram("zones", "atlantis")
    assert nothing.code == 1
    assert "no zone of the tables contains 'atlantis'" in nothing.out


def test_a_zone_is_found_by_its_chinese_name_and_by_codes_of_other_lists() -> None:
    for text, zone in (("四川", "CN-SC"), ("四川省", "CN-SC"), ("uk", "GB"), ("重庆市", "CN-CQ")):
        found = json.loads(wattgram("zones", text, "--format", "json").out)
        assert {row["zone"] for row in found} == {zone}, text
    assert len(json.loads(wattgram("zones", "电网", "--format", "json").out)) == 7
    # BH is a part of Bhutan's code in other lists; Bahrain has no row
    assert "the tables have no row of BH: its published average contradicts its mix" in wattgram("zones", "BH").out
    assert wattgram("zones", "CN-XZ").code == 1


def test_the_tables_of_a_site_are_listed_with_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "zones.d").mkdir()
    table = tmp_path / "zones.d" / "my.csv"
    table.write_text("zone,name,year,basis,g_per_kwh\nMY-13,Sarawak,2024,direct,199\n")
    listed = json.loads(wattgram("zones", "sarawak", "-c", str(tmp_path / "site.toml"), "--format", "json").out)
    assert [(row["zone"], row["g_per_kwh"], row["tier"], row["source"]) for row in listed] == [
        ("MY-13", 199.0, 4, "my.csv")
    ]
    table.write_text("zone,name,year,basis\n")
    broken = wattgram("zones", "-c", str(tmp_path / "site.toml"))
    assert (broken.code, broken.err) == (2, f"{table}: line 1: column g_per_kwh is missing\n")
