"""The commands."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from wattgram_drivers import catalogue, endpoint, pages
from wattgram_drivers.device import Device
from wattgram_drivers.driver_errors import DriverError, MapError
from wattgram_drivers.endpoint import Endpoint
from wattgram_drivers.quantity import QUANTITIES
from wattgram_drivers.sunspec import walk

from . import __version__
from .base.clock import NS, Clock
from .base.errors import ConfigError, HistoryError, SpoolError
from .base.period import PeriodOption
from .base.toml_table import nearest
from .base.units import rfc3339
from .commands.arguments import parsed
from .config.load import LOOPBACK, Config, load
from .formats.tables import table

if TYPE_CHECKING:
    from .reports import history_export

INTERRUPTED = 130
HOUR = 3600 * NS


class UsageError(Exception):
    """A command was called wrongly; the message says what was found and what is allowed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    try:
        code = _command(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the results has seen enough; the interpreter's own flush at the end must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _command(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname).1s %(message)s",
        stream=sys.stderr,
    )
    try:
        return COMMANDS[options.name](options)
    except BrokenPipeError:
        raise
    except ConfigError as error:
        _say(str(error))
        return 2
    except (UsageError, MapError) as error:
        _say(f"wattgram {options.name}: {error}")
        return 2
    except (DriverError, SpoolError, HistoryError, OSError) as error:
        _say(f"wattgram {options.name}: {getattr(error, 'strerror', None) or error}")
        return 1


def _demo(options: argparse.Namespace) -> int:
    from .commands.demo import demonstrate, page_address, start_time
    from .daemon.daemon import stop_on_signals

    http = page_address(options.http, LOOPBACK)

    async def demo() -> int:
        stop = stop_on_signals()
        page_at = asyncio.get_running_loop().create_future()
        page_at.add_done_callback(lambda told: _announce(told.result(), http, options))
        summary = await demonstrate(
            stop,
            start=start_time(datetime.now(UTC)),
            speed=options.speed,
            seconds=options.seconds,
            http=http,
            page_at=page_at,
        )
        if options.format == "json":
            print(json.dumps(asdict(summary)))
        else:
            error, intensity = summary.balance_error, summary.emission_intensity
            rows = [
                ("readings", f"{summary.readings:,}"),
                ("records", f"{summary.records:,}"),
                ("delivered to the embedded store", f"{summary.delivered:,}"),
                ("lost", f"{summary.lost:,}"),
                ("energy balance error", "-" if error is None else f"{error:.4%}"),
                ("emission intensity", "-" if intensity is None else f"{intensity:.1f} g/kWh"),
            ]
            print(table(("summary", ""), rows, right=(1,)))
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(demo())


def _announce(address: str, asked: str, options: argparse.Namespace) -> None:
    page = f"live page: {address}" if address else "no live page"
    if options.http is None and asked != LOOPBACK:
        page += f" ({LOOPBACK} is taken)"
    end = f"ends after {options.seconds:g} s" if options.seconds else "Ctrl-C ends it"
    _say(f"simulated factory at {options.speed:g} times real time; {page}; {end}")


def _run(options: argparse.Namespace) -> int:
    config = load(options.config)
    # systemd's watchdog ends what hangs by SIGABRT: what it was at goes to the journal.
    faulthandler.enable()

    async def run() -> int:
        from .base.notify import Supervisor
        from .daemon import daemon
        from .daemon.process_setup import begin, prepare
        from .timekeeping.kernel_clock import KernelClock

        begin()
        stop = daemon.stop_on_signals()
        with contextlib.closing(Supervisor.found(os.environ, os.getpid())) as supervisor:
            async with daemon.assembled(config, Clock(), time.time_ns(), supervisor, KernelClock()) as parts:
                prepare()
                await daemon.run(parts, stop)
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(run())


