"""What the running parts do by the clock: old history, and self-metrics while nobody knows the time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.base.clock import NS, Clock
from wattgram.base.watchdog import Pulse
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.daemon import daemon
from wattgram.daemon.daemon import assembled, run

from tests.support.records import NOW, until

DAY = 86400.0


class Set(Clock):
    """A clock, 200 times as fast as the real one, that is set."""

    offset = 0

    def time(self) -> int:
        return super().time() + self.offset


class Server:
    """Whether a time server keeps it; the machine has run for long, or was just switched on."""

    def __init__(self, *, keeps: bool, uptime: float = 1e6) -> None:
        self.keeps = keeps
        self._uptime = uptime

    def synchronised(self) -> bool:
        return self.keeps

    def runs_when_off(self) -> bool:
        return False

    def uptime(self) -> float:
        return self._uptime

    def boot_id(self) -> str:
        return "first"


def config(folder: Path) -> Config:
    site = SiteConfig("works", ZoneInfo("Asia/Shanghai"), 10.0)
    return Config(site, (), SpoolConfig(folder, keep=30 * DAY, sync=0.2), http=HttpConfig(""))


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.slow(5)
def test_a_clock_that_jumps_by_forty_days_deletes_what_is_old_when_a_time_server_keeps_it(
    tmp_path: Path, keeps: bool
) -> None:
    async def work() -> bool:
        clock, stop = Set(NOW, 200.0), asyncio.Event()
        async with assembled(config(tmp_path), clock, clock_status=Server(keeps=keeps)) as parts:
            running = asyncio.create_task(run(parts, stop))
            await until(lambda: parts.site.ticks >= 20)
            before = clock.time()
            await until(lambda: clock.time() > before + 400 * NS)  # everything is on disk, and marked with its time
            clock.offset += round(40 * DAY * NS)
            after = clock.time()
            await until(lambda: clock.time() > after + 400 * NS)
            found = await parts.spool.history("checkpoint", 0)  # ticks lie in a segment that is not full yet
            stop.set()
            await running
            return any(one.time < after - DAY * NS for one in found)  # a slow machine has come to a second hour

    assert asyncio.run(work()) is not keeps


def test_a_clock_that_was_set_a_moment_ago_costs_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but what keeps the spool within its bounds looks at it in between."""
    monkeypatch.setattr(daemon, "PRUNE_PERIOD", 0.0)

    async def work() -> list[str]:
        clock, pulse = Set(NOW, 200.0), Pulse("spool")
        async with assembled(config(tmp_path), clock, clock_status=Server(keeps=False)) as parts:
            parts.site.event("", "something", "long ago")
            await parts.spool.sync()
            await parts.spool.pack(clock.time() + NS)
            clock.offset += round(40 * DAY * NS)
            keeping = asyncio.create_task(daemon._sync(parts, 0.01, pulse))
            await until(lambda: pulse.steps > 5)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            return [str(one["detail"]) for one in await parts.spool.history("event", 0)]

    assert "long ago" in asyncio.run(work())


@pytest.mark.slow(2)
def test_self_metrics_are_none_while_nobody_knows_the_time(tmp_path: Path) -> None:
    async def work() -> None:
        clock, stop, server = Set(NOW, 200.0), asyncio.Event(), Server(keeps=False, uptime=20.0)
        async with assembled(config(tmp_path), clock, clock_status=server) as parts:
            running = asyncio.create_task(run(parts, stop))
            await until(lambda: clock.monotonic() > 200.0)
            assert parts.health.health()[1]["clock"] == "unset"
            assert parts.health.health()[0] is False
            assert parts.spool.appended == 0
            server.keeps = True
            await until(lambda: clock.monotonic() > 400.0)
            stop.set()
            await running
            await parts.spool.sync()
            told = await parts.spool.history("gateway", 0)
            assert told
            assert min(one.time for one in told) > NOW + 190 * NS
            assert parts.health.health()[1]["clock"] == "good"

    asyncio.run(work())
