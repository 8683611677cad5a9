"""The tiles of a log as files that grow, each write on disk before the next step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wattgram.store.disk import sync_folder, write_synced
from wattgram.store.regular_files import FOLDER_MODE, OWN_MODE

from .log_files import ENTRIES, LENGTH, TILE_WIDTH, bundled, tile_path, unbundled
from .merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash, node_hash, tree_root

TREE_LEVELS = 8
"""Levels of tiles; three are enough for 16 million entries."""


class TileTree:
    """Tree of `size` entries in the folder of a log. `written`: bytes of this process.

    The right edge of each level is in memory: 8 KB at most for each. Files may be longer than `size` says, after a
    crash between the tiles and the state; the surplus is overwritten.
    """

    def __init__(self, folder: Path, size: int) -> None:
        """Open the tree. ValueError: files are missing or shorter than the size says; OSError: they cannot be read."""
        self.folder = folder
        self.size = size
        self.written = 0
        self._edges = [self._edge(level) for level in range(TREE_LEVELS)]
        self._bundle_bytes = self._last_bundle()

    def append(self, entries: Sequence[bytes]) -> None:
        """Append entries, and wait until they are on disk. After an OSError, open the tree again."""
        writes: dict[str, tuple[int, bytearray]] = {}
        for entry in entries:
            number, at = divmod(self.size, TILE_WIDTH)
            if at == 0:
                self._bundle_bytes = 0
            self._note(writes, tile_path(ENTRIES, number), self._bundle_bytes, bundled([entry]))
            self._bundle_bytes += LENGTH + len(entry)
            self._add_hash(writes, 0, leaf_hash(entry))
            self.size += 1
        for path, (offset, data) in writes.items():
            self._write(path, offset, bytes(data))

    def root(self) -> bytes:
        """Return the root of the tree."""
        peaks: list[bytes] = []
        for level in reversed(range(TREE_LEVELS)):
            edge, at = self._edges[level], 0
            for bit in reversed(range(TILE_WIDTH.bit_length())):
                if len(edge) >> bit & 1:
                    peaks.append(tree_root(edge[at : at + (1 << bit)]))
                    at += 1 << bit
        if not peaks:
            return EMPTY_ROOT
        root = peaks.pop()
        while peaks:
            root = node_hash(peaks.pop(), root)
        return root

    def _add_hash(self, writes: dict[str, tuple[int, bytearray]], level: int, added: bytes) -> None:
        edge = self._edges[level]
        self._note(writes, tile_path(level, self._tile(level)), len(edge) * HASH_SIZE, added)
        edge.append(added)
        if len(edge) == TILE_WIDTH:
            self._add_hash(writes, level + 1, tree_root(edge))
            edge.clear()

    def _note(self, writes: dict[str, tuple[int, bytearray]], path: str, offset: int, data: bytes) -> None:
        writes.setdefault(path, (offset, bytearray()))[1].extend(data)

    def _tile(self, level: int) -> int:
        """Return the number of the tile at the right edge of a level."""
        return int(self.size // TILE_WIDTH ** (level + 1))

    def _write(self, path: str, offset: int, data: bytes) -> None:
        file = self.folder / path
        new = not file.exists()
        if new:
            _make_folders(file.parent, self.folder)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, OWN_MODE)
        try:
            os.ftruncate(handle, offset)
            self.written += write_synced(handle, offset, data)
        finally:
            os.close(handle)
        if new:
            sync_folder(file.parent)

    def _edge(self, level: int) -> list[bytes]:
        width = int(self.size // TILE_WIDTH**level % TILE_WIDTH)
        if not width:
            return []
        path = self.folder / tile_path(level, self._tile(level))
        tile = path.read_bytes() if path.exists() else b""
        if len(tile) < width * HASH_SIZE:
            raise ValueError(f"{path}: found {len(tile)} bytes, expected {width * HASH_SIZE}")
        return [tile[at : at + HASH_SIZE] for at in range(0, width * HASH_SIZE, HASH_SIZE)]

    def _last_bundle(self) -> int:
        """Return the bytes of the entries in the last bundle, and check their hashes."""
        number, width = divmod(self.size, TILE_WIDTH)
        if not width:
            return 0
        path = self.folder / tile_path(ENTRIES, number)
        entries = unbundled(path.read_bytes() if path.exists() else b"", width)
        if [leaf_hash(entry) for entry in entries] != self._edges[0]:
            raise ValueError(f"{path}: its entries do not fit the tree")
        return sum(LENGTH + len(entry) for entry in entries)


def _make_folders(folder: Path, above: Path) -> None:
    """Make a folder below another one, and wait until the names are on disk."""
    missing = []
    while not folder.exists() and folder != above:
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=FOLDER_MODE, exist_ok=True)
        sync_folder(each.parent)
