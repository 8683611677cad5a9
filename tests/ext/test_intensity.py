"""Accounts: METHOD's worked examples and rules, with the numbers of its tables or of a hand calculation."""

from __future__ import annotations

import struct
from math import inf, isnan, nan
from typing import Any

import pytest
from wattgram_ext.intensity import COLUMNS, FACTOR_COLUMN, GROUPS, OUTPUTS, ROLES, Accounts

from tests.support.account_rows import HOUR, counting, details, site, step, unpack
from tests.support.approximate import near


def test_roles_and_outputs_are_the_contracts() -> None:
    assert " ".join(ROLES) == "grid pv wind hydro genset chp battery load ev"
    assert len(OUTPUTS) == len(set(OUTPUTS)) == 42
    assert " ".join(GROUPS) == "industry power building transport"
    assert " ".join(COLUMNS) == "energy carbon soc certificates captured official burnt biogenic heat ends residual"


# METHOD 4.11, worked examples


def test_example_1_import_and_direct_pv() -> None:
    row = step(site("grid", "pv"), 100e3, 50e3)
    assert row["load_power"] == 150e3
    assert row["emission_intensity"] == pytest.approx(372.07, abs=0.005)
    assert row["emission_rate"] == pytest.approx(55.81e3)


def test_example_2_import_and_lifecycle_pv() -> None:
    row = step(site("grid", "pv", factor=45), 100e3, 50e3)
    assert row["emission_intensity"] == pytest.approx(387.07, abs=0.005)


def test_example_3_charging_carries_the_mix() -> None:
    accounts = site("grid", "pv", "battery")
    row = step(accounts, 60e3, 40e3, -20e3)
    assert row["load_power"] == 80e3
    assert row["emission_intensity"] == pytest.approx(334.86)
    assert row["emission_rate"] == pytest.approx(26.789e3, abs=0.5)
    assert accounts.stock()[1] == pytest.approx(6.697e3, abs=0.5)


def test_example_4_a_battery_concentrates_carbon_by_its_losses() -> None:
    accounts = site("grid", "battery")
    step(accounts, 10e3, -10e3)
    assert accounts.stock() == pytest.approx((9500, 5581))
    step(accounts, 0.0, 5e3, seconds=0)  # both ends of the hour, so its mean is 5 kW
    row = step(accounts, 0.0, 5e3)
    assert accounts.stock() == pytest.approx((4236.8, 2489.03), abs=0.05)
    assert row["battery_intensity"] == pytest.approx(618.39, abs=0.005)
    assert row["emission_intensity"] == pytest.approx(618.39, abs=0.005)


def test_example_5_pv_beyond_the_load_is_exported() -> None:
    row = step(site("grid", "pv"), -120e3, 200e3)
    assert row["grid_export_power"] == 120e3
    assert row["load_power"] == 80e3
    assert row["emission_intensity"] == 0
    assert row["self_consumption"] == pytest.approx(0.4)
    assert row["self_sufficiency"] == 1


def test_example_6_surplus_of_one_hour_gives_no_credit_in_another() -> None:
    accounts = site("grid", "pv", windows=1)
    for grid, pv in ((10.0, 0.0), (-5.0, 15.0), (5.0, 5.0)):
        step(accounts, grid, pv, seconds=0, clean=0.342)
        step(accounts, grid, pv, clean=0.342)
    assert unpack(accounts.window(0, 3 * HOUR))["clean_share"] == pytest.approx(0.671, abs=0.0005)


def test_example_7_a_hundred_megawatt_hours_from_chongqings_grid() -> None:
    row = step(site("grid"), 100e6)
    tce = row["grid_import_energy"] / 1000 * 0.1229 / 1000  # kgce/kWh, GB/T 2589-2020
    assert row["emission"] / 1e6 == pytest.approx(55.81)
    assert tce == pytest.approx(12.29)
    assert row["emission"] / 1e6 / tce == pytest.approx(4.541, abs=0.0005)


