"""kill -9 of the daemon at random moments: while it starts, while it works, while it writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.faults.places import Database, influx, victoria
from tests.faults.stage import Rounds, Stage
from tests.faults.world import World, world

AWAY = 0.5
"""Share of lives in which the database is unavailable, so that only the spool has the readings."""

WRITING = 0.02
"""Longest time from the first sign of a write to the kill, s."""


def kills(stage: Stage) -> Rounds:
    """With InfluxDB."""
    yield from _kills(stage, influx)


def kills_with_victoria(stage: Stage) -> Rounds:
    """With VictoriaMetrics."""
    yield from _kills(stage, victoria)


def _kills(stage: Stage, database: Callable[[Path], AbstractContextManager[Database]]) -> Rounds:
    with world(stage.folder, stage.chance, database=database) as site:
        for remaining in reversed(range(stage.rounds)):
            site.database_may_be_away(AWAY)
            site.start()
            wait_for_a_moment(site)
            site.kill()
            stage.counted["without a database"] += site.away
            if remaining:
                yield site.compare()
        yield site.settled()


def wait_for_a_moment(site: World) -> None:
    """Wait until a random moment of the daemon's life."""
    match site.chance.randrange(5):
        case 0:
            site.sleep(0.05, 1.5)  # while it starts, and opens its spool
        case 1 | 2:
            site.wait_for_readings()
            site.sleep(0.5, 2.5)
        case _:
            site.wait_for_readings()
            site.sleep(0.5, 2.0)
            wait_for_a_write(site.spool)
            site.sleep(0.0, WRITING)


def wait_for_a_write(folder: Path, patience: float = 2.0) -> None:
    """Until a file of the folder changes; looked at by its size and time, since how it is laid out is its own."""
    before, end = _state(folder), time.monotonic() + patience
    while _state(folder) == before and time.monotonic() < end:
        time.sleep(0.0005)


def _state(folder: Path) -> list[tuple[str, int, int]]:
    try:
        stats = [(path.name, path.stat()) for path in folder.iterdir() if path.is_file()]
    except FileNotFoundError:  # a file that was deleted meanwhile
        return []
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
