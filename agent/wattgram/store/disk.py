"""What must be on disk before the next step is taken."""

from __future__ import annotations

import os
from pathlib import Path

PAGE = 4096
"""Bytes that a file system writes at least."""


def put(file: int, offset: int, data: bytes) -> int:
    """Write and wait until it is on disk; bytes of the pages that this touched."""
    view, at = memoryview(data), offset
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written
    os.fdatasync(file)
    return touched(offset, len(data)) * PAGE


def touched(offset: int, length: int) -> int:
    """How many pages some bytes of a file are on."""
    return -(-(offset + length) // PAGE) - offset // PAGE


def sync_folder(folder: Path) -> None:
    """A folder's names are on disk when this returns."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
