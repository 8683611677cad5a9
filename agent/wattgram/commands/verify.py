"""`wattgram verify`: exported records against the log of their gateway."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from wattgram.base.clock import MS
from wattgram.base.period import parse_period_end
from wattgram.base.toml_table import SUPPLIED_FILE_BYTES
from wattgram.base.units import rfc3339
from wattgram.base.untrusted import content, decoded

from .arguments import UsageError, add_devices, choice, option_type

if TYPE_CHECKING:
    from wattgram.evidence.signed_note import VerifierKey
    from wattgram.evidence.verification.verdict import VerificationResult

EXAMPLE = "wattgram verify november.csv --log works-log.tar --key 'wattgram/works/0a1b2c3d+530d903a+AekyeRrm56hA...'"

SHOWN_SETTINGS = 5
"""Most settings of the table that were not set before: the first start has all of them."""

SHOWN_FINDINGS = 20
"""Findings of the table."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the files, --log, --key, --checkpoint, --from, --to, --device and --format."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="exports as CSV, Parquet or line protocol; a tar file is a log",
    )
    parser.add_argument(
        "--log",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="log of the gateway: a folder, or the tar file of `wattgram seal --output`",
    )
    parser.add_argument(
        "--key", action="append", required=True, metavar="VKEY", help="public key of the log, or a file with it"
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="checkpoint that was kept outside of the gateway",
    )
    for option, dest, default in (("--from", "begin", "the first record"), ("--to", "end", "the end of the log")):
        parser.add_argument(
            option,
            dest=dest,
            type=option_type(parse_period_end),
            metavar="TIME",
            help=f"the same as for the export: a local day or a time (default: {default})",
        )
    add_devices(parser, "devices of the export, if not all")
    parser.add_argument("--format", type=choice(("table", "json")), default="table", metavar="table|json")


def run(options: argparse.Namespace) -> int:
    """Print the result; exit code 1 if something differs or is missing."""
    from wattgram.evidence.verification.compared_period import StatedPeriod
    from wattgram.evidence.verification.verify_files import verified

    logs = [*options.log, *(path for path in options.files if _is_log(path))]
    files = [path for path in options.files if path not in logs]
    if not logs:
        raise UsageError("found no log; allowed: --log PATH with a folder, or a tar file of `wattgram seal --output`")
    for path in (*files, *logs, *options.checkpoint):
        if not path.exists():
            raise UsageError(f"found {str(path)!r}, no such file; allowed: files that can be read")
    period = StatedPeriod(options.begin, options.end, frozenset(options.device))
    result = verified(files, logs, [_key(text) for text in options.key], options.checkpoint, period)
    print(json.dumps(result.as_dict(), ensure_ascii=False, indent=2) if options.format == "json" else _table(result))
    return 0 if result.ok else 1


def _is_log(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".tar" or path.name.endswith((".tar.gz", ".tgz"))


def _key(text: str) -> VerifierKey:
    from wattgram.evidence.signed_note import VerifierKey

    path = Path(text)
    try:
        if "+" not in text and path.is_file():
            text = decoded(content(path, SUPPLIED_FILE_BYTES)).strip()
        return VerifierKey.of(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"--key: {error}") from error


def _table(result: VerificationResult) -> str:
    from wattgram.evidence.verification.sealed_records import NEWLY_SET
    from wattgram.formats.tables import printable

    lines = [
        f"records compared      {result.records:,}",
        f"entries of the log    {result.entries:,}, {result.quarters:,} quarters",
        *(f"head                  {head}" for head in result.heads),
        *(f"anchored outside      {anchor}" for anchor in result.anchors),
    ]
    if not result.anchors:
        lines.append("anchored outside      no: the log is only consistent with itself; see --checkpoint")
    for label, spans in (("missing quarters", result.missing_quarters), ("amended quarters", result.amended_quarters)):
        lines.append(f"{label:<22}{', '.join(spans) or 'none'}")
    for name, notes in result.timed_notes.items():
        shown = [note for note in notes if NEWLY_SET not in note.text]
        more = len(notes) - len(shown)
        if name != "configuration" or more <= SHOWN_SETTINGS:
            shown, more = notes, 0
        lines += [f"{name:<22}{rfc3339(note.time * MS)[:16]} {note.text}" for note in shown]
        lines += [f"{name:<22}{more} settings that were not set before; see --format json"] if more else []
    lines += [f"not in these files    {name}" for name in sorted(result.absent)]
    if result.partial_minutes:
        lines.append(f"partial quarters      {result.partial_minutes:,} minutes compared alone, by 4 bytes each")
    if result.not_compared:
        lines.append(f"not compared          {result.not_compared:,} records: only in part in the period, or replaced")
    lines += [f"not sealed            {count:,} records {kind}" for kind, count in result.not_sealed_kinds.items()]
    if result.ok and not result.files:
        lines.append("result                the log alone is consistent; no file was compared")
    elif result.ok:
        lines.append("result                all values are as sealed")
    else:
        lines.append(f"result                {result.found:,} findings; the first:")
        lines += [f"  {finding.what}: {finding.detail}" for finding in result.findings[:SHOWN_FINDINGS]]
    return "\n".join(map(printable, lines))
