"""Late energy: energy of a gap that counters report afterwards, apportioned by the gap's span (METHOD-SITE 9.3).

A gap is the time in which the energy of a channel is unknown. When the channel's counter speaks, its energy is shared
among the quarters of an hour that the gap touches, each by its share of the gap's time. Each quarter is one row of late
energy at its end. The row contains all late energy of the quarter, so a later row of the same quarter replaces it. The
row marks channels that are still unknown in the quarter; when every channel is known, the accounts know the load.

A gap is undated if a wrong clock has published its time already, if its length is unknown because the clock was set
while no instant was computed, or if it is longer than `LONGEST_GAP`. Its energy belongs to days and months only. So
does energy of a time before the stored history (`add_old`), but there the load stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf, isfinite, nan
from typing import Any, NamedTuple

from wattgram.base.clock import NS

MOST_AMOUNTS = 1000
"""Amounts that may wait for a channel that stays unknown. Then the channel is given up, and its gap stays unknown."""

MOST_LATE_ROWS = 100
"""Most rows of one `take`, so that a pause of a year does not block the event loop."""

LONGEST_GAP = 400 * 86400 * NS
"""Longest gap without instants that is shared among quarters, ns; before or after a longer one, the clock was wrong."""


class Span(NamedTuple):
    """Time from `begin` to `end`, UTC ns."""

    begin: int
    end: int


class LateAmount(NamedTuple):
    """Late energy of a channel in the role's direction and against it, Wh, and fuel, g; of the time of `spans`."""

    channel: int
    spans: tuple[Span, ...]
    positive: float
    negative: float
    carbon: float = 0.0

    @property
    def length(self) -> float:
        """Time from the begin of the first span to the end of the last, s."""
        return (self.spans[-1].end - self.spans[0].begin) / NS

    def within(self, begin: int, end: int) -> LateAmount | None:
        """Return the share of the time from `begin` to `end`, UTC ns; None if the amount has no such time."""
        spans = tuple(
            Span(max(span.begin, begin), min(span.end, end))
            for span in self.spans
            if span.begin < end and span.end > begin
        )
        if not _length(spans):
            return None
        share = _length(spans) / _length(self.spans)
        return LateAmount(self.channel, spans, share * self.positive, share * self.negative, share * self.carbon)


class LateRow(NamedTuple):
    """Late energy of a quarter of an hour that ends at `time`, UTC ns.

    seconds: time of the quarter in which a channel of the balance was unknown. powers: 0 for each channel that is known
    now, NaN for the others. energies: Wh in the role's direction and against it for each channel. carbon: g of fuel
    for each channel, NaN if none is late. spans: the part of the quarter to which the energy belongs, for its price.
    """

    time: int
    seconds: float
    powers: tuple[float, ...]
    energies: tuple[float, ...]
    carbon: tuple[float, ...]
    spans: tuple[Span, ...] = ()


