"""When the machine itself stood still: a thread that wants to wake up each 5 ms, and how late it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

BEAT = 0.005
LATE = 0.015
"""Seconds; a beat that is later is a standstill, which on a busy machine are many short ones."""


@dataclass
class Pulse:
    """Standstills so far: begin and end in UTC ns."""

    stalls: list[tuple[int, int]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def _beat(self) -> None:
        before, moment = time.monotonic(), time.time_ns()
        while not self._over.wait(BEAT):
            now = time.monotonic()
            if now - before > BEAT + LATE:
                self.stalls.append((moment, time.time_ns()))
            before, moment = now, time.time_ns()


@contextmanager
def pulse() -> Iterator[Pulse]:
    """Record standstills while the block lasts."""
    standstills = Pulse()
    thread = threading.Thread(target=standstills._beat, name="pulse")
    thread.start()
    try:
        yield standstills
    finally:
        standstills._over.set()
        thread.join()
