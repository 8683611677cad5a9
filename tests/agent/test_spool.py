"""The spool on real files and real disks: full, read-only, damaged, shared."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from wattgram import spool as spool_module
from wattgram.errors import SpoolError
from wattgram.record import Record, Series
from wattgram.spool import Spool
from wattgram.store import ASIDE, FILE

from tests.agent.made import METER, NOW, numbers, reading, readings

NS = 1_000_000_000
DAY = 86_400
MIB = 2**20


@asynccontextmanager
async def opened(
    folder: Path, sinks: tuple[str, ...] = ("one",), *, size: int = 64 * MIB, keep: float = 30 * DAY
) -> AsyncIterator[Spool]:
    spool = Spool(folder, max_size=size, keep=keep, sinks=sinks)
    await spool.open()
    try:
        yield spool
    finally:
        await spool.close()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


async def put(spool: Spool, records: list[Record]) -> None:
    for one in records:
        spool.append(one)
    await spool.sync()


async def delivered(spool: Spool, sink: str = "one", limit: int = 1000) -> list[float | str]:
    """Everything that a sink can have now, settled."""
    found: list[float | str] = []
    while spool.undelivered(sink):
        batch = await spool.batch(sink, limit)
        found += numbers(batch.records)
        spool.settle(sink, batch, len(batch.seqs))
    return found


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of this size; needs the right to mount, as the tests' container has."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


def fill(folder: Path) -> None:
    """A file that leaves no room."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def on_disk(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.iterdir())


# order and positions


def test_records_come_back_in_order_and_whole(tmp_path: Path) -> None:
    async def work() -> None:
        strange = [reading(1, quality="日本 \ud800 \x00 \"'"), reading(2)]
        async with opened(tmp_path) as spool:
            await put(spool, strange)
            batch = await spool.batch("one", 10)
            assert list(batch.records) == strange
        async with opened(tmp_path) as spool:
            assert list((await spool.batch("one", 10)).records) == strange

    run(work)


def test_each_sink_has_its_own_position_and_it_outlives_the_process(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, ("one", "two")) as spool:
            await put(spool, readings(1, 10))
            spool.settle("one", await spool.batch("one", 4), 4)
            spool.settle("two", await spool.batch("two", 10), 1)
        async with opened(tmp_path, ("one", "two")) as spool:
            assert (spool.undelivered("one"), spool.undelivered("two")) == (6, 9)
            assert await delivered(spool, "one") == [5, 6, 7, 8, 9, 10]
            assert await delivered(spool, "two", 3) == [2, 3, 4, 5, 6, 7, 8, 9, 10]

    run(work)


def test_a_sink_that_is_added_gets_the_history_and_one_that_went_holds_nothing_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, ("gone",)) as spool:
            await put(spool, readings(1, 5))
        async with opened(tmp_path, ("new",), keep=DAY) as spool:
            assert await delivered(spool, "new") == [1, 2, 3, 4, 5]
            await spool.prune(NOW + 5 * NS)
            assert await spool.prune(NOW + 5 * DAY * NS) == 0
            assert await spool.history("device", 0) == []

    run(work)


def test_numbers_go_on_where_everything_was_deleted(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, keep=DAY) as spool:
            await put(spool, readings(1, 5))
            await delivered(spool)
            await spool.sync()
            await spool.prune(NOW + 5 * NS)
            await spool.prune(NOW + 5 * DAY * NS)
            assert await spool.history("device", 0) == []
        async with opened(tmp_path) as spool:
            assert spool.head == 5
            await put(spool, readings(6, 6))
            assert await delivered(spool) == [6]

    run(work)


def test_a_batch_that_waits_is_woken_by_the_sync(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, ("one", "two")) as spool:
            for number in range(1, 30):
                waiting = [asyncio.create_task(spool.batch(sink, 10)) for sink in ("one", "two")]
                if number % 2:
                    await asyncio.sleep(0)
                spool.append(reading(number))
                await spool.sync()
                for sink, batch in zip(("one", "two"), await asyncio.gather(*waiting), strict=True):
                    assert numbers(batch.records) == [number]
                    spool.settle(sink, batch, 1)

    run(work)


