"""The daemon's round through the goals: a process of its own, records of what changed, trouble that is told once."""

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
    return Config(SiteConfig("works", ZONE), PLANT, SpoolConfig(folder), sinks={"influxdb": database})


def going(config: Config, told: list[Record], dates: Callable[[], bool] = lambda: True) -> Round:
    return Round(config, told.append, dates, Clock(at("2026-11-16")))


@pytest.mark.slow(2)
def test_each_claim_is_told_once_and_again_when_it_changes_or_a_day_has_gone(tmp_path: Path) -> None:
    fields = {"load_energy": 10_000.0, "pv_energy": 5000.0, "self_consumption": 0.5, "self_sufficiency": 0.25}
    folder = stored(tmp_path / "spool", quarters("2026-11-01T00:00:00+08:00", "2026-11-16T00:00:00+08:00", fields))
    told: list[Record] = []
    one = going(site(folder), told)

    async def look(*times: str) -> list[int]:
        counts = []
        for time in times:
            told.clear()
            await one.evaluate(at(time))
            counts.append(len(told))
        return counts

    first, again, later, tomorrow = asyncio.run(
        look("2026-11-16T00:00", "2026-11-16T00:00", "2026-11-16T03:50", "2026-11-17T09:00")
    )
    assert (first, again, tomorrow) == (43, 0, 43)
    # The ten that are of a month, of which nearly a hundredth has gone without a measurement: 15 of 15.16 days.
    assert later == 10
    (self_consumption,) = [each for each in told if each.series.tag("goal") == "A12"]
    assert self_consumption.series.kind == "goal"
    assert self_consumption.time == at("2026-11-17T09:00")
    assert self_consumption["value"] == 50.0
    assert self_consumption["target"] == 20.0
    assert self_consumption["state"] == "not enough data"  # of the year nearly nothing is covered
    (context,) = [each for each in told if each.series.tag("goal") == "A06"]
    assert context.as_dict() == {"state": "context only"}
    assert [card["goal"] for card in one.latest][:3] == ["A01", "A02", "A03"]


def test_what_goes_wrong_is_logged_once_and_the_next_round_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Record] = []
    one = going(site(tmp_path / "spool"), told)

    async def rounds_of() -> None:
        for _ in range(2):
            await one.evaluate(at("2026-11-16"))
        assert (told, one.latest) == ([], [])
        await asyncio.to_thread(stored, tmp_path / "spool")
        await one.evaluate(at("2026-11-16"))

    with caplog.at_level(logging.ERROR):
        asyncio.run(rounds_of())
    (said,) = [each.getMessage() for each in caplog.records]
    assert said.startswith("goals: not evaluated:")
    assert "no such directory" in said
    assert len(told) == 43


def test_no_secret_leaves_the_daemon() -> None:
    one = going(site(Path("nowhere")), [])
    assert one._config.sinks == {}
    assert one._config == replace(one._config, mqtt=None, sinks={})


def test_while_the_clock_is_not_believed_nothing_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_ROUND_AFTER", 0.0)
    asked: list[int] = []
    one = going(site(tmp_path), [], lambda: False)

    async def noted(now: int) -> None:
        asked.append(now)

    monkeypatch.setattr(one, "evaluate", noted)

    async def run() -> None:
        task = asyncio.create_task(one.run())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert asked == []
    one._has_time = lambda: True
    asyncio.run(run())
    assert len(asked) == 1
    assert asked[0] // NS >= at("2026-11-16") // NS


def test_a_worker_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its interpreter is replaced by a program that never answers."""
    monkeypatch.setattr(rounds, "ROUND_TIMEOUT", 0.2)
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    one = going(site(tmp_path), [])
    asyncio.run(asyncio.wait_for(one.evaluate(at("2026-11-16")), 20))
    assert one.latest == []
    assert one._last_error
