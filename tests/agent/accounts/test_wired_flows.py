"""The flows of a site as it is wired. Expected values: oracles of METHOD-SITE 8.2 to 8.4, and 9.2."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
from wattgram.accounts.wired_flows import WiredFlow, wired_flows

from tests.support.wired_sites import WiredSite, device

METER = device("incomer", "grid")
HUAWEI = (device("roof", "pv", "huawei_sun2000", 503), device("store", "battery", "huawei_luna2000", 503))


def flows_of(site: WiredSite) -> dict[str, WiredFlow]:
    """Return the nodes of a site by name."""
    flows = wired_flows(site.site.instants.wiring, site.sources, site.clock.monotonic())
    assert len({flow.name for flow in flows}) == len(flows)
    return {flow.name: flow for flow in flows}


def noon(site: WiredSite) -> None:
    """Set the oracle "noon, charging" of METHOD-SITE 8.2: T 4.8, P 8.0, B -3.0 kW."""
    site.shows("incomer", active_power_total=2000.0)
    values = {"active_power_total": 4800.0, "dc_power": 8000.0, "dc_power_1": 8000.0, "battery_power": -3000.0}
    values |= dict.fromkeys(("dc_power_2", "dc_power_3", "dc_power_4"), 0.0)
    for name in site.images.keys() - {"incomer"}:
        site.shows(name, **{key: value for key, value in values.items() if key in site.images[name].registers})


def test_a_hybrid_is_a_node_between_strings_battery_and_busbar(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, METER, *HUAWEI)
    noon(site)
    site.run(3)
    flows = flows_of(site)
    assert [(flow.name, flow.role, flow.behind, flow.power) for flow in flows.values()] == [
        ("incomer", "grid", "", 2000.0),
        ("roof", "hybrid", "", 4800.0),
        ("roof pv", "pv", "roof", 8000.0),
        ("store", "battery", "roof", -3000.0),
    ]
    assert {flow.basis for flow in flows.values()} == {"measured"}
    assert {flow.reason for flow in flows.values()} == {""}


def test_an_unknown_battery_leaves_the_terminal_known(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, METER, device("roof", "pv", "huawei_sun2000", 503))
    noon(site)
    site.run(3)
    assert flows_of(site)["roof battery"].power == -3000.0
    site.shows("roof", battery_power=nan)
    site.run(3)
    flows = flows_of(site)
    battery = flows["roof battery"]
    assert flows["roof"].power == 4800.0
    assert flows["roof pv"].power == 8000.0
    assert (str(battery.power), battery.basis, battery.reason) == ("nan", "unknown", "no power")


def test_contradicting_registers_leave_the_terminal_alone(tmp_path: Path) -> None:
    # METHOD-SITE 8.2: the split is unknown, and 9.1: a hybrid is known when T is known.
    site = WiredSite(tmp_path, METER, *HUAWEI)
    noon(site)
    site.shows("roof", active_power_total=-3000.0, dc_power=0.0)
    site.shows("store", battery_power=0.0)
    site.run(3)
    flows = flows_of(site)
    assert (flows["roof"].power, flows["roof"].basis, flows["roof"].reason) == (-3000.0, "measured", "contradiction")
    for name in ("roof pv", "store"):
        part = flows[name]
        assert (str(part.power), part.basis, part.reason) == ("nan", "unknown", "contradiction")


def test_grid_port_and_backup_port_are_beside_the_terminal(tmp_path: Path) -> None:
    # "PV feeds the backup port": grid port 2.8, backup 2.0, T 4.8 kW
    site = WiredSite(tmp_path, METER, device("roof", "pv", "solis_hybrid_33xxx", 503))
    noon(site)
    site.shows("roof", grid_port_power=2800.0, backup_power=2000.0)
    site.run(3)
    roof = flows_of(site)["roof"]
    assert (roof.power, roof.grid_port, roof.backup) == (4800.0, 2800.0, 2000.0)


def test_inverters_that_share_a_battery_are_one_node(tmp_path: Path) -> None:
    store = device("store", "battery", "huawei_luna2000", 503, 'behind = ["roof", "shed"]')
    site = WiredSite(tmp_path, METER, HUAWEI[0], device("shed", "pv", "huawei_sun2000", 504), store)
    noon(site)
    site.run(3)
    flows = flows_of(site)
    assert flows["roof"].power == 9600.0
    assert flows["roof"].devices == ("roof", "shed")
    assert [flow.name for flow in flows.values() if flow.behind == "roof"] == ["roof pv", "shed pv", "store"]


def test_inverters_of_a_shared_battery_behind_different_meters_stay_in_their_places(tmp_path: Path) -> None:
    store = device("store", "battery", "huawei_luna2000", 503, 'behind = ["roof", "shed"]')
    shed = device("shed", "pv", "huawei_sun2000", 504, 'behind = "hall"')
    site = WiredSite(tmp_path, METER, device("hall", "load", port=505), HUAWEI[0], shed, store)
    noon(site)
    site.run(3)
    flows = flows_of(site)
    assert [(name, flow.behind, flow.power) for name, flow in flows.items() if flow.role == "hybrid"] == [
        ("roof", "", 4800.0),
        ("shed", "hall", 4800.0),
    ]
    assert (flows["shed pv"].behind, flows["store"].behind) == ("shed", "roof")


def test_a_battery_device_with_a_terminal_has_strings_and_cells_behind_it(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, METER, device("roof", "battery", "goodwe_et", 503))
    noon(site)
    site.shows("roof", inverter_power_total=4800.0)
    site.run(3)
    flows = flows_of(site)
    assert {name: (flow.role, flow.power) for name, flow in flows.items()} == {
        "incomer": ("grid", 2000.0),
        "roof": ("hybrid", 4800.0),
        "roof pv": ("pv", 8000.0),
        "roof battery": ("battery", -3000.0),
    }


def test_before_the_first_reading_every_flow_is_unknown(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, METER, *HUAWEI)
    assert {name: flow.reason for name, flow in flows_of(site).items()} == dict.fromkeys(
        ("incomer", "roof", "roof pv", "store"), "no reading"
    )


def test_production_stands_behind_its_sub_meter(tmp_path: Path) -> None:
    # METHOD-SITE 8.3 (a): hall 30 kW; PV 20, furnace 12, office 5 behind it.
    behind = 'behind = "hall"'
    site = WiredSite(
        tmp_path,
        METER,
        device("hall", "load", more='group = "industry"'),
        device("roof", "pv", "sungrow_sg_string", 504, behind),
        device("furnace", "load", more=f'group = "industry"\n{behind}'),
        device("office", "load", more=f'group = "building"\n{behind}'),
    )
    powers = {"incomer": 30e3, "hall": 30e3, "roof": 20e3, "furnace": 12e3, "office": 5e3}
    for name, power in powers.items():
        site.shows(name, active_power_total=power)
    site.run(3)
    flows = flows_of(site)
    assert {name: flow.power for name, flow in flows.items()} == pytest.approx(powers)
    assert {name: flow.behind for name, flow in flows.items() if flow.behind} == dict.fromkeys(
        ("roof", "furnace", "office"), "hall"
    )


def test_each_incomer_is_a_source_of_its_own(tmp_path: Path) -> None:
    # METHOD-SITE 8.4: +100 kW and -40 kW
    site = WiredSite(tmp_path, METER, device("second", "grid", port=503))
    site.shows("incomer", active_power_total=100e3)
    site.shows("second", active_power_total=-40e3)
    site.run(3)
    assert [flow.power for flow in flows_of(site).values()] == [100e3, -40e3]


def test_a_silent_pv_meter_is_unknown_with_its_reason(tmp_path: Path) -> None:
    site = WiredSite(tmp_path, METER, device("roof", "pv", port=503))
    site.shows("incomer", active_power_total=1000.0)
    site.shows("roof", active_power_total=500.0)
    site.run(3)
    site.run(6, silent=["roof"])
    roof = flows_of(site)["roof"]
    assert (str(roof.power), roof.basis, roof.reason) == ("nan", "unknown", "no reading")


def test_an_inverter_sleeps_at_night(tmp_path: Path) -> None:
    # 17 h UTC on 1 June is 1 h after midnight in Chongqing.
    place = "latitude = 29.6\nlongitude = 106.5\n"
    start = 1780333200 * 10**9
    site = WiredSite(
        tmp_path, METER, device("roof", "pv", "sungrow_sg_string", 503, 'night = "silent"'), keys=place, start=start
    )
    site.shows("incomer", active_power_total=1000.0)
    site.shows("roof", active_power_total=0.0)
    site.run(2)
    site.run(6, silent=["roof"])
    roof = flows_of(site)["roof"]
    assert (roof.power, roof.basis, roof.reason) == (0.0, "asleep", "")


def test_the_flows_are_means_like_those_of_the_balance(tmp_path: Path) -> None:
    # A ramp of 1 kW in a tick: its mean is 0.5 kW below its end.
    site = WiredSite(tmp_path, METER, device("roof", "pv", port=503))
    for power in (1000.0, 2000.0, 3000.0, 4000.0):
        site.shows("incomer", active_power_total=power)
        site.shows("roof", active_power_total=2.0 * power)
        site.run()
    flows = flows_of(site)
    assert flows["incomer"].power == site.number("grid_import_power") == 3500.0
    assert flows["roof"].power == site.number("pv_power") == 7000.0
