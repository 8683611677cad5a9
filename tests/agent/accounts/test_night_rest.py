"""Silent PV inverters at night (METHOD-SITE 9.2): sleeping is 0 W, and dead is unknown.

The altitudes of the sun are those of the equinox: 90 degrees less the latitude at noon, 0 about six hours from noon.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import nan

import pytest
from wattgram.accounts.night_rest import NightRest, Position
from wattgram.base.clock import NS

EQUATOR = Position(0.0, 0.0)  # the sun rises about 06:00 UTC, and 15 degrees an hour


def at(hour: float) -> int:
    return int(datetime(2026, 3, 20, tzinfo=UTC).timestamp() + 3600 * hour) * NS


def rest(power: float, position: Position | None = EQUATOR, rated: float | None = 100e3) -> NightRest:
    night = NightRest(position, rated)
    night.awake(at(17.0), power)
    return night


def test_below_three_degrees_a_silent_inverter_is_asleep() -> None:
    assert rest(50e3).asleep(at(18.5))
    assert rest(50e3).asleep(at(29.5))  # 05:30
    assert not rest(50e3).asleep(at(17.5))  # about 10 degrees
    assert not rest(50e3).asleep(at(36.0))  # noon


def test_below_fifteen_degrees_it_is_asleep_after_a_low_power() -> None:
    assert rest(1.9e3).asleep(at(17.5))
    assert not rest(2.1e3).asleep(at(17.5))
    assert not rest(1.9e3).asleep(at(16.7))  # about 22 degrees


def test_without_a_rated_power_the_largest_power_counts() -> None:
    night = NightRest(EQUATOR, None)
    night.awake(at(12.0), 50e3)
    night.awake(at(17.0), 900.0)
    assert night.asleep(at(17.5))
    night.awake(at(17.0), 1.1e3)
    assert not night.asleep(at(17.5))


def test_without_a_position_it_is_asleep_for_sixteen_hours_after_a_low_power() -> None:
    assert rest(1e3, None).asleep(at(32.9))
    assert not rest(1e3, None).asleep(at(33.1))
    assert not rest(50e3, None).asleep(at(18.0))
    assert not NightRest(None, 100e3).asleep(at(18.0))  # never seen


def test_the_last_power_survives_a_restart() -> None:
    night = NightRest(None, 100e3)
    night.restore(rest(1e3, None).dump())
    assert night.asleep(at(32.9))
    night.awake(at(20.0), nan)  # no power changes nothing
    assert not night.asleep(at(33.1))
    for damaged in (None, [], [1, "x", 2]):
        with pytest.raises(ValueError, match="expected"):
            night.restore(damaged)
