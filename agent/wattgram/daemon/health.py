"""What the daemon tells about itself: the page's view, /healthz, /metrics and the gateway record."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record, Series, record
from wattgram.base.units import rfc3339
from wattgram.base.watchdog import Watchdog
from wattgram.delivery.delivery import Delivery
from wattgram.goals.round import Round
from wattgram.site.site import Site
from wattgram.store.spool import Spool

from .page_history import PageHistory

GATEWAY_PERIOD = 60.0
"""Seconds between two gateway records."""


class Health:
    """Reads the parts of a running daemon; changes none of them."""

    def __init__(
        self,
        site: Site,
        spool: Spool,
        lines: Sequence[BusPoller],
        deliveries: Sequence[Delivery],
        goals: Round,
        watchdog: Watchdog,
        clock: Clock,
    ) -> None:
        self._site = site
        self._spool = spool
        self._lines = lines
        self._deliveries = deliveries
        self._goals = goals
        self._watchdog = watchdog
        self._clock = clock
        self.spool_error = ""
        config = site.config
        self._curves = PageHistory(spool.path, config.site.name, config.site.tick, config.site.timezone)
        self._reading = asyncio.Lock()
        names = tuple(self._measured())
        self._series = Series("gateway", (("site", site.config.site.name),), names)

    def now(self) -> dict[str, Any]:
        """The state of this moment, as /api/now shows it."""
        site, time, now = self._site, self._clock.time(), self._clock.monotonic()
        signal = site.signal(time)
        return {
            "site": site.config.site.name,
            "time": rfc3339(time),
            "clock": site.timekeeper.state,
            "timezone": str(site.config.site.timezone),
            "tick": site.config.site.tick,
            "uptime": round(now, 1),
            "simulated_speed": self._clock.speed,
            "emission": site.latest.as_dict() if site.latest else {},
            "emission_time": rfc3339(site.latest.time) if site.latest else None,
            "devices": [
                {
                    "name": source.config.name,
                    "role": source.config.role,
                    "driver": source.config.driver,
                    "bus": source.config.endpoint.key,
                    "unit": source.config.unit,
                    "interval": source.config.interval,
                    "state": source.state(now),
                    "age": round(source.age(now), 1),
                    "power": power if isfinite(power := source.power(now)) else None,
                    "quality": _quality(source, now),
                    "detail": source.error,
                    "soc": source.number("battery_soc"),
                }
                for source in site.sources
            ],
            "grid": {
                "zone": site.config.grid.zone,
                "source": signal.source,
                "tier": signal.tier,
                "age": signal.age(time),
                "intensity": signal.intensity,
                "basis": signal.basis,
                "raw": signal.raw if isfinite(signal.raw) else None,
                "sources": self._grid(time),
            },
            "buses": [
                {
                    "url": line.name,
                    "busy_share": round(line.usage.share, 4),
                    "requests": line.requests,
                    "failures": line.failures,
                }
                for line in self._lines
            ],
            "sinks": [
                {
                    "name": one.sink.name,
                    "state": one.progress.state,
                    "pending": self._spool.undelivered(one.sink.name),
                    "delivered": one.progress.delivered,
                    "detail": one.progress.detail,
                }
                for one in self._deliveries
            ],
            "spool": {
                "state": self.spool_error or "good",
                "unsynced": self._spool.pending,
                "lost": self._spool.lost + self._spool.dropped,
                "damaged": self._spool.damaged,
                "refused": self._spool.refused,
                "payload": self._spool.payload,
                "written": self._spool.written,
                "max_size": self._spool.max_size,
                "share": round(self._spool.share, 4),
                "keep": self._spool.keep,
            },
            "events": [
                {"time": rfc3339(one.time), "device": one.device, "event": one.event, "detail": one.detail}
                for one in reversed(site.events.latest)
            ],
        }

    def ticks(self) -> int:
        """Balances since the start."""
        return self._site.ticks

    async def history(self, seconds: float, until: float | None = None) -> dict[str, Any]:
        """Columns of the `seconds` before `until` (s since the epoch, None for now) as of the last sync.

        Read in a thread, one answer at a time: who asks for a year delays neither the loop nor the disk.
        """
        end = self._clock.time() if until is None else int(until * NS)
        async with self._reading:
            return await asyncio.to_thread(self._curves.read, end - int(seconds * NS), end)

    def goals(self) -> list[dict[str, Any]]:
        """Each claim's card as of the last round; none before the first."""
        return self._goals.latest

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and what is not."""
        now = self._clock.monotonic()
        devices = {one.config.name: one.state(now) for one in self._site.sources}
        sinks = {one.sink.name: one.progress.state for one in self._deliveries}
        stuck, clock = self._watchdog.stuck, self._site.timekeeper.state
        well = not self.spool_error and "away" not in sinks.values() and not stuck and clock != "unset"
        return well, {
            "ok": well,
            "clock": clock,
            "spool": self.spool_error or "good",
            "devices": devices,
            "sinks": sinks,
            "grid": self._grid(self._clock.time()),
            "stuck": stuck,
        }

    def status(self) -> str:
        """A line for people, as `systemctl status` shows it."""
        now, sources = self._clock.monotonic(), self._site.sources
        good = sum(one.state(now) == "good" for one in sources)
        said = [f"{good} of {len(sources)} devices good"]
        for one in self._deliveries:
            name, state = one.sink.name, one.progress.state
            left = f", {self._spool.undelivered(name)} records wait" if state == "away" else ""
            said.append(f"{name} {state}{left}")
        if self.spool_error:
            said.append(f"spool: {self.spool_error}, {self._spool.pending} records wait in memory")
        if stuck := self._watchdog.stuck:
            said.append(f"no progress: {', '.join(stuck)}")
        return "; ".join(said)

    def _grid(self, time: int) -> list[dict[str, Any]]:
        """The grid's sources in their order; one that is away makes nothing unwell, the next one stands in."""
        shown = []
        for feed in self._site.grid.feeds:
            signal = feed.at(time)
            shown.append(
                {
                    "name": feed.name,
                    "state": feed.state(time),
                    "detail": feed.detail,
                    "tier": signal.tier if signal else None,
                    "age": signal.age(time) if signal else None,
                    "intensity": signal.intensity if signal else None,
                }
            )
        return shown

    def metrics(self) -> dict[str, float]:
        """Self-metrics by name, those of a part with its label; sizes in bytes, times in s, shares 0 to 1."""
        buses = {_labelled("bus_busy_share", bus=line.name): line.usage.share for line in self._lines}
        stuck = {_labelled("part_stuck", part=name): float(is_so) for name, is_so in self._watchdog.states}
        return self._measured() | buses | stuck

    def gateway_record(self) -> Record:
        """The self-metrics as a record."""
        values: Mapping[str, float] = self._measured()
        return record(self._series, self._clock.time() // 1_000_000 * 1_000_000, values)

    def _measured(self) -> dict[str, float]:
        """What concerns the whole gateway."""
        now = self._clock.monotonic()
        measured: dict[str, float] = {
            "uptime": now,
            "memory": _resident(),
            "cpu_time": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
            "tasks": float(len(asyncio.all_tasks())),
            "parts_stuck": float(len(self._watchdog.stuck)),
            "readings": float(sum(line.readings for line in self._lines)),
            "read_failures": float(sum(line.failures for line in self._lines)),
            "bus_headroom": 1.0 - max((line.usage.share for line in self._lines), default=0.0),
            "records": float(self._site.records),
            "ticks": float(self._site.ticks),
            "devices_good": float(sum(one.state(now) == "good" for one in self._site.sources)),
            "spool_unsynced": float(self._spool.pending),
            "spool_share": self._spool.share,
            "spool_lost": float(self._spool.lost + self._spool.dropped),
            "spool_damaged": float(self._spool.damaged),
            "spool_payload": float(self._spool.payload),
            "spool_written": float(self._spool.written),
            "spool_refused": float(self._spool.refused),
        }
        for one in self._deliveries:
            measured[f"{one.sink.name}_delivered"] = float(one.progress.delivered)
            measured[f"{one.sink.name}_undelivered"] = float(self._spool.undelivered(one.sink.name))
        return measured


def _labelled(name: str, **labels: str) -> str:
    """A metric's name with its labels as Prometheus writes them."""
    escaped = (
        (label, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for label, value in labels.items()
    )
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in escaped) + "}"


def _quality(source: Source, now: float) -> str:
    """What the last reading says of itself while it is alive."""
    if source.latest is None or source.state(now) != "good":
        return "stale"
    return str(source.latest.record["quality"])


def _resident() -> float:
    """Bytes of this process in memory; NaN while there is no file handle to ask with."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return nan
    return float(pages * resource.getpagesize())
