"""Ordinary least squares of a few variables in plain Python, to avoid a numerical library on the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt

COLLINEARITY = 1e-9
"""Share of a variable's variance below which the other variables explain it completely."""


@dataclass(frozen=True, slots=True)
class LinearFit:
    """y = base + sum of slope x variable.

    r2: explained share of the variance of y, None if y is constant. cv: CV(RMSE) = root mean square error with n - p
    degrees of freedom / mean of y, None if n = p or the mean is 0. points: n.
    """

    base: float
    slopes: tuple[float, ...]
    r2: float | None
    cv: float | None
    points: int


def least_squares(ys: Sequence[float], rows: Sequence[Sequence[float]]) -> LinearFit:
    """Fit a line to points of y and one row of variables each.

    The variables are centred and scaled to unit length, so the matrix of the equations contains their correlations. A
    pivot is the share of variance that the preceding variables do not explain. ValueError: fewer points than
    coefficients, a constant variable, linearly dependent variables, or a coefficient that is not finite.
    """
    count = len(ys)
    width = len(rows[0]) if rows else 0
    if count < width + 1:
        raise ValueError(f"found {count} points; allowed: at least {width + 1}")
    mean = fsum(ys) / count
    means = [fsum(column) / count for column in zip(*rows, strict=True)]
    centred = [[row[j] - means[j] for row in rows] for j in range(width)]
    lengths = [sqrt(fsum(value * value for value in column)) for column in centred]
    for number, (length, middle) in enumerate(zip(lengths, means, strict=True), 1):
        if not length > COLLINEARITY * abs(middle) * sqrt(count):
            raise ValueError(f"variable {number} is constant")
    scaled = [[value / length for value in column] for column, length in zip(centred, lengths, strict=True)]
    off = [y - mean for y in ys]
    matrix = [[_dot(left, right) for right in scaled] for left in scaled]
    solved = _solve(matrix, [_dot(column, off) for column in scaled])
    slopes = tuple(slope / length for slope, length in zip(solved, lengths, strict=True))
    base = mean - _dot(slopes, means)
    if not all(isfinite(coefficient) for coefficient in (base, *slopes)):
        raise ValueError("a coefficient is not finite")
    errors = [y - base - _dot(slopes, row) for y, row in zip(ys, rows, strict=True)]
    squares, variance = _dot(errors, errors), _dot(off, off)
    freedom = count - width - 1
    return LinearFit(
        base,
        slopes,
        1.0 - squares / variance if variance > 0.0 else None,
        sqrt(squares / freedom) / abs(mean) if freedom and mean else None,
        count,
    )


def _dot(lefts: Sequence[float], rights: Sequence[float]) -> float:
    return fsum(left * right for left, right in zip(lefts, rights, strict=True))


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve equations with a correlation matrix by Gaussian elimination, largest pivot first. ValueError: singular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda index: abs(rows[index][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        if abs(rows[column][column]) < COLLINEARITY:
            raise ValueError("the variables are linearly dependent")
        for index in range(column + 1, size):
            factor = rows[index][column] / rows[column][column]
            rows[index] = [
                value - factor * pivot_value for value, pivot_value in zip(rows[index], rows[column], strict=True)
            ]
    solved = [0.0] * size
    for index in reversed(range(size)):
        rest = fsum(rows[index][j] * solved[j] for j in range(index + 1, size))
        solved[index] = (rows[index][size] - rest) / rows[index][index]
    return solved
