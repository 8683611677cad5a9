"""Least squares: points on a line, a hand calculation, exact fractions, and impossible fits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.goals.quantities.regression import least_squares


def test_points_on_a_line_give_the_line() -> None:
    # y = 200 + 25 x - 3 z
    rows = [(x, z) for x in (0.0, 2.0, 5.0, 9.0) for z in (1.0, 4.0)]
    fit = least_squares([200 + 25 * x - 3 * z for x, z in rows], rows)
    assert fit.base == pytest.approx(200.0)
    assert fit.slopes == pytest.approx((25.0, -3.0))
    assert fit.r2 == pytest.approx(1.0)
    assert fit.cv == pytest.approx(0.0, abs=1e-12)
    assert fit.points == 8


def test_a_line_through_four_points_by_hand() -> None:
    # x 1 2 3 4 and y 6 5 7 10: means 2.5 and 7; sum of (x - 2.5)(y - 7) = 1.5 + 1 + 0 + 4.5 = 7, of (x - 2.5)^2 = 5,
    # so y = 3.5 + 1.4 x. Errors 1.1, -1.3, -0.7, 0.9: squares 4.2. Of y: 1 + 4 + 0 + 9 = 14, R2 = 1 - 4.2/14 = 0.7.
    # CV(RMSE) = sqrt(4.2 / 2) / 7 = 0.20702
    fit = least_squares([6, 5, 7, 10], [(1,), (2,), (3,), (4,)])
    assert (fit.base, *fit.slopes) == pytest.approx((3.5, 1.4))
    assert fit.r2 == pytest.approx(0.7)
    assert fit.cv == pytest.approx(0.20702, abs=5e-6)


def test_coefficients_beyond_the_numbers_are_no_fit() -> None:
    with pytest.raises(ValueError, match="not finite"):
        least_squares([0.0, 1e150, 3e150], [(0.0,), (1e-160,), (2e-160,)])


def exact_solution(ys: list[int], rows: list[tuple[int, int]]) -> list[Fraction] | None:
    """Solve the normal equations with a column of ones by Cramer's rule in fractions; None where singular."""
    columns = [[1] * len(ys), *(list(column) for column in zip(*rows, strict=True))]
    matrix = [
        [sum(a * b for a, b in zip(left, right_column, strict=True)) for right_column in columns] for left in columns
    ]
    right = [sum(a * b for a, b in zip(column, ys, strict=True)) for column in columns]
    denominator = determinant(matrix)
    if denominator == 0:
        return None
    replaced = (
        [[right[i] if j == column else matrix[i][j] for j in range(3)] for i in range(3)] for column in range(3)
    )
    return [Fraction(determinant(replacement), denominator) for replacement in replaced]


def determinant(m: list[list[int]]) -> int:
    """Return the determinant of a matrix of three by three."""
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


@given(st.lists(st.tuples(*(st.integers(-1000, 1000) for _ in range(3))), min_size=3, max_size=40))
def test_the_fit_agrees_with_exact_fractions_and_refuses_singular_systems(points: list[tuple[int, int, int]]) -> None:
    ys, rows = [point[0] for point in points], [point[1:] for point in points]
    expected = exact_solution(ys, rows)
    if expected is None:
        with pytest.raises(ValueError, match=r"is constant|linearly dependent"):
            least_squares(ys, rows)
        return
    fit = least_squares(ys, rows)
    assert (fit.base, *fit.slopes) == pytest.approx([float(value) for value in expected], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("ys", "rows", "why"),
    [
        ([1.0], [(1.0,)], "found 1 points; allowed: at least 2"),
        ([1.0, 2.0], [(4.0,), (4.0,)], "variable 1 is constant"),
        (
            [1.0, 2.0, 3.0, 5.0],
            [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0), (4.0, 40.0)],
            "the variables are linearly dependent",
        ),
    ],
)
def test_an_impossible_fit_is_reported(ys: list[float], rows: list[tuple[float, ...]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        least_squares(ys, rows)


def test_a_constant_has_no_r2_and_a_fit_without_degrees_of_freedom_has_no_error() -> None:
    assert least_squares([5.0, 5.0, 5.0], [(1.0,), (2.0,), (4.0,)]).r2 is None
    assert least_squares([5.0, 6.0], [(1.0,), (2.0,)]).cv is None
