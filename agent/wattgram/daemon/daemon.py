"""A Config becomes the running parts, in one TaskGroup; signals end them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal as signals
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from wattgram_drivers.modbus.bus import Bus

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import Clock
from wattgram.base.errors import SpoolError
from wattgram.base.notify import Supervisor
from wattgram.base.watchdog import Pulse, Watchdog, WatchedPart
from wattgram.config.load import Config
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks.sink import Sink
from wattgram.goals.round import Round
from wattgram.grid.sources import grid_source as grid_sources
from wattgram.grid.sources.grid_source import GridSource
from wattgram.site.revision import Revision
from wattgram.site.site import Site
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import ClockStatus
from wattgram.web import Server

from .health import GATEWAY_PERIOD, Health
from .sync_pace import SyncPace

log = logging.getLogger(__name__)

PRUNE_PERIOD = 60.0

PACK_PERIOD = 300.0
"""Seconds between two times at which the spool packs what it has; the longer, the better it packs."""

COMMIT = 120.0
"""Real seconds in which the disk takes what was read meanwhile, at most; a worn SD card may stall for many."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs."""

    clock: Clock
    site: Site
    spool: Spool
    lines: tuple[BusPoller, ...]
    grid: tuple[GridSource, ...]
    revision: Revision
    deliveries: tuple[Delivery, ...]
    goals: Round
    health: Health
    watchdog: Watchdog


def sinks(config: Config, clock: Clock | None = None) -> list[Sink]:
    """The configured sinks; a library is imported only when its sink is wanted. `clock`: for messages that say when
    they were sent, None for the machine's own."""
    made: list[Sink] = []
    if config.mqtt is not None:
        from wattgram.delivery.sinks.mqtt_sink import MqttSink  # noqa: PLC0415 - 16 MB that a site without a broker need not carry

        announcer = None
        if config.mqtt.homeassistant is not None:
            from wattgram.delivery.sinks.homeassistant.announcer import Announcer  # noqa: PLC0415 - as above
            from wattgram.delivery.sinks.homeassistant.discovery import Discovery  # noqa: PLC0415 - as above

            topic = f"{config.mqtt.prefix}/{config.site.name}"
            announcer = Announcer(Discovery(config, config.mqtt.homeassistant, topic))
        made.append(MqttSink(config.mqtt, config.site.name, announcer))
        if config.mqtt.sparkplug is not None:
            from wattgram.delivery.sinks.sparkplug.sparkplug_sink import SparkplugSink  # noqa: PLC0415 - as above

            made.append(SparkplugSink(config, config.mqtt, config.mqtt.sparkplug, clock or Clock()))
    if config.influxdb is not None:
        from wattgram.delivery.sinks.influx_sink import InfluxSink  # noqa: PLC0415 - 50 MB that a site without a database need not carry

        made.append(InfluxSink(config.influxdb))
    return made


@contextlib.asynccontextmanager
async def assembled(
    config: Config,
    clock: Clock,
    seed: int = 0,
    supervisor: Supervisor | None = None,
    clock_status: ClockStatus | None = None,
) -> AsyncIterator[Parts]:
    """The parts of a configuration with an open spool; closed, and so on disk, at the end.

    `supervisor` will hear how they do; `clock_status` says whether the clock is right, None where it is by definition.
    SpoolError when the spool cannot be opened.
    """
    chance = random.Random(seed)  # noqa: S311 - it spreads retries, it keeps no secret
    targets = sinks(config, clock)
    spool = Spool(
        config.spool.path,
        max_size=config.spool.max_size,
        keep=config.spool.keep,
        sinks=[sink.name for sink in targets],
    )
    await spool.open()
    try:
        started = clock.monotonic()
        sources = [Source(device, config.site.name, started) for device in config.devices]
        grid = tuple(
            grid_sources.made(one, config.grid.basis, config.mqtt, clock, chance) for one in config.grid.sources
        )
        site = Site(config, sources, spool, clock, [one.feed for one in grid], clock_status)
        await site.restore()
        revision = Revision(site, spool, clock)
        await revision.restore()
        buses = {one.endpoint.key: one.endpoint for one in config.devices}
        lines = tuple(
            BusPoller(Bus(endpoint), [one for one in sources if one.config.endpoint.key == key], site, clock, chance)
            for key, endpoint in buses.items()
        )
        deliveries = tuple(Delivery(sink, spool, clock, chance, site) for sink in targets)
        goals = Round(config, site.publish, lambda: site.timekeeper.ages_reliable, clock)
        watchdog = Watchdog(supervisor or Supervisor(), clock)
        health = Health(site, spool, lines, deliveries, goals, watchdog, clock)
        yield Parts(clock, site, spool, lines, grid, revision, deliveries, goals, health, watchdog)
    finally:
        await spool.close()


