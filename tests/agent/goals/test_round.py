"""The daemon's round through the goals: a separate process, records of changes, errors that are logged once."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.base.clock import NS, Clock
from wattgram.base.record import Record
from wattgram.config.grid_table import GridConfig
from wattgram.config.load import Config
from wattgram.config.site_table import SiteConfig
from wattgram.config.spool_table import SpoolConfig
from wattgram.delivery.sinks.influx_sink import InfluxConfig
from wattgram.goals import round as rounds
from wattgram.goals.round import Round

from tests.support.goal_days import ZONE, at, device
from tests.support.stored_history import quarters, stored

PLANT = (device("incomer", "grid"), device("roof", "pv"))


def site(folder: Path) -> Config:
    database = InfluxConfig("http://127.0.0.1:1", "plant", "energy", "s3cret")
    grid = GridConfig("CN-CQ")
    return Config(SiteConfig("works", ZONE), PLANT, SpoolConfig(folder), grid, sinks={"influxdb": database})


def round_of(config: Config, records: list[Record], dates: Callable[[], bool] = lambda: True) -> Round:
    return Round(config, records.append, dates, Clock(at("2026-11-16")))


@pytest.mark.slow(2)
def test_each_claim_is_published_once_and_again_after_a_change_or_a_day(tmp_path: Path) -> None:
    fields = {"load_energy": 10_000.0, "pv_energy": 5000.0, "self_consumption": 0.5, "self_sufficiency": 0.25}
    folder = stored(tmp_path / "spool", quarters("2026-11-01T00:00:00+08:00", "2026-11-16T00:00:00+08:00", fields))
    records: list[Record] = []
    goal_round = round_of(site(folder), records)

    async def evaluate_at(*times: str) -> list[int]:
        counts = []
        for time in times:
            records.clear()
            await goal_round.evaluate(at(time))
            counts.append(len(records))
        return counts

    first, repeated, later, tomorrow = asyncio.run(
        evaluate_at("2026-11-16T00:00", "2026-11-16T00:00", "2026-11-16T03:50", "2026-11-17T09:00")
    )
    assert (first, repeated, tomorrow) == (43, 0, 43)
    # The 38 claims with a coverage: 15 of 15.16 days since the first stored day, on which the month and the year begin.
    assert later == 38
    (self_consumption,) = [record for record in records if record.series.tag("goal") == "A12"]
    assert self_consumption.series.kind == "goal"
    assert self_consumption.time == at("2026-11-17T09:00")
    assert self_consumption["value"] == 50.0
    assert self_consumption["target"] == 20.0
    assert self_consumption["state"] == "on track"  # 15 of 16.375 days since the first stored day, 92 %
    (context,) = [record for record in records if record.series.tag("goal") == "A06"]
    assert context.as_dict() == {"state": "context only"}
    assert [card["goal"] for card in goal_round.latest][:3] == ["A01", "A02", "A03"]


def test_an_error_is_logged_once_and_the_next_round_succeeds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records: list[Record] = []
    goal_round = round_of(site(tmp_path / "spool"), records)

    async def run_rounds() -> None:
        for _ in range(2):
            await goal_round.evaluate(at("2026-11-16"))
        assert (records, goal_round.latest) == ([], [])
        await asyncio.to_thread(stored, tmp_path / "spool")
        await goal_round.evaluate(at("2026-11-16"))

    with caplog.at_level(logging.ERROR):
        asyncio.run(run_rounds())
    (message,) = [entry.getMessage() for entry in caplog.records]
    assert message.startswith("goals: not evaluated:")
    assert "no such directory" in message
    assert len(records) == 43


def test_no_secret_is_passed_to_the_worker() -> None:
    goal_round = round_of(site(Path("nowhere")), [])
    assert goal_round._config.sinks == {}
    assert goal_round._config == replace(goal_round._config, mqtt=None, sinks={})


def test_nothing_is_evaluated_while_the_clock_is_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_ROUND_AFTER", 0.0)
    evaluations: list[int] = []
    goal_round = round_of(site(tmp_path), [], lambda: False)

    async def evaluate(now: int) -> None:
        evaluations.append(now)

    monkeypatch.setattr(goal_round, "evaluate", evaluate)

    async def run() -> None:
        task = asyncio.create_task(goal_round.run())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert evaluations == []
    goal_round._has_time = lambda: True
    asyncio.run(run())
    assert len(evaluations) == 1
    assert evaluations[0] // NS >= at("2026-11-16") // NS


def test_a_hanging_worker_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's interpreter is replaced by a program that never ends."""
    monkeypatch.setattr(rounds, "ROUND_TIMEOUT", 0.2)
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    goal_round = round_of(site(tmp_path), [])
    asyncio.run(asyncio.wait_for(goal_round.evaluate(at("2026-11-16")), 20))
    assert goal_round.latest == []
    assert goal_round._last_error
