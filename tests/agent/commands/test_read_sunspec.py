"""SunSpec units as users met them, through `read` and `scan`; words of the models as pysunspec2 writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import sunspec2.device  # type: ignore[import-untyped]  # has no stubs

from tests.support.command_runs import called
from tests.support.field_devices import PLAUSIBLE, Answered, ChainDevice, chain_of, reading
from tests.support.running_site import configuration, device, one_device
from tests.support.sunspec_chains import COMMON_66, common, written

FLOATS = {
    "A": 15.24,
    "AphA": 5.08,
    "AphB": 5.08,
    "AphC": 5.08,
    "PhVphA": 230.1,
    "PhVphB": 230.2,
    "PhVphC": 230.3,
    "W": 3500.0,
    "Hz": 49.98,
    "VA": 3520.0,
    "VAr": 120.0,
    "PF": 99.4,
    "WH": 123456.0,
    "DCV": 640.0,
    "DCW": 3600.0,
    "TmpCab": 31.0,
    "St": 4,
}
METER = {
    "A_SF": -2,
    "A": 10.0,
    "V_SF": -1,
    "PhVphA": 230.1,
    "Hz_SF": -2,
    "Hz": 50.01,
    "W_SF": 0,
    "W": 2000.0,
    "TotWh_SF": 0,
}


def swapped_floats(number: int, words: Sequence[int]) -> list[int]:
    """Return a model's words with the two words of each float exchanged."""
    found = list(words)
    offset = 0
    for point in sunspec2.device.get_model_def(number)["group"]["points"]:
        if point["type"] == "float32":
            found[offset : offset + 2] = found[offset : offset + 2][::-1]
        offset += point["size"]
    return found


def read_chain(*models: Sequence[int], driver: str = "sunspec") -> Answered:
    with device(ChainDevice(chain_of(COMMON_66, *models))) as server:
        return reading(server.url, driver)


def scanned(*models: Sequence[int]) -> tuple[list[str], str]:
    """Return the drivers that a scan finds, and its messages."""
    with device(ChainDevice(chain_of(COMMON_66, *models))) as server:
        ended = called("scan", server.url, "--units", "1", "--format", "json")
    return sorted(row["driver"] for row in json.loads(ended.out or "[]")), ended.err


def test_floats_in_order_are_read() -> None:
    answered = read_chain(written(113, FLOATS))
    assert (answered.code, answered.quality) == (0, "good")
    assert answered.values["active_power_total"] == 3500.0
    assert answered.values["power_factor_total"] == pytest.approx(0.994)


ROUND = {"W": 5984.0, "Hz": 50.0, "PhVphA": 230.0, "VA": 5984.0, "A": 26.0, "WH": 131072.0, "St": 4}
"""Floats whose low words are 0: swapped, they are denormals. 5,984 W is 45BB 0000."""


@pytest.mark.parametrize(("number", "points"), [(113, ROUND), (113, FLOATS), (213, ROUND), (213, FLOATS)])
def test_floats_with_swapped_words_are_named_and_not_read(number: int, points: dict[str, float]) -> None:
    known = {name: value for name, value in points.items() if name in names_of(number)}
    answered = read_chain(swapped_floats(number, written(number, known)))
    told = {name: value for name, value in answered.values.items() if name.startswith(("active", "voltage", "freq"))}
    assert told == {}
    assert answered.quality != "good"
    assert "word" in answered.err, "the message names the order of the words"
    assert answered.code == 1, "the main power is missing"


@pytest.mark.slow(5)
def names_of(number: int) -> set[str]:
    return {point["name"] for point in sunspec2.device.get_model_def(number)["group"]["points"]}


def test_a_scan_says_that_floats_have_swapped_words() -> None:
    with device(ChainDevice(chain_of(COMMON_66, swapped_floats(113, written(113, FLOATS))))) as server:
        ended = called("scan", server.url, "--units", "1")
    assert "word" in ended.out + ended.err


@pytest.mark.parametrize("quiet", [{}, {"St": 7, "StVnd": 7}, {"St": 4}])
def test_an_empty_frame_is_void_whatever_its_state_says(quiet: dict[str, int]) -> None:
    words = [103, 50, *[0] * 50]
    names = [point["name"] for point in sunspec2.device.get_model_def(103)["group"]["points"]]
    sizes = [point["size"] for point in sunspec2.device.get_model_def(103)["group"]["points"]]
    for name, value in quiet.items():
        words[sum(sizes[: names.index(name)])] = value
    answered = read_chain(words)
    told = {name: value for name, value in answered.values.items() if not name.startswith(("status", "alarm"))}
    assert told == {}
    assert answered.quality != "good"


def test_a_block_of_ones_is_void() -> None:
    answered = read_chain([103, 50, *[0xFFFF] * 50])
    assert answered.values == {}
    assert answered.quality != "good"