def _check(options: argparse.Namespace) -> int:
    from .commands import check

    config = load(options.config)
    site_report = check.planned(config)
    if options.live:
        _say(f"reading {len(config.devices)} devices on {len(site_report.buses)} buses, connecting to the sinks ...")
        asyncio.run(check.live(config, site_report, Clock()))
    if options.format == "json":
        buses = [{"url": bus.url, "busy_share": bus.busy_share, "requests": bus.requests} for bus in site_report.buses]
        print(json.dumps({"ok": site_report.ok, "buses": buses, "findings": site_report.findings}))
    else:
        rows = [
            (bus.url, str(bus.requests), f"{bus.busy_share:.1%}", f"{bus.whole_share:.1%}") for bus in site_report.buses
        ]
        head = ("bus", "requests a round", "predicted busy", "without slow_interval")
        columns = len(head) if any(busy != whole for _, _, busy, whole in rows) else len(head) - 1
        print(table(head[:columns], [row[:columns] for row in rows], right=(1, 2, 3)[: columns - 1]))
        if site_report.devices:
            print(f"\n{table(('device', 'role', 'answer', 'power'), site_report.devices, right=(3,))}")
        print()
        for note in site_report.notes:
            print(f"note: {note}")
        for finding in site_report.findings:
            print(f"finding: {finding}")
        count = len(site_report.findings)
        print("ok" if site_report.ok else f"not ok: {count} finding{'s' if count > 1 else ''}")
    return 0 if site_report.ok else 1


def _scan(options: argparse.Namespace) -> int:
    from .commands import scan, scan_output
    from .commands.identify import catalogued
    from .commands.progress import Progress
    from .commands.read import advised

    devices, clock = catalogued(), Clock()
    try:
        goal = scan.goal(options.url, devices.values())
    except ValueError as error:
        raise UsageError(str(error)) from error
    for unit in (options.units[0], options.units[-1]) if options.units else ():
        _unit(unit, goal.endpoints[0], option="--units")
    progress = Progress(sys.stderr, clock)
    walked = scan.Scan(goal, options.units, devices, clock, progress)
    code = 0
    try:
        asyncio.run(walked.run())
    except KeyboardInterrupt:
        code = INTERRUPTED
    except DriverError as error:
        code = 1
        progress.say(f"wattgram scan: {advised(error)}")
    progress.clear()
    if options.format == "json":
        print(json.dumps(scan_output.entries(walked.found)))
    elif walked.found:
        print(scan_output.listing(walked.found))
    if not walked.found and code == 0:
        _say(scan.advice(goal, walked))
    return code


def _read(options: argparse.Namespace) -> int:
    from .commands.read import advised, look

    device = _device(options.driver)
    place = _endpoint(options.url)
    try:
        looked = asyncio.run(look(place, device, _unit(options.unit, place), Clock(), options.driver))
    except DriverError as error:
        print(f"wattgram read: {advised(error)}", file=sys.stderr)
        return 1
    if options.format == "json":
        values = {one.quantity: one.value for one in looked.values if isfinite(one.value)}
        answer: dict[str, object] = {
            "time": rfc3339(looked.time),
            "driver": options.driver,
            "quality": "good",
            "values": values,
        }
        if options.raw:
            answer["raw"] = {one.quantity: one.words for one in looked.values}
        print(json.dumps(answer))
        return 0
    head = ["quantity", "value", "unit", "register", *(["raw words"] if options.raw else [])]
    rows = [
        [
            one.quantity,
            _plain(one.value, one.digits),
            QUANTITIES[one.quantity].unit,
            f"{one.table} {one.address}",
            *([" ".join(one.words) or "refused by the device"] if options.raw else []),
        ]
        for one in looked.values
    ]
    _say(f"{looked.vendor} {looked.model}, {rfc3339(looked.time)}")
    print(table(head, rows, right=(1,)))
    return 0


def _plain(value: float, digits: int) -> str:
    """A number as people write it, without exponent; "-" where the device says that there is none."""
    return format(Decimal(f"{value:.{digits}g}"), "f") if isfinite(value) else "-"


def _drivers(options: argparse.Namespace) -> int:
    if options.driver is not None:
        return _one_driver(options)
    entries = [_entry(name) for name in catalogue.names()]
    if options.format == "json":
        print(json.dumps(entries))
    else:
        rows = [
            (
                str(one["name"]),
                str(one["vendor"]),
                str(one["model"]),
                str(len(_listed(one["quantities"]))),
                " ".join(_listed(one["transports"])),
            )
            for one in entries
        ]
        print(table(("name", "vendor", "model", "quantities", "transports"), rows, right=(3,)))
    return 0


