"""Where results go: standard output, or a file that is there as a whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def output(path: Path | None) -> Iterator[BinaryIO]:
    """A file to write, standard output without a path. OSError, with the path, when it cannot be written.

    A file is written beside its place as `.NAME.PID.part` and takes it when the block ends; what was there stays until
    then, and after an exception. What is no file, such as a pipe or a device, is written as it is.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    place = path.resolve()  # a link stays one
    try:
        with _as_it_is(place) if place.exists() and not place.is_file() else _whole(place) as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror}") from error


@contextmanager
def _as_it_is(place: Path) -> Iterator[BinaryIO]:
    with place.open("wb") as file:
        yield file


@contextmanager
def _whole(place: Path) -> Iterator[BinaryIO]:
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
