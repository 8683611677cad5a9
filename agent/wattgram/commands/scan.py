"""`wattgram scan`: options, and the devices found."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from wattgram_drivers.driver_errors import DriverError

from wattgram.base.clock import Clock

from .arguments import INTERRUPTED, UsageError, add_format, option_type
from .progress import Progress, print_stderr

EXAMPLE = "wattgram scan rtu:///dev/ttyUSB0 --units 1-20"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add URL, --units and --format."""
    parser.add_argument(
        "url",
        metavar="URL",
        help="tcp://HOST[:PORT], tcp://NETWORK[:PORT]/PREFIX, rtutcp://HOST:PORT or rtu://PATH; the scan "
        "tries each baud rate, parity and number of stop bits that the URL does not state",
    )
    parser.add_argument(
        "--units",
        type=option_type(_unit_range),
        metavar="A-B",
        help="Modbus addresses to scan (default: factory addresses of the catalogue; on a serial line all)",
    )
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Scan a host, a network or a serial line; print the devices found, also after Ctrl-C."""
    from . import device_scan, scan_output
    from .device_arguments import check_unit
    from .driver_advice import with_advice
    from .identify import catalogued

    devices, clock = catalogued(), Clock()
    try:
        target = device_scan.parse_target(options.url, devices.values())
    except ValueError as error:
        raise UsageError(str(error)) from error
    for unit in (options.units[0], options.units[-1]) if options.units else ():
        check_unit(unit, target.endpoints[0], option="--units")
    progress = Progress(sys.stderr, clock)
    rows = scan_output.FoundRows(target.endpoints)

    def show(row: device_scan.Row) -> None:
        progress.clear()
        print(rows.line(row), flush=True)

    as_json = options.format == "json"
    scan = device_scan.Scan(
        target, options.units, devices, clock, progress, show=scan_output.ignore if as_json else show
    )
    code = 0
    try:
        asyncio.run(scan.run())
    except KeyboardInterrupt:
        code = INTERRUPTED
    except DriverError as error:
        code = 1
        progress.print_line(f"wattgram scan: {with_advice(error)}")
    progress.clear()
    if as_json:
        print(json.dumps(scan_output.entries(scan.found)))
    elif scan.found:
        print(scan_output.summary(scan.found), end="")
    if not scan.found and code == 0:
        print_stderr(device_scan.advice(target, scan))
    return code


def _unit_range(value: object) -> range:
    """Parse unit addresses: A-B, or one address."""
    first, dash, last = str(value).partition("-")
    ends = (first, last if dash else first)
    if not all(end.isdecimal() for end in ends) or not 0 <= int(ends[0]) <= int(ends[1]) <= 255:
        raise ValueError(f"found {value!r}; allowed: A-B such as 1-20, or one unit, from 0 to 255")
    return range(int(ends[0]), int(ends[1]) + 1)