class LateEnergy:
    """Gaps of a site's channels, and the late energy of each quarter of an hour.

    sub_meters: indices of the channels that are not in the balance. quarter_end: the end of the quarter that contains
    a time, UTC ns; a quarter contains its start. priced: indices of the channels whose energy has the grid's price.
    """

    def __init__(
        self,
        channels: int,
        sub_meters: Iterable[int],
        quarter_end: Callable[[int], int],
        priced: Iterable[int] = (),
    ) -> None:
        self._sub_meters = frozenset(sub_meters)
        self._priced = frozenset(priced)
        self._quarter_end = quarter_end
        self._waiting: list[list[Span]] = [[] for _ in range(channels)]
        self._given_up: list[list[Span]] = [[] for _ in range(channels)]
        self._gaps: list[Span] = []
        self._amounts: list[LateAmount] = []
        self._due: list[Span] = []
        self._undated: set[int] = set()
        self._totals = [0.0] * (2 * channels)
        self._old = [0.0] * (3 * channels)

    def is_waiting(self, channel: int) -> bool:
        """Whether a channel has a gap that its counter has not told."""
        return bool(self._waiting[channel]) or channel in self._undated

    @property
    def unknown(self) -> bool:
        """Whether any channel has a gap that its counter has not told."""
        return any(self._waiting)

    def add_gap(self, channel: int, span: Span) -> None:
        """Add an interval in which the energy of a channel is unknown."""
        _extend(self._waiting[channel], span)
        if channel not in self._sub_meters:
            _extend(self._gaps, span)

    def add_undated_gap(self, channel: int) -> None:
        """Add a gap of a channel whose time is unknown, or was published already, before the clock was set back."""
        self._undated.add(channel)

    def tell(self, channel: int, positive: float, negative: float, otherwise: Span) -> LateAmount | None:
        """End a channel's gap with its counter's Wh; return the amount and its time, None if it is undated.

        otherwise: the time of the energy of a channel without a gap: readings were missing, but their power held.
        """
        spans = tuple(self._waiting[channel]) or (otherwise,)
        if channel in self._undated or not _length(spans):
            self._undated.discard(channel)
            self._totals[2 * channel] += positive
            self._totals[2 * channel + 1] += negative
            self.give_up(channel)
            return None
        self._waiting[channel] = []
        return self._tell(LateAmount(channel, spans, positive, negative))

    def add_fuel(self, channel: int, carbon: float, otherwise: Span) -> LateAmount:
        """Add late fuel of a channel, g: of the channel's gap, or of its last amount. Return the amount."""
        last = next((amount.spans for amount in reversed(self._amounts) if amount.channel == channel), (otherwise,))
        amount = LateAmount(channel, tuple(self._waiting[channel]) or last, 0.0, 0.0, carbon)
        if _length(amount.spans):
            return self._tell(amount)
        self.add_old(amount)
        return amount

    def add_old(self, amount: LateAmount) -> None:
        """Add energy of a time whose quarters cannot be computed any more; it is in no row of `take`."""
        for place, value in enumerate((amount.positive, amount.negative, amount.carbon)):
            self._old[3 * amount.channel + place] += value

    def give_up(self, channel: int) -> None:
        """End a channel's gap without a counter: its energy stays unknown."""
        for span in self._waiting[channel]:
            _extend(self._given_up[channel], span)
        self._waiting[channel] = []
        self._undated.discard(channel)

    def give_up_time(self, amount: LateAmount) -> None:
        """Keep the time of an amount unknown: the counters told a part of its energy."""
        for span in amount.spans:
            if _overlap(self._gaps, span):
                _extend(self._given_up[amount.channel], span)

    def forget(self) -> None:
        """Discard all gaps and amounts."""
        for spans in (*self._waiting, *self._given_up):
            spans.clear()
        self._gaps, self._amounts, self._due = [], [], []
        self._undated, self._totals = set(), [0.0] * len(self._totals)
        self._old = [0.0] * len(self._old)

    def is_due(self, time: int) -> bool:
        """Whether `take` has rows at a time."""
        return bool(self._due) and self._quarter_end(self._due[0].begin) <= time

    def take(self, time: int) -> list[LateRow]:
        """Return the rows of the quarters that are over at a time, in order, and have new amounts.

        At most `MOST_LATE_ROWS`; `is_due` says whether there are more.
        """
        rows: list[LateRow] = []
        while self.is_due(time) and len(rows) < MOST_LATE_ROWS:
            end = self._quarter_end(self._due[0].begin)
            rows.append(self._row(end))
            self._due[:1] = [Span(end, self._due[0].end)] if end < self._due[0].end else []
        self._discard_settled(time)
        return rows

    def take_totals(self) -> list[float] | None:
        """Return the undated Wh in the role's direction and against it for each channel; None if there is none."""
        if not any(self._totals):
            return None
        totals, self._totals = self._totals, [0.0] * len(self._totals)
        return totals

    def take_old(self) -> LateRow | None:
        """Return the energy of `add_old` as a row in which no channel is known; None if there is none."""
        if not any(self._old):
            return None
        old, self._old = self._old, [0.0] * len(self._old)
        energies = tuple(energy for index, energy in enumerate(old) if index % 3 < 2)
        carbon = tuple(mass or nan for mass in old[2::3])
        return LateRow(0, 0.0, (nan,) * len(self._waiting), energies, carbon)

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return {
            "waiting": self._waiting,
            "given_up": self._given_up,
            "gaps": self._gaps,
            "amounts": self._amounts,
            "due": self._due,
            "undated": sorted(self._undated),
            "totals": self._totals,
            "old": self._old,
        }

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump` (after JSON); ValueError if the state is invalid or of another site.

        Older versions had no `old`, ends of quarters in `due`, and no channels of terminals, which are the last ones.
        """
        try:
            waiting, given_up = ([_spans(spans) for spans in dumped[name]] for name in ("waiting", "given_up"))
            amounts = [
                LateAmount(int(channel), tuple(_spans(spans)), float(positive), float(negative), float(carbon))
                for channel, spans, positive, negative, carbon in dumped["amounts"]
            ]
            gaps, due = _spans(dumped["gaps"]), [self._due_span(due) for due in dumped["due"]]
            undated, totals = (
                {int(index) for index in dumped["undated"]},
                [float(energy) for energy in dumped["totals"]],
            )
            old = [float(value) for value in dumped.get("old", [0.0] * (3 * len(waiting)))]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected the late energy of a site") from error
        count = len(waiting)
        if (
            count > len(self._waiting)
            or {len(waiting), len(given_up), len(totals) // 2, len(old) // 3} != {count}
            or any(amount.channel >= count for amount in amounts)
        ):
            raise ValueError(f"found {dumped!r}, expected the late energy of this site's channels")
        further = len(self._waiting) - count
        waiting += [[] for _ in range(further)]
        given_up += [[] for _ in range(further)]
        totals += [0.0] * (2 * further)
        old += [0.0] * (3 * further)
        self._waiting, self._given_up, self._gaps, self._amounts, self._due = waiting, given_up, gaps, amounts, due
        self._undated, self._totals, self._old = undated, totals, old

    def _tell(self, amount: LateAmount) -> LateAmount:
        self._amounts.append(amount)
        due = sorted([*self._due, *(Span(self._quarter_begin(span.begin), span.end) for span in amount.spans)])
        self._due = []
        for span in due:  # a quarter has one row
            if self._due and span.begin < self._quarter_end(self._due[-1].end - 1):
                self._due[-1] = Span(self._due[-1].begin, max(self._due[-1].end, span.end))
            else:
                self._due.append(span)
        if len(self._amounts) > MOST_AMOUNTS:
            for channel in range(len(self._waiting)):
                self.give_up(channel)
        return amount

    def _row(self, end: int) -> LateRow:
        """Return the row of the quarter that ends at a time."""
        quarter = Span(self._quarter_begin(end - 1), end)
        powers, energies = [0.0] * len(self._waiting), [0.0] * (2 * len(self._waiting))
        carbon = [nan] * len(self._waiting)
        for amount in self._amounts:
            share = _overlap(amount.spans, quarter) / max(1, _length(amount.spans))
            energies[2 * amount.channel] += share * amount.positive
            energies[2 * amount.channel + 1] += share * amount.negative
            if amount.carbon and share:
                burnt = carbon[amount.channel]
                carbon[amount.channel] = share * amount.carbon + (burnt if isfinite(burnt) else 0.0)
        for channel, (waiting, given_up) in enumerate(zip(self._waiting, self._given_up, strict=True)):
            if channel not in self._sub_meters and (_overlap(waiting, quarter) or _overlap(given_up, quarter)):
                powers[channel] = nan
        seconds = _overlap(self._gaps, quarter) / NS
        return LateRow(end, seconds, tuple(powers), tuple(energies), tuple(carbon), self._priced_spans(quarter))

    def _priced_spans(self, quarter: Span) -> tuple[Span, ...]:
        """Return the part of a quarter in which its late energy flowed: of the priced channels, if they have any."""
        told = [part for amount in self._amounts if (part := amount.within(*quarter)) is not None]
        told = [part for part in told if part.channel in self._priced] or told
        spans: list[Span] = []
        for span in sorted(span for part in told for span in part.spans):
            _extend(spans, span)
        return tuple(spans)

    def _quarter_begin(self, time: int) -> int:
        """Return the start of the quarter that contains a time: quarters have one length."""
        end = self._quarter_end(time)
        return 2 * end - self._quarter_end(end)

    def _due_span(self, dumped: Any) -> Span:
        """Return a span of `due`; of the end of a quarter, the quarter."""
        if isinstance(dumped, int):
            return Span(self._quarter_begin(dumped - 1), dumped)
        return _spans([dumped])[0]

    def _discard_settled(self, time: int) -> None:
        """Discard what no row of a later time contains."""
        if self.unknown or self._due:
            return
        begin = self._quarter_begin(time)
        self._amounts = [amount for amount in self._amounts if amount.spans[-1].end > begin]
        for spans in (*self._given_up, self._gaps):
            spans[:] = [Span(max(span.begin, begin), span.end) for span in spans if span.end > begin]


def _extend(spans: list[Span], span: Span) -> None:
    """Add a span to others in order, joined with those that it touches; spans that begin before are rare."""
    spans.append(span)
    spans.sort()
    joined: list[Span] = []
    for each in spans[-3:]:
        if joined and each.begin <= joined[-1].end:
            joined[-1] = Span(joined[-1].begin, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    spans[-3:] = joined


def _length(spans: Iterable[Span]) -> int:
    """Return the time of spans, ns."""
    return sum(span.end - span.begin for span in spans)


def _overlap(spans: Iterable[Span], within: Span) -> int:
    """Return the time of spans within a span, ns."""
    return sum(max(0, min(span.end, within.end) - max(span.begin, within.begin)) for span in spans)


def _spans(dumped: Sequence[Sequence[int]]) -> list[Span]:
    spans = [Span(int(begin), int(end)) for begin, end in dumped]
    if any(not 0 <= begin <= end < inf for begin, end in spans):
        raise ValueError("expected spans of time")
    return spans
