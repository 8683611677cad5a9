"""Output of results: standard output, or a file that is replaced atomically."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def output(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file for writing, or standard output without a path. OSError, with the path, if writing fails.

    The data goes to `.NAME.PID.part` in the same folder, which replaces the file when the block ends. After an
    exception the previous file remains. A pipe or a device is written directly.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    place = path.resolve()  # so that a symbolic link remains a link
    try:
        with _direct(place) if place.exists() and not place.is_file() else _atomic(place) as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}") from error


@contextmanager
def _direct(place: Path) -> Iterator[BinaryIO]:
    with place.open("wb") as file:
        yield file


@contextmanager
def _atomic(place: Path) -> Iterator[BinaryIO]:
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
