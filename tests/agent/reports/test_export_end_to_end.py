"""`wattgram export` with real processes: beside the daemon, over damage, interrupted, and of a long history."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import pty
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from wattgram.base.record import Record, Series
from wattgram.store.spool import Spool

from tests.support.command_runs import started, wattgram, without_progress
from tests.support.records import METER, NOW, readings
from tests.support.running_site import Registers, configuration, daemon, device, one_device
from tests.support.servers import START, wait_for
from tests.support.topics import METER as WORDS
from tests.support.topics import METER_VALUES

pytestmark = pytest.mark.slow(2)

POWER = "active_power_total [W]"
MIB = 2**20


def settings(folder: Path) -> Path:
    path = folder / "site.toml"
    path.write_text(configuration(folder, one_device("incomer", "grid", "eastron_sdm630", 502)))
    return path


def stored_blocks(folder: Path, *blocks: list[Record]) -> None:
    """Store each of these blocks as a separate block of a closed spool."""

    async def fill() -> None:
        spool = Spool(folder, max_size=2**28, keep=1e9, sinks=())
        await spool.open()
        for block in blocks:
            for record in block:
                spool.append(record)
            await spool.sync()
            await spool.pack(NOW)
        await spool.close()

    asyncio.run(fill())


def powers(out: str) -> list[float]:
    return [float(row[POWER]) for row in csv.DictReader(io.StringIO(out, newline=""))]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("damaged", "remaining"), [(0, [3, 4, 5, 6]), (1, [1, 2, 5, 6]), (2, [1, 2, 3, 4])])
def test_a_damaged_block_loses_only_its_own_records_and_is_reported(
    tmp_path: Path, damaged: int, remaining: list[int]
) -> None:
    parts = [readings(1, 2), readings(3, 4), readings(5, 6)]
    stored_blocks(tmp_path / "spool", *parts)
    (segment,) = (tmp_path / "spool").glob("readings-*.seg")
    data = bytearray(segment.read_bytes())
    begins = [place for place in range(0, len(data), 512) if data.startswith(b"wgB1", place)]
    assert len(begins) == 3
    end = next(place for place in range(begins[damaged] + 511, begins[damaged], -1) if data[place])
    data[end] ^= 0xFF  # the last byte of the block's last part, the part of the readings
    segment.write_bytes(data)
    ended = wattgram("export", "-c", str(settings(tmp_path)))
    assert ended.code == 0
    assert powers(ended.out) == remaining
    assert "4 records from" in ended.err
    assert "up to 2 more are left out: damaged" in ended.err


@pytest.mark.slow(4)
@pytest.mark.server
def test_an_export_works_beside_the_daemon_and_after_a_kill(tmp_path: Path) -> None:
    with device(Registers(WORDS)) as meter:
        text = configuration(tmp_path, one_device("incomer", "grid", "eastron_sdm630", meter.port))
        with daemon(tmp_path, text) as running:
            call = ("export", "-c", str(running.path), "--kind", "device")

            def read() -> str:
                ended = wattgram(*call)
                return ended.out if ended.code == 0 and len(powers(ended.out)) >= 3 else ""

            with_daemon = wait_for(read, START, "three readings in an export")
            running.kill()
            before = contents(tmp_path / "spool")
            after_kill = wattgram(*call)
            assert after_kill.code == 0
            assert after_kill.out.startswith(with_daemon)
            assert contents(tmp_path / "spool") == before
    row = next(csv.DictReader(io.StringIO(with_daemon, newline="")))
    named = {name.split(" [")[0]: value for name, value in row.items()}
    assert {name: float(named[name]) for name in METER_VALUES} == METER_VALUES
    assert (named["device"], named["quality"]) == ("incomer", "good")


LONG = 200_000
SPAN = ("--to", "2026-09-21T14:33:20Z")
"""A twentieth of it: NOW is 2026-09-21T14:13:20Z, ten readings a second."""


def long_history() -> Iterator[Record]:
    """Yield readings of ten meters, 24 numbers each, that compress poorly."""
    chance = random.Random(1)
    fields = tuple(f"current_l{number}" for number in range(24))
    tags = [(("site", "works"), ("device", f"meter-{number}"), ("role", "load"), METER.tags[3]) for number in range(10)]
    meters = [Series("device", meter_tags, fields, (), ("quality",)) for meter_tags in tags]
    for number in range(LONG):
        values = struct.pack("24d", *(chance.random() for _ in fields))
        yield Record(meters[number % 10], NOW + number * 100_000_000, values, ("good",))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a site with 200,000 readings."""
    folder = tmp_path_factory.mktemp("long")

    async def fill() -> None:
        spool = Spool(folder / "spool", max_size=2**28, keep=1e9, sinks=())
        await spool.open()
        for number, record in enumerate(long_history()):
            spool.append(record)
            if number % 5000 == 4999:
                await spool.sync()
        await spool.close()

    asyncio.run(fill())
    return settings(folder)


