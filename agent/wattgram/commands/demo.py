"""`wattgram demo`: options and summary of the demonstration."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattgram.base.toml_table import listen
from wattgram.config.http_table import LOOPBACK
from wattgram.formats.tables import table
from wattgram.simulation.plant_names import STANDARD

from .arguments import INTERRUPTED, YEAR, add_format, add_history, add_plant, number, option_type
from .progress import print_stderr

if TYPE_CHECKING:
    from .demonstration import DemoSummary

EXAMPLE = "wattgram demo --plant hybrid --seconds 20 --format json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the demonstration."""
    add_plant(parser, default=STANDARD)
    parser.add_argument(
        "--seconds", type=number(0.1, 1e9), metavar="N", help="end after N seconds (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--speed",
        type=number(0.1, 900.0),
        default=20.0,
        metavar="X",
        help="speed, as a multiple of real time (default: 20)",
    )
    parser.add_argument(
        "--http",
        type=option_type(_page_address),
        metavar="ADDR",
        help=f'address of the live page, "" for none (default: {LOOPBACK}, or any free port if that is in use)',
    )
    add_history(
        parser,
        "days of simulated history before the start, such as 1y or 60d, 0d for none (default: 1y, with --seconds none)",
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Run the demonstration and print its summary."""
    from wattgram.daemon.daemon import stop_on_signals
    from wattgram.simulation.plants import plant

    from .demonstration import DemoHistory, demonstrate, page_address, start_time

    http = page_address(options.http, LOOPBACK)
    days = options.history if options.history is not None else 0.0 if options.seconds else YEAR

    async def demo() -> int:
        stop = stop_on_signals()
        page_at = asyncio.get_running_loop().create_future()
        page_at.add_done_callback(lambda address: _announce(address.result(), http, options))
        summary = await demonstrate(
            stop,
            plant(options.plant),
            start=start_time(datetime.now(UTC)),
            speed=options.speed,
            seconds=options.seconds,
            http=http,
            page_at=page_at,
            history=DemoHistory(days, print_stderr) if days else None,
        )
        print(json.dumps(asdict(summary)) if options.format == "json" else _as_table(summary))
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(demo())


def _page_address(value: object) -> str:
    address = listen(value)
    if address and not address.startswith(("127.", "localhost:", "[::1]:")):
        raise ValueError(f"found {value!r}; allowed: a loopback address, such as {LOOPBACK}")
    return address


def _announce(address: str, requested: str, options: argparse.Namespace) -> None:
    page = f"live page: {address}" if address else "no live page"
    if options.http is None and requested != LOOPBACK:
        page += f" ({LOOPBACK} is in use)"
    end = f"ends after {options.seconds:g} s" if options.seconds else "Ctrl-C ends it"
    print_stderr(f"simulated factory at {options.speed:g} times real time; {page}; {end}")


def _as_table(summary: DemoSummary) -> str:
    error, intensity = summary.balance_error, summary.emission_intensity
    rows = [
        ("readings", f"{summary.readings:,}"),
        ("records", f"{summary.records:,}"),
        ("delivered to the embedded store", f"{summary.delivered:,}"),
        ("lost", f"{summary.lost:,}"),
        ("energy balance error", "-" if error is None else f"{error:.4%}"),
        ("emission intensity", "-" if intensity is None else f"{intensity:.1f} g/kWh"),
    ]
    return table(("summary", ""), rows, right=(1,))
