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

    @property
    def is_held(self) -> bool:
        """Whether this process has the lock."""
        return self._file is not None

    def is_in_place(self) -> bool:
        """Return whether the path leads to the locked directory. OSError if the disk does not respond."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self._folder.stat())
        except FileNotFoundError:
            return False

    def stay(self) -> Path:
        """Keep the locked directory, whatever its path leads to; return a path of the directory itself."""
        self._folder = Path(f"/proc/self/fd/{self._file}")
        return self._folder

    def release(self) -> None:
        """Release the directory."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
