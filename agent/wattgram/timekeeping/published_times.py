"""Which times have been told: no key is told a second time, however the clock is set (SPEC 6.8).

An instant of the balance and a window have times of their own, so that one that was told stays as it was, and what is
computed again under its time is not told. A reading and an event are told whenever they come. They have the time at
which they came in whole milliseconds; where that is used up, nanoseconds keep them apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from wattgram.base.clock import MS, NS
from wattgram.base.record import Record, Series

STAMPED = ("device", "event", "gateway")
"""Kinds whose records are told whenever they come; the others have times of their own."""

REACH = {"15m": 900, "1h": 3600, "1d": 90_000, "1mo": 31 * 86_400 + 3600}
"""Seconds between the beginnings of two windows that follow one another, at most: clocks go back once a year."""

MOST_SPANS = 16
"""Stretches that are remembered of a series; of more the two oldest become one, with what lies between them."""


class Spans:
    """Stretches of time in which keys of a series were told, UTC ns. reach: ns between two keys of one stretch."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._spans: list[tuple[int, int]] = []

    def over(self, time: int) -> int | None:
        """The last key of the stretch in which a time lies; None when it was not told."""
        index = self._after(time) - 1
        return self._spans[index][1] if index >= 0 and time <= self._spans[index][1] else None

    def add(self, time: int) -> bool:
        """Tell a key; False when it has been told before."""
        if self.over(time) is not None:
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
        """What a restart must not lose, as JSON knows it."""
        return [list(one) for one in self._spans]

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError when it is none."""
        try:
            spans = [(int(first), int(last)) for first, last in dumped]
        except (TypeError, ValueError) as error:
            raise ValueError(f"found {dumped!r}, which are no stretches of time") from error
        if any(first > last for first, last in spans) or spans != sorted(spans):
            raise ValueError(f"found {dumped!r}; expected stretches in their order")
        self._spans = spans

    def _after(self, time: int) -> int:
        """Place of the first stretch that begins after a time."""
        return bisect_right(self._spans, time, key=lambda one: one[0])


class SeriesTimes(NamedTuple):
    """Of a series: the highest time that was told, the last one, and how often its times went back; UTC ns."""

    high: int = -1
    last: int = -1
    turn: int = 0


class PublishedTimes:
    """What was told of a site but for its instants, which `order` has: windows, and the stamped kinds by name."""

    def __init__(self) -> None:
        self._stamps: dict[str, SeriesTimes] = {}
        self._windows = {name: Spans(seconds * NS) for name, seconds in REACH.items()}

    def stamped(self, made: Record) -> Record:
        """A record of a stamped kind, with a time that no other one of its series has.

        One that is not later than the highest has a nanosecond more for each time that the series went back.
        """
        name = named(made.series)
        high, last, turn = self._stamps.get(name, SeriesTimes())
        if made.time > high:
            self._stamps[name] = SeriesTimes(made.time, made.time, turn)
            return made
        if made.time <= last:
            turn = turn % (MS - 1) + 1
        self._stamps[name] = SeriesTimes(high, made.time, turn)
        return replace(made, time=made.time + turn)

    def first(self, made: Record) -> bool:
        """Whether a window is told for the first time."""
        return self._windows[made.series.tag("window")].add(made.time)

    def dump(self) -> dict[str, object]:
        """What a restart must not lose of the windows, as JSON knows it."""
        return {name: one.dump() for name, one in self._windows.items()}

    def restore(self, dumped: Any) -> None:
        """Continue from what `dump` gave; ValueError, KeyError or TypeError when it is none."""
        for name, one in self._windows.items():
            one.restore(dumped[name])

    def stamp(self, name: str) -> bytes:
        """What a restart must not lose of a stamped series; by itself, for it changes with each record."""
        return b"%d %d %d" % self._stamps[name]

    def restore_stamp(self, name: str, stored: bytes) -> None:
        """Continue from what `stamp` gave; ValueError when it is none."""
        try:
            high, last, turn = map(int, stored.split())
        except ValueError as error:
            raise ValueError(f"found {stored!r}, which are no times of {name}") from error
        self._stamps[name] = SeriesTimes(high, last, turn)


def named(series: Series) -> str:
    """The name of a stamped series: its kind, and its device where it has one."""
    return f"{series.kind} {dict(series.tags).get('device', '')}"


def names(devices: Sequence[str]) -> list[str]:
    """Of all stamped series of a site with these devices."""
    return [f"{kind} {device}" for kind in STAMPED for device in ("", *devices)]
