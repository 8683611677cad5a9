"""Accounts while a flow is not known, and when late energy tells it (METHOD-SITE 9.1, 9.3); numbers by hand."""

from __future__ import annotations

import struct
from math import isnan, nan

import pytest
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import CHONGQING, HOUR, counting, site, step, unpack


def test_a_missing_producer_leaves_the_load_unknown_and_the_others_known() -> None:
    accounts = site("grid", "pv", "pv", "battery", windows=1)
    row = step(accounts, 100e3, 50e3, nan, 0)
    assert row["coverage"] == 0.75
    assert (row["grid_import_power"], row["battery_charge_power"]) == (100e3, 0)
    for name in ("load_power", "pv_power", "pv_energy", "emission_intensity", "emission", "clean_share", "avoided"):
        assert isnan(row[name]), name
    assert row["unaccounted_energy"] == 150e3
    window = unpack(accounts.window(0, HOUR))
    assert (window["coverage"], window["grid_import_energy"], window["pv_energy"]) == (0.75, 100e3, 50e3)
    assert isnan(window["pv_power"])  # it was at no time known as a whole
    assert window["scope2_location"] == pytest.approx(100 * 558.1)


def test_a_mean_is_over_the_time_in_which_the_flow_was_known() -> None:
    # PV is silent in the second of two hours: export 80 in both, PV 100 in the first
    accounts = site("grid", "pv", windows=1)
    for pv in (100e3, nan):
        step(accounts, -80e3, pv, seconds=0)
        step(accounts, -80e3, pv)
    window = unpack(accounts.window(0, 2 * HOUR))
    assert (window["grid_export_power"], window["grid_export_energy"]) == (80e3, 160e3)
    assert (window["pv_power"], window["pv_energy"]) == (100e3, 100e3)
    assert (window["load_power"], window["load_energy"]) == (20e3, 20e3)
    assert window["unaccounted_energy"] == -80e3
    assert window["coverage"] == 0.75
    assert window["emission_intensity"] == 0


def test_late_energy_settles_the_load_of_the_time_in_which_pv_was_unknown() -> None:
    # METHOD-SITE 9.3: a quarter of an hour: 300 s known, 600 s without PV; its counter then says 33.333 kWh more.
    # Import 30 kW, PV 200, export 180: load 50 kW, all the time.
    accounts = counting("grid", "pv")
    unknown = [nan, nan, nan, nan]
    step(accounts, -150e3, 200e3, seconds=0, more=unknown)
    step(accounts, -150e3, 200e3, seconds=300, more=[2500.0, 15e3, 50e3 / 3, nan])
    step(accounts, -150e3, nan, seconds=0, more=unknown)
    gap = step(accounts, -150e3, nan, seconds=600, more=[5e3, 30e3, nan, nan])
    assert (gap["grid_export_energy"], gap["unaccounted_energy"]) == (30e3, -25e3)
    assert isnan(gap["load_power"])
    late = [600.0, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 100e3 / 3, nan]
    accounts.late(struct.pack("9d", *late))
    window = unpack(accounts.window(0, 900.0))
    for name, energy in (("load", 12.5e3), ("pv", 50e3), ("grid_import", 7.5e3), ("grid_export", 45e3)):
        assert window[f"{name}_energy"] == pytest.approx(energy), name
        assert window[f"{name}_power"] == pytest.approx(4 * energy), name
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)
    # the mix of each quarter hour's part: 7.5 kWh of the grid in 57.5
    assert window["emission_intensity"] == pytest.approx(558.1 * 7.5 / 57.5)
    assert window["grid_export_emission"] == pytest.approx(45 * 558.1 * 7.5 / 57.5)
    assert window["coverage"] == 1
    assert step(accounts, -150e3, 200e3, seconds=0, more=unknown)["load_power"] == 50e3


def test_late_energy_of_one_of_two_unknown_sources_leaves_the_load_unknown() -> None:
    accounts = Accounts(["grid", "pv", "genset"], [0.0] * 3, columns=["energy"], windows=1)
    step(accounts, -100e3, nan, nan, seconds=0, more=[nan] * 6)
    step(accounts, -100e3, nan, nan, seconds=900, more=[0.0, 25e3, nan, nan, nan, nan])
    accounts.late(struct.pack("12d", 900.0, CHONGQING, nan, 0.0, 0.0, nan, 0.0, 0.0, 30e3, 0.0, 0.0, 0.0))
    window = unpack(accounts.window(0, 900.0))
    assert (window["pv_energy"], window["pv_power"], window["unaccounted_energy"]) == (30e3, 120e3, 5e3)
    assert isnan(window["load_energy"])
    assert window["coverage"] == pytest.approx(2 / 3)
    accounts.late(struct.pack("12d", 900.0, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10e3, 0.0))
    window = unpack(accounts.window(0, 900.0))
    assert (window["load_energy"], window["load_power"], window["coverage"]) == (15e3, 60e3, 1)
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)


def test_what_was_abandoned_stays_unaccounted() -> None:
    accounts = counting("grid", "pv")
    step(accounts, -100e3, nan, seconds=900, more=[0.0, 25e3, nan, nan])
    accounts.abandon()
    accounts.late(struct.pack("9d", 1.0, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 30e3, nan))
    window = unpack(accounts.window(0, 900.0))
    assert (window["load_energy"], window["unaccounted_energy"]) == (30e3, -25e3)


