"""Accounts of a battery's stock and efficiency (METHOD 4.6, METHOD-SITE 9.6); numbers by hand."""

from __future__ import annotations

import struct
from math import nan

import pytest
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import HOUR, battery, step, unpack


def test_the_first_state_of_charge_opens_the_stock_at_the_grids_intensity() -> None:
    accounts = battery()
    step(accounts, 1e3, 0.0, seconds=0, more=[0.4])
    assert accounts.stock() == pytest.approx((4e3, 4 * 558.1))  # K0 = S0 EF
    assert accounts.ledger() == pytest.approx((0, 0, 0, 0, 4 * 558.1, 0))
    step(accounts, 1e3, 0.0, seconds=0, more=[0.5])
    assert accounts.stock() == pytest.approx((4e3, 4 * 558.1))  # opened once


def test_a_later_state_of_charge_draws_the_energy_slowly_and_leaves_the_carbon() -> None:
    accounts = battery(soc_time=HOUR)
    step(accounts, 1e3, 0.0, seconds=0, more=[0.8])
    step(accounts, 1e3, 0.0, more=[0.4])
    # 4000 + 4000 / e = 5471.518 Wh
    assert accounts.stock() == pytest.approx((5471.518, 8 * 558.1), abs=0.001)
    step(accounts, 1e3, 0.0, more=[nan])
    assert accounts.stock() == pytest.approx((5471.518, 8 * 558.1), abs=0.001)


def test_the_carbon_of_a_stock_that_is_cut_to_almost_nothing_is_lost_and_booked() -> None:
    accounts = battery(soc_time=60.0)
    step(accounts, 1e3, 0.0, seconds=0, more=[0.5])
    step(accounts, 1e3, 0.0, more=[0.0])  # 5000 Wh / e^60
    assert accounts.stock() == (0, 0)
    inflow, to_load, to_export, lost, opening, _ = accounts.ledger()
    assert lost == pytest.approx(5 * 558.1)
    assert inflow + opening == pytest.approx(to_load + to_export + lost, rel=1e-9)


def test_self_discharge_concentrates_carbon_until_it_is_an_alarm() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], self_discharge=0.4)
    step(accounts, 10e3, -10e3)  # 9500 Wh with 5581 g; 60 % of it is there an hour later
    assert accounts.stock() == pytest.approx((5700, 5581))
    assert not accounts.concentrated()  # 979 g/kWh, below twice 558.1
    step(accounts, 1e3, 0.0, seconds=0)
    step(accounts, 1e3, 0.0)
    assert accounts.stock() == pytest.approx((3420, 5581))
    assert accounts.concentrated()  # 1632 g/kWh


def test_several_batteries_share_a_pool() -> None:
    # a battery charges from the other: no net flow at the site's bus
    accounts = Accounts(["grid", "battery", "battery"], [0] * 3)
    row = step(accounts, 1e3, 5e3, -5e3)
    assert (row["battery_discharge_power"], row["battery_charge_power"]) == (0, 0)
    assert accounts.stock() == (0, 0)


# METHOD 4.7: fuel


# a battery without a state of charge (METHOD-SITE 9.6)


def cycles(accounts: Accounts, count: int, charged: float, discharged: float) -> list[dict[str, float]]:
    """Charge from the grid for an hour, then discharge for an hour, kWh; return the rows of the discharges."""
    rows = []
    for _ in range(count):
        step(accounts, charged * 1e3, -charged * 1e3, seconds=0)
        step(accounts, charged * 1e3, -charged * 1e3)
        step(accounts, 0.0, discharged * 1e3, seconds=0)
        rows.append(step(accounts, 0.0, discharged * 1e3))
    return rows


def test_thirty_cycles_of_85_percent_return_the_stock_to_0() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], windows=1, learning=True)
    rows = cycles(accounts, 30, 100.0, 85.0)
    assert [row["battery_intensity"] for row in rows] == pytest.approx([656.6] * 30, abs=0.05)  # 558.1 / 0.85
    assert accounts.stock() == pytest.approx((0, 0), abs=1e-6)
    closes(accounts)


def test_another_round_trip_is_used_from_the_eleventh_cycle() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], windows=1, learning=True)
    rows = cycles(accounts, 30, 100.0, 92.0)
    intensities = [row["battery_intensity"] for row in rows]
    assert intensities[:10] == pytest.approx([656.6] * 10, abs=0.05)
    assert intensities[10:] == pytest.approx([606.6] * 20, abs=0.05)  # 558.1 / 0.92
    assert accounts.stock()[0] < 1000
    assert accounts.round_trip() == pytest.approx((0.92, 0.92))
    # 92 kWh at 656.6 g/kWh from a stock that has the 55.81 kg of 100 kWh: more than was known is a negative loss
    assert rows[0]["battery_loss_emission"] == pytest.approx(55_810 - 92 * 558.1 / 0.85)
    closes(accounts)


def closes(accounts: Accounts) -> None:
    """What came into the store, less what came out, is the stock and the loss, in energy and in carbon."""
    window = unpack(accounts.window(0, 60 * HOUR))
    stock = accounts.stock()
    for kind, held in zip(("energy", "emission"), stock, strict=True):
        moved = window[f"battery_charge_{kind}"] - window[f"battery_discharge_{kind}"]
        assert moved - window[f"battery_loss_{kind}"] == pytest.approx(held, rel=1e-9, abs=1e-6)


