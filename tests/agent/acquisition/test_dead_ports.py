"""Outages and dead ports of every map: zeros that are true stay, and values that no port can have are absent."""

from __future__ import annotations

import re
from math import isnan, nan

import pytest
from wattgram_drivers.quantity import QUANTITIES

from tests.support.physical_bounds import AC_POWER, AC_VOLTAGE, FREQUENCY
from tests.support.plausible_trials import (
    DEVICES,
    PORT_VALUE,
    Trial,
    ac_current,
    complete,
    counted,
    loaded,
    port_of,
    same,
    value_of,
    void_with_its_port,
    whole_of,
    with_phase_voltage,
)


@pytest.mark.parametrize("word", [0x0000, 0xFFFF])
@pytest.mark.parametrize("name", [name for name in DEVICES if with_phase_voltage(name)])
def test_a_block_without_a_single_bit_of_its_own_is_void(name: str, word: int) -> None:
    trial = Trial(name, 0)
    trial.images.every = lambda _: word
    record = trial.record()
    named = {"voltage_l1n", "voltage_l2n", "voltage_l3n", "frequency"} & set(trial.images.registers)
    void = set().union(*(trial.images.together_with(quantity) for quantity in named))
    if word == 0x0000:  # a code of 0 may be true
        void = {quantity for quantity in void if QUANTITIES[quantity].unit != "1" or "factor" in quantity}
    told = {quantity: value_of(record, quantity) for quantity in void}
    assert {quantity: value for quantity, value in told.items() if not isnan(value)} == {}
    assert record["quality"] != trial.healthy


@pytest.mark.parametrize("name", [name for name in DEVICES if "voltage_l1n" in loaded(name)[0].quantities])
def test_zeros_beside_a_counter_above_zero_are_an_outage_and_good(name: str) -> None:
    trial = Trial(name, 0)
    if not counted(trial):
        return
    dead = {
        quantity: 0.0
        for quantity in trial.compared
        if any(word in quantity for word in ("voltage", "current", "_power", "frequency"))
        and quantity != trial.images.device.nameplate
        and not quantity.startswith(("dc_", "battery_", "rated", "power_"))
        and not isnan(trial.world.values[quantity])
    }
    trial.images.values.update(dead)
    record = trial.record()
    told = {
        quantity: value_of(record, quantity)
        for quantity in dead
        # The voltages tell some maps how many phases there are.
        if not FREQUENCY.fullmatch(quantity) and getattr(trial.images.registers[quantity], "variant", None) is None
    }
    right = {quantity: trial.expected(quantity) for quantity in told}
    assert told == right | {quantity: nan for quantity, value in right.items() if isnan(value)} or told == right
    assert record["quality"] == trial.healthy or not complete(trial, whole_of(trial))


@pytest.mark.parametrize("name", [name for name in DEVICES if "frequency" in loaded(name)[0].quantities])
def test_a_frequency_of_zero_beside_a_voltage_is_absent_alone(name: str) -> None:
    trial = Trial(name, 0)
    register = trial.images.registers["frequency"]
    if "voltage_l1n" not in trial.images.registers or trial.images.device.kind == "genset":
        return
    whole = whole_of(trial)
    trial.images.change("frequency", *[0] * register.words)
    record = trial.record()
    assert isnan(value_of(record, "frequency"))
    lost = [quantity for quantity in whole if quantity != "frequency" and isnan(value_of(record, quantity))]
    assert [quantity for quantity in lost if not isnan(whole[quantity])] == []


@pytest.mark.parametrize("name", [name for name in DEVICES if loaded(name)[0].kind == "meter"])
def test_a_meter_without_voltage_and_with_power_measures_nothing(name: str) -> None:
    trial = Trial(name, 0)
    voltages = [quantity for quantity in trial.compared if AC_VOLTAGE.fullmatch(quantity)]
    powers = [quantity for quantity in trial.compared if AC_POWER.fullmatch(quantity)]
    if "voltage_l1n" not in voltages or not powers:
        return
    trial.images.values.update(dict.fromkeys(voltages, 0.0))
    if isnan(trial.expected("voltage_l1n")):
        return  # 0 means not available
    record = trial.record()
    told = {quantity: value_of(record, quantity) for quantity in powers}
    assert {quantity: value for quantity, value in told.items() if not isnan(value)} == {}
    assert record["quality"] != trial.healthy


@pytest.mark.parametrize("rated", [True, False], ids=["rated", "unrated"])
@pytest.mark.parametrize("name", DEVICES)
def test_a_dead_port_takes_its_own_values_and_no_others(name: str, rated: bool) -> None:
    trial = Trial(name, 0, rated=rated)
    whole = whole_of(trial)
    for prefix in ("", "meter_", "inverter_"):
        for quantity in trial.compared:
            if AC_VOLTAGE.fullmatch(quantity) and port_of(quantity) == prefix:
                trial.images.change(quantity, *[0] * trial.images.registers[quantity].words)
        void = void_with_its_port(trial, whole_of(trial))
        record = trial.record()
        if void:
            assert [quantity for quantity in void if not isnan(value_of(record, quantity))] == []
            assert record["quality"] != trial.healthy
            others = {quantity: value for quantity, value in whole.items() if not PORT_VALUE.fullmatch(quantity)}
            assert [other for other, value in others.items() if not same(value_of(record, other), value)] == []
        trial.images.restore()


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in DEVICES
        if "active_power_total" in loaded(name)[0].quantities
        and {"dc_power", "dc_power_1"} & set(loaded(name)[0].quantities)
    ],
)
def test_an_inverter_behind_a_dead_grid_has_no_power_and_keeps_its_dc_side(name: str) -> None:
    trial = Trial(name, 0)
    ports = [
        quantity
        for quantity in trial.compared
        if AC_VOLTAGE.fullmatch(quantity) or AC_POWER.fullmatch(quantity) or ac_current(quantity)
        if not isnan(trial.world.values[quantity])
    ]
    if not counted(trial) or "voltage_l1n" not in ports:
        return
    ports += [quantity for quantity in trial.compared if re.fullmatch(r"(grid|output|inverter)_power\w*", quantity)]
    trial.images.values.update(dict.fromkeys(ports, 0.0))
    trial.images.values["apparent_power_total"] = trial.images.values["reactive_power_total"] = 0.0
    sides = {quantity: trial.expected(quantity) for quantity in trial.compared if quantity.startswith("dc_")}
    record = trial.record()
    assert value_of(record, "active_power_total") == 0.0
    assert {quantity: value for quantity, value in sides.items() if not same(value_of(record, quantity), value)} == {}
