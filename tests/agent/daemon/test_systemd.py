"""The daemon as a service: a real process, and a socket that listens as systemd does."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.support.misbehaving_device import silent
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import free_port, request, wait_for
from tests.support.systemd import systemd
from tests.support.topics import METER

pytestmark = pytest.mark.server

WATCHDOG = 2.0
"""s; a part is stuck one second past its word, and looked at twice in it."""


def test_ready_is_said_when_the_page_answers_and_the_spool_is_there_and_stopping_when_it_ends(tmp_path: Path) -> None:
    port = free_port()
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    text = configuration(tmp_path, devices, mqtt=f"mqtt://127.0.0.1:{free_port()}", http=f"127.0.0.1:{port}")
    with systemd(tmp_path) as listener, daemon(tmp_path, text, listener.environment()) as running:
        (ready,) = wait_for(lambda: listener.said()[:1], 30, "the daemon to say that it runs")
        # Its broker and its device are away: it runs without them.
        assert ready == {"READY": "1", "STATUS": "0 of 1 devices good; mqtt waiting"}
        assert request(f"http://127.0.0.1:{port}/")[0] == 200
        assert list((tmp_path / "spool").iterdir())
        assert running.stop() == 0
        assert listener.said()[-1] == {"STOPPING": "1", "STATUS": "ending, records go to disk"}
        assert listener.fed() == 0  # it was not asked to


def test_a_daemon_that_cannot_begin_never_says_that_it_runs(tmp_path: Path) -> None:
    port = free_port()
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    text = configuration(tmp_path, devices, http=f"127.0.0.1:{port}")
    other = tmp_path / "other"
    other.mkdir()
    with (
        systemd(tmp_path) as listener,
        daemon(other, configuration(other, devices, http=f"127.0.0.1:{port}"), listener.environment()),
    ):
        wait_for(lambda: len(listener.said()) == 1, 30, "the first daemon to say that it runs")
        with daemon(tmp_path, text, listener.environment()) as late:
            assert late.ended() == 1
            assert "address already in use" in late.log
        assert sum("READY" in one for one in listener.said()) == 1


@pytest.mark.slow(10)
def test_a_silent_device_and_a_broker_that_is_away_are_fed_for(tmp_path: Path) -> None:
    with device(silent) as dead, systemd(tmp_path) as listener:
        devices = one_device("incomer", "grid", "eastron_sdm630", dead.port, timeout="50ms", interval="100ms")
        text = configuration(tmp_path, devices, mqtt=f"mqtt://127.0.0.1:{free_port()}")
        with daemon(tmp_path, text, listener.environment(WATCHDOG)) as running:
            # 10 s at twice a second: longer than a request is given (6 s and 10 times 110 ms) and the margin.
            wait_for(lambda: listener.fed() >= 20, 60, "twenty signs of life")
            log = running.log
        assert len(dead.requests) > 1
        status = [one["STATUS"] for one in listener.said() if "STATUS" in one]
    assert any(one.startswith("0 of 1 devices good; mqtt away, ") for one in status)
    assert "nothing for" not in log


@pytest.mark.slow(9)
def test_a_process_that_was_stopped_and_goes_on_is_fed_for(tmp_path: Path) -> None:
    with device(Registers(METER)) as meter, systemd(tmp_path) as listener:
        text = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", meter.port))
        with daemon(tmp_path, text, listener.environment(WATCHDOG)) as running:
            wait_for(lambda: listener.fed() >= 4, 30, "four signs of life")
            os.kill(running.pid, signal.SIGSTOP)
            time.sleep(4.0)
            before = listener.fed()
            os.kill(running.pid, signal.SIGCONT)
            wait_for(lambda: listener.fed() >= before + 6, 30, "signs of life after it goes on")
            log = running.log
    assert "everything stood still for" in log
    assert "nothing for" not in log


@pytest.mark.slow(14)
def test_one_bus_that_hangs_ends_the_feeding_and_is_named_while_the_other_is_read(tmp_path: Path) -> None:
    port, order = free_port(), tmp_path / "hang"
    page = f"http://127.0.0.1:{port}/"
    with device(Registers(METER)) as one, device(Registers(METER)) as other, systemd(tmp_path) as listener:
        devices = "".join(
            one_device(name, "load", "eastron_sdm630", server.port, timeout="50ms", interval="200ms")
            for name, server in (("hall", one), ("foundry", other))
        )
        environment = listener.environment(WATCHDOG) | {"HANG": str(order)}
        text = configuration(tmp_path, devices, http=f"127.0.0.1:{port}")
        with daemon(tmp_path, text, environment, "tests.support.hanging_daemon") as running:
            wait_for(lambda: len(one.requests) >= 4, 30, "the bus to be read")
            wait_for(lambda: len(other.requests) >= 4, 30, "the other bus to be read")
            order.write_text(one.url)
            hung = f"bus {one.url}"
            wait_for(lambda: any(hung in said.get("STATUS", "") for said in listener.said()), 60, "the bus to be named")
            fed, read = listener.fed(), len(other.requests)
            wait_for(lambda: len(other.requests) >= read + 40, 60, "the other bus to be read all the same")
            assert listener.fed() == fed
            status, body = request(f"{page}healthz")
            assert (status, json.loads(body)["stuck"]) == (503, [hung])
            metrics = request(f"{page}metrics")[1].decode()
            events = [each for each in json.loads(request(f"{page}api/now")[1])["events"] if "part" in each["event"]]
            order.unlink()
            wait_for(lambda: listener.fed() > fed + 2, 30, "the feeding to go on")
            log = running.log
    assert f'wattgram_part_stuck{{part="{hung}"}} 1.0\n' in metrics
    assert f'wattgram_part_stuck{{part="bus {other.url}"}} 0.0\n' in metrics
    assert "wattgram_parts_stuck 1.0\n" in metrics
    assert [(each["event"], each["device"]) for each in events] == [("part stuck", "")]
    assert events[0]["detail"].startswith(f"{hung}: nothing for ")
    assert log.count("nothing for") == 1
    assert re.search(r"; it waits at watched_bus\.py:\d+; systemd's watchdog is not fed any more\n", log)
    assert log.count(f"{hung}: goes on") == 1


def test_what_it_was_at_when_the_watchdog_ended_it_is_in_the_journal(tmp_path: Path) -> None:
    with systemd(tmp_path) as listener:
        text = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", free_port()))
        with daemon(tmp_path, text, listener.environment(WATCHDOG)) as running:
            wait_for(lambda: listener.fed() >= 1, 30, "a sign of life")
            os.kill(running.pid, signal.SIGABRT)
            assert running.stop() == -signal.SIGABRT
            log = running.log
    assert "Fatal Python error: Aborted" in log
    assert 'asyncio/runners.py", line' in log
