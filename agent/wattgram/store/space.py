"""The room that the rings share: makes their segments, gives up the oldest ones, and never more than it must.

History goes first: segments whose records every sink is done with, and those that no sink gets. When there is none
left the oldest undelivered ones go, and are counted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from .disk import sync_folder
from .ring import SUFFIX, Ring


class Space:
    """`bound`: bytes of all segments at most. `size`: bytes of a new one. `sent`: names of rings that go to sinks.

    delivered: number up to which every sink is done. lost: undelivered records that were given up.
    """

    def __init__(self, folder: Path, rings: Sequence[Ring], sent: Sequence[str], bound: int, size: int) -> None:
        self.folder = folder
        self.delivered = 0
        self.lost = 0
        self._rings = tuple(rings)
        self._sent = frozenset(sent)
        self._bound = bound
        self.size = size

    def fresh(self, name: str) -> tuple[Path, int, int]:
        """An empty segment for a ring: path, number, size. OSError when the disk has no room and nothing can go."""
        number = 1 + max((_number(path) for path in self.folder.glob(f"*{SUFFIX}")), default=0)
        path = self.folder / f"{name}-{number:010}{SUFFIX}"
        while self._used() + self.size > self._bound and self._free(path, anything=True):
            if path.exists():
                break
        if not path.exists():
            try:
                _allocate(path, self.size)
            except OSError as error:
                # Somebody else has filled the disk: what we have of it holds what is new rather than what was sent.
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._free(path, anything=False):
                    raise
                if not path.exists():
                    _allocate(path, self.size)
        sync_folder(self.folder)
        return path, number, self.size

    def waiting(self, done: int) -> float:
        """Share of the room, 0 to 1, of segments with records after this number that a sink is to have."""
        used = 0
        for ring in self._rings:
            if ring.name in self._sent:
                segments = tuple(ring.segments)
                ends = [one.first - 1 for one in segments[1:]] + [ring.head]
                used += sum(one.size for one, end in zip(segments, ends, strict=False) if end > done)
        return min(1.0, used / self._bound) if self._bound > 0 else 1.0

    def trim(self) -> None:
        """Give up what is over the bound."""
        while self._used() > self._bound and self._free(None, anything=True):
            pass

    def expire(self, before: int) -> None:
        """Give up segments of history whose last record has at most this number."""
        for ring in self._rings:
            while ring.spare and ring.ended <= before and self._is_history(ring):
                ring.drop().path.unlink(missing_ok=True)

    def _free(self, path: Path | None, *, anything: bool) -> bool:
        """Give up one segment, which becomes `path` where it has the right size; whether there was one."""
        for ring in self._rings:
            if ring.blank:
                self._reuse(ring.blank.pop(0), path)
                return True
        full = [ring for ring in self._rings if ring.spare]
        history = [ring for ring in full if self._is_history(ring)]
        if not (history or (anything and full)):
            return False
        ring = min(history or full, key=lambda one: one.segments[0].first)
        if not history:
            self.lost += max(0, ring.count(ring.ended) - ring.count(self.delivered))
        self._reuse(ring.drop().path, path)
        return True

    def _reuse(self, old: Path, path: Path | None) -> None:
        if path is not None and old.stat().st_size == self.size:
            old.rename(path)
        else:
            old.unlink()

    def _is_history(self, ring: Ring) -> bool:
        """Whether no sink waits for a ring's oldest segment."""
        return ring.name not in self._sent or ring.ended <= self.delivered

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob(f"*{SUFFIX}"))


def _number(path: Path) -> int:
    digits = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _allocate(path: Path, size: int) -> None:
    """An empty file that has its room on the disk already."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        os.posix_fallocate(file, 0, size)
        os.fsync(file)
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)