def test_example_8_pounds_per_megawatt_hour() -> None:
    row = step(site("grid"), 1e3, grid=870 * 0.45359237)
    assert row["emission_intensity"] == pytest.approx(394.63, abs=0.005)


# METHOD 4.1, 4.4: balance and sharing


def test_local_first_gives_pv_to_the_load_before_the_battery() -> None:
    # 100 import, 60 PV, load 100, charge 60; local first: PV and 40 import to the load, import to the battery
    local, proportional = site("grid", "pv", "battery", method="local-first"), site("grid", "pv", "battery")
    assert step(local, 100e3, 60e3, -60e3)["emission_rate"] == pytest.approx(40 * 558.1)
    assert local.stock()[1] == pytest.approx(60 * 558.1)
    assert step(proportional, 100e3, 60e3, -60e3)["emission_rate"] == pytest.approx(100 * 100 / 160 * 558.1)


def test_local_first_never_charges_import_while_pv_is_exported() -> None:
    # genset 50 at 800, PV 100, export 70, charge 20, load 60: PV gives 60, 20 and 20; the genset is exported
    accounts = Accounts(["grid", "pv", "battery", "genset"], [0, 0, 0, 800], method="local-first")
    row = step(accounts, -70e3, 100e3, -20e3, 50e3)
    assert row["emission_rate"] == 0
    assert accounts.stock()[1] == 0
    assert accounts.ledger()[2] == pytest.approx(50 * 800)


def test_local_first_takes_battery_then_gensets_then_import() -> None:
    # load 100 + charge 0: PV 10, genset 30 at 800, import 60; own mix is 30 * 800 + 60 * 558.1
    accounts = Accounts(["grid", "pv", "genset"], [0, 0, 800], method="local-first")
    row = step(accounts, 60e3, 10e3, 30e3)
    assert row["emission_rate"] == pytest.approx(30 * 800 + 60 * 558.1)
    assert row["scope1"] == pytest.approx(24e3)
    assert row["self_sufficiency"] == pytest.approx(0.1)


def test_meters_of_one_connection_are_summed_before_the_sign_is_taken() -> None:
    row = step(site("grid", "grid", "grid"), 30e3, -10e3, 5e3)
    assert (row["grid_import_power"], row["grid_export_power"]) == (25e3, 0)


@pytest.mark.parametrize("powers", [(0.1, 0.2, -0.3), (-0.1, -0.2, 0.3)], ids=str)
@pytest.mark.parametrize("role", ["grid", "battery"])
def test_channels_that_cancel_leave_neither_a_flow_nor_a_fault(role: str, powers: tuple[float, ...]) -> None:
    # 0.1 + 0.2 - 0.3 = 0 by hand. Doubles leave 5.6e-17 W: an import with an intensity, or an export without any
    # inflow, which would be a balance fault.
    row = step(site(*[role] * 3), *powers, seconds=0)
    for name in ("load", "grid_import", "grid_export", "battery_discharge", "battery_charge"):
        assert row[f"{name}_power"] == 0, name
    assert row["emission_rate"] == 0
    assert isnan(row["emission_intensity"])


def test_counters_that_cancel_leave_no_fault() -> None:
    # 3 W out, 1 W and 2 W in, counted over 0.1 s: doubles leave -6.8e-21 Wh
    energy = [0, 3 * 0.1 / HOUR, 1 * 0.1 / HOUR, 0, 2 * 0.1 / HOUR, 0]
    accounts = Accounts(["grid"] * 3, [0] * 3, columns=("energy",))
    step(accounts, -3, 1, 2, seconds=0, more=[nan] * 6)
    row = step(accounts, -3, 1, 2, seconds=0.1, more=energy)
    assert row["grid_import_power"] == row["grid_export_power"] == row["load_power"] == row["emission"] == 0


