"""The replacement of a damaged database: a kill at any step, and a disk that refuses, lose no readable row."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from wattgram.store import database_swap, disk
from wattgram.store.database import Database
from wattgram.store.spool import Spool

from tests.support.records import NOW
from tests.support.spools import MIB, happening

COUNT = 50
SIZE = 16 * MIB


async def stored(folder: Path) -> tuple[int, bytes | None, str]:
    """Open a spool; return the number of undelivered records, the state, and why nothing can be read."""
    spool = Spool(folder, max_size=SIZE, keep=1e9, sinks=["one"])
    await spool.open()
    try:
        if spool.unread:
            return 0, None, spool.unread
        found = len((await spool.batch("one", 2 * COUNT)).seqs) if spool.undelivered("one") else 0
        return found, await spool.state("site"), spool.unread
    finally:
        await spool.close()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A spool with COUNT events, whose database has a table with a wrong name; the journal is lost."""
    folder = tmp_path / "spool"

    async def fill() -> None:
        spool = Spool(folder, max_size=SIZE, keep=1e9, sinks=["one"])
        await spool.open()
        spool.put_state("site", b"known")
        for number in range(COUNT):
            spool.append(happening(number))
        await spool.sync()
        await spool.pack(NOW)
        await spool.close()

    asyncio.run(fill())
    (folder / "journal").unlink()
    with closing(sqlite3.connect(folder / "spool.db")) as db:
        db.execute("ALTER TABLE mark RENAME TO mork")
    return folder


def test_a_kill_at_any_step_of_the_replacement_loses_nothing(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process leaves is what the files are before a step: each is copied, and then opened."""
    places: list[Path] = []

    def before(step: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*args: Any, **more: Any) -> Any:
            places.append(tmp_path / f"killed-{len(places)}")
            shutil.copytree(damaged, places[-1])
            return step(*args, **more)

        return taken

    with monkeypatch.context() as patches:
        patches.setattr(Database, "_write", before(Database._write))
        patches.setattr("wattgram.store.database_swap.sync_folder", before(disk.sync_folder))
        patches.setattr(database_swap, "empty_log", before(database_swap.empty_log))
        for name in ("replace", "unlink"):
            patches.setattr(Path, name, before(getattr(Path, name)))
        assert asyncio.run(stored(damaged)) == (COUNT, b"known", "")
    assert len(places) > 10
    names = {name.name for place in places for name in place.iterdir()}
    assert {"spool.db.copy", "spool.db.new", "spool.db.corrupt"} <= names
    assert [asyncio.run(stored(place)) for place in places] == [(COUNT, b"known", "")] * len(places)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY])
def test_a_disk_that_refuses_the_copy_keeps_the_damaged_file(
    damaged: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        error = sqlite3.OperationalError("the disk refuses")
        error.sqlite_errorcode = code
        raise error

    with monkeypatch.context() as patches:
        patches.setattr(Database, "_write", refuse)
        database = Database(damaged, SIZE)
        with pytest.raises(Exception, match="the disk refuses"):
            database.open()
        assert not database.is_open
    assert not (damaged / "spool.db.corrupt").exists()
    assert asyncio.run(stored(damaged)) == (COUNT, b"known", "")