def test_nothing_is_given_out_before_it_is_on_disk(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            spool.append(reading(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(spool.batch("one", 1), 0.05)

    run(work)


def test_state_goes_with_the_records_before_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            assert await spool.state("site") is None
            spool.append(reading(1))
            spool.put_state("site", b"after 1")
            await spool.sync()
            spool.put_state("site", b"never synced")
            assert await spool.state("site") == b"after 1"

    run(work)


def test_a_sync_that_is_cancelled_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            for number in range(1, 21):
                spool.append(reading(number))
                task = asyncio.create_task(spool.sync())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                task.cancel()
        async with opened(tmp_path) as spool:
            assert await delivered(spool) == list(range(1, 21))

    run(work)


def test_refused_records_are_kept_with_their_reason_but_not_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattgram.store.REFUSED", 3)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, readings(1, 10))
            for _ in range(10):
                batch = await spool.batch("one", 1)
                await spool.refuse("one", batch, {0: f"bad number {batch.seqs[0]}"})
                spool.settle("one", batch, 1)
                await spool.sync()
            assert spool.refused == 10

    run(work)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        rows = db.execute("SELECT seq, sink, reason FROM refused ORDER BY seq").fetchall()
    assert rows == [(number, "one", f"bad number {number}") for number in (8, 9, 10)]


# history


def test_history_finds_a_kind_and_its_tags_since_a_time_in_order(tmp_path: Path) -> None:
    tick, hour = (Series("emission", (("site", "works"), ("window", name)), ("emission",)) for name in ("tick", "1h"))

    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, [Record(tick, NOW + 2, b"\0" * 8), Record(tick, NOW + 1, b"\0" * 8), reading(1)])
            await put(spool, [Record(hour, NOW + 3, b"\0" * 8), Record(tick, NOW, b"\0" * 8)])
            found = await spool.history("emission", NOW + 1, {"window": "tick"})
            assert [one.time for one in found] == [NOW + 1, NOW + 2]
            assert len(await spool.history("emission", 0)) == 4

    run(work)


def test_history_is_found_though_the_clock_was_set_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            for number in (1, 100, 200):
                await put(spool, [reading(number)])
                await spool.prune(NOW + number * NS + NS)
            for number in (50, 60):  # 150 s back
                await put(spool, [reading(number)])
                await spool.prune(NOW + number * NS + NS)
            assert numbers(await spool.history("device", NOW + 55 * NS)) == [60, 100, 200]
            assert numbers(await spool.history("device", NOW + 150 * NS)) == [200]
            assert numbers(await spool.history("device", NOW)) == [1, 50, 60, 100, 200]

    run(work)


def test_history_past_its_age_goes_once_it_is_delivered(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, keep=100.0) as spool:
            await put(spool, readings(1, 10))
            await spool.prune(NOW + 11 * NS)
            await put(spool, readings(11, 20))
            await spool.prune(NOW + 120 * NS)
            assert numbers(await spool.history("device", 0)) == list(range(1, 21))  # not delivered
            await delivered(spool)
            assert await spool.prune(NOW + 120 * NS) == 0
            assert numbers(await spool.history("device", 0)) == list(range(11, 21))

    run(work)


def test_another_process_can_read_the_history_meanwhile(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, readings(1, 3))
            script = (
                "import sqlite3, sys; db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True);"
                "print(db.execute('SELECT count(*) FROM record').fetchone()[0])"
            )
            command = [sys.executable, "-c", script, str(tmp_path / FILE)]
            said = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=30)
            assert said.stdout == b"3\n"
            await put(spool, readings(4, 5))

    run(work)


# one owner


HOLD = """
import asyncio, sys
from pathlib import Path
from wattgram.spool import Spool
async def main():
    spool = Spool(Path(sys.argv[1]), max_size=1 << 26, keep=1e6, sinks=["one"])
    await spool.open()
    print("open", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""


def test_a_second_process_is_told_that_the_spool_is_in_use_until_the_first_is_killed(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, readings(1, 2))

    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(SpoolError, match=f"{tmp_path} is in use by another wattgram process"):
            run(work)
        holder.kill()
        holder.wait(10)
    run(work)


def test_a_place_that_can_never_be_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def work() -> None:
        async with opened(tmp_path / "file"):
            pass

    with pytest.raises(SpoolError, match="file"):
        run(work)


# bounds


def test_a_full_spool_drops_the_oldest_keeps_its_size_and_says_how_many(tmp_path: Path) -> None:
    async def work() -> None:
        size = 2 * MIB
        async with opened(tmp_path, size=size) as spool:
            largest = 0
            for start in range(0, 40_000, 2000):
                await put(spool, readings(start + 1, start + 2000))
                largest = max(largest, on_disk(tmp_path) - (tmp_path / f"{FILE}-shm").stat().st_size)
            assert largest <= size
            found = await delivered(spool)
            assert found == list(range(40_001 - len(found), 40_001))
            assert len(found) > 5000
            assert spool.lost == 40_000 - len(found)
            assert await spool.prune(NOW) == spool.lost
            assert await spool.prune(NOW) == 0

    run(work)


def test_a_full_spool_gives_up_delivered_history_before_anything_else(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, size=MIB) as spool:
            for start in range(0, 20_000, 1000):
                await put(spool, readings(start + 1, start + 1000))
                assert await delivered(spool) == list(range(start + 1, start + 1001))
            assert spool.lost == 0

    run(work)


def test_a_backlog_larger_than_the_spool_still_leaves_the_newest(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, size=MIB) as spool:
            await put(spool, readings(1, 30_000))
            found = await delivered(spool)
            assert found[-1] == 30_000
            assert spool.lost + len(found) == 30_000

    run(work)


def test_a_smaller_max_size_shrinks_the_file(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, readings(1, 30_000))
        assert on_disk(tmp_path) > MIB + MIB // 4
        async with opened(tmp_path, size=MIB) as spool:
            await put(spool, readings(30_001, 30_001))
            await spool.prune(NOW)
            assert (await delivered(spool))[-1] == 30_001
        assert on_disk(tmp_path) <= MIB

    run(work)


def test_memory_is_bounded_while_the_disk_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "PENDING", 10)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            for one in readings(1, 25):
                spool.append(one)
            assert (spool.pending, spool.dropped) == (10, 15)
            await spool.sync()
            assert await delivered(spool) == list(range(16, 26))

    run(work)


# disks


def test_on_a_full_disk_sinks_still_get_what_is_new_and_all_of_it_is_stored_after(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 10))
            assert await delivered(spool) == list(range(1, 11))
            fill(folder)
            last = 10
            while not spool.pending:
                last += 1
                with suppress(SpoolError):
                    await put(spool, [reading(last)])
            assert spool.pending == 1
            spool.append(reading(last + 1))
            with pytest.raises(SpoolError, match="full"):
                await spool.sync()
            assert await delivered(spool) == list(range(11, last + 2))
            (folder / "filler").unlink()
            await spool.sync()
            assert spool.pending == 0
            await put(spool, [reading(last + 2)])
            assert await delivered(spool) == [last + 2]
            assert numbers(await spool.history("device", 0)) == list(range(1, last + 3))

    with small_disk(tmp_path / "disk", "1m") as folder:
        run(lambda: work(folder))


def test_on_a_read_only_disk_it_starts_from_memory_and_takes_up_the_file_when_it_can(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 5))
            spool.settle("one", await spool.batch("one", 2), 2)
            spool.put_state("site", b"kept")
        remount(folder, "ro")
        async with opened(folder) as spool:
            assert await spool.state("site") is None
            for one in readings(6, 8):
                spool.append(one)
            with pytest.raises(SpoolError):
                await spool.sync()
            batch = await spool.batch("one", 10)
            assert numbers(batch.records) == [6, 7, 8]
            remount(folder, "rw")
            await spool.sync()
            spool.settle("one", batch, 3)  # of a time before the file was there: its numbers mean nothing now
            assert await spool.state("site") == b"kept"
            assert await delivered(spool) == [3, 4, 5, 6, 7, 8]

    with small_disk(tmp_path / "disk", "1m") as folder:
        run(lambda: work(folder))


def test_closing_on_a_full_disk_says_what_is_lost_and_ends(tmp_path: Path) -> None:
    async def broken(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 5))
            fill(folder)
            spool.append(Record(METER, NOW, b"\0" * 16, ("x" * 900_000,)))

    async def after(folder: Path) -> None:
        async with opened(folder) as spool:
            assert await delivered(spool) == [1, 2, 3, 4, 5]

    with small_disk(tmp_path / "disk", "1m") as folder:
        with pytest.raises(SpoolError, match="1 records are lost"):
            run(lambda: broken(folder))
        (folder / "filler").unlink()
        run(lambda: after(folder))


# damage


def filled(folder: Path, count: int = 2000) -> None:
    async def work() -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, count))
            spool.settle("one", await spool.batch("one", 100), 100)
            spool.put_state("site", b"kept")

    run(work)


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 8176])
def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begins(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            assert spool.set_aside == tmp_path / ASIDE
            await put(spool, readings(1, 3))
            assert await delivered(spool) == [1, 2, 3]

    run(work)
    assert (tmp_path / ASIDE).read_bytes() == content


def test_a_database_of_somebody_else_is_set_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("CREATE TABLE record (id TEXT)")

    async def work() -> None:
        async with opened(tmp_path) as spool:
            assert spool.set_aside is not None
            await put(spool, readings(1, 3))
            assert await delivered(spool) == [1, 2, 3]

    run(work)


def test_of_a_file_that_lost_its_end_the_rest_arrives_and_the_hole_is_counted(tmp_path: Path) -> None:
    filled(tmp_path)
    os.truncate(tmp_path / FILE, (tmp_path / FILE).stat().st_size // 4096 * 2048)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            found = await delivered(spool)
            assert spool.set_aside == tmp_path / ASIDE
            assert found == sorted(set(found))
            assert set(found) <= set(range(101, 2001))
            assert len(found) > 100
            assert spool.lost == 1900 - len(found)
            assert await spool.state("site") == b"kept"
            await put(spool, [reading(2001)])
            assert await delivered(spool) == [2001]

    run(work)


def test_damage_that_is_met_while_running_is_survived_too(tmp_path: Path) -> None:
    filled(tmp_path)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            first = await spool.batch("one", 10)
            assert numbers(first.records) == list(range(101, 111))
            size = (tmp_path / FILE).stat().st_size
            with (tmp_path / FILE).open("r+b") as file:
                file.seek(size // 4096 // 2 * 4096)
                file.write(b"\xa5" * 4 * 4096)
            found = await delivered(spool)
            spool.append(reading(2001))
            await spool.sync()
            found += await delivered(spool)
            assert spool.set_aside == tmp_path / ASIDE
            assert found[-1] == 2001
            assert found == sorted(set(found))
            assert 0 < spool.lost < 600
            assert spool.lost == 1901 - len(found)

    run(work)


def test_a_number_that_a_dying_card_changed_is_left_out_and_counted(tmp_path: Path) -> None:
    filled(tmp_path, 300)
    content = (tmp_path / FILE).read_bytes()
    stored = reading(200).values
    assert content.count(stored) == 1
    (tmp_path / FILE).write_bytes(content.replace(stored, reading(999).values))

    async def work() -> None:
        async with opened(tmp_path) as spool:
            assert await delivered(spool) == [*range(101, 200), *range(201, 301)]
            assert spool.lost == 1
            assert 999.0 not in numbers(await spool.history("device", 0))

    run(work)


def test_a_torn_log_gives_what_was_committed_before_it(tmp_path: Path) -> None:
    # The holder is killed, so its write-ahead log stays; then the log's end is torn off, as by a power cut.
    script = HOLD.replace('print("open"', 'await fill(spool)\n    print("open"').replace(
        "async def main",
        "from tests.agent.made import readings\nasync def fill(spool):\n"
        "    for one in readings(1, 50):\n        spool.append(one)\n        await spool.sync()\nasync def main",
    )
    command, root = [sys.executable, "-c", script, str(tmp_path)], Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        holder.kill()
        holder.wait(10)
    wal = tmp_path / f"{FILE}-wal"
    os.truncate(wal, wal.stat().st_size - 5000)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            found = await delivered(spool)
            assert found == list(range(1, len(found) + 1))
            assert 40 <= len(found) < 50
            assert spool.set_aside is None

    run(work)