def test_the_consumption_of_an_inverter_at_night_is_load() -> None:
    row = step(site("grid", "pv", "pv"), 1000, -20, 0)
    assert (row["load_power"], row["pv_power"]) == (1000, 0)


def test_residual_is_the_power_of_sub_meters_in_excess_of_the_load() -> None:
    row = step(site("grid", "load", "ev"), 10e3, 6e3, 5e3)
    assert (row["residual_power"], row["residual_energy"]) == (1e3, 1e3)
    assert isnan(step(site("grid", "load", "ev"), 10e3, 6e3, nan)["residual_power"])
    assert isnan(step(site("grid"), 10e3)["residual_power"])


# METHOD 4.5: near zero, negative, gaps


def test_no_supply_has_no_intensity_and_no_rate() -> None:
    row = step(site("grid", "pv"), 0, 0)
    assert isnan(row["emission_intensity"])
    assert row["emission_rate"] == 0
    assert isnan(row["self_consumption"])


def test_a_slightly_negative_load_is_meter_noise_and_a_larger_one_a_fault() -> None:
    noise = step(site("grid", "pv"), -102e3, 100e3)
    assert noise["load_power"] == 0
    assert isnan(noise["emission_intensity"])
    fault = step(site("grid", "pv"), -102.1e3, 100e3)
    assert isnan(fault["load_power"])
    assert isnan(fault["emission_intensity"])
    assert fault["grid_export_power"] == 102.1e3


def test_an_island_without_values_has_no_balance() -> None:
    row = step(site("pv", "battery"), nan, nan)
    assert row["coverage"] == 0
    assert isnan(row["load_power"])


def test_exporting_without_load_has_no_intensity() -> None:
    # 200.3 - 120.3 - 80 is 1.4e-14 in doubles, which is no load
    row = step(site("grid", "pv", "battery"), -120.3, 200.3, -80)
    assert row["load_power"] == 0
    assert isnan(row["emission_intensity"])


def test_without_a_grid_meters_value_there_is_no_balance() -> None:
    accounts = site("grid", "pv", windows=1)
    row = step(accounts, nan, 50e3)
    assert row["coverage"] == 0.5
    assert (row["pv_power"], row["pv_energy"], row["unaccounted_energy"]) == (50e3, 50e3, 50e3)
    for name in ("load_power", "grid_import_power", "grid_import_emission", "emission", "emission_intensity"):
        assert isnan(row[name])
    window = unpack(accounts.window(0, HOUR))
    assert (window["coverage"], window["pv_energy"], window["pv_power"]) == (0.5, 50e3, 50e3)
    assert isnan(window["load_energy"])


# METHOD-SITE 9.1: an unknown source or sink


def test_the_power_of_an_interval_is_the_mean_of_its_ends_or_the_present_end() -> None:
    accounts = site("grid")
    assert step(accounts, 10.0, seconds=0)["load_energy"] == 0
    assert step(accounts, 20.0)["load_energy"] == 15
    assert step(accounts, nan)["load_energy"] == 20
    assert step(accounts, 30.0)["load_energy"] == 30
    assert step(accounts, 50.0, seconds=-1)["load_power"] == 50


@pytest.mark.parametrize("bad", [nan, inf, -1.0, 1e7])
def test_an_invalid_grid_intensity_leaves_no_balance(bad: float) -> None:
    row = step(site("grid"), 10.0, grid=bad)
    assert row["coverage"] == 0
    assert all(isnan(value) for name, value in row.items() if name != "coverage")


# METHOD 4.6, 4.8, 4.10: battery, inventories, avoided


def test_discharge_beyond_the_known_stock_has_the_grids_intensity() -> None:
    accounts = site("grid", "battery")
    row = step(accounts, 0, 9.5e3)  # 10 kWh out of the store
    assert row["battery_intensity"] == pytest.approx(558.1 / 0.95)
    assert accounts.ledger() == pytest.approx((0, 5581, 0, 0, 5581, 0))
    assert accounts.stock() == (0, 0)