async def run(parts: Parts, stop: asyncio.Event, page_at: asyncio.Future[str] | None = None) -> None:
    """Run until `stop`; `page_at` gets the page's URL, "" without a page.

    OSError when the page's address is taken.
    """
    config = parts.site.config
    async with contextlib.AsyncExitStack() as stack:
        address = ""
        if config.http.listen:
            server = Server(config.http.listen, config.http.token, parts.health, origin=config.http.cors)
            address = (await stack.enter_async_context(server.serve())).url
        if page_at is not None:
            page_at.set_result(address)
        async with asyncio.TaskGroup() as group:
            watched: tuple[WatchedPart, ...] = (
                *parts.lines,
                *parts.grid,
                *parts.deliveries,
                parts.site,
                parts.revision,
                parts.goals,
            )
            disk = Pulse("spool")
            parts.watchdog.watch([*(one.pulse for one in watched), disk])
            tasks = [group.create_task(one.run(), name=one.pulse.name) for one in watched]
            tasks.append(group.create_task(_sync(parts, config.spool.sync, disk), name=disk.name))
            tasks.append(group.create_task(_report(parts), name="gateway"))
            # Tasks begin in the order of their making: when this one does, all others work.
            tasks.append(group.create_task(_watch(parts), name="watchdog"))
            log.info("%s: %d devices on %d buses", config.site.name, len(config.devices), len(parts.lines))
            await stop.wait()
            for task in tasks:
                task.cancel()


class Stop(asyncio.Event):
    """Set when the parts shall end."""

    interrupted = False
    """Whether someone pressed Ctrl-C, and so wants to hear of it (SPEC 3: exit code 130)."""

    def interrupt(self) -> None:
        """End because of SIGINT."""
        self.interrupted = True
        self.set()


def stop_on_signals() -> Stop:
    """An event that SIGTERM and SIGINT set."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signals.SIGTERM, stop.set)
    loop.add_signal_handler(signals.SIGINT, stop.interrupt)
    return stop


async def _sync(parts: Parts, period: float, pulse: Pulse) -> None:
    """Put the spool on disk every period and keep it within its bounds; a disk that refuses is reported once."""
    health, spool, clock = parts.health, parts.spool, parts.clock
    begun = time.monotonic()
    pruned, packed, more = clock.monotonic(), clock.monotonic(), False
    pace = SyncPace(period)
    while True:
        pulse.within(period + COMMIT)
        await asyncio.sleep(pace.wait(time.monotonic() - begun))
        begun = time.monotonic()
        try:
            await spool.sync()
            pace = pace.after(time.monotonic() - begun)
            # As of the same look at it: a clock that was set a moment ago would be believed, and cost a history.
            parts.site.check_clock()
            dated, now = parts.site.timekeeper.ages_reliable, clock.time()
            if dated and clock.monotonic() - packed > PACK_PERIOD:
                packed = clock.monotonic()
                await spool.pack(now)
            if dated and (more or clock.monotonic() - pruned > PRUNE_PERIOD):
                pruned = clock.monotonic()
                lost = await spool.prune(now)
                more = lost.more
                if lost.discarded:
                    parts.site.event("", "spool full", f"{lost.discarded} undelivered records deleted, the oldest")
                if lost.damaged:
                    parts.site.event("", "spool damaged", f"{lost.damaged} records were not readable")
        except SpoolError as error:
            if not health.spool_error:
                log.error("spool: %s; %d records wait in memory", error, spool.pending)
            health.spool_error = str(error)
        else:
            if health.spool_error:
                log.info("spool: the disk takes records again")
            health.spool_error = ""


async def _report(parts: Parts) -> None:
    if parts.spool.set_aside is not None:
        parts.site.event("", "spool unreadable", f"set aside as {parts.spool.set_aside.name}")
    for note in parts.spool.notes:
        parts.site.event("", "spool damaged", note)
    while True:
        await parts.clock.sleep(GATEWAY_PERIOD)
        parts.site.publish(parts.health.gateway_record())


async def _watch(parts: Parts) -> None:
    site = parts.site
    await parts.watchdog.run(parts.health.status, lambda event, detail: site.event("", event, detail))
