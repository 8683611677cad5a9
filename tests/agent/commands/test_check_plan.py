"""`wattgram check` without --live: notes on the devices of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from wattgram.commands.site_check import check_plan
from wattgram.delivery.configuration import read

SITE = """\
[site]
name = "works"
[grid]
zone = "CN-CQ"
[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
ratio = 60
[[device]]
name = "hall"
role = "load"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
unit = 2
"""


def test_a_ratio_is_noted_with_its_effect() -> None:
    report = check_plan(read(SITE, Path("site.toml")))
    assert [note for note in report.notes if "ratio" in note] == [
        "incomer: powers and energies are multiplied by ratio 60 (CT x VT); currents and voltages are left out"
    ]
    assert report.ok


@pytest.mark.parametrize(("tick", "noted"), [("1min", False), ("15min", True)])
def test_a_tick_longer_than_the_period_of_the_grids_values_is_noted(tmp_path: Path, tick: str, noted: bool) -> None:
    (tmp_path / "mix.csv").write_text("time,intensity\n2026-06-01 08:00,100\n2026-06-01 08:05,200\n")
    text = SITE.replace("[grid]", f'tick = "{tick}"\n[grid]')
    text += '[[grid.source]]\nkind = "file"\npath = "mix.csv"\n[[grid.source]]\nkind = "ukgrid"\n'
    report = check_plan(read(text, tmp_path / "site.toml"))
    notes = [note for note in report.notes if note.startswith("site.tick")]
    assert [note.partition(", ")[0] for note in notes] == (
        ["site.tick: 900 s is longer than the period of file mix.csv"] if noted else []
    )
    assert report.ok


@pytest.mark.parametrize(
    ("roof", "accounts", "named"),
    [
        ("", "", "roof"),  # an inverter without a stated accuracy: 3 % x (|P| + 0.01 x rated power)
        ('accuracy = "class 1"', "", "roof"),
        ('accuracy = "3 %"', "", ""),  # a percentage of the reading needs no rated power
        ('rated_power = "100 kW"', "", ""),
        ("", "[accounts]\nuncertainty = false", ""),
    ],
)
def test_a_missing_rated_power_is_noted_where_limits_need_it(roof: str, accounts: str, named: str) -> None:
    # The ratio of the incomer gives its rated power, and the hall is a sub-meter, whose error is in no result.
    text = SITE + '[[device]]\nname = "roof"\nrole = "pv"\ndriver = "huawei_sun2000"\nurl = "tcp://127.0.0.1:1503"\n'
    report = check_plan(read(f"{text}{roof}\n{accounts}\n", Path("site.toml")))
    notes = [note.partition(" is unknown")[0] for note in report.notes if note.startswith("uncertainty: ")]
    assert notes == ([f"uncertainty: rated_power of {named}"] if named else [])
    assert report.ok


def test_a_fuel_meter_without_a_fuel_is_a_finding() -> None:
    text = (
        SITE
        + '[[device]]\nname = "boiler"\nrole = "fuel"\ndriver = "suto_s430_gasflow"\nurl = "tcp://127.0.0.1:1503"\n'
    )
    assert [finding.partition(";")[0] for finding in check_plan(read(text, Path("site.toml"))).findings] == [
        "boiler: scope1 is absent, because the fuel of this meter is unknown"
    ]
    assert check_plan(read(f'{text}fuel = "natural_gas"\n', Path("site.toml"))).ok
