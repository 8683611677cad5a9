"""`wattgram check`: options, and the poll plan and the findings as a table or JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import TYPE_CHECKING

from wattgram.base.clock import Clock
from wattgram.delivery.configuration import load
from wattgram.formats.tables import table

from .arguments import add_config, add_format
from .progress import print_stderr

if TYPE_CHECKING:
    from .site_check import CheckReport

EXAMPLE = "wattgram check -c site.toml --live"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --live and --format."""
    add_config(parser)
    parser.add_argument(
        "--live", action="store_true", help="read each device, connect to each sink, test values, signs and balance"
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Check a configuration, print the report; 1 when there are findings."""
    from . import live_check, site_check

    config = load(options.config)
    report = site_check.check_plan(config)
    if options.live:
        print_stderr(f"reading {len(config.devices)} devices on {len(report.buses)} buses, connecting to the sinks ...")
        asyncio.run(live_check.check_live(config, report, Clock()))
    print(_as_json(report) if options.format == "json" else _as_table(report))
    return 0 if report.ok else 1


def _as_json(report: CheckReport) -> str:
    buses = [{"url": bus.url, "busy_share": bus.busy_share, "requests": bus.requests} for bus in report.buses]
    return json.dumps({"ok": report.ok, "buses": buses, "findings": report.findings})


def _as_table(report: CheckReport) -> str:
    rows = [(bus.url, str(bus.requests), f"{bus.busy_share:.1%}", f"{bus.whole_share:.1%}") for bus in report.buses]
    head = ("bus", "requests a round", "predicted busy", "without slow_interval")
    columns = len(head) if any(busy != whole for _, _, busy, whole in rows) else len(head) - 1
    lines = [table(head[:columns], [row[:columns] for row in rows], right=(1, 2, 3)[: columns - 1])]
    if report.wiring:
        lines += ["", *report.wiring]
    if report.devices:
        lines += ["", table(("device", "role", "answer", "power"), report.devices, right=(3,))]
    lines.append("")
    lines += [f"note: {note}" for note in report.notes]
    lines += [f"finding: {finding}" for finding in report.findings]
    count = len(report.findings)
    lines.append("ok" if report.ok else f"not ok: {count} finding{'s' if count > 1 else ''}")
    return "\n".join(lines)
