"""The demonstration: a simulated factory behind Modbus TCP, and the daemon that reads it into a temporary spool."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram_drivers.endpoint import Endpoint, parse

from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.base.toml_table import Table
from wattgram.config import topology_keys
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.daemon.daemon import Parts, assembled, run
from wattgram.simulation.factory import Factory
from wattgram.simulation.plant_names import STANDARD
from wattgram.simulation.plants import GRID_ZONE, TIMEZONE, SimulatedPlant
from wattgram.simulation.serve_devices import ServedDevice, serving

START_HOUR = 10
"""Local hour at which the demonstration begins, on a working day: the PV system produces and the shift works."""

SATURDAY = 5


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
    """Return START_HOUR on the last working day of the factory, UTC ns."""
    local = now.astimezone(ZoneInfo(TIMEZONE)).replace(hour=START_HOUR, minute=0, second=0, microsecond=0)
    while local > now or local.weekday() >= SATURDAY:
        local -= timedelta(days=1)
    return int(local.timestamp()) * NS


async def demonstrate(
    stop: asyncio.Event,
    plant: SimulatedPlant,
    *,
    start: int,
    speed: float,
    seconds: float | None,
    http: str,
    page_at: asyncio.Future[str],
) -> DemoSummary:
    """Run the plant and the daemon until `stop` or for `seconds` of real time.

    `page_at` gets the address of the page. OSError when the address is in use.
    """
    clock = Clock(start, speed)
    factory = Factory(plant.parts, timezone=TIMEZONE, start=start)
    devices = plant.devices(parse("tcp://127.0.0.1:0", listen=True))
    with tempfile.TemporaryDirectory(prefix="wattgram-demo-") as directory:
        async with serving(devices, factory, clock) as endpoints:
            config = configured(plant, devices, endpoints, Path(directory), speed=speed, http=http)
            async with assembled(config, clock) as parts:
                ending = asyncio.create_task(_stop_after(stop, seconds), name="end of demo")
                try:
                    await run(parts, stop, page_at)
                finally:
                    ending.cancel()
                await parts.spool.sync()
                records = await parts.spool.history("emission", start, {"window": "tick"})
        return _summary(parts, records)


def configured(
    plant: SimulatedPlant,
    devices: Sequence[ServedDevice],
    endpoints: Mapping[str, Endpoint],
    directory: Path,
    *,
    speed: float,
    http: str,
) -> Config:
    """Return the configuration of the demonstration. A second of the configuration is `speed` seconds of the clock."""
    configs = [
        DeviceConfig(
            device.part.name,
            device.part.role,
            device.driver,
            device.device,
            endpoints[device.part.name],
            device.unit,
            interval=speed,
            rated_power=plant.rated_power(device.part),
            group=device.part.group,
            quantities=plant.quantities(device.part),
            behind=tuple(name for name in (plant.behind(device.part),) if name),
        )
        for device in devices
    ]
    tables = [Table(config.name, "", {"behind": config.behind} if config.behind else {}, []) for config in configs]
    above = topology_keys.resolved(tables, configs, "busbar")
    return Config(
        site=SiteConfig(f"{'demo' if plant.name == STANDARD else plant.name}-factory", ZoneInfo(TIMEZONE), tick=speed),
        devices=tuple(replace(config, behind=names) for config, names in zip(configs, above, strict=True)),
        spool=SpoolConfig(directory),
        grid=GridConfig(GRID_ZONE),
        http=HttpConfig(http),
    )


async def _stop_after(stop: asyncio.Event, seconds: float | None) -> None:
    if seconds is not None:
        await asyncio.sleep(seconds)
        stop.set()


def _summary(parts: Parts, records: list[Record]) -> DemoSummary:
    ticks = [record for record in records if record["coverage"] == 1.0]
    load = sum(_number(tick, "load_energy") for tick in ticks)
    residual = sum(abs(_number(tick, "residual_energy")) for tick in ticks)
    emission = sum(_number(tick, "emission") for tick in ticks)
    spool = parts.spool
    return DemoSummary(
        readings=parts.site.readings,
        records=spool.appended,
        delivered=spool.head,
        lost=spool.appended - spool.head,
        balance_error=residual / load if load else None,
        emission_intensity=1000.0 * emission / load if load else None,
    )


def _number(record: Record, name: str) -> float:
    """Return a field, 0 when absent."""
    value = record[name]
    return value if isinstance(value, float) and isfinite(value) else 0.0
