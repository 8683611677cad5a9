"""What the kernel says of its own clock: whether a time server keeps it, how long the machine runs, and which boot."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Protocol

CLOCKS = Path("/sys/class/rtc")
"""The clocks with a battery; one whose `hctosys` is 1 has set the kernel's."""

PROCESSOR = Path("/proc/cpuinfo")

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""Is made by systemd-timesyncd when it has heard a server since the machine was switched on."""

BOOT = Path("/proc/sys/kernel/random/boot_id")

ERROR = 5
"""TIME_ERROR: what adjtimex(2) answers while nobody keeps the clock; -1 when it may not be asked."""

TIMEX_ROOM = 1024
"""Bytes for the kernel's answer, which is not read: `struct timex` has 208 at most."""


class Witness(Protocol):
    """Who can say whether the wall clock is right."""

    def synchronised(self) -> bool:
        """Whether a time server keeps the clock now; False also when nobody knows."""
        ...

    def went_on(self) -> bool:
        """Whether the clock went on while the machine was switched off; False also when nobody knows."""
        ...

    def uptime(self) -> float:
        """Seconds since the machine was switched on."""
        ...

    def boot(self) -> str:
        """What tells this boot from all others; "" when nobody knows."""
        ...


class Kernel:
    """The witness of a machine."""

    def __init__(self, clocks: Path = CLOCKS, processor: Path = PROCESSOR) -> None:
        self._adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
        self._clocks = clocks
        self._processor = processor

    def synchronised(self) -> bool:
        """Asks for nothing to be changed, so it needs no right."""
        if SYNCHRONISED.exists():
            return True
        return self._adjtimex is not None and 0 <= self._adjtimex(ctypes.create_string_buffer(TIMEX_ROOM)) < ERROR

    def went_on(self) -> bool:
        """By a battery, or because the machine is a guest, whose time is its host's."""
        try:
            if any(one.read_text(encoding="ascii").strip() == "1" for one in self._clocks.glob("*/hctosys")):
                return True
            words = self._processor.read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            return False
        return "hypervisor" in words

    def uptime(self) -> float:
        """A machine that sleeps does not read meters, so its sleep need not count."""
        return time.monotonic()

    def boot(self) -> str:
        """The kernel's own word for it."""
        try:
            return BOOT.read_text(encoding="ascii").strip()
        except OSError:
            return ""


class AlwaysSynchronised:
    """The witness of a clock that is right by definition, as a demonstration's is."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def synchronised(self) -> bool:
        """It is."""
        return True

    def went_on(self) -> bool:
        """It did."""
        return True

    def uptime(self) -> float:
        """Since this was made."""
        return time.monotonic() - self._begun

    def boot(self) -> str:
        """Nobody knows."""
        return ""
