"""A small line plot as SVG: evaluated values, the path to the target, and the projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor

from wattgram.formats.axis import label, step_of

WIDTH, HEIGHT = 340.0, 108.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 8.0, 20.0
AXIS_FROM_ZERO = 0.5
"""Share of the highest number below which the lowest number makes the axis start at zero."""

Point = tuple[float, float]
"""Elapsed share of the period, and a number."""


@dataclass(frozen=True, slots=True)
class PlotSeries:
    """Lines of the plot.

    value: all values. off: values worse than their path. path: the path so far. ahead, projection: the path and the
    projection in the rest of the period.
    """

    value: Sequence[Point]
    off: Sequence[Point]
    path: Sequence[Point]
    ahead: Sequence[Point]
    projection: Sequence[Point]


def plot(title: str, lines: PlotSeries, first: str, last: str) -> str:
    """Return an SVG element. title: text for screen readers. first, last: labels of the ends of the period."""
    numbers = [y for line in (lines.value, lines.path, lines.ahead, lines.projection) for _, y in line]
    bottom, top, step = _range(min(numbers), max(numbers))
    base = HEIGHT - BOTTOM

    def x(share: float) -> float:
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return base - (value - bottom) / (top - bottom) * (base - TOP)

    def drawn(kind: str, points: Sequence[Point]) -> str:
        if len(points) < 2:
            return ""
        path = "L".join(f"{x(share):.1f} {y(value):.1f}" for share, value in _corners(points))
        return f'<path class="{kind}" d="M{path}"/>'

    parts = [f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img"><title>{escape(title)}</title>']
    for number in range(round(bottom / step), round(top / step) + 1):
        value = number * step
        parts.append(
            f'<path class="{"zero" if number == 0 else "line"}" d="M{LEFT:g} {y(value):.1f}H{WIDTH - RIGHT:g}"/>'
        )
        text = escape(label(value, step))
        parts.append(f'<text x="{LEFT - 5:g}" y="{y(value) + 3:.1f}" text-anchor="end">{text}</text>')
    parts += [
        drawn("path", lines.path),
        drawn("path ahead", lines.ahead),
        drawn("projection", lines.projection),
        drawn("value", lines.value),
    ]
    parts += [f'<path class="off" d="M{x(share):.1f} {y(value) - 3.4:.1f}l3 5.4h-6z"/>' for share, value in lines.off]
    for kind, points in (("value", lines.value), ("projection", lines.projection)):
        if points and points[-1] not in lines.off:
            parts.append(f'<circle class="{kind}" cx="{x(points[-1][0]):.1f}" cy="{y(points[-1][1]):.1f}" r="2.6"/>')
    parts.append(f'<text x="{LEFT:g}" y="{HEIGHT - 5:g}">{escape(first)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT:g}" y="{HEIGHT - 5:g}" text-anchor="end">{escape(last)}</text>')
    return "".join([*parts, "</svg>"])


def _range(lowest: float, highest: float) -> tuple[float, float, float]:
    """Return lower end, upper end and step of the axis."""
    if 0.0 <= lowest <= AXIS_FROM_ZERO * highest:
        lowest = 0.0
    elif AXIS_FROM_ZERO * lowest <= highest <= 0.0:
        highest = 0.0
    room = highest - lowest or abs(highest) * 0.1 or 1.0
    if highest == lowest:
        lowest, highest = lowest - room / 2, highest + room / 2
    step = step_of(room / 4)
    bottom, top = step * floor(lowest / step + 1e-9), step * ceil(highest / step - 1e-9)
    return bottom, max(top, bottom + step), step


def _corners(points: Sequence[Point]) -> list[Point]:
    """Return the points without those on the straight line between their neighbours."""
    corners = list(points[:1])
    for here, after in pairwise(points[1:]):
        (x0, y0), (x1, y1), (x2, y2) = corners[-1], here, after
        if abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) > 1e-9 * abs(x2 - x0) * (abs(y0) + abs(y2)):
            corners.append(here)
    return [*corners, *points[1:][-1:]]