def test_a_charge_while_the_load_is_unknown_is_priced_anew_when_it_is_known() -> None:
    # PV 40 at 0 g (unknown at first), charge 20, export 20: first the grid's 558.1 g/kWh for it, at last PV's 0
    accounts = Accounts(["grid", "pv", "battery"], [0.0] * 3, columns=["energy"], windows=1)
    step(accounts, -20e3, nan, -20e3, seconds=900, more=[0.0, 5e3, nan, nan, 0.0, 5e3])
    assert accounts.stock() == pytest.approx((4750, 5 * 558.1))
    assert unpack(accounts.window(0, 900.0))["battery_charge_emission"] == pytest.approx(5 * 558.1)
    accounts.late(struct.pack("12d", 900.0, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 0.0, 10e3, nan, 0.0, 0.0))
    assert accounts.stock() == pytest.approx((4750, 0))
    window = unpack(accounts.window(0, 900.0))
    for name in ("load_energy", "battery_charge_emission", "unaccounted_emission", "unaccounted_energy"):
        assert window[name] == pytest.approx(0, abs=1e-9), name
    assert window["battery_loss_energy"] == pytest.approx(250)  # 5 % of the charge


def test_noise_below_a_load_of_zero_is_unaccounted() -> None:
    row = step(site("grid", "pv"), -102e3, 100e3)
    assert (row["load_energy"], row["unaccounted_energy"], row["unaccounted_emission"]) == (0, -2e3, 0)


@pytest.mark.parametrize(
    ("known", "silent", "taken", "given"),
    [
        (100e3, -40e3, 60e3, 0.0),  # the oracle of METHOD-SITE 8.4
        (-40e3, 100e3, 60e3, 0.0),
        (40e3, -100e3, 0.0, 60e3),
        (-100e3, 40e3, 0.0, 60e3),
        (100e3, 40e3, 140e3, 0.0),
        (-100e3, -40e3, 0.0, 140e3),
    ],
)
def test_late_energy_of_an_incomer_is_netted_with_the_others(
    known: float, silent: float, taken: float, given: float
) -> None:
    """A quarter of an hour: 300 s known, 600 s without the second incomer; beside them 400 kW of PV."""

    def counted(power: float, seconds: float) -> list[float]:
        return [max(power, 0.0) * seconds / HOUR, max(-power, 0.0) * seconds / HOUR]

    accounts, unknown = counting("grid", "grid", "pv"), [nan] * 6
    pv = 400e3
    step(accounts, known, silent, pv, seconds=0, more=unknown)
    step(accounts, known, silent, pv, seconds=300, more=[*counted(known, 300), *counted(silent, 300), pv / 12, nan])
    step(accounts, known, nan, pv, seconds=0, more=unknown)
    gap = step(accounts, known, nan, pv, seconds=600, more=[*counted(known, 600), nan, nan, pv / 6, nan])
    assert isnan(gap["grid_import_power"])
    late = [600.0, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 0.0, *counted(silent, 600), 0.0, nan]
    accounts.late(struct.pack("12d", *late))
    window = unpack(accounts.window(0, 900.0))
    load = pv + taken - given
    for name, power in (("load", load), ("pv", pv), ("grid_import", taken), ("grid_export", given)):
        assert window[f"{name}_energy"] == pytest.approx(power / 4, abs=1e-6), name
        assert window[f"{name}_power"] == pytest.approx(power, abs=1e-6), name
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-6)
    assert window["grid_import_emission"] == pytest.approx(taken / 4e3 * CHONGQING)
    assert window["emission"] + window["grid_export_emission"] == pytest.approx(window["grid_import_emission"])
    assert window["scope2_location"] == pytest.approx(taken / 4e3 * CHONGQING)


@pytest.mark.parametrize("told_first", [True, False])
def test_late_energy_of_an_incomer_is_netted_before_another_flow_is_known(told_first: bool) -> None:
    """The incomers show 100 and -40 kW; PV of 50 kW is silent, too, and told before, after or never."""
    accounts = counting("grid", "grid", "pv")
    step(accounts, 100e3, nan, nan, seconds=0, more=[nan] * 6)
    step(accounts, 100e3, nan, nan, seconds=900, more=[25e3, 0.0, nan, nan, nan, nan])
    incomer = [900.0, CHONGQING, nan, 0.0, 0.0, nan, 0.0, 0.0, 0.0, 10e3, 0.0, nan]
    roof = [900.0, CHONGQING, nan, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 12.5e3, nan]
    if told_first:
        accounts.late(struct.pack("12d", *incomer))
        window = unpack(accounts.window(0, 900.0))
        assert (window["grid_import_energy"], window["grid_export_energy"]) == (15e3, 0.0)
        assert window["grid_import_power"] == pytest.approx(60e3)
        assert window["unaccounted_energy"] == pytest.approx(15e3)
        accounts.late(struct.pack("12d", *roof))
    else:
        roof[9:10] = [10e3]  # the last row of a quarter contains all its late energy
        accounts.late(struct.pack("12d", *roof))
    window = unpack(accounts.window(0, 900.0))
    assert (window["grid_import_energy"], window["grid_export_energy"]) == (15e3, 0.0)
    assert window["load_energy"] == pytest.approx(27.5e3)
    assert window["unaccounted_energy"] == pytest.approx(0, abs=1e-9)
    assert window["emission"] == pytest.approx(15 * CHONGQING)
