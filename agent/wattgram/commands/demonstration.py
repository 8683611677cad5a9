"""The demonstration: a simulated factory behind Modbus TCP, and the daemon that reads it into a temporary spool."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram_drivers.endpoint import Endpoint, parse

from wattgram.base.clock import NS, Clock
from wattgram.base.period import local_day
from wattgram.base.record import Record
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config
from wattgram.daemon.daemon import Parts, assembled, run
from wattgram.delivery.configuration import load
from wattgram.simulation.factory import Factory
from wattgram.simulation.plants import TIMEZONE, SimulatedPlant
from wattgram.simulation.serve_devices import serving
from wattgram.store.spool import Spool

from . import past_worker
from .simulated_past import PastPeriod, SimulatedPast, month_and_earlier, past_period, write_past

START_HOUR = 10
"""Local hour at which the demonstration begins, on a working day: the PV system produces and the shift works."""

SATURDAY = 5

FIRST_DAY, FIRST_YEAR_DAY = 5, 60
"""First day of a month, and of a year, at which the demonstration takes place: a goal needs a tenth of its period."""

DEMO_FILE = "demo.toml"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """Result of a demonstration.

    `balance_error`: difference between the sub-meters and the balance, as a share of the energy of the load, over the
    ticks in which each device was read. `emission_intensity`: g/kWh of load over the same ticks. None: no such tick.
    """

    readings: int
    records: int
    delivered: int
    lost: int
    balance_error: float | None
    emission_intensity: float | None


def page_address(requested: str | None, default: str) -> str:
    """Return the address of the page: `requested`, or else `default` if it is free, or else any free port.

    OSError with a message for the user when `requested` is not available.
    """
    listen = default if requested is None else requested
    if not listen:
        return ""
    host, _, port = listen.rpartition(":")
    try:
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        socket.create_server((host.strip("[]"), int(port)), family=family).close()
    except OSError as error:
        if requested is None:
            return f"{host}:0"
        why = os.strerror(error.errno or 0).lower()
        raise OSError(f"the live page cannot listen on {listen}: {why}; --http {host}:0 takes a free port") from error
    return listen


def start_time(now: datetime) -> int:
    """Return START_HOUR on the last working day of the factory, UTC ns; not in the first days of a month or year."""
    local = now.astimezone(ZoneInfo(TIMEZONE)).replace(hour=START_HOUR, minute=0, second=0, microsecond=0)
    while (
        local > now
        or local.weekday() >= SATURDAY
        or local.day < FIRST_DAY
        or local.timetuple().tm_yday < FIRST_YEAR_DAY
    ):
        local -= timedelta(days=1)
    return int(local.timestamp()) * NS


@dataclass(frozen=True, slots=True)
class DemoHistory:
    """The past of a demonstration: its days, and a receiver of messages about it."""

    days: float
    report: Callable[[str], None]


async def demonstrate(
    stop: asyncio.Event,
    plant: SimulatedPlant,
    *,
    start: int,
    speed: float,
    seconds: float | None,
    http: str,
    page_at: asyncio.Future[str],
    history: DemoHistory | None = None,
) -> DemoSummary:
    """Run the plant and the daemon until `stop` or for `seconds` of real time.

    `page_at` gets the address of the page. The present month of `history` is computed before the start, the time
    before the month beside the running daemon. OSError when the address is in use.
    """
    clock = Clock(start, speed)
    factory = Factory(plant.parts, timezone=TIMEZONE, start=start)
    devices = plant.devices(parse("tcp://127.0.0.1:0", listen=True))
    with tempfile.TemporaryDirectory(prefix="wattgram-demo-") as directory:
        async with serving(devices, factory, clock) as endpoints:
            config = configured(plant, endpoints, Path(directory), start, speed=speed, http=http)
            earlier = None
            if history is not None:
                month, earlier = month_and_earlier(past_period(start, history.days, config), config.site.timezone)
                factory.resume(await _lived(config, plant, month))
                history.report(f"`wattgram goals -c {Path(directory) / DEMO_FILE}` and `wattgram report -c` read it")
            async with assembled(config, clock) as parts:
                stored = parts.spool.head
                tasks = [asyncio.create_task(_stop_after(stop, seconds), name="end of demo")]
                if history is not None and earlier is not None:
                    tasks.append(asyncio.create_task(_add_past(parts, plant, earlier, history), name="past of demo"))
                try:
                    await run(parts, stop, page_at)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                await parts.spool.sync()
                records = await parts.spool.history("emission", start, {"window": "tick"})
        return _summary(parts, records, stored)


def configured(
    plant: SimulatedPlant, endpoints: Mapping[str, Endpoint], directory: Path, start: int, *, speed: float, http: str
) -> Config:
    """Return the configuration of the demonstration. A second of the configuration is `speed` seconds of the clock.

    The file DEMO_FILE in the directory is for the commands that read the store. start: of the demonstration,
    UTC ns.
    """
    path = directory / DEMO_FILE
    path.write_text(plant.configuration(endpoints, local_day(start, ZoneInfo(TIMEZONE)), str(directory / "spool")))
    config = load(path)
    return replace(
        config,
        site=replace(config.site, tick=speed),
        devices=tuple(replace(device, interval=speed) for device in config.devices),
        http=HttpConfig(http),
    )


async def _lived(config: Config, plant: SimulatedPlant, period: PastPeriod) -> Factory:
    """Write the past of a period to the new store; return the factory at its end."""
    past = SimulatedPast(config, plant.parts, period)
    spool = Spool(config.spool.path, max_size=config.spool.max_size, keep=config.spool.keep, sinks=())
    await spool.open()
    try:
        await write_past(past, spool)
    finally:
        await spool.close()
    return past.factory


async def _add_past(parts: Parts, plant: SimulatedPlant, period: PastPeriod, history: DemoHistory) -> None:
    """Compute an earlier past in a process of its own, and append its windows and days to the running store.

    The goals are evaluated again afterwards.
    """
    begun = time.monotonic()
    try:
        records = await past_worker.computed(parts.site.config, plant.parts, period)
    except ChildProcessError as error:
        history.report(f"there is no history before the month: {error}")
        return
    for record in records:
        parts.spool.append(record)
    await parts.spool.sync()
    await parts.goals.evaluate(parts.clock.time())
    first = local_day(period.begin, parts.site.config.site.timezone)
    history.report(f"simulated history from {first} on is complete, after {time.monotonic() - begun:.0f} s")


async def _stop_after(stop: asyncio.Event, seconds: float | None) -> None:
    if seconds is not None:
        await asyncio.sleep(seconds)
        stop.set()


def _summary(parts: Parts, records: list[Record], stored: int) -> DemoSummary:
    """Return the result. records: of the ticks. stored: number of the last record before the start."""
    ticks = [record for record in records if record["coverage"] == 1.0]
    load = sum(_number(tick, "load_energy") for tick in ticks)
    residual = sum(abs(_number(tick, "residual_energy")) for tick in ticks)
    emission = sum(_number(tick, "emission") for tick in ticks)
    spool = parts.spool
    return DemoSummary(
        readings=parts.site.readings,
        records=spool.appended,
        delivered=spool.head - stored,
        lost=spool.appended - (spool.head - stored),
        balance_error=residual / load if load else None,
        emission_intensity=1000.0 * emission / load if load else None,
    )


def _number(record: Record, name: str) -> float:
    """Return a field, 0 when absent."""
    value = record[name]
    return value if isinstance(value, float) and isfinite(value) else 0.0
