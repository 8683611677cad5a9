"""The commands."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from wattgram_drivers import catalogue, sunspec
from wattgram_drivers.device import Device
from wattgram_drivers.endpoint import Endpoint, parse
from wattgram_drivers.errors import DriverError, MapError
from wattgram_drivers.quantity import QUANTITIES

from . import __version__
from .clock import Clock
from .config import load
from .errors import ConfigError, SpoolError
from .parse import nearest
from .tables import table
from .units import rfc3339

LATER = {
    "scan": "finds devices on a host, a network or a serial line",
    "report": "energy and carbon ledger with coverage and provenance",
    "goals": "the claims of the two articles with their state",
    "replay": "recomputes results from stored readings",
    "export": "raw and computed series as CSV, Parquet or line protocol",
}
"""Commands of the contract that this version does not have yet."""

INTERRUPTED = 130


class UsageError(Exception):
    """A command was called wrongly; the message says what was found and what is allowed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname).1s %(message)s",
        stream=sys.stderr,
    )
    try:
        code: int = options.command(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (UsageError, MapError) as error:
        print(f"wattgram {options.name}: {error}", file=sys.stderr)
        return 2
    except (DriverError, SpoolError, OSError) as error:
        print(f"wattgram {options.name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wattgram",
        description="Reads PV inverters and industrial meters over Modbus and computes the site's CO2 intensity.",
        epilog="example: wattgram demo --seconds 20",
    )
    parser.add_argument("--version", action="version", version=f"wattgram {__version__}")
    commands = parser.add_subparsers(title="commands", dest="name", required=True, metavar="COMMAND")

    def command(
        name: str, function: Callable[[argparse.Namespace], int], does: str, example: str
    ) -> argparse.ArgumentParser:
        one = commands.add_parser(
            name, help=does, description=does[0].upper() + does[1:] + ".", epilog=f"example: {example}"
        )
        one.add_argument("-v", "--verbose", action="store_true", help="log details to stderr")
        one.set_defaults(command=function)
        return one

    def results(one: argparse.ArgumentParser) -> None:
        one.add_argument("--format", choices=("table", "json"), default="table", help="default: table")

    def configuration(one: argparse.ArgumentParser, *, required: bool = True) -> None:
        one.add_argument("-c", "--config", type=Path, required=required, metavar="FILE", help="the TOML configuration")

    demo = command("demo", _demo, "a simulated factory, read by the real daemon, with the live page",
                   "wattgram demo --seconds 20 --format json")
    demo.add_argument("--seconds", type=_positive, metavar="N", help="end after so many seconds (default: at Ctrl-C)")
    demo.add_argument("--speed", type=_positive, default=60.0, metavar="X", help="times real time (default: 60)")
    demo.add_argument("--http", default="127.0.0.1:8380", metavar="ADDR",
                      help='live page, "" for none (default: %(default)s)')
    results(demo)

    run = command("run", _run, "the daemon", "wattgram run -c /etc/wattgram/wattgram.toml")
    configuration(run)

    check = command("check", _check, "validate a configuration and print its poll plan",
                    "wattgram check -c site.toml --live")
    configuration(check)
    check.add_argument("--live", action="store_true",
                       help="read each device once, connect to each sink, test signs and balance")
    results(check)

    read = command("read", _read, "one reading of one device",
                   "wattgram read tcp://10.1.1.20:502 --driver sunspec --unit 126")
    read.add_argument("url", metavar="URL", help="tcp://HOST[:PORT], rtu://PATH?baudrate=N&parity=P or rtutcp://HOST:PORT")
    read.add_argument("--driver", required=True, metavar="NAME", help="a name of `wattgram drivers`")
    read.add_argument("--unit", type=int, metavar="N", help="Modbus address (default: the device's)")
    read.add_argument("--raw", action="store_true", help="also the raw words")
    results(read)

    drivers = command("drivers", _drivers, "the catalogue, or one register map", "wattgram drivers eastron_sdm630")
    drivers.add_argument("driver", nargs="?", metavar="NAME")
    results(drivers)

    simulate = command("simulate", _simulate, "serve the devices of a configuration, or one, from the site model",
                       "wattgram simulate eastron_sdm630 --listen tcp://127.0.0.1:1502")
    simulate.add_argument("driver", nargs="?", metavar="NAME", help="one device of the catalogue")
    configuration(simulate, required=False)
    simulate.add_argument("--listen", default="tcp://127.0.0.1:1502", metavar="URL", help="default: %(default)s")
    simulate.add_argument("--unit", type=int, metavar="N", help="Modbus address (default: the device's)")
    simulate.add_argument("--role", metavar="ROLE", help="what the one device measures (default: by its kind)")
    simulate.add_argument("--speed", type=_positive, default=1.0, metavar="X", help="times real time (default: 1)")
    simulate.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same series (default: 1)")
    simulate.add_argument("--fault", action="append", default=[], metavar="[DEVICE:]FAULT",
                          help="silent, late=SECONDS, exception=CODE or sleeping; may be given more than once")

    for name, does in LATER.items():
        later = command(name, _later, f"{does} (not in this version yet)", f"wattgram {name} --help")
        later.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a number above 0")
    return number


def _later(options: argparse.Namespace) -> int:
    print(f"wattgram {options.name}: not in this version yet; it will be: {LATER[options.name]}", file=sys.stderr)
    return 1


def _demo(options: argparse.Namespace) -> int:
    from .demo import demonstrate, start_time  # noqa: PLC0415 - the simulator's server is heavy and only needed here

    async def demo() -> int:
        from .daemon import stop_on_signals  # noqa: PLC0415

        stop = stop_on_signals()
        page_at = asyncio.get_running_loop().create_future()
        page_at.add_done_callback(lambda told: _announce(told.result(), options))
        summary = await demonstrate(
            stop,
            start=start_time(datetime.now(UTC)),
            speed=options.speed,
            seconds=options.seconds,
            http=options.http,
            page_at=page_at,
        )
        if options.format == "json":
            print(json.dumps(asdict(summary)))
        else:
            intensity = summary.emission_intensity
            rows = [
                ("readings", f"{summary.readings:,}"),
                ("records", f"{summary.records:,}"),
                ("delivered to the embedded store", f"{summary.delivered:,}"),
                ("lost", f"{summary.lost:,}"),
                ("energy balance error", f"{100 * summary.balance_error:.4f} %"),
                ("emission intensity", "-" if intensity is None else f"{intensity:.1f} g/kWh"),
            ]
            print(table(("demo", ""), rows, right=(1,)))
        return 0

    return asyncio.run(demo())


def _announce(address: str, options: argparse.Namespace) -> None:
    page = f"live page: {address}" if address else "no live page"
    end = f"ends after {options.seconds:g} s" if options.seconds else "Ctrl-C ends it"
    print(f"simulated factory at {options.speed:g} times real time; {page}; {end}", file=sys.stderr, flush=True)


def _run(options: argparse.Namespace) -> int:
    config = load(options.config)

    async def run() -> None:
        from . import daemon  # noqa: PLC0415 - commands that only look something up start without it

        stop = daemon.stop_on_signals()
        async with daemon.assembled(config, Clock(), seed=time.time_ns()) as parts:
            await daemon.run(parts, stop)

    asyncio.run(run())
    return 0


def _check(options: argparse.Namespace) -> int:
    from . import check  # noqa: PLC0415

    config = load(options.config)
    report = check.planned(config)
    if options.live:
        asyncio.run(check.live(config, report, Clock()))
    if options.format == "json":
        buses = [asdict(bus) for bus in report.buses]
        print(json.dumps({"ok": report.ok, "buses": buses, "findings": report.findings}))
    else:
        rows = [(bus.url, str(bus.requests), f"{bus.busy_share:.1%}") for bus in report.buses]
        print(table(("bus", "requests a round", "predicted busy"), rows, right=(1, 2)))
        for note in report.notes:
            print(f"note: {note}")
        for finding in report.findings:
            print(f"finding: {finding}")
        print("ok" if report.ok else f"{len(report.findings)} findings")
    return 0 if report.ok else 1


def _read(options: argparse.Namespace) -> int:
    from .look import look  # noqa: PLC0415

    device = _device(options.driver)
    looked = asyncio.run(look(_endpoint(options.url), device, options.unit, Clock()))
    if options.format == "json":
        values = {one.quantity: one.value for one in looked.values if isfinite(one.value)}
        answer: dict[str, object] = {
            "time": rfc3339(looked.time), "driver": options.driver, "quality": "good", "values": values,
        }
        if options.raw:
            answer["raw"] = {one.quantity: one.words for one in looked.values}
        print(json.dumps(answer))
        return 0
    head = ["quantity", "value", "unit", "register", *(["raw words"] if options.raw else [])]
    rows = [
        [
            one.quantity,
            f"{one.value:.10g}" if isfinite(one.value) else "-",
            QUANTITIES[one.quantity].unit,
            f"{one.table} {one.address}",
            *([" ".join(one.words) or "not answered"] if options.raw else []),
        ]
        for one in looked.values
    ]
    print(f"{looked.vendor} {looked.model}, {rfc3339(looked.time)}", file=sys.stderr)
    print(table(head, rows, right=(1,)))
    return 0


def _drivers(options: argparse.Namespace) -> int:
    if options.driver is not None:
        return _one_driver(options)
    entries = [_entry(name) for name in catalogue.names()]
    if options.format == "json":
        print(json.dumps(entries))
    else:
        rows = [
            (str(one["name"]), str(one["vendor"]), str(one["model"]), str(len(_listed(one["quantities"]))),
             " ".join(_listed(one["transports"])))
            for one in entries
        ]
        print(table(("name", "vendor", "model", "quantities", "transports"), rows, right=(3,)))
    return 0


def _one_driver(options: argparse.Namespace) -> int:
    device = _device(options.driver)
    if options.format == "json":
        print(json.dumps(_entry(options.driver)))
    elif device is None:
        print("sunspec: asks the device itself; it may offer\n")
        offered = [(name, QUANTITIES[name].unit, QUANTITIES[name].meaning) for name in sunspec.quantities()]
        print(table(("quantity", "unit", "meaning"), offered))
    else:
        print(f"{device.vendor} {device.model}\nsource: {device.source}\n")
        rows = [
            (one.quantity, QUANTITIES[one.quantity].unit, f"{one.table} {one.address}", one.type, one.word_order,
             str(float(one.scale)), one.note)
            for one in device.registers
        ]
        print(table(("quantity", "unit", "register", "type", "words", "scale", "note"), rows, right=(5,)))
    return 0


def _entry(name: str) -> dict[str, object]:
    device = _device(name)
    if device is None:
        return {
            "name": name, "vendor": "any", "model": "SunSpec", "quantities": list(sunspec.quantities()),
            "transports": ["tcp", "rtu", "rtutcp"],
        }
    return {
        "name": name, "vendor": device.vendor, "model": device.model, "quantities": list(device.quantities),
        "transports": list(device.transports),
    }


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _simulate(options: argparse.Namespace) -> int:
    from . import standing  # noqa: PLC0415

    if (options.driver is None) == (options.config is None):
        raise UsageError("found both or neither; allowed: a driver's NAME or -c FILE")
    try:
        stands = (
            standing.of_config(load(options.config), options.fault)
            if options.config
            else standing.of_driver(
                options.driver, _device(options.driver), _endpoint(options.listen, listen=True), options.unit,
                options.role, options.fault,
            )
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    asyncio.run(standing.serve(stands, options.speed, options.seed, _say))
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _device(name: str) -> Device | None:
    names = catalogue.names()
    if name not in names:
        raise UsageError(f"found driver {name!r}{nearest(name, names)}; allowed: a name of `wattgram drivers`")
    return None if name == catalogue.SUNSPEC else catalogue.load(name)


def _endpoint(url: str, *, listen: bool = False) -> Endpoint:
    try:
        return parse(url, listen=listen)
    except ValueError as error:
        raise UsageError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
