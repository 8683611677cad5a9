"""The socket at which systemd listens to a service, as a test holds it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Listener:
    """The messages at a notify socket: each datagram as its NAME=value lines."""

    def __init__(self, address: str) -> None:
        """`address` as NOTIFY_SOCKET has it."""
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address[0] == "@" else address)
        self._socket.setblocking(False)
        self._said: list[dict[str, str]] = []

    def environment(self, watchdog: float | None = None) -> dict[str, str]:
        """Return the environment that systemd gives the service; `watchdog` is WatchdogSec= in s."""
        found = {"NOTIFY_SOCKET": self.address}
        return found if watchdog is None else found | {"WATCHDOG_USEC": str(round(watchdog * 1e6))}

    def said(self) -> list[dict[str, str]]:
        """All datagrams so far."""
        while True:
            try:
                text = self._socket.recv(65_536).decode()
            except BlockingIOError:
                return self._said
            self._said.append(dict(line.split("=", 1) for line in text.split("\n")))

    def fed(self) -> int:
        """Return the number of watchdog notifications."""
        return sum("WATCHDOG" in message for message in self.said())

    def close(self) -> None:
        self._socket.close()


@contextmanager
def systemd(folder: Path) -> Iterator[Listener]:
    """A notify socket in a folder while the block lasts."""
    listener = Listener(str(folder / "notify"))
    try:
        yield listener
    finally:
        listener.close()
