"""The demonstration as a process: a factory, the daemon and its page, without configuration or servers."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wattgram.commands import demonstration
from wattgram.commands.demonstration import DemoSummary, page_address
from wattgram.simulation.plants import plant

from tests.support import leaping_loop
from tests.support.command_runs import called, started
from tests.support.leaping_loop import LeapClock
from tests.support.servers import request, wait_for

PAGE = r"live page: (http://127\.0\.0\.1:[0-9]+/)"
CN_CQ = 558.1
"""g/kWh of the grid of the demonstration (Chongqing 2023, direct). With PV power, the load has less."""


@pytest.mark.slow(21)
@pytest.mark.usefixtures("before_others")
def test_a_demo_of_twenty_seconds_reads_a_factory_without_loss_and_shows_it(tmp_path: Path) -> None:
    arguments = ("demo", "--seconds", "20", "--format", "json", "--http", "127.0.0.1:0")
    with started(tmp_path, *arguments) as demo:
        page = demo.says(PAGE)[1]
        status, body = request(page)
        assert (status, b"<html" in body) == (200, True)
        devices = wait_for(lambda: alive(page), 15, "all devices to be read")
        ended = demo.ended()
    # SPEC 3: grid meter, two PV inverters, battery, three sub-meters, EV charger; and a hybrid of two, two counters.
    assert len(devices) == 12
    assert ended.code == 0
    summary = json.loads(ended.out)
    assert set(summary) == {"readings", "records", "delivered", "lost", "balance_error", "emission_intensity"}
    assert summary["readings"] > 0
    assert summary["delivered"] == summary["records"] > 0
    assert summary["lost"] == 0
    assert summary["balance_error"] < 0.001
    assert 0 < summary["emission_intensity"] < CN_CQ
    assert "Traceback" not in ended.err


@pytest.mark.slow(2)
@pytest.mark.parametrize(
    ("name", "devices", "speed"), [("standard", 12, 1.0), ("standard", 12, 20.0), ("hybrid", 11, 20.0)]
)
def test_a_demo_of_two_minutes_on_a_leaping_clock_balances(
    monkeypatch: pytest.MonkeyPatch, name: str, devices: int, speed: float
) -> None:
    monkeypatch.setattr(demonstration, "Clock", LeapClock)

    async def run() -> DemoSummary:
        page_at = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        start = demonstration.start_time(datetime(2026, 6, 24, 12, tzinfo=UTC))
        return await demonstration.demonstrate(
            stop, plant(name), start=start, speed=speed, seconds=120.0, http="", page_at=page_at
        )

    summary = leaping_loop.run(run())
    assert summary.readings >= devices * 110
    assert (summary.lost, summary.delivered) == (0, summary.records)
    assert summary.balance_error is not None
    assert summary.balance_error < 0.001


def alive(page: str) -> list[str]:
    """Return the devices on the page as soon as all of them are good."""
    devices = json.loads(request(f"{page}api/now")[1])["devices"]
    return [device["name"] for device in devices] if {device["state"] for device in devices} == {"good"} else []


@pytest.mark.slow(3)
def test_ctrl_c_ends_the_demo_with_the_summary(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--http", "127.0.0.1:0") as demo:
        page = demo.says(PAGE)[1]
        wait_for(lambda: alive(page), 15, "all devices to be read")
        ended = demo.ended(signal.SIGINT)
    assert ended.code == 130
    assert ended.out.startswith("summary")
    assert "emission intensity" in ended.out
    assert "Traceback" not in ended.err


@pytest.mark.slow(8)
def test_a_demo_with_history_shows_the_time_before_its_start(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--history", "40d", "--http", "127.0.0.1:0") as demo:
        configuration = demo.says(r"`wattgram goals -c (\S+)`")[1]
        page = demo.says(PAGE)[1]
        first = demo.says("simulated history from ([0-9-]+) on is complete")[1]
        devices = wait_for(lambda: alive(page), 30, "all devices to be read")
        days = wait_for(lambda: stored_days(configuration, first), 30, "the earlier days to be stored")
        ended = demo.ended(signal.SIGINT)
    assert len(devices) == 12
    assert days == 40
    assert ended.code == 130
    assert "Traceback" not in ended.err


def stored_days(configuration: str, first: str) -> int:
    """Return the number of whole days with full coverage in the report, 0 while the first day is missing."""
    report = json.loads(called("report", "-c", configuration, "--format", "json").out)
    rows = report["rows"]
    return sum(row["coverage"] == 1.0 for row in rows[:-1]) if rows[0]["period"] == first else 0


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (datetime(2026, 6, 24, 12, tzinfo=UTC), datetime(2026, 6, 24, 2, tzinfo=UTC)),
        (datetime(2026, 6, 28, 12, tzinfo=UTC), datetime(2026, 6, 26, 2, tzinfo=UTC)),  # a Sunday: the Friday before
        (datetime(2026, 7, 2, 12, tzinfo=UTC), datetime(2026, 6, 30, 2, tzinfo=UTC)),  # a tenth of July is not over
        (datetime(2026, 2, 3, 12, tzinfo=UTC), datetime(2025, 12, 31, 2, tzinfo=UTC)),  # nor of the year
    ],
)
def test_a_demo_starts_on_a_working_day_when_its_goals_can_be_judged(now: datetime, start: datetime) -> None:
    assert demonstration.start_time(now) == int(start.timestamp()) * 10**9


def test_a_run_without_a_balance_has_no_emission_intensity(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--seconds", "0.1", "--http", "", "--format", "json") as demo:
        demo.says("no live page")
        ended = demo.ended()
    summary = json.loads(ended.out, parse_constant=lambda name: name)
    assert (ended.code, summary["balance_error"], summary["emission_intensity"]) == (0, None, None)


def test_a_requested_page_address_in_use_ends_with_one_line(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        started(tmp_path, "demo", "--http", f"127.0.0.1:{listener.getsockname()[1]}") as demo,
    ):
        ended = demo.ended()
        port = listener.getsockname()[1]
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"wattgram demo: the live page cannot listen on 127.0.0.1:{port}: address already in use; "
        "--http 127.0.0.1:0 takes a free port\n"
    )


def test_when_the_default_page_address_is_in_use_the_page_gets_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        usual = f"127.0.0.1:{listener.getsockname()[1]}"
        assert page_address(None, usual) == "127.0.0.1:0"
    assert page_address(None, usual) == usual
    assert page_address("", usual) == ""
