"""An hour of the whole daemon at 20 times real time, and whether anything of it grows.

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

from tests.soak.sample import FILES, MEASURES, RESIDENT, STORED, TASKS, WAITING, Sample, sample
from tests.soak.slope import FEWEST, judged
from tests.soak.works import KEEP, Works, works
from tests.support.servers import Server

OUTAGE = 5.0
"""Real seconds for which a server is away."""

SELDOM, OFTEN = 300.0, 10.0
"""Real seconds between two outages; often in the warm-up, so that what the first ones cost is not taken for growth."""

CALM = 120.0
"""Real seconds that belong to the warm-up beside the time in which the spool fills."""

HIGHEST = 1e5
"""Of any number that is asked for."""

INTERRUPTED = 130


class Ended(Exception):
    """The daemon has ended by itself, or does not answer."""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for; SystemExit after help (0) and for a mistake (2)."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Runs the whole daemon for long and fast, and says whether anything of it grows.",
        epilog="example: scripts/soak --minutes 20 --seed 7",
        allow_abbrev=False,
    )
    parser.add_argument("--minutes", type=_above(0.0), default=60.0, metavar="N", help="real ones (default: 60)")
    parser.add_argument("--speed", type=_above(0.1), default=20.0, metavar="X", help="times real time (default: 20)")
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
    asked = options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warm = warm_up(asked.speed)
    needed = (warm + FEWEST * asked.every) / 60.0
    if asked.minutes < needed:
        say(f"too short for a verdict: at this speed it takes {needed:.1f} minutes")
    # A heap settles for long: what goes on growing does so in the later half, too.
    warm = max(warm, 60.0 * asked.minutes / 2.0)
    taken: list[Sample] = []
    code = 0
    try:
        with tempfile.TemporaryDirectory(prefix="wattgram-soak-") as folder:
            say(f"starting a factory, mosquitto, VictoriaMetrics and the daemon in {folder}")
            with works(Path(folder), datetime.now(UTC), asked.speed, asked.seed) as running:
                try:
                    watch(running, asked, warm, taken)
                except Ended as error:
                    say(f"{error}; its log:\n{running.daemon.log[-4000:]}")
                    code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    grown = report(taken, warm, asked.speed)
    return code or (1 if grown else 0)


def watch(running: Works, asked: argparse.Namespace, warm: float, taken: list[Sample]) -> None:
    """Look once a period until the time is over, and take a server away now and then."""
    begun = time.monotonic()
    look, outage, end = 0.0, OFTEN, 60.0 * asked.minutes
    servers: list[Server] = [running.broker, running.database]
    while min(look, outage) < end:
        time.sleep(max(0.0, begun + min(look, outage) - time.monotonic()))
        if look <= outage:
            take(running, time.monotonic() - begun, asked.minutes, taken)
            look += asked.every
        else:
            servers.append(away := servers.pop(0))
            away.stop()
            time.sleep(OUTAGE)
            away.start()
            now = time.monotonic() - begun
            outage = now + (SELDOM if now > warm else OFTEN)


def take(running: Works, now: float, minutes: float, taken: list[Sample]) -> None:
    """A look; Ended when there is no daemon any more."""
    before = taken[-1] if taken else None
    try:
        one = sample(running.daemon.pid, running.page, running.spool, now, before)
    except OSError as error:
        code = running.daemon.ended
        raise Ended(f"no answer: {error}" if code is None else f"the daemon has ended with {code}") from error
    taken.append(one)
    found = one.values
    say(
        f"{now / 60.0:.1f} of {minutes:g} min: {found[RESIDENT]:.1f} MB, {found[FILES]:.0f} files, "
        f"{found[TASKS]:.0f} tasks, spool {found[STORED]:.1f} MB, {found[WAITING]:.0f} records undelivered"
    )


def report(taken: Sequence[Sample], warm: float, speed: float) -> bool:
    """Print what was found; whether anything grows."""
    if not taken:
        say("nothing was looked at")
        return False
    later = [one for one in taken if one.time >= warm]
    enough = len(later) >= FEWEST
    rows, grown = [], False
    for measure in MEASURES:
        points = [(one.time / 3600.0, one.values[measure]) for one in (later if enough else taken)]
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
    last = taken[-1]
    print(
        f"\n{last.time / 60.0:.1f} minutes at {speed:g} times real time; judged: {len(later)} looks after a warm-up of "
        f"{warm / 60.0:.1f} minutes,\nin which the spool fills up to its {KEEP / 3600.0:g} h of history (keep) and "
        "broker and database come and go;\nwhat is stored after that takes the place of what is old."
    )
    did = ("readings", "read_failures", "ticks", "mqtt_delivered", "influxdb_delivered", "spool_refused", "spool_lost")
    print(", ".join(f"{name.replace('_', ' ')} {last.metrics[name]:.0f}" for name in did))
    return grown


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
