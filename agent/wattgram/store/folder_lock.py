"""Lock of a directory for one process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from wattgram.base.errors import SpoolError


class FolderLock:
    """Exclusive lock on a directory; it needs no file, and ends with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def acquire(self) -> None:
        """Lock the directory, unless it is locked already; SpoolError if another process uses it."""
        if self._file is not None:
            return
        file = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise SpoolError(f"{self._folder} is in use by another wattgram process") from error
        self._file = file

    def release(self) -> None:
        """Release the directory."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