def test_avoided_is_a_ledger_of_its_own() -> None:
    # the same site with more avoided: neither the inventory nor the carbon ledger changes
    near, far = site("grid", "pv"), site("grid", "pv")
    clean_grid, coal_grid = step(near, -10e3, 30e3, grid=100.0), step(far, -10e3, 30e3, grid=900.0)
    assert (clean_grid["avoided"], coal_grid["avoided"]) == pytest.approx((3000, 27000))  # 20 used + 10 exported
    for name in ("emission", "scope1", "scope2_location", "scope2_market"):
        assert clean_grid[name] == coal_grid[name] == 0
    assert near.ledger() == far.ledger()


def test_inventories_count_fuel_and_import_and_do_not_subtract_export() -> None:
    accounts = Accounts(["grid", "chp", "pv"], [0, 400, 0], windows=1, residual_factor=609.6)
    step(accounts, 10e3, 5e3, 0, seconds=0)
    step(accounts, 10e3, 5e3, 0)
    step(accounts, -10e3, 0, 20e3, seconds=0)
    step(accounts, -10e3, 0, 20e3)
    window = unpack(accounts.window(0, 2 * HOUR))
    assert window["scope1"] == pytest.approx(5 * 400)
    assert window["scope2_location"] == pytest.approx(10 * 558.1)
    assert window["scope2_market"] == pytest.approx(10 * 609.6)  # MEE 2023, METHOD 4.8
    assert isnan(window["captured"])


def test_avoided_is_self_use_at_the_grids_intensity_and_export_at_the_difference() -> None:
    # PV 200 at 41: 80 used, 120 exported with a mix of 41
    row = step(site("grid", "pv", factor=41), -120e3, 200e3)
    assert row["avoided"] == pytest.approx(80 * 558.1 + 120 * (558.1 - 41))


def test_the_grids_clean_share_counts_where_it_is_known() -> None:
    assert step(site("grid", "pv"), 50e3, 50e3, clean=0.342)["clean_share"] == pytest.approx(0.671)
    assert step(site("grid", "pv"), 50e3, 50e3)["clean_share"] == pytest.approx(0.5)


# METHOD 4.1: energy from counters


def test_an_intervals_energy_is_the_counters_and_its_power_their_mean() -> None:
    # the samples say 10 kW at both ends, the counter 12 kWh over the hour
    row = step(counting("grid"), 10e3, more=[12e3, 0.0])
    assert (row["grid_import_energy"], row["grid_import_power"], row["load_energy"]) == (12e3, 12e3, 12e3)


def test_without_a_counter_energy_is_the_integral_of_the_power() -> None:
    row = step(counting("grid", "pv"), -4e3, 10e3, more=[0.0, nan, 9e3, nan])
    assert (row["grid_export_energy"], row["pv_energy"], row["load_energy"]) == (4e3, 9e3, 5e3)


def test_an_incomer_that_counted_both_ways_within_an_interval_keeps_both() -> None:
    # 3 kWh came in, then 2 kWh went out; PV 5: load 6
    row = step(counting("grid", "pv"), 0.0, 0.0, more=[3e3, 2e3, 5e3, nan])
    assert (row["grid_import_energy"], row["grid_export_energy"], row["load_energy"]) == (3e3, 2e3, 6e3)
    assert row["scope2_location"] == pytest.approx(3 * 558.1)  # exports are not subtracted, METHOD 4.8


def test_separately_counted_phases_are_a_single_connection() -> None:
    row = step(counting("grid", "grid", "pv"), 0.0, 0.0, 0.0, more=[3e3, 0.0, 0.0, 5e3, 4e3, nan])
    assert (row["grid_import_energy"], row["grid_export_energy"], row["load_energy"]) == (0, 2e3, 2e3)


