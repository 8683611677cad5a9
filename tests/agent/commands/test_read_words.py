"""Words of real devices, written by hand, as `wattgram read` prints them; the right values are worked out on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from wattgram_drivers.catalogue import load

from tests.support.field_devices import Answered, reading, words_of
from tests.support.running_site import device


def read_words(driver: str, words: Mapping[int, int]) -> Answered:
    with device(words_of(driver, words)) as server:
        return reading(server.url, driver)


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("driver", "quantity", "words", "right"),
    [
        # Two's complement: FFFF FF85 is -123, in steps of 0.1 W.
        ("growatt_tl3x", "active_power_total", {35: 0xFFFF, 36: 0xFF85}, -12.3),
        ("sungrow_sg_string", "active_power_total", {5030: 0xFFEF, 5031: 0xFFFF}, -17.0),  # low word first
        ("solis_string_3xxx", "active_power_total", {3004: 0xFFFF, 3005: 0xFFE2}, -30.0),
        ("deye_string", "active_power_total", {86: 0xFFB0, 87: 0xFFFF}, -8.0),
        ("goodwe_dt", "active_power_total", {30127: 0xFFFF, 30128: 0xFFDD}, -35.0),
        ("growatt_tl3x", "reactive_power_total", {234: 0xFFFF, 235: 0xFC18}, -100.0),
        ("deye_string", "reactive_power_total", {88: 0xFC18, 89: 0xFFFF}, -100.0),
        ("sofar_string_legacy", "reactive_power_total", {13: 0xFFF6}, -100.0),  # steps of 10 var
        ("growatt_tl3x", "temperature_internal", {93: 0xFFCE}, -5.0),
        ("growatt_tl3x", "temperature_ipm", {94: 0xFFCE}, -5.0),
        ("growatt_tlx", "temperature_internal", {3093: 0xFFCE}, -5.0),
        ("solis_string_3xxx", "temperature_internal", {3041: 0xFFCE}, -5.0),
        ("solis_hybrid_33xxx", "temperature_internal", {33093: 0xFFCE}, -5.0),
        ("sofar_string_legacy", "temperature_internal", {28: 0xFFFB}, -5.0),
        ("sofar_string_legacy", "temperature_module", {27: 0xFFFB}, -5.0),
    ],
)
def test_a_value_below_zero_is_read_below_zero(
    driver: str, quantity: str, words: Mapping[int, int], right: float
) -> None:
    assert read_words(driver, words).values[quantity] == pytest.approx(right)


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ({13000: 0x0000, 13021: 0xF448}, -3000.0),  # signed register, no direction bits
        ({13000: 0x0000, 13021: 0x0BB8}, 3000.0),
        ({13000: 0x0002, 13021: 0xF448}, -3000.0),  # both
        ({13000: 0x0002, 13021: 0x0BB8}, -3000.0),  # bit 1: charging
        ({13000: 0x0004, 13021: 0x0BB8}, 3000.0),  # bit 2: discharging
    ],
)
def test_a_direction_bit_gives_a_sign_only_to_a_magnitude(words: dict[int, int], right: float) -> None:
    # 5213 is the signed copy of newer firmware, low word first.
    signed = {5213: 0xF448, 5214: 0xFFFF} if right < 0 else {5213: 0x0BB8, 5214: 0x0000}
    assert read_words("sungrow_sh_hybrid", words | signed).values["battery_power"] == right


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ({33135: 0, 33149: 0x0000, 33150: 0x05DC}, -1500.0),  # 0: charging
        ({33135: 1, 33149: 0x0000, 33150: 0x05DC}, 1500.0),
        ({33135: 0, 33149: 0xFFFF, 33150: 0xFA24}, -1500.0),
        ({33135: 1, 33149: 0xFFFF, 33150: 0xFA24}, -1500.0),  # charging by its own sign
    ],
)
def test_a_battery_that_charges_by_its_own_sign_is_not_turned(words: dict[int, int], right: float) -> None:
    assert read_words("solis_hybrid_33xxx", words).values["battery_power"] == right


@pytest.mark.parametrize(
    ("quantity", "words", "right"),
    [
        ("grid_ct_power_total", {619: 0x9C40, 708: 0x0000}, 40_000.0),
        ("grid_power_total", {625: 0x9C40, 690: 0x0000}, 40_000.0),
        ("grid_ct_power_total", {619: 0xFFF6, 708: 0xFFFF}, -10.0),
        ("grid_power_total", {625: 0x63C0, 690: 0xFFFF}, -40_000.0),
        ("grid_power_total", {625: 0x0000, 690: 0x0001}, 65_536.0),
    ],
)
def test_a_value_whose_words_stand_apart_is_put_together(quantity: str, words: dict[int, int], right: float) -> None:
    rated = {20: 0x93E0, 21: 0x0004}  # 300,000 steps of 0.1 W, where a map has the rated power
    assert read_words("deye_hybrid_3p", rated | words).values[quantity] == right


def test_a_row_with_high_words_elsewhere_is_still_read_where_they_do_not_exist() -> None:
    # Older firmware answers exception 2 above 679; a signed power is its low word there.
    behaviour = words_of("deye_hybrid_3p", {625: 0xFFF6}, refused=dict.fromkeys(range(680, 720), 2))
    with device(behaviour) as server:
        values = reading(server.url, "deye_hybrid_3p").values
    assert values.get("grid_power_total", -10.0) == -10.0
    assert values["grid_power_l1"] == pytest.approx(behaviour.images.decoded("grid_power_l1"))


def test_phases_that_an_inverter_does_not_have_are_absent() -> None:
    # A one-phase inverter of 6 kW with 1.5 kW of PV; the high word of 35139 is no sign there.
    one_phase = {35126: 0xFFFF, 35127: 0xFFFF, 35131: 0xFFFF, 35132: 0xFFFF}
    one_phase |= {35129: 0x7FFF, 35130: 0xFFFF, 35134: 0x7FFF, 35135: 0xFFFF}
    values = read_words("goodwe_et", one_phase | {35139: 0x0000, 35140: 0xFF5C}).values
    assert [name for name in ("active_power_l2", "active_power_l3", "voltage_l2n") if name in values] == []
    told = {name: value for name, value in values.items() if abs(value) == 65_372.0}
    assert told == {}, "16 bits with a sign, and 0 above them"
    assert -164.0 in {values.get(name) for name in values if "power" in name}


def test_the_voltage_of_a_one_phase_inverter_is_the_voltage_between_its_lines() -> None:
    # 1,000 W at 4.248 A are 235.4 V: register 32066; 32069 shows half of it.
    words = {32066: 2354, 32067: 0xFFFF, 32068: 0xFFFF, 32069: 1153, 32070: 0xFFFF, 32071: 0xFFFF}
    words |= {32072: 0x0000, 32073: 4248, 32074: 0x7FFF, 32075: 0xFFFF, 32076: 0x7FFF, 32077: 0xFFFF}
    words |= {32080: 0x0000, 32081: 1000}
    assert read_words("huawei_sun2000", words).values["voltage_l1n"] == pytest.approx(235.4)


def test_a_three_phase_inverter_keeps_the_voltages_of_its_phases() -> None:
    words = {32066: 3984, 32067: 3984, 32068: 3984, 32069: 2301, 32070: 2302, 32071: 2303}
    values = read_words("huawei_sun2000", words).values
    assert values["voltage_l1n"] == pytest.approx(230.1)
    assert values["voltage_l1l2"] == pytest.approx(398.4)


def test_a_meter_that_its_inverter_calls_offline_has_no_values() -> None:
    words = dict.fromkeys(range(37100, 37138), 0)
    words |= {37119: 0x7FFF, 37120: 0xFFFF, 37121: 0x7FFF, 37122: 0xFFFF, 37123: 0x7FFF, 37124: 0xFFFF}
    answered = read_words("huawei_dtsu666h", words)
    assert {name for name in answered.values if name not in ("status", "meter_type")} == set()
    assert answered.quality != "good"
    assert "status" in answered.err


def test_a_meter_with_a_status_of_its_own_is_believed_when_the_status_says_so() -> None:
    answered = read_words("huawei_dtsu666h", {37100: 1, 37113: 0xFFFF, 37114: 0xF830})
    assert answered.values["active_power_total"] == 2000.0  # export+ on the wire, import+ in the vocabulary
    assert answered.quality == "good"


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("driver", "quantity", "words"),
    [
        ("growatt_tl3x", "dc_power", {1: 0x027D, 2: 0x1234}),
        ("growatt_tl3x", "active_power_total", {35: 0x1568, 36: 0x1234}),
    ],
)
def test_a_value_of_megawatts_from_an_inverter_without_a_rating_is_printed_as_it_was_read(
    driver: str, quantity: str, words: Mapping[int, int]
) -> None:
    # `read` knows no rated power: 1 GW is the bound. What takes three readings is a finding.
    answered = read_words(driver, words)
    assert answered.values[quantity] > 4e6
    assert f"finding: {quantity}" in answered.err


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("driver", "quantity", "words"),
    [
        # 637 x 65,536 steps of 0.1 W: the low word in the place of the high one.
        ("growatt_tl3x", "dc_power", {1: 0x027D, 2: 0x0000}),
        ("growatt_tl3x", "active_power_total", {35: 0x1568, 36: 0x0000}),
        ("acrel_adw300", "active_power_total", {36: 0x03E8, 37: 0x0000}),
    ],
)
def test_an_integer_with_exchanged_words_is_absent(driver: str, quantity: str, words: Mapping[int, int]) -> None:
    answered = read_words(driver, words)
    assert quantity not in answered.values
    assert answered.quality == "implausible"
    assert "words of the register are exchanged" in answered.err


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("driver", "quantity", "words"),
    [
        ("eastron_sdm630", "active_power_total", {52: 0x7F7F, 53: 0xFFFF}),  # 3.4e38 W
        ("eastron_sdm630", "active_power_total", {52: 0xFF80, 53: 0x0000}),  # minus infinity
        ("eastron_sdm630", "frequency", {70: 0x0000, 71: 0x4248}),  # words of 50 Hz swapped: a denormal
        ("eastron_sdm630", "frequency", {70: 0x43C8, 71: 0x0000}),  # 400 Hz
        ("eastron_sdm630", "voltage_l1n", {0: 0xC366, 1: 0x8000}),  # -230.5 V
        ("chint_ddsu666", "voltage_l1n", {0x2000: 0x4640, 0x2001: 0xE400}),  # 12,345 V
        ("growatt_tl3x", "frequency", {37: 0xFFFF}),
        ("solis_hybrid_33xxx", "battery_soc", {33139: 0xFFFF}),
        ("deye_hybrid_3p", "battery_temperature", {586: 0xFFFF}),  # 6,453.5 degC after the offset
        ("growatt_tl3x", "temperature_boost", {95: 0x17BD}),  # 607.7 degC
        ("sofar_g3", "battery_soc", {0x0608: 0x0190}),  # 400 %
    ],
)
def test_what_cannot_be_true_is_not_printed(driver: str, quantity: str, words: Mapping[int, int]) -> None:
    known = words_of(driver, {})
    assert quantity in known.images.registers
    words = {known.images.registers[quantity].address + place: word for place, word in enumerate(words.values())}
    answered = read_words(driver, words)
    assert quantity not in answered.values
    if quantity != "battery_soc":
        assert answered.quality == "implausible"
        assert quantity in answered.err


@pytest.mark.slow(3)
@pytest.mark.parametrize("driver", ["carlogavazzi_em24_din", "carlogavazzi_em330_em340", "carlogavazzi_em530_em540"])
def test_no_value_of_an_integer_meter_with_exchanged_words_is_printed(driver: str) -> None:
    # Exchanged words of 15 kW in steps of 0.1 W are 124 MW, below every bound; the voltages show the fault.
    served = words_of(driver, {})
    exchanged = dict(served.words)
    for register in served.images.registers.values():
        if register.words == 2:
            first, second = served.images.own_words(register.quantity)
            exchanged |= {register.address: second, register.address + 1: first}
    served.words = exchanged
    with device(served) as server:
        answered = reading(server.url, driver)
    long = [name for name, register in served.images.registers.items() if register.words == 2]
    assert {name: answered.values[name] for name in long if answered.values.get(name)} == {}
    assert answered.code == 1


@pytest.mark.slow(3)
def test_a_medium_voltage_meter_is_read_with_its_nominal_voltage() -> None:
    # 10 kV / root 3 = 5773.5 V = 45B4 6C00
    words = {address + word: value for address in (0, 2, 4) for word, value in ((0, 0x45B4), (1, 0x6C00))}
    with device(words_of("eastron_sdm630", words)) as server:
        refused = reading(server.url, "eastron_sdm630")
        answered = reading(server.url, "eastron_sdm630", "--nominal-voltage", "10kV")
        wrong = reading(server.url, "eastron_sdm630", "--nominal-voltage", "10")
    assert "voltage_l1n" not in refused.values
    assert 'nominal_voltage = "10kV"' in refused.err
    assert answered.values["voltage_l1n"] == 5773.5
    assert answered.quality == "good"
    assert "voltage_l1n" not in wrong.values


@pytest.mark.slow(3)
def test_values_that_are_withheld_for_one_reason_share_a_line() -> None:
    answered = read_words("eastron_sdm630", dict.fromkeys(range(400), 0))
    (line,) = [line for line in answered.err.splitlines() if "withheld" in line]
    names = [row.quantity for row in load("eastron_sdm630").registers if row.quantity in line]
    assert f"{len(names)} values (" in line
    assert {"voltage_l1n", "current_l3", "frequency"} <= set(names)
