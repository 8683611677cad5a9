"""Verification of exported files against the logs of a site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.base.errors import HistoryError
from wattgram.evidence.log_entry import LogEntry
from wattgram.evidence.log_files import CHECKPOINT_FILE, LogFiles, logs_of
from wattgram.evidence.signed_note import MOST_NOTE_BYTES, VerifierKey

from .compared_period import StatedPeriod
from .comparison import Comparison
from .exported_rows import rows_of
from .log_check import CheckedLog
from .sealed_records import EntryPlace, SealedRecords
from .verdict import VerificationResult


def verified(
    files: Sequence[Path],
    logs: Sequence[Path],
    keys: Sequence[VerifierKey],
    checkpoints: Sequence[Path],
    period: StatedPeriod,
) -> VerificationResult:
    """Return the result of a verification. HistoryError: a file or a log is unreadable.

    files: exports. logs: folders or tar files with logs of one site. checkpoints: files with checkpoints from outside.
    """
    result = VerificationResult()
    found = sorted((files for place in logs for files in logs_of(place)), key=_origin)
    checked = [CheckedLog(files, keys, result) for files in found]
    sites = {log.site for log in checked if log.head is not None}
    if len(sites) > 1:
        result.add("logs of several sites", ", ".join(sorted(sites)))
    _check_heads(checked)
    sealed = SealedRecords()
    for number, log in enumerate(checked):
        if log.head is not None:
            result.heads.append(f"{log.head.origin}: {log.head.size} entries")
            sealed.add_log(number, log, result)
    sealed.add_quarters(result)
    for path in checkpoints:
        _check_anchor(path, checked, result)

    def entry(place: EntryPlace) -> LogEntry:
        return checked[place.log].entry(place.number)

    site = next((log.site for log in checked if log.head is not None), "")
    comparison = Comparison(sealed, site, period.at(ZoneInfo(sealed.zone)), entry, result)
    result.files = len(files)
    for path in sorted(files, key=_first_time):
        try:
            comparison.add(str(path), rows_of(path))
        except OSError as error:
            raise HistoryError(f"{path}: {error.strerror or error}") from error
    if files:
        comparison.finish()
    return result


def _first_time(path: Path) -> int:
    """Return the time of the first record, ms, to read the files of a series in order; 0 if there is none."""
    try:
        return next((row.time for row in rows_of(path)), 0)
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror or error}") from error


def _origin(files: LogFiles) -> str:
    """Return the first line of the checkpoint, to sort logs; the check of the log reports an unreadable one."""
    return (files.read(CHECKPOINT_FILE) or b"").decode(errors="replace").partition("\n")[0]


def _check_heads(logs: Sequence[CheckedLog]) -> None:
    """Compare logs of one origin: the longer one must extend the shorter one."""
    for at, log in enumerate(logs):
        for other in logs[at + 1 :]:
            if log.head is not None and other.head is not None and log.head.origin == other.head.origin:
                longer, shorter = sorted((log, other), key=lambda each: each.head.size if each.head else 0)[::-1]
                assert shorter.head is not None  # both have one
                longer.check_extends(shorter.head, shorter.place)


def _check_anchor(path: Path, logs: Sequence[CheckedLog], result: VerificationResult) -> None:
    """Compare a checkpoint from outside with the log of the same origin."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_NOTE_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path}: no checkpoint: {error}") from error
    origin = text.replace("\n", " ").partition(" ")[0]
    for log in logs:
        if log.head is not None and log.head.origin == origin:
            log.check_anchor(text, path.name)
            return
    origins = ", ".join(log.head.origin for log in logs if log.head is not None)
    result.add("checkpoint of another log", f"{path.name} is of {origin!r:.100}; found {origins}")