def peak_memory(*arguments: str) -> int:
    """Run a command that succeeds; return its peak memory, bytes."""
    process = subprocess.Popen([sys.executable, "-m", "wattgram", *arguments], stderr=subprocess.PIPE)
    assert process.stderr is not None
    with process.stderr:
        errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, errors
    return used.ru_maxrss * 1024


@pytest.mark.parametrize(("form", "most"), [("csv", 30), ("lp", 30), ("parquet", 70)])
@pytest.mark.slow(10)
def test_memory_use_does_not_grow_with_the_period(history: Path, tmp_path: Path, form: str, most: int) -> None:
    # 200,000 records are 38 MB of numbers, and above 100 MB as objects. An open row group of Parquet holds 50,000
    # records, as numbers and encoded: twice 10 MB, and the allocator's share.
    call = ("export", "-c", str(history), "--format", form, "--output", str(tmp_path / "out"))
    short, long = peak_memory(*call, *SPAN), peak_memory(*call)
    assert long - short < most * MIB


@pytest.mark.parametrize("form", ["csv", "lp", "parquet"])
@pytest.mark.slow(4)
def test_ctrl_c_leaves_the_old_file_and_no_partial_file(history: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    out.write_text("of last month")
    call = ("export", "-c", str(history), "--format", form, "--output", str(out))
    with started(tmp_path / "output", *call) as running:
        wait_for(
            lambda: [part for part in tmp_path.glob(".out.*.part") if part.stat().st_size], START, "its first bytes"
        )
        ended = running.ended(signal.SIGINT)
    assert (ended.code, ended.out, ended.err) == (130, "", "")
    assert out.read_text() == "of last month"
    assert list(tmp_path.glob(".out*")) == []


@pytest.mark.parametrize("form", ["csv", "lp", "parquet"])
def test_a_reader_that_closes_the_pipe_early_is_no_error(history: Path, form: str) -> None:
    command = [sys.executable, "-m", "wattgram", "export", "-c", str(history), "--format", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4)
        process.stdout.close()
        assert without_progress(process.stderr.read().decode()) == ""
        assert process.wait(2 * START) == 0


def test_parquet_is_refused_on_a_terminal_and_progress_is_a_bar(history: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    call = [sys.executable, "-m", "wattgram", "export", "-c", str(history)]
    try:
        refused = subprocess.run(
            [*call, "--format", "parquet"], stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        assert refused.returncode == 2
        assert "found a terminal for --format parquet; allowed: --output FILE, or a pipe" in refused.stderr
        output = tmp_path / "out.csv"
        subprocess.run([*call, *SPAN, "--output", str(output)], stderr=theirs, timeout=60, check=True)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "[#" in shown
    assert "12,000 records from 2026-09-21T14:13:20.000Z" in shown


def test_a_link_stays_a_link_and_a_pipe_is_written_directly(tmp_path: Path) -> None:
    stored_blocks(tmp_path / "spool", readings(1, 2))
    call = ("export", "-c", str(settings(tmp_path)), "--output")
    link, file, pipe = tmp_path / "link.csv", tmp_path / "file.csv", tmp_path / "pipe"
    link.symlink_to(file.name)
    assert wattgram(*call, str(link)).code == 0
    assert link.is_symlink()
    assert powers(file.read_bytes().decode()) == [1.0, 2.0]
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-m", "wattgram", *call, str(pipe)], stderr=subprocess.DEVNULL) as process:
        assert powers(pipe.read_bytes().decode()) == [1.0, 2.0]
        assert process.wait(START) == 0
    assert pipe.is_fifo()
