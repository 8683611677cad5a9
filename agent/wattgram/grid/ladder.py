"""The sources in order: the first source with a fresh value serves, else the factor of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

from .feed import Feed, Span, distinct
from .signal import COMPILED_IN, ESTIMATED, FOREVER, SUPPLIED, Signal, possible
from .table import FactorTable

CONFIGURED = "configuration"
"""Source of a signal with the configured factor."""

NO_FACTOR = "none"
"""Source of a signal without a number: no source has had a value, and no table has a row."""


@dataclass(frozen=True, slots=True)
class GridChanges:
    """Changes of all sources: the signals to store by source, in order, and the period of changed answers."""

    signals: Mapping[str, tuple[Signal, ...]]
    span: Span | None


class Ladder:
    """The intensity of a zone's grid at any time.

    `factor`: g/kWh in place of the zone's row of the tables. `residual`: g/kWh of the residual mix, likewise. A zone
    without a row has the values of its sources alone: while none is fresh, the last known value serves; before the
    first value, the intensity is NaN.
    """

    def __init__(
        self,
        zone: str,
        basis: str,
        factor: float | None = None,
        feeds: Sequence[Feed] = (),
        table: FactorTable | None = None,
        *,
        residual: float | None = None,
    ) -> None:
        self.feeds = tuple(feeds)
        self._zone = zone
        self._basis = basis
        self._factor = factor
        self._table = table or FactorTable.shipped()
        self._residual = residual
        self._has_row = self._table.has(zone, basis)

    def at(self, time: int) -> Signal:
        """Return the signal of a time, UTC ns, by the signals of now."""
        anchor = self._anchor(time)
        for feed in self.feeds:
            signal = _levelled_signal(feed, time, anchor)
            if signal is not None:
                return signal
        return anchor or self._last_known(time)

    def serving(self, time: int) -> Feed | None:
        """Return the source that serves at a time, UTC ns; None while the official factor does."""
        anchor = self._anchor(time)
        return next((feed for feed in self.feeds if _levelled_signal(feed, time, anchor) is not None), None)

    def until(self, time: int) -> int:
        """Return the first time after `time`, UTC ns, at which the answer of `at` may change, by the signals of now."""
        anchor = self._anchor(time)
        until = self._table.next_year(self._zone, time)
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
        """Return the yearly factor of a time, or the configured factor in its place; NaN for a zone without a row."""
        return self._anchor(time) or self._nothing()

    def residual(self, time: int) -> float:
        """Return g/kWh of the residual mix of a time, UTC ns; NaN for unknown (METHOD 4.8)."""
        return self._table.residual(self._zone, time) if self._residual is None else self._residual

    def inventory(self, time: int) -> tuple[float, float]:
        """Return g/kWh of `official` and `residual` at a time, UTC ns."""
        return self.official(time).intensity, self.residual(time)

    def official_of(self, intensity: float, time: int) -> Signal:
        """Return the official signal of a time that has an intensity: the present one, else that of the table.

        A replay keeps published factors, which the configuration may no longer contain.
        """
        anchor = self._anchor(time)
        if anchor is not None and anchor.intensity == intensity:
            return anchor
        return self._table.signal(self._zone, self._basis, time) if self._has_row else self._nothing()

    def snapshot(self) -> Ladder:
        """Return a copy with the signals of now."""
        feeds = [feed.snapshot() for feed in self.feeds]
        return Ladder(self._zone, self._basis, self._factor, feeds, self._table, residual=self._residual)

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
            begin = min(before[0].until(begin), self._table.next_year(self._zone, begin))
        return begin, end

    def _anchor(self, time: int) -> Signal | None:
        """Return the factor that serves when no source does; None for a zone without a row."""
        row = self._table.signal(self._zone, self._basis, time) if self._has_row else None
        if self._factor is None:
            return row
        clean = nan if row is None else row.clean_share
        return Signal(self._factor, self._basis, CONFIGURED, SUPPLIED, 0, FOREVER, clean_share=clean)

    def _last_known(self, time: int) -> Signal:
        """Return the last value of the sources before a time, whatever its age; a signal without a number before it."""
        known = [signal for feed in self.feeds if (signal := feed.before(time)) is not None]
        if not known:
            return self._nothing()
        last = max(known, key=lambda signal: signal.valid_to)
        return replace(last, tier=max(last.tier, ESTIMATED), estimated=True)

    def _nothing(self) -> Signal:
        return Signal(nan, self._basis, NO_FACTOR, COMPILED_IN, 0, FOREVER)


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


def _levelled_signal(feed: Feed, time: int, anchor: Signal | None) -> Signal | None:
    """Return the signal of a feed, at the level of the anchor if the feed has a mean."""
    signal = feed.at(time)
    if signal is None or feed.mean is None:
        return signal
    return None if anchor is None else levelled(signal, anchor, feed.mean)