def test_a_counter_stands_in_for_a_power_that_is_missing() -> None:
    row = step(counting("grid", "pv"), nan, nan, more=[8e3, 0.0, 2e3, nan])
    assert (row["load_energy"], row["coverage"]) == (10e3, 1)
    # an incomer's export counter says nothing about import
    assert step(counting("grid"), nan, more=[nan, 1e3])["coverage"] == 0


@pytest.mark.parametrize("bad", [-1.0, inf, nan, 1e16])
def test_an_impossible_energy_is_absent(bad: float) -> None:
    assert step(counting("grid"), 10e3, more=[bad, 0.0])["grid_import_energy"] == 10e3


# METHOD 4.5, E_min


def test_a_window_with_too_small_a_load_has_no_intensity_but_rate_and_energy() -> None:
    # 0.5 % of 630 kW over an hour is 3150 Wh; five steps of 1 kWh are 5000 Wh
    for power, step_size, known in (
        (3151.0, 0.0, True),
        (3149.0, 0.0, False),
        (4999.0, 1e3, False),
        (5001.0, 1e3, True),
    ):
        accounts = Accounts(["grid"], [0], windows=1, rated_power=630e3, register_step=step_size)
        step(accounts, power)
        row = unpack(accounts.window(0, HOUR))
        assert isnan(row["emission_intensity"]) is not known
        assert row["emission_rate"] == pytest.approx(power / 1000 * 558.1)
        assert row["load_energy"] == power


# METHOD 4.6: state of charge, self-discharge


def test_a_fuel_meter_gives_the_emission_of_a_genset() -> None:
    # 3 L/h of diesel at 36 MJ/L and 74.1 g/MJ: 8002.8 g/h for 10 kW
    accounts = Accounts(["grid", "genset"], [0, 762], columns=["carbon"], windows=1)
    row = step(accounts, 0.0, 10e3, more=[nan, 3 * 36 * 74.1])
    assert row["emission_intensity"] == pytest.approx(800.28)
    assert row["scope1"] == pytest.approx(8002.8)
    assert details(accounts)["fuel_intensity"] == pytest.approx(800.28)
    accounts.reset(0)
    assert step(accounts, 0.0, 10e3, more=[nan, nan])["scope1"] == pytest.approx(7620)


@pytest.mark.parametrize("method", ["proportional", "local-first"])
def test_an_idling_genset_has_a_rate_and_no_intensity(method: str) -> None:
    accounts = Accounts(["grid", "genset"], [0, 762], columns=["carbon"], windows=1, method=method)
    row = step(accounts, 0.0, 0.0, more=[nan, 1500.0])
    assert (row["emission_rate"], row["scope1"]) == (1500, 1500)
    assert isnan(row["emission_intensity"])
    assert details(accounts)["fuel_rate"] == 1500
    assert isnan(details(accounts)["fuel_intensity"])
    # with a load from the grid, the load carries the emission
    assert step(accounts, 10e3, 0.0, seconds=0, more=[nan, 1500.0])["emission_rate"] == pytest.approx(5581 + 1500)


# Sub-meters by group


def test_groups_carry_the_mix_of_the_load_and_the_rest_is_unmetered() -> None:
    # import 6 kW at 558.1 and PV 4: load 10 at 334.86 g/kWh, 40 % own; presses 5, charger 2, an office lamp 1
    accounts = Accounts(
        ["grid", "pv", "load", "ev", "load"], [0] * 5, groups=["", "", "industry", "transport", ""], windows=1
    )
    step(accounts, 6e3, 4e3, 5e3, 2e3, 1e3)
    parts = details(accounts)
    energies = [parts[f"{group}_energy"] for group in (*GROUPS, "rest")]
    assert energies == pytest.approx([5e3, 0, 0, 2e3, 3e3])
    emissions = [parts[f"{group}_emission"] for group in (*GROUPS, "rest")]
    assert emissions == pytest.approx([5 * 334.86, 0, 0, 2 * 334.86, 3 * 334.86])
    assert parts["transport_own_energy"] == pytest.approx(800)


