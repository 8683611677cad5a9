"""Clear-sky irradiance and smooth noise of a simulated site."""

from __future__ import annotations

from hashlib import blake2b
from math import exp, floor, radians, sin


def clear_sky(altitude: float) -> float:
    """Return the global irradiance on level ground under a clear sky, W/m2; `altitude` of the sun in degrees.

    Haurwitz (J. Meteorology 2, 1945) in the form of Reno, Hansen and Stein, SAND2012-2389, with
    the coefficient 0.059 that pvlib uses.
    """
    up = sin(radians(altitude))
    return 1098.0 * up * exp(-0.059 / up) if up > 0 else 0.0


def smoothstep(x: float) -> float:
    """Return 0 below 0, 1 above 1, and between them a cubic with zero slope at both ends."""
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def chance(*name: object) -> float:
    """Return a number in [0, 1) that depends on `name` alone."""
    digest = blake2b(repr(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


class Noise:
    """Smooth noise in [-1, 1]: independent values every `period` s with a smoothstep between them.

    A value depends on `period`, `name` and the instant alone, not on the order of calls.
    """

    def __init__(self, period: float, *name: object) -> None:
        self._period = period
        self._name = name
        self._knot = -1
        self._here = self._next = 0.0

    def at(self, second: float) -> float:
        """Return the value at `second`, s since the epoch."""
        x = second / self._period
        knot = floor(x)
        if knot != self._knot:
            self._knot = knot
            self._here, self._next = self._value(knot), self._value(knot + 1)
        return self._here + (self._next - self._here) * smoothstep(x - knot)

    def _value(self, knot: int) -> float:
        return 2 * chance(*self._name, self._period, knot) - 1
