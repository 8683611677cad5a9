"""Files of the spool are regular files. A directory, a FIFO, a socket or a device of the same name is set aside.

Opening a FIFO waits for another process, and opening a device can change the device. So a name is examined first.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

ASIDE_SUFFIX = ".aside"
"""End of the name of an entry that was set aside."""

OWN_MODE = 0o640
"""Mode of every file of the spool: the owner writes, the group reads."""

FOLDER_MODE = 0o750
"""Mode of a folder of the spool."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link to nothing",
}


def other_kind(path: Path) -> str:
    """Return the kind of an entry that is no regular file, in words; "" for a regular file or no entry.

    A link counts as its target. OSError if the disk does not respond.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            return ""
        mode = stat.S_IFLNK
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def open_regular(path: Path) -> int:
    """Open a regular file for reading; the call never waits. FileNotFoundError, or OSError EINVAL for another kind."""
    if kind := other_kind(path):
        raise OSError(errno.EINVAL, f"found {kind}, expected a file", str(path))
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file; the errors are those of `open_regular`."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def own_opener(path: str, flags: int) -> int:
    """Open a file for `open`, whose mode is `OWN_MODE` if it is created."""
    return os.open(path, flags | os.O_CLOEXEC, OWN_MODE)


def set_other_kinds_aside(paths: Iterable[Path]) -> list[str]:
    """Rename the entries of these names that are no regular files; return a line about each.

    OSError if the disk does not respond or cannot be written.
    """
    notes = []
    for path in paths:
        if kind := other_kind(path):
            aside = _free_name(path)
            path.rename(aside)
            notes.append(f"{path.name} is {kind} and was set aside as {aside.name}")
    return notes


def narrow_mode(path: Path) -> None:
    """Remove the permissions of a file beyond `OWN_MODE`; no effect on a file of another owner."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~OWN_MODE and found.st_uid == os.geteuid():
        path.chmod(mode & OWN_MODE)


def _free_name(path: Path) -> Path:
    """Return a name for an entry that is set aside."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}{ASIDE_SUFFIX}{number if number > 1 else ''}")):
        number += 1
    return aside
