"""The quality of a device's record (SPEC 5), and the precedence of qualities when several apply."""

from __future__ import annotations

WORST_QUALITY_FIRST = ("stale", "implausible", "reset", "glitch", "partial", "estimated", "good")
"""Qualities, worst first.

stale: no reading, or a frozen one, so nothing else is known. implausible: a value was withheld. reset and glitch: a
counter's value does not continue. partial: a wanted quantity is missing, the others are right. estimated: the time of
counted energy is unknown, or the device has no power and its power is that of its counters, or the terminal power of a
hybrid inverter is the sum of PV and battery.
"""


def worst_quality(*qualities: str) -> str:
    """Return the quality that takes precedence."""
    return min(qualities, key=WORST_QUALITY_FIRST.index)
