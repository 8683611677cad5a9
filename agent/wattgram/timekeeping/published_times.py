"""Times of published records: no key is published twice, even when the clock is set back (SPEC 6.8).

An instant of the balance and a window have times of their own. A published instant or window stays as it is; a second
result for the same time is not published. Readings and events are always published. Their time is the time of arrival
in whole milliseconds; if that time is used already, nanoseconds are added.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from wattgram.base.clock import MS, NS
from wattgram.base.record import Record, Series

STAMPED = ("device", "event", "gateway", "seal")
"""Kinds whose records are always published. All other kinds have times of their own."""

REACH = {"15m": 900, "1h": 3600, "1d": 90_000, "1mo": 31 * 86_400 + 3600}
"""Longest time between the starts of two consecutive windows, s. Clocks are set back once a year."""

MOST_SPANS = 16
"""Most spans stored for a series. If there are more, the two oldest are joined, with the time between them."""


class Spans:
    """Spans of time with published keys of a series, UTC ns.

    reach: longest time between two keys of one span, ns.
    """

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._spans: list[tuple[int, int]] = []

    def last_published(self, time: int) -> int | None:
        """Return the last key of the span that contains a time; None if the time was not published."""
        index = self._after(time) - 1
        return self._spans[index][1] if index >= 0 and time <= self._spans[index][1] else None

    def add(self, time: int) -> bool:
        """Add a key; return False if the key was published before."""
        if self.last_published(time) is not None:
            return False
        index = self._after(time)
        if index and time - self._spans[index - 1][1] <= self._reach:
            self._spans[index - 1] = self._spans[index - 1][0], time
        else:
            self._spans.insert(index, (time, time))
        if len(self._spans) > MOST_SPANS:
            (first, _), (_, last) = self._spans[:2]
            self._spans[:2] = [(first, last)]
        return True

    def dump(self) -> list[object]:
        """Return the state for a restart, JSON-compatible."""
        return [list(span) for span in self._spans]

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError if the state is invalid."""
        try:
            spans = [(int(first), int(last)) for first, last in dumped]
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, expected spans of time as [first, last]") from error
        if any(first > last for first, last in spans) or spans != sorted(spans):
            raise ValueError(f"found {dumped!r}; expected spans in ascending order")
        self._spans = spans

    def join(self, dumped: Any) -> None:
        """Add the spans of another dump; ValueError if it is invalid."""
        other = Spans(self._reach)
        other.restore(dumped)
        joined: list[tuple[int, int]] = []
        for first, last in sorted([*self._spans, *other._spans]):
            if joined and first - joined[-1][1] <= 0:
                joined[-1] = joined[-1][0], max(joined[-1][1], last)
            else:
                joined.append((first, last))
        while len(joined) > MOST_SPANS:
            joined[:2] = [(joined[0][0], joined[1][1])]
        self._spans = joined

    def _after(self, time: int) -> int:
        """Return the index of the first span that begins after a time."""
        return bisect_right(self._spans, time, key=lambda span: span[0])


class SeriesTimes(NamedTuple):
    """Highest and last published time of a series, UTC ns, and how often its times went back."""

    high: int = -1
    last: int = -1
    turn: int = 0


class PublishedWindows:
    """Published windows of a site. `TickOrder` has the instants."""

    def __init__(self) -> None:
        self._windows = {name: Spans(seconds * NS) for name, seconds in REACH.items()}

    def add(self, record: Record) -> bool:
        """Add a window; return False if a window with this time was published before."""
        return self._windows[record.series.tag("window")].add(record.time)

    def dump(self) -> dict[str, object]:
        """Return the state for a restart, JSON-compatible."""
        return {name: spans.dump() for name, spans in self._windows.items()}

    def restore(self, dumped: Any) -> None:
        """Restore the state from `dump`; ValueError, KeyError or TypeError if the state is invalid."""
        for name, spans in self._windows.items():
            spans.restore(dumped[name])

    def note_published(self, dumped: Any) -> None:
        """Add the windows of another dump; ValueError, KeyError or TypeError if it is invalid."""
        for name, spans in self._windows.items():
            spans.join(dumped[name])


class PublishedTimes:
    """Last times of the series of stamped kinds."""

    def __init__(self) -> None:
        self._stamps: dict[str, SeriesTimes] = {}

    def with_unique_time(self, record: Record) -> Record:
        """Return a record of a stamped kind with a time that no other record of its series has.

        A record that is not later than the highest time gets one nanosecond for each time that the series went back.
        """
        name = series_name(record.series)
        high, last, turn = self._stamps.get(name, SeriesTimes())
        if record.time > high:
            self._stamps[name] = SeriesTimes(record.time, record.time, turn)
            return record
        if record.time <= last:
            turn = turn % (MS - 1) + 1
        self._stamps[name] = SeriesTimes(high, record.time, turn)
        return replace(record, time=record.time + turn)

    def stamp(self, name: str) -> bytes:
        """Return the state of a stamped series. It is stored by itself because each record changes it."""
        return b"%d %d %d" % self._stamps[name]

    def restore_stamp(self, name: str, stored: bytes) -> None:
        """Restore the state from `stamp`; ValueError if the state is invalid."""
        try:
            high, last, turn = map(int, stored.split())
        except ValueError as error:
            raise ValueError(f"found {stored!r}, expected three times of {name}") from error
        self._stamps[name] = SeriesTimes(high, last, turn)

    def note_stamp(self, name: str, stored: bytes) -> None:
        """Add the state of a series in another directory; no effect if it is invalid."""
        known = self._stamps.get(name, SeriesTimes())
        try:
            self.restore_stamp(name, stored)
        except ValueError:
            return
        self._stamps[name] = SeriesTimes(*map(max, known, self._stamps[name]))


def series_name(series: Series) -> str:
    """Return the name of a stamped series: its kind, and its device if it has one."""
    return f"{series.kind} {dict(series.tags).get('device', '')}"


def series_names(devices: Sequence[str]) -> list[str]:
    """Return the names of all stamped series of a site with these devices."""
    return [f"{kind} {device}" for kind in STAMPED for device in ("", *devices)]
