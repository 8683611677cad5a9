"""Real servers for the tests: each in a folder of its own, on free loopback ports, ended by its own pid.

The servers are in `brokers` (mosquitto) and `databases` (InfluxDB, VictoriaMetrics), their keys in `certificates`.
A server can be stopped, killed, paused and started again on the same port while its block lasts.
What a server wrote is in its `log`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
START, STOP = 120.0, 60.0  # seconds; generous, because the machine may be busy
BUSY = 5.0
"""Factor by which a busy machine may be slower than an idle machine."""
allowed = True
"""Whether servers may be started now: not in a test that lacks the mark `server`."""


def wait_for(predicate: Callable[[], T], timeout: float, what: str) -> T:
    """Return the first true value of `predicate`, evaluated every 10 ms.

    AssertionError with `what` after BUSY * `timeout` s. `timeout`: the most that an idle machine takes.
    """
    end = time.monotonic() + BUSY * timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {BUSY * timeout:g} s for {what}")
        time.sleep(0.01)


def free_port() -> int:
    """A free loopback TCP port.

    Below the range from which the kernel takes the ports of outgoing connections, so that a server
    which is stopped for a while finds its port free again.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port


def listening(port: int) -> bool:
    """Whether a connection to the loopback port is accepted."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def program(name: str, package: str) -> str:
    """Return the path of a program; without it, AssertionError with the Debian package that contains it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, f"{name} is not installed: apt-get install {package}"
    return path


def request(
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> tuple[int, bytes]:
    """Status and body of one HTTP call; an error status is an answer, not an exception."""
    call = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(call, timeout=START) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class Server:
    """A process that listens on `port`; `ready` says when it serves, beyond accepting connections."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        port: int,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self.port = port
        self._command = list(command)
        self._log = folder / f"{name}.log"
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Return its output since its first start."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit code when it has ended by itself."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start and wait until it serves; AssertionError with its log when it ends before."""
        assert self._process is None, f"{self.name} runs already"
        assert allowed, "the test needs the mark `server`"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self._serves, START, f"{self.name} to serve; its log is {self._log}")

    def stop(self) -> None:
        """SIGTERM, and wait for its end; nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; nothing when it does not run."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def reload(self) -> None:
        """SIGHUP."""
        self._send(signal.SIGHUP)

    def _serves(self) -> bool:
        assert self._process is not None
        ended = self._process.poll()
        assert ended is None, f"{self.name} ended with {ended}; its log:\n{self.log}"
        return listening(self.port) and self._ready()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a paused process handles SIGTERM only when it continues
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP)


def folder_of(parent: Path, name: str, port: int) -> Path:
    """The folder of a server; a server opened again with the same port finds its data."""
    folder = parent / f"{name}-{port}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def running(server: Server) -> Iterator[None]:
    """The server started, and stopped at the end."""
    try:
        server.start()
        yield
    finally:
        server.stop()
