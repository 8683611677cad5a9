"""`wattgram replay`: options, progress and the numbers of computed and changed results."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from wattgram.base.clock import NS, Clock
from wattgram.base.record import ALL_WINDOWS
from wattgram.base.units import rfc3339
from wattgram.delivery.configuration import load
from wattgram.formats.tables import table

from .arguments import add_config, add_format, add_period_ends, period_ends, several
from .progress import Progress, print_stderr

if TYPE_CHECKING:
    from .history_replay import ReplayOutcome

EXAMPLE = "wattgram replay -c site.toml --from 2026-11-01 --to 2026-11-30"

HOUR = 3600 * NS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --from, --to, --windows and --format."""
    add_config(parser)
    add_period_ends(parser)
    parser.add_argument(
        "--windows",
        type=several(ALL_WINDOWS),
        default=ALL_WINDOWS,
        metavar=",".join(ALL_WINDOWS),
        help="windows whose changed results are published again (default: all)",
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Compute results again and print how many of them changed; 1 when all instants of the period are left out."""
    from . import history_replay

    config, clock = load(options.config), Clock()
    since, until = period_ends(options, config.site.timezone)
    progress = Progress(sys.stderr, clock)
    begin, end = since or history_replay.first_stored(config), min(until or clock.time(), clock.time())
    progress.total = max(1, (end - begin) // HOUR)

    def show(current: str, reached: int) -> None:
        hours = max(0, min(progress.total, (reached - begin) // HOUR)) if reached else progress.total
        progress.step(current, hours - progress.done)

    try:
        outcome = asyncio.run(history_replay.recompute(config, since, until, options.windows, clock, show))
    finally:
        progress.clear()
    if options.format == "json":
        print(json.dumps({"from": rfc3339(outcome.since), "to": rfc3339(outcome.until), **outcome.as_json()}))
    else:
        _print_table(outcome, options.windows)
    return 1 if outcome.left_out and not outcome.asked else 0


def _print_table(outcome: ReplayOutcome, windows: tuple[str, ...]) -> None:
    rows = [(window, f"{outcome.computed[window]:,}", f"{outcome.changed[window]:,}") for window in windows]
    print(table(("window", "computed", "changed"), rows, right=(1, 2)))
    by = " by the running daemon" if outcome.daemon else ""
    print_stderr(f"{outcome.instants:,} instants, {outcome.samples:,} samples, in {outcome.seconds:.1f} s{by}")
    for part in outcome.left_out:
        print_stderr(
            f"{part.instants:,} instants from {rfc3339(part.first)} to {rfc3339(part.last)} are left out: "
            f"{part.reason}; their results stay as published"
        )
    for name, left in outcome.undelivered.items():
        print_stderr(f"{name} has not accepted {left:,} records yet; the next `wattgram run` delivers them")
