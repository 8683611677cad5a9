"""`wattgram correct`: shows what a correction of the past changes, writes it to the configuration, and applies it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattgram.base.clock import NS, Clock
from wattgram.base.errors import ConfigError, SpoolError
from wattgram.base.toml_table import Parser
from wattgram.base.units import rfc3339
from wattgram.config import correction_table
from wattgram.config.correction_table import FACTOR, INVERT, LONGEST_BY, LONGEST_REASON, VOID, CorrectionConfig
from wattgram.config.load import Config
from wattgram.delivery.configuration import load, read
from wattgram.formats.tables import table

from . import correction_block
from .arguments import UsageError, add_config, add_format, option_type
from .progress import Progress, print_stderr

if TYPE_CHECKING:
    from .correction_preview import CorrectionPreview, PeriodChange

EXAMPLE = (
    "wattgram correct -c site.toml --device incomer --from 2026-11-02 --to 2026-11-22 --factor 0.75 "
    '--reason "CT ratio 80 instead of 60" --by "Li Wei"'
)

HOUR = 3600 * NS

AT_START = (
    "the running daemon has read {path} before: restart it, such as by systemctl restart wattgram; at its start it "
    "computes the results again"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, the correction, --dry-run, --yes and --format."""
    add_config(parser)
    parser.add_argument("--device", required=True, metavar="NAME", help="the device whose values were wrong")
    for option, dest, which in (("--from", "since", "first day"), ("--to", "until", "last day, included")):
        parser.add_argument(
            option,
            dest=dest,
            type=option_type(correction_table.parse_time),
            required=True,
            metavar="TIME",
            help=f"{which} of the wrong values as a local day, or a time such as 2026-11-01T06:00:00Z",
        )
    effects = parser.add_mutually_exclusive_group(required=True)
    effects.add_argument(
        "--factor", type=option_type(_number), metavar="X", help="true value divided by the stored value, such as 0.75"
    )
    effects.add_argument("--invert", action="store_true", help="the meter was wired in the other direction")
    effects.add_argument("--void", action="store_true", help="the values mean nothing: the flow is unknown")
    parser.add_argument("--reason", type=option_type(_line(LONGEST_REASON)), required=True, metavar="TEXT")
    parser.add_argument("--by", type=option_type(_line(LONGEST_BY)), required=True, metavar="NAME")
    parser.add_argument("--dry-run", action="store_true", help="show the changes, and change nothing")
    parser.add_argument("--yes", action="store_true", help="write the correction without a question")
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Show the changes, write the table after a confirmation, and compute the results again."""
    from . import correction_preview, history_replay

    clock, path = Clock(), options.config
    before = load(path)
    effect = INVERT if options.invert else VOID if options.void else FACTOR
    factor = options.factor if effect == FACTOR else 1.0
    since, until = correction_table.ends(options.since, options.until, before.site.timezone)
    if until > clock.time():
        raise UsageError(
            f"found --to {options.until}, which is not over; allowed: a time up to now; for the time from now on, "
            "correct ratio or invert of the [[device]]"
        )
    text = correction_block.block(
        options.device, options.since, options.until, effect, factor, options.reason, options.by
    )
    old = path.read_bytes()
    new = correction_block.appended(old.decode("utf-8"), text)
    config, correction = _checked(new, path, options.device, since, until)
    interactive = sys.stdin.isatty() and options.format == "table"
    if not (options.yes or options.dry_run or interactive):
        raise UsageError("found neither --yes nor --dry-run without a terminal; allowed: one of them")
    progress = Progress(sys.stderr, clock)
    progress.total = max(1, (clock.time() - since) // HOUR)
    ladder = asyncio.run(history_replay.stored_ladder(config, clock))
    try:
        changes = correction_preview.preview(
            config,
            correction,
            ladder,
            clock,
            lambda reached: progress.step("computing", max(0, (reached - since) // HOUR) - progress.done),
        )
    finally:
        progress.clear()
    if options.format == "table":
        _print_preview(correction, changes, text)
    written, state = False, ""
    if not options.dry_run and (options.yes or _confirmed(path)):
        written = _write(path, old, new, text)
        state = _apply(config, path, correction, clock) if written else ""
    if options.format == "json":
        print(json.dumps(_as_json(correction, changes, text, written=written, state=state)))
    elif not written and not options.dry_run:
        print_stderr("nothing is written")
    return 0 if options.dry_run or written or not options.yes else 1


def _checked(text: str, path: Path, device: str, since: int, until: int) -> tuple[Config, CorrectionConfig]:
    """Return the configuration with the correction, and the correction; ConfigError with all mistakes."""
    config = read(text, path)
    correction = next(
        each for each in config.corrections if (each.device, each.since, each.until) == (device, since, until)
    )
    if correction.removed:
        names = ", ".join(known.name for known in config.devices)
        raise ConfigError(
            [
                f"{path}: --device: found {device!r}, which has no [[device]] any more: its results cannot be computed "
                f"again; allowed: {names}"
            ]
        )
    return config, correction


def _confirmed(path: Path) -> bool:
    """Ask whether the table is to be written."""
    return input(f"Write this correction to {path} and compute the results again? [y/N] ").strip().lower() in (
        "y",
        "yes",
    )


def _write(path: Path, old: bytes, new: str, text: str) -> bool:
    """Write the file; if that is impossible, print the text to paste and return False."""
    try:
        correction_block.replace_file(path, old, new.encode("utf-8"))
    except OSError as error:
        print_stderr(f"{path}: cannot be written: {error.strerror or error}; append this text to the file:\n\n{text}")
        return False
    return True


def _apply(config: Config, path: Path, correction: CorrectionConfig, clock: Clock) -> str:
    """Compute the results again, or say who will: return "now", "at the next start" or "not yet"."""
    from . import history_replay

    begin = correction.since - 2 * round(config.site.tick * NS)
    try:
        outcome = asyncio.run(history_replay.recompute_alone(config, begin, clock))
    except SpoolError as error:
        print_stderr(f"{path} has the correction; the next `wattgram run` applies it, because {error}")
        return "at the next start"
    if outcome is None:
        print_stderr(AT_START.format(path=path))
        return "at the next start"
    total = sum(outcome.changed.values())
    print_stderr(f"{path} has the correction; {total:,} results were computed again, in {outcome.seconds:.1f} s")
    for name, left in outcome.undelivered.items():
        print_stderr(f"{name} has not accepted {left:,} records yet; the next `wattgram run` delivers them")
    return "now"


def _print_preview(correction: CorrectionConfig, changes: CorrectionPreview, text: str) -> None:
    print(text)
    print(f"{correction.label}, {rfc3339(correction.since)} to {rfc3339(correction.until)}\n")
    heads = ("period", "load kWh", "after", "emission kg", "after", "g/kWh", "after", "coverage", "after")
    rows = [(change.span.name, *_cells(change)) for change in changes.periods]
    print(table(heads, rows, right=range(1, len(heads))))
    counts = ", ".join(f"{count:,} of {window}" for window, count in changes.changed.items())
    print(f"\nchanged windows: {counts or 'none'}")
    for part in changes.left_out:
        print(
            f"{part.instants:,} instants from {rfc3339(part.first)} to {rfc3339(part.last)} cannot be corrected: "
            f"{part.reason}"
        )


def _cells(change: PeriodChange) -> list[str]:
    cells = []
    seconds = (change.span.end - change.span.start) / NS
    for name in ("load_energy", "emission"):
        cells += [_shown(sums.values.get(name), 1000.0) for sums in (change.before, change.after)]
    cells += [_shown(sums.intensity, 1.0) for sums in (change.before, change.after)]
    return [*cells, *(f"{sums.covered / seconds:.1%}" for sums in (change.before, change.after))]


def _shown(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:,.1f}"


def _as_json(
    correction: CorrectionConfig, changes: CorrectionPreview, text: str, *, written: bool, state: str
) -> dict[str, object]:
    def pair(before: float | None, after: float | None, unit: float = 1000.0) -> dict[str, float | None]:
        return {
            name: None if value is None else round(value / unit, 6)
            for name, value in (("before", before), ("after", after))
        }

    return {
        "correction": correction.as_json(),
        "periods": [
            {
                "period": change.span.name,
                "from": rfc3339(change.span.start),
                "to": rfc3339(change.span.end),
                **{
                    f"{name}_{'kg' if name == 'emission' else 'kwh'}": pair(
                        change.before.values.get(name), change.after.values.get(name)
                    )
                    for name in ("load_energy", "grid_import_energy", "grid_export_energy", "emission")
                },
                "emission_intensity_g_per_kwh": pair(change.before.intensity, change.after.intensity, 1.0),
                "coverage": pair(
                    change.before.covered, change.after.covered, (change.span.end - change.span.start) / NS
                ),
            }
            for change in changes.periods
        ],
        "changed": dict(changes.changed),
        "left_out": [
            {"instants": part.instants, "from": rfc3339(part.first), "to": rfc3339(part.last), "reason": part.reason}
            for part in changes.left_out
        ],
        "toml": text,
        "written": written,
        "applied": state or None,
    }


def _number(value: object) -> float:
    """Parse --factor."""
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    return correction_table.factor(number)


def _line(longest: int) -> Parser:
    return correction_table.one_line(longest)
