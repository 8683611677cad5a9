"""Run the whole daemon for an hour at 900 times real time and report whether it grows.

    scripts/soak --minutes 20 --seed 7

A simulated factory that misbehaves now and then, mosquitto and VictoriaMetrics, each of which is away for a while in
turn. What must not grow is looked at once a minute; after the warm-up its trend is judged. Exit 1 when something grows.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wattgram.formats.tables import table

from tests.soak.processes import KEEP, SoakProcesses, processes, start
from tests.soak.sample import FILES, HEAP, MEASURES, OBJECTS, RESIDENT, STORED, TASKS, WAITING, Sample, sample
from tests.soak.slope import FEWEST, judged
from tests.support.servers import Server

OUTAGE = 5.0
"""Real time for which a server is unavailable, s."""

SELDOM, OFTEN = 300.0, 10.0
"""Real seconds between two outages; often in the warm-up, so that what the first ones cost is not taken for growth."""

CALM = 120.0
"""Real seconds that belong to the warm-up beside the time in which the spool fills."""

HIGHEST = 1e5
"""Limit of every numeric option."""

SPEED = 900.0
"""Times real time: nine days pass in a quarter of an hour, so that the rise within a day is no growth."""

INTERRUPTED = 130


class Ended(Exception):
    """The daemon has ended by itself, or does not answer."""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; SystemExit after help (0) and for a usage error (2)."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Runs the whole daemon for long and fast, and says whether anything of it grows.",
        epilog="example: scripts/soak --minutes 20 --seed 7",
        allow_abbrev=False,
    )
    parser.add_argument("--minutes", type=_above(0.0), default=60.0, metavar="N", help="real ones (default: 60)")
    parser.add_argument(
        "--speed", type=_above(0.1), default=SPEED, metavar="X", help=f"times real time (default: {SPEED:g})"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same faults (default: 1)")
    parser.add_argument(
        "--every", type=_above(0.1), default=60.0, metavar="SECONDS", help="between two looks (default: 60)"
    )
    return parser.parse_args(arguments)


def _above(low: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low
        if not low < value <= HIGHEST:
            raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a number above {low:g}, up to {HIGHEST:g}")
        return value

    return number


def warm_up(speed: float) -> float:
    """Real seconds before which nothing is judged: the spool fills for KEEP of the clock and a quarter more."""
    return CALM + 1.25 * KEEP / speed


def main(arguments: Sequence[str]) -> int:
    """The command; its exit code."""
    settings = options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warm = warm_up(settings.speed)
    needed = (warm + FEWEST * settings.every) / 60.0
    if settings.minutes < needed:
        say(f"too short for a verdict: at this speed it takes {needed:.1f} minutes")
    # A heap settles for long: what goes on growing does so in the later half, too.
    warm = max(warm, 60.0 * settings.minutes / 2.0)
    samples: list[Sample] = []
    code = 0
    try:
        with tempfile.TemporaryDirectory(prefix="wattgram-soak-") as folder:
            say(f"starting a factory, mosquitto, VictoriaMetrics and the daemon in {folder}")
            begin = start(datetime.now(UTC), 60.0 * settings.minutes * settings.speed)
            with processes(Path(folder), begin, settings.speed, settings.seed) as running:
                try:
                    watch(running, settings, warm, samples)
                except Ended as error:
                    say(f"{error}; its log:\n{running.daemon.log[-4000:]}")
                    code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    grown = report(samples, warm, settings.speed)
    return code or (1 if grown else 0)


def watch(running: SoakProcesses, settings: argparse.Namespace, warm: float, samples: list[Sample]) -> None:
    """Take a sample once a period until the time is over; stop a server now and then."""
    begun = time.monotonic()
    look, outage, end = 0.0, OFTEN, 60.0 * settings.minutes
    servers: list[Server] = [running.broker, running.database]
    while min(look, outage) < end:
        time.sleep(max(0.0, begun + min(look, outage) - time.monotonic()))
        if look <= outage:
            take(running, time.monotonic() - begun, settings.minutes, samples)
            look += settings.every
        else:
            servers.append(away := servers.pop(0))
            away.stop()
            time.sleep(OUTAGE)
            away.start()
            now = time.monotonic() - begun
            outage = now + (SELDOM if now > warm else OFTEN)


def take(running: SoakProcesses, now: float, minutes: float, samples: list[Sample]) -> None:
    """Take a sample; Ended when the daemon has ended."""
    before = samples[-1] if samples else None
    try:
        latest = sample(running.daemon.pid, running.page, running.spool, running.live, now, before)
    except OSError as error:
        code = running.daemon.ended
        raise Ended(f"no answer: {error}" if code is None else f"the daemon has ended with {code}") from error
    samples.append(latest)
    found = latest.values
    say(
        f"{now / 60.0:.1f} of {minutes:g} min: {found[RESIDENT]:.1f} MB, heap {found[HEAP]:.2f} MB, "
        f"{found[OBJECTS]:.1f} thousand objects, "
        f"{found[FILES]:.0f} files, "
        f"{found[TASKS]:.0f} tasks, spool {found[STORED]:.1f} MB, {found[WAITING]:.0f} records undelivered"
    )


def report(samples: Sequence[Sample], warm: float, speed: float) -> bool:
    """Print the result; return whether any measure grows."""
    if not samples:
        say("nothing was looked at")
        return False
    later = [point for point in samples if point.time >= warm]
    enough = len(later) >= FEWEST
    rows, grown = [], False
    for measure in MEASURES:
        points = [(point.time / 3600.0, point.values[measure]) for point in (later if enough else samples)]
        found = judged(points, measure.limit) if enough else None
        grown = grown or (found is not None and found.grows)
        rows.append(
            (
                measure.name,
                measure.unit,
                *(f"{value:.2f}" for _, value in (points[0], points[-1])),
                f"{found.slope:+.2f}" if found else "-",
                f"{measure.limit:g}",
                "too short" if found is None else "grows" if found.grows else "flat",
            )
        )
    head = ("", "unit", "first", "last", "slope an hour", "limit", "verdict")
    print(table(head, rows, right=(2, 3, 4, 5)))
    last = samples[-1]
    print(
        f"\n{last.time / 60.0:.1f} minutes at {speed:g} times real time; judged: {len(later)} looks after a warm-up of "
        f"{warm / 60.0:.1f} minutes,\nin which the spool fills up to its {KEEP / 3600.0:g} h of history (keep) and "
        "broker and database come and go;\nwhat is stored after that takes the place of what is old."
    )
    measures = (
        "readings",
        "read_failures",
        "ticks",
        "mqtt_delivered",
        "influxdb_delivered",
        "spool_refused",
        "spool_lost",
    )
    print(", ".join(f"{name.replace('_', ' ')} {last.metrics[name]:.0f}" for name in measures))
    return grown


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
