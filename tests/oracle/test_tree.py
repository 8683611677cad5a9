"""The metering tree and several incomers: METHOD-SITE 8.1, 8.3, 8.4."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.oracle.hybrid import Terminal
from tests.oracle.wiring import Cell, Device, NotWired, Site, through

HALL = Device("hall", "load", "industry")
READS = {"hall": Fraction(30), "furnace": Fraction(12)}


def uses(devices: list[Device], readings: dict[str, int], nets: dict[str, int]) -> dict[str, Fraction]:
    """Return each group's use."""
    site = Site((Device("incomer", "grid"), *devices))
    found: dict[str, Fraction] = {}
    for meter in devices:
        if meter.role in ("load", "ev"):
            use = site.own_use(meter, lambda device: Fraction(readings[device.name]), lambda name: Fraction(nets[name]))
            assert use is not None
            found[meter.group] = found.get(meter.group, Fraction(0)) + use
    return found


@pytest.mark.parametrize(
    ("pv_behind", "office_behind", "expected"),
    [
        ("hall", "hall", {"industry": 45, "building": 5}),  # (a)
        ("office", "hall", {"industry": 25, "building": 25}),  # (b)
        ("furnace", "hall", {"industry": 45, "building": 5}),  # (c)
        ("", "furnace", {"industry": 25, "building": 5}),  # (d)
    ],
)
def test_a_groups_use_is_that_of_the_page(pv_behind: str, office_behind: str, expected: dict[str, int]) -> None:
    devices = [
        HALL,
        Device("furnace", "load", "industry", "hall"),
        Device("office", "load", "building", office_behind),
        Device("roof", "pv", behind=pv_behind),
    ]
    assert uses(devices, {"hall": 30, "furnace": 12, "office": 5}, {"roof": 20}) == expected


def test_a_group_inside_another_inside_the_first_is_counted_once() -> None:
    """Hall (industry) 30 holds office (building) 12 with a workshop (industry) 4: industry 18 + 4, building 8."""
    devices = [HALL, Device("office", "load", "building", "hall"), Device("shop", "load", "industry", "office")]
    assert uses(devices, {"hall": 30, "office": 12, "shop": 4}, {}) == {"industry": 22, "building": 8}


def test_a_charger_behind_a_hall_is_a_sub_meter_of_its_own_group() -> None:
    devices = [HALL, Device("charger", "ev", "transport", "hall")]
    assert uses(devices, {"hall": 30, "charger": 11}, {}) == {"industry": 19, "transport": 11}


def test_a_battery_and_a_genset_behind_a_meter_count_with_their_signs() -> None:
    """Reading 30, battery charging 10, genset 25: 30 - 10 + 25 = 45."""
    devices = [HALL, Device("cells", "battery", behind="hall"), Device("diesel", "genset", behind="hall")]
    assert uses(devices, {"hall": 30}, {"cells": -10, "diesel": 25}) == {"industry": 45}


def test_a_hybrids_battery_is_part_of_the_hybrids_node() -> None:
    hybrid = Device("roof", "pv", behind="hall", terminal=Terminal())
    cells = Device("cells", "battery", behind="roof", cell=Cell())
    site = Site((Device("incomer", "grid"), HALL, hybrid, cells))
    assert [site.is_node(device) for device in (hybrid, cells)] == [True, False]
    assert site.battery_of("roof") is cells
    assert uses([HALL, hybrid, cells], {"hall": 30}, {"roof": 5}) == {"industry": 35}


def test_an_unknown_flow_behind_a_meter_leaves_its_group_unknown() -> None:
    site = Site((Device("incomer", "grid"), HALL, Device("roof", "pv", behind="hall")))
    assert site.own_use(HALL, lambda _: Fraction(30), lambda _: None) is None


@pytest.mark.parametrize(
    ("devices", "netting", "message"),
    [
        ((Device("a", "load", behind="b"), Device("b", "load", behind="a")), "busbar", "a > b > a"),
        ((Device("a", "load", behind="a"),), "busbar", "a > a"),
        ((Device("a", "load", behind="attic"),), "busbar", "'attic', which is no device"),
        ((Device("a", "lamp"),), "busbar", "role 'lamp'; allowed"),
        ((Device("a", "load"), Device("a", "load")), "busbar", "same name"),
        ((HALL, Device("a", "pv", node="n"), Device("b", "pv", behind="hall", node="n")), "busbar", "one place"),
        ((Device("in", "grid"), Device("roof", "pv")), "connection", "roof: behind names no incomer"),
    ],
)
def test_a_wrong_wiring_is_refused_with_its_place(devices: tuple[Device, ...], netting: str, message: str) -> None:
    with pytest.raises(NotWired, match=message):
        Site(devices, netting)


def test_a_device_names_its_incomer_through_what_it_is_behind() -> None:
    devices = (
        Device("north", "grid"),
        Device("south", "grid"),
        Device("hall", "load", "industry", "south"),
        Device("roof", "pv", behind="hall"),
    )
    site = Site(devices, "connection")
    assert site.busbars() == ["north", "south"]
    assert [site.busbar(device) for device in devices] == ["north", "south", "south", "south"]


def test_walking_the_wires_forwards_gives_the_readings_of_the_page() -> None:
    """Oracle (a) backwards: hall and furnace use 45, the office 5, PV gives 20, so the hall reads 30."""
    site = Site(
        (
            Device("incomer", "grid"),
            HALL,
            Device("furnace", "load", "industry", "hall"),
            Device("office", "load", "building", "hall"),
            Device("roof", "pv", behind="hall"),
        )
    )
    used = {"hall": 33, "furnace": 12, "office": 5, "incomer": 7}
    readings = through(site, lambda device: Fraction(used[device.name]), lambda _: Fraction(20))
    assert readings == {"hall": 30, "furnace": 12, "office": 5, "incomer": 37}
