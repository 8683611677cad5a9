"""The spool's files at the opening: other kinds of entries, modes, a log without an index, a mount that comes later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from wattgram.base.errors import HistoryError, SpoolError
from wattgram.base.record import Record
from wattgram.store.expected_mount import missing_mount
from wattgram.store.history import History
from wattgram.store.read_only_database import read_only
from wattgram.store.spool import Spool
from wattgram.store.write_ahead_log import with_log

from tests.support.disks import failing_to_read, mounted_over, remount, small_disk
from tests.support.records import METER, NOW, numbers, reading, readings
from tests.support.spools import delivered, killed, opened, put, run


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a name of a socket has at most 107 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def make_device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero, which never ends


KINDS: dict[str, Callable[[Path], None]] = {
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a device": make_device,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["readings-0000000007.seg", "journal", "journal.new", "spool.db"])
def test_an_entry_that_is_no_file_is_set_aside(tmp_path: Path, name: str, kind: str) -> None:
    folder = tmp_path / "spool"

    async def work() -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 3))
            spool.put_state("site", b"kept")
        (folder / name).unlink(missing_ok=True)
        KINDS[kind](folder / name)
        async with opened(folder) as spool:
            assert any(note == f"{name} is {kind} and was set aside as {name}.aside" for note in spool.notes)
            await put(spool, readings(4, 6))
            assert (await delivered(spool))[-3:] == [4, 5, 6]
            if name != "spool.db":
                assert await spool.state("site") == b"kept"
                assert numbers(await spool.history("device", 0))[-3:] == [4, 5, 6]

    run(work)
    assert os.path.lexists(folder / f"{name}.aside")


@pytest.mark.parametrize("kind", KINDS)
def test_readers_name_an_entry_that_is_no_file_and_never_wait(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "spool"

    async def work() -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 3))

    run(work)
    KINDS[kind](folder / "readings-0000000009.seg")
    (folder / "journal").unlink()
    KINDS[kind](folder / "journal")
    with pytest.raises(HistoryError, match=f"found {kind}, expected a file"):
        History(folder, "works").devices()
    (folder / "journal").unlink() if kind != "a directory" else (folder / "journal").rmdir()
    assert History(folder, METER.tag("site")).devices() == {METER.tag("device")}


def test_all_files_have_the_same_mode(tmp_path: Path) -> None:
    folder = tmp_path / "spool"

    async def work() -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 3))
            await spool.pack(NOW)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
            assert set(modes.values()) == {0o640}, modes
        (folder / "spool.db").chmod(0o666)  # of an earlier version, or of a careless hand
        async with opened(folder):
            assert stat.S_IMODE((folder / "spool.db").stat().st_mode) == 0o640

    before = os.umask(0o022)
    try:
        run(work)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_log_without_an_index_is_read_on_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    """A power cut leaves the database with its log; the index of the log is not synced, and may be absent."""

    origin = tmp_path / "spool"

    async def cut() -> None:
        spool = Spool(origin, max_size=64 * 2**20, keep=1e6, sinks=("one",))
        await spool.open()
        await put(spool, readings(1, 3))
        spool.put_state("site", b"kept")
        await spool.sync()
        await spool.pack(NOW)
        await killed(spool)

    async def work(folder: Path) -> None:
        async with asyncio.timeout(60):
            spool = Spool(folder, max_size=64 * 2**20, keep=1e6, sinks=("one",))
            await spool.open()
            assert not spool.unread
            assert await spool.state("site") == b"kept"
            assert await delivered(spool) == [1, 2, 3]
            with pytest.raises(SpoolError):
                await spool.close()

    run(cut)
    with small_disk(tmp_path / "disk", "16m") as folder:
        shutil.copytree(origin, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*-shm"))
        assert (folder / "spool.db-wal").stat().st_size
        remount(folder, "ro")
        before = contents(folder)
        run(lambda: work(folder))
        assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_log_is_applied_as_sqlite_does(tmp_path: Path) -> None:
    """SQLite itself is the reference: a log with several commits, a shrunk database, and a torn last frame."""
    file = tmp_path / "spool.db"
    db = sqlite3.connect(file, isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (n INTEGER, b BLOB)")
    for number in range(20):
        db.execute("INSERT INTO t VALUES (?, randomblob(3000))", (number,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("DELETE FROM t WHERE n < 15")
    db.execute("VACUUM")
    for number in range(20, 23):
        db.execute("INSERT INTO t VALUES (?, randomblob(3000))", (number,))
    expected = db.execute("SELECT n, b FROM t").fetchall()
    content, log = file.read_bytes(), (tmp_path / "spool.db-wal").read_bytes()
    for end in (len(log), len(log) - 1, len(log) - 5000):
        copy = sqlite3.connect(":memory:")
        copy.deserialize(with_log(content, log[:end]))
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = copy.execute("SELECT n, b FROM t").fetchall()
        assert found == (expected if end == len(log) else expected[: len(found)])
        assert len(found) >= len(expected) - 2
    assert with_log(content, b"") == content[:18] + b"\1\1" + content[20:]
    db.close()


def test_a_database_of_an_earlier_version_is_read_with_empty_tables(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE state (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
    db.execute("INSERT INTO state VALUES ('site', x'00')")
    db.commit()
    db.close()
    copy = read_only(file)
    assert copy.execute("SELECT name FROM state").fetchall() == [("site",)]
    assert copy.execute("SELECT count(*) FROM mark").fetchone() == (0,)


def test_a_mount_of_the_table_that_is_absent_is_missing(tmp_path: Path) -> None:
    fstab, mounted = tmp_path / "fstab", tmp_path / "mountinfo"
    disk = tmp_path / "usb disk"
    spool = disk / "wattgram"
    name = str(disk).replace(" ", "\\040")  # fstab(5)
    fstab.write_text(f"# comment\n\nUUID=1 / ext4 defaults 0 1\nLABEL=usb {name} ext4 nofail 0 2\nnone none swap sw\n")
    root = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    mounted.write_text(root)
    assert missing_mount(spool, fstab, mounted) == disk
    assert missing_mount(tmp_path / "other", fstab, mounted) is None
    mounted.write_text(f"{root}30 22 8:17 / {name} rw - ext4 /dev/sdb1 rw\n")
    assert missing_mount(spool, fstab, mounted) is None
    assert missing_mount(spool, tmp_path / "no table", mounted) is None


def test_a_file_in_the_place_of_the_directory_ends_the_start(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_text("no directory")
    with pytest.raises(SpoolError, match="File exists"):
        run(Spool(path, max_size=2**22, keep=1e6, sinks=()).open)


def test_a_disk_that_fails_to_read_is_read_later(tmp_path: Path) -> None:
    folder = tmp_path / "spool"

    async def work() -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 3))
            spool.put_state("site", b"kept")
        spool = Spool(folder, max_size=64 * 2**20, keep=1e6, sinks=("one",))
        with failing_to_read(folder / "journal"):
            await spool.open()
            assert "Input/output error" in spool.unread
            with pytest.raises(SpoolError, match="not open"):
                await spool.state("site")
            with pytest.raises(SpoolError, match="Input/output error"):
                await spool.sync()
        spool.append(reading(4))
        await spool.sync()
        assert spool.readable.is_set()
        assert await spool.state("site") == b"kept"
        assert await delivered(spool) == [1, 2, 3, 4]
        await spool.close()

    run(work)


@pytest.mark.parametrize("damage", ["page", "header", "end"])
def test_a_damaged_database_is_read_on_a_disk_that_cannot_be_written(tmp_path: Path, damage: str) -> None:
    """ext4 becomes read-only after an error of the disk: then both come together."""
    origin = tmp_path / "spool"

    async def before() -> None:
        async with opened(origin) as spool:
            await put(spool, readings(1, 3))
            spool.put_state("site", b"kept")
            spool.settle("one", await spool.batch("one", 1), 1)

    async def work(folder: Path) -> None:
        spool = Spool(folder, max_size=64 * 2**20, keep=1e6, sinks=("one",))
        await spool.open()
        assert not spool.unread
        assert await spool.state("site") == b"kept", "the journal has it, too"
        assert await delivered(spool) == [2, 3]
        with pytest.raises(SpoolError):
            await spool.close()

    run(before)
    with small_disk(tmp_path / "disk", "16m") as folder:
        shutil.copytree(origin, folder, dirs_exist_ok=True)
        content = (folder / "spool.db").read_bytes()
        hurt = {
            "page": content[:4096] + b"x" * 8192 + content[12288:],
            "header": b"x" * 100 + content[100:],
            "end": content[:8192],
        }
        (folder / "spool.db").write_bytes(hurt[damage])
        remount(folder, "ro")
        run(lambda: work(folder))
        assert (folder / "spool.db").read_bytes() == hurt[damage]


RIGHTS = """
import asyncio, os, sys
from pathlib import Path
from wattgram.store.spool import Spool

