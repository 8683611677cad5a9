"""The number of a Sparkplug session (bdSeq), which assigns a node's death to its birth."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class SessionNumbers:
    """Numbers of connections, 0 to 255 and again from 0, stored in a file across restarts [topics-nbirth-bdseq]."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: int | None = None
        self._logged = False

    def following(self) -> int:
        """Return the next number, after it is stored; blocks. If the disk refuses it, count in memory."""
        last = self._read() if self._last is None else self._last
        self._last = (last + 1) % 256
        try:
            self._write(self._last)
        except OSError as error:
            if not self._logged:
                log.warning("sparkplug: %s: %s; a restart will begin with an older bdSeq", self._path, error)
            self._logged = True
        else:
            self._logged = False
        return self._last

    def last(self) -> int | None:
        """Return the number of the last session, None for none; blocks."""
        return None if (last := self._read()) < 0 else last

    def _read(self) -> int:
        try:
            found = int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return -1
        except (OSError, ValueError) as error:
            log.warning("sparkplug: %s cannot be read: %s; bdSeq starts at 0", self._path, error)
            return -1
        return found if 0 <= found <= 255 else -1

    def _write(self, number: int) -> None:
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="ascii") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
