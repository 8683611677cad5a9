"""What must be on disk before the next step is taken."""

from __future__ import annotations

import os
from pathlib import Path


def put(file: int, offset: int, data: bytes) -> None:
    """Write and wait until it is on disk."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
    os.fdatasync(file)


def sync_folder(folder: Path) -> None:
    """A folder's names are on disk when this returns."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
