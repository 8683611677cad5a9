"""Late energy of sub-meters has the mix of the load of its quarter (METHOD-SITE 8.3, 9.3); numbers by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import nan

import pytest
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import CHONGQING, details, step, unpack

QUARTER = 900.0


def metered(*roles: str, groups: Sequence[str], busbars: Sequence[int] | None = None) -> Accounts:
    """Return accounts with counters, groups of sub-meters and one window."""
    return Accounts(roles, [0.0] * len(roles), columns=["energy"], windows=1, groups=groups, busbars=busbars)


def late(accounts: Accounts, *energies: float, seconds: float = 0.0, unknown: Sequence[int] = ()) -> None:
    """Book late energy, two numbers a channel; the channels `unknown` stay unknown."""
    channels = len(energies) // 2
    powers = [nan if index in unknown else 0.0 for index in range(channels)]
    accounts.late(struct.pack(f"{3 + 3 * channels}d", seconds, CHONGQING, nan, *powers, *energies))


def silent_quarter() -> Accounts:
    """Return accounts of 900 s with 24 kW of the grid. The PV is 0 for 300 s, then silent; the sub-meter is silent."""
    accounts = metered("grid", "pv", "load", groups=["", "", "industry"])
    step(accounts, 24e3, 0, nan, seconds=300, more=[2e3, 0.0, 0.0, nan, nan, nan])
    step(accounts, 24e3, nan, nan, seconds=0, more=[nan] * 6)
    step(accounts, 24e3, nan, nan, seconds=600, more=[4e3, 0.0, nan, nan, nan, nan])
    return accounts


def closes(accounts: Accounts) -> None:
    """Check that the groups and the rest are the load, in energy, carbon and own production."""
    window, found = unpack(accounts.window(0, QUARTER)), details(accounts)
    groups = ("industry", "power", "building", "transport", "rest")
    for kind, whole in (("energy", "load_energy"), ("emission", "emission")):
        assert sum(found[f"{group}_{kind}"] for group in groups) == pytest.approx(window[whole], rel=1e-9, abs=1e-9)


def test_late_energy_of_a_sub_meter_has_the_mix_of_a_load_that_is_known() -> None:
    # 30 kW of the grid and 30 of PV: 279.05 g/kWh. The meter of hall 3 is silent, and counted 10 kWh of the load's 15.
    accounts = metered("grid", "pv", "load", groups=["", "", "industry"])
    step(accounts, 30e3, 30e3, nan, seconds=QUARTER, more=[7.5e3, 0.0, 7.5e3, nan, nan, nan])
    late(accounts, 0.0, 0.0, 0.0, nan, 10e3, 0.0)
    found = details(accounts)
    assert (found["industry_energy"], found["rest_energy"]) == pytest.approx((10e3, 5e3))
    assert (found["industry_emission"], found["rest_emission"]) == pytest.approx(
        (10 * CHONGQING / 2, 5 * CHONGQING / 2)
    )
    assert (found["industry_own_energy"], found["rest_own_energy"]) == pytest.approx((5e3, 2.5e3))
    closes(accounts)


def test_late_energy_of_a_sub_meter_has_the_mix_of_the_quarter_and_not_of_the_day() -> None:
    # a quarter of the grid's energy alone, then one of PV's alone, in which the meter was silent
    accounts = metered("grid", "pv", "load", groups=["", "", "industry"])
    step(accounts, 20e3, 0, 20e3, seconds=QUARTER, more=[5e3, 0.0, 0.0, nan, 5e3, 0.0])
    accounts.abandon()
    step(accounts, 0, 20e3, nan, seconds=0, more=[nan] * 6)
    step(accounts, 0, 20e3, nan, seconds=QUARTER, more=[0.0, 0.0, 5e3, nan, nan, nan])
    late(accounts, 0.0, 0.0, 0.0, nan, 4e3, 0.0)
    found = details(accounts)
    assert found["industry_energy"] == pytest.approx(9e3)
    assert found["industry_emission"] == pytest.approx(5 * CHONGQING)
    assert found["industry_own_energy"] == pytest.approx(4e3)
    closes(accounts)


def test_late_energy_of_a_sub_meter_with_that_of_pv_has_the_mix_of_the_whole_quarter() -> None:
    # the PV had 24 kW in the 600 s: load 2 and 8 kWh
    accounts = silent_quarter()
    late(accounts, 0.0, 0.0, 4e3, nan, 5e3, 0.0, seconds=600)
    found = details(accounts)
    assert (found["industry_energy"], found["rest_energy"]) == pytest.approx((5e3, 5e3))
    assert found["industry_emission"] == pytest.approx(5 * CHONGQING * 6 / 10)
    assert found["industry_own_energy"] == pytest.approx(5e3 * 4 / 10)
    closes(accounts)


def test_use_that_was_read_while_pv_was_silent_has_the_mix_of_that_time() -> None:
    # the quarter above, but the meter is silent in the first 300 s alone: 1 kWh late; then 3 kWh of 8
    accounts = metered("grid", "pv", "load", groups=["", "", "industry"])
    step(accounts, 24e3, 0, nan, seconds=300, more=[2e3, 0.0, 0.0, nan, nan, nan])
    step(accounts, 24e3, nan, 18e3, seconds=0, more=[nan] * 6)
    step(accounts, 24e3, nan, 18e3, seconds=600, more=[4e3, 0.0, nan, nan, 3e3, 0.0])
    late(accounts, 0.0, 0.0, 4e3, nan, 1e3, 0.0, seconds=600)
    found = details(accounts)
    assert found["industry_energy"] == pytest.approx(4e3)
    assert found["industry_emission"] == pytest.approx((3 * 4 / 8 + 1 * 6 / 10) * CHONGQING)
    closes(accounts)


def test_late_energy_of_a_sub_meter_without_a_load_is_in_no_rest() -> None:
    # 300 s with a load of 2 kWh, 600 s without the PV, that stays unknown; the meter counted 6 kWh
    accounts = silent_quarter()
    late(accounts, 0.0, 0.0, 0.0, nan, 6e3, 0.0, seconds=600, unknown=[1])
    window, found = unpack(accounts.window(0, QUARTER)), details(accounts)
    assert (window["load_energy"], window["emission"]) == pytest.approx((2e3, 2 * CHONGQING))
    assert found["industry_energy"] == pytest.approx(6e3)
    assert found["rest_energy"] == pytest.approx(0, abs=1e-9)  # a third of the time: 2 of 6 kWh
    assert found["industry_emission"] == pytest.approx(2 * CHONGQING)
    assert found["rest_emission"] == pytest.approx(0, abs=1e-9)


def test_late_energy_of_a_sub_meter_in_a_balance_fault_is_in_no_rest() -> None:
    # export of 20 kW beside 10 of PV contradicts the balance: no load
    accounts = metered("grid", "pv", "load", groups=["", "", "industry"])
    step(accounts, -20e3, 10e3, nan, seconds=450, more=[0.0, 2500.0, 1250.0, nan, nan, nan])
    step(accounts, 40e3, 0, nan, seconds=450, more=[5e3, 0.0, 0.0, nan, nan, nan])
    late(accounts, 0.0, 0.0, 0.0, nan, 6e3, 0.0)
    found = details(accounts)
    assert (found["industry_energy"], found["rest_energy"]) == pytest.approx((6e3, 2e3))
    assert (found["industry_emission"], found["rest_emission"]) == pytest.approx((3 * CHONGQING, 2 * CHONGQING))


def test_late_energy_of_a_sub_meter_has_the_mix_of_its_own_busbar() -> None:
    # west has the grid alone, east PV alone; the meter stands on the east busbar; then the one on the west
    accounts = metered(
        "grid", "grid", "pv", "load", "load", groups=["", "", "", "industry", "building"], busbars=[0, 1, 1, 1, 0]
    )
    step(accounts, 40e3, 0, 40e3, nan, nan, seconds=QUARTER, more=[10e3, 0.0, 0.0, 0.0, 10e3, nan, *[nan] * 4])
    late(accounts, *[0.0] * 6, 8e3, 0.0, 6e3, 0.0)
    found = details(accounts)
    assert (found["industry_emission"], found["industry_own_energy"]) == pytest.approx((0, 8e3), abs=1e-9)
    assert (found["building_emission"], found["building_own_energy"]) == pytest.approx((6 * CHONGQING, 0), abs=1e-9)
    closes(accounts)


@pytest.mark.parametrize("told", [True, False])
def test_late_energy_of_a_sub_meter_waits_with_the_load_of_its_busbar(told: bool) -> None:
    """East has PV alone and a load that is known; the incomer of west is silent: the site has no load until told."""
    accounts = metered("grid", "grid", "pv", "load", groups=["", "", "", "industry"], busbars=[0, 1, 1, 1])
    step(accounts, nan, 0, 40e3, nan, seconds=QUARTER, more=[nan, nan, 0.0, 0.0, 10e3, nan, nan, nan])
    late(accounts, *([20e3] if told else [0.0]), *[0.0] * 5, 8e3, 0.0, seconds=QUARTER, unknown=[] if told else [0])
    window, found = unpack(accounts.window(0, QUARTER)), details(accounts)
    assert found["industry_energy"] == pytest.approx(8e3)
    if not told:
        assert window["unaccounted_energy"] == pytest.approx(10e3)
        return
    assert (found["industry_own_energy"], found["rest_own_energy"]) == pytest.approx((8e3, 2e3))
    assert (found["industry_emission"], found["rest_emission"]) == pytest.approx((0, 20 * CHONGQING), abs=1e-9)
    closes(accounts)


def test_the_mix_of_a_quarter_outlives_a_restart() -> None:
    accounts = metered("grid", "pv", "load", groups=["", "", "industry"])
    step(accounts, 30e3, 30e3, nan, seconds=QUARTER, more=[7.5e3, 0.0, 7.5e3, nan, nan, nan])
    again = metered("grid", "pv", "load", groups=["", "", "industry"])
    again.restore(accounts.state())
    late(again, 0.0, 0.0, 0.0, nan, 10e3, 0.0)
    assert details(again)["industry_emission"] == pytest.approx(10 * CHONGQING / 2)
