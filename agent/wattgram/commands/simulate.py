"""`wattgram simulate`: options of the simulated devices."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from wattgram_drivers.endpoint import Endpoint

from wattgram.base.clock import Clock
from wattgram.base.power_roles import ROLES
from wattgram.base.units import rfc3339
from wattgram.delivery.configuration import load
from wattgram.simulation import fault_options

from .arguments import INTERRUPTED, UsageError, add_config, add_history, add_plant, add_unit, choice, number
from .device_arguments import check_unit, load_device, parse_endpoint
from .progress import Progress, print_stderr

if TYPE_CHECKING:
    from wattgram.simulation.factory import Factory
    from wattgram.simulation.machines import SitePart
    from wattgram.simulation.plants import SimulatedPlant

EXAMPLE = "wattgram simulate -c site.toml --fault roof:late=1.5 --fault garbled@10% --fault rebooting=30s@0.1%"

FAULTS = """\
faults (the last five apply to the whole bus, the others to one unit):
{listed}

SECONDS may be 1.5, 500ms, 30s or 5min. With @SHARE, such as @10% or @0.1, this share of the requests has the fault.
busy, storm, glitch, reset, rollover, half-open and rebooting occur once; with a share, they occur repeatedly.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, NAME or --plant with its options, --speed, --seed and --fault; the help ends with the list of faults."""
    add_config(parser, required=False)
    add_unit(parser)
    parser.add_argument("driver", nargs="?", metavar="NAME", help="one device of the catalogue")
    add_plant(parser, default=None)
    parser.add_argument(
        "--listen",
        default="tcp://127.0.0.1:1502",
        metavar="URL",
        help="address of the device, or first address of the plant, whose gateways have the ports from here on "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--role",
        type=choice(ROLES),
        metavar="ROLE",
        help=f"role of the device NAME: {', '.join(ROLES)} (default: by its kind)",
    )
    parser.add_argument(
        "--speed",
        type=number(0.1, 900.0),
        default=1.0,
        metavar="X",
        help="speed, as a multiple of real time (default: 1)",
    )
    add_history(
        parser, "with -c: write so much simulated history, such as 1y or 60d, to the new spool of FILE, and end"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same series (default: 1)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar=fault_options.SYNTAX,
        help="fault of one device or of all devices, see below; may be repeated",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = FAULTS.format(listed=fault_options.help_lines()) + f"\n{parser.epilog}"


def run(options: argparse.Namespace) -> int:
    """Serve simulated devices until SIGTERM or SIGINT. The configuration that fits a plant is printed on stdout."""
    from wattgram.daemon.daemon import stop_on_signals
    from wattgram.simulation import simulated_devices
    from wattgram.simulation.plants import TIMEZONE, plant

    from .simulated_past import factory_of

    given = [choice for choice in (options.driver, options.config, options.plant) if choice is not None]
    if len(given) != 1:
        found = ("neither", "", "both", "all three")[len(given)]
        raise UsageError(
            f"found {found}; allowed: either NAME, one device of `wattgram drivers`, or -c FILE, or --plant NAME"
        )
    if options.history is not None:
        return _write_history(options)
    site: SimulatedPlant | None = None
    make_factory: Callable[[Sequence[SitePart], int], Factory] | None = None
    try:
        if options.config:
            config = load(options.config)
            devices = simulated_devices.of_config(config, options.fault)
            make_factory = partial(factory_of, config, seed=options.seed, step=1)
        elif options.plant:
            site = plant(options.plant)
            devices = simulated_devices.of_plant(site, parse_endpoint(options.listen, listen=True), options.fault)
        else:
            device, place = load_device(options.driver), parse_endpoint(options.listen, listen=True)
            unit = check_unit(options.unit, place)
            devices = simulated_devices.of_driver(options.driver, device, place, unit, options.role, options.fault)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def started(endpoints: Mapping[str, Endpoint]) -> None:
        for line in simulated_devices.places(devices, endpoints):
            print_stderr(line)
        if site:
            today = datetime.now(ZoneInfo(TIMEZONE)).date()
            print(site.configuration(endpoints, today), end="", flush=True)

    async def simulate() -> int:
        stop = stop_on_signals()
        await simulated_devices.serve(stop, devices, options.speed, options.seed, started, make_factory)
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(simulate())


def _write_history(options: argparse.Namespace) -> int:
    """Write the simulated history of a configuration."""
    from wattgram.simulation import simulated_devices

    from .past_files import create_past

    if not options.config:
        raise UsageError("found --history without -c; allowed: with -c FILE, whose spool gets the history")
    if not options.history:
        raise UsageError("found --history of no days; allowed: at least 1d")
    config, clock = load(options.config), Clock()
    progress = Progress(sys.stderr, clock)
    progress.total = round(options.history)
    parts = [served.part for served in simulated_devices.of_config(config, ())]
    try:
        period = asyncio.run(create_past(config, parts, clock.time(), options.history, options.seed, progress))
    finally:
        progress.clear()
    print_stderr(
        f"{config.spool.path}: simulated history from {rfc3339(period.begin)} to {rfc3339(period.end)}; "
        f"`wattgram report -c {options.config}` reads it"
    )
    return 0
