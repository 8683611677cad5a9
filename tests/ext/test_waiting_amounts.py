"""Amounts of fuel over the end of a window: g by hand, from a meter that tells them after a silence."""

from __future__ import annotations

import struct
from math import isnan, nan

import pytest
from wattgram_ext.intensity import DETAILS, OUTPUTS, Accounts

HOUR = 3600.0
QUARTER, DAY = 0, 1


def accounts() -> Accounts:
    return Accounts(["grid"], [0.0], windows=2, columns=("burnt",))


def burn(site: Accounts, seconds: float, burnt: float) -> None:
    site.step(struct.pack("5d", seconds, 500.0, 0.5, 1e3, burnt))


def told(site: Accounts, window: int, seconds: float = HOUR) -> float:
    scope_1 = struct.unpack(f"{len(OUTPUTS)}d", site.window(window, seconds))[OUTPUTS.index("scope1")]
    fuel = struct.unpack(f"{len(DETAILS)}d", site.details(window))[DETAILS.index("heat_fuel_emission")]
    assert isnan(fuel) == isnan(scope_1)
    assert isnan(fuel) or fuel == scope_1
    return float(fuel)


def close(site: Accounts, window: int) -> float:
    result = told(site, window)
    site.reset(window)
    return result


def test_a_window_that_ends_in_a_silence_has_no_fuel_and_the_next_one_its_own_part() -> None:
    site = accounts()
    burn(site, 1800, 50.0)
    burn(site, 600, nan)
    assert isnan(close(site, QUARTER))
    burn(site, 300, nan)
    burn(site, 300, 80.0)  # for 20 minutes, of which 10 belong to the window before
    assert told(site, QUARTER) == pytest.approx(40.0)
    assert told(site, DAY) == pytest.approx(130.0)
    burn(site, 600, 7.0)
    assert close(site, QUARTER) == pytest.approx(47.0)
    burn(site, 600, 7.0)
    assert told(site, QUARTER) == pytest.approx(7.0)


def test_each_window_in_a_long_silence_is_absent() -> None:
    site = accounts()
    burn(site, HOUR, 50.0)
    assert close(site, QUARTER) == 50.0
    for _ in range(2):
        burn(site, HOUR, nan)
        assert isnan(close(site, QUARTER))
    burn(site, 1800, 250.0)  # for 9,000 s
    assert told(site, QUARTER) == pytest.approx(50.0)
    assert told(site, DAY) == pytest.approx(300.0)


def test_a_window_takes_the_fuel_of_a_silence_of_less_than_a_hundredth_before_it() -> None:
    site = accounts()
    burn(site, 3570, 50.0)
    burn(site, 30, nan)
    assert close(site, QUARTER) == 50.0
    burn(site, 30, 2.0)
    assert told(site, QUARTER) == 2.0


def test_after_a_restart_the_window_of_a_silence_stays_absent() -> None:
    site = accounts()
    burn(site, 1800, 50.0)
    burn(site, 1800, nan)
    assert isnan(close(site, QUARTER))
    again = accounts()
    again.restore(site.state())
    burn(again, 1800, 90.0)
    assert isnan(close(again, QUARTER))
    assert told(again, DAY) == 140.0
    burn(again, 1800, 45.0)
    assert told(again, QUARTER) == 45.0
