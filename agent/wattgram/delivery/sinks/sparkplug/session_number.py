"""The number of a Sparkplug session, by which a host tells a node's last death from the birth that came after it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class SessionNumbers:
    """0 to 255 and round again, one a connection, kept in a file so that a restart goes on [topics-nbirth-bdseq]."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: int | None = None
        self._told = False

    def following(self) -> int:
        """The next number, on disk before it is used; blocks. While the disk takes nothing, counted in memory."""
        last = self._read() if self._last is None else self._last
        self._last = (last + 1) % 256
        try:
            self._write(self._last)
        except OSError as error:
            if not self._told:
                log.warning("sparkplug: %s: %s; a restart will begin with an older bdSeq", self._path, error)
            self._told = True
        else:
            self._told = False
        return self._last

    def _read(self) -> int:
        try:
            found = int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return -1
        except (OSError, ValueError) as error:
            log.warning("sparkplug: %s cannot be read: %s; bdSeq begins anew", self._path, error)
            return -1
        return found if 0 <= found <= 255 else -1

    def _write(self, number: int) -> None:
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="ascii") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
