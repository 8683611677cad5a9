"""A small disk that another file fills up, and that is freed again.

Polling, broker and database must not notice; what was read meanwhile is in memory, so the daemon is killed only after
the disk has taken it. It is also started while the disk is full.
"""

from __future__ import annotations

from contextlib import suppress

from tests.faults.mounts import mounted
from tests.faults.stage import Rounds, Stage
from tests.faults.world import World, world
from tests.support.servers import wait_for

SIZE = "size=24m"
MOST = 'max_size = "16MiB"'

LATE = 15.0
"""Seconds in which a reading of a daemon whose disk is full must be in the database."""


def fills(stage: Stage) -> Rounds:
    """Each round fills the disk once."""
    with (
        world(stage.folder, stage.chance, spool=MOST) as site,
        mounted("-t", "tmpfs", "-o", SIZE, "tmpfs", at=site.spool),
    ):
        site.start()
        site.wait_for_readings()
        for number in range(stage.rounds):
            site.sleep(0.5, 1.5)
            if number % 2:
                site.stop()
                _fill(site)
                site.start()
                site.wait_for_readings()
            else:
                _fill(site)
            site.sleep(2.0, 4.0)
            _live(site)
            (site.folder / "spool" / "other").unlink()
            site.sleep(1.0, 2.0)
            verdict = site.compare(site.drained())
            assert (unsynced := site.metrics()["spool_unsynced"]) < 100, f"{unsynced:g} records wait on an empty disk"
            yield verdict
        site.stop()


def _fill(site: World) -> None:
    with suppress(OSError), (site.spool / "other").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def _live(site: World) -> None:
    """Wait until new readings arrive in the database."""
    served = {meter.name: len(meter.served) for meter in site.meters}
    wait_for(
        lambda: all(site.database.latest().get(name, 0) >= serial for name, serial in served.items()),
        LATE,
        f"readings to arrive while the disk is full; the daemon's log:\n{site.log_end()}",
    )
