"""Checks of the directory before its files are opened: is the disk there, and can it be written?"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from .expected_mount import missing_mount
from .regular_files import FOLDER_MODE


class FolderReplaced(OSError):
    """The path of an open directory leads to another directory, as after a mount over it."""


def check_mounted(folder: Path) -> None:
    """Check that the disk of a directory is mounted; OSError ENODEV if /etc/fstab has a mount that is absent."""
    absent = missing_mount(folder)
    if absent is not None:
        raise OSError(errno.ENODEV, f"{absent} of /etc/fstab is not mounted")


def make_folder(folder: Path) -> None:
    """Create a directory, unless it belongs on a disk that is not mounted. OSError if that is not possible."""
    check_mounted(folder)
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def check_writable(folder: Path, names: Iterable[str]) -> None:
    """Check that a directory and its files of these names can be written; OSError if they cannot."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
    for path in (folder, *(folder / name for name in names)):
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def is_wrong_path(error: OSError) -> bool:
    """Return whether an error of the path will not pass: a file in the place of a directory, a circle of links."""
    return error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
