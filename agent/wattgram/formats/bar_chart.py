"""Small bar charts as SVG for HTML pages, without scripts. Titles and names of periods are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil

from .axis import label, step_of

WIDTH, HEIGHT = 720.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 30.0, 8.0, 20.0

LABELS = 11
"""Largest number of names under the bars; more names would overlap."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One period. up, down: parts above and below zero, (CSS class, value). mark: level of a line across the bar.
    enough: False draws the bar pale, for not enough data."""

    name: str
    up: Sequence[tuple[str, float]]
    down: Sequence[tuple[str, float]] = ()
    mark: float | None = None
    enough: bool = True


def chart(title: str, bars: Sequence[Bar]) -> str:
    """Return an SVG element. The CSS class of a part sets its colour. title: text for screen readers."""
    highest = max((max(sum(value for _, value in bar.up), bar.mark or 0.0) for bar in bars), default=0.0)
    lowest = max((sum(value for _, value in bar.down) for bar in bars), default=0.0)
    step = step_of((highest + lowest) / 4.0)
    top, bottom = step * max(1, ceil(highest / step - 1e-9)), -step * ceil(lowest / step - 1e-9)
    scale = (HEIGHT - TOP - BOTTOM) / (top - bottom)

    def y(value: float) -> float:
        return TOP + (top - value) * scale

    parts = [f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img"><title>{escape(title)}</title>']
    for number in range(round(bottom / step), round(top / step) + 1):
        value, kind = number * step, "zero" if number == 0 else "line"
        text = label(abs(value), step)
        parts.append(f'<path class="{kind}" d="M{LEFT:g} {y(value):.1f}H{WIDTH - RIGHT:g}"/>')
        parts.append(f'<text x="{LEFT - 6:g}" y="{y(value) + 3.5:.1f}" text-anchor="end">{text}</text>')
    pitch = (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    wide = min(0.72 * pitch, 56.0)
    every = ceil(len(bars) / LABELS)
    for index, bar in enumerate(bars):
        middle = LEFT + (index + 0.5) * pitch
        x = middle - wide / 2
        parts.append(f'<g class="{"bar" if bar.enough else "bar weak"}">')
        for sign, pieces in ((1.0, bar.up), (-1.0, bar.down)):
            reached = 0.0
            for kind, value in pieces:
                edge = y(sign * reached) if sign < 0 else y(reached + value)
                if value > 0.0:
                    parts.append(
                        f'<rect class="{kind}" x="{x:.1f}" y="{edge:.1f}" width="{wide:.1f}"'
                        f' height="{value * scale:.1f}"/>'
                    )
                reached += value
        parts.append("</g>")
        if bar.mark is not None:
            parts.append(f'<path class="mark" d="M{middle - pitch / 2:.1f} {y(bar.mark):.1f}h{pitch:.1f}"/>')
        if index % every == 0:
            parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 5:g}" text-anchor="middle">{escape(bar.name)}</text>')
    return "".join([*parts, "</svg>"])
