"""Names of the files while a damaged database is replaced, so that a crash at any step loses no readable row.

spool.db          the damaged file, until the copy is complete
spool.db.copy     the copy of its readable rows; begun again after a crash
spool.db.new      the complete copy, which takes the place of the damaged file
spool.db.corrupt  the damaged file afterwards
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from wattgram.base.errors import SpoolError

from .disk import sync_folder

DATABASE_FILE = "spool.db"
COPY_FILE = "spool.db.copy"
COMPLETE_FILE = "spool.db.new"
ASIDE = "spool.db.corrupt"

RECOVERY_ROOM = 1 << 18
"""Room beside the copy of a damaged file, bytes: the log and its index."""

WITH_LOG = ("", "-wal", "-shm")
"""Ends of the names of a database, its log and the log's index."""


ALL_FILES = tuple(name + suffix for name in (DATABASE_FILE, COPY_FILE, COMPLETE_FILE) for suffix in WITH_LOG)
"""Names that the database writes."""


def demand_room(folder: Path, most: int) -> None:
    """Check that a copy of the database fits on the disk; OSError ENOSPC if not. most: size of a copy, bytes."""
    file, disk = folder / DATABASE_FILE, os.statvfs(folder)
    size = file.stat().st_size if file.exists() else 0
    if disk.f_bavail * disk.f_frsize < min(size, most) + RECOVERY_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))


def discard_copy(folder: Path) -> None:
    """Delete a copy that is not complete."""
    for suffix in WITH_LOG:
        (folder / (COPY_FILE + suffix)).unlink(missing_ok=True)


def empty_log(db: sqlite3.Connection, file: Path) -> None:
    """Move all rows from the log of a database to its file; SpoolError if the disk refuses."""
    try:
        (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise SpoolError(f"{file}: {error}") from error
    if busy:
        raise SpoolError(f"{file}: the log could not be emptied")


def complete_copy(folder: Path) -> None:
    """Note that the copy is complete, and put it into the place of the damaged file. The copy must be closed."""
    (folder / COPY_FILE).replace(folder / COMPLETE_FILE)
    sync_folder(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Put a complete copy into the place of the damaged file; no effect without one. OSError if the disk refuses.

    The old log must be gone before the copy has its name: SQLite would apply the log to the copy.
    """
    if not (folder / COMPLETE_FILE).exists():
        return
    for suffix in ("", "-wal"):
        if (folder / (DATABASE_FILE + suffix)).exists():
            (folder / (DATABASE_FILE + suffix)).replace(folder / (ASIDE + suffix))
    for leftover in (f"{DATABASE_FILE}-shm", f"{ASIDE}-shm"):
        (folder / leftover).unlink(missing_ok=True)
    sync_folder(folder)
    (folder / COMPLETE_FILE).replace(folder / DATABASE_FILE)
    sync_folder(folder)
