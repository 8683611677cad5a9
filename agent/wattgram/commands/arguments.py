"""What the commands take: their options, with mistakes told in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wattgram import __version__
from wattgram.base import period, toml_table
from wattgram.base.record import EVERY, KINDS
from wattgram.config.load import LOOPBACK, ROLES
from wattgram.simulation import fault_options

NAMES = (
    "demo",
    "run",
    "check",
    "scan",
    "read",
    "drivers",
    "simulate",
    "report",
    "goals",
    "replay",
    "export",
    "top",
)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command, which is `name` among them; SystemExit after help (0) or a mistake (2)."""
    word = next((one for one in arguments if not one.startswith("-")), "")
    parser = _parser()
    if word and word not in NAMES:
        parser.error(f"found command {word!r}{toml_table.nearest(word, NAMES)}; allowed: {', '.join(NAMES)}")
    return parser.parse_args(arguments)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wattgram",
        description="Reads PV inverters and industrial meters over Modbus and computes the site's CO2 intensity.",
        epilog="example: wattgram demo --seconds 20",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wattgram {__version__}")
    commands = parser.add_subparsers(title="commands", dest="name", required=True, metavar="COMMAND")

    def command(name: str, does: str, example: str) -> argparse.ArgumentParser:
        one = commands.add_parser(
            name,
            help=does,
            description=does[0].upper() + does[1:] + ".",
            epilog=f"example: {example}",
            allow_abbrev=False,
        )
        one.add_argument("-v", "--verbose", action="store_true", help="log details to stderr")
        return one

    def results(one: argparse.ArgumentParser, *more: str) -> None:
        formats = ("table", "json", *more)
        checked = _option(toml_table.choice(formats))
        one.add_argument("--format", type=checked, default="table", metavar="|".join(formats), help="default: table")

    def configuration(one: argparse.ArgumentParser, *, required: bool = True) -> None:
        one.add_argument("-c", "--config", type=Path, required=required, metavar="FILE", help="the TOML configuration")

    demo = command(
        "demo",
        "a simulated factory, read by the real daemon, with the live page",
        "wattgram demo --seconds 20 --format json",
    )
    _demo_options(demo)
    results(demo)

    configuration(
        command(
            "run",
            "the daemon: reads, computes and publishes until it is told to end",
            "wattgram run -c /etc/wattgram/wattgram.toml",
        )
    )

    check = command("check", "validate a configuration and print its poll plan", "wattgram check -c site.toml --live")
    configuration(check)
    check.add_argument(
        "--live", action="store_true", help="read each device once, connect to each sink, test signs and balance"
    )
    results(check)

    scan = command(
        "scan",
        "find devices on a host, a network or a serial line; prints [[device]] blocks for the configuration",
        "wattgram scan rtu:///dev/ttyUSB0 --units 1-20",
    )
    _scan_options(scan)
    results(scan)

    read = command("read", "one reading of one device", "wattgram read tcp://10.1.1.20:502 --driver sunspec --unit 126")
    _read_options(read)
    results(read)

    _top_options(command("top", "devices, flows and sinks of a running gateway on the terminal", "wattgram top"))

    drivers = command("drivers", "the catalogue, or one register map", "wattgram drivers eastron_sdm630")
    drivers.add_argument("driver", nargs="?", metavar="NAME")
    results(drivers)

    simulate = command(
        "simulate",
        "serve the devices of a configuration, or one, from the site model",
        "wattgram simulate -c site.toml --fault roof:late=1.5 --fault garbled@10% --fault rebooting=30s@0.1%",
    )
    configuration(simulate, required=False)
    _unit(simulate)
    _simulate_options(simulate)

    report = command(
        "report",
        "energy and carbon ledger with coverage and provenance, from the stored history",
        "wattgram report -c site.toml --period 2026-11-01..2026-11-30 --format html > november.html",
    )
    configuration(report)
    _report_options(report)
    results(report, "csv", "html")

    goals = command(
        "goals",
        "every claim of the two articles with its indicator, target and state, from the stored history",
        "wattgram goals -c site.toml --explain A12",
    )
    configuration(goals)
    _goals_options(goals)
    results(goals, "csv", "html")

    replay = command(
        "replay",
        "compute results again from stored readings, with today's factors or grid values that came late",
        "wattgram replay -c site.toml --from 2026-11-01 --to 2026-11-30",
    )
    configuration(replay)
    _replay_options(replay)
    results(replay)

    export = command(
        "export",
        "readings and results out of the stored history as CSV, Parquet or line protocol",
        "wattgram export -c site.toml --from 2026-11-01 --to 2026-11-30 --window 15m --output november.csv",
    )
    configuration(export)
    _export_options(export)
    return parser


