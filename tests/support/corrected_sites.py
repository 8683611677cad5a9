"""Sites with a stored past for corrections: constant flows, a replay with other settings, and the stored windows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wattgram.accounts.books import Books
from wattgram.accounts.instant_replay import Replay
from wattgram.base.clock import NS
from wattgram.base.record import WINDOWS, Record
from wattgram.config.correction_table import CorrectionConfig
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.grid.ladder import Ladder
from wattgram.site.stored_replay import replayed
from wattgram.store.history import History

from tests.support.plants import Plant

SITE = """
[grid]
zone = "CN-CQ"

[site]
name = "works"
timezone = "Europe/Berlin"

[spool]
path = "{spool}"

[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://10.0.0.1"

[[device]]
name = "hall"
role = "load"
group = "industry"
driver = "eastron_sdm630"
url = "tcp://10.0.0.2"

[[device]]
name = "press"
role = "load"
group = "industry"
behind = "hall"
driver = "eastron_sdm630"
url = "tcp://10.0.0.3"

[[device]]
name = "roof"
role = "pv"
driver = "sunspec"
url = "tcp://10.0.0.5"
"""
"""A configuration; `{spool}` is the directory of its history."""

START = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * NS
HOUR = 3600 * NS
DAY = 24 * HOUR
GRID = GridConfig("CN-CQ", factor=500.0)
EVERY = ("tick", *WINDOWS)
END_OF_TIME = 2**62


def plant_of(folder: Path, roles: Mapping[str, str], *, tick: float = 900.0, **more: object) -> Plant:
    return Plant(folder, roles, START, tick=tick, timezone="UTC", grid=GRID, **more)  # type: ignore[arg-type]  # Plant's


def ran(plant: Plant, ticks: int, tick: float = 900.0, **watts: float) -> Plant:
    """Run a site with constant powers, and close its spool."""

    async def work() -> None:
        await plant.spool.open()
        plant.flow(0.0, **watts)
        plant.tick(0.0)
        for _ in range(ticks):
            plant.tick(tick, **watts)
            if plant.spool.pending > 5000:
                await plant.spool.sync()
        await plant.spool.close()

    asyncio.run(work())
    return plant


def corrected(plant: Plant, *corrections: CorrectionConfig) -> Config:
    return replace(plant.config, corrections=corrections)


def replay_with(config: Config, since: int = 0, until: int = 0) -> tuple[list[Record], Replay]:
    records: list[Record] = []
    ladder = Ladder(config.grid.zone, config.grid.basis, config.grid.factor, ())
    books = Books(config, ladder)
    replay = replayed(config.spool.path, "works", books, since, until, EVERY, lambda part, _: records.extend(part))
    return records, replay


def append(plant: Plant, records: list[Record]) -> None:
    async def work() -> None:
        spool = Plant(plant.config.spool.path, {"incomer": "grid"}, START).spool
        await spool.open()
        for record in records:
            spool.append(record)
        await spool.close()

    asyncio.run(work())


def of_window(records: list[Record], window: str) -> dict[int, Record]:
    return {record.time: record for record in records if ("window", window) in record.series.tags}


def windows(plant: Plant, window: str) -> dict[int, Record]:
    with History(plant.config.spool.path, "works").past() as past:
        return past.published(window, 0, 2**62)
