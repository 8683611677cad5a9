"""Tiles on disk: paths of C2SP tlog-tiles, the same root as all entries at once, and rests of a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from wattgram.evidence.log_files import LogFiles, tile_path, widths
from wattgram.evidence.merkle import leaf_hash, tree_root
from wattgram.evidence.tile_tree import TileTree


def entries(count: int, first: int = 0) -> list[bytes]:
    return [b"entry %d" % number for number in range(first, first + count)]


def test_paths_are_those_of_the_specification() -> None:
    # c2sp.org/tlog-tiles: "index 1234067 will be encoded as x001/x234/067"
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 5, 112) == "tile/entries/005.p/112"


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    # c2sp.org/tlog-tiles: 273 full and one of 112 at level 0; one full and one of 17 at level 1; one of 1 at level 2
    assert [*widths(70_000)] == [*((number, 256) for number in range(273)), (273, 112)]
    assert [*widths(70_000, 1)] == [(0, 256), (1, 17)]
    assert [*widths(70_000, 2)] == [(0, 1)]


@pytest.mark.parametrize("sizes", [(1,), (255, 1), (256,), (200, 300), (257, 1, 600)])
def test_the_root_is_the_root_of_all_entries(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    tree, count = TileTree(tmp_path, 0), 0
    for size in sizes:
        tree.append(entries(size, count))
        count += size
        assert tree.root() == tree_root([leaf_hash(entry) for entry in entries(count)])
        tree = TileTree(tmp_path, count)
    files = LogFiles.of_folder(tmp_path)
    assert [*files.entries(count)] == entries(count)
    assert [*files.hashes(count)] == [leaf_hash(entry) for entry in entries(count)]


def test_what_a_crash_left_behind_the_size_is_overwritten(tmp_path: Path) -> None:
    TileTree(tmp_path, 0).append(entries(250))
    TileTree(tmp_path, 250).append([b"never signed" * 100] * 20)
    tree = TileTree(tmp_path, 250)
    tree.append(entries(10, 250))
    assert TileTree(tmp_path, 260).root() == tree_root([leaf_hash(entry) for entry in entries(260)])
    assert [*LogFiles.of_folder(tmp_path).entries(260)] == entries(260)


def test_a_tree_with_missing_bytes_is_not_opened(tmp_path: Path) -> None:
    TileTree(tmp_path, 0).append(entries(300))
    bundle = tmp_path / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(ValueError, match="entries do not fit"):
        TileTree(tmp_path, 300)
    (tmp_path / "tile/0/001").unlink()
    with pytest.raises(ValueError, match="expected 1408"):
        TileTree(tmp_path, 300)
