"""Register words that users reported as wrong values, typed here, and the values that their devices mean."""

from __future__ import annotations

from math import isnan

import pytest
from wattgram_drivers.catalogue import SUNSPEC, load, names
from wattgram_drivers.device import ValidWhen
from wattgram_drivers.plan import make_plan
from wattgram_drivers.quantity import QUANTITIES

from tests.support.register_memory import values

GROWATT = ("temperature_internal", "temperature_ipm", "temperature_boost")

UNSIGNED = {
    # chargers do not feed back, and their makers state unsigned values
    *(("abb_terra_ac", "active_power_total"), ("keba_p30_p40", "active_power_total")),
    # SMA and SunSpec (model 160, Fronius 499) define unsigned values, with a pattern for "not available"
    *(("sma_native", f"grid_{way}_power_l{phase}") for way in ("import", "export") for phase in (1, 2, 3)),
    *(
        (name, f"battery_power_{way}")
        for name in ("sma_native", "sma_data_manager_battery")
        for way in ("charge", "discharge")
    ),
    *(("fronius_sunspec_float", name) for name in ("dc_power_1", "dc_power_2", "site_power")),
    *(("fronius_sunspec_float", f"battery_power_{way}_gen24") for way in ("charge", "discharge")),
    *(("fronius_sunspec_int_sf", name) for name in ("dc_power_1", "dc_power_2")),
    *(("fronius_sunspec_int_sf", f"battery_power_{way}_gen24") for way in ("charge", "discharge")),
    # both readers of the vendor's document state an unsigned load
    ("huawei_emma", "load_power"),
    # unsigned with an offset of 16384, for evcc and Tinkerforge
    *(("sax_power_home", name) for name in ("battery_power", "meter_active_power_total")),
    # limits, not measurements
    *(
        (name, f"battery_max_{way}_power")
        for name in ("huawei_luna2000", "sigenergy_plant")
        for way in ("charge", "discharge")
    ),
    # 16 bits, and both sources say unsigned: a string gives power only, a load takes it only
    *(("deye_hybrid_3p", f"dc_power_{number}") for number in (1, 2, 3, 4)),
    *(("deye_hybrid_hv", f"dc_power_{number}") for number in range(1, 9)),
    *(("solax_x3_g4", "dc_power_1"), ("solax_x3_g4", "dc_power_2"), ("victron_gx", "dc_power")),
    *(("sofar_g3", name) for name in ("dc_power", "dc_power_1", "dc_power_2", "dc_power_3", "dc_power_4")),
    ("sofar_g3", "external_generation_power"),
    *(("sofar_hyd_legacy", name) for name in ("dc_power", "load_power")),
    *(("sofar_string_legacy", name) for name in ("dc_power_1", "dc_power_2", "active_power_total")),
    *(("sofar_string_legacy_3mppt", f"dc_power_{number}") for number in (1, 2, 3)),
    ("sofar_string_legacy_3mppt", "active_power_total"),
    *(("solis_hybrid_33xxx", name) for name in ("load_power", "backup_power")),
    ("goodwe_dt_legacy", "active_power_total"),
}
"""Powers without a sign, with the reason."""


@pytest.mark.parametrize("name", [name for name in names() if name != SUNSPEC])
def test_powers_and_temperatures_are_signed_unless_a_reason_says_otherwise(name: str) -> None:
    unsigned = {
        (name, register.quantity)
        for register in load(name).registers
        if register.type.startswith("u")
        and QUANTITIES[register.quantity].unit in ("W", "var", "degC")
        and not register.quantity.startswith("rated_")
    }
    assert unsigned == {row for row in UNSIGNED if row[0] == name}


