"""Price of late energy: the grid's mean over the time to which the energy belongs (METHOD-SITE 9.3, 9.5).

The stored row of late energy names this time, so that a replay prices the same time with the grid's values of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from wattgram.grid.ladder import Ladder
from wattgram.grid.signal import Signal

from .late_energy import Span


def price(ladder: Ladder, spans: Sequence[Span]) -> Signal:
    """Return the signal of the last span with the mean intensity and the mean clean share over all spans, by time."""
    parts = [(ladder.mean(*span), max(1, span.end - span.begin)) for span in spans]
    last = parts[-1][0]
    if len(parts) == 1:
        return last
    whole = sum(length for _, length in parts)
    return replace(
        last,
        intensity=sum(signal.intensity * length for signal, length in parts) / whole,
        clean_share=sum(signal.clean_share * length for signal, length in parts) / whole,
    )


def text_of(spans: Sequence[Span]) -> str:
    """Return spans as the text of a row of late energy: [[begin, end], ...], UTC ns."""
    return json.dumps(spans, separators=(",", ":"))


def spans_of(text: str) -> tuple[Span, ...]:
    """Return the spans of `text_of`."""
    return tuple(Span(int(begin), int(end)) for begin, end in json.loads(text))
