"""Zeros of voltages that are true: three-wire meters, outages and standstills without a counter in the plan."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan

import pytest
from wattgram.acquisition.validity import Judge, Judged
from wattgram_drivers.catalogue import load
from wattgram_drivers.device import Reading
from wattgram_drivers.plan import make_plan

DEAD = {"voltage_l1n": 0.0, "voltage_l2n": 0.0, "voltage_l3n": 0.0}
LOADED = {**{f"current_l{n}": 10.0 for n in (1, 2, 3)}, "active_power_total": 6.6e3, "frequency": 50.0}


class Floats:
    """A judge of a meter with registers of f32. apart: each value in a request of its own."""

    def __init__(self, driver: str, quantities: Sequence[str] | None = None, *, slow: Sequence[str] = ()) -> None:
        device = load(driver)
        device = replace(device, limits=replace(device.limits, gap=0))
        self.plan = make_plan(device, quantities, slow=slow)
        self.judge = Judge(device, self.plan, role="load")
        self.now = 0.0

    def take(self, values: Mapping[str, float], *, unread: Sequence[str] = ()) -> Judged:
        """Judge a reading of these values in the register's unit; the others are 0. unread: without an answer."""
        image, valid = bytearray(2 * self.plan.words), bytearray(b"\1" * self.plan.words)
        for place in self.plan.places:
            name = place.register.quantity
            struct.pack_into(">f", image, 2 * place.position, values.get(name, 0.0))
            if name in unread:
                valid[place.position] = valid[place.position + 1] = 0
        self.now += 1.0
        reading = Reading(int(self.now * 1e9), self.now, bytes(image), bytes(valid), slow=not unread)
        return self.judge.judge(reading)

    def power(self, judged: Judged) -> float:
        """Return the total power of a judged reading."""
        at = self.judge.names.index("active_power_total")
        (power,) = struct.unpack_from("d", judged.values, 8 * at)
        return float(power)


def test_a_three_wire_meter_with_voltages_between_its_lines_is_right() -> None:
    meter = Floats("eastron_sdm630")
    lines = {"voltage_l1l2": 400.0, "voltage_l2l3": 400.0, "voltage_l3l1": 400.0}
    judged = meter.take({**DEAD, **LOADED, **lines})
    assert meter.power(judged) == 6600.0
    assert not judged.withheld


def test_a_three_wire_meter_without_voltages_is_right_once_its_counter_rises() -> None:
    meter = Floats("eastron_sdm630", [*DEAD, *LOADED, "active_energy_import"])
    readings = [
        meter.take({**DEAD, **LOADED, "active_energy_import": energy}) for energy in (100.0, 100.0, 100.1, 100.1)
    ]
    assert [isnan(meter.power(judged)) for judged in readings] == [True, True, False, False]
    without_frequency = meter.take({**DEAD, **LOADED, "frequency": 0.0, "active_energy_import": 100.2})
    assert isnan(meter.power(without_frequency))


def test_voltages_that_were_not_due_decide_nothing() -> None:
    lines = ["voltage_l1l2", "voltage_l2l3", "voltage_l3l1"]
    meter = Floats("eastron_sdm630", [*DEAD, *LOADED, *lines], slow=lines)
    assert meter.power(meter.take({**DEAD, **LOADED}, unread=lines)) == 6600.0


def test_the_power_of_a_three_wire_meter_is_bounded_by_the_voltages_between_its_lines() -> None:
    meter = Floats("eastron_sdm630")
    lines = {"voltage_l1l2": 400.0, "voltage_l2l3": 400.0, "voltage_l3l1": 400.0}
    # 10 x 3 x 400 V / root 3 x 10 A + 1 kVA = 70.3 kVA
    loaded = {**DEAD, **LOADED, **lines}
    assert not any(meter.take({**loaded, "active_power_total": 70e3}).withheld for _ in range(4))
    assert [len(meter.take({**loaded, "active_power_total": 71e3}).withheld) for _ in range(3)] == [0, 0, 1]


def test_an_outage_without_a_counter_is_told_from_an_empty_answer_by_another_value() -> None:
    meter = Floats("eastron_sdm630", ["voltage_l1n", "current_l1", "active_power_total", "active_power_demand"])
    assert meter.power(meter.take({"active_power_demand": 3e3})) == 0.0
    empty = meter.take({})
    assert isnan(meter.power(empty)) or empty.withheld
    assert "no counter is read" in empty.withheld[0].reason
    assert "add active_energy_import to quantities" in empty.withheld[0].reason


def test_counters_that_are_read_slowly_show_an_outage_between_their_readings() -> None:
    counter = "active_energy_import"
    meter = Floats("eastron_sdm630", [*DEAD, "active_power_total", counter], slow=[counter])
    assert not meter.take({counter: 5.0}).withheld
    assert not meter.take({}, unread=[counter]).withheld
    assert meter.take({}).withheld
    assert meter.take({}, unread=[counter]).withheld


@pytest.mark.parametrize(("driver", "still"), [("comap_intelilite", True), ("eastron_sdm630", False)])
def test_a_machine_without_a_counter_in_its_quantities_stands_still(driver: str, still: bool) -> None:
    device = load(driver)
    plan = make_plan(device, ["voltage_l1n", "active_power_total"])
    judge = Judge(device, plan, role="genset" if still else "load")
    judged = judge.judge(Reading(0, 0.0, bytes(2 * plan.words), b"\1" * plan.words))
    assert bool(judged.withheld) is not still
