"""SunSpec: a power factor is percent or a ratio, as active and apparent power of the same reading show.

Words are typed: model 103 has W at offset 14, W_SF 15, VA 18, VA_SF 19, PF 22, PF_SF 23; model 203 has W 18-21,
W_SF 22, VA 23-26, VA_SF 27, PF 33-36, PF_SF 37. The cases are from register dumps of the makes named beside them.
"""

from __future__ import annotations

import struct
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sunspec_chains import COMMON_66, END, INVERTER, MARKER, read, written


def inverter(
    active: int, apparent: int, factor: int, scale: int, *, power_scale: int = 0, apparent_scale: int = 0
) -> float:
    """Return the power factor of a model 103 with these raw values."""
    words = list(written(103, INVERTER))
    for offset, value in {
        14: active,
        15: power_scale,
        18: apparent,
        19: apparent_scale,
        22: factor,
        23: scale,
    }.items():
        words[offset] = value & 0xFFFF
    return read((*MARKER, *COMMON_66, *words, *END))["power_factor_total"]


@pytest.mark.parametrize(
    ("active", "apparent", "factor", "scale", "right"),
    [
        (14470, 14500, -998, -3, -0.998),  # SMA: a ratio
        (11860, 13350, 888, -3, 0.888),
        (24767, 24797, -9987, -2, -0.9987),  # SolarEdge: percent
        (2490, 2559, -9730, -2, -0.973),
        (45, 70, 642, -1, 0.642),  # Fronius: percent
        (70, 70, 100, 0, 1.0),
        (-70, 70, -100, 0, -1.0),
        (6540, 6590, 99, -2, 0.99),  # a ratio in hundredths
        (900, 1000, 1, 0, 1.0),  # a ratio without a decimal, and percent that could be one
        (150, 6000, 102, -2, 0.0102),
        (300, 10000, 291, -2, 0.0291),
        (0, 0, 1000, -3, 1.0),  # AccuEnergy without voltage: 16 bits with this scale cannot express 100 %
        (0, 0, 10000, -4, 1.0),
        (0, 0, 9987, -2, 0.9987),
        (0, 0, 0, 0, 0.0),
        (0, 5000, 0, -2, 0.0),
    ],
)
def test_active_by_apparent_power_decides(active: int, apparent: int, factor: int, scale: int, right: float) -> None:
    assert inverter(active, apparent, factor, scale) == right


@pytest.mark.parametrize(("factor", "scale"), [(100, -2), (98, -2), (1, 0), (10, -1), (-1, 0)])
def test_a_power_factor_that_nothing_decides_is_absent(factor: int, scale: int) -> None:
    assert isnan(inverter(0, 0, factor, scale))
    assert isnan(inverter(-0x8000, 500, factor, scale)), "no active power"
    assert isnan(inverter(10, 20000, factor, scale)), "an active power of one step proves nothing"


def meter(factors: tuple[int, ...], scale: int, active: tuple[int, ...], apparent: tuple[int, ...]) -> list[float]:
    """Return the power factors of a model 203: total and three phases."""
    words = list(written(203, {"W_SF": 0, "W": 5.0}))
    for first, values in {18: (*active, 0), 23: (*apparent, 0), 33: (*factors, scale)}.items():
        words[first : first + 5] = [value & 0xFFFF for value in values]
    found = read((*MARKER, *COMMON_66, *words, *END))
    return [found[f"power_factor_{phase}"] for phase in ("total", "l1", "l2", "l3")]


def test_the_phases_decide_together_for_all() -> None:
    # AccuEnergy: 132 W of 19,847 VA in all would prove nothing.
    found = meter((7, 941, -161, -776), -3, (132, 6323, -1052, -5139), (19847, 6720, 6502, 6625))
    assert found == [0.007, 0.941, -0.161, -0.776]
    # Elkor: power factors that are far from W / VA, but not by a factor of 100; a phase without load.
    found = meter((-7582, -7490, -8069, 10000), -4, (9768, 9302, 466, 0), (10129, 9522, 607, 0))
    assert found == [-0.7582, -0.749, -0.8069, 1.0]
    # Percent, with a phase below 1.02 %.
    assert meter((9900, 9950, 9850, 50), -2, (9900, 5000, 4900, 0), (10000, 5025, 4975, 0)) == [
        0.99,
        0.995,
        0.985,
        0.005,
    ]


