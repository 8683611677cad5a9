"""The spool on real files: order, history, a single owner, bounds."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from wattgram.base.errors import SpoolError
from wattgram.base.record import Record, Series
from wattgram.store import DATABASE_FILE
from wattgram.store import spool as spool_module
from wattgram.store.history import History
from wattgram.store.spool import Spool

from tests.support.records import NOW, numbers, reading, readings
from tests.support.spools import DAY, MIB, NS, delivered, happening, killed, noisy, opened, put, run, taken


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if not file.name.endswith("-shm"))


# order and positions


def test_records_are_returned_complete_and_in_order(tmp_path: Path) -> None:
    async def work() -> None:
        strange = [reading(1, quality="日本 \ud800 \x00 \"'"), reading(2)]
        async with opened(tmp_path) as spool:
            await put(spool, strange)
            batch = await spool.batch("one", 10)
            assert list(batch.records) == strange
        async with opened(tmp_path) as spool:
            assert list((await spool.batch("one", 10)).records) == strange

    run(work)


def test_each_sink_has_its_own_position_also_after_a_restart(tmp_path: Path) -> None:
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


def test_an_added_sink_gets_the_history_and_a_removed_sink_retains_no_record(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, ("gone",)) as spool:
            await put(spool, readings(1, 5))
        async with opened(tmp_path, ("new",), keep=DAY) as spool:
            assert await delivered(spool, "new") == [1, 2, 3, 4, 5]
            assert spool.undelivered("gone") == 0

    run(work)


def test_record_numbers_continue_after_a_clean_end_a_kill_and_a_pack(tmp_path: Path) -> None:
    async def work() -> None:
        last = 0
        for end in ("close", "pack", "kill", "close"):
            spool = Spool(tmp_path, max_size=64 * MIB, keep=DAY, sinks=("one",))
            await spool.open()
            assert spool.head == spool.last == last
            await put(spool, readings(last + 1, last + 5))
            if end == "pack":
                await spool.pack(NOW)
                await put(spool, readings(last + 6, last + 6))
            last = spool.head
            await (spool.close() if end == "close" else killed(spool))
        async with opened(tmp_path) as spool:
            assert await delivered(spool) == list(range(1, last + 1))

    run(work)


def test_a_sync_wakes_a_waiting_batch(tmp_path: Path) -> None:
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


def test_no_record_is_delivered_before_it_is_on_disk(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            spool.append(reading(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(spool.batch("one", 1), 0.05)

    run(work)


def test_state_is_stored_with_the_records_before_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            assert await spool.state("site") is None
            spool.append(reading(1))
            spool.put_state("site", b"after 1")
            await spool.sync()
            spool.put_state("site", b"never synced")
            assert await spool.state("site") == b"after 1"

    run(work)


def test_a_cancelled_sync_loses_and_doubles_no_record(tmp_path: Path) -> None:
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


def test_the_newest_refused_records_are_kept_up_to_a_limit_in_bytes_with_their_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A row has 64 bytes, two numbers, `["good"]` and a reason of 12 characters: 64 + 16 + 8 + 12 = 100.
    monkeypatch.setattr("wattgram.store.files.REFUSED_BYTES", 350)

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
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as db:
        rows = db.execute("SELECT seq, sink, reason FROM refused ORDER BY seq").fetchall()
    assert rows == [(number, "one", f"bad number {number}") for number in (8, 9, 10)]


# history


def test_history_finds_a_kind_and_its_tags_since_a_time_in_order(tmp_path: Path) -> None:
    tick, hour = (Series("emission", (("site", "works"), ("window", name)), ("emission",)) for name in ("tick", "1h"))

    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, [Record(tick, NOW + 2, b"\0" * 8), Record(tick, NOW + 1, b"\0" * 8), reading(1)])
            await put(spool, [Record(hour, NOW + 3, b"\0" * 8), Record(tick, NOW, b"\0" * 8)])
            records = await spool.history("emission", NOW + 1, {"window": "tick"})
            assert [record.time for record in records] == [NOW + 1, NOW + 2]
            assert len(await spool.history("emission", 0)) == 4

    run(work)


def test_history_is_complete_although_the_clock_was_set_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            for number in (1, 100, 200):
                await put(spool, [reading(number)])
                await spool.pack(NOW + number * NS + NS)
            for number in (50, 60):  # 150 s back
                await put(spool, [reading(number)])
                await spool.pack(NOW + number * NS + NS)
            assert numbers(await spool.history("device", NOW + 55 * NS)) == [60, 100, 200]
            assert numbers(await spool.history("device", NOW + 150 * NS)) == [200]
            assert numbers(await spool.history("device", NOW)) == [1, 50, 60, 100, 200]

    run(work)


@pytest.mark.slow(2)
def test_history_past_its_age_is_deleted_once_it_is_delivered(tmp_path: Path) -> None:
    """Events are deleted one by one, readings by the segment; no younger reading is deleted."""

    async def work() -> None:
        async with opened(tmp_path, keep=100.0, size=4 * MIB) as spool:
            for start in range(0, 60_000, 5000):
                await put(spool, [happening(start + 1), *noisy(start + 1, start + 5000)])
                await spool.pack(NOW + (start + 5001) * NS)
            assert await spool.prune(NOW + 60_000 * NS) == (0, 0, False)
            assert len(await spool.history("device", 0)) == 60_000  # not delivered
            while spool.undelivered("one"):
                batch = await spool.batch("one", 10_000)
                spool.settle("one", batch, len(batch.seqs))
            assert await spool.prune(NOW + 60_000 * NS) == (0, 0, False)
            left = numbers(await spool.history("device", 0))
            assert left == list(range(int(left[0]), 60_001))
            assert 55_000 > int(left[0]) > 10_000
            assert [record.time for record in await spool.history("event", 0)] == [NOW + 55_001 * NS]

    run(work)


def test_another_process_reads_synced_records_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            for first in (1, 4):
                await put(spool, [happening(number) for number in range(first, first + 3)])
                history = await asyncio.to_thread(lambda: [*History(tmp_path, "works").events(0, 2**62)])
                assert [event.time for event in history] == [NOW + number * NS for number in range(1, first + 3)]
                await spool.pack(NOW)

    run(work)


# a single owner


HOLD = """
import asyncio, sys
from pathlib import Path
from wattgram.store.spool import Spool
async def main():
    spool = Spool(Path(sys.argv[1]), max_size=1 << 26, keep=1e6, sinks=["one"])
    await spool.open()
    print("open", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""


def test_a_second_process_cannot_open_the_spool_until_the_first_is_killed(tmp_path: Path) -> None:
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


def test_an_impossible_path_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def work() -> None:
        async with opened(tmp_path / "file"):
            pass

    with pytest.raises(SpoolError, match="file"):
        run(work)


def test_records_past_their_age_are_deleted_in_pieces(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, keep=100.0) as spool:
            await put(spool, [happening(number) for number in range(2500)])
            await spool.pack(NOW)
            spool.settle("one", await spool.batch("one", 2500), 2500)
            left = []
            for more in (True, True, False):
                assert await spool.prune(NOW + DAY * NS) == (0, 0, more)
                left.append(len(await spool.history("event", 0)))
            assert left == [1500, 500, 0]

    run(work)


def test_days_and_months_are_kept_beyond_the_age_and_each_day_once(tmp_path: Path) -> None:
    """The last record of each key of the day book and of each window is kept, and all undelivered records."""
    day = Series("day", (("site", "works"), ("device", "incomer")), ("energy",))
    windows = {
        window: Series("emission", (("site", "works"), ("window", window)), ("load_energy", "revision"))
        for window in ("15m", "1d", "1mo")
    }

    async def work() -> None:
        async with opened(tmp_path, keep=100.0) as spool:
            for hour in range(3):
                await put(spool, [Record(day, NOW, struct.pack("d", hour))])
                await spool.pack(NOW)
            assert [record["energy"] for record in await spool.history("day", 0)] == [2.0]
            with closing(sqlite3.connect(tmp_path / "spool.db")) as db:
                assert db.execute("SELECT count(*) FROM record").fetchone() == (1,)
            results = [
                Record(series, NOW, struct.pack("2d", 5.0, revision))
                for series in windows.values()
                for revision in (0, 1)
            ]
            await put(spool, [*results, happening(1)])
            await spool.pack(NOW)
            assert len(await taken(spool)) == 7
            await spool.prune(NOW + DAY * NS)
            assert await spool.history("event", 0) == []
            left = {record.series.tag("window"): record["revision"] for record in await spool.history("emission", 0)}
            assert left == {"1d": 1.0, "1mo": 1.0}
            assert [record["energy"] for record in await spool.history("day", 0)] == [2.0]
            # A second prune deletes nothing more, and a new sink starts after the kept records.
            assert await spool.prune(NOW + 2 * DAY * NS) == (0, 0, False)
        async with opened(tmp_path, ("new",)) as spool:
            await put(spool, [happening(2)])
            assert await taken(spool, "new") == [happening(2)]

    run(work)


# bounds


@pytest.mark.slow(5)
def test_a_full_spool_discards_the_oldest_records_within_its_size_and_counts_them(tmp_path: Path) -> None:
    async def work() -> None:
        size = 4 * MIB
        async with opened(tmp_path, size=size) as spool:
            largest = 0
            for start in range(0, 200_000, 5000):
                await put(spool, noisy(start + 1, start + 5000))
                largest = max(largest, on_disk(tmp_path))
            await spool.pack(NOW)
            assert max(largest, on_disk(tmp_path)) <= size
            left = spool.undelivered("one")
            numbers_left = await delivered(spool)
            assert numbers_left == list(range(200_001 - len(numbers_left), 200_001))
            assert len(numbers_left) == left > 100_000
            assert spool.lost == 200_000 - len(numbers_left)
            assert await spool.prune(NOW) == (spool.lost, 0, False)
            assert await spool.prune(NOW) == (0, 0, False)

    run(work)


@pytest.mark.slow(3)
def test_the_share_counts_undelivered_records_and_not_history(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, size=4 * MIB) as spool:
            assert spool.share == 0.0
            shares = []
            for start in range(0, 200_000, 5000):
                await put(spool, noisy(start + 1, start + 5000))
                await spool.pack(NOW)
                shares.append(spool.share)
            # Segments of 64 KiB in 4 MiB less a sixteenth for the journal and half for the database: 28. The segment
            # that is written is never over the bound.
            assert shares == sorted(shares)
            assert 1 / 28 <= shares[0] < 0.2
            assert shares[-1] == 1.0
            lost = spool.lost
            assert lost > 0
            await delivered(spool)
            assert (spool.share, spool.lost) == (0.0, lost)  # all records are still on the disk

    run(work)


@pytest.mark.slow(4)
def test_a_full_spool_discards_delivered_history_first(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, size=4 * MIB) as spool:
            for start in range(0, 200_000, 5000):
                await put(spool, noisy(start + 1, start + 5000))
                assert await delivered(spool) == list(range(start + 1, start + 5001))
            assert (spool.lost, spool.undelivered("one")) == (0, 0)
            assert len(await spool.history("device", 0)) < 200_000

    run(work)


@pytest.mark.slow(4)
def test_records_without_a_sink_are_discarded_before_undelivered_records(tmp_path: Path) -> None:
    instant = Series("instant", (("site", "works"),), ("a", "b", "c", "d"))

    async def work() -> None:
        async with opened(tmp_path, size=4 * MIB) as spool:
            await put(spool, noisy(1, 20_000))
            for start in range(0, 200_000, 5000):
                rows = [os.urandom(32) for _ in range(5000)]
                await put(spool, [Record(instant, NOW + start + at, row) for at, row in enumerate(rows)])
            assert 5000 <= len(await spool.history("instant", 0)) < 100_000
            assert await delivered(spool) == list(range(1, 20_001))
            assert spool.lost == 0

    run(work)


def test_a_full_database_discards_its_oldest_records_and_counts_them(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, size=4 * MIB) as spool:
            for start in range(0, 40_000, 1000):
                await put(spool, [happening(number) for number in range(start, start + 1000)])
                await spool.pack(NOW)
                assert on_disk(tmp_path) <= 4 * MIB
            batches = [await spool.batch("one", 50_000)]
            numbers_left = [int(record.texts[1]) for record in batches[0].records]
            assert numbers_left == list(range(numbers_left[0], 40_000))
            assert spool.lost == numbers_left[0] == 40_000 - spool.undelivered("one")

    run(work)


@pytest.mark.slow(3)
def test_a_smaller_max_size_shrinks_the_spool(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as spool:
            await put(spool, noisy(1, 500_000))
        assert on_disk(tmp_path) > 5 * MIB
        async with opened(tmp_path, size=4 * MIB) as spool:
            await put(spool, noisy(500_001, 500_001))
            await spool.pack(NOW)
            assert (await delivered(spool))[-1] == 500_001
        assert on_disk(tmp_path) <= 4 * MIB

    run(work)


@pytest.mark.slow(3)
def test_the_log_takes_room_from_the_history_up_to_half(tmp_path: Path) -> None:
    async def work() -> list[int]:
        sizes = []
        async with opened(tmp_path, size=4 * MIB) as spool:
            for begin in range(1, 200_000, 40_000):
                await put(spool, noisy(begin, begin + 39_999))
            for log_size in (0, MIB // 2, 100 * MIB):
                spool.log_size = log_size
                await spool.pack(NOW)
                sizes.append(segments_in(tmp_path))
            assert spool.share <= 1.0
            await put(spool, noisy(300_001, 300_001))
            assert (await delivered(spool))[-1] == 300_001
        async with opened(tmp_path, size=4 * MIB) as spool:
            spool.log_size = 100 * MIB
            await spool.pack(NOW)
        return [*sizes, segments_in(tmp_path)]

    full, less, half, again = asyncio.run(work())
    # formats/README.md, Size: 4 MiB - 4 MiB / 16 - 2 MiB = 1.75 MiB of segments of 64 KiB
    assert 1.68 * MIB < full <= 1.75 * MIB
    assert 1.18 * MIB < less <= 1.25 * MIB
    assert max(half, again) <= 0.875 * MIB


def segments_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.seg"))


def test_memory_is_bounded_while_the_disk_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MOST_PENDING", 10)

    async def work() -> None:
        async with opened(tmp_path) as spool:
            for record in readings(1, 25):
                spool.append(record)
            assert (spool.pending, spool.dropped, spool.undelivered("one")) == (10, 15, 0)
            await spool.sync()
            assert spool.undelivered("one") == 10
            assert await delivered(spool) == list(range(16, 26))

    run(work)
