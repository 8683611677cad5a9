"""SunSpec: weather stations, models 302, 303, 307 and 308.

Words are typed from the model definitions: 302 repeats GHI, POAI, DFI, DNI, OTI in W/m2; 307 has TmpAmb in tenths of a
degree at offset 2, RH in percent, Pres in hPa, WndSpd in m/s; 308 has GHI, TmpBOM, TmpAmb, WndSpd.
"""

from __future__ import annotations

from math import isnan

import pytest

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, common, discover, members, read, written

BASE_MET = (307, 11, 0xFFCE, 65, 1013, 7, 270, 0, 0, 0, 0x8000, 0x8000, 0x8000)
MAST = common("Acme", "Mast", "SN-5")


def test_the_base_model_is_read_in_si_units() -> None:
    found = read((*MARKER, *MAST, *BASE_MET, *END))
    assert found["temperature_ambient"] == -5.0  # FFCE = -50
    assert found["relative_humidity"] == 0.65
    assert found["air_pressure"] == 101_300.0
    assert found["wind_speed"] == 7.0


def test_two_pyranometers_have_a_number_each() -> None:
    sensors = (302, 10, 812, 934, 0xFFFF, 0xFFFF, 0xFFFF, 640, 0xFFFF, 120, 0xFFFF, 5)
    found = read((*MARKER, *MAST, *sensors, *END))
    present = {name: value for name, value in found.items() if not isnan(value)}
    assert present == {
        "irradiance": 812.0,
        "irradiance_plane": 934.0,
        "irradiance_2": 640.0,
        "irradiance_diffuse_2": 120.0,
        "irradiance_other_2": 5.0,
    }


def test_the_small_model_and_the_backs_of_modules_are_read() -> None:
    assert read((*MARKER, *MAST, 308, 4, 1003, 512, 315, 3, *END)) == {
        "irradiance": 1003.0,
        "temperature_module": 51.2,
        "temperature_ambient": 31.5,
        "wind_speed": 3.0,
    }
    backs = read((*MARKER, *MAST, 303, 3, 512, 0x8000, 0xFFF6, *END))
    assert (backs["temperature_module"], backs["temperature_module_3"]) == (51.2, -1.0)
    assert isnan(backs["temperature_module_2"])


def test_a_station_without_values_has_none() -> None:
    assert all(isnan(value) for value in read((*MARKER, *MAST, 308, 4, 0xFFFF, 0x8000, 0x8000, 0xFFFF, *END)).values())


@pytest.mark.parametrize("first", [True, False])
def test_a_station_beside_an_inverter_is_a_device_of_its_own(first: bool) -> None:
    inverter = written(103, INVERTER)
    models = (*BASE_MET, *inverter) if first else (*inverter, *BASE_MET)
    chain = (*MARKER, *COMMON_66, *models, *END)
    assert [device.name for device in members(chain)] == ["sunspec:inverter", "sunspec:sensor"]
    assert discover(chain).kind == "inverter"
    station = discover(chain, kind="sensor")
    assert (station.name, "active_power_total" in station.quantities) == ("sunspec:sensor", False)
    assert "wind_speed" not in discover(chain).quantities


def test_a_station_alone_is_found_by_the_plain_name() -> None:
    station = discover((*MARKER, *MAST, *BASE_MET, 302, 5, 812, 934, 0xFFFF, 0xFFFF, 0xFFFF, *END))
    assert (station.name, station.kind) == ("sunspec", "sensor")
    assert {"irradiance", "temperature_ambient", "wind_speed"} <= set(station.quantities)
