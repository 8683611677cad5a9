"""A battery's carbon: METHOD 4.6 with example 4 of 4.11, and METHOD-SITE 9.6 with its oracles."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.pool import Pool
from tests.oracle.steps import exact, floats
from tests.oracle.wiring import Cell

GRID = exact("0.5581")
"""g/Wh."""


def cycles(pool: Pool, number: int, charge: int, discharge: int) -> list[Fraction]:
    """Charge from the grid and discharge, Wh; return the intensity of each discharge in g/kWh."""
    found = []
    for _ in range(number):
        before = pool.energy, pool.carbon
        lost = pool.charge(Fraction(charge), charge * GRID)
        price = pool.price()
        beyond = pool.discharge(Fraction(discharge), discharge * price)
        assert pool.energy - before[0] == charge - discharge - lost[0] - beyond[0]
        assert pool.carbon - before[1] == charge * GRID - discharge * price - lost[1] - beyond[1]
        found.append(price * 1000)
    return found


def test_example_four_of_the_method() -> None:
    """Efficiencies 0.95 each: charge 10 kWh at 558.1, discharge 5 kWh."""
    pool = Pool(Cell(None, exact("0.95"), exact("0.95")), GRID)
    pool.charge(Fraction(10_000), 10_000 * GRID)
    assert floats(pool.energy, pool.carbon) == floats(9500, 5581)
    price = pool.price()
    assert float(price) * 1000 == pytest.approx(618.39, abs=0.005)
    pool.discharge(Fraction(5000), 5000 * price)
    assert float(pool.energy) == pytest.approx(4236.8, abs=0.05)
    assert float(pool.carbon) == pytest.approx(2489.03, abs=0.005)


@pytest.mark.parametrize("capacity", [Fraction(100_000), None])
def test_a_round_trip_of_85_percent_costs_656_6_and_the_stock_returns_to_nothing(capacity: Fraction | None) -> None:
    pool = Pool(Cell(capacity), GRID)
    assert [round(float(price), 1) for price in cycles(pool, 30, 100_000, 85_000)] == [656.6] * 30
    assert abs(pool.energy) < Fraction(1, 10**6)
    assert abs(pool.carbon) < Fraction(1, 10**6)


@pytest.mark.parametrize("capacity", [Fraction(100_000), None])
def test_a_round_trip_of_92_percent_is_learned_from_the_eleventh_cycle(capacity: Fraction | None) -> None:
    pool = Pool(Cell(capacity), GRID)
    prices = [round(float(price), 1) for price in cycles(pool, 30, 100_000, 92_000)]
    assert prices == [656.6] * 10 + [606.6] * 20
    assert 0 <= pool.energy < 1000


def test_what_is_beyond_the_stock_carries_the_last_intensity_and_is_negative_loss() -> None:
    """Charge 100 Wh and discharge 95 with a round trip of 0.85 not yet learned: 10 Wh more than the stock gives."""
    pool = Pool(Cell(), GRID)
    lost = pool.charge(Fraction(100), 100 * GRID)[0]
    price = pool.price()
    loss, carbon = pool.discharge(Fraction(95), 95 * price)
    assert floats(pool.energy, pool.carbon) == floats(0, 0)
    assert float(lost + loss) == pytest.approx(5.0)  # 100 in, 95 out, nothing left
    assert float(carbon) == pytest.approx(-(95 - 85) * float(price), rel=1e-9)
    assert pool.price() == price


def test_a_store_begins_with_the_official_factor() -> None:
    pool = Pool(Cell(None, Fraction(1), Fraction(1), begins=Fraction(500)), GRID)
    assert floats(pool.energy, pool.carbon, pool.price()) == floats(500, 500 * GRID, GRID)


def test_an_intensity_outside_of_what_flowed_in_is_found() -> None:
    pool = Pool(Cell(), GRID)
    cycles(pool, 3, 100, 80)
    assert not pool.out_of_range()
    pool.intensity *= 2
    assert pool.out_of_range()


movements = st.lists(st.tuples(st.booleans(), st.integers(1, 100_000), st.integers(0, 1000)), max_size=40)


@pytest.mark.slow(2)
@given(movements, st.sampled_from([Cell(), Cell(Fraction(50_000)), Cell(None, Fraction(9, 10), Fraction(8, 10))]))
@settings(max_examples=500)
def test_carbon_is_conserved_whatever_is_charged_and_discharged(moved: list[tuple[bool, int, int]], cell: Cell) -> None:
    pool = Pool(cell, GRID)
    energy, carbon = Fraction(0), Fraction(0)
    for charging, amount, grams in moved:
        if charging:
            cost = amount * Fraction(grams, 1000)
            lost = pool.charge(Fraction(amount), cost)
            energy, carbon = energy + amount - lost[0], carbon + cost - lost[1]
        else:
            cost = amount * pool.price()
            lost = pool.discharge(Fraction(amount), cost)
            energy, carbon = energy - amount - lost[0], carbon - cost - lost[1]
        assert pool.energy >= 0
        assert pool.carbon >= 0
    assert floats(pool.energy, pool.carbon) == floats(energy, carbon)
