"""What a site supplies itself: entries of time and intensity, or time and mix by fuel, become signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import EARLIEST, LATEST, nanoseconds, quoted
from wattgram.grid.mix import Factors
from wattgram.grid.signal import ESTIMATED, MEASURED, NS, SUPPLIED, Signal, possible

MIX_TOTALS = {"share": 1.0, "percent": 100.0, "MW": None}
"""What the amounts of a mix add up to, by their unit."""

HOUR = 3600 * NS


def read_unit(table: Table) -> str:
    """Read the key `unit`: that of a mix."""
    return table.take("unit", toml_table.choice(list(MIX_TOTALS)), "share") or "share"


def read_timezone(table: Table, zone: tzinfo) -> tzinfo:
    """Read the key `timezone`: that of times without an offset; `zone` if the key is missing."""
    zones = toml_table.choice(sorted(available_timezones()), "a name of the IANA zone database")
    name = table.take("timezone", zones, None)
    return ZoneInfo(name) if name else zone


@dataclass(frozen=True, slots=True)
class ValueTerms:
    """How entries are taken: their source's name, factors for a mix, its unit, the zone of times without offset.

    `step` in s is how long a lone value is valid; None takes what lies between the others.
    """

    source: str
    factors: Factors
    unit: str = "share"
    zone: tzinfo = UTC
    step: float | None = None


@dataclass(frozen=True, slots=True)
class SuppliedValue:
    """One entry as it was written; `place` names it in mistakes. `intensity` or `amounts` is given."""

    place: str
    time: datetime | None
    until: datetime | None
    intensity: float | None
    amounts: Mapping[str, float | None]
    estimated: bool
    basis: str | None


def signals(
    entries: Sequence[SuppliedValue], terms: ValueTerms, arrived: int, *, live: bool
) -> tuple[list[Signal], list[str]]:
    """What the entries say, and why some of them say nothing. A lone entry without time is valid now.

    `live` entries have tier 1 or 2 and the time of arrival where they have none; others have tier 4.
    """
    spans = _spans(entries, terms, arrived if live else None)
    good, bad = [], []
    for entry, (begin, end) in zip(entries, spans, strict=True):
        if begin == end:
            continue  # a local time that the clocks left out
        try:
            good.append(_signal(entry, begin, end, terms, arrived, live))
        except ValueError as error:
            bad.append(f"{entry.place}: {error}")
    return good, bad


def mean(spans: Iterable[Signal]) -> float:
    """g/kWh over the time that they are valid for (METHOD 4.3, for a profile)."""
    weighted = [(one.valid_to - one.valid_from, one.intensity) for one in spans]
    return sum(span * intensity for span, intensity in weighted) / sum(span for span, _ in weighted)


def _signal(entry: SuppliedValue, begin: int, end: int, terms: ValueTerms, arrived: int, live: bool) -> Signal:
    basis = terms.factors.basis
    if entry.basis not in (None, basis):
        raise ValueError(f"basis: found {quoted(entry.basis)}; expected {basis!r}, as the configuration has it")
    if entry.intensity is not None:
        if not possible(entry.intensity):
            raise ValueError(f"intensity: found {entry.intensity:g}; expected 0 to 2000 g/kWh")
        tier = (ESTIMATED if entry.estimated else MEASURED) if live else SUPPLIED
        return Signal(entry.intensity, basis, terms.source, tier, begin, end, arrived, estimated=entry.estimated)
    return terms.factors.signal(
        entry.amounts,
        MIX_TOTALS[terms.unit],
        terms.source,
        (begin, end),
        arrived,
        tier=None if live else SUPPLIED,
        estimated=entry.estimated,
    )


def _spans(entries: Sequence[SuppliedValue], terms: ValueTerms, now: int | None) -> list[tuple[int, int]]:
    """From when until when each entry is valid, UTC ns: until the next one, but no longer than the usual step."""
    starts = _starts(entries, terms.zone, now)
    if not starts:
        return [(EARLIEST, LATEST)] * len(entries)
    known = sorted({one for one in starts if one is not None})
    steps = Counter(later - one for one, later in pairwise(known))
    usual = int(terms.step * NS) if terms.step else max(steps, key=lambda step: (steps[step], step), default=HOUR)
    ends = dict(pairwise(known))
    spans = []
    for entry, start in zip(entries, starts, strict=True):
        if start is None:
            spans.append((0, 0))
            continue
        end = min(start + usual, ends.get(start, LATEST))
        if entry.until is not None:
            end = nanoseconds(entry.until, terms.zone)
            if end <= start:
                raise ValueError(f"{entry.place}: found an end that is not after the beginning")
        spans.append((start, end))
    return spans


def _starts(entries: Sequence[SuppliedValue], zone: tzinfo, now: int | None) -> list[int | None]:
    """When each entry begins, UTC ns; nothing for a lone entry that is valid always.

    A local time that comes a second time is the second hour of the night in autumn; one that the clocks leave out in
    spring is None.
    """
    if len(entries) == 1 and entries[0].time is None:
        return [] if now is None else [now]
    seen: set[datetime] = set()
    starts: list[int | None] = []
    for entry in entries:
        local = entry.time
        if local is None:
            raise ValueError(f"{entry.place}: found no time; only a lone entry can do without")
        if local.tzinfo is not None:
            starts.append(nanoseconds(local))
            continue
        time = local.replace(tzinfo=zone, fold=int(local in seen))
        seen.add(local)
        left_out = time.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
        starts.append(None if left_out else nanoseconds(time))
    return starts
