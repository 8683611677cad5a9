"""Power cuts: the spool lies on a disk that stops at any write and forgets what was not flushed."""

from __future__ import annotations

import os
import signal

from tests.faults.disk import Disk, formatted
from tests.faults.kill import AWAY
from tests.faults.stage import Rounds, Stage
from tests.faults.world import World, world

WRITES = 24
"""Range of writes and flushes after which the power fails; a commit is two to ten."""

START = 120
"""The same while the daemon starts, takes up what is there and makes its first commit, or while it ends."""

LONGEST = 2.0
"""Seconds after which the power fails in any case; twice that while it starts."""


def cuts(stage: Stage) -> Rounds:
    """Run the rounds: each life of the daemon begins with the disk of the last life."""
    with world(stage.folder, stage.chance) as site:
        content = formatted(site.folder / "empty")
        for remaining in reversed(range(stage.rounds)):
            disk = Disk(content)
            with disk.mounted(site.spool):
                site.database_may_be_away(AWAY)
                _cut(site, disk)
                site.died(disk.died)
                os.kill(site.daemon.pid, signal.SIGKILL)
                disk.let_go()
                site.daemon.end()
            stage.counted["writes that were not flushed"] += len(disk.written)
            content = disk.remains(site.chance)
            if remaining:
                yield site.compare()
        with Disk(content).mounted(site.spool):
            yield site.settled()


def _cut(site: World, disk: Disk) -> None:
    """Start the daemon and cut the power: while it starts, works or ends, mostly in the middle of a commit."""
    match site.chance.randrange(8):
        case 0:
            site.start()
            site.wait_for_readings()
            site.sleep(0.5, 2.5)
            disk.cut()
            return
        case 1 | 2:
            disk.cut_after(site.chance.randrange(START))
            site.start()
            if disk.dead.wait(LONGEST):
                return
        case 3:
            site.start()
            site.wait_for_readings()
            site.sleep(0.5, 2.5)
            disk.cut_after(site.chance.randrange(START))
            os.kill(site.daemon.pid, signal.SIGTERM)
        case _:
            site.start()
            site.wait_for_readings()
            site.sleep(0.5, 2.5)
            disk.cut_after(site.chance.randrange(WRITES))
    if not disk.dead.wait(LONGEST):
        disk.cut()
