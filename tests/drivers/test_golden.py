"""Hand-written register words, compared with the values in the manuals.

Addresses, types and scales come from the register tables named in each map's `source`; floats are worked
out from IEEE 754: (-1)^sign x 2^(exponent - 127) x (1 + mantissa / 2^23).
"""

from __future__ import annotations

import tomllib
from functools import cache
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from wattgram_drivers.catalogue import SUNSPEC, load, names
from wattgram_drivers.map_roles import parts

from tests.support.register_memory import values


def test_eastron_sdm630_floats() -> None:
    read = values(
        load("eastron_sdm630"),
        {
            0: 0x4366,
            1: 0x0000,  # exponent 134 - 127 = 7, mantissa 0.796875: 128 x 1.796875 = 230
            2: 0x4366,
            3: 0x3333,  # 0x3333 = 13107 more: 230 + 13107 x 2^7 / 2^23 = 230.1999969482422
            52: 0xC4FA,
            53: 0x0000,  # sign 1, exponent 10, mantissa 0.953125: -1024 x 1.953125 = -2000
            70: 0x4248,
            71: 0x0000,  # exponent 5, mantissa 0.5625: 32 x 1.5625 = 50
            72: 0x42C8,
            73: 0x0000,  # exponent 6, mantissa 0.5625: 64 x 1.5625 = 100 kWh
            62: 0xBF80,
            63: 0x0000,  # -1
            342: 0x7FC0,
            343: 0x0000,  # not a number
        },
    )
    assert read["voltage_l1n"] == 230.0
    assert read["voltage_l2n"] == 230.0 + 13107 / 65536
    assert read["active_power_total"] == -2000.0
    assert read["frequency"] == 50.0
    assert read["active_energy_import"] == 100_000.0
    assert read["power_factor_total"] == -1.0
    assert isnan(read["active_energy_total"])


ACREL = {
    10: 0x0001,
    11: 0xE240,  # 123456 x 0.01 kWh
    97: 2301,  # x 0.1 V
    100: 125,  # x 0.01 A
    119: 5001,  # x 0.01 Hz
    362: 0xFFFF,
    363: 0xFF38,  # -200 W on the secondary side
    383: 0xFC7C,  # -900 x 0.001
}


def test_acrel_multiplies_by_its_transformers() -> None:
    read = values(load("acrel_adl400_dtsd1352"), {**ACREL, 141: 2, 142: 40})
    assert read["active_energy_import"] == 123456 * 10 * 2 * 40
    assert read["voltage_l1n"] == pytest.approx(460.2, rel=1e-15)
    assert read["current_l1"] == 50.0
    assert read["active_power_total"] == -200 * 2 * 40
    assert read["power_factor_total"] == -0.9
    assert read["frequency"] == 50.01


def test_acrel_takes_an_unset_ratio_as_1() -> None:
    read = values(load("acrel_adl400_dtsd1352"), {**ACREL, 141: 1, 142: 0})
    assert read["active_energy_import"] == 123456 * 10
    assert read["active_power_total"] == -200.0
    assert read["voltage_l1n"] == 230.1


def test_huawei_sun2000_integers() -> None:
    read = values(
        load("huawei_sun2000"),
        {
            30073: 0x0001,
            30074: 0xADB0,  # 110000 W
            32016: 7250,  # x 0.1 V
            32080: 0x0001,
            32081: 0x86A0,  # 100000 W
            32084: 0xFC18,  # -1000 x 0.001
            32086: 9853,  # x 0.01 %
            32087: 0xFFC9,  # -55 x 0.1 degC
            32088: 1500,  # x 0.001 Mohm
            32106: 0x0012,
            32107: 0xD687,  # 1234567 x 0.01 kWh
            32085: 0xFFFF,
            32064: 0x7FFF,
            32065: 0xFFFF,  # not available
        },
    )
    assert read["rated_power"] == 110_000.0
    assert read["dc_voltage_1"] == 725.0
    assert read["active_power_total"] == 100_000.0
    assert read["power_factor_total"] == -1.0
    assert read["efficiency"] == 0.9853
    assert read["temperature_internal"] == -5.5
    assert read["insulation_resistance"] == 1_500_000.0
    assert read["energy_total"] == 12_345_670.0
    assert isnan(read["frequency"])
    assert isnan(read["dc_power"])


