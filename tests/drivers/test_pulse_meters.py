"""Pulses of an input as the energy of a meter: 1000 / (imp/kWh) Wh a pulse."""

from __future__ import annotations

from fractions import Fraction

from wattgram_drivers.catalogue import load
from wattgram_drivers.pulse_meters import PULSE_ROLES, as_energy_meter, pulse_inputs

from tests.support.register_memory import values


def test_a_pulse_of_an_800_imp_meter_is_one_and_a_quarter_watt_hours() -> None:
    # WB-MCM8: input 3 counts at 64 and 65, high word first. 0x0001_0002 are 65538 pulses.
    meter = as_energy_meter(load("wirenboard_wb_mcm8"), "pulse_count_3", Fraction(800))
    assert values(meter, {64: 1, 65: 2})["active_energy_import"] == 65538 * 1.25
    assert pulse_inputs(meter) == ()
    assert set(meter.roles) == set(PULSE_ROLES)
    assert meter.roles["load"].energy == (("active_energy_import", ""),)


def test_the_inputs_of_a_device_are_its_counters_of_pulses() -> None:
    assert pulse_inputs(load("wirenboard_wb_mcm8")) == tuple(f"pulse_count_{number}" for number in range(1, 9))
    assert pulse_inputs(load("eastron_sdm630")) == ()
