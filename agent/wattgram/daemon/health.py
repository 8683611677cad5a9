"""The state of the daemon: for the page, /healthz, /metrics and the gateway record."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

from wattgram.accounts.wired_flows import wired_flows
from wattgram.acquisition.device_source import Source
from wattgram.acquisition.poll import BusPoller
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record, Series, record
from wattgram.base.units import rfc3339
from wattgram.base.watchdog import Watchdog
from wattgram.delivery.delivery import Delivery
from wattgram.evidence.sealer import Sealer
from wattgram.goals.round import Round
from wattgram.site.site import Site
from wattgram.store.spool import Spool

from .page_history import PageHistory
from .page_results import PageResults

GATEWAY_PERIOD = 60.0
"""s between two gateway records."""


class Health:
    """Reads the state of the parts of a running daemon, and changes no part."""

    def __init__(
        self,
        site: Site,
        spool: Spool,
        lines: Sequence[BusPoller],
        deliveries: Sequence[Delivery],
        goals: Round,
        sealer: Sealer | None,
        watchdog: Watchdog,
        clock: Clock,
    ) -> None:
        self._site = site
        self._spool = spool
        self._lines = lines
        self._deliveries = deliveries
        self._goals = goals
        self._sealer = sealer
        self._watchdog = watchdog
        self._clock = clock
        self.spool_error = ""
        config = site.config
        self._history = PageHistory(
            spool.path, config.site.name, config.site.tick, config.site.timezone, config.corrections
        )
        self._results = PageResults(spool.path, config)
        self._reading = asyncio.Lock()
        names = tuple(self._measured())
        self._series = Series("gateway", (("site", site.config.site.name),), names)

    def now(self) -> dict[str, Any]:
        """Return the current state, for /api/now."""
        site, time, now = self._site, self._clock.time(), self._clock.monotonic()
        signal = site.grid.at(time)
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
                    "behind": list(source.config.behind),
                    "interval": source.config.interval,
                    "state": source.state(now),
                    "age": round(source.age(now), 1),
                    "power": power if isfinite(power := source.power(now)) else None,
                    "quality": _quality(source, now),
                    "detail": source.error,
                    "soc": source.number("battery_soc"),
                    "missing": list(source.latest.judged.missing) if source.latest else [],
                    "withheld": [str(value) for value in source.latest.judged.withheld] if source.latest else [],
                    "findings": source.findings,
                }
                for source in site.sources
            ],
            "wiring": self._wiring(now),
            "grid": {
                "zone": site.config.grid.zone,
                "netting": site.config.grid.netting,
                "source": signal.source,
                "tier": signal.tier,
                "age": signal.age(time),
                "intensity": signal.intensity if isfinite(signal.intensity) else None,
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
                    "name": delivery.sink.name,
                    "state": delivery.progress.state,
                    "pending": self._spool.undelivered(delivery.sink.name),
                    "delivered": delivery.progress.delivered,
                    "detail": delivery.progress.detail,
                }
                for delivery in self._deliveries
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
                "log_size": self._spool.log_size,
                "share": round(self._spool.share, 4),
                "keep": self._spool.keep,
            },
            "seal": self._seal(),
            "events": [
                {
                    "time": rfc3339(event.time),
                    "device": event.device,
                    "event": event.event,
                    "detail": event.detail,
                    "severity": event.severity,
                }
                for event in reversed(site.events.latest)
            ],
        }

    def _seal(self) -> dict[str, Any] | None:
        """Return the last seal; None before the first one, and without a log."""
        seal = self._sealer.latest if self._sealer else None
        if seal is None:
            return None
        return {
            "origin": seal.key.name,
            "size": seal.size,
            "key_id": seal.key.key_id,
            "vkey": seal.key.text,
            "checkpoint": seal.checkpoint,
        }

    def _wiring(self, now: float) -> list[dict[str, Any]]:
        """Return the flows of the site as it is wired, at the last instant; `now` is monotonic."""
        by_name = {source.config.name: source for source in self._site.sources}
        flows = []
        for flow in wired_flows(self._site.instants.wiring, by_name, now):
            source = by_name[flow.devices[0]]
            soc = source.number("battery_soc") if flow.role == "battery" and source.answers(now) else None
            powers = {"power": flow.power, "backup": flow.backup, "grid_port": flow.grid_port}
            known = {name: power if isfinite(power) else None for name, power in powers.items()}
            flows.append({**flow._asdict(), "devices": list(flow.devices), **known, "soc": soc})
        return flows

    def ticks(self) -> int:
        """Return the number of balances since the start."""
        return self._site.ticks

    async def history(self, seconds: float, until: float | None = None) -> dict[str, Any]:
        """Return columns of the `seconds` before `until` (s since the epoch, None for now), up to the last sync.

        A thread reads them, one request at a time: a request for a year delays neither the loop nor the disk.
        """
        end = self._clock.time() if until is None else int(until * NS)
        async with self._reading:
            return await asyncio.to_thread(self._history.read, end - int(seconds * NS), end)

    async def results(self) -> list[dict[str, Any]]:
        """Return the last results, up to the last sync; a thread reads them, one request at a time."""
        async with self._reading:
            return await asyncio.to_thread(self._results.read, self._clock.time())

    def goals(self) -> list[dict[str, Any]]:
        """Return the claims' cards of the last round, none before the first."""
        return self._goals.latest

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the daemon works, and the state of its parts."""
        now = self._clock.monotonic()
        devices = {source.config.name: source.state(now) for source in self._site.sources}
        sinks = {delivery.sink.name: delivery.progress.state for delivery in self._deliveries}
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
        """Return a line for `systemctl status`."""
        now, sources = self._clock.monotonic(), self._site.sources
        good = sum(source.state(now) == "good" for source in sources)
        parts = [f"{good} of {len(sources)} devices good"]
        for delivery in self._deliveries:
            name, state = delivery.sink.name, delivery.progress.state
            left = f", {self._spool.undelivered(name)} records wait" if state == "away" else ""
            parts.append(f"{name} {state}{left}")
        if self.spool_error:
            parts.append(f"spool: {self.spool_error}, {self._spool.pending} records wait in memory")
        if stuck := self._watchdog.stuck:
            parts.append(f"no progress: {', '.join(stuck)}")
        return "; ".join(parts)

    def _grid(self, time: int) -> list[dict[str, Any]]:
        """Return the state of the grid sources in their order. It does not affect `health`: the next source serves."""
        states = []
        for feed in self._site.grid.feeds:
            signal = feed.at(time)
            states.append(
                {
                    "name": feed.name,
                    "state": feed.state(time),
                    "detail": feed.detail,
                    "tier": signal.tier if signal else None,
                    "age": signal.age(time) if signal else None,
                    "intensity": signal.intensity if signal else None,
                }
            )
        return states

    def metrics(self) -> dict[str, float]:
        """Return self-metrics by name, with a label for those of a part; sizes in bytes, times in s, shares 0 to 1."""
        buses = {_labelled("bus_busy_share", bus=line.name): line.usage.share for line in self._lines}
        stuck = {_labelled("part_stuck", part=name): float(is_so) for name, is_so in self._watchdog.states}
        missing = {
            _labelled("device_quantities_missing", device=source.config.name): float(len(source.latest.judged.missing))
            for source in self._site.sources
            if source.latest
        }
        return self._measured() | buses | stuck | missing

    def gateway_record(self) -> Record:
        """Return the self-metrics as a record."""
        values: Mapping[str, float] = self._measured()
        return record(self._series, self._clock.time() // 1_000_000 * 1_000_000, values)

    def _measured(self) -> dict[str, float]:
        """Return the self-metrics of the whole gateway."""
        now = self._clock.monotonic()
        judged_last = [source.latest.judged for source in self._site.sources if source.latest]
        measured: dict[str, float] = {
            "uptime": now,
            "memory": _resident(),
            "cpu_time": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
            "tasks": float(len(asyncio.all_tasks())),
            "parts_stuck": float(len(self._watchdog.stuck)),
            "readings": float(sum(line.readings for line in self._lines)),
            "read_failures": float(sum(line.failures for line in self._lines)),
            "bus_headroom": 1.0 - max((line.usage.share for line in self._lines), default=0.0),
            "records": float(self._site.publication.records),
            "ticks": float(self._site.ticks),
            "quantities_missing": float(sum(len(judged.missing) for judged in judged_last)),
            "values_withheld": float(sum(len(judged.withheld) for judged in judged_last)),
            "devices_good": float(sum(source.state(now) == "good" for source in self._site.sources)),
            "spool_unsynced": float(self._spool.pending),
            "spool_share": self._spool.share,
            "spool_lost": float(self._spool.lost + self._spool.dropped),
            "spool_damaged": float(self._spool.damaged),
            "spool_payload": float(self._spool.payload),
            "spool_written": float(self._spool.written),
            "spool_refused": float(self._spool.refused),
            "spool_log_size": float(self._spool.log_size),
        }
        for delivery in self._deliveries:
            name = delivery.sink.name
            measured[f"{name}_delivered"] = float(delivery.progress.delivered)
            measured[f"{name}_undelivered"] = float(self._spool.undelivered(name))
        return measured


def _labelled(name: str, **labels: str) -> str:
    """Return a metric's name with labels in the format of Prometheus."""
    escaped = (
        (label, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for label, value in labels.items()
    )
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in escaped) + "}"


def _quality(source: Source, now: float) -> str:
    """Return the quality of the last reading, "stale" if the device does not answer."""
    if source.latest is None or not source.answers(now):
        return "stale"
    return str(source.latest.record["quality"])


def _resident() -> float:
    """Return the resident memory of this process, bytes; NaN without a free file handle."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return nan
    return float(pages * resource.getpagesize())
