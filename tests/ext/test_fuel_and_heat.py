"""Accounts of fuel and heat (METHOD-SITE 9.7); numbers by hand."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest
from wattgram_ext.intensity import Accounts

from tests.support.account_rows import HOUR, details, step, unpack


def test_scope_1_is_all_fuel_and_the_intensity_is_electricitys() -> None:
    # genset 10 kW x 762 g/kWh = 7620 g in an hour; a boiler burns 23 Nm3 x 2162 g = 49 726 g
    accounts = Accounts(["grid", "genset"], [0, 762], columns=["burnt", "biogenic", "heat"], windows=1)
    step(accounts, 0.0, 10e3, seconds=0, more=[nan, nan, nan])
    row = step(accounts, 0.0, 10e3, more=[49_726, 1000, 250e3])
    assert row["scope1"] == pytest.approx(49_726 + 7620)
    assert (row["emission"], row["emission_intensity"]) == pytest.approx((7620, 762))
    window, detail = unpack(accounts.window(0, HOUR)), details(accounts)
    assert (window["scope1"], window["emission"]) == pytest.approx((57_346, 7620))
    assert (detail["fuel_emission"], detail["heat_fuel_emission"]) == pytest.approx((7620, 49_726))
    assert (detail["fuel_intensity"], detail["fuel_rate"]) == pytest.approx((762, 7620))
    assert (detail["biogenic_emission"], detail["heat_energy"]) == (1000, 250e3)
    assert accounts.ledger()[:2] == pytest.approx((7620, 7620))  # the carbon that the electricity conserves


def test_an_unknown_fuel_leaves_scope_1_absent() -> None:
    accounts = Accounts(["grid"], [0], columns=["burnt"], windows=1)
    assert isnan(step(accounts, 10e3, more=[nan])["scope1"])
    assert isnan(unpack(accounts.window(0, HOUR))["scope1"])
    assert isnan(details(accounts)["heat_fuel_emission"])
    assert step(accounts, 10e3, more=[0.0])["scope1"] == 0  # a known zero
    assert unpack(accounts.window(0, HOUR))["scope1"] == 0


@pytest.mark.parametrize("amount", [-1.0, inf, -inf, 1e16])
def test_an_amount_of_fuel_that_cannot_be_is_unknown(amount: float) -> None:
    accounts = Accounts(["grid"], [0], columns=["burnt"], windows=1)
    assert isnan(step(accounts, 10e3, more=[amount])["scope1"])
    assert isnan(unpack(accounts.window(0, HOUR))["scope1"])


def test_fuel_is_counted_without_a_balance_and_without_a_length() -> None:
    accounts = Accounts(["grid"], [0], columns=["burnt"], windows=1)
    step(accounts, nan, more=[100.0], grid=nan)
    step(accounts, nan, more=[10.0], seconds=0)
    step(accounts, 10e3, more=[1.0])
    assert unpack(accounts.window(0, 2 * HOUR))["scope1"] == 111
