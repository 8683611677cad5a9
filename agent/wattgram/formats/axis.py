"""Steps and labels of a chart's axis."""

from __future__ import annotations

from math import floor, log10


def step_of(about: float) -> float:
    """Return the smallest 1, 2 or 5 x a power of ten that is not below `about`; 1 if `about` is not above 0."""
    if not about > 0.0:
        return 1.0
    power = 10.0 ** floor(log10(about))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= about * (1 - 1e-9))


def label(value: float, step: float) -> str:
    """Return a multiple of a step as text, with the decimals of the step."""
    decimals = max(0, -floor(log10(step)))
    return f"{value:z,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
