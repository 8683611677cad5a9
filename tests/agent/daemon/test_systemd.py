"""The daemon as a service: a real process, and a socket in place of systemd."""

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
"""s; a part is stuck one second after its declared time; the check runs twice in a second."""


def test_ready_is_sent_once_page_and_spool_are_open_and_stopping_at_the_end(tmp_path: Path) -> None:
    port = free_port()
    devices = one_device("incomer", "grid", "eastron_sdm630", free_port())
    text = configuration(tmp_path, devices, mqtt=f"mqtt://127.0.0.1:{free_port()}", http=f"127.0.0.1:{port}")
    with systemd(tmp_path) as listener, daemon(tmp_path, text, listener.environment()) as running:
        (ready,) = wait_for(lambda: listener.said()[:1], 30, "the daemon to say that it runs")
        # The daemon runs although its broker and its device are unavailable.
        assert ready == {"READY": "1", "STATUS": "0 of 1 devices good; mqtt waiting"}
        assert request(f"http://127.0.0.1:{port}/")[0] == 200
        assert list((tmp_path / "spool").iterdir())
        assert running.stop() == 0
        assert listener.said()[-1] == {"STOPPING": "1", "STATUS": "ending, records go to disk"}
        assert listener.fed() == 0  # systemd requested no watchdog


def test_a_daemon_that_cannot_start_never_sends_ready(tmp_path: Path) -> None:
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
        assert sum("READY" in notification for notification in listener.said()) == 1


@pytest.mark.slow(10)
def test_the_watchdog_is_fed_with_a_silent_device_and_an_unavailable_broker(tmp_path: Path) -> None:
    with device(silent) as dead, systemd(tmp_path) as listener:
        devices = one_device("incomer", "grid", "eastron_sdm630", dead.port, timeout="50ms", interval="100ms")
        text = configuration(tmp_path, devices, mqtt=f"mqtt://127.0.0.1:{free_port()}")
        with daemon(tmp_path, text, listener.environment(WATCHDOG)) as running:
            # 10 s at twice a second: longer than the limit of a request (6 s and 10 times 110 ms) and the margin.
            wait_for(lambda: listener.fed() >= 20, 60, "twenty signs of life")
            log = running.log
        assert len(dead.requests) > 1
        status = [status_text["STATUS"] for status_text in listener.said() if "STATUS" in status_text]
    assert any(status_text.startswith("0 of 1 devices good; mqtt away, ") for status_text in status)
    assert "no progress for" not in log


@pytest.mark.slow(9)
def test_the_watchdog_is_fed_after_a_stopped_process_continues(tmp_path: Path) -> None:
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
    assert "no part made progress for" in log
    assert "no progress for" not in log


@pytest.mark.slow(14)
def test_a_hung_bus_is_named_and_ends_the_feeding_while_the_other_bus_is_read(tmp_path: Path) -> None:
    port, order = free_port(), tmp_path / "hang"
    page = f"http://127.0.0.1:{port}/"
    with (
        device(Registers(METER)) as hung_server,
        device(Registers(METER)) as other_server,
        systemd(tmp_path) as listener,
    ):
        devices = "".join(
            one_device(name, "load", "eastron_sdm630", server.port, timeout="50ms", interval="200ms")
            for name, server in (("hall", hung_server), ("foundry", other_server))
        )
        environment = listener.environment(WATCHDOG) | {"HANG": str(order)}
        text = configuration(tmp_path, devices, http=f"127.0.0.1:{port}")
        with daemon(tmp_path, text, environment, "tests.support.hanging_daemon") as running:
            wait_for(lambda: len(hung_server.requests) >= 4, 30, "the bus to be read")
            wait_for(lambda: len(other_server.requests) >= 4, 30, "the other bus to be read")
            order.write_text(hung_server.url)
            hung = f"bus {hung_server.url}"
            wait_for(
                lambda: any(hung in notification.get("STATUS", "") for notification in listener.said()),
                60,
                "the bus to be named",
            )
            fed, read_before = listener.fed(), len(other_server.requests)
            wait_for(
                lambda: len(other_server.requests) >= read_before + 40, 60, "the other bus to be read all the same"
            )
            assert listener.fed() == fed
            status, body = request(f"{page}healthz")
            assert (status, json.loads(body)["stuck"]) == (503, [hung])
            metrics = request(f"{page}metrics")[1].decode()
            events = [event for event in json.loads(request(f"{page}api/now")[1])["events"] if "part" in event["event"]]
            order.unlink()
            wait_for(lambda: listener.fed() > fed + 2, 30, "the feeding to go on")
            log = running.log
    assert f'wattgram_part_stuck{{part="{hung}"}} 1.0\n' in metrics
    assert f'wattgram_part_stuck{{part="bus {other_server.url}"}} 0.0\n' in metrics
    assert "wattgram_parts_stuck 1.0\n" in metrics
    assert [(event["event"], event["device"]) for event in events] == [("part stuck", "")]
    assert events[0]["detail"].startswith(f"{hung}: no progress for ")
    assert log.count("no progress for") == 1
    assert re.search(r"; it waits at watched_bus\.py:\d+; systemd's watchdog is not fed any more\n", log)
    assert log.count(f"{hung}: goes on") == 1


def test_the_stack_of_a_process_that_the_watchdog_ended_is_in_the_journal(tmp_path: Path) -> None:
    with systemd(tmp_path) as listener:
        text = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", free_port()))
        with daemon(tmp_path, text, listener.environment(WATCHDOG)) as running:
            wait_for(lambda: listener.fed() >= 1, 30, "a sign of life")
            os.kill(running.pid, signal.SIGABRT)
            assert running.stop() == -signal.SIGABRT
            log = running.log
    assert "Fatal Python error: Aborted" in log
    assert 'asyncio/runners.py", line' in log
