"""The spool's database on a disk that cannot be written: opened without creating or changing a file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .regular_files import other_kind, read_regular
from .small_tables import PAGE, SCHEMA, reference_database, schema_of
from .write_ahead_log import with_log


def read_only(file: Path) -> sqlite3.Connection:
    """Open a database that no process writes. Without a file, it is an empty database in memory.

    A log of a killed process is read with its index; a log without an index is applied in memory. sqlite3.Error or
    OSError if the disk does not respond or the file is damaged.
    """
    log, index = (file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm"))
    if not file.exists() or other_kind(file):  # another kind is set aside as soon as the disk can be written
        return empty_in_memory()
    content = log.stat().st_size if log.exists() and not other_kind(log) else 0
    if content and not index.exists():
        return _checked(_in_memory(with_log(read_regular(file), read_regular(log))))
    options = "mode=ro&readonly_shm=1" if content else "mode=ro&immutable=1"
    return _checked(
        sqlite3.connect(
            f"{file.absolute().as_uri()}?{options}", uri=True, check_same_thread=False, isolation_level=None
        )
    )


def damaged_in_memory(file: Path) -> sqlite3.Connection:
    """Return a damaged database with its log, lengthened to the size in its header. OSError: no answer."""
    log = file.with_name(f"{file.name}-wal")
    content = with_log(read_regular(file), read_regular(log) if log.exists() and not other_kind(log) else b"")
    pages = int.from_bytes(content[28:32], "big")  # sqlite.org/fileformat2.html, 1.3
    return _in_memory(content.ljust(min(pages * PAGE, 2 * len(content)), b"\0"))


def empty_in_memory() -> sqlite3.Connection:
    """Return an empty database with all tables."""
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    db.executescript(SCHEMA)
    return db


def _in_memory(content: bytes) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    db.deserialize(content)
    return db


def _checked(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a database with all tables: a copy in memory has those that an earlier version did not have."""
    try:
        if schema_of(db) == schema_of(reference_database()):
            return db
        copy = empty_in_memory()
        db.backup(copy)
        copy.executescript(SCHEMA)
        db.close()
        db = copy
        complete = schema_of(db) == schema_of(reference_database())
    except UnicodeDecodeError as error:  # from a message that quotes a damaged schema
        db.close()
        raise _damage(str(error)) from error
    except BaseException:
        db.close()
        raise
    if not complete:
        db.close()
        raise _damage("the tables are not those of a spool")
    return db


def _damage(message: str) -> sqlite3.DatabaseError:
    damage = sqlite3.DatabaseError(message)
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return damage