def _one_driver(options: argparse.Namespace) -> int:
    _device(options.driver)  # a name that is not in the catalogue gets the nearest one
    if options.format == "json":
        print(json.dumps([_entry(options.driver)]))
    else:
        print(pages.page(options.driver), end="")
    return 0


def _entry(name: str) -> dict[str, object]:
    device = _device(name)
    if device is None:
        return {
            "name": name,
            "vendor": "any",
            "model": "SunSpec",
            "quantities": list(walk.quantities()),
            "transports": ["tcp", "rtu", "rtutcp"],
        }
    return {
        "name": name,
        "vendor": device.vendor,
        "model": device.model,
        "quantities": list(device.quantities),
        "transports": list(device.transports),
    }


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _simulate(options: argparse.Namespace) -> int:
    from .daemon.daemon import stop_on_signals
    from .simulation import simulated_devices

    if (options.driver is None) == (options.config is None):
        found = "neither" if options.config is None else "both"
        raise UsageError(f"found {found}; allowed: either NAME, one device of `wattgram drivers`, or -c FILE")
    try:
        if options.config:
            stands = simulated_devices.of_config(load(options.config), options.fault)
        else:
            device, place = _device(options.driver), _endpoint(options.listen, listen=True)
            unit = _unit(options.unit, place)
            stands = simulated_devices.of_driver(options.driver, device, place, unit, options.role, options.fault)
    except ValueError as error:
        raise UsageError(str(error)) from error

    async def simulate() -> int:
        stop = stop_on_signals()
        await simulated_devices.serve(stop, stands, options.speed, options.seed, _say)
        return INTERRUPTED if stop.interrupted else 0

    return asyncio.run(simulate())


def _goals(options: argparse.Namespace) -> int:
    from .goals.cards import explain, html, text
    from .goals.cards.about import about
    from .goals.evaluate import evaluate

    if options.explain and options.format not in ("table", "json"):
        raise UsageError(f"found --explain with --format {options.format}; allowed with it: table, json")
    config, now = load(options.config), Clock().time()
    if options.period:
        _checked(options.period, config)
    cards = evaluate(config, options.period, now)
    if options.explain:
        card = next(one for one in cards if one.claim.id == options.explain)
        shown = explain.as_json if options.format == "json" else explain.explain
        print(shown(card, about(config, now)))
    elif options.format == "csv":
        print(text.as_csv(cards), end="")
    elif options.format == "json":
        print(text.as_json(cards))
    elif options.format == "html":
        print(html.page(cards, about(config, now)), end="")
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else text.TABLE_WIDTH
        print(text.as_table(cards, colour=terminal and not os.environ.get("NO_COLOR"), width=width))
    return 0


def _checked(period: PeriodOption, config: Config) -> None:
    try:
        period.bounds(config.site.timezone)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _report(options: argparse.Namespace) -> int:
    from .reports import report_html, site_report

    config = load(options.config)
    _checked(options.period, config)
    made = site_report.report(config, options.period, Clock().time())
    if options.format == "csv":
        print(site_report.as_csv(made), end="")
    elif options.format == "json":
        print(site_report.as_json(made))
    elif options.format == "html":
        print(report_html.page(made), end="")
    else:
        print(site_report.as_table(made))
    return 0


