"""A serial line with real wire time: two pseudo-terminals and a relay between them, in a separate process.

A pseudo-terminal has no baud rate. The relay charges 11 bits a byte in each direction and hands over what a
UART would: eight bytes at a time (the receive level of a 16550's FIFO), what is left four characters after the
last one. Run as a program it prints the paths of the two ends and relays until its input ends.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import tty
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

FIFO = 8  # bytes
PATIENCE = 4  # characters of silence after which a UART hands over what it has


@dataclass
class Direction:
    """The bytes on their way to an end, each with its time of arrival, s."""

    character: float  # seconds
    sent: deque[tuple[float, int]] = field(default_factory=deque)
    _free: float = 0.0

    def send(self, now: float, data: bytes) -> None:
        """Put bytes behind those that are still being sent."""
        self._free = max(self._free, now)
        for byte in data:
            self._free += self.character
            self.sent.append((self._free, byte))

    def due(self) -> float | None:
        """When the next piece is handed over; None: nothing is under way."""
        if not self.sent:
            return None
        if len(self.sent) >= FIFO:
            return self.sent[FIFO - 1][0]
        return self.sent[-1][0] + PATIENCE * self.character

    def piece(self, now: float) -> bytes:
        """The next piece, if it is due."""
        due = self.due()
        if due is None or due > now:
            return b""
        return bytes(self.sent.popleft()[1] for _ in range(min(FIFO, len(self.sent))))


class Wire:
    """A line of two ends while the block lasts: open `ends` as `rtu://PATH`."""

    def __init__(self, baudrate: int) -> None:
        self.baudrate = baudrate
        self.ends: tuple[str, str] = ("", "")
        self._relay: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._relay = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__)), str(self.baudrate)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._relay.stdout is not None
        left, right = self._relay.stdout.readline().split()
        self.ends = left, right
        return self

    def __exit__(self, *_: object) -> None:
        assert self._relay is not None
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.kill()  # a relay whose line has no reader may be stuck in a write
        self._relay.wait()
        self._relay.stdin.close()
        self._relay.stdout.close()

    def urls(self) -> tuple[str, str]:
        """Both ends with the line's settings."""
        left, right = (f"rtu://{end}?baudrate={self.baudrate}" for end in self.ends)
        return left, right


def relay(baudrate: int) -> None:
    """Print both ends' paths, then carry bytes until the input ends."""
    ptys = [os.openpty() for _ in range(2)]
    for _, end in ptys:
        tty.setraw(end)
    print(*(os.ttyname(end) for _, end in ptys), flush=True)
    masters = [master for master, _ in ptys]
    to = {masters[0]: Direction(11 / baudrate), masters[1]: Direction(11 / baudrate)}
    other = {masters[0]: masters[1], masters[1]: masters[0]}
    while True:
        dues = [due for way in to.values() if (due := way.due()) is not None]
        wait = max(min(dues) - time.monotonic(), 0.0) if dues else None
        ready, _, _ = select.select([*masters, sys.stdin], [], [], wait)
        if sys.stdin in ready:
            return
        for master in masters:
            if master in ready:
                to[other[master]].send(time.monotonic(), os.read(master, 4096))
        for master, direction in to.items():
            while piece := direction.piece(time.monotonic()):
                os.write(master, piece)


if __name__ == "__main__":
    relay(int(sys.argv[1]))
