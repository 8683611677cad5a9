"""SunSpec: each model is a block of registers, read with the ID and the length at its head."""

from __future__ import annotations

from wattgram_drivers.plan import RegisterSpan, make_plan

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, discover, written


def test_a_model_is_a_block_whose_head_is_read_with_any_of_its_values() -> None:
    # Model 1 has 68 registers from 40002, so model 103 is at 40070: ID 103, L 50, points to offset 51 (12040).
    device = discover((*MARKER, *COMMON_66, *written(103, INVERTER), *END))
    (block,) = device.blocks
    assert (block.first, block.last, block.header) == (40070, 40121, (103, 50))
    plan = make_plan(device, ["frequency"])
    assert [(each.address, each.count) for each in plan.blocks] == [(40070, 18)]  # Hz_SF is at offset 17, Hz at 16
    assert set(plan.headers) == {RegisterSpan("holding", 40070, 40071)}


def test_states_and_alarms_are_told_apart_from_measured_values() -> None:
    plan = make_plan(discover((*MARKER, *COMMON_66, *written(103, INVERTER), *END)))
    (checked,) = plan.checked
    names = {plan.quantities[index] for index in checked.codes}
    assert names == {"status", "status_vendor", "alarm_1", "alarm_vendor_1", "alarm_vendor_2"}
    measured = {plan.quantities[index] for index in checked.values}
    assert {"frequency", "voltage_l1n", "active_power_total", "energy_total"} <= measured
    header = plan.positions[RegisterSpan("holding", 40070, 40071)]
    assert not {header, header + 1} & set(checked.words)
    assert checked.block.state == "status"
    assert checked.block.running == (4.0, 5.0)  # MPPT and THROTTLED
