"""Every file of a store is damaged in every way; the store opens, returns no wrong record and reports the loss."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from wattgram.base.record import Record
from wattgram.store.spool import Spool

from tests.support.records import NOW
from tests.support.spools import MIB, happening, killed, noisy, opened, taken

SIZE = 4 * MIB
SETTLED = 250

RecordContent = tuple[int, bytes, tuple[str, ...]]


def contents(records: list[Record]) -> list[RecordContent]:
    """Return time, values and texts of records, without their series."""
    return [(record.time, record.values, record.texts) for record in records]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """Return a store after a kill, and its undelivered records: a sink has the first records; the journal has some."""
    folder, records = tmp_path_factory.mktemp("whole") / "spool", list[Record]()

    async def fill() -> None:
        spool = Spool(folder, max_size=SIZE, keep=1e9, sinks=("one",))
        await spool.open()
        for turn in range(40):
            batch = [*noisy(turn * SETTLED + 1, turn * SETTLED + SETTLED), happening(turn)]
            records.extend(batch)
            for record in batch:
                spool.append(record)
            spool.put_state("site", b"after %d" % turn)
            await spool.sync()
            if turn == 0:
                spool.settle("one", await spool.batch("one", SETTLED), SETTLED)
            if turn % 5 == 4 and turn < 39:
                await spool.pack(NOW)
        await killed(spool)

    asyncio.run(fill())
    return folder, records[SETTLED:]


def flipped(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    used = max(1, len(bytes(data).rstrip(b"\0")))
    for _ in range(chance.choice((1, 1, 3, 20))):
        data[chance.randrange(used)] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def blotted(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(chance.randrange(max(1, path.stat().st_size // 4096)) * 4096)
        file.write(chance.choice((b"\0", b"\xff", chance.randbytes(1))) * 4096 * chance.choice((1, 1, 4)))


def replaced(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.choice((0, 100, 100_000))))


def deleted(path: Path, chance: random.Random) -> None:
    path.unlink()


async def read_back(folder: Path) -> tuple[list[Record], int, bool]:
    async with opened(folder, size=SIZE) as spool:
        reported = bool(spool.notes) or spool.set_aside is not None
        records = await taken(spool)
        for record in noisy(50_001, 50_010):
            spool.append(record)
        await spool.sync()
        assert await taken(spool) == noisy(50_001, 50_010)
        await spool.pack(NOW)
        return records, spool.damaged + spool.lost, reported or spool.set_aside is not None


def assert_only_reported_loss(copy: Path, records: list[Record], about: str) -> None:
    """A damaged store opens, returns no unknown record and none twice, and reports the loss."""
    records_read, counted, reported = asyncio.run(asyncio.wait_for(read_back(copy), 120))
    expected, earlier = set(contents(records)), {*contents(noisy(1, SETTLED))}
    # After the loss of its position a sink gets the delivered records again: those come first.
    before = [content for content in contents(records_read) if content in earlier]
    fresh = [content for content in contents(records_read) if content not in earlier]
    left = set(fresh)
    assert left <= expected, about
    assert fresh == [content for content in contents(records) if content in left], about
    assert len(before) == len(set(before)), about
    missing = len(records) - len(fresh)
    assert missing == 0 or counted >= missing or reported, about
    assert counted == 0 or missing > 0 or reported, about


@pytest.mark.parametrize("how", [flipped, cut, blotted, replaced, deleted])
@pytest.mark.slow(10)
def test_a_damaged_store_opens_returns_no_wrong_record_and_reports_the_loss(
    tmp_path: Path, whole: tuple[Path, list[Record]], how: Callable[[Path, random.Random], None]
) -> None:
    folder, records = whole
    for seed in range(4):
        for name in sorted(path.name for path in folder.iterdir() if path.suffix != ".db-shm"):
            chance = random.Random(f"{name} {seed}")
            copy = shutil.copytree(folder, tmp_path / "copy")
            how(copy / name, chance)
            assert_only_reported_loss(copy, records, f"{how.__name__} {name} with seed {seed}")
            shutil.rmtree(copy)


@pytest.mark.slow(6)
def test_a_flipped_bit_of_the_schema_does_not_prevent_a_start(tmp_path: Path, whole: tuple[Path, list[Record]]) -> None:
    """The first page of the database has its header and the names of tables and columns."""
    folder, records = whole
    settled = shutil.copytree(folder, tmp_path / "settled")
    with closing(sqlite3.connect(settled / "spool.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = (settled / "spool.db").read_bytes()[:4096]
    used = [place for place, byte in enumerate(page) if byte]
    chance = random.Random(5)
    for place in chance.sample(used, 60):
        copy = shutil.copytree(settled, tmp_path / "copy")
        with (copy / "spool.db").open("r+b") as file:
            file.seek(place)
            file.write(bytes([page[place] ^ 1 << chance.randrange(8)]))
        assert_only_reported_loss(copy, records, f"byte {place}")
        shutil.rmtree(copy)


def test_rows_of_another_type_are_left_out_and_the_others_are_read(
    tmp_path: Path, whole: tuple[Path, list[Record]]
) -> None:
    copy = shutil.copytree(whole[0], tmp_path / "copy")
    with closing(sqlite3.connect(copy / "spool.db", isolation_level=None)) as db:
        db.executescript(
            "CREATE TABLE strange (name, data); INSERT INTO strange VALUES ('a', NULL), ('b', 7);"
            "DROP TABLE state; ALTER TABLE strange RENAME TO state;"
            "UPDATE position SET seq = 'x'; UPDATE ring SET total = 'y';"
        )
    records_read, _, _ = asyncio.run(asyncio.wait_for(read_back(copy), 120))
    assert set(contents(whole[1])) <= set(contents(records_read))


def test_the_records_of_a_journal_without_its_first_page_are_counted(
    tmp_path: Path, whole: tuple[Path, list[Record]]
) -> None:
    """Five syncs of 251 records were not packed; the first page has the head of their stream."""
    copy = shutil.copytree(whole[0], tmp_path / "copy")
    with (copy / "journal").open("r+b") as file:
        file.write(b"\xa5" * 4096)
    records_read, counted, _ = asyncio.run(asyncio.wait_for(read_back(copy), 120))
    assert contents(records_read) == contents(whole[1])[: -5 * (SETTLED + 1)]
    assert counted == 5 * (SETTLED + 1)
