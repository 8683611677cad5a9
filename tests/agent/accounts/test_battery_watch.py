"""Events about a battery: METHOD-SITE 9.6."""

from __future__ import annotations

from math import nan

from wattgram.accounts.battery_pool import learns
from wattgram.accounts.battery_watch import AGREES, DIFFERS, IN_RANGE, OUT_OF_RANGE, BatteryWatch
from wattgram.config.role_keys import BatteryConfig


def test_a_difference_over_three_points_is_an_event() -> None:
    watch, occurrences = BatteryWatch(0.9025).advance(nan, out_of_range=False)
    assert occurrences == ()
    watch, occurrences = watch.advance(0.873, out_of_range=False)
    assert occurrences == ()
    watch, occurrences = watch.advance(0.85, out_of_range=False)
    assert [event for event, _ in occurrences] == [DIFFERS]
    assert occurrences[0].detail.startswith("85.0% of the charged energy was discharged, and 90.2% is configured")
    watch, occurrences = watch.advance(0.85, out_of_range=False)
    assert occurrences == ()
    _, occurrences = watch.advance(0.9, out_of_range=False)
    assert [event for event, _ in occurrences] == [AGREES]


def test_without_a_configuration_there_is_no_difference() -> None:
    assert BatteryWatch().advance(0.6, out_of_range=False)[1] == ()


def test_an_impossible_intensity_begins_and_ends() -> None:
    watch, occurrences = BatteryWatch().advance(nan, out_of_range=True)
    assert [event for event, _ in occurrences] == [OUT_OF_RANGE]
    assert [event for event, _ in watch.advance(nan, out_of_range=False)[1]] == [IN_RANGE]


def test_a_configured_efficiency_is_not_learned() -> None:
    assert learns([BatteryConfig(200e3)])
    assert not learns([BatteryConfig(200e3), BatteryConfig(200e3, 0.9, 0.95)])
    assert not learns([BatteryConfig(200e3, stated=True)])