@pytest.mark.parametrize(("percent", "scale"), [(True, -2), (False, -4)])
@pytest.mark.parametrize("broken", [1, -1, 3, 50, 300, -300, 3000, 32767, -32000])
@pytest.mark.parametrize("place", range(4))
def test_a_broken_power_factor_does_not_decide_for_the_others(
    percent: bool, scale: int, broken: int, place: int
) -> None:
    # W by VA is 9,500 by 10,000 in all, and 0.95 on each phase; 0.95 is 9,500 in both units.
    factors = [9500] * 4
    factors[place] = broken
    found = meter(
        (factors[0], factors[1], factors[2], factors[3]), scale, (9500, 4750, 2850, 1900), (10000, 5000, 3000, 2000)
    )
    del found[place]
    assert found == [0.95, 0.95, 0.95]


@pytest.mark.parametrize("broken", [30, 100, 5000, 32767])
def test_of_two_witnesses_the_closer_one_decides(broken: int) -> None:
    # A ratio of 0.95 on l1; l2 and l3 are not measured.
    found = meter((broken, 9500, -0x8000, -0x8000), -4, (9500, 9500, 0, 0), (10000, 10000, 0, 0))
    assert found[1] == 0.95


@pytest.mark.parametrize("tiny", [5e-11, -5e-11, 1e-20, 1e-40])
def test_a_tiny_float_is_judged_before_it_is_scaled(tiny: float) -> None:
    # As percent 5e-13 and less: below 1e-12 a float is 0 or a fault, whatever the unit.
    words = written(113, {"W": 5000.0, "VA": 5050.0, "PF": tiny, "Hz": 50.0})
    assert abs(read((*MARKER, *COMMON_66, *words, *END))["power_factor_total"]) < 1e-12


@given(
    active=st.integers(100, 30000),
    ratio=st.floats(0.03, 1.0),
    percent=st.booleans(),
    scale=st.integers(-4, -1),
    negative=st.booleans(),
)
def test_a_factor_of_a_hundred_is_never_wrong(
    active: int, ratio: float, percent: bool, scale: int, negative: bool
) -> None:
    apparent = min(32767, round(active / ratio))
    true = active / apparent
    raw = round(true * (100 if percent else 1) * 10**-scale) * (-1 if negative else 1)
    if not -32767 <= raw <= 32767 or (not percent and scale > -2):
        return
    found = inverter(active, apparent, raw, scale)
    assert abs(abs(found) - true) <= 10**scale / (100 if percent else 1) + 1e-9
    assert raw == 0 or (found < 0) == negative


@pytest.mark.parametrize(
    ("active", "apparent", "factor", "right"), [(70.0, 70.0, 100.0, 1.0), (5000.0, 5050.0, -0.99, -0.99)]
)
def test_floats_are_percent_or_a_ratio_too(active: float, apparent: float, factor: float, right: float) -> None:
    # Fronius sends 100.0, Kostal 0.99. W is at offset 22, VA at 26, PF at 30.
    words = written(113, {"W": active, "VA": apparent, "PF": factor, "Hz": 50.0})
    single = struct.unpack(">f", struct.pack(">f", right))[0]
    assert read((*MARKER, *COMMON_66, *words, *END))["power_factor_total"] == pytest.approx(single, rel=1e-7)


def test_the_ratio_of_model_701_needs_no_witness() -> None:
    # Its definition states no unit: 0.98, with the sign of the excitation.
    words = written(701, {"PF_SF": -2, "PF": -0.98, "W_SF": 0, "W": 5.0})
    assert read((*MARKER, *COMMON_66, *words, *END))["power_factor_total"] == -0.98
