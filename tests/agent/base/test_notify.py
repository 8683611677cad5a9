"""Notifications to systemd at a real socket: sd_notify(3) and sd_watchdog_enabled(3)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from pathlib import Path

import pytest
from wattgram.base.notify import Supervisor

from tests.support.systemd import Listener, systemd

PID = 4711


def test_fields_are_lines_of_one_datagram(tmp_path: Path) -> None:
    with systemd(tmp_path) as listener:
        supervisor = Supervisor.from_environment(listener.environment(), PID)
        supervisor.notify(READY="1", STATUS="8 of 10 devices good")
        supervisor.notify(STOPPING="1")
        assert listener.said() == [{"READY": "1", "STATUS": "8 of 10 devices good"}, {"STOPPING": "1"}]
        supervisor.close()


def test_a_socket_may_be_in_the_abstract_namespace() -> None:
    listener = Listener(f"@wattgram-test-{os.getpid()}")
    supervisor = Supervisor.from_environment(listener.environment(), PID)
    supervisor.notify(READY="1")
    assert listener.said() == [{"READY": "1"}]
    supervisor.close()
    listener.close()


def test_a_status_of_several_lines_becomes_one_line() -> None:
    listener = Listener(f"@wattgram-test-{os.getpid()}")
    supervisor = Supervisor(listener.address)
    supervisor.notify(STATUS="spool: it says\nREADY=1\r\n and more")
    assert listener.said() == [{"STATUS": "spool: it says READY=1 and more"}]
    supervisor.close()
    listener.close()


def test_without_a_socket_nothing_is_sent_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor.from_environment({}, PID)
    supervisor.notify(READY="1")
    supervisor.close()
    assert (supervisor.watchdog, caplog.records) == (inf, [])


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "4711"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "4712"}, inf),  # meant for another process
        ({"WATCHDOG_PID": "4711"}, inf),
        ({}, inf),
    ],
    ids=str,
)
def test_the_watchdog_applies_to_the_process_of_watchdog_pid(environment: Mapping[str, str], watchdog: float) -> None:
    assert Supervisor.from_environment(environment, PID).watchdog == watchdog


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WATCHDOG_USEC": "soon"}, ["WATCHDOG_USEC", "'soon'", "microseconds"]),
        ({"WATCHDOG_USEC": "0"}, ["WATCHDOG_USEC", "'0'", "microseconds"]),
        ({"NOTIFY_SOCKET": "vsock:2:1234", "WATCHDOG_USEC": "60000000"}, ["'vsock:2:1234'", "/PATH or @NAME"]),
    ],
    ids=str,
)
def test_a_wrong_value_in_the_environment_is_reported_and_ignored(
    environment: Mapping[str, str], words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    Supervisor.from_environment(environment, PID).notify(READY="1")
    (message,) = [record.getMessage() for record in caplog.records]
    assert [word for word in words if word not in message] == []


def test_lines_for_a_full_socket_are_sent_later_but_an_old_watchdog_line_is_not(tmp_path: Path) -> None:
    with systemd(tmp_path) as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"NOISE=1", listener.address)
        supervisor = Supervisor(listener.address)
        supervisor.notify(READY="1", STATUS="begins")
        supervisor.notify(WATCHDOG="1", STATUS="works")
        assert {"NOISE": "1"} in listener.said()
        assert all(lines == {"NOISE": "1"} for lines in listener.said())
        supervisor.notify(STOPPING="1")
        assert listener.said()[-1] == {"READY": "1", "STATUS": "works", "STOPPING": "1"}
        supervisor.close()


def test_a_missing_socket_is_logged_once_for_each_outage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    supervisor = Supervisor(str(tmp_path / "notify"))
    supervisor.notify(READY="1")
    supervisor.notify(WATCHDOG="1")
    with systemd(tmp_path) as listener:
        supervisor.notify(WATCHDOG="1")
        assert listener.said() == [{"READY": "1", "WATCHDOG": "1"}]
    supervisor.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot notify systemd: {tmp_path}/notify: No such file or directory"
    ]
