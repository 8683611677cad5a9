"""The spool on disks that are full or read-only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from wattgram.base.errors import SpoolError
from wattgram.base.record import Record

from tests.support.disks import fill, remount, small_disk
from tests.support.records import METER, NOW, numbers, reading, readings
from tests.support.spools import delivered, noisy, opened, put, run


def test_on_a_full_disk_sinks_get_new_records_and_all_are_stored_later(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 10))
            assert await delivered(spool) == list(range(1, 11))
            fill(folder)
            last = 10
            while not spool.pending:  # the journal has its own room; its records cannot be packed
                with suppress(SpoolError):
                    await put(spool, noisy(last + 1, last + 500))
                last += 500
            spool.append(reading(last + 1))
            with pytest.raises(SpoolError, match=r"No space left|full"):
                await spool.sync()
            assert await delivered(spool) == list(range(11, last + 2))
            (folder / "filler").unlink()
            await spool.sync()
            assert spool.pending == 0
            await put(spool, [reading(last + 2)])
            assert await delivered(spool) == [last + 2]
            assert numbers(await spool.history("device", 0)) == list(range(1, last + 3))
            assert spool.lost == spool.damaged == 0

    with small_disk(tmp_path / "disk", "2m") as folder:
        run(lambda: work(folder))


def test_on_a_read_only_disk_the_spool_reads_what_is_stored_and_writes_once_it_can(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 5))
            spool.settle("one", await spool.batch("one", 2), 2)
            spool.put_state("site", b"kept")
        remount(folder, "ro")
        async with opened(folder) as spool:
            assert not spool.unread
            assert await spool.state("site") == b"kept"
            for record in readings(6, 8):
                spool.append(record)
            with pytest.raises(SpoolError):
                await spool.sync()
            batch = await spool.batch("one", 10)
            assert numbers(batch.records) == [3, 4, 5]
            spool.settle("one", batch, 3)
            batch = await spool.batch("one", 2)
            assert numbers(batch.records) == [6, 7]
            spool.put_state("site", b"later")
            remount(folder, "rw")
            await spool.sync()
            spool.settle("one", batch, 2)  # a batch from memory keeps its numbers
            assert await delivered(spool) == [8]
        async with opened(folder) as spool:
            assert await spool.state("site") == b"later"
            assert numbers(await spool.history("device", 0)) == [1, 2, 3, 4, 5, 6, 7, 8]
            assert await delivered(spool) == []

    with small_disk(tmp_path / "disk", "1m") as folder:
        run(lambda: work(folder))


def test_closing_on_a_full_disk_reports_the_loss_and_ends(tmp_path: Path) -> None:
    async def broken(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 5))
            fill(folder)
            spool.append(Record(METER, NOW, b"\0" * 16, (os.urandom(200_000).hex(),)))

    async def after(folder: Path) -> None:
        async with opened(folder) as spool:
            assert await delivered(spool) == [1, 2, 3, 4, 5]

    with small_disk(tmp_path / "disk", "1m") as folder:
        with pytest.raises(SpoolError, match="1 records are lost"):
            run(lambda: broken(folder))
        (folder / "filler").unlink()
        run(lambda: after(folder))
