"""What systemd is told: one datagram of NAME=value lines to the socket that it names (sd_notify(3))."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from math import inf

log = logging.getLogger(__name__)


class Supervisor:
    """Who started us and wants to hear of us; without one everything said is said to nobody.

    `watchdog` is in how many s it wants a sign of life, inf when it wants none.
    """

    def __init__(self, address: str = "", watchdog: float = inf) -> None:
        """`address` is a socket's path, or begins with @ where it is in the abstract namespace."""
        self.watchdog = watchdog
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._owed: dict[str, str] = {}
        self._silent = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int) -> Supervisor:
        """The one that the environment names for the process `pid` (sd_notify(3), sd_watchdog_enabled(3))."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address and address[0] not in "/@":
            log.warning("NOTIFY_SOCKET: found %r; expected /PATH or @NAME; nobody is told that we run", address)
            address = ""
        wanted, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
        if not wanted or meant != str(pid):
            return cls(address)
        if not wanted.isdecimal() or int(wanted) == 0:
            log.warning("WATCHDOG_USEC: found %r; expected microseconds; the watchdog is not fed", wanted)
            return cls(address)
        return cls(address, int(wanted) / 1e6)

    def notify(self, **words: str) -> None:
        """Say these, at once and without waiting; what cannot be delivered goes with what is said next."""
        if self._socket is None:
            return
        said = self._owed | {name: " ".join(value.split()) for name, value in words.items()}
        text = "\n".join(f"{name}={value}" for name, value in said.items())
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            self._socket.sendto(text.encode(), socket.MSG_DONTWAIT, address)
        except OSError as error:
            self._owed = said
            self._owed.pop("WATCHDOG", None)  # a sign of life is worth nothing later
            if not self._silent:
                log.warning("systemd is not told what we do: %s: %s", self._address, error.strerror or error)
            self._silent = True
        else:
            self._owed = {}
            self._silent = False

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
