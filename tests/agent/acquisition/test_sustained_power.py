"""A power that was held for more than ten minutes shows that a smaller rated power is wrong (METHOD-SITE 10)."""

from __future__ import annotations

import struct
from math import isnan

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.sustained_power import SustainedPower
from wattgram.base.clock import NS
from wattgram.config.devices_table import DeviceConfig
from wattgram_drivers.device import Device, Reading, Register
from wattgram_drivers.endpoint import parse
from wattgram_drivers.plan import make_plan

from tests.support.kind_roles import with_roles

DEVICE = with_roles(Device("made", "", "", "inverter", (Register("active_power_total", 0, "holding", "u16"),)))


def after(minutes: float, power: float, interval: float = 1.0) -> float:
    watch = SustainedPower(interval)
    for number in range(int(minutes * 60.0 / interval) + 1):
        watch.take(power, number * interval)
    return watch.largest


def test_ten_minutes_are_not_enough_and_twelve_are() -> None:
    assert after(10.0, 5e3) == 0.0
    assert after(12.0, 5e3) == 5e3
    assert after(20.0, -5e3) == 5e3


def test_a_device_that_is_read_every_five_minutes_holds_its_power_too() -> None:
    assert after(10.0, 5e3, 300.0) == 0.0
    assert after(20.0, 5e3, 300.0) == 5e3


def test_the_smallest_power_of_the_time_counts_and_a_missing_one_begins_anew() -> None:
    watch = SustainedPower(1.0)
    for second in range(1500):
        watch.take(5e3 if second % 50 else 2e3, float(second))
    assert watch.largest == 2e3
    gaps = SustainedPower(1.0)
    for second in range(3000):
        gaps.take(float("nan") if second % 500 == 0 else 5e3, float(second))
    assert gaps.largest == 0.0


def source(rated_power: float | None) -> Source:
    config = DeviceConfig("one", "pv", "made", DEVICE, parse("tcp://127.0.0.1"), 1, rated_power=rated_power)
    return Source(config, "works", 0.0)


def take(inverter: Source, second: int, power: int) -> list[str]:
    inverter.take(Reading(second * NS, float(second), struct.pack(">H", power), b"\1"))
    assert inverter.taken is not None
    return [occurrence.event for occurrence in inverter.taken.occurrences]


def test_a_rated_power_below_what_has_flowed_is_not_applied_and_is_an_event_and_a_finding() -> None:
    before = source(None)
    before.equip(DEVICE, make_plan(DEVICE))
    for second in range(900):
        take(before, second, 60000)
    after_restart = source(11e3)  # the inverter has 110 kW
    after_restart.restore(before.dump())
    after_restart.equip(DEVICE, make_plan(DEVICE))
    assert take(after_restart, 1000, 60000) == ["rated power too small"]
    assert take(after_restart, 1001, 60000) == []
    assert after_restart.power(1001.0) == 60000.0
    assert "check rated_power" in after_restart.findings[0]
    assert after_restart.dump()["rated"] == {"power": 11e3, "finding": after_restart.findings[0]}


def test_a_reading_that_waits_for_the_clock_is_judged_by_the_same_bounds() -> None:
    after_restart = source(11e3)
    after_restart.restore({"delivered": [], "sustained": 60000.0, "rests": False})
    after_restart.equip(DEVICE, make_plan(DEVICE))
    waiting = Reading(0, 0.0, struct.pack(">H", 60000), b"\1")
    assert after_restart.decode_undated(waiting)["active_power_total"] == 60000.0
    fresh = source(11e3)
    fresh.equip(DEVICE, make_plan(DEVICE))
    assert isnan(float(fresh.decode_undated(waiting)["active_power_total"]))


def test_without_such_a_history_the_rated_power_bounds() -> None:
    fresh = source(11e3)
    fresh.equip(DEVICE, make_plan(DEVICE))
    assert take(fresh, 0, 60000) == ["implausible value"]
