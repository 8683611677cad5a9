"""The whole daemon on a clock that leaps, beside real Modbus servers in the same loop: hours of polling in seconds.

    def devices(port): return one_device("incomer", "grid", "eastron_sdm630", port)
    told = run_site(tmp_path, [Server(behaviour)], devices, seconds=60.0)
    told.values("incomer", "active_power_total")

Everything that the daemon appends to its spool is what a sink would publish.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from wattgram.base.clock import NS
from wattgram.base.record import Record
from wattgram.daemon import daemon
from wattgram.delivery.configuration import load

from tests.support import leaping_loop
from tests.support.misbehaving_device import Server, Slave
from tests.support.running_site import configuration

Action = Callable[["SiteRun"], Awaitable[None]]


@dataclass
class SiteRun:
    """The records of a run, in their order. clock: the site's."""

    clock: leaping_loop.LeapClock
    records: list[Record] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)

    def of(self, device: str, kind: str = "device") -> list[Record]:
        """Return the records of a device."""
        return [
            record for record in self.records if record.series.kind == kind and record.series.tag("device") == device
        ]

    def seconds(self, record: Record) -> float:
        """Return the time of a record since the start, s."""
        return (record.time - leaping_loop.START) / NS

    def values(self, device: str, quantity: str) -> list[float]:
        """Return the values of a quantity that were published, whatever the quality."""
        found = [record.as_dict().get(quantity) for record in self.of(device)]
        return [value for value in found if isinstance(value, float) and isfinite(value)]

    def other_than(self, device: str, quantity: str, right: float) -> list[float]:
        """Return the published values of a quantity that differ from the only right one; AssertionError for none."""
        found = self.values(device, quantity)
        assert found, f"{device}: no {quantity} was published"
        return [value for value in found if abs(value - right) > 1e-6 * abs(right)]

    def qualities(self, device: str) -> list[str]:
        """Return the quality of each reading."""
        return [str(record["quality"]) for record in self.of(device)]

    def events(self, device: str) -> list[str]:
        """Return the device's events as "event: detail"."""
        return [f"{record['event']}: {record['detail']}" for record in self.of(device, "event")]

    def results(self, field_name: str, window: str = "tick") -> list[float | None]:
        """Return a field of the site's results; None where absent."""
        found = [
            record.as_dict().get(field_name)
            for record in self.records
            if record.series.kind == "emission" and record.series.tag("window") == window
        ]
        return [value if isinstance(value, float) and isfinite(value) else None for value in found]


def run_site(
    folder: Path,
    servers: Sequence[Server | Slave],
    devices: Callable[..., str],
    seconds: float,
    *,
    then: Action | None = None,
    more: str = "",
    spool: str = "",
    speed: float = 1.0,
) -> SiteRun:
    """Run the daemon for `seconds` of its clock; `devices` gets the servers' ports or paths. `then` runs meanwhile.

    more, spool: further lines of the tables `site` and `spool`.
    """
    logging.getLogger("wattgram").setLevel(logging.CRITICAL)

    async def work() -> SiteRun:
        clock = leaping_loop.LeapClock(speed=speed)
        told = SiteRun(clock)
        places = [await server.start() for server in servers]
        path = folder / "site.toml"
        text = configuration(folder, devices(*places), more=more)
        path.write_text(text.replace("[http]", f"{spool}\n[http]", 1))
        async with daemon.assembled(load(path), clock, seed=1) as parts:
            append = parts.spool.append

            def appended(record: Record) -> None:
                told.records.append(record)
                append(record)

            parts.spool.append = appended  # type: ignore[method-assign]  # as a sink sees it
            stop = asyncio.Event()
            running = asyncio.create_task(daemon.run(parts, stop), name="daemon")
            if then is not None:
                await then(told)
            await asyncio.sleep(max(0.0, seconds - clock.monotonic()))
            now = clock.monotonic()
            told.state |= {source.config.name: source.state(now) for source in parts.site.sources}
            stop.set()
            await running
        for server in servers:
            await server.stop()
        return told

    try:
        return leaping_loop.run(work())
    finally:
        logging.getLogger("wattgram").setLevel(logging.NOTSET)
