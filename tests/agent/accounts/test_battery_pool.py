"""Several batteries as one pool, with hand calculations."""

from __future__ import annotations

from math import isnan, nan

import pytest
from wattgram.accounts.battery_pool import pool, state_of_charge
from wattgram.config.role_keys import BatteryConfig

SMALL = BatteryConfig(100e3, 0.95, 0.95, 0.0)
LARGE = BatteryConfig(300e3, 0.91, 0.90, 0.001)


def test_one_battery_is_its_own_pool() -> None:
    assert pool([LARGE]) == (300e3, 0.91, 0.90, 0.001)


def test_without_a_word_the_efficiencies_are_the_methods() -> None:
    # METHOD 4.11, example 4
    assert pool([BatteryConfig()]) == pool([]) == (0.0, 0.95, 0.95, 0.0)


def test_a_pool_gains_and_loses_what_its_batteries_do() -> None:
    # A quarter and three quarters. Charging 400 Wh stores 95 + 273 = 368, 0.92 of it. Discharging 400 Wh takes
    # 100 / 0.95 + 300 / 0.90 = 438.596, which is 400 / 0.912. In an hour 0.001 of 300 kWh is lost, 0.00075 of 400.
    assert pool([SMALL, LARGE]) == pytest.approx((400e3, 0.92, 0.912, 0.00075))
    assert pool([LARGE, SMALL]) == pytest.approx(pool([SMALL, LARGE]))


def test_without_every_capacity_the_batteries_count_the_same_and_the_pool_has_none() -> None:
    unknown = [BatteryConfig(None, 0.95, 0.95), BatteryConfig(300e3, 0.85, 0.95, 0.002)]
    assert pool(unknown) == pytest.approx((0.0, 0.90, 0.95, 0.001))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_batteries_without_a_loss_have_none_as_a_pool_and_never_a_gain(count: int) -> None:
    lossless = [BatteryConfig(100e3, 1.0, 1.0, 0.001 * number) for number in range(count)]
    made = pool(lossless)
    assert made[1:3] == pytest.approx((1.0, 1.0), rel=1e-15)
    assert max(made[1:3]) <= 1.0


def test_the_pools_charge_is_the_mean_by_capacity() -> None:
    assert state_of_charge([(100e3, 0.2), (300e3, 0.6)]) == pytest.approx(0.5)  # 20 + 180 of 400
    assert state_of_charge([(100e3, 0.2)]) == pytest.approx(0.2)
    assert state_of_charge([(100e3, 1.0), (200e3, 1.0), (70e3, 1.0)]) == 1.0


@pytest.mark.parametrize(
    "batteries", [[], [(100e3, nan)], [(100e3, 0.5), (100e3, nan)], [(None, 0.5)], [(100e3, 50.0)], [(100e3, -0.1)]]
)
def test_what_is_not_known_of_one_is_not_known_of_the_pool(batteries: list[tuple[float | None, float]]) -> None:
    assert isnan(state_of_charge(batteries))
