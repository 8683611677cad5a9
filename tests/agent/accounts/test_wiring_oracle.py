"""Split and metering tree against the independent account of `tests/oracle`, written from the method alone."""

from __future__ import annotations

from fractions import Fraction
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.accounts.hybrid_split import limits_of, split_power
from wattgram.accounts.metering_tree import TreeDevice, own_uses

from tests.oracle import hybrid, wiring

WATTS = st.integers(-200_000, 200_000)  # tenths of a W
GROUPS = st.sampled_from(["", "industry", "building", "transport"])


@settings(max_examples=500, deadline=None)
@given(
    WATTS,
    st.one_of(st.none(), WATTS),
    WATTS,
    st.one_of(st.none(), st.integers(1000, 50_000)),
    st.one_of(st.none(), st.integers(1000, 50_000)),
)
def test_the_split_is_that_of_the_oracle(
    terminal: int, pv: int | None, battery: int, rated: int | None, battery_rated: int | None
) -> None:
    powers = [None if tenths is None else Fraction(tenths, 10) for tenths in (terminal, pv, battery)]
    registers = hybrid.Registers(bridge=powers[0], dc=powers[1], battery=powers[2])
    map_of = hybrid.Terminal(
        dc="" if pv is None else "pv",
        rated=None if rated is None else Fraction(rated),
        battery_rated=None if battery_rated is None else Fraction(battery_rated),
    )
    right = hybrid.shared(map_of, (registers,), powers[2])
    found = split_power(terminal / 10, nan if pv is None else pv / 10, battery / 10, limits_of(rated, battery_rated))
    assert found.contradictory == right.contradiction
    if right.pv is not None and right.discharge is not None and right.charge is not None:
        expected = [float(flow) for flow in (right.pv, right.discharge, right.charge)]
        assert list(found[:3]) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.booleans(), GROUPS, st.integers(0, 8), WATTS), min_size=1, max_size=9))
def test_own_uses_are_those_of_the_oracle(rows: list[tuple[bool, str, int, int]]) -> None:
    """Devices stand behind any earlier one, a sub-meter or not; random readings need not be possible."""
    tree: list[TreeDevice] = []
    devices: list[wiring.Device] = []
    flows: dict[str, Fraction] = {}
    for index, (metering, group, place, watts) in enumerate(rows):
        name, behind = f"d{index}", tree[place % len(tree)].name if tree and place else ""
        tree.append(TreeDevice(name, behind, metering=metering, source=not metering, group=group))
        devices.append(
            wiring.Device(name, "load" if metering else "pv", group=group if metering else "", behind=behind)
        )
        flows[name] = Fraction(watts, 10)
    site = wiring.Site(tuple(devices))
    for use in own_uses(tree):
        right = site.own_use(site.named[use.name], lambda device: flows[device.name], lambda node: flows[node])
        assert right is not None
        assert use.of({name: float(flow) for name, flow in flows.items()}) == pytest.approx(float(right), abs=1e-6)
