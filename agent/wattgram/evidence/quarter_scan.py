"""Records of the spool, in the order of appending, as rows of entries by quarter of an hour."""

from __future__ import annotations

import time as machine_time
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wattgram.base.clock import MS
from wattgram.base.period import window_end
from wattgram.base.record import WINDOWS, Record, Series
from wattgram.store.history import SealableRecords

from .log_state import SpoolCursor
from .record_digest import QUARTER_MS, QuarterHasher, is_digested, milliseconds, place_in_time, record_hash
from .sealed_json import JsonObject, canonical, sealed_fields, sealed_record

CLOCK_EVENTS = frozenset(("clock stepped", "clock set", "instants wait"))
"""Events about a clock that was set, also between two runs: each also gets an entry `clock`."""

BREATH = 64
"""Records between two pauses of the scan, so that the loop of the daemon runs on."""

PAUSE = 0.0005
"""Length of a pause, real s."""

MOST_ROW = 50_000
"""Largest row with all values, bytes; of a larger record, the row has the hash."""

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]
"""Kind and tags of a series."""


class ScannedQuarter:
    """Unsealed records of a quarter: rows of records with all values, and digests of series."""

    def __init__(self, quarter: int) -> None:
        self.rows: list[JsonObject] = []
        self.clock: list[JsonObject] = []
        self.digests: dict[SeriesKey, QuarterHasher] = {}
        self.texts: dict[SeriesKey, set[str]] = {}
        self.disordered: set[SeriesKey] = set()
        self._begin = quarter * QUARTER_MS

    def add(self, record: Record) -> None:
        """Add a record."""
        tags, kind = dict(record.series.tags), record.series.kind
        if not is_digested(kind, tags):
            row = sealed_record(record)
            if len(canonical(row)) > MOST_ROW:
                digest = record_hash(milliseconds(record.time), row.pop("fields")).hex()
                row["sha256"] = digest
            self.rows.append(row)
            if kind == "event" and record["event"] in CLOCK_EVENTS:
                self.clock.append(row)
            return
        key = kind, record.series.tags
        hasher = self.digests.get(key)
        if hasher is None:
            hasher = self.digests[key] = QuarterHasher(self._begin)
            self.texts[key] = set()
        self.texts[key].update(record.series.texts)
        time = milliseconds(record.time)
        if (hasher.last is not None and time < hasher.last) or (
            kind == "emission" and (hasher.last == time or record.as_dict().get("revision"))
        ):
            self.disordered.add(key)
        hasher.add(place_in_time(kind, tags, time), time, sealed_fields(record.as_dict()))

    def digest_rows(self) -> Iterator[JsonObject]:
        """Yield the row of each series with a digest."""
        for (kind, tags), hasher in sorted(self.digests.items(), key=lambda item: item[0]):
            named = {name: value for name, value in tags if value and name != "site"}
            yield {"kind": kind, "tags": named, **hasher.digest().row(), "texts": sorted(self.texts[kind, tags])}


class QuarterScan(NamedTuple):
    """Result of a scan: the closed quarters with unsealed records, and the cursor after their sealing."""

    quarters: Mapping[int, ScannedQuarter]
    cursor: SpoolCursor


def quarter_of(record: Record, zone: ZoneInfo) -> int:
    """Return the number of the quarter in which a record ended or was stamped."""
    tags, kind = dict(record.series.tags), record.series.kind
    if kind == "emission" and tags["window"] in WINDOWS:
        return (window_end(tags["window"], record.time, zone) // MS - 1) // QUARTER_MS
    return place_in_time(kind, tags, milliseconds(record.time)) // QUARTER_MS


def beginning(stored: SealableRecords, first: int) -> SpoolCursor:
    """Return the cursor of a new log: records before the quarter `first` are not sealed."""
    low = stored.appended_before(first * QUARTER_MS * MS)
    high = max((number for number, _ in stored.after(low)), default=low)
    return SpoolCursor(low, high, first)


def scanned(stored: SealableRecords, cursor: SpoolCursor, now_open: int, zone: ZoneInfo) -> QuarterScan:
    """Return the unsealed records of all quarters but the one that is open."""
    quarters: dict[int, ScannedQuarter] = {}
    first_waiting, last = None, cursor.high
    for count, (number, record) in enumerate(stored.after(cursor.low)):
        if count % BREATH == 0:
            machine_time.sleep(PAUSE)
        last = max(last, number)
        quarter = quarter_of(record, zone)
        if cursor.is_sealed(number, quarter):
            continue
        if quarter == now_open:
            first_waiting = number if first_waiting is None else first_waiting
            continue
        if quarter not in quarters:
            quarters[quarter] = ScannedQuarter(quarter)
        quarters[quarter].add(record)
    low = last if first_waiting is None else first_waiting - 1
    return QuarterScan(quarters, SpoolCursor(low, last, now_open))


def with_whole_series(
    found: ScannedQuarter, quarter: int, stored: SealableRecords, zone: ZoneInfo, *, amended: bool
) -> ScannedQuarter:
    """Return a quarter whose digests cover all stored records of their series, of each key the last revision.

    Needed for a quarter that is sealed already (`amended`), and for series out of order.
    """
    keys = set(found.digests) if amended else found.disordered
    if not keys:
        return found
    whole = ScannedQuarter(quarter)
    whole.rows, whole.clock = found.rows, found.clock

    def wanted(series: Series) -> bool:
        return (series.kind, series.tags) in keys

    begin = quarter * QUARTER_MS * MS
    for count, record in enumerate(stored.last_revisions(wanted, begin, begin + (QUARTER_MS + 1) * MS)):
        if count % BREATH == 0:
            machine_time.sleep(PAUSE)
        if quarter_of(record, zone) == quarter:
            whole.add(record)
    for key in found.digests.keys() - keys:
        whole.digests[key], whole.texts[key] = found.digests[key], found.texts[key]
    return whole
