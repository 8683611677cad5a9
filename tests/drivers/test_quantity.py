"""The vocabulary: closed, one unit a quantity, one direction a sign."""

from __future__ import annotations

from fractions import Fraction

import pytest
from wattgram_drivers.quantity import BY_KIND, QUANTITIES, SIGN_DIRECTION, STATED_UNITS, orientation

SI = {
    "W",
    "Wh",
    "var",
    "varh",
    "VA",
    "VAh",
    "V",
    "A",
    "Ah",
    "Hz",
    "degC",
    "s",
    "kg",
    "m3",
    "ohm",
    "1",
    "Pa",
    "kg/s",
    "m3/s",
    "kg/m3",
    "m/s",
    "W/m2",
}


def test_every_quantity_has_an_si_unit_a_meaning_and_a_known_sign() -> None:
    for name, quantity in QUANTITIES.items():
        assert quantity.name == name
        assert quantity.unit in SI
        assert quantity.meaning
        assert quantity.sign in {"", BY_KIND, *SIGN_DIRECTION}


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("active_power_total", "W"),
        ("active_power_l3", "W"),
        ("voltage_l3l1", "V"),
        ("dc_voltage_24", "V"),
        ("active_energy_import_l2", "Wh"),
        ("active_energy_import_t2", "Wh"),
        ("energy_total_highres", "Wh"),
        ("reactive_energy_export_q4", "varh"),
        ("apparent_energy_total", "VAh"),
        ("power_factor_total", "1"),
        ("battery_soc", "1"),
        ("operating_time", "s"),
        ("pulse_count_8", "1"),
        ("totalizer_2_float", "kg"),
        ("volume_total", "m3"),
        ("insulation_resistance", "ohm"),
        ("battery_capacity_ah", "Ah"),
        ("irradiance", "W/m2"),
        ("wind_speed", "m/s"),
        ("temperature_ambient", "degC"),
    ],
)
def test_families_are_spelled_out(name: str, unit: str) -> None:
    assert QUANTITIES[name].unit == unit


@pytest.mark.parametrize("name", ["operating_hours", "dc_voltage_0", "dc_voltage_25", "active_power_l4"])
def test_a_name_without_a_rule_is_not_in_the_vocabulary(name: str) -> None:
    assert name not in QUANTITIES


@pytest.mark.parametrize(
    ("name", "kind", "sign", "turn"),
    [
        ("active_power_total", "meter", "import+", 1),
        ("active_power_total", "meter", "export+", -1),
        ("active_power_total", "meter", "vendor-dependent", 1),
        ("active_power_total", "inverter", "generation+", 1),
        ("active_power_total", "inverter", "consumption+", -1),
        ("active_power_total", "charger", "consumption+", 1),
        ("meter_active_power_total", "inverter", "export+", -1),  # Huawei 37113
        ("meter_active_power_total", "inverter", "import+", 1),  # Sungrow 5082
        ("battery_power", "inverter", "charge+", -1),  # Huawei 37765
        ("battery_power", "inverter", "discharge+", 1),  # Deye 590
        ("active_energy_export", "meter", "export+", 1),
        ("battery_energy_charge", "inverter", "charge+", 1),
        ("battery_power_charge", "inverter", "charge+", 1),
        ("voltage_l1n", "meter", "", 1),
    ],
)
def test_signs_follow_the_sign_table(name: str, kind: str, sign: str, turn: int) -> None:
    assert orientation(QUANTITIES[name], kind, sign) == turn  # type: ignore[arg-type]  # words of a table


def test_units_convert_to_the_vocabulary() -> None:
    assert STATED_UNITS["kWh"] == ("Wh", Fraction(1000))
    assert STATED_UNITS["%"] == ("1", Fraction(1, 100))
    assert STATED_UNITS["h"] == ("s", Fraction(3600))
    assert STATED_UNITS["rpm"] == ("Hz", Fraction(1, 60))
