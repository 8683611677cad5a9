"""The daemon: the parts of a Config run in one TaskGroup; signals end them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal as signals
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from wattgram_drivers.modbus.bus import Bus

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.paced_intervals import LENGTHENED, PacedDevice, paced, with_paced_intervals
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import Clock
from wattgram.base.errors import SpoolError
from wattgram.base.notify import Supervisor
from wattgram.base.watchdog import Pulse, Watchdog, WatchedPart
from wattgram.config.http_table import weak_token
from wattgram.config.load import Config
from wattgram.config.role_check import UNSUITABLE
from wattgram.config.zone_check import ZONE_MISSING
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks import SINKS
from wattgram.delivery.sinks.client_identity import IdentifiedSink
from wattgram.delivery.sinks.sink import Sink, sink_module
from wattgram.evidence.sealer import Sealer
from wattgram.evidence.transparency_log import log_bytes
from wattgram.goals.crossed_lines import CrossedLines
from wattgram.goals.round import Round
from wattgram.grid.sources import grid_source as grid_sources
from wattgram.grid.sources.grid_source import GridSource
from wattgram.site.revision import Revision
from wattgram.site.site import Site
from wattgram.store.carried_records import CarriedRecords
from wattgram.store.spool import Spool
from wattgram.timekeeping.kernel_clock import AlwaysSynchronised, ClockStatus
from wattgram.web import Server

from .health import GATEWAY_PERIOD, Health
from .late_opening import LateOpening
from .sync_pace import SyncPace

log = logging.getLogger(__name__)

PRUNE_PERIOD = 60.0
"""s between two removals of old records from the spool."""

PACK_PERIOD = 300.0
"""s between two compressions of the spool; a longer period compresses better."""

LOSSES_BY_HAND = 3
"""Connections that a run by hand may lose to another client with the same client id."""

COMMIT = 120.0
"""Longest time of a sync, real s: a worn SD card may stall for long."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The running parts. slower: the devices whose interval was lengthened."""

    clock: Clock
    site: Site
    spool: Spool
    opening: LateOpening
    lines: tuple[BusPoller, ...]
    grid: tuple[GridSource, ...]
    revision: Revision
    deliveries: tuple[Delivery, ...]
    goals: Round
    sealer: Sealer | None
    health: Health
    watchdog: Watchdog
    slower: tuple[PacedDevice, ...] = ()


def sinks(config: Config, clock: Clock | None = None) -> list[Sink]:
    """Make the configured sinks, in the order of SINKS.

    `clock`: for messages with the time at which they were sent, None for the machine's own.
    """
    settings = {"mqtt": config.mqtt, **config.sinks}
    configured = [table for table in SINKS if settings.get(table) is not None]
    return [sink_module(table).made(settings[table], config, clock or Clock()) for table in configured]


def spool_of(config: Config, targets: Sequence[Sink]) -> Spool:
    """Return the closed spool of a configuration with its sinks; the log in its folder counts within the limit."""
    names = [sink.name for sink in targets]
    spool = Spool(config.spool.path, max_size=config.spool.max_size, keep=config.spool.keep, sinks=names)
    spool.refusals.limit(config.spool.refused_size)
    spool.log_size = log_bytes(spool.path)
    return spool


@contextlib.asynccontextmanager
async def assembled(
    config: Config,
    clock: Clock,
    seed: int = 0,
    supervisor: Supervisor | None = None,
    clock_status: ClockStatus | None = None,
    carried: CarriedRecords | None = None,
) -> AsyncIterator[Parts]:
    """Make the parts of a configuration, with an open spool. The end closes the spool, and so stores all records.

    `carried`: of a directory that the spool's directory has replaced.
    `supervisor`: receiver of the watchdog's state. `witness`: judge of the clock, None for a clock that is right by
    definition. SpoolError when the spool cannot be opened.
    """
    chance = random.Random(seed)  # noqa: S311 - it spreads retries and needs no secrecy
    slower = paced(config.devices) if clock.speed == 1.0 else ()  # the delays are real seconds
    config = replace(config, devices=with_paced_intervals(config.devices, slower))
    targets = sinks(config, clock)
    spool = spool_of(config, targets)
    await spool.open()
    try:
        started = clock.monotonic()
        sources = [Source(device, config.site.name, started, config.site.timezone) for device in config.devices]
        grid = tuple(
            grid_sources.made(source, config.grid.basis, config.mqtt, clock, chance) for source in config.grid.sources
        )
        site = Site(config, sources, spool, clock, [source.feed for source in grid], clock_status)
        revision = Revision(site, spool, clock)
        opening = LateOpening(site, revision, spool, carried)
        if not spool.unread:
            await opening.restore()
        buses = {device.endpoint.key: device.endpoint for device in config.devices}
        lines = tuple(
            BusPoller(
                Bus(endpoint, chance=chance),
                [source for source in sources if source.config.endpoint.key == key],
                site,
                clock,
                chance,
            )
            for key, endpoint in buses.items()
        )
        deliveries = tuple(Delivery(sink, spool, clock, chance, site) for sink in targets)
        for sink in targets:
            if isinstance(sink, IdentifiedSink):
                sink.identity.events = site
        crossed = CrossedLines(spool, site.event)
        goals = Round(config, site.publication.publish, lambda: site.timekeeper.ages_reliable, clock, crossed)
        sealer = _sealer(config, site, spool, clock, clock_status or AlwaysSynchronised())
        watchdog = Watchdog(supervisor or Supervisor(), clock)
        health = Health(site, spool, lines, deliveries, goals, sealer, watchdog, clock)
        health.spool_error = spool.unread
        works = lines, grid, revision, deliveries, goals, sealer
        yield Parts(clock, site, spool, opening, *works, health, watchdog, slower)
        opening.note_end()
    finally:
        await spool.close()