@pytest.mark.parametrize(
    ("factor", "raw"),
    [
        (-3, 0xFC1A),  # -998: a fraction
        (-1, 0xFC1A),  # -99.8 %
        (-2, 0xD904),  # -99.80 %
        (-4, 0xD904),  # -0.9980
    ],
)
def test_active_and_apparent_power_decide_the_unit_of_the_power_factor(factor: int, raw: int) -> None:
    words = list(written(103, {**PLAUSIBLE, "PF_SF": factor, "PF": 0, "VA": 110_220.0}))
    names = [point["name"] for point in sunspec2.device.get_model_def(103)["group"]["points"]]
    words[names_place(103, "PF", names)] = raw
    assert abs(read_chain(words).values["power_factor_total"]) == pytest.approx(0.998)


def names_place(number: int, name: str, names: Sequence[str]) -> int:
    """Return the offset of a point from its model's ID."""
    points = sunspec2.device.get_model_def(number)["group"]["points"]
    return int(sum(point["size"] for point in points[: names.index(name)]))


def test_an_accumulator_that_its_maker_sends_negative_counts_its_amount() -> None:
    # FFB6 D9FD is -4,793,859: 4,793.859 kWh.
    words = list(written(203, METER))
    names = [point["name"] for point in sunspec2.device.get_model_def(203)["group"]["points"]]
    place = names_place(203, "TotWhExp", names)
    words[place : place + 2] = (0xFFB6, 0xD9FD)
    chain = chain_of(common("KOSTAL Solar Electric", "KOSTAL Smart Energy Meter", "1"), words)
    with device(ChainDevice(chain)) as server:
        assert reading(server.url, "sunspec").values["active_energy_export"] == 4_793_859.0


NO_BATTERY = {
    "zeros": [124, 24, *[0x0000] * 24],
    "ones": [124, 24, *[0xFFFF] * 24],
    "sentinels": list(written(124, {})),
    "zeros and sentinels": [124, 24, *[0x0000] * 16, *[0x8000] * 8],
}


@pytest.mark.slow(5)
@pytest.mark.slow(5)
@pytest.mark.parametrize("words", NO_BATTERY.values(), ids=NO_BATTERY)
def test_a_battery_model_without_a_value_is_no_battery(words: list[int]) -> None:
    found, _ = scanned(written(103, PLAUSIBLE), words)
    assert [driver for driver in found if "battery" in driver] == []
    assert found


def test_a_battery_model_with_a_state_of_charge_is_a_battery() -> None:
    battery = written(124, {"ChaState_SF": -2, "ChaState": 55.0, "WChaMax_SF": 0, "WChaMax": 5000.0})
    found, _ = scanned(written(103, PLAUSIBLE), battery)
    assert any("battery" in driver for driver in found)


def test_a_battery_that_has_no_value_cannot_be_read() -> None:
    answered = read_chain(written(103, PLAUSIBLE), NO_BATTERY["sentinels"], driver="sunspec:battery")
    assert answered.code == 1
    assert answered.values == {}


def test_a_direct_voltage_that_is_not_implemented_is_absent_at_night() -> None:
    # 6553.5 V, 65535 steps of 0.1 V, is what other programs show for a sleeping inverter.
    words = list(written(101, {"V_SF": -1, "PhVphA": 239.2, "Hz_SF": -2, "Hz": 49.98, "W_SF": 0, "W": 0.0, "St": 2}))
    names = [point["name"] for point in sunspec2.device.get_model_def(101)["group"]["points"]]
    words[names_place(101, "DCV", names)] = 0xFFFF
    words[names_place(101, "DCV_SF", names)] = 0xFFFF  # -1
    answered = read_chain(words)
    assert "dc_voltage" not in answered.values
    assert answered.values["active_power_total"] == 0.0


@pytest.mark.parametrize("number", [302, 307, 308])
def test_a_weather_station_is_read(number: int) -> None:
    if number == 302:
        words = [302, 5, 812, 100, 50, 0, 0]  # GHI, POAI, DFI, DNI, OTI: W/m2
    elif number == 307:
        words = [307, 11, 0xFFF4, 60, 1013, 32, 270, 0, 0, 0, 0, 0, 0]  # TmpAmb -12, RH, Pres, WndSpd 32, ...
    else:
        words = [308, 4, 812, 251, 0xFFF4, 32]  # GHI, TmpBOM 25.1, TmpAmb -1.2, WndSpd 3.2
    answered = read_chain(words)
    right = {302: ("irradiance", 812.0), 307: ("temperature_ambient", -1.2), 308: ("irradiance", 812.0)}[number]
    assert answered.values[right[0]] == pytest.approx(right[1])


def test_a_live_check_finds_swapped_words(tmp_path: Path) -> None:
    with device(ChainDevice(chain_of(COMMON_66, swapped_floats(113, written(113, ROUND))))) as server:
        path = tmp_path / "site.toml"
        path.write_text(configuration(tmp_path, one_device("roof", "pv", "sunspec", server.port)))
        ended = called("check", "-c", str(path), "--live")
    assert ended.code == 1
    assert "word" in ended.out + ended.err