@pytest.mark.parametrize(
    ("driver", "words", "expected"),
    [
        # An inverter takes a little power at night: -123 x 0.1 W (OpenInverterGateway issue 342).
        ("growatt_tl3x", {35: 0xFFFF, 36: 0xFF85}, {"active_power_total": -12.3}),
        ("growatt_tl3x", {234: 0xFFFF, 235: 0xFC18}, {"reactive_power_total": -100.0}),
        ("growatt_tl3x", {93: 0xFFCE, 94: 0xFFCE, 95: 0xFFCE}, dict.fromkeys(GROWATT, -5.0)),
        ("growatt_tlx", {3021: 0xFFFF, 3022: 0xFC18}, {"reactive_power_total": -100.0}),
        ("growatt_tlx", {3093: 0xFFCE}, {"temperature_internal": -5.0}),
        ("growatt_tlx", {3041: 0xFFFF, 3042: 0xFF85}, {"import_power": -12.3}),
        ("sungrow_sg_string", {5030: 0xFFF4, 5031: 0xFFFF}, {"active_power_total": -12.0}),  # low word first
        ("solis_string_3xxx", {3004: 0xFFFF, 3005: 0xFFF4}, {"active_power_total": -12.0}),
        ("solis_string_3xxx", {3041: 0xFFCE}, {"temperature_internal": -5.0}),
        ("solis_hybrid_33xxx", {33093: 0xFFCE}, {"temperature_internal": -5}),
        ("deye_string", {86: 0xFF85, 87: 0xFFFF}, {"active_power_total": -12.3}),
        ("deye_string", {88: 0xFC18, 89: 0xFFFF}, {"reactive_power_total": -100.0}),
        ("goodwe_dt", {30127: 0xFFFF, 30128: 0xFFF4}, {"active_power_total": -12}),
        ("sofar_string_legacy", {13: 0xFFF6}, {"reactive_power_total": -100.0}),
        ("sofar_string_legacy", {27: 0xFFFB, 28: 0xFFFB}, {"temperature_module": -5.0, "temperature_internal": -5.0}),
        ("sofar_hyd_legacy", {529: 0xFFFB}, {"battery_temperature": -5}),
    ],
)
def test_a_negative_power_or_temperature_is_negative(
    driver: str, words: dict[int, int], expected: dict[str, float]
) -> None:
    read = values(load(driver), words)
    assert {name: read[name] for name in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("power_flow", "power", "expected"),
    [
        # Firmware of November 2024: 13021 is signed, discharge+, and the direction bits of 13000 stay 0.
        (0x0000, 0xF448, -3000.0),
        (0x0000, 0x0BB8, 3000.0),
        # Before: a magnitude; bit 1 of 13000 is charging, bit 2 discharging.
        (0x0002, 0x0BB8, -3000.0),
        (0x0004, 0x0BB8, 3000.0),
        # Bits and sign together do not turn the value back.
        (0x0002, 0xF448, -3000.0),
    ],
)
def test_sungrows_battery_charges_with_old_and_new_firmware(power_flow: int, power: int, expected: float) -> None:
    words = {13000: power_flow, 13020: power, 13021: power, 5213: 0xF448, 5214: 0xFFFF}
    read = values(load("sungrow_sh_hybrid"), words)
    assert read["battery_power"] == expected
    assert read["battery_current"] == expected / 10  # 13020 in 0.1 A
    assert read["battery_power_signed"] == -3000.0  # low word first


SPLIT = {
    "grid_ct_power_total": (619, 708),
    "grid_power_l1": (622, 687),
    "grid_power_l2": (623, 688),
    "grid_power_l3": (624, 689),
    "grid_power_total": (625, 690),
    "active_power_l1": (633, 691),
    "active_power_l2": (634, 692),
    "active_power_l3": (635, 693),
    "active_power_total": (636, 694),
    "load_power": (653, 659),
}
"""Low and high word of Deye's powers (kellerza/sunsynk three_phase_common.py, ha-solarman deye_p3.yaml)."""


@pytest.mark.parametrize("quantity", SPLIT)
def test_deyes_powers_have_their_high_word_elsewhere(quantity: str) -> None:
    deye, (low, high) = load("deye_hybrid_3p"), SPLIT[quantity]
    # 0x9c40 is 40000; -40000 is 0xffff63c0 in two's complement; 0x00019c40 is 65536 + 40000
    for words, expected in (((0x9C40, 0), 40e3), ((0x63C0, 0xFFFF), -40e3), ((0x9C40, 1), 105_536.0)):
        assert values(deye, {low: words[0], high: words[1]})[quantity] == expected
    # Firmware without the high words has the signed value in the low word; without the low word there is no value.
    assert values(deye, {low: 0xFF9C, high: 0}, illegal=[high])[quantity] == -100.0
    assert isnan(values(deye, {low: 0x0064, high: 0}, illegal=[low])[quantity])


def test_both_words_of_deyes_powers_come_in_one_request() -> None:
    plan = make_plan(load("deye_hybrid_3p"), list(SPLIT))
    assert [(block.address, block.count) for block in plan.blocks] == [(619, 90)]  # 619 to 708
    assert plan.twice == frozenset()


NOT_AVAILABLE = (0x7FFF, 0xFFFF)


def test_goodwes_phases_that_do_not_exist_are_absent() -> None:
    # A unit with one phase (marcelblijleven/goodwe, tests/sample/eh): the second and third phase are marked, 35139 has
    # a high word of 0 and 0xff5c, which is -164 in 16 bits.
    words = {35123: 4997, 35124: 0, 35125: 1561, 35137: 0, 35138: 1561, 35139: 0, 35140: 0xFF5C}
    for address in (35129, 35134, 35141):
        words |= {address: NOT_AVAILABLE[0], address + 1: NOT_AVAILABLE[1]}
    words |= {35143: 0xFFFF, 35144: 0xFFFF}
    read = values(load("goodwe_et"), words)
    for name in ("active_power_l2", "active_power_l3", "reactive_power_total", "apparent_power_total"):
        assert isnan(read[name]), name
    assert (read["active_power_total"], read["active_power_l1"], read["inverter_power_total"]) == (-164, 1561, 1561)
    # the same unit, charging its battery from the grid: all powers have 16 bits
    words |= {35125: 0xFC18, 35138: 0xFC18, 35171: 0, 35172: 0xFFF6}
    read = values(load("goodwe_et"), words)
    assert (read["active_power_l1"], read["inverter_power_total"], read["load_power"]) == (-1000, -1000, -10)