def test_a_known_capacity_is_learned_after_ten_of_it() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], capacity=50e3, learning=True)
    cycles(accounts, 5, 100.0, 92.0)
    assert accounts.round_trip()[0] == pytest.approx(0.85)  # 500 kWh are ten times 50 kWh, and no more
    cycles(accounts, 1, 100.0, 92.0)
    assert accounts.round_trip() == pytest.approx((0.92, 0.92))


def test_configured_efficiencies_and_a_state_of_charge_win() -> None:
    configured = Accounts(["grid", "battery"], [0, 0])
    cycles(configured, 12, 100.0, 80.0)
    used, learned = configured.round_trip()
    assert (used, learned) == pytest.approx((0.9025, 0.8))
    reported = Accounts(["grid", "battery"], [0, 0], capacity=1e6, columns=["soc"], learning=True)
    step(reported, 0.0, 0.0, more=[0.5])
    assert reported.round_trip()[0] == pytest.approx(0.9025)


def test_what_was_discharged_before_the_first_charge_is_not_learned() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], learning=True)
    step(accounts, 0.0, 50e3, seconds=0)
    row = step(accounts, 0.0, 50e3)
    assert row["battery_intensity"] == pytest.approx(558.1 / 0.85**0.5)  # METHOD 4.6: K0 = S0 EF_off, inside the store
    cycles(accounts, 12, 100.0, 90.0)
    assert accounts.round_trip() == pytest.approx((0.9, 0.9))


def test_more_discharged_than_charged_is_no_efficiency() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], learning=True)
    cycles(accounts, 12, 100.0, 110.0)
    assert accounts.round_trip() == pytest.approx((0.85, nan), nan_ok=True)


def test_an_intensity_outside_the_range_of_the_charge_is_noticed() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], capacity=100e3, columns=["soc"], soc_time=1.0)
    step(accounts, 50e3, -50e3, seconds=0, more=[nan])
    step(accounts, 50e3, -50e3, more=[nan])
    assert not accounts.out_of_range()
    step(accounts, 0.0, 0.0, more=[0.475])
    step(accounts, 0.0, 0.0, more=[0.2])  # the energy shrinks to 20 kWh, its carbon does not
    assert accounts.out_of_range()
    step(accounts, 0.0, 0.0, more=[0.9])  # and grows to 90 kWh: less than any charge carried
    assert accounts.out_of_range()
    step(accounts, 0.0, 0.0, more=[0.475])
    assert not accounts.out_of_range()


OFFICIAL = 558.1


@pytest.mark.parametrize("learning", [True, False])
def test_a_first_discharge_has_the_official_factor_and_not_the_present_grid(learning: bool) -> None:
    """METHOD 4.6: K0 = S0 EF_off. With the grid at 900 g/kWh, 10 kWh carry 5581 g over the efficiency."""
    accounts = Accounts(["grid", "battery"], [0, 0], official_factor=OFFICIAL, windows=1, learning=learning)
    step(accounts, 0.0, 10e3, seconds=0, grid=900.0)
    row = step(accounts, 0.0, 10e3, grid=900.0)
    inside = 5581 / (0.85**0.5 if learning else 0.95)
    assert (row["battery_discharge_emission"], row["emission"]) == pytest.approx((inside, inside))
    assert row["battery_loss_emission"] == pytest.approx(-inside)
    assert accounts.ledger()[4] == pytest.approx(inside)  # the opening stock
    # after a charge at 900, the last intensity of the stock holds, whatever the grid is (METHOD-SITE 9.6)
    step(accounts, 10e3, -10e3, seconds=0, grid=900.0)
    step(accounts, 10e3, -10e3, grid=900.0)
    step(accounts, 0.0, 10e3, seconds=0, grid=100.0)
    row = step(accounts, 0.0, 10e3, grid=100.0)
    trip = 0.85 if learning else 0.95**2
    assert row["battery_intensity"] == pytest.approx(900 / trip)


def test_the_stock_of_the_first_state_of_charge_has_the_official_factor() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], official_factor=OFFICIAL, columns=["soc"], capacity=10e3)
    step(accounts, 0.0, 0.0, grid=900.0, more=[0.5])
    assert accounts.stock() == pytest.approx((5e3, 5 * OFFICIAL))
    assert not accounts.out_of_range()


def test_late_energy_of_a_first_discharge_has_the_official_factor() -> None:
    accounts = Accounts(["grid", "battery"], [0, 0], official_factor=OFFICIAL, columns=["energy"], windows=1)
    step(accounts, 0.0, nan, seconds=900, grid=900.0, more=[0.0, 0.0, nan, nan])
    accounts.late(struct.pack("9d", 900.0, 900.0, nan, 0.0, 0.0, 0.0, 0.0, 9.5e3, 0.0))
    window = unpack(accounts.window(0, 900.0))
    assert window["emission"] == pytest.approx(10 * OFFICIAL)


def test_a_charge_without_carbon_is_in_the_range_of_the_charge() -> None:
    """10 kWh of PV at 0 g, then 10 of the grid: half the grid's intensity lies between; so does an opening stock."""
    accounts = Accounts(["grid", "pv", "battery"], [0, 0, 0])
    for imported, produced in ((0.0, 10e3), (10e3, 0.0)):
        step(accounts, imported, produced, -10e3, seconds=0)
        step(accounts, imported, produced, -10e3)
        assert not accounts.out_of_range()
    opened = Accounts(["grid", "pv", "battery"], [0, 0, 0], columns=["soc"], capacity=10e3)
    step(opened, 0.0, 1e3, -1e3, more=[0.5])
    step(opened, 0.0, 1e3, -1e3, more=[0.6])
    assert not opened.out_of_range()
