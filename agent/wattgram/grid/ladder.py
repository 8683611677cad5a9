"""The sources in order: the first one that is fresh wins, the official yearly factor is always there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .feed import Feed
from .signal import SUPPLIED, Signal, possible
from .table import FactorTable


class Ladder:
    """What the grid of a zone emits at any time. `factor` in g/kWh stands in the place of the zone's official one."""

    def __init__(
        self,
        zone: str,
        basis: str,
        factor: float | None = None,
        feeds: Sequence[Feed] = (),
        table: FactorTable | None = None,
    ) -> None:
        self.feeds = tuple(feeds)
        self._zone = zone
        self._basis = basis
        self._factor = factor
        self._table = table or FactorTable.shipped()

    def at(self, time: int) -> Signal:
        """The value that is valid at a moment, UTC ns, as far as it is known by now."""
        anchor = self._anchor(time)
        for feed in self.feeds:
            signal = feed.at(time)
            if signal is not None and feed.mean is not None:
                signal = levelled(signal, anchor, feed.mean)
            if signal is not None:
                return signal
        return anchor

    def _anchor(self, time: int) -> Signal:
        official = self._table.signal(self._zone, self._basis, time)
        if self._factor is None:
            return official
        return replace(
            official, intensity=self._factor, source="configuration", tier=SUPPLIED, valid_from=0, valid_to=time
        )


def levelled(signal: Signal, anchor: Signal, mean: float) -> Signal | None:
    """The feed's shape at the official level: anchor x feed / mean of the feed (METHOD 4.3); None when impossible."""
    intensity = anchor.intensity * signal.intensity / mean if mean > 0.0 else anchor.intensity
    if not possible(intensity):
        return None
    return replace(
        signal, intensity=intensity, source=f"{signal.source}, level of {anchor.source}", raw=signal.intensity
    )
