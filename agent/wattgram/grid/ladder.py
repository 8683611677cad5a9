"""The sources in order: the first source with a fresh value serves, else the official yearly factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

from .feed import Feed, Span, distinct
from .signal import FOREVER, SUPPLIED, Signal, possible
from .table import FactorTable, next_year


@dataclass(frozen=True, slots=True)
class GridChanges:
    """Changes of all sources: the signals to store by source, in order, and the period of changed answers."""

    signals: Mapping[str, tuple[Signal, ...]]
    span: Span | None


class Ladder:
    """The intensity of a zone's grid at any time. `factor` in g/kWh replaces the zone's official one."""

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
        """Return the signal of a time, UTC ns, by the signals of now."""
        anchor = self._anchor(time)
        for feed in self.feeds:
            signal = _levelled_signal(feed, time, anchor)
            if signal is not None:
                return signal
        return anchor

    def serving(self, time: int) -> Feed | None:
        """Return the source that serves at a time, UTC ns; None while the official factor does."""
        anchor = self._anchor(time)
        return next((feed for feed in self.feeds if _levelled_signal(feed, time, anchor) is not None), None)

    def until(self, time: int) -> int:
        """Return the first time after `time`, UTC ns, at which the answer of `at` may change, by the signals of now."""
        anchor = self._anchor(time)
        until = next_year(time)
        for feed in self.feeds:
            until = min(until, feed.until(time))
            if _levelled_signal(feed, time, anchor) is not None:
                break
        return until

    def mean(self, begin: int, end: int) -> Signal:
        """Return the mean over a period, UTC ns, for the energy that flowed within it (METHOD-SITE 9.5).

        The result is the last signal of the source that serves longest, with the mean intensity and the mean clean
        share of all sources. A share that is unknown for a part is unknown. An empty period has the value of its start.
        """
        first = self.at(begin)
        parts = [(first, min(self.until(begin), end) - begin)]
        time = begin + parts[0][1]
        while time < end:
            until = min(self.until(time), end)
            parts.append((self.at(time), until - time))
            time = until
        # The last instant of a value's grace is included (`Feed`): a nanosecond without weight.
        parts = [part for part in parts if part[1] > 1] or parts[:1]
        if len(parts) == 1:
            return parts[0][0]
        served: dict[tuple[str, int], int] = {}
        for signal, length in parts:
            served[signal.source, signal.tier] = served.get((signal.source, signal.tier), 0) + length
        longest = max(served, key=lambda source: served[source])
        return replace(
            [signal for signal, _ in parts if (signal.source, signal.tier) == longest][-1],
            intensity=_weighted_mean([(signal.intensity, length) for signal, length in parts]),
            clean_share=_weighted_mean([(signal.clean_share, length) for signal, length in parts]),
            estimated=any(signal.estimated for signal, _ in parts),
            shares=None,
            raw=nan,
        )

    def official(self, time: int) -> Signal:
        """Return the official yearly factor of a time, or the configured factor in its place."""
        return self._anchor(time)

    def official_of(self, intensity: float, time: int) -> Signal:
        """Return the official signal of a time that has an intensity: the present one, else that of the table.

        A replay keeps published factors, which the configuration may no longer contain.
        """
        anchor = self._anchor(time)
        if anchor.intensity == intensity:
            return anchor
        return self._table.signal(self._zone, self._basis, time)

    def snapshot(self) -> Ladder:
        """Return a copy with the signals of now."""
        return Ladder(self._zone, self._basis, self._factor, [feed.snapshot() for feed in self.feeds], self._table)

    def changes(self) -> GridChanges:
        """Return the changes since the last call. The span leaves out periods in which an earlier source serves."""
        found = [feed.changes() for feed in self.feeds]
        spans = [self._visible(index, change.span) for index, change in enumerate(found) if change.span is not None]
        visible = [span for span in spans if span[0] < span[1]]
        return GridChanges(
            {name: change.signals for name, change in zip(distinct(self.feeds), found, strict=True) if change.signals},
            (min(begin for begin, _ in visible), max(end for _, end in visible)) if visible else None,
        )

    def marks(self) -> dict[str, str]:
        """Return the known edition of each source that stores its values itself."""
        return {name: feed.mark for name, feed in zip(distinct(self.feeds), self.feeds, strict=True) if feed.mark}

    def _visible(self, index: int, span: Span) -> Span:
        """Return the span from the first time at which no source before the one at `index` serves."""
        begin, end = span
        while begin < end:
            anchor = self._anchor(begin)
            before = [feed for feed in self.feeds[:index] if _levelled_signal(feed, begin, anchor) is not None]
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
    """Return anchor x feed / mean of the feed: its shape at the official level (METHOD 4.3). None if impossible."""
    intensity = anchor.intensity * signal.intensity / mean if mean > 0.0 else anchor.intensity
    if not possible(intensity):
        return None
    return replace(
        signal, intensity=intensity, source=f"{signal.source}, level of {anchor.source}", raw=signal.intensity
    )


def _weighted_mean(parts: Sequence[tuple[float, int]]) -> float:
    """Return the weighted mean of numbers; the sum is relative to the first, so that equal numbers stay exact."""
    first = parts[0][0]
    return first + sum((number - first) * weight for number, weight in parts) / sum(weight for _, weight in parts)


def _levelled_signal(feed: Feed, time: int, anchor: Signal) -> Signal | None:
    """Return the signal of a feed, at the level of the anchor if the feed has a mean."""
    signal = feed.at(time)
    return signal if signal is None or feed.mean is None else levelled(signal, anchor, feed.mean)
