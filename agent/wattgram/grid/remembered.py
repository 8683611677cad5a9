"""What the sources said, as records of the spool: after a restart the past has the same answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan

from wattgram.base.record import Record, Series, Value, record
from wattgram.base.untrusted import document, mapping, number, quoted

from .feed import Feed, distinct
from .signal import FOREVER, MEASURED, OFFICIAL, Signal, possible

FIELDS = ("intensity", "clean_share", "raw", "tier", "estimated")
INTEGERS = ("tier", "estimated")

SIGNAL_TEXTS = ("basis", "source", "shares", "valid_to", "arrived")
"""Times are texts: UTC ns need 61 bits, and a double holds whole numbers of 53. `shares` is JSON, "" unknown."""

MOST_FUELS = 64
"""Fuels of a mix at most."""


def records_of(site: str, feed: str, signals: Iterable[Signal]) -> list[Record]:
    """A source's news to append, in their order; `feed` is its distinct name, a record's time is `valid_from`.

    ValueError for a mix of more than 64 fuels.
    """
    series = Series("signal", (("site", site), ("feed", feed)), FIELDS, INTEGERS, SIGNAL_TEXTS)
    return [_record(series, one) for one in signals]


def signal_of(found: Record) -> Signal:
    """The signal that a record was made of, to the last digit; ValueError for a record that is damaged."""
    if (found.series.fields, found.series.texts) != (FIELDS, SIGNAL_TEXTS):
        raise ValueError(f"found a signal with {found.series.fields} and {found.series.texts}")
    if len(found.values) != 8 * len(FIELDS) or len(found.texts) != len(SIGNAL_TEXTS):
        raise ValueError(f"found {len(found.values)} bytes and {len(found.texts)} texts")
    intensity, clean_share, raw, tier, estimated = (nan if isnan(one) else one for one in found.numbers())
    basis, source, shares, valid_to, arrived = found.texts
    if not (tier.is_integer() and MEASURED <= tier <= OFFICIAL and estimated in (0.0, 1.0)):
        raise ValueError(f"found tier {tier} and estimated {estimated}")
    if not (isnan(intensity) or possible(intensity)) or not (isnan(clean_share) or 0.0 <= clean_share <= 1.0):
        raise ValueError(f"found {intensity} g/kWh with a clean share of {clean_share}")
    return Signal(
        intensity,
        basis,
        source,
        int(tier),
        found.time,
        _time(valid_to, found.time + 1),
        _time(arrived, 0),
        clean_share,
        estimated == 1.0,
        _shares(shares),
        raw,
    )


def restore(
    feeds: Sequence[Feed], records: Iterable[Record], basis: str, marks: Mapping[str, str] | None = None
) -> int:
    """Bring feeds back to what they knew; how many records were damaged, and left out.

    `records` in the order in which they were appended, from wherever they begin. Those of a source that is no more,
    or on another basis than the configured one, are left out. `marks` are those of `Ladder.marks`, as they were when
    everything up to them was worked in. What is restored is not news.
    """
    names = distinct(feeds)
    found: dict[str, list[Signal]] = {name: [] for name in names}
    damaged = 0
    for one in records:
        told = found.get(dict(one.series.tags).get("feed", ""))
        if told is None:
            continue
        try:
            signal = signal_of(one)
        except ValueError:
            damaged += 1
            continue
        if signal.basis == basis:
            told.append(signal)
    for name, feed in zip(names, feeds, strict=True):
        feed.recall(found[name], (marks or {}).get(name, ""))
    return damaged


def _record(series: Series, one: Signal) -> Record:
    if one.shares is not None and len(one.shares) > MOST_FUELS:
        raise ValueError(f"found {len(one.shares)} fuels; at most {MOST_FUELS} are stored")
    shares = "" if one.shares is None else json.dumps(dict(one.shares), separators=(",", ":"))
    fields: dict[str, Value] = {
        "intensity": one.intensity,
        "clean_share": one.clean_share,
        "raw": one.raw,
        "tier": one.tier,
        "estimated": one.estimated,
        "basis": one.basis,
        "source": one.source,
        "shares": shares,
        "valid_to": str(one.valid_to),
        "arrived": str(one.arrived),
    }
    return record(series, one.valid_from, fields)


def _time(text: str, earliest: int) -> int:
    time = int(text)
    if not earliest <= time <= FOREVER:
        raise ValueError(f"found {quoted(text)}; expected UTC ns from {earliest}")
    return time


def _shares(text: str) -> dict[str, float] | None:
    if not text:
        return None
    found = mapping(document(text.encode()), "shares")
    if len(found) > MOST_FUELS:
        raise ValueError(f"found {len(found)} fuels; expected at most {MOST_FUELS}")
    return {fuel: number(share, quoted(fuel)) for fuel, share in found.items()}
