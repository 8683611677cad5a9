"""`wattgram export`: options, formats and progress of the export."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wattgram import __version__
from wattgram.base.clock import Clock
from wattgram.base.record import ALL_WINDOWS, STORED_KINDS
from wattgram.base.units import rfc3339
from wattgram.config.load import Config
from wattgram.delivery.configuration import load

from .arguments import UsageError, add_config, add_devices, add_period_ends, choice, period_ends, several
from .progress import Progress, print_stderr

if TYPE_CHECKING:
    from wattgram.reports.history_export import Form

EXAMPLE = "wattgram export -c site.toml --from 2026-11-01 --to 2026-11-30 --window 15m --output november.csv"

FORMATS = ("csv", "parquet", "lp")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --from, --to, --format, --kind, --device, --window, --all and --output."""
    add_config(parser)
    add_period_ends(parser)
    parser.add_argument(
        "--format",
        type=choice(FORMATS),
        default="csv",
        metavar="|".join(FORMATS),
        help="one row for each record, or InfluxDB's line protocol (default: csv)",
    )
    parser.add_argument(
        "--kind",
        type=several(STORED_KINDS),
        action="extend",
        default=[],
        metavar=",".join(STORED_KINDS),
        help="kinds of record (default: device and emission, or the kinds that --device and --window select)",
    )
    add_devices(parser, "only readings and events of these devices")
    parser.add_argument(
        "--window",
        type=several(ALL_WINDOWS),
        action="extend",
        default=[],
        metavar=",".join(ALL_WINDOWS),
        help="only results of these windows",
    )
    parser.add_argument(
        "--all", action="store_true", help="all stored revisions of each record (default: the valid one alone)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def run(options: argparse.Namespace) -> int:
    """Write stored records to a file or to stdout."""
    from wattgram.formats.output_file import output
    from wattgram.reports import history_export

    config, clock = load(options.config), Clock()
    since, until = period_ends(options, config.site.timezone)
    form, bar = _form(options, config), Progress(sys.stderr, clock)
    bar.total = 100

    def progress(first: int, time: int) -> None:
        end = min(until or clock.time(), clock.time())
        bar.step(rfc3339(time)[:16], min(100, 100 * (time - first) // max(1, end - first)) - bar.done)

    try:
        selection = history_export.ExportSelection.of(
            options.kind, options.device, options.window, revisions=options.all
        )
        count = history_export.export(config, selection, since, until, form, lambda: output(options.output), progress)
    except ValueError as error:
        raise UsageError(str(error)) from error
    finally:
        bar.clear()
    print_stderr(f"{count.records:,} records from {rfc3339(count.first)} to {rfc3339(count.last)}")
    if count.unwritten:
        print_stderr(f"{count.unwritten:,} of them have no field for line protocol, and are left out")
    if count.damaged:
        print_stderr(f"up to {count.damaged:,} more are left out: damaged, or overwritten during the export")
    return 0


def _form(options: argparse.Namespace, config: Config) -> Form:
    """Return the writer of the format. UsageError when the format needs a package or a file."""
    from wattgram.formats import csv_export
    from wattgram.reports import history_export

    if options.format == "lp":
        return history_export.as_lines
    if options.format == "csv":
        return partial(csv_export.write, zone=config.site.timezone)
    if options.output is None and sys.stdout.isatty():
        raise UsageError("found a terminal for --format parquet; allowed: --output FILE, or a pipe")
    try:
        from wattgram.formats import parquet_export
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--format parquet needs the package {error.name}, which is not installed; "
            f"install it with `{sys.executable} -m pip install arro3-io`"
        ) from error
    about = {"site": config.site.name, "timezone": config.site.timezone.key, "wattgram": __version__}
    return partial(parquet_export.write, about=about)
