"""Wear of a card: bytes that reach the device for each byte of records, against SQLite as a queue in the same run.

20 records of 206 bytes a second, as a small site has them, on an ext4 of their own on a loop device whose counter of
written sectors is read; ten minutes, as fast as they can be written, packed as often as the daemon packs. SQLite in
WAL mode with synchronous=FULL inserts each second's records and deletes those of the second before.

Needs the right to mount.
"""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from wattgram.base.record import Record, Series
from wattgram.daemon.daemon import PACK_PERIOD
from wattgram.store.spool import Spool

SECONDS, RECORDS, FIELDS = 600, 20, 25
PAYLOAD = SECONDS * RECORDS * 206
START = 1_790_000_000_000_000_000


@contextmanager
def device(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A mounted file system, and the counters of its device."""
    image, place = folder / "image", folder / "mounted"
    with image.open("wb") as file:
        file.truncate(2**28)
    subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    place.mkdir()
    found = subprocess.run(
        ["losetup", "-f", "--show", image], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        subprocess.run(["mount", found, place], check=True)
        try:
            yield place, Path("/sys/block") / Path(found).name / "stat"
        finally:
            subprocess.run(["umount", place], check=True)
    finally:
        subprocess.run(["losetup", "-d", found], check=True)


def written(counters: Path) -> int:
    """Bytes; docs.kernel.org/block/stat.html."""
    return int(counters.read_text().split()[6]) * 512


def second(number: int) -> list[Record]:
    """Records of 206 bytes: 25 registers of a tenth each, and a time."""
    records = []
    for device in range(RECORDS):
        tags = (("site", "works"), ("device", f"meter-{device}"), ("role", "load"), ("driver", "x"))
        series = Series("device", tags, tuple(f"quantity_{field}" for field in range(FIELDS)), (), ())
        values = [((number * 7919 + device * 104_729 + field * 1299) % 5000 + 2300) / 10 for field in range(FIELDS)]
        records.append(Record(series, START + number * 10**9, struct.pack(f"{FIELDS}d", *values)))
    return records


async def ours(folder: Path, counters: Path, sync: int) -> tuple[float, float]:
    """Device bytes for a payload byte, measured, and as counted by the spool."""
    spool = Spool(folder / f"spool-{sync}", max_size=2**27, keep=1e9, sinks=())
    await spool.open()
    for record in second(0):
        spool.append(record)
    await spool.sync()  # makes the files
    begun, own = written(counters), spool.written
    for number in range(SECONDS):
        for record in second(number):
            spool.append(record)
        spool.put_state("site", struct.pack("100d", *[number / 7] * 100))
        if number % sync == sync - 1:
            await spool.sync()
        if number % PACK_PERIOD == PACK_PERIOD - 1:
            await spool.pack(START)
    spent, counted = written(counters) - begun, spool.written - own
    await spool.close()
    return spent / PAYLOAD, counted / PAYLOAD


def queue(folder: Path, counters: Path) -> float:
    with closing(sqlite3.connect(folder / "queue.db", isolation_level=None)) as db:
        db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE q (id INTEGER PRIMARY KEY, data)"
        )
        begun = written(counters)
        for number in range(SECONDS):
            db.execute("BEGIN")
            db.execute("DELETE FROM q")
            db.executemany("INSERT INTO q (data) VALUES (?)", [(record.values,) for record in second(number)])
            db.execute("COMMIT")
        return (written(counters) - begun) / PAYLOAD


def main() -> None:
    with TemporaryDirectory(dir="/var/tmp") as folder, device(Path(folder)) as (place, counters):
        peer = queue(place, counters)
        for sync in (1, 10):
            each, counted = asyncio.run(ours(place, counters, sync))
            print(
                f"wear with a sync every {sync} s: {each:.2f} device bytes a payload byte, "
                f"{each / peer:.2f}x SQLite as a queue ({peer:.1f}); the spool's own count {counted:.2f}"
            )


if __name__ == "__main__":
    main()
