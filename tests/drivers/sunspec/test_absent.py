"""SunSpec: the patterns for "no value", by type, never become a number.

The patterns of the specification are those of the Technology Overview 12040 v1.4; those that devices send instead
have their reports beside them.
"""

from __future__ import annotations

import struct
from math import isnan

import pytest

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, read, written

FLOATS = {"W": 1500.5, "Hz": 50.0, "WH": 12_345.0, "PhVphA": 230.0, "TmpCab": 20.0, "A": 6.5, "St": 4}
DER = {"W_SF": 0, "W": 5.0, "Hz_SF": -3, "Hz": 50.0, "TotWh_SF": 0, "TotWhInj": 7.0, "V_SF": -1, "LNV": 230.0}
METER = {"W_SF": 0, "W": 5.0, "TotWh_SF": 0, "TotWhImp": 9.0}
MODELS = {
    103: written(103, INVERTER),
    113: written(113, FLOATS),
    122: written(122, {"ActVAh": 77}),
    160: written(160, {"DCV_SF": 0, "DCWH_SF": 0, "N": 1}, [{"ID": 1, "DCV": 612, "DCWH": 5000, "Tmp": 30}]),
    203: written(203, METER),
    701: written(701, DER),
}


def poked(number: int, changes: dict[int, tuple[int, ...]]) -> dict[str, float]:
    """Return the values of a model with these words at these offsets."""
    words = list(MODELS[number])
    for offset, values in changes.items():
        words[offset : offset + len(values)] = values
    return read((*MARKER, *COMMON_66, *words, *END))


@pytest.mark.parametrize(
    ("number", "offset", "words", "quantity"),
    [
        (103, 2, (0xFFFF,), "current_total"),  # uint16
        (103, 14, (0x8000,), "active_power_total"),  # int16
        (103, 38, (0xFFFF,), "status"),  # enum16
        (103, 24, (0, 0), "energy_total"),  # acc32
        (103, 24, (0xFFFF, 0xFFFF), "energy_total"),  # SMA, by sunspec/pysunspec issue 74
        (122, 9, (0, 0, 0, 0), "apparent_energy_total"),  # acc64
        (122, 9, (0xFFFF,) * 4, "apparent_energy_total"),
        (160, 8, (0xFFFF,), "module_count"),  # count
        (160, 10 + 10, (0xFFFF,), "dc_voltage_1"),  # of a block
        (160, 10 + 12, (0, 0), "dc_energy_1"),  # Fronius zeroes a battery's (CJNE/ha-sunspec issue 138)
        (160, 10 + 16, (0x8000,), "module_1_temperature"),
        (701, 17, (0xFFFF, 0xFFFF), "frequency"),  # uint32
        (701, 19, (0xFFFF,) * 4, "energy_export"),  # uint64
        (701, 10, (0x8000,), "active_power_total"),
    ],
)
def test_not_implemented_is_absent(number: int, offset: int, words: tuple[int, ...], quantity: str) -> None:
    assert not isnan(poked(number, {})[quantity])
    assert isnan(poked(number, {offset: words})[quantity])


def test_bits_that_are_not_implemented_are_absent() -> None:
    assert poked(103, {40: (0, 5)})["alarm_1"] == 5.0
    assert isnan(poked(103, {40: (0xFFFF, 0xFFFF)})["alarm_1"])


@pytest.mark.parametrize("scale", [0x8000, 11, 0xFFF5, 0x7FFF, 0xFF00])  # 11, -11, 32767, -256
def test_a_scale_factor_out_of_range_leaves_its_values_absent_and_no_others(scale: int) -> None:
    found = poked(103, {15: (scale,)})
    assert isnan(found["active_power_total"])
    assert found["frequency"] == 49.98


@pytest.mark.parametrize(("scale", "power"), [(10, 110e12), (0xFFF6, 1.1e-6), (0, 11_000.0)])
def test_a_scale_factor_at_the_end_of_its_range_counts(scale: int, power: float) -> None:
    assert poked(103, {15: (scale,)})["active_power_total"] == power


def test_a_uint64_counter_of_zero_is_valid_and_an_accumulator_of_zero_is_absent() -> None:
    # Only acc16, acc32 and acc64 say with 0 that they are not supported: a new device of 103 and 203 has no energy
    # until the first unit is counted; a counter of 701 has no such pattern.
    assert poked(701, {19: (0, 0, 0, 0)})["energy_export"] == 0.0
    assert isnan(poked(203, {46: (0, 0)})["active_energy_import"])
    assert poked(203, {46: (0, 1)})["active_energy_import"] == 1.0


NIGHT = [
    (0x7FC0, 0x0000),  # 12040
    (0x7FBF, 0xFF80),  # a Fronius Symo (sunspec/pysunspec issue 100)
    (0xFFC0, 0x0000),
    (0x7F80, 0x0001),
    (0x7FFF, 0xFFFF),  # int32's largest
    (0xFFFF, 0xFFFF),  # uint32's "not implemented"
    (0x7F80, 0x0000),  # infinities
    (0xFF80, 0x0000),
    (0x0000, 0x7FC0),  # NaN and infinities with their words swapped
    (0x0000, 0xFFC0),
    (0x0000, 0x7F80),
    (0x0000, 0xFF80),
    (0x0000, 0x8000),  # int32's swapped, or int16's in the low word
    (0x8000, 0x8000),  # int16's in both
    (0x0000, 0xFFFF),  # uint16's
    (0xFF7F, 0xFFFF),  # the least float: WillCodeForCats/solaredge-modbus-multi issue 123
    (0xFFFF, 0xFF7F),  # the same swapped
    (0x7F7F, 0xFFFF),  # the largest: evcc-io/evcc issue 4989
]


@pytest.mark.parametrize("words", NIGHT, ids=lambda words: f"{words[0]:04x} {words[1]:04x}")
def test_floats_of_a_sleeping_inverter_are_absent(words: tuple[int, int]) -> None:
    offsets = {"current_total": 2, "voltage_l1n": 16, "active_power_total": 22, "frequency": 24, "energy_total": 32}
    found = poked(113, dict.fromkeys(offsets.values(), words))
    for quantity in offsets:
        assert isnan(found[quantity]), quantity
    assert found["temperature_internal"] == 20.0


def test_int32s_not_implemented_in_a_float_is_a_zero_only_where_a_zero_can_have_a_sign() -> None:
    # 0x80000000 is -0.0: a power of nothing may be that, a voltage, frequency or counter cannot.
    found = poked(113, dict.fromkeys((16, 22, 24, 32), (0x8000, 0x0000)))
    assert found["active_power_total"] == 0.0
    assert [name for name in ("voltage_l1n", "frequency", "energy_total") if not isnan(found[name])] == []


@pytest.mark.parametrize("value", [0.0, 1e-3, -1e-3, 1.2e-38, 3.0e38, -5e6])
def test_valid_floats_are_kept(value: float) -> None:
    words = struct.unpack(">2H", struct.pack(">f", value))
    expected = struct.unpack(">f", struct.pack(">f", value))[0]
    assert poked(113, {22: words})["active_power_total"] == expected


def test_a_missing_scale_of_a_sleeping_inverter_removes_all_values() -> None:
    # WillCodeForCats/solaredge-modbus-multi issue 969: values and scales of a sleeping inverter are not implemented.
    asleep = poked(103, dict.fromkeys((6, 13, 15, 17, 19, 21, 23, 26, 28, 30, 32, 37), (32768,)))
    assert {name for name, value in asleep.items() if not isnan(value)} == {"status"}
