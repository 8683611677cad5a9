"""The week of `week.py`, written once by the real sink into a separate database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from wattgram.base.clock import MS
from wattgram.base.record import Record
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink

from tests.support import week
from tests.support.databases import Influx, influxdb_v2
from tests.support.grafana_boards import Panel
from tests.support.grafana_queries import Shown, expanded

DATABASE = "energy"
BATCH = 5000
EVERYONE = {"site": week.SITE, "device": tuple(week.ROLES)}


@dataclass(frozen=True, slots=True)
class Stored:
    """A database with the week in it."""

    engine: Influx

    def ask(self, query: str, shown: Shown, shortest: str = "") -> list[dict[str, Any]]:
        """Rows of a dashboard's query."""
        return self.engine.query(DATABASE, expanded(query, shown, shortest))

    def panel(self, board_panel: Panel, name: str, shown: Shown) -> list[dict[str, Any]]:
        """Rows of one query of a panel."""
        return self.ask(board_panel.queries[name], shown, board_panel.interval)


def shown(begin: int, end: int, **more: Any) -> Shown:
    """A dashboard from and to UTC ns, of all devices."""
    return Shown(begin // MS, end // MS, **({"chosen": EVERYONE} | more))


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A database with the week, for reading only."""
    folder = tmp_path_factory.mktemp("week")
    with influxdb_v2(folder, bucket=DATABASE) as (engine, write):
        asyncio.run(written(write.url, list(week.records(folder / "spool"))))
        yield Stored(engine)


async def written(url: str, records: Sequence[Record]) -> None:
    """Write records to a database with the real sink."""
    sink = InfluxSink(InfluxConfig(url, "plant", DATABASE, "t0ken"))
    await sink.open()
    try:
        rest = iter(records)
        while batch := list(islice(rest, BATCH)):
            assert await sink.write(batch, 0) == {}
    finally:
        await sink.close()
