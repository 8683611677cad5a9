"""A fixed View for tests of the server and the page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Thread
from typing import Any

from wattgram.daemon.page_history import PAGE_COLUMNS, resolution
from wattgram.web import ClientLimits, Server

TIME = "2026-06-24T02:30:00.000Z"
SECOND = 1782268200  # the same instant
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class FixedView:
    """A View with constant values. A test may change `state`, the answer of /api/now."""

    def __init__(self) -> None:
        self.well = True
        self.asked: list[tuple[float, float | None]] = []
        self.count = 1
        self.correction = ""
        self.cards: list[dict[str, Any]] = []
        self.last_results = [
            result("quarter", "2026-06-24T02:15:00.000Z", 50e3),
            result("today", "2026-06-23T16:00:00.000Z", 2.1e6),
            result("yesterday", "2026-06-22T16:00:00.000Z", 4.8e6, end="2026-06-23T16:00:00.000Z", stated=True),
        ]
        self.state: dict[str, Any] = {
            "site": "liangjiang-foundry",
            "time": TIME,
            "timezone": "Asia/Shanghai",
            "simulated_speed": 60.0,
            "emission_time": TIME,
            "emission": {
                "load_power": 200e3,
                "grid_import_power": 80e3,
                "grid_export_power": 0.0,
                "pv_power": 95.5e3,
                "generation_power": 0.0,
                "battery_discharge_power": 24.5e3,
                "battery_charge_power": 0.0,
                "emission_intensity": 279.05,
                "grid_intensity": 558.1,
                "emission_rate": 55810.0,
                "clean_share": 0.67,
                "self_sufficiency": 0.61,
                "coverage": 1.0,
                "grid_tier": 5,
                "grid_age": 0.0,
            },
            "devices": [
                device("incomer", "grid", 80e3),
                device("roof-east", "pv", 95.5e3),
                device("battery", "battery", 24.5e3),
                device(HOSTILE, "load", None, state="lost", age=75.0, detail="no answer <b>from</b> unit 3"),
                device("ev-charger", "ev", 30e3),
            ],
            "wiring": [
                flow("incomer", "grid", 80e3),
                flow("roof-east", "pv", 95.5e3),
                flow("battery", "battery", 24.5e3),
                flow(HOSTILE, "load", None, reason="no reading"),
                flow("ev-charger", "ev", 30e3),
            ],
            "grid": {
                "zone": "CN-CQ",
                "netting": "busbar",
                "source": "table",
                "tier": 5,
                "age": 0.0,
                "intensity": 558.1,
                "basis": "direct",
                "raw": None,
                "sources": [],
            },
            "clock": "good",
            "tick": 10.0,
            "uptime": 86400.0,
            "buses": [{"url": "tcp://10.1.1.20:502", "busy_share": 0.25, "requests": 100, "failures": 10}],
            "sinks": [{"name": "influxdb", "state": "away", "pending": 18234, "delivered": 7, "detail": "refused"}],
            "spool": {
                "state": "good",
                "unsynced": 3,
                "lost": 0,
                "damaged": 0,
                "refused": 2,
                "payload": 1000,
                "written": 1200,
                "max_size": 2**30,
                "log_size": 12_500_000,
                "share": 0.25,
                "keep": 2592000.0,
            },
            "seal": {
                "origin": "wattgram/works/0a1b2c3d",
                "size": 2991,
                "key_id": "530d903a",
                "vkey": "wattgram/works/0a1b2c3d+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                "checkpoint": HOSTILE,
            },
            "events": [
                {"time": TIME, "device": HOSTILE, "event": "device lost", "detail": "silent", "severity": "alarm"}
            ],
        }

    def ticks(self) -> int:
        return self.count

    def now(self) -> dict[str, Any]:
        return self.state

    async def history(self, seconds: float, until: float | None = None) -> dict[str, Any]:
        """60 rows of the present state over the period. The last row is 10 s older than the period's end."""
        self.asked.append((seconds, until))
        end = float(SECOND) if until is None else until
        step = seconds / 60
        times = [end - 10 - step * (59 - i) for i in range(60)]
        emission: dict[str, Any] = self.state["emission"]
        columns: dict[str, list[float | None]] = {name: [emission.get(name)] * len(times) for name in PAGE_COLUMNS}
        name = resolution(seconds, 10.0)
        if name != "tick":
            columns["emission_intensity_uncertainty"] = [41.9] * len(times)
        return {
            "resolution": name,
            "step": step,
            "since": end - seconds,
            "until": end,
            "correction": self.correction,
            "uncertainty_basis": None if name == "tick" else "assumed",
            "time": times,
            **columns,
        }

    async def results(self) -> list[dict[str, Any]]:
        return self.last_results

    def goals(self) -> list[dict[str, Any]]:
        return self.cards

    def health(self) -> tuple[bool, dict[str, Any]]:
        states = {"clock": "good", "spool": "good", "devices": {}, "sinks": {}, "grid": [], "stuck": []}
        return self.well, {"ok": self.well, **states}

    def metrics(self) -> dict[str, float]:
        return {"uptime": 12.5, "spool.lost": 0.0}


def device(name: str, role: str, power: float | None, **more: object) -> dict[str, object]:
    """One row of /api/now's devices."""
    common: dict[str, object] = {"driver": "eastron_sdm630", "state": "good", "age": 0.4, "quality": "good"}
    common |= {
        "detail": "",
        "soc": None,
        "missing": [],
        "withheld": [],
        "findings": [],
        "bus": "tcp://10.1.1.20:502",
        "unit": 1,
        "interval": 1.0,
    }
    return {"name": name, "role": role, "power": power, **common, **more}


def result(
    period: str, start: str, load: float, *, end: str = "2026-06-24T02:30:00.000Z", stated: bool = False
) -> dict[str, Any]:
    """One row of /api/results: a load of Wh at 279.05 g/kWh, with 1.7 % and 15 % of uncertainty."""
    emission = 0.27905 * load
    return {
        "period": period,
        "start": start,
        "end": end,
        "coverage": 1.0,
        "basis": "direct",
        "load_energy": load,
        "load_energy_uncertainty": 0.017 * load,
        "emission": emission,
        "emission_uncertainty": 0.15 * emission,
        "emission_intensity": 279.05,
        "emission_intensity_uncertainty": 41.9,
        "uncertainty_basis": "stated" if stated else "assumed",
    }


def flow(name: str, role: str, power: float | None, **more: object) -> dict[str, object]:
    """One node of /api/now's wiring."""
    common: dict[str, object] = {"behind": "", "devices": [name], "reason": ""}
    common |= {"basis": "unknown" if power is None else "measured", "backup": None, "grid_port": None, "soc": None}
    return {"name": name, "role": role, "power": power, **common, **more}


@contextmanager
def served(
    view: FixedView,
    token: str | None = None,
    listen: str = "127.0.0.1:0",
    limits: ClientLimits | None = None,
    origin: str | None = None,
) -> Iterator[tuple[str, int]]:
    """The server in a separate thread with its own loop: tests may use blocking clients."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    address: Queue[tuple[str, int]] = Queue()

    async def run() -> None:
        async with Server(listen, token, view, limits, origin).serve() as server:
            assert server.address is not None
            address.put(server.address)
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(run(),), name="page")
    thread.start()
    try:
        yield address.get(timeout=60)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
