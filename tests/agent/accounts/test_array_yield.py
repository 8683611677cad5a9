"""Energy of an array beside the irradiance of the same time; Wh and Wh/m2 by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.array_yield import ArrayRow, ArrayYield
from wattgram.base.clock import NS
from wattgram.config.goals_table.goals_settings import ArraySettings

ROOF = ArraySettings("roof", 100e3, "sky")


def yields(
    rows: Iterable[tuple[int, int, float]], readings: Iterable[tuple[int, float | None]], interval: float = 60.0
) -> dict[int, Mapping[str, float]]:
    """Return the numbers of the rows with irradiance, by their ends in s. Rows come first, as in a running site."""
    array = ArrayYield(ROOF)
    for begin, end, energy in rows:
        array.add_row(ArrayRow(begin * NS, end * NS, energy))
    return {
        part.time // NS: part.numbers
        for time, irradiance in readings
        for part in array.add_irradiance(time * NS, irradiance, interval)
    }


def test_a_row_between_two_readings_has_the_irradiance_of_the_straight_line() -> None:
    # from 0 to 600 W/m2 in 60 s: a mean of 150 in the first half, of 450 in the second; x 30 s / 3600
    found = yields([(0, 30, 100.0), (30, 60, 400.0)], [(0, 0.0), (60, 600.0)])
    assert found[30]["yield_irradiation"] == pytest.approx(1.25)
    assert found[60]["yield_irradiation"] == pytest.approx(3.75)
    assert [found[end]["yield_energy"] for end in (30, 60)] == [100.0, 400.0]


def test_energy_and_irradiance_are_of_the_same_time() -> None:
    # no energy from 60 to 120 s, no irradiance from 240 to 600 s: rows of 0-60, 120-180 and 180-240 s remain
    rows = [(start, start + 60, 500.0 if start != 60 else float("nan")) for start in range(0, 660, 60)]
    readings = [(time, 300.0) for time in (*range(0, 300, 60), 600, 660)]
    found = yields(rows, readings)
    assert sorted(found) == [60, 180, 240, 660]
    assert {numbers["yield_seconds"] for numbers in found.values()} == {60.0}


def test_an_invalid_reading_is_a_gap() -> None:
    rows = [(0, 60, 500.0), (60, 120, 500.0), (120, 180, 500.0)]
    assert sorted(yields(rows, [(0, 300.0), (60, 300.0), (120, None), (180, 300.0)])) == [60]


def test_the_offset_of_a_sensor_at_night_is_no_irradiance() -> None:
    found = yields([(0, 60, 0.0)], [(0, -4.0), (60, -4.0)])
    assert found[60] == {"yield_energy": 0.0, "yield_irradiation": 0.0, "yield_seconds": 60.0}


@pytest.mark.parametrize(
    ("irradiance", "energy", "sunny", "producing"),
    [
        (99.0, 100.0, None, None),
        (100.0, 20.0, 60.0, 60.0),  # 1.2 kW of 100 kW
        (800.0, 16.0, 60.0, 0.0),  # 0.96 kW: below 1 % of the peak power
        (800.0, 0.0, 60.0, 0.0),
    ],
)
def test_an_array_must_produce_from_100_watts_a_square_metre(
    irradiance: float, energy: float, sunny: float | None, producing: float | None
) -> None:
    found = yields([(0, 60, energy)], [(0, irradiance), (60, irradiance)])[60]
    assert (found.get("sunny_seconds"), found.get("producing_seconds")) == (sunny, producing)


@given(
    st.lists(st.floats(0.0, 1500.0), min_size=2, max_size=20),
    st.lists(st.integers(1, 90), min_size=1, max_size=40),
)
def test_the_irradiation_does_not_depend_on_the_ticks(values: list[float], lengths: list[int]) -> None:
    span = 60 * (len(values) - 1)
    ends = sorted({*(min(span, sum(lengths[: index + 1])) for index in range(len(lengths))), span})
    rows = [(begin, end, 1.0) for begin, end in zip([0, *ends], ends, strict=False) if end > begin]
    found = yields(rows, [(60 * index, value) for index, value in enumerate(values)])
    trapezoids = sum((first + last) / 2 * 60 / 3600 for first, last in pairwise(values))
    assert sum(numbers["yield_seconds"] for numbers in found.values()) == span
    assert sum(numbers["yield_irradiation"] for numbers in found.values()) == pytest.approx(trapezoids, abs=1e-9)


def test_a_silent_sensor_keeps_half_an_hour_of_rows() -> None:
    array = ArrayYield(ROOF)
    for second in range(0, 7200, 10):
        array.add_row(ArrayRow(second * NS, (second + 10) * NS, 1.0))
    assert len(array._rows) <= 181
