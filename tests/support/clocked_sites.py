"""A site under a clock that the test controls: time passes, the wall clock is set, processes end and begin."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from wattgram.base.clock import MS, NS
from wattgram.base.errors import SpoolError
from wattgram.base.record import Record
from wattgram.daemon.late_opening import LateOpening
from wattgram.site.revision import Revision
from wattgram.store.carried_records import CarriedRecords

from tests.support.plants import Hands, Plant

STRIDES = 4
"""Smallest steps of time in a tick."""


class SteeredClock(Hands):
    """A clock that the test moves; sleepers wake when their time has passed."""

    async def sleep(self, seconds: float) -> None:
        end = self.passed + seconds
        while self.passed < end:  # noqa: ASYNC110 - only the test lets time pass, between two turns of the loop
            await asyncio.sleep(0)


class Server:
    """The answers of the kernel: whether a time server keeps the clock, the uptime, and the boot's id."""

    def __init__(self, clock: SteeredClock, *, keeps: bool = True, uptime: float = 1e6) -> None:
        self.keeps = keeps
        self.named = "first"
        self._clock = clock
        self._before = uptime - clock.passed

    def synchronised(self) -> bool:
        return self.keeps

    def runs_when_off(self) -> bool:
        return False

    def uptime(self) -> float:
        return self._before + self._clock.passed

    def boot_id(self) -> str:
        return self.named

    def switched_on(self, named: str) -> None:
        """Start the machine."""
        self.named, self._before = named, -self._clock.passed


class Life:
    """A site with a real spool, over several processes.

    `told`: the records that reached the disk, in order. watts: of each meter.
    """

    def __init__(
        self,
        folder: Path,
        start: int,
        *,
        roles: Mapping[str, str] | None = None,
        watts: float = 36e3,
        tick: float = 1.0,
        server: Server | None = None,
        clock: SteeredClock | None = None,
    ) -> None:
        self.clock = clock or SteeredClock(start)
        self.server = server or Server(self.clock)
        self.told: list[Record] = []
        self.read = 0
        self._folder = folder
        self._roles = roles or {"incomer": "grid"}
        self._watts = watts
        self._tick = tick
        self.stride = tick / STRIDES
        self.refuses = False  # whether the disk may refuse records
        self._later: asyncio.Task[None] | None = None
        self._counted: Mapping[str, list[float]] = {name: [1.0, 1.0] for name in self._roles}
        self._plant: Plant | None = None
        self._running: asyncio.Task[None] | None = None
        self._appended: list[Record] = []

    @property
    def plant(self) -> Plant:
        """Return the running process."""
        assert self._plant is not None
        return self._plant

    async def begin(self, carried: CarriedRecords | None = None) -> None:
        """Start a process, or continue in another directory with what was carried there."""
        plant = Plant(
            self._folder,
            self._roles,
            0,
            tick=self._tick,
            clock=self.clock,
            counted=self._counted,
            clock_status=self.server,
        )
        plant._powers = dict.fromkeys(self._roles, self._watts)
        append = plant.spool.append

        def noted(record: Record) -> None:
            self._appended.append(record)
            append(record)

        plant.spool.append = noted  # type: ignore[method-assign]  # listens
        await plant.spool.open()
        self.opening = LateOpening(plant.site, Revision(plant.site, plant.spool, self.clock), plant.spool, carried)
        self._later = None
        if plant.spool.unread:
            self._later = asyncio.create_task(self.opening.run())
        else:
            await self.opening.restore()
        self._plant, self._counted = plant, plant.counters
        self._running = asyncio.create_task(plant.site.run())

    async def go(self, seconds: float) -> None:
        """Let time pass; each meter is read at whole ticks of true time, and a sync follows."""
        for _ in range(round(seconds / self.stride)):
            powers = dict.fromkeys(self._roles, self._watts)
            self.plant.flow(self.stride, **{name.replace("-", "_"): power for name, power in powers.items()})
            stride = round(self.clock.passed / self.stride) % STRIDES
            if stride == 0:
                self.plant.read(volts=230.0 + self.read % 97 / 100.0)
                self.read += 1
            for _ in range(4):
                await asyncio.sleep(0)
            if stride == STRIDES - 1:
                await self.sync()

    async def sync(self) -> None:
        """Write appended records to disk; with `refuses`, sinks get them from memory."""
        with contextlib.suppress(*([SpoolError] if self.refuses else [])):
            await self.plant.spool.sync()
        self.told += self._appended
        self._appended.clear()

    def set(self, by: float) -> None:
        """Set the wall clock."""
        self.clock.now += round(by * NS)

    async def end(self) -> None:
        """SIGTERM."""
        await self._stop()
        await self.sync()
        await self.plant.spool.close()

    async def kill(self) -> None:
        """kill -9: records that were not synced are lost."""
        spool = self.plant.spool
        spool.append = lambda record: None  # type: ignore[method-assign]  # the process has ended
        self._appended.clear()
        await spool._run(spool._store.close)
        spool._stop_threads()
        await self._stop()

    async def move(self) -> None:
        """Continue in the directory that was mounted over the present one."""
        spool = self.plant.spool
        await self._stop()
        self.told += self._appended
        self._appended.clear()
        await spool.close()
        assert spool.carried is not None
        await self.begin(spool.carried)

    async def _stop(self) -> None:
        assert self._running is not None
        if self._later is not None:
            self._later.cancel()
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    def of(self, kind: str, window: str = "") -> list[Record]:
        """Return the stored records of a kind."""
        return [
            record
            for record in self.told
            if record.series.kind == kind and (not window or record.series.tag("window") == window)
        ]

    def events(self) -> list[str]:
        """Return the stored events."""
        return [str(record["event"]) for record in self.of("event")]


def seconds(records: list[Record], since: int) -> list[float]:
    """Return the times of the records after `since`, s, to the ms."""
    return [(record.time - since) // MS / 1000.0 for record in records]
