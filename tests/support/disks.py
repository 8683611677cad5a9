"""Disks for tests: small, full, read-only, and with a file that cannot be read. The tests' container may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of this size."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, how: str) -> None:
    """Make a disk read-only ("ro") or writable ("rw")."""
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


def fill(folder: Path) -> None:
    """Fill the disk with a file, `filler`."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


@contextmanager
def mounted_over(source: Path, target: Path) -> Iterator[None]:
    """Mount a file or folder over another one."""
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", target], check=True)


@contextmanager
def failing_to_read(file: Path) -> Iterator[None]:
    """Make every read of a file's first bytes fail with EIO, as a broken disk does."""
    with mounted_over(Path(f"/proc/{os.getpid()}/mem"), file):  # no process has memory at 0
        yield
