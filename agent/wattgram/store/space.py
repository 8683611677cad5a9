"""Room of the rings: their segments are created, and the oldest are discarded when the limit is reached.

History is discarded first: segments that every sink has received, and segments that no sink receives. Without history,
the oldest undelivered segments are discarded and counted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .disk import sync_folder
from .regular_files import OWN_MODE
from .ring import SUFFIX, Ring


@dataclass(frozen=True, slots=True)
class Shares:
    """Bytes of a spool for journal, database, one segment and all segments."""

    journal: int
    database: int
    segment: int
    rings: int

    @classmethod
    def of(cls, folder: Path, max_size: int) -> Shares:
        """Return the shares of a spool of this size, or of nine tenths of a smaller disk."""
        disk = os.statvfs(folder)
        size = min(max_size, disk.f_blocks * disk.f_frsize * 9 // 10)
        journal = _page(max(1 << 16, min(1 << 22, size // 16)))
        database = _page(max(min(size // 2, 1 << 22), size // 8))
        segment = _page(max(1 << 16, min(1 << 22, size // 64)))
        return cls(journal, database, segment, size - journal - database)


class Space:
    """Room of several rings.

    bound: limit for all segments, bytes. size: of a new segment, bytes. sent: names of the rings that go to sinks.
    delivered: number up to which every sink is done. lost: discarded undelivered records. beside: bytes of files of
    another owner in the folder, which take room from the segments, at most half.
    """

    def __init__(self, folder: Path, rings: Sequence[Ring], sent: Sequence[str], bound: int, size: int) -> None:
        self.folder = folder
        self.delivered = 0
        self.lost = 0
        self.beside = 0
        self._rings = tuple(rings)
        self._sent = frozenset(sent)
        self._bound = bound
        self.size = size

    def new_segment(self, name: str) -> tuple[Path, int, int]:
        """Return path, number and size of an empty segment for a ring.

        OSError if the disk has no room and nothing can be discarded.
        """
        number = 1 + max((_number(path) for path in self.folder.glob(f"*{SUFFIX}")), default=0)
        path = self.folder / f"{name}-{number:010}{SUFFIX}"
        while self._used() + self.size > self._room and self._free_segment(path, allow_undelivered=True):
            if path.exists():
                break
        if not path.exists():
            try:
                _allocate(path, self.size)
            except OSError as error:
                # Another program has filled the disk: discard history for the new records.
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._free_segment(
                    path, allow_undelivered=False
                ):
                    raise
                if not path.exists():
                    _allocate(path, self.size)
        sync_folder(self.folder)
        return path, number, self.size

    def undelivered_share(self, done: int) -> float:
        """Return the share of the room, 0 to 1, of segments with records after this number for a sink."""
        used = 0
        for ring in self._rings:
            if ring.name in self._sent:
                segments = tuple(ring.segments)
                ends = [segment.first - 1 for segment in segments[1:]] + [ring.head]
                used += sum(segment.size for segment, end in zip(segments, ends, strict=False) if end > done)
        return min(1.0, used / self._room) if self._room > 0 else 1.0

    def trim(self) -> None:
        """Discard segments above the limit."""
        while self._used() > self._room and self._free_segment(None, allow_undelivered=True):
            pass

    def expire(self, before: int) -> None:
        """Discard history segments whose last record has at most this number."""
        for ring in self._rings:
            while ring.droppable and ring.oldest_end <= before and self._is_history(ring):
                ring.drop().path.unlink(missing_ok=True)

    def _free_segment(self, path: Path | None, *, allow_undelivered: bool) -> bool:
        """Discard one segment, which becomes `path` if its size fits; return whether there was one."""
        for ring in self._rings:
            if ring.unreadable_files:
                self._reuse(ring.unreadable_files.pop(0), path)
                return True
        droppable = [ring for ring in self._rings if ring.droppable]
        history = [ring for ring in droppable if self._is_history(ring)]
        if not (history or (allow_undelivered and droppable)):
            return False
        ring = min(history or droppable, key=lambda ring: ring.segments[0].first)
        if not history:
            self.lost += max(0, ring.count(ring.oldest_end) - ring.count(self.delivered))
        self._reuse(ring.drop().path, path)
        return True

    def _reuse(self, old: Path, path: Path | None) -> None:
        if path is not None and old.stat().st_size == self.size:
            old.rename(path)
        else:
            old.unlink()

    def _is_history(self, ring: Ring) -> bool:
        """Return whether no sink needs a ring's oldest segment."""
        return ring.name not in self._sent or ring.oldest_end <= self.delivered

    @property
    def _room(self) -> int:
        return self._bound - min(self.beside, self._bound // 2)

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob(f"*{SUFFIX}") if path.is_file())


def _number(path: Path) -> int:
    digits = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _allocate(path: Path, size: int) -> None:
    """Create an empty file with its room on the disk already allocated."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWN_MODE)
    try:
        os.posix_fallocate(file, 0, size)
        os.fsync(file)
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)


def _page(size: int) -> int:
    return size // 4096 * 4096
