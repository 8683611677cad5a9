"""The efficiency method of METHOD 4.7, with hand calculations."""

from __future__ import annotations

from math import nan

import pytest
from wattgram.accounts.chp_share import electricity_share

GAS = {"electric_reference": 0.53, "heat_reference": 0.92}


def test_fuel_is_divided_by_the_fuel_of_separate_production() -> None:
    # 53 kWh at 0.53 would take 100 of fuel, 46 kWh of heat at 0.92 would take 50: two thirds
    assert electricity_share(53e3, 46e3, **GAS) == pytest.approx(2 / 3)
    # 40 / 0.5 = 80, 40 / 0.8 = 50: 80 of 130
    assert electricity_share(40, 40, electric_reference=0.5, heat_reference=0.8) == pytest.approx(80 / 130)


def test_the_share_is_1_without_heat_and_0_without_electricity() -> None:
    assert electricity_share(10.0, 0.0, **GAS) == 1
    assert electricity_share(0.0, 0.0, **GAS) == 1
    assert electricity_share(0.0, 10.0, **GAS) == 0


def test_an_impossible_amount_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match="heat: -1"):
        electricity_share(1.0, -1.0, **GAS)
    with pytest.raises(ValueError, match="electricity: nan"):
        electricity_share(nan, 1.0, **GAS)
    with pytest.raises(ValueError, match="heat_reference: 0"):
        electricity_share(1.0, 1.0, electric_reference=0.5, heat_reference=0)
