"""Mounts for the length of a block."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.stage import NotHere

FORCE, DETACH = 1, 2  # MNT_FORCE, MNT_DETACH, sys/mount.h

libc = ctypes.CDLL(None, use_errno=True)


def called(name: str, result: int) -> None:
    """The result of a call of libc; NotHere when it failed."""
    if result < 0:
        raise NotHere(f"{name}: {os.strerror(ctypes.get_errno())}")


@contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[Path]:
    """Mount with these arguments of mount(8). NotHere when mount refuses."""
    at.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, at], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"mount {' '.join(arguments)}: {done.stderr.strip()}")
    try:
        yield at
    finally:
        called(f"umount {at}", libc.umount2(os.fsencode(at), DETACH))