def _read_options(read: argparse.ArgumentParser) -> None:
    read.add_argument(
        "url", metavar="URL", help="tcp://HOST[:PORT], rtu://PATH?baudrate=N&parity=P or rtutcp://HOST:PORT"
    )
    read.add_argument("--driver", required=True, metavar="NAME", help="a name of `wattgram drivers`")
    _unit(read)
    read.add_argument("--raw", action="store_true", help="also the raw words")


def _report_options(report: argparse.ArgumentParser) -> None:
    report.add_argument(
        "--period",
        type=_option(period.asked),
        default=period.PeriodOption("day"),
        metavar="day|month|year|FROM..TO",
        help="a row for every stored day (default), month or year; or the days from FROM to TO: local dates, "
        "TO included, or times such as 2026-11-01T06:00:00Z",
    )


def _scan_options(scan: argparse.ArgumentParser) -> None:
    scan.add_argument(
        "url",
        metavar="URL",
        help="tcp://HOST[:PORT], tcp://NETWORK[:PORT]/PREFIX, rtutcp://HOST:PORT or rtu://PATH; baud rate, parity and "
        "stop bits that are not stated are tried",
    )
    scan.add_argument(
        "--units",
        type=_option(_span),
        metavar="A-B",
        help="Modbus addresses to ask (default: where devices stand as delivered; on a serial line all)",
    )


def _goals_options(goals: argparse.ArgumentParser) -> None:
    goals.add_argument(
        "--period",
        type=_option(period.asked),
        metavar="day|month|year|FROM..TO",
        help="the day, month or year that runs, or the days from FROM to TO as in `wattgram report` (default: what "
        "each claim is measured over)",
    )
    goals.add_argument(
        "--explain",
        type=_option(_claim),
        metavar="ID",
        help="one claim, such as A12, with all that is needed to compute it again by hand; as table or json",
    )


_FAULTS = """\
faults (the last five are of the whole bus, the others of one unit):
{listed}

SECONDS may be 1.5, 500ms, 30s or 5min. @SHARE, such as @10% or @0.1, strikes a part of the requests. busy, storm,
glitch, reset, rollover, half-open and rebooting come once, or again and again with a share.
"""


def _unit(one: argparse.ArgumentParser) -> None:
    one.add_argument("--unit", type=_whole(0, 255), metavar="N", help="Modbus address (default: the device's)")


def _simulate_options(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("driver", nargs="?", metavar="NAME", help="one device of the catalogue")
    simulate.add_argument("--listen", default="tcp://127.0.0.1:1502", metavar="URL", help="default: %(default)s")
    simulate.add_argument(
        "--role",
        type=_option(toml_table.choice(ROLES)),
        metavar="ROLE",
        help=f"what the one device measures: {', '.join(ROLES)} (default: by its kind)",
    )
    simulate.add_argument(
        "--speed", type=_number(0.1, 900.0), default=1.0, metavar="X", help="times real time (default: 1)"
    )
    simulate.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same series (default: 1)")
    simulate.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar=fault_options.SYNTAX,
        help="what one device or all of them do wrong, see below; may be given more than once",
    )
    simulate.formatter_class = argparse.RawDescriptionHelpFormatter
    simulate.epilog = _FAULTS.format(listed=fault_options.help_lines()) + f"\n{simulate.epilog}"


def _demo_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--seconds", type=_number(0.1, 1e9), metavar="N", help="end after so many seconds (default: at Ctrl-C)"
    )
    demo.add_argument(
        "--speed", type=_number(0.1, 900.0), default=20.0, metavar="X", help="times real time (default: 20)"
    )
    demo.add_argument(
        "--http",
        type=_option(_page),
        metavar="ADDR",
        help=f'live page, "" for none (default: {LOOPBACK}, or any free port when that is taken)',
    )


