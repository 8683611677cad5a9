"""The running parts and the clock: old history after a jump, and self-metrics while the clock is unset."""

from __future__ import annotations

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from wattgram.base.clock import NS, Clock
from wattgram.base.watchdog import Pulse
from wattgram.config.grid_table import GridConfig
from wattgram.config.http_table import HttpConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.daemon import daemon
from wattgram.daemon.daemon import assembled, run

from tests.support.records import NOW, until

DAY = 86400.0


class SettableClock(Clock):
    """A clock that the test sets."""

    offset = 0

    def time(self) -> int:
        return super().time() + self.offset


class FakeClockStatus:
    """The status of the clock: `keeps` is whether a time server keeps it, `uptime` the s since the machine started."""

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
    return Config(site, (), SpoolConfig(folder, keep=30 * DAY, sync=0.2), GridConfig("CN-CQ"), http=HttpConfig(""))


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.slow(5)
def test_after_a_jump_of_forty_days_old_history_is_deleted_only_on_a_synchronised_clock(
    tmp_path: Path, keeps: bool
) -> None:
    async def work() -> bool:
        clock, stop = SettableClock(NOW, 200.0), asyncio.Event()
        async with assembled(config(tmp_path), clock, clock_status=FakeClockStatus(keeps=keeps)) as parts:
            running = asyncio.create_task(run(parts, stop))
            await until(lambda: parts.site.ticks >= 20)
            before = clock.time()
            await until(lambda: clock.time() > before + 400 * NS)  # all records are on disk, marked with their time
            clock.offset += round(40 * DAY * NS)
            after = clock.time()
            await until(lambda: clock.time() > after + 400 * NS)
            checkpoints = await parts.spool.history("checkpoint", 0)  # ticks are in a segment that is not full yet
            stop.set()
            await running
            return any(
                record.time < after - DAY * NS for record in checkpoints
            )  # a slow machine may have a second checkpoint

    assert asyncio.run(work()) is not keeps


def test_a_jump_of_the_clock_deletes_no_history_before_the_clock_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the pruning of the spool runs between the jump and the check."""
    monkeypatch.setattr(daemon, "PRUNE_PERIOD", 0.0)

    async def work() -> list[str]:
        clock, pulse = SettableClock(NOW, 200.0), Pulse("spool")
        async with assembled(config(tmp_path), clock, clock_status=FakeClockStatus(keeps=False)) as parts:
            parts.site.event("", "something", "long ago")
            await parts.spool.sync()
            await parts.spool.pack(clock.time() + NS)
            clock.offset += round(40 * DAY * NS)
            keeping = asyncio.create_task(daemon._sync(parts, 0.01, pulse))
            await until(lambda: pulse.steps > 5)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            return [str(record["detail"]) for record in await parts.spool.history("event", 0)]

    assert "long ago" in asyncio.run(work())


@pytest.mark.slow(2)
def test_no_self_metrics_are_stored_while_the_clock_is_unset(tmp_path: Path) -> None:
    async def work() -> None:
        clock, stop, server = SettableClock(NOW, 200.0), asyncio.Event(), FakeClockStatus(keeps=False, uptime=20.0)
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
            records = await parts.spool.history("gateway", 0)
            assert records
            assert min(record.time for record in records) > NOW + 190 * NS
            assert parts.health.health()[1]["clock"] == "good"

    asyncio.run(work())
