"""Instants that a replay leaves out, with the reason: their published results stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from wattgram.base.record import Record, Series

WIRED_DIFFERENTLY = "the site was wired differently then"
WRONG_CLOCK = "the clock was corrected after them"
NO_STATE = "no state of the accounts before them is stored"

MOST_ELEMENTS = 20
"""Most elements of a result; more are joined by their reason."""


class LeftOut(NamedTuple):
    """Instants that a replay leaves out: their number, first and last time, UTC ns, and the reason."""

    instants: int
    first: int
    last: int
    reason: str


class Computed(NamedTuple):
    """What a replay has computed: instants of a series in periods (begin, end], UTC ns.

    skipped: the replay found a state of another configuration.
    """

    series: Series
    spans: Sequence[tuple[int, int]]
    skipped: bool


def left_out(stored: Iterable[Record], computed: Computed, since: int, until: int) -> list[LeftOut]:
    """Return what a replay left out of the instants after `since` up to `until`, UTC ns, in the order of storage.

    stored: all instants of the site, of any devices and era, in the order of storage. An instant that was stored
    several times counts once. Instants with a computed instant between them are separate elements.
    """
    found: list[LeftOut] = []
    latest: dict[Series, int] = {}
    continues = False
    for record in stored:
        time = record.time
        if not since < time <= until or time <= latest.get(record.series, since):
            continue
        latest[record.series] = time
        reason = _reason(record.series, time, computed)
        if not reason:
            continues = False
        elif continues and found[-1].reason == reason and time > found[-1].last:
            found[-1] = found[-1]._replace(instants=found[-1].instants + 1, last=time)
        else:
            found.append(LeftOut(1, time, time, reason))
            continues = True
    return found if len(found) <= MOST_ELEMENTS else _joined(found)


def _reason(series: Series, time: int, computed: Computed) -> str:
    """Return why a replay did not compute an instant of a series; "" if the instant was computed."""
    if _era(series) != _era(computed.series):
        return WRONG_CLOCK
    if series != computed.series:
        return WIRED_DIFFERENTLY
    if any(begin < time <= end for begin, end in computed.spans):
        return ""
    # Instants of the same devices have the same series, also if the devices were wired in another way.
    return WIRED_DIFFERENTLY if computed.skipped else NO_STATE


def _era(series: Series) -> str:
    return dict(series.tags).get("era", "")


def _joined(found: Iterable[LeftOut]) -> list[LeftOut]:
    """Return one element for each reason."""
    joined = []
    for reason, elements in groupby(sorted(found, key=lambda part: part.reason), key=lambda part: part.reason):
        parts = list(elements)
        first, last = min(part.first for part in parts), max(part.last for part in parts)
        joined.append(LeftOut(sum(part.instants for part in parts), first, last, reason))
    return joined
