"""The demonstration: a simulated factory, served over Modbus TCP and read by the daemon into its own spool."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from wattgram_drivers.endpoint import Endpoint, parse

from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.daemon.daemon import Parts, assembled, run
from wattgram.simulation.factory import Factory, demo_parts
from wattgram.simulation.machines import SitePart
from wattgram.simulation.serve_devices import ServedDevice, driver, serving

TIMEZONE = "Asia/Shanghai"
START_HOUR = 10
"""Local hour of a working day at which the demonstration begins: the roof works and the shift is on."""

SUBMETER = ("active_power_total", "active_energy_import")
"""What is read of a sub-meter, so that five meters behind one gateway have their round within a second."""

SATURDAY = 5

DRIVERS = {
    "incomer": ("eastron_sdm630", "meters", 1),
    "foundry": ("acrel_adl400_dtsd1352", "meters", 2),
    "hall": ("eastron_sdm630", "meters", 3),
    "compressors": ("acrel_adl400_dtsd1352", "meters", 4),
    "ev-charger": ("eastron_sdm630", "meters", 5),
    "roof-east": ("huawei_sun2000", "roof-east", 1),
    "roof-west": ("sunspec", "roof-west", 126),
    "battery": ("huawei_luna2000", "battery", 1),
}
"""Driver, gateway and unit of each part: the meters stand behind one gateway, as they would on a serial line."""


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What a demonstration did.

    `balance_error`: what the sub-meters differ from the balance, as a share of the load's energy, over the ticks
    in which every device was read. `emission_intensity`: g/kWh of load over the same ticks. None: no such tick.
    """

    readings: int
    records: int
    delivered: int
    lost: int
    balance_error: float | None
    emission_intensity: float | None


def page_address(asked: str | None, default: str) -> str:
    """Where the page will listen: `asked`, or when nothing is asked `default` if it is free, else any free port.

    OSError, in words for the one who asked, when `asked` cannot be had.
    """
    listen = default if asked is None else asked
    if not listen:
        return ""
    host, _, port = listen.rpartition(":")
    try:
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        socket.create_server((host.strip("[]"), int(port)), family=family).close()
    except OSError as error:
        if asked is None:
            return f"{host}:0"
        why = os.strerror(error.errno or 0).lower()
        raise OSError(f"the live page cannot listen on {listen}: {why}; --http {host}:0 takes a free port") from error
    return listen


def start_time(now: datetime) -> int:
    """UTC ns of START_HOUR o'clock on the factory's last working day."""
    local = now.astimezone(ZoneInfo(TIMEZONE)).replace(hour=START_HOUR, minute=0, second=0, microsecond=0)
    while local > now or local.weekday() >= SATURDAY:
        local -= timedelta(days=1)
    return int(local.timestamp()) * NS


async def demonstrate(
    stop: asyncio.Event, *, start: int, speed: float, seconds: float | None, http: str, page_at: asyncio.Future[str]
) -> DemoSummary:
    """Run the factory and the daemon until `stop` or for `seconds` of real time; `page_at` gets the page's address.

    OSError when the page's address is taken.
    """
    clock = Clock(start, speed)
    factory = Factory(demo_parts(), timezone=TIMEZONE, start=start)
    stands = _stands(factory.parts.values())
    with tempfile.TemporaryDirectory(prefix="wattgram-demo-") as directory:
        async with serving(stands, factory, clock) as endpoints:
            config = _config(stands, endpoints, Path(directory), speed, http)
            async with assembled(config, clock) as parts:
                ending = asyncio.create_task(_end(stop, seconds), name="end of demo")
                try:
                    await run(parts, stop, page_at)
                finally:
                    ending.cancel()
                await parts.spool.sync()
                records = await parts.spool.history("emission", start, {"window": "tick"})
        return _summary(parts, records)


def _stands(parts: Iterable[SitePart]) -> list[ServedDevice]:
    anywhere = parse("tcp://127.0.0.1:0", listen=True)
    stands = []
    for part in parts:
        name, bus, unit = DRIVERS[part.name]
        stands.append(ServedDevice(bus, part, name, driver(name), anywhere, unit))
    return stands


def _config(
    stands: Iterable[ServedDevice], endpoints: Mapping[str, Endpoint], directory: Path, speed: float, http: str
) -> Config:
    # What the configuration calls one second is one second of the demonstration's clock.
    return Config(
        site=SiteConfig("demo-factory", ZoneInfo(TIMEZONE), tick=speed),
        devices=tuple(
            DeviceConfig(
                one.part.name,
                one.part.role,
                one.driver,
                one.device,
                endpoints[one.part.name],
                one.unit,
                interval=speed,
                rated_power=one.part.rated_power,
                group=one.part.group,
                quantities=SUBMETER if one.part.role in ("load", "ev") else (),
            )
            for one in stands
        ),
        spool=SpoolConfig(directory),
        http=HttpConfig(http),
    )


async def _end(stop: asyncio.Event, seconds: float | None) -> None:
    if seconds is not None:
        await asyncio.sleep(seconds)
        stop.set()


def _summary(parts: Parts, records: list[Record]) -> DemoSummary:
    ticks = [one for one in records if one["coverage"] == 1.0]
    load = sum(_present(one, "load_energy") for one in ticks)
    residual = sum(abs(_present(one, "residual_energy")) for one in ticks)
    emission = sum(_present(one, "emission") for one in ticks)
    spool = parts.spool
    return DemoSummary(
        readings=parts.site.readings,
        records=spool.appended,
        delivered=spool.head,
        lost=spool.appended - spool.head,
        balance_error=residual / load if load else None,
        emission_intensity=1000.0 * emission / load if load else None,
    )


def _present(one: Record, name: str) -> float:
    value = one[name]
    return value if isinstance(value, float) and isfinite(value) else 0.0
