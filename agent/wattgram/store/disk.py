"""Writes that are on disk before the next step."""

from __future__ import annotations

import os
from pathlib import Path

PAGE = 4096
"""Smallest write of a file system, bytes."""


def write_synced(file: int, offset: int, data: bytes) -> int:
    """Write and wait until the data is on disk; return the bytes of the touched pages."""
    view, at = memoryview(data), offset
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written
    os.fdatasync(file)
    return pages_touched(offset, len(data)) * PAGE


def pages_touched(offset: int, length: int) -> int:
    """Return the number of pages that some bytes of a file are on."""
    return -(-(offset + length) // PAGE) - offset // PAGE


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder are on disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
