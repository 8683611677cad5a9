"""`wattgram top` on a pseudo-terminal with a real server: the view, the errors and the end."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.support.command_runs import wattgram
from tests.support.page_view import FixedView, device, served
from tests.support.servers import free_port, program

WAIT = 120.0  # seconds; generous, because the machine may be busy


class Terminal:
    """A terminal of 120 by 40 characters with the command."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen(
            [program("setsid", "util-linux"), "--ctty", sys.executable, "-m", "wattgram", "top", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(slave)
        self.raw = ""

    def shows(self, text: str) -> None:
        """Wait until the command has written a text, apart from colours."""
        end = time.monotonic() + WAIT
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw):
            assert time.monotonic() < end, f"waited for {text!r}, found {self.raw[-2000:]!r}"
            if select.select([self._master], [], [], 0.1)[0]:
                self.raw += os.read(self._master, 65536).decode("utf-8", "replace")

    def press(self, key: bytes) -> int:
        """Press a key that ends the command; return the exit code."""
        os.write(self._master, key)
        return self.process.wait(WAIT)

    def end(self) -> None:
        """Kill the command if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT)
        os.close(self._master)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """Run the command on a terminal during the block."""
    screen = Terminal(*arguments)
    try:
        yield screen
    finally:
        screen.end()


@pytest.mark.slow(3)
def test_top_shows_the_state_follows_it_and_ends_with_ctrl_c() -> None:
    view = FixedView()
    with served(view) as (host, port), terminal(f"http://{host}:{port}") as screen:
        # 24.5 kW discharged; 80 kW imported.
        for text in ("liangjiang-foundry", "279.1 g/kWh", "24.50 kW", "80.00 kW", "influxdb", "18234", "device lost"):
            screen.shows(text)
        view.state["emission"] = dict(view.state["emission"], emission_intensity=300.0)
        view.count += 1
        screen.shows("300.0 g/kWh")
        assert screen.press(b"\x03") == 130
    assert screen.raw.startswith(
        "\x1b[?1049h"
    )  # the alternate screen, so that the contents of the terminal are back at the end


def test_control_characters_in_a_name_do_not_reach_the_terminal() -> None:
    view = FixedView()
    view.state["devices"] = [device("\x1b]0;owned\x07", "load", 1.0)]
    with served(view) as (host, port), terminal(f"http://{host}:{port}") as screen:
        screen.shows("owned")
        assert "\x1b]0;" not in screen.raw


@pytest.mark.slow(3)
def test_the_view_waits_for_an_absent_gateway() -> None:
    port = free_port()
    with terminal(f"http://127.0.0.1:{port}") as screen:
        screen.shows("Connection refused")
        with served(FixedView(), listen=f"127.0.0.1:{port}"):
            screen.shows("279.1 g/kWh")
        screen.shows("reconnecting to")


def test_the_token_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("plant-7-secret\n")
    with served(FixedView(), "plant-7-secret") as (host, port):
        with terminal(f"http://{host}:{port}") as screen:
            screen.shows("the gateway requires a token: --token-file PATH")
            assert screen.process.wait(WAIT) == 1
        with terminal(f"http://{host}:{port}", "--token-file", f"{tmp_path}/token") as screen:
            screen.shows("279.1 g/kWh")


def test_without_a_terminal_top_reports_an_error() -> None:
    ended = wattgram("top")
    assert ended.code == 2
    assert (
        ended.err
        == "wattgram top: found an output that is not a terminal; allowed: a terminal (programs read /api/now)\n"
    )


def test_a_wrong_url_is_quoted() -> None:
    ended = wattgram("top", "ftp://gateway")
    assert ended.code == 2
    assert "found 'ftp://gateway'" in ended.err
