"""The kernel's information about its clock: synchronisation by a time server, uptime and the identifier of the boot."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Protocol

CLOCKS = Path("/sys/class/rtc")
"""Clocks with a battery. A clock with `hctosys` 1 has set the kernel's clock."""

PROCESSOR = Path("/proc/cpuinfo")

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""File that systemd-timesyncd creates after the first answer of a time server since the machine was switched on."""

BOOT = Path("/proc/sys/kernel/random/boot_id")

ERROR = 5
"""TIME_ERROR: result of adjtimex(2) while the clock is not synchronised; -1 without permission."""

TIMEX_ROOM = 1024
"""Size of the buffer for the kernel's result, bytes. The result is not read; `struct timex` has at most 208 bytes."""


class ClockStatus(Protocol):
    """Evidence for or against the wall clock."""

    def synchronised(self) -> bool:
        """Return whether a time server keeps the clock now; False if unknown."""
        ...

    def runs_when_off(self) -> bool:
        """Return whether the clock ran while the machine was switched off; False if unknown."""
        ...

    def uptime(self) -> float:
        """Return the time since the machine was switched on, s."""
        ...

    def boot_id(self) -> str:
        """Return an identifier of this boot; "" if unknown."""
        ...


class KernelClock:
    """Clock status of the machine, from the kernel and systemd-timesyncd."""

    def __init__(self, clocks: Path = CLOCKS, processor: Path = PROCESSOR) -> None:
        self._adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
        self._clocks = clocks
        self._processor = processor

    def synchronised(self) -> bool:
        """Return whether a time server keeps the clock. The call changes nothing, so it needs no permission."""
        if SYNCHRONISED.exists():
            return True
        return self._adjtimex is not None and 0 <= self._adjtimex(ctypes.create_string_buffer(TIMEX_ROOM)) < ERROR

    def runs_when_off(self) -> bool:
        """Return whether a battery keeps the clock, or the host of a virtual machine."""
        try:
            if any(path.read_text(encoding="ascii").strip() == "1" for path in self._clocks.glob("*/hctosys")):
                return True
            words = self._processor.read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            return False
        return "hypervisor" in words

    def uptime(self) -> float:
        """Return the monotonic clock, s. Sleep is not counted: a machine that sleeps does not read meters."""
        return time.monotonic()

    def boot_id(self) -> str:
        """Return the kernel's boot identifier."""
        try:
            return BOOT.read_text(encoding="ascii").strip()
        except OSError:
            return ""


class AlwaysSynchronised:
    """Status of a clock that is right by definition, such as the clock of a demonstration."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def synchronised(self) -> bool:
        """Return True."""
        return True

    def runs_when_off(self) -> bool:
        """Return True."""
        return True

    def uptime(self) -> float:
        """Return the time since this object was made, s."""
        return time.monotonic() - self._begun

    def boot_id(self) -> str:
        """Return ""."""
        return ""
