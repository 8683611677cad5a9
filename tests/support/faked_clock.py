"""libfaketime: a process whose wall clock has an offset that a file states."""

from __future__ import annotations

from pathlib import Path

LIBRARY = "faketime/libfaketimeMT.so.1"
"""Debian's package libfaketime; in the folder of the machine's libraries."""


def faked_clock(offset: Path) -> dict[str, str] | None:
    """Return variables for a process with this wall clock and the real monotonic clock; None without libfaketime.

    offset: a file with the seconds that the clock is ahead, such as `-30`; read at each call.

    Without FAKETIME_FORCE_MONOTONIC_FIX=0, version 0.9.10 ends each timed wait on the monotonic clock at once. A thread
    that waits for Python's interpreter lock then polls, and reads the file each time: two threads that compute for half
    a second together take 50 s of CPU time.
    """
    library = next(iter(sorted(Path("/usr/lib").glob(f"*/{LIBRARY}"))), None)
    if library is None:
        return None
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "NO_FAKE_STAT": "1",
    }
