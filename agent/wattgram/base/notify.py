"""Notifications to systemd: one datagram of NAME=value lines to the socket in NOTIFY_SOCKET (sd_notify(3))."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from math import inf

log = logging.getLogger(__name__)


class Supervisor:
    """The supervisor of this process, normally systemd. Without a supervisor, notifications have no effect.

    `watchdog`: longest time between two WATCHDOG notifications, s; inf when the supervisor expects none.
    """

    def __init__(self, address: str = "", watchdog: float = inf) -> None:
        """`address`: path of a socket, or @NAME in the abstract namespace; "" for no supervisor."""
        self.watchdog = watchdog
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._unsent: dict[str, str] = {}
        self._failing = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int) -> Supervisor:
        """Return the supervisor in the environment of the process `pid` (sd_notify(3), sd_watchdog_enabled(3))."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address and address[0] not in "/@":
            log.warning("NOTIFY_SOCKET: found %r; expected /PATH or @NAME; systemd is not notified", address)
            address = ""
        period, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
        if not period or process != str(pid):
            return cls(address)
        if not period.isdecimal() or int(period) == 0:
            log.warning("WATCHDOG_USEC: found %r; expected microseconds; the watchdog is not fed", period)
            return cls(address)
        return cls(address, int(period) / 1e6)

    def notify(self, **words: str) -> None:
        """Send notifications without waiting. Notifications that cannot be sent are sent with the next call."""
        if self._socket is None:
            return
        lines = self._unsent | {name: " ".join(value.split()) for name, value in words.items()}
        text = "\n".join(f"{name}={value}" for name, value in lines.items())
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            self._socket.sendto(text.encode(), socket.MSG_DONTWAIT, address)
        except OSError as error:
            self._unsent = lines
            self._unsent.pop("WATCHDOG", None)  # an old sign of life says nothing about now
            if not self._failing:
                log.warning("cannot notify systemd: %s: %s", self._address, error.strerror or error)
            self._failing = True
        else:
            self._unsent = {}
            self._failing = False

    def close(self) -> None:
        """Close the socket; later notifications have no effect."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
