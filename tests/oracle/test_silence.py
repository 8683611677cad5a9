"""What is known of a silent device (METHOD-SITE 9.2), a counter's power (9.4), and the windows of a time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from tests.oracle.calendar import window, windows
from tests.oracle.invent import polled
from tests.oracle.silence import asleep, counted, elevation
from tests.oracle.steps import Steps, floats
from tests.oracle.wiring import Device, Site

CHONGQING = (29.6, 106.6)
ROOF = Device("roof", "pv", rated=Fraction(100_000), silent_at_night=True)


def seconds(text: str) -> int:
    """Return a time of RFC 3339 in seconds."""
    return round(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("time", "latitude", "expected"),
    [
        # Declination 23.44 at the June solstice, -23.44 at the December solstice, 0 at the equinox: the height at
        # solar noon is 90 - latitude + declination. Solar noon at longitude 0: 12:00 less the equation of time.
        ("2024-06-20T12:01:45Z", 29.6, 83.84),
        ("2024-12-21T11:58:10Z", 29.6, 36.96),
        ("2024-03-20T12:07:25Z", 0.0, 89.85),
        ("2024-06-20T00:01:45Z", 29.6, -36.96),
    ],
)
def test_the_suns_height_at_noon_is_latitude_and_declination(time: str, latitude: float, expected: float) -> None:
    assert elevation(seconds(time), latitude, 0.0) == pytest.approx(expected, abs=0.2)


def test_the_sun_sets_when_the_hour_angle_says_so() -> None:
    """At the equinox the sun crosses 0 degrees six hours after noon: 18:07 at longitude 0, on any latitude."""
    assert elevation(seconds("2024-03-20T18:07:25Z"), 29.6, 0.0) == pytest.approx(0, abs=0.2)
    assert elevation(seconds("2024-03-20T18:07:25Z"), 29.6, 15.0) < -12


def site(position: tuple[float | None, float | None]) -> Site:
    return Site((Device("in", "grid"), ROOF), latitude=position[0], longitude=position[1])


def sleep(power: int, position: tuple[float | None, float | None] = CHONGQING) -> list[tuple[float, float]]:
    """Return when the roof is known to sleep, in hours after noon of 20 March 2024; it is silent from 16:00 to 10:00.

    Solar noon of the place is 13:01 by its clock.
    """
    noon = seconds("2024-03-20T12:00:00+08:00")
    steps = Steps.constant(noon, noon + 24 * 3600, power)
    found = asleep(site(position), ROOF, steps, (noon + 4 * 3600, noon + 22 * 3600))
    return [(float(begin - noon) / 3600, float(end - noon) / 3600) for begin, end in found]


def test_below_three_degrees_a_silent_inverter_sleeps() -> None:
    """At the equinox the sun moves 15 cos(latitude) degrees an hour near the horizon: 3 degrees are 14 minutes."""
    ((begin, end),) = sleep(50_000)
    assert begin == pytest.approx(1 + 1 / 60 + 6 - 3 / (15 * 0.8695), abs=0.05)
    assert end == pytest.approx(1 + 1 / 60 + 18 + 3 / (15 * 0.8695), abs=0.05)


def test_below_fifteen_degrees_an_inverter_sleeps_that_was_nearly_idle() -> None:
    """sin 15 degrees = cos(latitude) cos(hour angle): the hour angle is 72.67 degrees, 4.84 hours."""
    ((begin, end),) = sleep(1_999)
    assert begin == pytest.approx(1 + 1 / 60 + 4.84, abs=0.05)
    assert end == pytest.approx(1 + 1 / 60 + 24 - 4.84, abs=0.05)
    ((begin, _),) = sleep(2_000)
    assert begin > 6.5


def test_without_a_position_an_idle_inverter_sleeps_for_sixteen_hours_at_most() -> None:
    assert sleep(1_999, (None, None)) == [(4, 20)]
    assert sleep(2_000, (None, None)) == []


def test_an_inverter_that_no_map_calls_silent_does_not_sleep() -> None:
    steps = Steps.constant(0, 86400, 0)
    assert asleep(site(CHONGQING), Device("roof", "pv"), steps, (3600, 7200)) == []


def test_a_counters_power_is_the_mean_between_two_steps() -> None:
    """Steps of 100 Wh at 600 s and 900 s after the start: 600 W, then 1200 W, then nothing counted."""
    readings = [(0, 0), (300, 0), (600, 100), (900, 200), (1200, 200)]
    steps = counted([(time, Fraction(register)) for time, register in readings])
    assert steps.edges == (0, 600, 900, 1200)
    assert floats(*steps.values) == [600, 1200, 0]
    assert steps.energy(0, 1200) == 200


def test_a_counter_that_does_not_move_is_nothing_and_not_unknown() -> None:
    assert counted([(0, Fraction(7)), (900, Fraction(7))]).energy(0, 900) == 0


def test_a_counter_of_whole_kilowatt_hours_gives_the_energy_to_a_step() -> None:
    """7.5 kW for two hours, read every 5 min in steps of 1 kWh: a step each 8 minutes, 15 kWh in all."""
    steps = counted(polled(Steps.constant(0, 7200, 7500), 1000, 300))
    assert steps.energy(0, 7200) == 15_000
    middle = steps.energy(1800, 5400)
    assert middle is not None
    assert abs(middle - 7500) <= 1000


@pytest.mark.parametrize(
    ("kind", "time", "zone", "begin", "end"),
    [
        ("15m", "2026-11-30T11:59:59Z", "Asia/Shanghai", "2026-11-30T11:45:00Z", "2026-11-30T12:00:00Z"),
        ("1d", "2026-11-30T11:59:59Z", "Asia/Shanghai", "2026-11-29T16:00:00Z", "2026-11-30T16:00:00Z"),
        ("1mo", "2026-11-30T15:59:59Z", "Asia/Shanghai", "2026-10-31T16:00:00Z", "2026-11-30T16:00:00Z"),
        ("1d", "2026-03-29T12:00:00Z", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("1d", "2026-10-25T12:00:00Z", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("1mo", "2026-03-29T12:00:00Z", "Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("1d", "2026-11-30T11:59:59Z", "Asia/Kathmandu", "2026-11-29T18:15:00Z", "2026-11-30T18:15:00Z"),
        # Santiago skips the midnight of 6 September 2026: the day begins at 01:00
        ("1d", "2026-09-06T12:00:00Z", "America/Santiago", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
    ],
)
def test_a_window_is_that_of_the_sites_calendar(kind: str, time: str, zone: str, begin: str, end: str) -> None:
    assert window(kind, seconds(time), zone) == (seconds(begin), seconds(end))


def test_windows_follow_each_other() -> None:
    begin = datetime(2026, 10, 24, tzinfo=UTC)
    days = windows("1d", round(begin.timestamp()), round(begin.timestamp()) + 3 * 86400, "Europe/Berlin")
    assert [(end - start) // 3600 for start, end in days] == [24, 25, 24, 24]
