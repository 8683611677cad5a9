"""A site to break: devices, broker, database and the daemon, all real, and the record of what happened to them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.judge import judge
from tests.faults.meter import MAP, NS, SIGNS, TIMEOUT, Meter, never
from tests.faults.places import SITE, TOKEN, Database, Listener, influx, listener
from tests.faults.pulse import pulse
from tests.faults.truth import Life, Offsets, Truth, Verdict
from tests.support.brokers import Broker, mosquitto
from tests.support.running_site import Daemon, device, one_device
from tests.support.servers import LOOPBACK, free_port, request, wait_for

TICK = NS // 2
PATIENCE = 90.0
"""Longest time until all records arrive without a fault, s: an unavailable sink is tried again after 75 s."""

ROLES = (
    ("incomer", "grid", "meter", "100ms"),
    ("roof-east", "pv", "inverter", "200ms"),
    ("turbine", "wind", "inverter", "200ms"),
)


@dataclass
class World:
    """The servers, devices and daemon of the rounds of a kind; `judged` is the last verdict over all rounds."""

    folder: Path
    chance: random.Random
    meters: tuple[Meter, ...]
    broker: Broker
    database: Database
    heard: Listener
    daemon: Daemon
    page: int
    stalls: Sequence[tuple[int, int]]
    lives: list[Life] = field(default_factory=list)
    offsets: Offsets = field(default_factory=Offsets)
    tick: int = TICK
    away: bool = False
    judged: Verdict = field(default_factory=Verdict)

    @property
    def spool(self) -> Path:
        """The daemon's directory."""
        return self.folder / "spool"

    def start(self) -> None:
        """Begin a life of the daemon."""
        self.lives.append(Life(time.time_ns(), None))
        self.daemon.start()

    def kill(self) -> None:
        """kill -9."""
        self.died(int(self.daemon.kill() * NS))

    def died(self, moment: int) -> None:
        """This life ended at that moment (UTC ns): it was killed, or its power was cut."""
        self.lives[-1] = Life(self.lives[-1].begin, moment)

    def database_may_be_away(self, share: float) -> None:
        """Stop or start the database, so that it is unavailable in this share of the lives."""
        if (away := self.chance.random() < share) != self.away:
            self.take_away(away=away)

    def take_away(self, *, away: bool) -> None:
        """Stop or start the server that the daemon has as its database."""
        self.away = away
        (self.database.front.stop if away else self.database.front.start)()

    def stop(self) -> None:
        """SIGTERM; all its records are on disk then. AssertionError when the daemon does not exit with 0."""
        code = self.daemon.stop()
        assert code == 0, f"the daemon ended with {code}; its log:\n{self.log_end()}"

    def wait_for_readings(self) -> None:
        """Wait until every device is read; AssertionError when the daemon ends instead."""
        begun = [len(meter.served) for meter in self.meters]
        self._until(
            lambda: all(len(meter.served) > 1 + n for meter, n in zip(self.meters, begun, strict=True)), "readings"
        )

    def sleep(self, shortest: float, longest: float) -> None:
        """A random time, s."""
        time.sleep(self.chance.uniform(shortest, longest))

    def drained(self, patience: float = PATIENCE) -> dict[str, int]:
        """Wait until everything up to now has arrived; the serial numbers up to which it must have, by device.

        What has not arrived after `patience` s counts as lost.
        """
        served = {meter.name: len(meter.served) for meter in self.meters}

        end = time.monotonic() + patience
        while not self._arrived(served) and time.monotonic() < end:
            self._lives_on()
            time.sleep(0.1)
        return served

    def settled(self) -> Verdict:
        """Start the daemon, wait until every record is delivered, compare, and stop the daemon."""
        if self.away:
            self.take_away(away=False)
        self.start()
        self.wait_for_readings()
        verdict = self.compare(self.drained())
        self.stop()
        return verdict

    def compare(self, until: Mapping[str, int] | None = None) -> Verdict:
        """Judge everything so far; the last verdict while the database cannot be asked."""
        if self.away and self.database.front is self.database.engine:
            return self.judged
        readings = {meter.name: meter.had() for meter in self.meters}
        truth = Truth(readings, self.lives, time.time_ns(), self.offsets, self.tick, self.stalls)
        self.judged = judge(truth, [self.database.held(), self.heard.held()], until)
        return self.judged

    def metrics(self) -> dict[str, float]:
        """Return the daemon's metrics, by name."""
        _, body = request(f"http://{LOOPBACK}:{self.page}/metrics")
        lines = (line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#"))
        return {name.removeprefix("wattgram_"): float(value) for name, _, value in lines}

    def log_end(self, lines: int = 20) -> str:
        """The last lines of the daemon's log."""
        return "\n".join(self.daemon.log.splitlines()[-lines:])

    def _arrived(self, served: Mapping[str, int]) -> bool:
        found = [self.database.latest()]
        if self.heard.whole:
            self.heard.held()
            found.append(self.heard.latest)
        return all(latest.get(name, 0) >= serial for latest in found for name, serial in served.items())

    def _until(self, predicate: Callable[[], bool], what: str) -> None:
        def reached() -> bool:
            self._lives_on()
            return predicate()

        wait_for(reached, PATIENCE, f"{what}; the daemon's log:\n{self.log_end()}")

    def _lives_on(self) -> None:
        code = self.daemon.code
        assert code is None, f"the daemon ended by itself with {code}; its log:\n{self.log_end()}"


@contextmanager
def world(
    folder: Path,
    chance: random.Random,
    *,
    database: Callable[[Path], AbstractContextManager[Database]] = influx,
    environment: dict[str, str] | None = None,
    spool: str = "",
    delay: Callable[[], float] = never,
) -> Iterator[World]:
    """A site with empty servers; the daemon is not started. `spool`: more lines of that table."""
    folder.mkdir(parents=True)
    meters = tuple(Meter(name, role, kind, interval, delay) for name, role, kind, interval in ROLES)
    with ExitStack() as stack:
        for meter in meters:
            meter.server = stack.enter_context(device(meter))
        broker = stack.enter_context(mosquitto(folder))
        messages = stack.enter_context(listener(broker))
        standstills = stack.enter_context(pulse())
        base = stack.enter_context(database(folder))
        page = free_port()
        text = _configuration(folder, meters, broker, base, page, spool)
        daemon = Daemon(folder, text, {"TOKEN": TOKEN} | (environment or {}))
        stack.callback(daemon.end)
        yield World(folder, chance, meters, broker, base, messages, daemon, page, standstills.stalls)


def _configuration(
    folder: Path, meters: tuple[Meter, ...], broker: Broker, database: Database, page: int, spool: str
) -> str:
    """The daemon's file; the devices' maps are written beside it."""
    maps = folder / "devices.d"
    maps.mkdir()
    for kind, sign in SIGNS.items():
        (maps / f"serial_{kind}.toml").write_text(MAP.format(kind=kind, sign=sign))
    devices = ""
    for meter in meters:
        assert meter.server is not None
        more = {"interval": meter.interval, "timeout": f"{TIMEOUT:g}s"}
        devices += one_device(meter.name, meter.role, f"serial_{meter.kind}", meter.server.port, **more)
    return (
        f'[grid]\nzone = "CN-CQ"\n[site]\nname = "{SITE}"\ntimezone = "Asia/Shanghai"\ntick = "{TICK / NS:g}s"\n'
        f'[spool]\npath = "{folder / "spool"}"\n{spool}\n[http]\nlisten = "{LOOPBACK}:{page}"\n'
        f'[mqtt]\nurl = "{broker.url}"\n[influxdb]\n{database.settings}{devices}'
    )
