"""Mounts that a folder needs, by the table of the file systems (fstab(5)).

A disk on USB may appear after the daemon. Until then its mount point is an empty directory of another disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

FSTAB = Path("/etc/fstab")
MOUNTED = Path("/proc/self/mountinfo")

_OCTAL = re.compile(r"\\([0-7]{3})")


def missing_mount(folder: Path, fstab: Path = FSTAB, mounted: Path = MOUNTED) -> Path | None:
    """Return the mount point of the table that contains a folder and is not mounted now; None if there is none."""
    try:
        wanted = [_decoded(fields[1]) for fields in _rows(fstab) if len(fields) > 2 and fields[2] != "swap"]
        present = {_decoded(fields[4]) for fields in _rows(mounted) if len(fields) > 4}
    except OSError:
        return None
    place = Path(os.path.realpath(folder))
    inside = [point for point in wanted if point.is_absolute() and place.is_relative_to(os.path.realpath(point))]
    absent = [point for point in inside if Path(os.path.realpath(point)) not in present]
    return min(absent, key=lambda point: len(point.parts), default=None)


def _rows(table: Path) -> list[list[str]]:
    text = table.read_text(encoding="utf-8", errors="surrogateescape")
    return [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _decoded(field: str) -> Path:
    """Return a path whose spaces are written as octal numbers."""
    return Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), field))
