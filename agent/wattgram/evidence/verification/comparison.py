"""Comparison of exported rows with the sealed records, and the record of what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from wattgram.base.clock import MS
from wattgram.base.errors import HistoryError
from wattgram.base.record import SEALED_KINDS
from wattgram.base.units import rfc3339
from wattgram.evidence.log_entry import LogEntry, sealed_time
from wattgram.evidence.record_digest import (
    MINUTE_MS,
    QUARTER_MINUTES,
    QUARTER_MS,
    QuarterDigest,
    QuarterHasher,
    is_digested,
    place_in_time,
    record_hash,
)

from .compared_period import MAX_MS, ComparedPeriod, held_minutes, record_end
from .exported_rows import ExportedRow, typed
from .sealed_records import EntryPlace, RowKey, SealedRecords, SealedVersion, sealed_values
from .verdict import VerificationResult


@dataclass(slots=True)
class _OpenQuarter:
    """Quarter of a series whose rows are being read. held: last tick, which a row with a higher revision replaces."""

    quarter: int
    hasher: QuarterHasher
    held: tuple[int, int, dict[str, float | str]] | None = None

    def add(self, place: int, time: int, fields: dict[str, float | str], *, revisable: bool) -> int | None:
        """Add a row; of revisable rows of one time, the highest revision counts.

        Return the number of rows that this row replaces, or that replace it; None for two rows of one revision.
        """
        if not revisable:
            self.hasher.add(place, time, fields)
            return 0
        if self.held is None or self.held[1] != time:
            if self.held is not None:
                self.hasher.add(*self.held)
            self.held = place, time, fields
            return 0
        before, now = _revision(self.held[2]), _revision(fields)
        if before <= now:
            self.held = place, time, fields
        return None if before == now else 1

    @property
    def last(self) -> int | None:
        """Time of the last row, ms."""
        return self.hasher.last if self.held is None else self.held[1]

    def digest(self) -> _ExportedQuarter:
        """Return the digest of all rows."""
        if self.held is not None:
            self.hasher.add(*self.held)
            self.held = None
        return _ExportedQuarter(self.hasher.digest(), tuple(self.hasher.counts))


@dataclass(slots=True)
class _ExportedQuarter:
    digest: QuarterDigest
    counts: tuple[int, ...] = field(default=())


@dataclass(slots=True)
class _FileSpan:
    """Times of a series in a file, ms: the first and the last one."""

    file: str
    first: int
    last: int


class Comparison:
    """Rows of files against the sealed records. `entry`: returns an entry of the logs."""

    def __init__(
        self,
        sealed: SealedRecords,
        site: str,
        period: ComparedPeriod,
        entry: Callable[[EntryPlace], LogEntry],
        result: VerificationResult,
    ) -> None:
        self._sealed = sealed
        self._site = site
        self._period = period
        self._entry = entry
        self._result = result
        self._found: dict[tuple[RowKey, int], list[bytes]] = {}
        self._open: dict[RowKey, _OpenQuarter] = {}
        self._closed: dict[tuple[RowKey, int], _ExportedQuarter] = {}
        self._keys: dict[RowKey, RowKey] = {}
        self._first: int | None = None
        self._zones = [*map(ZoneInfo, sealed.zones)]
        self._spans: dict[RowKey, list[_FileSpan]] = {}  # of each series, the last one of the file that is read
        self._units: set[tuple[str, str]] = set()
        self._old: dict[tuple[RowKey, int], str] = {}  # place of the first row that is no longer valid

    def add(self, name: str, rows: Iterable[ExportedRow]) -> None:
        """Compare the rows of a file. HistoryError: another file has records of the same series and times, too."""
        read, checked_second, local_times = 0, -1, frozenset[str]()
        for row in rows:
            read += 1
            if row.kind not in SEALED_KINDS:
                skipped = self._result.not_sealed_kinds
                skipped[row.kind] = skipped.get(row.kind, 0) + 1
                continue
            if not self._period.has(row.time):
                continue
            self._result.records += 1
            key = self._keys.setdefault((row.kind, row.tags), (row.kind, row.tags))
            if row.site != self._site:
                detail = f"{row.where}: {_name(key)} of the site {row.site!r}; the log is of {self._site!r}"
                self._result.add("record of another site", detail, row.time)
                continue
            self._note_span(name, key, row.time)
            self._units.add(_unit(key))
            if row.local_time is not None:
                if checked_second != row.time // 1000:
                    checked_second = row.time // 1000
                    local_times = frozenset(_local_time(checked_second, zone) for zone in self._zones)
                if local_times and row.local_time not in local_times:
                    detail = (
                        f"{row.where}: {_name(key)} {_at(row.time)}: local_time is {row.local_time!r:.40}, expected "
                    )
                    self._result.add("local time differs", detail + " or ".join(sorted(local_times)), row.time)
            place = place_in_time(row.kind, dict(row.tags), row.time)
            self._first = min(row.time, self._first if self._first is not None else row.time)
            if is_digested(row.kind, dict(row.tags)):
                self._add_digested(row, key, place)
            else:
                self._add_whole(row, key)
        if not read:
            self._result.add("nothing compared", f"{name} has no records")

    def _note_span(self, name: str, key: RowKey, time: int) -> None:
        """Note the times of a series in a file. HistoryError: they overlap with those of another file."""
        spans = self._spans.setdefault(key, [])
        if not spans or spans[-1].file != name:
            spans.append(_FileSpan(name, time, time))
        span = spans[-1]
        span.first, span.last = min(span.first, time), max(span.last, time)
        for other in spans[:-1]:
            if span.first <= other.last and other.first <= span.last:
                raise HistoryError(
                    f"{other.file} and {name} both have {_name(key)} records of {_at(time)}; verify them one by one"
                )

    def finish(self) -> None:
        """Compare the digests, and report what the files lack."""
        for key, open_quarter in self._open.items():
            self._close(key, open_quarter)
        self._check_old_revisions()
        begin = self._period.begin
        if begin is None:
            begin = 0 if self._first is None else self._first // QUARTER_MS * QUARTER_MS
        end = MAX_MS if self._period.end is None else self._period.end
        for (key, time), versions in self._sealed.records.items():
            is_within = begin <= time < end and (versions[0].quarter + 1) * QUARTER_MS <= end
            if is_within and self._is_expected(key, 1):
                self._check_missing(key, time, versions)
        quarters = {*self._sealed.series, *self._closed}
        for key, quarter in sorted(quarters, key=lambda each: each[1]):
            held = held_minutes(key[0], dict(key[1]), quarter, begin, end)
            if len(held) == QUARTER_MINUTES:
                if self._is_expected(key, 0):
                    self._check_quarter(key, quarter)
            elif _unit(key) in self._units and self._is_expected(key, 0):
                self._check_minutes(key, quarter, held)
        self._result.records -= self._result.not_compared
        if not self._result.records:
            self._result.add("nothing compared", "no file has sealed records of the compared period")
        self._result.sort()

    def _add_whole(self, row: ExportedRow, key: RowKey) -> None:
        """Compare a record of which the log has all values."""
        fields = typed(row.fields, self._sealed.texts.get(key, set()))
        digest = record_hash(row.time, fields)
        seen = self._found.setdefault((key, row.time), [])
        versions = self._sealed.records.get((key, row.time))
        end = record_end(key[0], dict(key[1]), row.time, self._zones)
        if versions is None and self._period.end is not None and end > self._period.end:
            self._result.not_compared += 1  # a window that ends after the period may be sealed later
            return
        if versions is None:
            hint = " (after the last sealed quarter; see --to)" if self._is_after_log(end) else ""
            self._result.add("record not sealed", f"{row.where}: {_name(key)} {_at(row.time)}{hint}", row.time)
            return
        if 0 < sum(version.digest == digest for version in versions) <= seen.count(digest):
            self._result.add("record duplicated", f"{row.where}: {_name(key)} {_at(row.time)}", row.time)
            return
        seen.append(digest)
        if any(version.digest == digest for version in _valid(key, versions)):
            return
        if any(version.digest == digest for version in versions):
            self._old.setdefault((key, row.time), row.where)
            return
        difference = self._difference(key, row.time, fields, _valid(key, versions)[-1])
        self._result.add("value differs", f"{row.where}: {_name(key)} {_at(row.time)}: {difference}", row.time)

    def _difference(self, key: RowKey, time: int, fields: dict[str, float | str], version: SealedVersion) -> str:
        """Return the first field that differs, in the order of the names."""
        for row in self._entry(version.place).records:
            tags = tuple(sorted(row["tags"].items()))
            if (row["kind"], tags) != key or "fields" not in row or sealed_time(row["time"]) != time:
                continue
            sealed = sealed_values(row)
            if record_hash(time, sealed) != version.digest:
                continue
            for name in sorted({*sealed, *fields}):
                if sealed.get(name) != fields.get(name):
                    found, expected = (_shown(values.get(name)) for values in (fields, sealed))
                    return f"{name} is {found}, sealed {expected} in entry {version.place.number}"
        return f"not the record of entry {version.place.number}"

    def _add_digested(self, row: ExportedRow, key: RowKey, place: int) -> None:
        quarter = place // QUARTER_MS
        open_quarter = self._open.get(key)
        if open_quarter is not None and open_quarter.quarter != quarter:
            self._close(key, open_quarter)
            open_quarter = None
        if open_quarter is None:
            if (key, quarter) in self._closed:
                self._result.add("records out of order", f"{row.where}: {_name(key)} {_at(row.time)}", row.time)
                return
            open_quarter = self._open[key] = _OpenQuarter(quarter, QuarterHasher(quarter * QUARTER_MS))
        if open_quarter.last is not None and row.time < open_quarter.last:
            self._result.add("records out of order", f"{row.where}: {_name(key)} {_at(row.time)}", row.time)
        fields = typed(row.fields, self._sealed.texts.get(key, set()))
        replaced = open_quarter.add(place, row.time, fields, revisable=key[0] == "emission")
        if replaced is None:
            self._result.add("record duplicated", f"{row.where}: {_name(key)} {_at(row.time)}", row.time)
        else:
            self._result.not_compared += replaced  # the log has no digest of the earlier revision alone

    def _close(self, key: RowKey, open_quarter: _OpenQuarter) -> None:
        self._closed[key, open_quarter.quarter] = open_quarter.digest()

    def _check_old_revisions(self) -> None:
        """Report earlier revisions, unless the files have the valid one, too: an export of all revisions."""
        for (key, time), where in self._old.items():
            (valid,) = _valid(key, self._sealed.records[key, time])
            if valid.digest not in self._found[key, time]:
                detail = f"{where}: {_name(key)} {_at(time)}: entry {valid.place.number} replaced this revision"
                self._result.add("old revision", detail, time)

    def _check_quarter(self, key: RowKey, quarter: int) -> None:
        """Compare the digest of a series in a quarter with the last sealed digest."""
        exported, sealed = self._closed.get((key, quarter)), self._sealed.series.get((key, quarter))
        begin = quarter * QUARTER_MS
        where = f"{_name(key)} {_at(begin)}"
        if sealed is None:
            count = exported.digest.count if exported else 0
            hint = " (after the last sealed quarter; see --to)" if self._is_after_log(begin) else ""
            self._result.add("record not sealed", f"{where}: {count} records of this quarter{hint}", begin)
        elif exported is None:
            self._result.add("record missing", f"{where}: {sealed[-1].digest.count} records of this quarter", begin)
        elif exported.digest.digest != sealed[-1].digest.digest:
            if any(version.digest.digest == exported.digest.digest for version in sealed):
                detail = f"{where}: entry {sealed[-1].place.number} replaced these values"
                self._result.add("old revision", detail, begin)
                return
            last = sealed[-1]
            minutes = exported.digest.differing_minutes(last.digest) or [*range(QUARTER_MINUTES)]
            count, expected = exported.digest.count, last.digest.count
            what = (
                "value differs" if count == expected else "record missing" if count < expected else "record not sealed"
            )
            first = begin + minutes[0] * MINUTE_MS
            detail = (
                f"{_name(key)}: {count} records of the quarter {_at(begin)}, sealed {expected} in entry "
                f"{last.place.number}; the first difference is within {_at(first)} and the minute after "
                f"({exported.counts[minutes[0]]} records there)"
            )
            self._result.add(what, detail, first)

    def _check_minutes(self, key: RowKey, quarter: int, held: list[int]) -> None:
        """Compare the minutes of a quarter that the period has only in part; other minutes are not compared."""
        begin = quarter * QUARTER_MS
        exported = self._closed.get((key, quarter)) or _ExportedQuarter(
            QuarterHasher(begin).digest(), (0,) * QUARTER_MINUTES
        )
        self._result.not_compared += exported.digest.count - sum(exported.counts[minute] for minute in held)
        if not held:
            return
        sealed = self._sealed.series.get((key, quarter))
        versions = [each.digest for each in sealed] if sealed else [QuarterHasher(begin).digest()]
        differing = [sorted({*held}.intersection(exported.digest.differing_minutes(each))) for each in versions]
        if not differing[-1]:
            self._result.partial_minutes += len(held)
            return
        minute = differing[-1][0]
        count, first = exported.counts[minute], begin + minute * MINUTE_MS
        where = f"{_name(key)}: within {_at(first)} and the minute after"
        if sealed is None:
            hint = " (after the last sealed quarter; see --to)" if self._is_after_log(begin) else ""
            self._result.add("record not sealed", f"{where}: {count} records{hint}", first)
        elif [] in differing:
            self._result.add("old revision", f"{where}: entry {sealed[-1].place.number} replaced these values", first)
        else:
            what = "value differs" if count else "record missing"
            self._result.add(what, f"{where}: {count} records, other ones in entry {sealed[-1].place.number}", first)

    def _check_missing(self, key: RowKey, time: int, versions: list[SealedVersion]) -> None:
        """Report records that no file has."""
        count, expected = len(self._found.get((key, time), ())), len(_valid(key, versions))
        if count < expected:
            place = versions[-1].place
            self._result.add("record missing", f"{_name(key)} {_at(time)}, sealed in entry {place.number}", time)

    def _is_after_log(self, time: int) -> bool:
        """Return whether a time, ms, is after the last sealed quarter."""
        return time >= (max(self._sealed.quarters, default=-1) + 1) * QUARTER_MS

    def _is_expected(self, key: RowKey, count: int) -> bool:
        """Return whether the files should have the records of a series; if not, note the series."""
        device = dict(key[1]).get("device", "")
        if _unit(key) in self._units and not (self._period.devices and device not in self._period.devices):
            return True
        name = " ".join(_unit(key)).strip() if _unit(key) not in self._units else _name(key)
        self._result.absent[name] = self._result.absent.get(name, 0) + max(1, count)
        return False


def _valid(key: RowKey, versions: list[SealedVersion]) -> list[SealedVersion]:
    """Return the versions that count: of a window the last of the highest revision, of another kind each record."""
    if key[0] != "emission":
        return versions
    highest = max(version.revision for version in versions)
    return [[version for version in versions if version.revision == highest][-1]]


def _revision(fields: dict[str, float | str]) -> float:
    revision = fields.get("revision", 0.0)
    return revision if isinstance(revision, float) else 0.0


def _unit(key: RowKey) -> tuple[str, str]:
    """Return kind and window: what an export selects."""
    return key[0], dict(key[1]).get("window", "")


def _name(key: RowKey) -> str:
    """Return the name of a series for people."""
    tags = dict(key[1])
    return " ".join([key[0], *(tags[name] for name in ("device", "window", "goal") if name in tags)])


def _local_time(second: int, zone: ZoneInfo) -> str:
    """Return the cell `local_time` of a second since 1970."""
    return datetime.fromtimestamp(second, zone).replace(tzinfo=None).isoformat(" ")


def _at(time: int) -> str:
    return rfc3339(time * MS)


def _shown(value: float | str | None) -> str:
    return "absent" if value is None else repr(value)[:200]
