"""Several batteries as a single pool, with hand calculations."""

from __future__ import annotations

from math import isnan, nan

import pytest
from wattgram.accounts.battery_pool import pool, state_of_charge
from wattgram.config.role_keys import BatteryConfig

SMALL = BatteryConfig(100e3, 0.95, 0.95, 0.0)
LARGE = BatteryConfig(300e3, 0.91, 0.90, 0.001)


def test_a_single_battery_is_its_own_pool() -> None:
    assert pool([LARGE]) == (0.91, 0.90, 300e3, 0.001, False)


def test_the_default_efficiencies_are_those_of_the_method() -> None:
    # METHOD 4.11, example 4
    assert pool([BatteryConfig()]) == pool([]) == (0.95, 0.95, 0.0, 0.0, True)


def test_a_pool_gains_and_loses_the_energy_of_its_batteries() -> None:
    # A quarter and three quarters. Charging 400 Wh stores 95 + 273 = 368, 0.92 of it. Discharging 400 Wh takes
    # 100 / 0.95 + 300 / 0.90 = 438.596, which is 400 / 0.912. In an hour 0.001 of 300 kWh is lost, 0.00075 of 400.
    assert pool([SMALL, LARGE]) == pytest.approx((0.92, 0.912, 400e3, 0.00075, False))
    assert pool([LARGE, SMALL]) == pytest.approx(pool([SMALL, LARGE]))


def test_with_an_unknown_capacity_the_batteries_have_equal_weight_and_the_pool_has_no_capacity() -> None:
    unknown = [BatteryConfig(None, 0.95, 0.95), BatteryConfig(300e3, 0.85, 0.95, 0.002)]
    assert pool(unknown) == pytest.approx((0.90, 0.95, 0.0, 0.001, False))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_a_pool_of_lossless_batteries_has_no_loss_and_no_gain(count: int) -> None:
    lossless = [BatteryConfig(100e3, 1.0, 1.0, 0.001 * number) for number in range(count)]
    combined = pool(lossless)
    assert combined[:2] == pytest.approx((1.0, 1.0), rel=1e-15)
    assert max(combined[:2]) <= 1.0


def test_the_charge_of_a_pool_is_the_mean_by_capacity() -> None:
    assert state_of_charge([(100e3, 0.2), (300e3, 0.6)]) == pytest.approx(0.5)  # 20 + 180 of 400
    assert state_of_charge([(100e3, 0.2)]) == pytest.approx(0.2)
    assert state_of_charge([(100e3, 1.0), (200e3, 1.0), (70e3, 1.0)]) == 1.0


@pytest.mark.parametrize(
    "batteries", [[], [(100e3, nan)], [(100e3, 0.5), (100e3, nan)], [(None, 0.5)], [(100e3, 50.0)], [(100e3, -0.1)]]
)
def test_an_unknown_charge_of_a_battery_makes_the_charge_of_the_pool_unknown(
    batteries: list[tuple[float | None, float]],
) -> None:
    assert isnan(state_of_charge(batteries))
