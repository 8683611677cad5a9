"""The site as `check` draws it, and hybrids in the live test. Numbers: oracles of METHOD-SITE 8.2 and 8.3."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.commands import site_check
from wattgram.commands.check import _as_table
from wattgram.commands.live_balance import balance_findings
from wattgram.commands.live_device import LiveDevice
from wattgram.commands.live_hybrid import loss_findings, metered_use, site_flows
from wattgram.commands.wiring_tree import hybrid_notes
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Terminal
from wattgram_drivers.endpoint import parse

from tests.support.wired_sites import WiredSite, device

METER = device("incomer", "grid")
HUAWEI = device("roof", "pv", "huawei_sun2000", 503)
LUNA = device("store", "battery", "huawei_luna2000", 503)


def live(site: WiredSite) -> list[LiveDevice]:
    site.read()
    return [LiveDevice(source) for source in site.sources.values()]


def shows(site: WiredSite, terminal: float, pv: float, battery: float, imported: float) -> list[LiveDevice]:
    site.shows("incomer", active_power_total=1e3 * imported)
    site.shows("roof", active_power_total=1e3 * terminal, dc_power=1e3 * pv, battery_power=1e3 * battery)
    if "store" in site.images:
        site.shows("store", battery_power=1e3 * battery)
    return live(site)


def test_the_tree_shows_what_stands_behind_what(tmp_path: Path) -> None:
    site = WiredSite(
        tmp_path,
        METER,
        device("roof", "pv", "huawei_sun2000", 503, 'behind = "hall"'),
        LUNA,
        device("hall", "load", port=504, more='group = "industry"'),
        device("furnace", "load", port=505, more='behind = "hall"'),
        device("shed", "pv", "goodwe_dt", 506),
    )
    report = site_check.check_plan(site.config)
    assert report.wiring == [
        "busbar",
        "├── incomer (grid)",
        "├── hall (load, industry)",
        "│   ├── roof (pv)",
        "│   │   └── store (battery)",
        "│   └── furnace (load)",
        "└── shed (pv)",
    ]
    assert "\n".join(report.wiring) in _as_table(report)
    assert report.ok


def test_a_flat_site_is_not_drawn(tmp_path: Path) -> None:
    assert site_check.check_plan(WiredSite(tmp_path, METER, HUAWEI).config).wiring == []


def test_a_hybrid_without_a_named_battery_and_one_without_a_terminal_are_notes(tmp_path: Path) -> None:
    notes = site_check.check_plan(WiredSite(tmp_path, METER, HUAWEI).config).notes
    assert any(note.startswith("roof: if a battery is connected") for note in notes)
    assert not any("5%" in note for note in notes)
    notes = site_check.check_plan(WiredSite(tmp_path, METER, HUAWEI, LUNA).config).notes
    assert not any("battery" in note for note in notes)
    string = device("roof", "pv", "goodwe_dt", 503)
    notes = site_check.check_plan(WiredSite(tmp_path, METER, string, LUNA).config).notes
    assert any("goodwe_dt describes no AC terminal" in note for note in notes)
    bare = device("roof", "pv", "sofar_hyd_legacy", 503)
    notes = site_check.check_plan(WiredSite(tmp_path, METER, bare).config).notes
    assert any("limit of error of 5%" in note for note in notes)


@pytest.mark.parametrize("named", [True, False])
def test_the_live_balance_takes_the_terminal_of_a_hybrid(tmp_path: Path, *, named: bool) -> None:
    """Charged from the grid, PV and battery as a sum would be -8.25 kW beside an import of 5 kW: a false fault."""
    site = WiredSite(tmp_path, METER, HUAWEI, *([LUNA] if named else []))
    devices = shows(site, -4.25, 0.0, -4.0, 5.0)
    assert site_flows(devices)["roof"] == pytest.approx(-4250.0)
    assert balance_findings(devices) == []
    devices = shows(site, -0.03, 0.0, 0.0, 1.0)  # standby: own consumption is load
    assert sum(site_flows(devices).values()) == pytest.approx(1000.0 if named else 970.0)


def test_nested_sub_meters_count_once(tmp_path: Path) -> None:
    """Oracle (a) of METHOD-SITE 8.3: 45 + 5 kW."""
    site = WiredSite(
        tmp_path,
        METER,
        device("hall", "load", port=504, more='group = "industry"'),
        device("furnace", "load", port=505, more='group = "industry"\nbehind = "hall"'),
        device("office", "load", port=506, more='group = "building"\nbehind = "hall"'),
        device("roof", "pv", "goodwe_dt", 507, 'behind = "hall"'),
    )
    for name, power in {"incomer": 60.0, "hall": 30.0, "furnace": 12.0, "office": 5.0, "roof": 20.0}.items():
        site.shows(name, active_power_total=1e3 * power)
    devices = live(site)
    assert metered_use(devices, site_flows(devices)) == pytest.approx(50e3)


def test_the_loss_is_printed_and_an_impossible_one_is_a_finding(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, METER, HUAWEI, LUNA)
    ((name, finding),) = loss_findings(shows(site, 4.8, 8.0, -3.0, 2.0))
    assert (name, finding.question) == ("roof", True)
    assert finding.text.startswith("PV 8.000 + battery -3.000 - terminal 4.800 = 0.200 kW")
    ((_, finding),) = loss_findings(shows(site, 4.8, 8.0, 3.0, 2.0))
    assert not finding.question
    assert "the battery's sign is wrong; try invert = true" in finding.text
    ((_, finding),) = loss_findings(shows(site, -0.3, 0.0, 0.0, 2.0))
    assert finding.key == "contradiction"


@pytest.mark.parametrize(
    ("driver", "terminal", "strings"),
    [("goodwe_et", "inverter_power_total", "dc_power_1"), ("sungrow_sh_hybrid", "active_power_total", "dc_power")],
)
def test_a_loss_of_the_backup_power_means_that_the_terminal_is_the_grid_port(
    tmp_path: Path, driver: str, terminal: str, strings: str
) -> None:
    """METHOD-SITE 8.2, PV feeds the backup port: grid port 2.8 kW, backup port 2.0 kW, PV 5.0 kW; r = 2.2 kW."""
    site = WiredSite(tmp_path, METER, device("roof", "pv", driver, 503), device("store", "battery", driver, 503))
    zeros = dict.fromkeys(("dc_power_2", "dc_power_3", "dc_power_4", "battery_power_signed"), 0.0)
    site.shows("roof", **{terminal: 2800.0, strings: 5000.0}, battery_power=0.0, backup_power=2000.0, **zeros)
    site.shows("store", battery_power=0.0, battery_power_signed=0.0)
    devices = live(site)
    assert site_flows(devices)["roof"] == 2800.0  # nothing is added
    ((name, finding),) = loss_findings(devices)
    assert (name, finding.question) == ("roof", False)
    assert "T is the grid port" in finding.text
    site.shows("roof", **{terminal: 4800.0})
    ((_, finding),) = loss_findings(live(site))
    assert finding.question


def test_a_backup_key_without_effect_is_a_note(tmp_path: Path) -> None:
    def notes(*devices: str) -> list[str]:
        report = site_check.check_plan(WiredSite(tmp_path, METER, *devices).config)
        assert report.ok
        return [note for note in report.notes if "backup" in note]

    def roof(driver: str, more: str = "backup = true") -> str:
        return device("roof", "pv", driver, 503, more)

    assert notes(roof("goodwe_et")) == ["roof: backup has no effect: goodwe_et reads the bridge (inverter_power_total)"]
    assert notes(roof("solis_hybrid_33xxx")) == [
        "roof: backup has no effect: solis_hybrid_33xxx reads the bridge (active_power_total)"
    ]
    assert notes(roof("sofar_hyd_legacy")) == [
        "roof: backup has no effect: sofar_hyd_legacy has no register of the AC terminal"
    ]
    assert notes(roof("goodwe_et", ""), device("store", "battery", "goodwe_et", 503, "backup = true")) == [
        "store: backup has no effect with a battery behind an inverter; set backup in the device of roof"
    ]
    assert notes(roof("goodwe_et", "")) == []


@pytest.mark.parametrize(
    ("ports", "note"),
    [
        (
            Terminal(grid_port=("p",)),
            "no register of the backup port; with backup = true the power of the terminal is",
        ),
        (Terminal(grid_port=("p",), backup_power=("b",)), "backup has no effect: acme reads the power of the backup"),
    ],
)
def test_a_backup_key_counts_with_a_register_of_the_grid_port_alone(ports: Terminal, note: str) -> None:
    acme = replace(load("goodwe_et"), terminal=replace(ports, battery_power=(("battery_power",),)))
    roof = DeviceConfig("roof", "pv", "acme", acme, parse("tcp://10.0.0.1"), 1, backup=True)
    assert [text for text in hybrid_notes([roof]) if note in text]


CONNECTIONS = (
    METER,
    device("incomer-b", "grid", port=508),
    device("hall", "load", port=509, more='behind = "incomer-b"'),
    device("shed", "pv", "goodwe_dt", 510, 'behind = "hall"'),
    device("press", "load", port=511, more='behind = "incomer"'),
)
NETTING = '[grid]\nnetting = "connection"\n'


def test_each_connection_has_a_tree(tmp_path: Path) -> None:
    report = site_check.check_plan(WiredSite(tmp_path, *CONNECTIONS, grid=NETTING).config)
    assert report.wiring == [
        "incomer (grid)",
        "└── press (load)",
        "incomer-b (grid)",
        "└── hall (load)",
        "    └── shed (pv)",
    ]
    assert report.ok


def test_the_live_balance_is_that_of_each_connection(tmp_path: Path) -> None:
    """40 kW leave through B, which has 10 kW of PV: the import of the other connection must not cover it up."""
    site = WiredSite(tmp_path, *CONNECTIONS, grid=NETTING)
    powers = {"incomer": 100.0, "press": 60.0, "incomer-b": -40.0, "hall": -10.0, "shed": 10.0}
    for name, power in powers.items():
        site.shows(name, active_power_total=1e3 * power)
    devices = live(site)
    assert balance_findings(devices) == []
    (finding,) = balance_findings(devices, "connection")
    assert finding.text.startswith("behind incomer-b: the load would be -30.000 kW")
    assert finding.text.endswith("try invert = true for incomer-b")
    site.shows("incomer-b", active_power_total=20e3)
    site.shows("press", active_power_total=150e3)
    (finding,) = balance_findings(live(site), "connection")
    assert finding.text.startswith("behind incomer: the sub-meters count 150.000 kW of a load of 100.000 kW")