def test_sungrow_sg_has_the_low_word_first() -> None:
    read = values(
        load("sungrow_sg_string"),
        {
            5000: 1100,  # x 0.1 kW
            5005: 0x2710,
            5006: 0x0000,  # 10000 h
            5030: 0x86A0,
            5031: 0x0001,  # 100000 W
            5034: 0xFC18,  # -1000 x 0.001
            5082: 0xFF38,
            5083: 0xFFFF,  # -200 W: to the grid
            5143: 0xE240,
            5144: 0x0001,  # 123456 x 0.1 kWh
            5147: 4999,  # x 0.01 Hz
            5003: 0xFFFF,
            5004: 0xFFFF,
            5114: 0xFFFF,  # not available
        },
    )
    assert read["rated_power"] == 110_000.0
    assert read["operating_time"] == 36_000_000.0
    assert read["active_power_total"] == 100_000.0
    assert read["power_factor_total"] == -1.0
    assert read["meter_active_power_total"] == -200.0
    assert read["energy_total_highres"] == 12_345_600.0
    assert read["frequency_highres"] == 49.99
    assert isnan(read["energy_total"])
    assert isnan(read["dc_voltage_4"])


@cache
def golden() -> dict[str, dict[str, dict[str, Any]]]:
    """Device → rows, by the name of the map."""
    files = sorted(Path(__file__).with_name("golden").glob("*.toml"))
    return {name: rows for file in files for name, rows in tomllib.loads(file.read_text()).items()}


@pytest.mark.parametrize("name", golden())
def test_words_worked_out_by_hand_read_as_their_values(name: str) -> None:
    rows = golden()[name]
    words = {
        row["address"] + place: int(word, 16)
        for row in rows.values()
        for place, word in enumerate(row["words"].split())
    }
    expected = {quantity: row["value"] for quantity, row in rows.items() if "value" in row}
    read = values(load(name), words)
    found = {quantity: read[quantity] for quantity in expected}
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_every_map_has_three_such_values() -> None:
    counts = {name: sum("value" in row for row in rows.values()) for name, rows in golden().items()}
    assert set(counts) == set(names()) - {SUNSPEC}
    assert min(counts.values()) >= 3


ROLE_WORDS = (
    *("alpha_ess", "deye_hybrid_hv", "e3dc", "foxess_h3", "foxess_h3_pro", "foxess_h3_smart", "growatt_sph"),
    *("huawei_emma", "huawei_smartlogger", "huawei_smartlogger_meter", "sax_power_home", "sigenergy_plant"),
    *("sma_data_manager", "sma_data_manager_battery", "solarlog", "solax_x3_g4", "sungrow_ihomemanager"),
    *("sungrow_logger", "varta_element", "varta_flex", "victron_gx", "victron_gx_battery"),
)
"""Maps whose words give a power for each role. Add new maps here."""


@pytest.mark.parametrize("name", ROLE_WORDS)
def test_words_worked_out_by_hand_give_a_power_for_each_role(name: str) -> None:
    device, rows = load(name), golden()[name]
    read = {quantity: row["value"] for quantity, row in rows.items() if "value" in row}
    for role, reads in device.roles.items():
        if not reads.power:
            continue
        delivered = [alternative for alternative in reads.power if all(part in read for part, _ in parts(alternative))]
        assert delivered, (role, reads.power)
        power = sum(factor * read[part] for part, factor in parts(delivered[0]))
        assert abs(power) < 1.2e5, (role, power)
        assert power or role not in ("pv", "grid", "battery"), (role, "0 W shows no sign")


@pytest.mark.parametrize("name", [name for name in ROLE_WORDS if load(name).terminal])
def test_words_of_a_hybrid_give_both_sides_of_its_terminal(name: str) -> None:
    terminal, rows = load(name).terminal, golden()[name]
    assert terminal is not None
    for alternatives in (terminal.pv_power, terminal.battery_power):
        assert any(all(part in rows for part, _ in parts(alternative)) for alternative in alternatives), alternatives
    assert not terminal.bridge or terminal.bridge[0] in rows
