"""The sealed records of all given logs, by key: hashes only, so that a year of entries fits in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import available_timezones

from wattgram.base.canonical import DIGEST_DIGITS
from wattgram.base.clock import MS
from wattgram.base.units import rfc3339
from wattgram.evidence.log_entry import LogEntry, sealed_time
from wattgram.evidence.record_digest import QUARTER_MS, QuarterDigest, is_digested, record_hash
from wattgram.evidence.sealed_json import JsonObject
from wattgram.evidence.signed_note import VerifierKey, first_origin

from .log_check import CheckedLog
from .verdict import TimedNote, VerificationResult

RowKey = tuple[str, tuple[tuple[str, str], ...]]
"""Kind and tags of a series, without the site."""


NEWLY_SET = ": not set -> "
"""Part of a note about a setting without an earlier value."""


TERMS = {"config_digest": "configuration", "factor_digest": "factors"}
"""Text of an emission with the first digits of a digest of a `config` entry, and the key of the entry."""


class EntryPlace(NamedTuple):
    """Place of an entry: number of the log, number of the entry in the log."""

    log: int
    number: int


class SealedVersion(NamedTuple):
    """A sealed record: place and quarter of the entry, revision, hash."""

    place: EntryPlace
    quarter: int
    revision: float
    digest: bytes


class SealedSeries(NamedTuple):
    """A sealed digest of a series in a quarter: place of the entry, digest."""

    place: EntryPlace
    digest: QuarterDigest


class SealedRecords:
    """Records by key and time, digests by series and quarter, and the notes of the other entries."""

    def __init__(self) -> None:
        self.records: dict[tuple[RowKey, int], list[SealedVersion]] = {}
        self.series: dict[tuple[RowKey, int], list[SealedSeries]] = {}
        self.texts: dict[RowKey, set[str]] = {}
        self.quarters: dict[int, int] = {}
        self.amended: set[int] = set()
        self.zones: set[str] = set()  # time zones that the site ever had
        self.zone = "UTC"  # the last one of them
        self._tags: dict[RowKey, RowKey] = {}
        self._stated: dict[tuple[str, str], list[int]] = {}  # times of the records with a digest of their terms
        self._terms: set[tuple[str, str]] = set()  # digests of the entries

    def add_log(self, number: int, log: CheckedLog, result: VerificationResult) -> None:
        """Add the entries of a log; unreadable rows are findings."""
        for index, entry in log.entries():
            result.entries += 1
            place = EntryPlace(number, index)
            try:
                self._add_entry(place, entry, result)
            except (KeyError, TypeError, ValueError) as error:
                origin = log.head.origin if log.head else ""
                result.add("entry unreadable", f"entry {index} of {origin}: {type(error).__name__} {error}")

    def add_quarters(self, result: VerificationResult) -> None:
        """Note the quarters that are missing or amended, and terms of records that no entry has."""
        for (name, digest), times in self._stated.items():
            if (name, digest) not in self._terms:
                text = f"no entry has the {name} {digest!r:.40} of {len(times)} records, the first at this time"
                result.configuration.append(TimedNote(min(times), text))
        if self.quarters:
            first, last = min(self.quarters), max(self.quarters)
            missing = [quarter for quarter in range(first, last + 1) if quarter not in self.quarters]
            result.quarters = len(self.quarters)
            result.missing_quarters = spans_of(missing)
        result.amended_quarters = spans_of(sorted(self.amended))

    def _add_entry(self, place: EntryPlace, entry: LogEntry, result: VerificationResult) -> None:
        time = entry.quarter * QUARTER_MS
        if entry.kind in ("quarter", "amend"):
            self.quarters.setdefault(entry.quarter, place.number)
            if entry.kind == "amend":
                self.amended.add(entry.quarter)
            for row in entry.records:
                self._add_row(place, entry.quarter, row)
        elif entry.kind == "config":
            zones = _zones(entry)
            self.zones.update(zones)
            self.zone = zones[-1] if zones else self.zone
            result.configuration += [TimedNote(time, text) for text in _configuration_texts(entry)]
            digests = entry.records[0]
            self._terms |= {(name, str(digests.get(key, ""))[:DIGEST_DIGITS]) for name, key in TERMS.items()}
        elif entry.kind == "clock":
            for row in entry.records:
                fields = row["fields"]
                result.clock.append(
                    TimedNote(sealed_time(row["time"]), f"{fields['event']} {fields.get('detail', '')}".strip())
                )
        elif entry.kind == "correction":
            result.corrections += [TimedNote(time, _correction_text(row)) for row in entry.records]
        else:
            result.keys += [TimedNote(time, _key_text(row)) for row in entry.records]

    def _add_row(self, place: EntryPlace, quarter: int, row: JsonObject) -> None:
        tags = tuple(sorted((str(name), str(value)) for name, value in row["tags"].items()))
        key = self._tags.setdefault((str(row["kind"]), tags), (str(row["kind"]), tags))
        if "digest" in row:
            if not is_digested(key[0], dict(tags)):
                raise ValueError(f"a digest of {key[0]} records")
            self.texts.setdefault(key, set()).update(map(str, row["texts"]))
            self.series.setdefault((key, quarter), []).append(SealedSeries(place, QuarterDigest.of(row)))
            return
        time = sealed_time(row["time"])
        if "sha256" in row:
            version = SealedVersion(place, quarter, 0.0, bytes.fromhex(row["sha256"]))
        else:
            fields = sealed_values(row)
            self.texts.setdefault(key, set()).update(name for name, value in fields.items() if isinstance(value, str))
            for name in TERMS.keys() & fields.keys():
                self._stated.setdefault((name, str(fields[name])), []).append(time)
            revision = fields.get("revision", 0.0)
            assert isinstance(revision, float)
            version = SealedVersion(place, quarter, revision, record_hash(time, fields))
        versions = self.records.setdefault((key, time), [])
        if not any(each.digest == version.digest and each.place.log != place.log for each in versions):
            versions.append(version)  # a log that follows a lost one seals some records once more


def sealed_values(row: JsonObject) -> dict[str, float | str]:
    """Return the fields of a sealed row. ValueError: a field is neither number nor text."""
    fields: Mapping[str, object] = row["fields"]
    found: dict[str, float | str] = {}
    for name, value in fields.items():
        if isinstance(value, bool) or not isinstance(value, (float, int, str)):
            raise ValueError(f"field {name}: found {value!r:.60}")
        found[name] = value if isinstance(value, str) else float(value)
    return found


def spans_of(quarters: list[int]) -> list[str]:
    """Return consecutive quarters as texts: the start of the only quarter, or START..END of several."""
    spans: list[list[int]] = []
    for quarter in quarters:
        if spans and spans[-1][1] == quarter:
            spans[-1][1] = quarter + 1
        else:
            spans.append([quarter, quarter + 1])
    return [f"{rfc3339(first * QUARTER_MS * MS)}..{rfc3339(end * QUARTER_MS * MS)}" for first, end in spans]


def _configuration_texts(entry: LogEntry) -> list[str]:
    digests, changes = entry.records[0], entry.records[1:]
    if "configuration" not in digests:
        changes = entry.records
        texts = []
    else:
        version = digests["program"]["version"]
        texts = [f"start of version {version}, configuration {digests['configuration'][:16]}"]
    return [*texts, *map(_change_text, changes)]


def _zones(entry: LogEntry) -> list[str]:
    """Return the time zones of an entry that this machine knows, the later one last."""
    ends = [row[end] for row in entry.records if row.get("name") == "site.timezone" for end in ("from", "to")]
    return [zone for zone in ends if isinstance(zone, str) and zone in available_timezones()]


def _change_text(row: JsonObject) -> str:
    before, after = (("not set" if row[end] is None else row[end]) for end in ("from", "to"))
    return f"{row['name']}: {before} -> {after}"


def _correction_text(row: JsonObject) -> str:
    effect = f"x {row['factor']:.10g}" if "factor" in row else row["effect"]
    people = ", ".join(str(row[name]) for name in ("reason", "by") if row.get(name))
    return f"{row['change']}: {row['device']} {effect} from {row['from']} to {row['to']}, {people}"


def _key_text(row: JsonObject) -> str:
    if row.get("reason"):
        head = str(row.get("after", "")).split("\n")
        text = f"log begins after {' '.join(head[:2]).strip() or 'an unreadable log'} entries: {row['reason']}"
        return f"{text}; key {row['vkey']}{_unsigned(row, head[0])}"
    return f"key {row['vkey']}" + (f" replaces {row['before']}" if row.get("before") else "")


def _unsigned(row: JsonObject, origin: str) -> str:
    """Return the words about a key that the key of the log before did not sign; "" for the same key."""
    key = VerifierKey.of(row["vkey"])
    before = VerifierKey.of(row["before"]).text if row.get("before") else ""
    if before or (origin and first_origin(origin) != first_origin(key.name)):
        return f" replaced {before or 'the key of that log'}: key replaced without the old key's signature"
    return ""