def test_goodwes_three_phases_have_powers_of_32_bits() -> None:
    # 50 kW: 65372 W to the grid, in two words; 0x7fff0000 is no mark, but 0x7fffffff is
    words = {35129: 0, 35130: 15000, 35139: 0, 35140: 0xFF5C, 35137: 0xFFFF, 35138: 0xFC18}
    read = values(load("goodwe_et"), words)
    assert (read["active_power_total"], read["active_power_l2"]) == (65372, 15000)
    assert read["inverter_power_total"] == -1000


@pytest.mark.parametrize("driver", ["goodwe_et", "goodwe_dt", "goodwe_dt_legacy"])
def test_7fffffff_is_no_value_of_a_goodwe_row(driver: str) -> None:
    device = load(driver)
    long = [register for register in device.registers if register.type in ("u32", "i32")]
    words = {address: NOT_AVAILABLE[index] for row in long for index, address in enumerate(row.addresses)}
    read = values(device, words)
    assert {row.quantity for row in long if not isnan(read[row.quantity])} == set()


def test_huaweis_one_phase_has_its_voltage_at_32066() -> None:
    # 1000 W at 4.248 A are 235.4 V: 32066 is the grid's voltage, and 115.3 V at 32069 are not.
    one = {32066: 2354, 32069: 1153, 32072: 0, 32073: 4248, 32080: 0, 32081: 1000}
    for others in (0, 0xFFFF):
        read = values(load("huawei_sun2000"), one | {32067: others, 32068: others})
        assert read["voltage_l1n"] == 235.4
        assert read["active_power_total"] / read["current_l1"] == pytest.approx(read["voltage_l1n"], rel=1e-4)
        assert isnan(read["voltage_l1l2"])
    three = {32066: 4001, 32067: 3998, 32068: 4003, 32069: 2310, 32070: 2308, 32071: 2311}
    read = values(load("huawei_sun2000"), three)
    assert (read["voltage_l1n"], read["voltage_l1l2"]) == (231.0, 400.1)


def test_a_huawei_meter_is_valid_while_its_status_is_normal() -> None:
    # 0 is offline: all powers are 0 and all energies 0x7fffffff (evcc issue 31595; huawei-solar-lib: 1 is normal)
    meter = load("huawei_dtsu666h")
    assert meter.conditions == (ValidWhen("status", (1.0,)),)
    read = values(meter, {37119: 0x7FFF, 37120: 0xFFFF, 37121: 0x7FFF, 37122: 0xFFFF})
    assert read["status"] == 0
    assert isnan(read["active_energy_import"])
    assert isnan(read["active_energy_export"])


@pytest.mark.parametrize("driver", ["huawei_dtsu666h", "goodwe_et", "goodwe_dt"])
def test_a_state_is_read_with_the_values_that_it_covers(driver: str) -> None:
    device = load(driver)
    (condition,) = device.conditions
    covered = (condition.quantities or ("active_power_total",))[0]
    plan = make_plan(device, [covered], slow=[condition.state])
    assert set(plan.quantities) == {covered, condition.state}
    assert plan.fast_blocks == plan.blocks
    uncovered = [name for name in condition.quantities and device.quantities if name not in condition.quantities][:1]
    assert condition.state not in make_plan(device, uncovered).quantities or not uncovered


@pytest.mark.parametrize(
    ("driver", "words", "power"),
    [
        ("goodwe_et", {35001: 10000}, 10e3),
        ("goodwe_dt", {30002: 170}, 17e3),  # GW17K-DT
        ("huawei_sun2000", {30073: 1, 30074: 0xADB0}, 110e3),
        ("sungrow_sg_string", {5000: 1100}, 110e3),
        ("sungrow_sh_hybrid", {5000: 100}, 10e3),
        ("deye_hybrid_3p", {20: 0xD4C0, 21: 1}, 12e3),  # 120000 x 0.1 W, low word first
        ("deye_string", {16: 0x86A0, 17: 1}, 10e3),  # 100000 x 0.1 W
        ("sma_native", {30231: 0, 30232: 25000}, 25e3),  # STP 25000TL-30
        ("comap_intelilite", {1228: 400}, 400e3),
    ],
)
def test_a_map_names_the_register_with_the_rated_power(driver: str, words: dict[int, int], power: float) -> None:
    device = load(driver)
    assert device.nameplate == "rated_power"
    assert values(device, words)["rated_power"] == power


def test_every_map_with_a_rated_power_names_it() -> None:
    devices = [load(name) for name in names() if name != SUNSPEC]
    assert [device.name for device in devices if "rated_power" in device.quantities and not device.nameplate] == []
