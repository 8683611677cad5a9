"""The sources in order: the first one that is fresh wins, the official yearly factor is always there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

from .feed import Feed, Span, distinct
from .signal import FOREVER, SUPPLIED, Signal, possible
from .table import FactorTable, next_year


@dataclass(frozen=True, slots=True)
class GridNews:
    """What the sources said anew: by source the signals to remember, in order, and where that changes an answer."""

    news: Mapping[str, tuple[Signal, ...]]
    span: Span | None


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
            signal = _told(feed, time, anchor)
            if signal is not None:
                return signal
        return anchor

    def until(self, time: int) -> int:
        """The first UTC ns after `time` at which `at` may answer something else with what is known now."""
        anchor = self._anchor(time)
        until = next_year(time)
        for feed in self.feeds:
            until = min(until, feed.until(time))
            if _told(feed, time, anchor) is not None:
                break
        return until

    def mean(self, begin: int, end: int) -> Signal:
        """The mean over a span of time, UTC ns: for energy of which nobody knows when it flowed (METHOD 4.5).

        It is the last signal of the source that serves longest, with the mean intensity and clean share of all in
        its own's place; a share that is unknown for a part is unknown. An empty span has the value of its beginning.
        """
        first = self.at(begin)
        parts = [(first, min(self.until(begin), end) - begin)]
        time = begin + parts[0][1]
        while time < end:
            until = min(self.until(time), end)
            parts.append((self.at(time), until - time))
            time = until
        if len(parts) == 1:
            return first
        served: dict[tuple[str, int], int] = {}
        for one, length in parts:
            served[one.source, one.tier] = served.get((one.source, one.tier), 0) + length
        longest = max(served, key=lambda source: served[source])
        return replace(
            [one for one, _ in parts if (one.source, one.tier) == longest][-1],
            intensity=_weighted([(one.intensity, length) for one, length in parts]),
            clean_share=_weighted([(one.clean_share, length) for one, length in parts]),
            estimated=any(one.estimated for one, _ in parts),
            shares=None,
            raw=nan,
        )

    def official(self, time: int) -> Signal:
        """The official yearly factor of a moment, or the configured one in its place."""
        return self._anchor(time)

    def snapshot(self) -> Ladder:
        """What is known by now, which stays so while the sources go on."""
        return Ladder(self._zone, self._basis, self._factor, [feed.snapshot() for feed in self.feeds], self._table)

    def changes(self) -> GridNews:
        """What is new since the last call. The span begins where a source is heard, not behind one before it."""
        found = [feed.changes() for feed in self.feeds]
        spans = [self._heard(index, one.span) for index, one in enumerate(found) if one.span is not None]
        heard = [span for span in spans if span[0] < span[1]]
        return GridNews(
            {name: one.news for name, one in zip(distinct(self.feeds), found, strict=True) if one.news},
            (min(begin for begin, _ in heard), max(end for _, end in heard)) if heard else None,
        )

    def marks(self) -> dict[str, str]:
        """By source that keeps what it says, which edition of it is known."""
        return {name: feed.mark for name, feed in zip(distinct(self.feeds), self.feeds, strict=True) if feed.mark}

    def _heard(self, index: int, span: Span) -> Span:
        """The span from the first moment on at which no source before the one at `index` answers."""
        begin, end = span
        while begin < end:
            anchor = self._anchor(begin)
            before = [feed for feed in self.feeds[:index] if _told(feed, begin, anchor) is not None]
            if not before:
                break
            begin = min(before[0].until(begin), next_year(begin))
        return begin, end

    def _anchor(self, time: int) -> Signal:
        official = self._table.signal(self._zone, self._basis, time)
        if self._factor is None:
            return official
        return replace(
            official, intensity=self._factor, source="configuration", tier=SUPPLIED, valid_from=0, valid_to=FOREVER
        )


def levelled(signal: Signal, anchor: Signal, mean: float) -> Signal | None:
    """The feed's shape at the official level: anchor x feed / mean of the feed (METHOD 4.3); None when impossible."""
    intensity = anchor.intensity * signal.intensity / mean if mean > 0.0 else anchor.intensity
    if not possible(intensity):
        return None
    return replace(
        signal, intensity=intensity, source=f"{signal.source}, level of {anchor.source}", raw=signal.intensity
    )


def _weighted(parts: Sequence[tuple[float, int]]) -> float:
    """The mean of numbers by their weights. Counted from the first one, so that equal ones are their own mean."""
    first = parts[0][0]
    return first + sum((number - first) * weight for number, weight in parts) / sum(weight for _, weight in parts)


def _told(feed: Feed, time: int, anchor: Signal) -> Signal | None:
    """What a feed answers, brought to the level of the anchor where that is wanted."""
    signal = feed.at(time)
    return signal if signal is None or feed.mean is None else levelled(signal, anchor, feed.mean)
