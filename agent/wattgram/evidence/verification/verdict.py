"""Findings of a verification, and its result for people and programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from wattgram.base.clock import MS
from wattgram.base.units import rfc3339

MOST_FINDINGS = 1000
"""Findings that are kept; more are counted only."""


class VerifyFinding(NamedTuple):
    """A difference between files and log, or within the log.

    what: kind of the finding. time: of the record, ms since 1970, None for the log itself.
    """

    what: str
    detail: str
    time: int | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return the finding for JSON."""
        return {
            "finding": self.what,
            "time": None if self.time is None else rfc3339(self.time * MS),
            "detail": self.detail,
        }


class TimedNote(NamedTuple):
    """A note about the log at a time, ms since 1970."""

    time: int
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return the note for JSON."""
        return {"time": rfc3339(self.time * MS), "text": self.text}


@dataclass(slots=True)
class VerificationResult:
    """Numbers, notes and findings. found: number of findings, also of those that are not kept.

    not_compared: records of quarters, windows and earlier revisions that the files cannot show completely.
    partial_minutes: minutes that were compared alone, by 4 bytes of their digests. files: number of the files.
    """

    files: int = 0
    records: int = 0
    not_compared: int = 0
    partial_minutes: int = 0
    not_sealed_kinds: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    quarters: int = 0
    missing_quarters: list[str] = field(default_factory=list)
    amended_quarters: list[str] = field(default_factory=list)
    configuration: list[TimedNote] = field(default_factory=list)
    clock: list[TimedNote] = field(default_factory=list)
    corrections: list[TimedNote] = field(default_factory=list)
    keys: list[TimedNote] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=dict)
    findings: list[VerifyFinding] = field(default_factory=list)
    found: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is no finding."""
        return not self.found

    @property
    def timed_notes(self) -> dict[str, list[TimedNote]]:
        """Notes about the log by their subjects."""
        return {
            "configuration": self.configuration,
            "clock": self.clock,
            "corrections": self.corrections,
            "keys": self.keys,
        }

    def add(self, what: str, detail: str, time: int | None = None) -> None:
        """Add a finding."""
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(VerifyFinding(what, detail, time))

    def sort(self) -> None:
        """Sort the findings: those of the log first, then by time."""
        self.findings.sort(key=lambda found: (found.time is not None, found.time or 0))

    def as_dict(self) -> dict[str, object]:
        """Return the result for JSON."""
        first = next((finding for finding in self.findings if finding.time is not None), None)
        return {
            "ok": self.ok,
            "records": self.records,
            "not_compared": self.not_compared,
            "partial_minutes": self.partial_minutes,
            "entries": self.entries,
            "quarters": self.quarters,
            "missing_quarters": self.missing_quarters,
            "amended_quarters": self.amended_quarters,
            **{name: [note.as_dict() for note in notes] for name, notes in self.timed_notes.items()},
            "heads": self.heads,
            "anchored": bool(self.anchors),
            "anchors": self.anchors,
            "not_sealed": self.not_sealed_kinds,
            "not_in_files": self.absent,
            "first_difference": first.as_dict() if first else None,
            "found": self.found,
            "findings": [finding.as_dict() for finding in self.findings],
        }
