"""A check of the rows of a file source: what the daemon could not use, or would understand in another way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from pathlib import Path

from wattgram.base.untrusted import content
from wattgram.grid.signal import NS

from . import profile
from .supplied_values import SuppliedValue, ValueTerms, signals, starts_of

MOST_ROWS_SHOWN = 10
"""Most findings and most notes about one file."""


@dataclass(slots=True)
class FileCheck:
    """Findings: rows that are wrong or ambiguous. Notes: rows that work, and may be meant in another way."""

    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def shortened(self) -> FileCheck:
        """Return the first of each kind, with the number of the others."""
        return FileCheck(_first(self.findings), _first(self.notes))


def checked(path: Path, terms: ValueTerms, largest: int) -> FileCheck:
    """Check a file of at most `largest` bytes; a file that cannot be read now is a note, since the daemon waits."""
    check = FileCheck()
    entries: list[SuppliedValue] = []
    try:
        data = content(path, largest)
    except OSError as error:
        check.notes.append(f"cannot be read: {error.strerror or error}; the daemon waits for the file")
        return check
    except ValueError as error:
        check.findings.append(str(error))
        return check
    try:
        if path.suffix.lower() == ".json":
            entries, check.findings = profile.from_json(data), []
        else:
            entries, check.findings = profile.lines_of(data)
        if check.findings:
            check.findings[-1] += "; the daemon uses no row of a file with such a line"
        _check_times(entries, terms.zone, check)
        check.findings += signals(entries, terms, 0, live=False)[1]
    except ValueError as error:
        check.findings.append(str(error))
    if not entries and not check.findings:
        check.findings.append("found no row")
    return check.shortened()


def _check_times(entries: Sequence[SuppliedValue], zone: tzinfo, check: FileCheck) -> None:
    starts = starts_of(entries, zone, None)
    rows = list(zip(entries, starts, strict=True)) if starts else []
    seen: dict[int, str] = {}
    last: int | None = None
    for entry, start in rows:
        if start is None:
            check.findings.append(f"{entry.place}: {_local(entry)} does not exist: the clocks go forward; not used")
            continue
        if start in seen:
            check.findings.append(f"{entry.place}: found the time of {seen[start]} again, {_local(entry)}")
        elif last is not None and start < last:
            check.findings.append(f"{entry.place}: {_local(entry)} is earlier than the row before; sort the rows")
        seen.setdefault(start, entry.place)
        last = start
    locals_found = Counter(entry.time for entry in entries if entry.time is not None and entry.time.tzinfo is None)
    check.findings += [
        f"{entry.place}: {_local(entry)} occurs twice, as the clocks go back, and has one row: the second hour has "
        "none; write both, or times with an offset"
        for entry, _ in rows
        if entry.time is not None and locals_found.get(entry.time) == 1 and _is_repeated(entry.time, zone)
    ]
    _check_gaps(rows, check)


def _check_gaps(rows: Sequence[tuple[SuppliedValue, int | None]], check: FileCheck) -> None:
    known = sorted(((start, entry) for entry, start in rows if start is not None), key=lambda row: row[0])
    steps = Counter(later[0] - before[0] for before, later in pairwise(known) if later[0] > before[0])
    if not steps:
        return
    usual = max(steps, key=lambda step: (steps[step], step))
    for (before, entry), (later, following) in pairwise(known):
        if later - before > usual and entry.until is None:
            check.notes.append(
                f"{entry.place} to {following.place}: no value from {_utc(before + usual)} to {_utc(later)}"
            )


def _is_repeated(local: datetime, zone: tzinfo) -> bool:
    """Return whether the clocks show a local time twice."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
    return exists and first.utcoffset() != second.utcoffset()


def _local(entry: SuppliedValue) -> str:
    return "" if entry.time is None else entry.time.isoformat(" ", "minutes")


def _utc(time: int) -> str:
    return f"{datetime.fromtimestamp(time // NS, UTC):%Y-%m-%d %H:%M} UTC"


def _first(texts: Sequence[str]) -> list[str]:
    more = len(texts) - MOST_ROWS_SHOWN
    return [*texts[:MOST_ROWS_SHOWN], *([f"and {more} more rows"] if more > 0 else [])]