def _replay(options: argparse.Namespace) -> int:
    from .commands import replay
    from .commands.progress import Progress

    config, clock = load(options.config), Clock()
    since, until = _ends(options, config)
    bar = Progress(sys.stderr, clock)
    begin, end = since or replay.stored(config), min(until or clock.time(), clock.time())
    bar.total = max(1, (end - begin) // HOUR)

    def progress(what: str, reached: int) -> None:
        hours = max(0, min(bar.total, (reached - begin) // HOUR)) if reached else bar.total
        bar.step(what, hours - bar.done)

    try:
        outcome = asyncio.run(replay.recompute(config, since, until, options.windows, clock, progress))
    finally:
        bar.clear()
    if options.format == "json":
        print(json.dumps({"from": rfc3339(outcome.since), "to": rfc3339(outcome.until), **outcome.as_json()}))
        return 0
    changed = [(one, f"{outcome.computed[one]:,}", f"{outcome.changed[one]:,}") for one in options.windows]
    print(table(("window", "computed", "changed"), changed, right=(1, 2)))
    by = " by the running daemon" if outcome.daemon else ""
    _say(f"{outcome.instants:,} instants, {outcome.samples:,} samples, in {outcome.seconds:.1f} s{by}")
    for name, left in outcome.undelivered.items():
        _say(f"{name} has not taken {left:,} records yet; the next `wattgram run` brings them")
    return 0


def _top(options: argparse.Namespace) -> int:
    try:
        from rich.console import Console

        from .commands.top import watch
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: pip install 'wattgram[top]'") from error
    from .commands.state_stream import states

    console = Console()
    if not console.is_terminal:
        raise UsageError("the output is no terminal; allowed: one, or ask /api/now instead")
    token = options.token_file.read_text(encoding="utf-8").strip() if options.token_file else None
    watch(states(options.url, token, lambda: time.sleep(2.0)), options.url, console)
    return 0


def _ends(options: argparse.Namespace, config: Config) -> tuple[int | None, int | None]:
    """--from and --to in UTC ns."""
    from .base.period import instant

    zone = config.site.timezone
    since = None if options.since is None else instant(options.since, zone)
    until = None if options.until is None else instant(options.until, zone, last=True)
    if since is not None and until is not None and until <= since:
        raise UsageError(f"found --from {options.since} --to {options.until}; allowed: an end after the beginning")
    return since, until


def _export(options: argparse.Namespace) -> int:
    from .commands.progress import Progress
    from .formats.output_file import output
    from .reports import history_export

    config, clock = load(options.config), Clock()
    since, until = _ends(options, config)
    form, bar = _form(options, config), Progress(sys.stderr, clock)
    bar.total = 100

    def progress(first: int, time: int) -> None:
        end = min(until or clock.time(), clock.time())
        bar.step(rfc3339(time)[:16], min(100, 100 * (time - first) // max(1, end - first)) - bar.done)

    try:
        selection = history_export.ExportSelection.of(options.kind, options.device, options.window)
        count = history_export.export(config, selection, since, until, form, lambda: output(options.output), progress)
    except ValueError as error:
        raise UsageError(str(error)) from error
    finally:
        bar.clear()
    _say(f"{count.records:,} records from {rfc3339(count.first)} to {rfc3339(count.last)}")
    if count.unwritten:
        _say(f"{count.unwritten:,} of them have nothing that line protocol can hold, and are left out")
    if count.damaged:
        _say(f"up to {count.damaged:,} more are left out: they are damaged, or were written over in this moment")
    return 0


def _form(options: argparse.Namespace, config: Config) -> history_export.Form:
    """How the format is written."""
    from .formats import csv_export
    from .reports import history_export

    if options.format == "lp":
        return history_export.as_lines
    if options.format == "csv":
        return partial(csv_export.write, zone=config.site.timezone)
    if options.output is None and sys.stdout.isatty():
        raise UsageError("found a terminal for --format parquet; allowed: --output FILE, or a pipe")
    try:
        from .formats import parquet_export
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--format parquet needs the package {error.name}, which is not installed; "
            "`pip install 'wattgram[parquet]'` brings it"
        ) from error
    about = {"site": config.site.name, "timezone": config.site.timezone.key, "wattgram": __version__}
    return partial(parquet_export.write, about=about)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _device(name: str) -> Device | None:
    if catalogue.is_sunspec(name):
        return None
    names = [*catalogue.names(), *catalogue.SUNSPEC_MEMBERS]
    if name not in names:
        raise UsageError(f"found driver {name!r}{nearest(name, names)}; allowed: {', '.join(names)}")
    return catalogue.load(name)


def _endpoint(url: str, *, listen: bool = False) -> Endpoint:
    try:
        return endpoint.parse(url, listen=listen)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _unit(unit: int | None, place: Endpoint, *, option: str = "--unit") -> int | None:
    if unit is not None and not place.addressed and not 1 <= unit <= 247:
        raise UsageError(f"found {option} {unit} on {place.scheme}; allowed: 1 to 247")
    return unit


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "demo": _demo,
    "run": _run,
    "check": _check,
    "scan": _scan,
    "read": _read,
    "drivers": _drivers,
    "simulate": _simulate,
    "report": _report,
    "goals": _goals,
    "replay": _replay,
    "export": _export,
    "top": _top,
}


if __name__ == "__main__":
    sys.exit(main())
