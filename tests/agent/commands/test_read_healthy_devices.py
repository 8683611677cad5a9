"""Healthy devices whose words look odd: nothing right is withheld, and the reading is good."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.field_devices import Answered, ChainDevice, chain_of, reading, words_of
from tests.support.running_site import device
from tests.support.sunspec_chains import COMMON_66, written


def read_words(driver: str, words: Mapping[int, int]) -> Answered:
    with device(words_of(driver, words)) as server:
        return reading(server.url, driver)


@pytest.mark.slow(3)
@pytest.mark.parametrize(
    ("driver", "quantity", "words"),
    [
        # Deye's -100 degC: no battery sensor (StephanJoubert/home_assistant_solarman issue 632).
        ("deye_hybrid_3p", "battery_temperature", {586: 0}),
        ("deye_string", "temperature_dc", {90: 0}),
        # -3276.8 degC: no sensor (OStrama/weishaupt_modbus issue 160 for the idiom).
        ("sungrow_sh_hybrid", "battery_temperature", {13024: 0x8000}),
        ("huawei_sun2000", "temperature_internal", {32087: 0x8000}),
        ("sofar_g3", "battery_temperature", {0x0607: 0x8000}),
    ],
)
def test_a_temperature_sensor_that_is_not_there_is_no_fault(
    driver: str, quantity: str, words: Mapping[int, int]
) -> None:
    answered = read_words(driver, words)
    assert quantity not in answered.values
    assert answered.quality == "good"


@pytest.mark.slow(3)
@pytest.mark.parametrize("word", [0xFFFF, 0])
def test_a_finer_frequency_that_the_firmware_lacks_is_no_fault(word: int) -> None:
    answered = read_words("sungrow_sg_string", dict.fromkeys(range(5143, 5148), word))
    assert "frequency_highres" not in answered.values
    assert "energy_total_highres" not in answered.values
    assert "frequency" in answered.values
    assert answered.quality == "good"


@pytest.mark.slow(3)
def test_a_meter_that_an_inverter_lacks_is_no_fault() -> None:
    answered = read_words("sungrow_sh_hybrid", dict.fromkeys(range(5740, 5746), 0xFFFF))
    assert not [name for name in answered.values if name.startswith(("meter_voltage", "meter_current"))]
    assert answered.quality == "good"


@pytest.mark.slow(3)
def test_a_current_that_the_map_lacks_does_not_bound_the_power() -> None:
    # 12 kW at 3 x 230 V; the map has no current of L1, so 8 kVA are known: 230 V x 17.4 A x 2.
    words = {15: 1200, 16: 0, 17: 5000, 18: 2300, 20: 2300, 21: 1740, 22: 2300, 23: 1740}
    answered = read_words("sofar_string_legacy_3mppt", words)
    assert answered.values["active_power_total"] == 12000.0
    assert "finding" not in answered.err


@pytest.mark.slow(3)
def test_a_voltage_of_a_medium_voltage_meter_names_the_key_that_allows_it() -> None:
    points = {
        "V_SF": 0,
        "W_SF": 3,
        "Hz_SF": -2,
        "PhVphA": 11547,
        "PhVphB": 11547,
        "PhVphC": 11547,
        "Hz": 50,
        "W": 3.4e6,
    }
    with device(ChainDevice(chain_of(COMMON_66, written(203, points)))) as server:
        answered = reading(server.url, "sunspec")
    assert answered.values["active_power_total"] == 3.4e6
    assert "nominal_voltage" in answered.err


@pytest.mark.slow(3)
@pytest.mark.parametrize(("state", "quality"), [(1, "good"), (2, "good"), (4, "implausible"), (7, "implausible")])
def test_zeros_of_a_sunspec_inverter_are_true_if_it_says_that_it_is_off_or_asleep(state: int, quality: str) -> None:
    # The state is at offset 38 of model 103.
    words = (103, 50, *(state if offset == 38 else 0 for offset in range(2, 52)))
    with device(ChainDevice(chain_of(COMMON_66, words))) as server:
        answered = reading(server.url, "sunspec")
    assert answered.quality == quality
    assert answered.values.get("active_power_total") == (0.0 if quality == "good" else None)


@pytest.mark.slow(3)
@pytest.mark.parametrize("driver", ["goodwe_et", "solis_hybrid_33xxx", "sofar_g3"])
def test_power_through_a_backup_port_is_not_compared_with_the_current_of_the_grid_port(driver: str) -> None:
    # 8 kW to the backup port, 0.4 A to the grid.
    served = words_of(driver, {})
    served.images.values |= {"active_power_total": 8000.0, "rated_power": 10000.0}
    served.images.values |= {f"current_l{phase}": 0.4 for phase in (1, 2, 3)}
    served.images.values |= {f"active_power_l{phase}": 90.0 for phase in (1, 2, 3)}
    with device(served) as server:
        answered = reading(server.url, driver)
    assert answered.values["active_power_total"] == 8000.0
    assert "voltage x current" not in answered.err
