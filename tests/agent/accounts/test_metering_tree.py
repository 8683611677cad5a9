"""Sub-meters as a tree and the netting of incomers. Expected values: oracles of METHOD-SITE 8.3 and 8.4, and truth
that was built first."""

from __future__ import annotations

from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.accounts.hybrid_split import HybridLimits, split_power
from wattgram.accounts.metering_tree import TreeDevice, group_uses, imported_and_exported, own_uses


def meter(name: str, group: str, behind: str = "") -> TreeDevice:
    return TreeDevice(name, behind, metering=True, group=group)


def source(name: str, behind: str = "") -> TreeDevice:
    return TreeDevice(name, behind, source=True)


HALL = meter("hall", "industry")

# kW, METHOD-SITE 8.3: devices, readings, use by group.
ORACLES = {
    "a": (
        [HALL, source("pv", "hall"), meter("furnace", "industry", "hall"), meter("office", "building", "hall")],
        {"hall": 30.0, "pv": 20.0, "furnace": 12.0, "office": 5.0},
        {"industry": 45.0, "building": 5.0},
    ),
    "b": (
        [HALL, source("pv", "office"), meter("furnace", "industry", "hall"), meter("office", "building", "hall")],
        {"hall": 30.0, "pv": 20.0, "furnace": 12.0, "office": 5.0},
        {"industry": 25.0, "building": 25.0},
    ),
    "c": (
        [HALL, source("pv", "furnace"), meter("furnace", "industry", "hall"), meter("office", "building", "hall")],
        {"hall": 30.0, "pv": 20.0, "furnace": 12.0, "office": 5.0},
        {"industry": 45.0, "building": 5.0},
    ),
    "d": (
        [HALL, source("pv"), meter("furnace", "industry", "hall"), meter("office", "building", "furnace")],
        {"hall": 30.0, "pv": 20.0, "furnace": 12.0, "office": 5.0},
        {"industry": 25.0, "building": 5.0},
    ),
}


@pytest.mark.parametrize("case", ORACLES)
def test_groups_have_the_uses_of_the_method(case: str) -> None:
    devices, flows, expected = ORACLES[case]
    assert group_uses(devices, flows) == expected
    assert group_uses(devices[::-1], flows) == expected  # the order of the configuration does not matter


def test_a_battery_behind_a_sub_meter_adds_its_discharge_and_subtracts_its_charge() -> None:
    devices = [HALL, source("battery", "hall")]
    assert group_uses(devices, {"hall": 30.0, "battery": 5.0}) == {"industry": 35.0}
    assert group_uses(devices, {"hall": 30.0, "battery": -5.0}) == {"industry": 25.0}


def test_an_unknown_flow_leaves_only_the_uses_that_need_it_unknown() -> None:
    devices, flows, _ = ORACLES["b"]
    uses = group_uses(devices, flows | {"pv": nan})
    assert uses["industry"] == 25.0
    assert isnan(uses["building"])


def test_a_sub_meter_alone_is_its_reading() -> None:
    (use,) = own_uses([HALL])
    assert use.plain
    assert use.of({"hall": 30.0}) == 30.0


def test_incomers_are_netted_on_one_busbar_or_each_by_itself() -> None:
    assert imported_and_exported([100.0, -40.0], "busbar") == (60.0, 0.0)
    assert imported_and_exported([100.0, -40.0], "connection") == (100.0, 40.0)
    assert all(isnan(power) for power in imported_and_exported([100.0, nan], "busbar"))
    assert all(isnan(power) for power in imported_and_exported([100.0, nan], "connection"))


GROUPS = st.sampled_from(["", "industry", "power", "building", "transport"])
KW = st.floats(0.0, 500.0)


@st.composite
def plants(draw: st.DrawFn) -> tuple[list[TreeDevice], dict[str, float], dict[str, float], float, float]:
    """A random tree: devices, readings, true use by group, true load of the site, and import less export, kW.

    Each meter has a load of its own; a hybrid's flows are random registers, shared out by the split.
    """
    devices: list[TreeDevice] = []
    own: dict[str, float] = {}  # net use directly behind a device: own load less the sources there
    truth: dict[str, float] = {}
    flows: dict[str, float] = {}
    unmetered = draw(KW)
    for index in range(draw(st.integers(1, 9))):
        places = ["", *(device.name for device in devices if device.metering)]
        behind, kind = draw(st.sampled_from(places)), draw(st.sampled_from(["meter", "source", "hybrid"]))
        name = f"{kind}-{index}"
        if kind == "meter":
            device, load = meter(name, draw(GROUPS), behind), draw(KW)
            truth[device.group] = truth.get(device.group, 0.0) + load
            own[name] = load
        else:
            device = source(name, behind)
            flow = draw(st.floats(-500.0, 500.0))
            if kind == "hybrid":
                split = split_power(flow, draw(KW), draw(st.floats(-500.0, -50.0)), HybridLimits())
                flow = split.pv + split.discharge - split.charge
            flows[name] = flow
            own[name] = -flow
        devices.append(device)
    readings = dict(own)
    for device in reversed(devices):  # later devices stand behind earlier ones
        if device.behind:
            readings[device.behind] += readings[device.name]
    boundary = unmetered + sum(readings[device.name] for device in devices if not device.behind)
    flows |= {device.name: readings[device.name] for device in devices if device.metering}
    return devices, flows, truth, unmetered + sum(truth.values()), boundary


@settings(max_examples=500, deadline=None)
@given(plants())
def test_the_groups_sum_up_to_the_truth_of_any_tree(
    plant: tuple[list[TreeDevice], dict[str, float], dict[str, float], float, float],
) -> None:
    devices, flows, truth, load, boundary = plant
    largest = 1.0 + sum(abs(flow) for flow in flows.values())
    uses = group_uses(devices, flows)
    assert uses == pytest.approx(truth, abs=1e-9 * largest)
    assert all(use >= -1e-9 * largest for use in uses.values())
    # Site totals do not depend on the tree: load = import - export + the sources' flows.
    sources = sum(flows[device.name] for device in devices if device.source)
    assert boundary + sources == pytest.approx(load, abs=1e-9 * largest)
    assert sum(uses.values()) <= load + 1e-9 * largest