def _sealer(config: Config, site: Site, spool: Spool, clock: Clock, status: ClockStatus) -> Sealer | None:
    if not config.evidence.seal:
        return None
    publish, timekeeper = site.publication.publish, site.timekeeper
    terms = site.books.stated
    return Sealer(config, terms, spool, clock, status, publish, site.event, lambda: not timekeeper.unset)


async def run(parts: Parts, stop: asyncio.Event, page_at: asyncio.Future[str] | None = None) -> None:
    """Run until `stop`, or until another directory has replaced that of the spool.

    `page_at` receives the URL of the page, "" for no page.

    OSError when another process uses the address of the page.
    """
    config = parts.site.config
    async with contextlib.AsyncExitStack() as stack:
        address = ""
        if config.http.listen:
            if warning := weak_token(config.http):
                log.warning("%s", warning)
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
                *((parts.sealer,) if parts.sealer else ()),
            )
            disk = Pulse("spool")
            parts.watchdog.watch([*(part.pulse for part in watched), disk])
            stateful = (parts.revision, parts.goals, parts.sealer)
            works = [parts.opening.run_later(part) if part in stateful else part.run() for part in watched]
            tasks = [group.create_task(work, name=part.pulse.name) for work, part in zip(works, watched, strict=True)]
            tasks.append(group.create_task(parts.opening.run(), name="opening"))
            tasks.append(group.create_task(_sync(parts, config.spool.sync, disk), name=disk.name))
            tasks.append(group.create_task(_report(parts), name="gateway"))
            # Tasks start in the order of their creation: the watchdog starts after all other parts.
            tasks.append(group.create_task(_watch(parts), name="watchdog"))
            log.info("%s: %d devices on %d buses", config.site.name, len(config.devices), len(parts.lines))
            await _any_of(stop, parts.spool.replaced)
            for task in tasks:
                task.cancel()


async def _any_of(*events: asyncio.Event) -> None:
    """Wait until one of some events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Stop(asyncio.Event):
    """The event that ends the parts."""

    interrupted = False
    """Whether SIGINT was the reason (SPEC 3: exit code 130)."""

    fault = ""
    """The reason of an end that needs a person, "" for none (exit code 1)."""

    def interrupt(self) -> None:
        """End because of SIGINT."""
        self.interrupted = True
        self.set()


def yield_to_others(parts: Parts, stop: Stop) -> None:
    """End the parts after LOSSES_BY_HAND connections that another client with the same client id has ended.

    A run by hand beside a service is a mistake of a person. A service goes on, with pauses, because nobody would see
    its end.
    """

    def lost(losses: int, text: str) -> None:
        if losses >= LOSSES_BY_HAND:
            stop.fault = f"{text}; this run ends, because it was started by hand"
            stop.set()

    for delivery in parts.deliveries:
        if isinstance(delivery.sink, IdentifiedSink):
            delivery.sink.identity.on_loss = lost


def stop_on_signals() -> Stop:
    """Return an event that SIGTERM and SIGINT set."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signals.SIGTERM, stop.set)
    loop.add_signal_handler(signals.SIGINT, stop.interrupt)
    return stop


async def _sync(parts: Parts, period: float, pulse: Pulse) -> None:
    """Sync the spool every period and keep it within its limits; report a disk error once."""
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
            # Check the clock first: after a jump ahead, pruning would delete history that is still valid.
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
            reason = f"{error}; readings wait until the stored state can be read" if spool.unread else str(error)
            if not health.spool_error:
                log.error("spool: %s; %d records wait in memory", error, spool.pending)
            health.spool_error = reason
        else:
            if health.spool_error:
                log.info("spool: the disk accepts records again")
            health.spool_error = ""


def _report_damage(parts: Parts, told: set[str]) -> None:
    """Report damage of the spool, each once: a disk may be opened late, and a database may break at any time."""
    aside = parts.spool.set_aside
    if aside is not None and aside.name not in told:
        told.add(aside.name)
        parts.site.event("", "spool unreadable", f"set aside as {aside.name}")
    for note in parts.spool.notes:
        if note not in told:
            told.add(note)
            parts.site.event("", "spool damaged", note)


async def _report(parts: Parts) -> None:
    told: set[str] = set()
    _report_damage(parts, told)
    if parts.site.config.grid.excuse:
        parts.site.event("", ZONE_MISSING, parts.site.config.grid.excuse)
    for device in parts.slower:
        parts.site.event(device.config.name, LENGTHENED, device.reason)
    for config in parts.site.config.devices:
        if config.unsuitable:
            parts.site.event(config.name, UNSUITABLE, f"{config.unsuitable}; its power stays out of the balance")
    while True:
        await parts.clock.sleep(GATEWAY_PERIOD)
        _report_damage(parts, told)
        parts.site.publication.publish(parts.health.gateway_record())


async def _watch(parts: Parts) -> None:
    site = parts.site
    await parts.watchdog.run(parts.health.status, lambda event, detail: site.event("", event, detail))
