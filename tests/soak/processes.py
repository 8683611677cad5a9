"""The processes of the soak: devices, broker, database and daemon."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram.simulation.factory import demo_parts
from wattgram.simulation.plants import DEMO_DRIVERS, SUBMETER, TIMEZONE

from tests.support.brokers import Broker, mosquitto
from tests.support.databases import Victoria, victoria_metrics
from tests.support.running_site import one_device
from tests.support.servers import Server, free_port, request, running

KEEP = 3600.0
"""Time for which the spool keeps delivered records, s of the clock: the allowed minimum, so that it is full early."""

FAULTS = ("silent@0.1%", "garbled@0.2%", "late=1.5@0.1%", "rebooting=10s@0.01%")
"""Faults of the devices now and then, since most leaks are in the handling of errors."""

BEGIN = 23.5
"""Local hour at which the daemon's clock begins, so that its first midnight is soon."""


@dataclass(frozen=True, slots=True)
class SoakProcesses:
    """The running processes, and the folder of the daemon's spool."""

    broker: Broker
    database: Victoria
    plant: Server
    daemon: Server
    page: str
    spool: Path
    live: Path
    """File for the memory in use; see `gateway`."""


def tick(speed: float) -> int:
    """Seconds of the clock between two readings: about a real one, and a part of a quarter of an hour."""
    return next(seconds for seconds in range(1, 901) if 900 % seconds == 0 and seconds >= min(speed, 900.0))


def configuration(folder: Path, speed: float, broker: Broker, database: Victoria, listen: str) -> str:
    """The demonstration's factory with both sinks and a spool that is full within the first hour of the clock."""
    ports = {bus: free_port() for _, bus, _ in DEMO_DRIVERS.values()}
    period = f"{tick(speed)}s"
    devices = []
    for part in demo_parts():
        driver, bus, unit = DEMO_DRIVERS[part.name]
        more: dict[str, object] = {"unit": unit, "interval": period, "rated_power": f"{part.rated_power:g} W"}
        more |= {"group": part.group} if part.group else {}
        text = one_device(part.name, part.role, driver, ports[bus], **more)
        devices.append(text + (f"quantities = {list(SUBMETER)}\n" if part.role in ("load", "ev") else ""))
    return f"""
[grid]
zone = "CN-CQ"

[site]
name = "soak"
timezone = "{TIMEZONE}"
tick = "{period}"
[spool]
path = "{folder / "spool"}"
keep = "{KEEP:g}s"
max_size = "64MiB"
[http]
listen = "{listen}"
[mqtt]
url = "{broker.url}"
[influxdb]
url = "{database.url}"
org = "plant"
bucket = "energy"
{"".join(devices)}"""


def start(now: datetime, seconds: float) -> int:
    """UTC ns of BEGIN o'clock so many days ago that the database gets no records of the future.

    seconds: of the clock, for which the daemon is to run.
    """
    local = now.astimezone(ZoneInfo(TIMEZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((local - timedelta(days=2 + seconds // 86400) + timedelta(hours=BEGIN)).timestamp()) * 1_000_000_000


@contextmanager
def processes(folder: Path, begin: int, speed: float, seed: int) -> Iterator[SoakProcesses]:
    """Run all processes while the block lasts; the daemon's clock begins at `begin`, UTC ns."""
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder))
        database = stack.enter_context(victoria_metrics(folder))
        port = free_port()
        page = f"http://127.0.0.1:{port}/"
        path = folder / "wattgram.toml"
        path.write_text(configuration(folder, speed, broker, database, f"127.0.0.1:{port}"))
        faults = [word for fault in FAULTS for word in ("--fault", fault)]
        simulate = [*("-m", "wattgram", "simulate", "-c", str(path)), *("--speed", f"{speed:g}", "--seed", str(seed))]
        meters = int(path.read_text().split("tcp://127.0.0.1:")[1].split('"')[0])
        plant = Server("plant", [sys.executable, *simulate, *faults], folder, meters)
        stack.enter_context(running(plant))
        live = folder / "live"
        gateway = ["-m", "tests.soak.gateway", str(path), str(begin), f"{speed:g}", str(seed), str(live)]
        daemon = Server("daemon", [sys.executable, *gateway], folder, port, lambda: request(page)[0] == 200)
        stack.enter_context(running(daemon))
        yield SoakProcesses(broker, database, plant, daemon, page, folder / "spool", live)
