"""Values that a site supplies: time with intensity, or time with a mix by fuel. They become signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo, available_timezones

from wattgram.base import toml_table
from wattgram.base.toml_table import Table
from wattgram.base.untrusted import EARLIEST, LATEST, nanoseconds, quoted
from wattgram.grid.mix import Factors
from wattgram.grid.signal import (
    ESTIMATED,
    IN_KILOGRAMS,
    KILOGRAMS,
    MEASURED,
    NS,
    SUPPLIED,
    Signal,
    is_in_kilograms,
    possible,
)

MIX_TOTALS = {"share": 1.0, "percent": 100.0, "MW": None}
"""Sum of the amounts of a mix by their unit, None for any."""

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
    """How to interpret supplied values.

    source: name of the source. factors, unit: of a mix. zone: of times without an offset. step: validity of a value
    in s, None for the most frequent interval between values.
    """

    source: str
    factors: Factors
    unit: str = "share"
    zone: tzinfo = UTC
    step: float | None = None


@dataclass(frozen=True, slots=True)
class SuppliedValue:
    """A value as written; `place` is its name in mistakes. Either `intensity` or `amounts` is present."""

    place: str
    time: datetime | None
    until: datetime | None
    intensity: float | None
    amounts: Mapping[str, float | None]
    estimated: bool
    basis: str | None

    def same_value(self, other: SuppliedValue) -> bool:
        """Return whether both have one value."""
        return self.intensity == other.intensity and self.amounts == other.amounts


def signals(
    entries: Sequence[SuppliedValue], terms: ValueTerms, arrived: int, *, live: bool
) -> tuple[list[Signal], list[str]]:
    """Return the signals of values, and the mistakes of unusable values.

    Live values have tier 1 or 2; other values have tier 4. A live value alone may lack a time: it starts at `arrived`.
    """
    spans = _spans(entries, terms, arrived if live else None)
    good, bad = [], []
    given = [entry.intensity for entry in entries if entry.intensity]
    # An hour of water power may have 1.3 g/kWh beside others above 2; the hours of a file in kg/kWh have not.
    in_kilograms = bool(given) and median(given) < KILOGRAMS
    first: dict[int, SuppliedValue] = {}
    for entry, (begin, _) in zip(entries, spans, strict=True):
        first.setdefault(begin, entry)
    doubtful = {begin for entry, (begin, _) in zip(entries, spans, strict=True) if not entry.same_value(first[begin])}
    for entry, (begin, end) in zip(entries, spans, strict=True):
        if begin == end:
            continue  # a local time that the clocks skip
        if begin in doubtful:
            bad.append(f"{entry.place}: found two values for one time, as in {first[begin].place}; neither is used")
            continue
        if in_kilograms and entry.intensity is not None and is_in_kilograms(entry.intensity):
            bad.append(f"{entry.place}: intensity: found {entry.intensity:g}; {IN_KILOGRAMS}")
            continue
        try:
            good.append(_signal(entry, begin, end, terms, arrived, live))
        except ValueError as error:
            bad.append(f"{entry.place}: {error}")
    return good, bad


def mean(spans: Iterable[Signal]) -> float:
    """Return the mean g/kWh of signals, weighted by their validity (METHOD 4.3, for a profile)."""
    weighted = [(signal.valid_to - signal.valid_from, signal.intensity) for signal in spans]
    return sum(span * intensity for span, intensity in weighted) / sum(span for span, _ in weighted)


def _signal(entry: SuppliedValue, begin: int, end: int, terms: ValueTerms, arrived: int, live: bool) -> Signal:
    basis = terms.factors.basis
    if entry.basis not in (None, basis):
        raise ValueError(f"basis: found {quoted(entry.basis)}; expected {basis!r}, as the configuration has it")
    if entry.intensity is not None:
        if not possible(entry.intensity, basis):
            allowed = "above 0" if basis == "lifecycle" else "0"
            raise ValueError(f"intensity: found {entry.intensity:g}; expected {allowed} to 2000 g/kWh")
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
    """Return the validity of each value, UTC ns: until the next value, at most for the most frequent step."""
    starts = starts_of(entries, terms.zone, now)
    if not starts:
        return [(EARLIEST, LATEST)] * len(entries)
    known = sorted({start for start in starts if start is not None})
    steps = Counter(later - start for start, later in pairwise(known))
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


def starts_of(entries: Sequence[SuppliedValue], zone: tzinfo, now: int | None) -> list[int | None]:
    """Return the start of each value, UTC ns; no start for a value alone that is always valid.

    A repeated local time is in the second such hour of the autumn night. The start is None for a local time that the
    clocks skip in spring.
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
        skipped = time.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
        starts.append(None if skipped else nanoseconds(time))
    return starts