def test_a_charger_is_transport_by_default() -> None:
    accounts = site("grid", "ev", "load", windows=1)
    step(accounts, 10e3, 2e3, 3e3)
    assert (details(accounts)["transport_energy"], details(accounts)["rest_energy"]) == (2e3, 8e3)


# METHOD 4.8 to 4.10: inventories


def contract(**settings: Any) -> Accounts:
    settings |= {"columns": ["certificates"], "windows": 2, "hour": 0, "residual_factor": 609.6}
    return Accounts(["grid", "pv"], [0, 0], **settings)


def test_each_row_has_the_residual_mix_of_its_own_year() -> None:
    # METHOD 2.1: 594.2 in 2021, 585.6 in 2022; 10 kWh imported in the last hour of 2021 and in the first of 2022
    accounts = Accounts(["grid"], [0], columns=["residual"], windows=1)
    old, new = step(accounts, 10e3, more=[594.2]), step(accounts, 10e3, more=[585.6])
    assert (old["scope2_market"], new["scope2_market"]) == pytest.approx((5942, 5856))
    assert unpack(accounts.window(0, 2 * HOUR))["scope2_market"] == pytest.approx(5942 + 5856)


def test_an_unknown_residual_mix_leaves_the_market_based_sum_absent() -> None:
    accounts = Accounts(["grid", "pv"], [0, 0], columns=["residual"], windows=2)
    assert step(accounts, -5e3, 10e3, more=[nan])["scope2_market"] == 0.0  # nothing was imported
    step(accounts, -5e3, 10e3, seconds=0, more=[nan])
    unknown = step(accounts, 10e3, 0.0, more=[nan])
    assert isnan(unknown["scope2_market"])
    assert unknown["scope2_location"] > 0
    accounts.reset(0)
    again = Accounts(["grid", "pv"], [0, 0], columns=["residual"], windows=2)
    again.restore(accounts.state())
    # the residual mix is known from here on: a window that began before stays without, the next one has it
    for made in (accounts, again):
        assert step(made, 10e3, 0.0, more=[600.0])["scope2_market"] == pytest.approx(6000)
        assert isnan(unpack(made.window(1, 3 * HOUR))["scope2_market"])
        made.reset(0)
        step(made, 10e3, 0.0, more=[600.0])
        assert unpack(made.window(0, HOUR))["scope2_market"] == pytest.approx(6000)


def test_the_supply_of_a_fuel_is_in_the_electricity_and_not_in_scope_1() -> None:
    # 5 kWh at 400 g/kWh, of which a quarter is of the supply: 2000 g, 1500 g burnt on the site
    accounts = Accounts(["grid", "genset"], [0, 400], windows=1, upstream=[0, 0.25])
    step(accounts, 0.0, 5e3, seconds=0)
    row = step(accounts, 0.0, 5e3)
    window = unpack(accounts.window(0, HOUR))
    for found in (row, window):
        assert found["emission"] == pytest.approx(2000)
        assert found["generation_emission"] == pytest.approx(2000)
        assert found["scope1"] == pytest.approx(1500)
    assert details(accounts)["fuel_emission"] == pytest.approx(1500)


def test_certificates_are_matched_within_the_hour_and_not_beyond() -> None:
    # imports 10 and 10 kWh; certificates 4 and 30 kWh: 4 and 10 are matched, the surplus of the second is not matched
    accounts = contract(certificate_factor=20.0)
    for offered in (4e3, 30e3):
        step(accounts, 10e3, 0.0, seconds=0, more=[nan])
        step(accounts, 10e3, 0.0, more=[offered])
        accounts.reset(0)
    window = unpack(accounts.window(1, 2 * HOUR))
    assert details(accounts, 1)["matched_energy"] == pytest.approx(14e3)
    assert window["scope2_market"] == pytest.approx(14 * 20 + 6 * 609.6)
    assert window["scope2_location"] == pytest.approx(20 * 558.1)


