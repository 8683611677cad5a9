"""docs/formats is complete: a reader written from its pages alone finds all records of a spool.

The expected records are those that the tests appended; the records that wattgram reads are compared with them, too.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable
from contextlib import closing
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.base.record import INTERNAL, KINDS, Record, Series
from wattgram.store import block, connected
from wattgram.store.history import MAX_TIME, History
from wattgram.store.spool import Spool
from wattgram_ext import columns

from tests.support import format_reader
from tests.support.format_reader import ABSENT, Contents, Stored
from tests.support.records import METER, NOW
from tests.support.spools import NS, killed, noisy, put
from tests.support.written_spools import (
    ODD,
    SIZE,
    Facts,
    Written,
    facts_of,
    left,
    read_facts,
    spool_in,
    unnumbered,
    viewed,
)

PAGES = Path(__file__).resolve().parents[3] / "docs/formats"
READER = Path(format_reader.__file__)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return a spool with a part in its journal, as after the kill of a daemon."""
    return spool_in(tmp_path_factory.mktemp("running") / "spool", kill=True)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return a closed spool."""
    return spool_in(tmp_path_factory.mktemp("closed") / "spool", kill=False)


def assert_same(contents: Contents, written: Written, facts: list[Facts]) -> None:
    assert read_facts(contents.records) == facts
    assert contents.state == written.state
    assert contents.positions == written.positions
    refused = [
        (
            refusal.record.number,
            refusal.sink,
            refusal.reason,
            struct.pack(f"<{len(refusal.record.values)}d", *refusal.record.values),
        )
        for refusal in contents.refused
    ]
    assert refused == written.refused
    assert (contents.lost, contents.notes) == (0, [])


def test_the_reader_finds_all_records_in_journal_segments_and_database(running: Written) -> None:
    contents = format_reader.read(running.folder)
    assert_same(contents, running, left(running, 3))
    assert unnumbered(read_facts(contents.records)) == viewed(running.folder)


def test_the_reader_finds_all_of_a_closed_spool_and_creates_no_file(closed: Written) -> None:
    before = sorted(closed.folder.iterdir())
    contents = format_reader.read(closed.folder)
    assert sorted(closed.folder.iterdir()) == before
    assert not (closed.folder / "spool.db-wal").exists()
    assert_same(contents, closed, left(closed, 4))  # both days of the last packing stay
    assert unnumbered(read_facts(contents.records)) == viewed(closed.folder)


def test_every_kind_is_in_the_place_that_the_page_states(running: Written) -> None:
    page = (PAGES / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)`([^|]*)\|[^|]*\| (yes|no) \| (\w+) \|$", page, re.MULTILINE)
    places_on_page = {(kind, where) for kind, _, _, where in rows}
    assert {kind for kind, _, sent, _ in rows if sent == "yes"} == set(KINDS)
    assert {kind for kind, _, sent, _ in rows if sent == "no"} == set(INTERNAL)
    places_found = set[tuple[str, str]]()
    contents, stored = Contents(), dict[int, Stored]()
    format_reader.database(running.folder, contents, stored, {})
    exceptions = {record.number for record in stored.values() if record.series.kind == "device"}
    assert len(exceptions) == 3  # too large, too many numbers, too few texts
    places_found |= {(record.series.kind, "database") for number, record in stored.items() if number not in exceptions}
    for name in ("readings", "instants"):
        stored = {}
        format_reader.ring(running.folder, name, contents, stored, (0, 0))
        places_found |= {(record.series.kind, name) for record in stored.values()}
    assert places_found == places_on_page


def test_the_key_of_a_record_is_as_the_page_states(running: Written) -> None:
    records = format_reader.read(running.folder).records
    history = History(running.folder, "works")
    for window in ("15m", "1h", "1d", "1mo"):
        windows = [record for record in records if ("window", window) in record.series.tags]
        assert valid(windows) == [(record.time, record.values) for record in history.windows(window, 0, MAX_TIME)]
    ticks = [record for record in records if ("window", "tick") in record.series.tags]
    assert valid(ticks) == [(record.time, record.values) for record in history.ticks(0, MAX_TIME)]
    days = [record for record in records if record.series.kind == "day"]
    assert valid(days) == [(record.time, record.values) for record in history.days(0, MAX_TIME)]
    events = [record for record in records if record.series.kind == "event"]
    assert [(record.time, record.texts) for record in events] == [
        (record.time, record.texts) for record in history.events(0, MAX_TIME)
    ]
    assert history.damaged == 0


def valid(records: Iterable[Stored]) -> list[tuple[int, bytes]]:
    """Return the valid records by README.md: the highest revision, then the highest number."""
    keys: dict[tuple[str, tuple[tuple[str, str], ...], int], Stored] = {}
    for stored in records:
        key = stored.series.kind, stored.series.tags, stored.time
        if key not in keys or (revision(stored), stored.number) > (revision(keys[key]), keys[key].number):
            keys[key] = stored
    listed = sorted(keys.values(), key=lambda stored: stored.time)
    return [(stored.time, struct.pack(f"<{len(stored.values)}d", *stored.values)) for stored in listed]


def revision(record: Stored) -> float:
    return float(dict(zip(record.series.fields, record.values, strict=True)).get("revision", 0.0))


def test_the_reader_needs_nothing_but_the_standard_library(running: Written) -> None:
    process = subprocess.run(
        [sys.executable, "-I", "-S", READER, running.folder], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert [(entry["number"], entry["kind"]) for entry in lines] == [entry[:2] for entry in left(running, 3)]
    source = READER.read_text()
    assert not re.search(r"^\s*(?:from|import) (?:wattgram|tests)", source, re.MULTILINE)


@pytest.mark.slow(1)
def test_a_recycled_segment_has_no_record_of_its_earlier_use(tmp_path: Path) -> None:
    folder, chance = tmp_path / "spool", random.Random(3)
    series = Series("device", METER.tags, tuple(f"noise_{number}" for number in range(100)), (), ("quality",))
    records: list[Record] = []
    lost = 0

    async def fill() -> None:
        nonlocal lost
        spool = Spool(folder, max_size=SIZE, keep=1e9, sinks=("mqtt",))
        await spool.open()
        for _ in range(150):
            first = len(records)
            count = chance.choice((4, 15, 60))  # so that a new block ends within an older block
            batch = [
                Record(series, NOW + number * NS, chance.randbytes(800), ("good",))
                for number in range(first, first + count)
            ]
            records.extend(batch)
            await put(spool, batch)
            await spool.pack(NOW)
        lost = spool.lost
        await killed(spool)

    asyncio.run(fill())
    contents = format_reader.read(folder)
    assert lost > 0
    assert read_facts(contents.records) == [facts_of(number, record) for number, record in enumerate(records, 1)][lost:]
    assert unnumbered(read_facts(contents.records)) == viewed(folder)
    assert (contents.lost, contents.notes) == (0, [])


@pytest.fixture
def blocks(tmp_path: Path) -> tuple[Path, list[Record]]:
    """Return a spool with five blocks in one segment, and with records that only the journal has."""
    folder, records = tmp_path / "spool", list[Record]()

    async def fill() -> None:
        spool = Spool(folder, max_size=SIZE, keep=1e9, sinks=("mqtt",))
        await spool.open()
        for turn in range(6):
            batch = noisy(100 * turn + 1, 100 * turn + 100)
            records.extend(batch)
            for start in range(0, 100, 10):
                await put(spool, batch[start : start + 10])
            if turn < 5:
                await spool.pack(NOW)
        await killed(spool)

    asyncio.run(fill())
    return folder, records


@pytest.mark.parametrize("where", ["head", "part"])
def test_a_damaged_block_loses_only_its_records_and_they_are_counted(
    blocks: tuple[Path, list[Record]], where: str
) -> None:
    folder, records = blocks
    path = folder / "readings-0000000001.seg"
    listed = list(format_reader.blocks(path))
    assert [
        (listed_block.first, listed_block.last, listed_block.ordinal, listed_block.count) for listed_block in listed
    ][2] == (201, 300, 200, 100)
    place = listed[2].offset + (20 if where == "head" else 92 + sum(map(len, listed[2].parts)) - 5)
    path.write_bytes(flipped(path.read_bytes(), place))
    contents = format_reader.read(folder)
    facts = [facts_of(number, record) for number, record in enumerate(records, 1) if not 201 <= number <= 300]
    assert read_facts(contents.records) == facts
    assert unnumbered(read_facts(contents.records)) == viewed(folder)
    assert (contents.lost, len(contents.notes)) == (100, int(where == "part"))


def test_a_torn_block_at_the_end_of_a_ring_is_ignored(blocks: tuple[Path, list[Record]]) -> None:
    folder, records = blocks
    path = folder / "readings-0000000001.seg"
    *_, last = format_reader.blocks(path)
    torn = block.encode([(number, records[number - 1]) for number in range(501, 551)], 1, 500, {METER})
    data, begin = path.read_bytes(), last.offset + 512 * -(-(92 + sum(map(len, last.parts))) // 512)
    half = torn[: len(torn) // 2].ljust(len(torn), b"\0")
    path.write_bytes(data[:begin] + half + data[begin + len(torn) :])
    contents = format_reader.read(folder)
    assert read_facts(contents.records) == [facts_of(number, record) for number, record in enumerate(records, 1)]
    assert (contents.lost, contents.notes) == (0, [])


def test_a_damaged_frame_ends_the_journal_and_shows_how_much_is_lost(blocks: tuple[Path, list[Record]]) -> None:
    folder, records = blocks
    path = folder / "journal"
    data = path.read_bytes()
    frames, missing_after = format_reader.journal(data)
    assert (len(frames), missing_after) == (11, None)
    assert [record.number for record in frames[4].records] == [*range(531, 541)]
    assert all(format_reader.pages_are_sound(data))
    stream = format_reader.stream_of(data)
    fourth = [at for at in range(0, len(stream), 64) if stream.startswith(b"wgJ2", at)][4]
    place = fourth + 50
    damaged = flipped(data, place // 4032 * 4096 + place % 4032)
    path.write_bytes(damaged)
    assert format_reader.pages_are_sound(damaged).count(False) == 1
    contents = format_reader.read(folder)
    assert read_facts(contents.records) == [facts_of(number, record) for number, record in enumerate(records[:530], 1)]
    assert unnumbered(read_facts(contents.records)) == viewed(folder)
    assert contents.lost == 70


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


BITS = st.integers(0, 2**64 - 1)
SIGNED = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.builds(
    lambda fill_spool, places: fill_spool / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 9)
)
NUMBERS = st.one_of(
    DECIMALS.map(lambda number: struct.pack("<d", number)),
    DECIMALS.map(lambda number: struct.pack("<d", struct.unpack("f", struct.pack("f", number))[0])),
    st.floats(width=32).map(lambda number: struct.pack("<d", number)),
    BITS.map(lambda bits: struct.pack("<Q", bits)),
    st.sampled_from([struct.pack("<d", number) for number in (*ODD, inf, -inf, 2.0**53)]),
)
COLUMNS = st.one_of(
    st.lists(NUMBERS, min_size=1, max_size=40),
    st.lists(DECIMALS.map(lambda number: struct.pack("<d", number)), min_size=1, max_size=40),
    st.lists(
        st.one_of(DECIMALS.map(lambda number: struct.pack("<d", number)), st.just(struct.pack("<d", ABSENT)))
    ).filter(len),
)


@given(COLUMNS)
def test_the_reader_decodes_each_number_column_that_is_written(column: list[bytes]) -> None:
    packed = columns.pack(b"".join(column), 1)
    numbers, used = format_reader.number_column(packed + b"behind", len(column))
    assert [struct.pack("<d", number) for number in numbers] == column
    assert used == len(packed)


@given(st.lists(SIGNED, max_size=40))
def test_the_reader_decodes_each_whole_column_that_is_written(numbers: list[int]) -> None:
    packed = columns.pack_whole(struct.pack(f"{len(numbers)}q", *numbers))
    assert format_reader.whole_column(packed, len(numbers)) == numbers


def test_the_schema_and_the_checksum_of_the_database_are_as_its_page_states(closed: Written) -> None:
    page = (PAGES / "database.md").read_text()
    (schema,) = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with closing(connected(closed.folder)) as db:
        statements = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
        pragmas = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "auto_vacuum", "journal_mode")]
    assert sorted(statements) == sorted(statement.strip() for statement in schema.split(";") if statement.strip())
    assert pragmas == [4096, 2, "wal"]
    example = re.search(r"the CRC-32 of `([^`]*)` is (\d+)", page)
    assert example
    assert zlib.crc32(example[1].encode()) == int(example[2])
