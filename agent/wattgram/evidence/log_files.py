"""Files of a log in a folder or in a tar file: checkpoint, tiles and entry bundles (C2SP tlog-tiles)."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from wattgram.base.errors import HistoryError

from .merkle import HASH_SIZE

TILE_WIDTH = 256
"""Hashes of a full tile, and entries of a full bundle."""

CHECKPOINT_FILE = "checkpoint"

ENTRIES = "entries"
"""Level of the entry bundles in their paths."""

LENGTH = 2
"""Bytes of the length before each entry of a bundle."""

MOST_BUNDLE = TILE_WIDTH * (LENGTH + 65_535)
"""Size limit of a bundle, bytes."""

MOST_MEMBERS = 1_000_000
"""Limit of the files of a tar file."""


def tile_path(level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile in the folder of its log; `width` below 256 is a partial tile."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(parts)}" + (f".p/{width}" if width < TILE_WIDTH else "")


def widths(size: int, level: int = 0) -> Iterator[tuple[int, int]]:
    """Yield number and width of the tiles of a level of a log with `size` entries."""
    hashes = size // TILE_WIDTH**level
    for number in range(-(-hashes // TILE_WIDTH)):
        yield number, min(TILE_WIDTH, hashes - number * TILE_WIDTH)


def bundled(entries: list[bytes]) -> bytes:
    """Return entries as a bundle: each after its length, an unsigned 16-bit big-endian integer."""
    return b"".join(len(entry).to_bytes(LENGTH, "big") + entry for entry in entries)


def unbundled(bundle: bytes, width: int) -> list[bytes]:
    """Return the first `width` entries of a bundle, fewer if the bundle ends before."""
    entries: list[bytes] = []
    at = 0
    while len(entries) < width and at + LENGTH <= len(bundle):
        end = at + LENGTH + int.from_bytes(bundle[at : at + LENGTH], "big")
        if end > len(bundle):
            break
        entries.append(bundle[at + LENGTH : end])
        at = end
    return entries


class LogFiles:
    """Files of a log by their paths, from a folder or a tar file.

    A folder on a gateway has one growing file for each tile, under the path of the full tile; its first hashes or
    entries are the partial tile.
    """

    def __init__(self, place: str, files: Mapping[str, Path | bytes]) -> None:
        self.place = place
        self._files = files

    @classmethod
    def of_folder(cls, folder: Path) -> LogFiles:
        """Return the files of a log's folder."""
        paths = (path for path in folder.rglob("*") if path.is_file())
        return cls(str(folder), {path.relative_to(folder).as_posix(): path for path in paths})

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None if it is missing."""
        found = self._files.get(path)
        return found.read_bytes() if isinstance(found, Path) else found

    def checkpoint(self) -> str:
        """Return the checkpoint. ValueError if it is not UTF-8."""
        return (self.read(CHECKPOINT_FILE) or b"").decode()

    def hashes(self, size: int, level: int = 0) -> Iterator[bytes | None]:
        """Yield the hashes of a level of the tree of `size` entries; None for a hash that is missing."""
        for number, width in widths(size, level):
            tile = self._tile(level, number, width)
            for at in range(0, width * HASH_SIZE, HASH_SIZE):
                yield tile[at : at + HASH_SIZE] if at + HASH_SIZE <= len(tile) else None

    def entries(self, size: int, first: int = 0) -> Iterator[bytes | None]:
        """Yield the entries from `first` to before `size`; None for an entry that is missing."""
        for number, width in widths(size):
            if (number + 1) * TILE_WIDTH <= first:
                continue
            entries: list[bytes | None] = [*unbundled(self._tile(ENTRIES, number, width)[:MOST_BUNDLE], width)]
            entries += [None] * (width - len(entries))
            yield from entries[max(0, first - number * TILE_WIDTH) :]

    def members(self, size: int) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file of the log of `size` entries, with partial tiles by C2SP tlog-tiles."""
        levels: list[int | str] = [*range(8), ENTRIES]
        for level in levels:
            for number, width in widths(size, 0 if level == ENTRIES else int(level)):
                tile = self._tile(level, number, width)
                if level == ENTRIES:
                    yield tile_path(level, number, width), bundled(unbundled(tile, width))
                else:
                    yield tile_path(level, number, width), tile[: width * HASH_SIZE]

    def _tile(self, level: int | str, number: int, width: int) -> bytes:
        return self.read(tile_path(level, number, width)) or self.read(tile_path(level, number)) or b""


def logs_of(place: Path) -> list[LogFiles]:
    """Return every log in a folder or in a tar file, by name; HistoryError if there is none."""
    try:
        if place.is_dir():
            folders = sorted(path.parent for path in place.rglob(CHECKPOINT_FILE) if path.is_file())
            found = [LogFiles.of_folder(folder) for folder in folders]
        else:
            with tarfile.open(place) as archive:
                found = _logs_of_tar(place, archive)
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise HistoryError(f"{place}: no log of wattgram: {error}") from error
    if not found:
        raise HistoryError(f"{place}: no log of wattgram there (the file {CHECKPOINT_FILE} is missing)")
    return found


def _logs_of_tar(place: Path, archive: tarfile.TarFile) -> list[LogFiles]:
    files: dict[str, bytes] = {}
    for count, member in enumerate(archive):
        if count > MOST_MEMBERS:
            raise tarfile.TarError(f"more than {MOST_MEMBERS} files")
        if member.isfile() and member.size <= MOST_BUNDLE and (file := archive.extractfile(member)) is not None:
            files[member.name.removeprefix("./")] = file.read()
    heads = sorted(name.removesuffix(CHECKPOINT_FILE) for name in files if name.split("/")[-1] == CHECKPOINT_FILE)
    return [
        LogFiles(
            f"{place}:{head}".rstrip(":/"),
            {name.removeprefix(head): content for name, content in files.items() if name.startswith(head)},
        )
        for head in heads
    ]