def test_each_hour_has_the_factor_of_its_own_certificates() -> None:
    # 4 of 10 kWh at 30 g/kWh, then 6 of 10 kWh at 50 g/kWh, then 5 of 10 kWh at the site's 20 g/kWh
    columns = ["certificates", FACTOR_COLUMN]
    accounts = Accounts(
        ["grid"], [0], columns=columns, windows=2, hour=0, residual_factor=609.6, certificate_factor=20.0
    )
    for offered, factor in ((4e3, 30.0), (6e3, 50.0), (5e3, nan)):
        step(accounts, 10e3, seconds=0, more=[nan, nan])
        step(accounts, 10e3, more=[offered, factor])
        accounts.reset(0)
    window = unpack(accounts.window(1, 3 * HOUR))
    assert window["scope2_market"] == pytest.approx(4 * 30 + 6 * 50 + 5 * 20 + 15 * 609.6)


def test_certificates_of_an_hour_cover_its_earlier_import() -> None:
    accounts = contract()
    step(accounts, 10e3, 0.0, seconds=0, more=[nan])
    first = step(accounts, 10e3, 0.0, seconds=1800, more=[0.0])
    second = step(accounts, 10e3, 0.0, seconds=1800, more=[8e3])
    assert first["scope2_market"] == pytest.approx(5 * 609.6)
    assert second["scope2_market"] == pytest.approx((5 - 8) * 609.6)
    assert unpack(accounts.window(0, HOUR))["scope2_market"] == pytest.approx(2 * 609.6)


def test_a_rows_own_official_factor_stands_before_that_of_the_site() -> None:
    accounts = Accounts(["grid"], [0], official_factor=558.1, columns=["official"])
    rows = [struct.pack("5d", 3600.0, 400.0, nan, 10e3, official) for official in (500.0, nan, -1.0)]
    found = [unpack(accounts.step(row))["scope2_location"] for row in rows]
    assert found == pytest.approx([5000.0, 5581.0, 5581.0])  # 10 kWh at 500, and at 558.1 g/kWh


def test_the_official_factor_stands_in_scope_2_while_the_feeds_shape_stays_in_the_intensity() -> None:
    row = step(Accounts(["grid"], [0], official_factor=558.1), 10e3, grid=400.0)
    assert row["scope2_location"] == pytest.approx(5581)
    assert row["emission"] == pytest.approx(4000)


def test_example_6_with_contracts() -> None:
    # L 10, 10, 10; O 0, 15, 5; K 4, 0, 20; g 0.342: (4 + 6 g) + 10 + (5 + 5) = 26.052 of 30; import 10, 0, 5
    accounts = contract()
    for grid, pv, offered in ((10.0, 0.0, 4.0), (-5.0, 15.0, 0.0), (5.0, 5.0, 20.0)):
        step(accounts, grid, pv, seconds=0, clean=0.342, more=[nan])
        step(accounts, grid, pv, clean=0.342, more=[offered])
        accounts.reset(0)
    assert details(accounts, 1)["carbon_free_share"] == pytest.approx(26.052 / 30)
    assert unpack(accounts.window(1, 3 * HOUR))["clean_share"] == pytest.approx(0.671, abs=0.0005)


def test_captured_carbon_is_counted_without_a_balance_and_netted_with_nothing() -> None:
    accounts = Accounts(["grid"], [0], columns=["captured"], windows=1)
    assert step(accounts, 10e3, more=[2.5])["captured"] == 2500
    assert step(accounts, nan, more=[1.5], grid=nan)["captured"] == 1500
    assert isnan(step(accounts, 10e3, more=[nan])["captured"])
    window = unpack(accounts.window(0, 3 * HOUR))
    assert (window["captured"], window["emission"]) == (4000, near(2 * 5581))