if os.geteuid() == 0:  # only now: the checkout and its Python may be in a folder that is closed to others
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

async def work():
    spool = Spool(Path(sys.argv[1]), max_size=2**22, keep=1e6, sinks=("one",))
    await spool.open()
    print("unread" if spool.unread else await spool.state("site"), spool.head, spool.undelivered("one"))

asyncio.run(work())
"""


@pytest.mark.slow(2)
@pytest.mark.parametrize(
    ("of_folder", "of_files", "expected"),
    [
        (0o555, 0o644, "b'kept' 3 3"),  # readable, and not writable
        (0o755, 0o444, "b'kept' 3 3"),
        (0o000, 0o644, "unread 0 0"),
        (0o755, 0o000, "unread 0 0"),
    ],
)
def test_wrong_rights_cost_what_they_forbid(of_folder: int, of_files: int, expected: str) -> None:
    with TemporaryDirectory() as name:  # not below `tmp_path`, whose parents are closed to others
        Path(name).chmod(0o755)
        folder = Path(name) / "spool"

        async def work() -> None:
            async with opened(folder) as spool:
                await put(spool, readings(1, 3))
                spool.put_state("site", b"kept")

        run(work)
        for path in folder.iterdir():
            path.chmod(of_files)
        folder.chmod(of_folder)
        done = subprocess.run(
            [sys.executable, "-c", RIGHTS, folder], capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.stdout.strip(), done.returncode) == (expected, 0), done.stderr


def test_a_disk_without_inodes_is_read(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with opened(folder) as spool:
            await put(spool, readings(1, 3))
            spool.put_state("site", b"kept")
        others = [folder / f"other-{number}" for number in range(64)]
        with contextlib.suppress(OSError):
            for path in others:
                path.touch()
        spool = Spool(folder, max_size=2**22, keep=1e6, sinks=("one",))
        await spool.open()
        assert not spool.unread
        assert await spool.state("site") == b"kept"
        await put_in_memory(spool, reading(4))
        for path in others:
            path.unlink(missing_ok=True)
        await spool.sync()
        assert await delivered(spool) == [1, 2, 3, 4]
        await spool.close()

    with small_disk(tmp_path / "disk", "16m,nr_inodes=24") as folder:
        run(lambda: work(folder))


async def put_in_memory(spool: Spool, record: Record) -> None:
    spool.append(record)
    with pytest.raises(SpoolError):
        await spool.sync()


@pytest.mark.parametrize("stored", [True, False])
def test_a_disk_mounted_over_the_directory_gets_what_the_sinks_do_not_have(tmp_path: Path, stored: bool) -> None:
    folder, disk = tmp_path / "spool", tmp_path / "disk"

    async def work() -> None:
        if stored:
            async with opened(disk) as spool:
                await put(spool, readings(1, 3))
                spool.put_state("site", b"of the disk")
        early = Spool(folder, max_size=64 * 2**20, keep=1e6, sinks=("one",))
        await early.open()
        await put(early, readings(4, 8))
        await early.pack(NOW)
        early.settle("one", await early.batch("one", 2), 2)
        early.put_state("site", b"of the first directory")
        await put(early, [reading(9)])
        with mounted_over(disk, folder):
            early.append(reading(10))
            with pytest.raises(SpoolError, match="another directory has taken its place"):
                await early.sync()
            assert early.replaced.is_set()
            await early.close()
            assert early.carried is not None
            late = Spool(folder, max_size=64 * 2**20, keep=1e6, sinks=("one",))
            await late.open()
            assert await late.adopt(early.carried) is not stored
            await late.sync()
            assert await late.state("site") == (b"of the disk" if stored else b"of the first directory")
            assert await delivered(late) == [*([1, 2, 3] if stored else []), 6, 7, 8, 9, 10]
            await late.close()
        async with opened(folder) as spool:
            assert numbers(await spool.history("device", 0)) == [4, 5, 6, 7, 8, 9, 10], "all is below the mount, too"

    disk.mkdir()
    run(work)


def test_history_is_read_from_a_copy_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "spool"

    async def work(copy: Path) -> None:
        spool = Spool(folder, max_size=4 * 2**20, keep=1e6, sinks=())
        await spool.open()
        await put(spool, readings(1, 3))
        await spool.pack(NOW)
        await put(spool, readings(4, 5))
        shutil.copytree(folder, copy, dirs_exist_ok=True)  # as of a killed daemon: with log and index
        await spool.close()

    with small_disk(tmp_path / "copy", "16m") as copy:
        run(lambda: work(copy))
        remount(copy, "ro")
        with History(copy, "works").delivered(["device"], lambda series: True) as found:
            assert numbers(list(found.records(0, 2**62))) == [1, 2, 3, 4, 5]
