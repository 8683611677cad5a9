"""Withheld values for a person: one line for each reason."""

from __future__ import annotations

from collections.abc import Iterable

from wattgram.acquisition.validity import Withheld


def withheld_lines(values: Iterable[Withheld]) -> list[str]:
    """Return the withheld values, one line for each reason, with the bound if they share it."""
    by_reason: dict[str, list[Withheld]] = {}
    for value in values:
        by_reason.setdefault(value.reason, []).append(value)
    lines = []
    for reason, alike in by_reason.items():
        bounds = {value.bound for value in alike}
        allowed = f"; allowed: {alike[0].bound}" if len(bounds) == 1 else ""
        names = ", ".join(value.quantity for value in alike)
        described = str(alike[0]) if len(alike) == 1 else f"{len(alike)} values ({names}): {reason}"
        lines.append(f"{described}{allowed}")
    return lines
