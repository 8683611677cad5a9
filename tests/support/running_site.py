"""Real processes for the agent's tests: the daemon by its command, and devices whose words are written by hand."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.support import servers
from tests.support.misbehaving_device import Behaviour, Request, Server, Slave, Step
from tests.support.servers import ROOT

START, STOP = 120.0, 60.0  # seconds; generous, because the machine may be busy


@dataclass
class Registers:
    """A unit with these words, 0 elsewhere; `served` has wall time and first address of each answer."""

    words: Mapping[int, int] | Callable[[int], Mapping[int, int]]
    served: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, request: Request) -> Sequence[Step]:
        turn = sum(address == request.address for _, address in self.served)
        words = self.words if isinstance(self.words, Mapping) else self.words(turn)
        data = b"".join(
            words.get(address, 0).to_bytes(2, "big")
            for address in range(request.address, request.address + request.count)
        )
        self.served.append((time.time(), request.address))
        return [Step(data=request.frame(bytes([request.code, len(data)]) + data))]


Peer = TypeVar("Peer", Server, Slave)


@contextmanager
def serving(peer: Peer) -> Iterator[Peer]:
    """Serve on a loop of its own while the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="peer")
    thread.start()

    async def start() -> None:
        await peer.start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(START)
        yield peer
    finally:
        asyncio.run_coroutine_threadsafe(peer.stop(), loop).result(STOP)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP)
        loop.close()


def device(behaviour: Behaviour) -> AbstractContextManager[Server]:
    """Serve a device by Modbus TCP while the block lasts."""
    return serving(Server(behaviour))


class Daemon:
    """A process of `wattgram run` with its output in `log`. `module` runs in place of `wattgram`."""

    def __init__(
        self,
        folder: Path,
        configuration: str,
        environment: Mapping[str, str] | None = None,
        module: str = "wattgram",
    ) -> None:
        self.folder = folder
        self._module = module
        self.path = folder / "wattgram.toml"
        self.path.write_text(configuration)
        self._environment = dict(os.environ) | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything on its stderr, of all its lives."""
        return (self.folder / "daemon.log").read_text()

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def start(self) -> None:
        """Run it."""
        assert servers.allowed, "the test needs the mark `server`"
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, "run", "-c", str(self.path)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def kill(self) -> float:
        """kill -9; wall time just before."""
        assert self._process is not None
        now = time.time()
        self._process.kill()
        self._process.wait(STOP)
        return now

    def ended(self) -> int:
        """Its exit code, when it ends by itself."""
        assert self._process is not None
        return self._process.wait(START)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP)

    def end(self) -> None:
        """SIGKILL, also of a stopped process; no effect when the process does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP)


@contextmanager
def daemon(
    folder: Path, configuration: str, environment: Mapping[str, str] | None = None, module: str = "wattgram"
) -> Iterator[Daemon]:
    """The daemon with this configuration while the block lasts."""
    running = Daemon(folder, configuration, environment, module)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def configuration(
    folder: Path, devices: str, *, mqtt: str = "", influxdb: str = "", http: str = "", more: str = ""
) -> str:
    """A whole configuration around these devices; sinks and page only where an address is given."""
    if "zone =" not in more:
        zone = '[grid]\nzone = "CN-CQ"\n'
        more = more.replace("[grid]\n", zone) if "[grid]\n" in more else f"{more}\n{zone}"
    text = f'[site]\nname = "works"\ntimezone = "Asia/Shanghai"\n{more}\n'
    text += f'[spool]\npath = "{folder / "spool"}"\n[http]\nlisten = "{http}"\n{devices}\n'
    if mqtt:
        text += f'[mqtt]\nurl = "{mqtt}"\n'
    if influxdb:
        text += f"[influxdb]\n{influxdb}\n"
    return text


def one_device(name: str, role: str, driver: str, port: int, **more: object) -> str:
    """A [[device]] on loopback."""
    rows = "".join(f"{key} = {_toml(value)}\n" for key, value in more.items())
    url = f"tcp://127.0.0.1:{port}"
    return f'[[device]]\nname = "{name}"\nrole = "{role}"\ndriver = "{driver}"\nurl = "{url}"\n{rows}'


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
