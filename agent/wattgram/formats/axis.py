"""The round numbers along an axis."""

from __future__ import annotations

from math import floor, log10


def step_of(about: float) -> float:
    """1, 2 or 5 times a power of ten, not below `about`."""
    if not about > 0.0:
        return 1.0
    power = 10.0 ** floor(log10(about))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= about * (1 - 1e-9))


def label(value: float, step: float) -> str:
    """A multiple of a step, with as many decimals as the step has."""
    decimals = max(0, -floor(log10(step)))
    return f"{value:z,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
