"""Signals as records of the spool: after a restart the ladder has the same answers about the past."""

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
"""Largest number of fuels in a mix."""


def records_of(site: str, feed: str, signals: Iterable[Signal]) -> list[Record]:
    """Return records of signals, in their order. `feed`: distinct name of the source. Time of a record: `valid_from`.

    ValueError for a mix of more than 64 fuels.
    """
    series = Series("signal", (("site", site), ("feed", feed)), FIELDS, INTEGERS, SIGNAL_TEXTS)
    return [_record(series, signal) for signal in signals]


def signal_of(found: Record) -> Signal:
    """Return the exact signal of a record; ValueError for a damaged record."""
    if (found.series.fields, found.series.texts) != (FIELDS, SIGNAL_TEXTS):
        raise ValueError(f"found a signal with {found.series.fields} and {found.series.texts}")
    if len(found.values) != 8 * len(FIELDS) or len(found.texts) != len(SIGNAL_TEXTS):
        raise ValueError(f"found {len(found.values)} bytes and {len(found.texts)} texts")
    intensity, clean_share, raw, tier, estimated = (nan if isnan(number) else number for number in found.numbers())
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
    """Restore the signals of feeds; return the number of damaged records, which are left out.

    `records`: in the order of their appending, from any start. Records of a source that is not configured any more, or
    of another basis than the configured one, are left out. `marks`: `Ladder.marks` of the time up to which the results
    are stored. Restored signals do not count as changes.
    """
    names = distinct(feeds)
    found: dict[str, list[Signal]] = {name: [] for name in names}
    damaged = 0
    for stored in records:
        signals = found.get(dict(stored.series.tags).get("feed", ""))
        if signals is None:
            continue
        try:
            signal = signal_of(stored)
        except ValueError:
            damaged += 1
            continue
        if signal.basis == basis:
            signals.append(signal)
    for name, feed in zip(names, feeds, strict=True):
        feed.restore(found[name], (marks or {}).get(name, ""))
    return damaged


def _record(series: Series, signal: Signal) -> Record:
    if signal.shares is not None and len(signal.shares) > MOST_FUELS:
        raise ValueError(f"found {len(signal.shares)} fuels; at most {MOST_FUELS} are stored")
    shares = "" if signal.shares is None else json.dumps(dict(signal.shares), separators=(",", ":"))
    fields: dict[str, Value] = {
        "intensity": signal.intensity,
        "clean_share": signal.clean_share,
        "raw": signal.raw,
        "tier": signal.tier,
        "estimated": signal.estimated,
        "basis": signal.basis,
        "source": signal.source,
        "shares": shares,
        "valid_to": str(signal.valid_to),
        "arrived": str(signal.arrived),
    }
    return record(series, signal.valid_from, fields)


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