def _top_options(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "url",
        nargs="?",
        type=_option(_gateway),
        default=f"http://{LOOPBACK}",
        metavar="URL",
        help="of its live page (default: %(default)s)",
    )
    top.add_argument("--token-file", type=Path, metavar="PATH", help="a file that holds the token of [http]")


def _replay_options(replay: argparse.ArgumentParser) -> None:
    _ends(replay)
    replay.add_argument(
        "--windows",
        type=_option(_several(EVERY)),
        default=EVERY,
        metavar=",".join(EVERY),
        help="which results are told again where they changed (default: all)",
    )


def _export_options(export: argparse.ArgumentParser) -> None:
    _ends(export)
    formats = ("csv", "parquet", "lp")
    export.add_argument(
        "--format",
        type=_option(toml_table.choice(formats)),
        default="csv",
        metavar="|".join(formats),
        help="one row a record, or InfluxDB's line protocol (default: csv)",
    )
    export.add_argument(
        "--kind",
        type=_option(_several(KINDS)),
        action="extend",
        default=[],
        metavar=",".join(KINDS),
        help="which kinds of record (default: device and emission, or what --device and --window are of)",
    )
    export.add_argument(
        "--device",
        type=lambda text: text.split(","),
        action="extend",
        default=[],
        metavar="NAME,...",
        help="only readings and events of these devices",
    )
    export.add_argument(
        "--window",
        type=_option(_several(EVERY)),
        action="extend",
        default=[],
        metavar=",".join(EVERY),
        help="only results of these windows",
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def _ends(command: argparse.ArgumentParser) -> None:
    for option, dest, what in (("--from", "since", "all that is stored"), ("--to", "until", "now")):
        command.add_argument(
            option,
            dest=dest,
            type=_option(period.end),
            metavar="TIME",
            help=f"a local day, {'from its beginning' if dest == 'since' else 'to its end'}, or a time such as "
            f"2026-11-01T06:00:00Z (default: {what})",
        )


def _option(parser: toml_table.Parser) -> Callable[[str], Any]:
    """A parser of configuration values for the command line."""

    def typed(text: str) -> Any:
        try:
            return parser(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return typed


def _whole(low: int, high: int) -> Callable[[str], Any]:
    checked = toml_table.whole(low, high)
    return _option(lambda value: checked(int(str(value)) if str(value).isdecimal() else value))


def _number(low: float, high: float) -> Callable[[str], Any]:
    def parser(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"found {value!r}; allowed: a number from {low:g} to {high:g}")
        return number

    return _option(parser)


def _span(value: object) -> range:
    """Unit addresses: A-B, or one."""
    first, dash, last = str(value).partition("-")
    ends = (first, last if dash else first)
    if not all(end.isdecimal() for end in ends) or not 0 <= int(ends[0]) <= int(ends[1]) <= 255:
        raise ValueError(f"found {value!r}; allowed: A-B such as 1-20, or one unit, from 0 to 255")
    return range(int(ends[0]), int(ends[1]) + 1)


def _several(words: Sequence[str]) -> toml_table.Parser:
    """Some of the words, separated by commas, in their order."""

    def parser(value: object) -> tuple[str, ...]:
        names = [one.strip() for one in str(value).split(",")]
        for name in names:
            if name not in words:
                raise ValueError(f"found {name!r}{toml_table.nearest(name, words)}; allowed: {', '.join(words)}")
        return tuple(name for name in words if name in names)

    return parser


def _claim(value: object) -> str:
    """The id of a claim, in either case."""
    from wattgram.config.goals_table.claims import claims  # noqa: PLC0415 - the daemon need not carry them

    return str(toml_table.choice([one.id for one in claims()])(str(value).upper()))


def _page(value: object) -> str:
    listen = toml_table.listen(value)
    if listen and not listen.startswith(("127.", "localhost:", "[::1]:")):
        raise ValueError(f"found {value!r}; allowed: an address of this machine alone, such as {LOOPBACK}")
    return listen


def _gateway(value: object) -> str:
    toml_table.address({"http": 80, "https": 443})(value)
    return str(value)
