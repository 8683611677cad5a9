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
from base64 import b85decode, b85encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from math import inf, isnan, nan
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.accounts.late_energy import LateEnergy
from wattgram.base.record import INTERNAL, KINDS, WINDOWS, Kind, Record, Series, record
from wattgram.counters.counter import State
from wattgram.site.settlement import Settlement
from wattgram.store import StoreView, block, connected, journal_records
from wattgram.store.history import MAX_TIME, History
from wattgram.store.spool import Spool
from wattgram.timekeeping.published_times import PublishedTimes, PublishedWindows
from wattgram.timekeeping.tick_order import TickOrder
from wattgram_ext import columns
from wattgram_ext.intensity import OUTPUTS, Accounts

from tests.support import format_reader
from tests.support.format_reader import ABSENT, Contents, Stored
from tests.support.records import METER, NOW
from tests.support.spools import MIB, NS, happening, killed, noisy, put

PAGES = Path(__file__).resolve().parents[3] / "docs/formats"
READER = Path(format_reader.__file__)
SIZE = 4 * MIB
"""Smallest size that a configuration allows, bytes; a segment has 64 KiB then."""

EVERY: tuple[Kind, ...] = get_args(Kind)
SITE = ("site", "works")
WINDOW_FIELDS = (*OUTPUTS, "grid_tier", "grid_age", "revision")
EMISSION_TEXTS = ("grid_source", "basis", "method")
INSTANT = Series(
    "instant",
    (SITE, ("roles", "grid load"), ("columns", "energy official"), ("era", "2")),
    ("seconds", "grid_intensity", "grid_clean_share", "incomer", "hall", "official"),
)
WIDE = Series(
    "device",
    (SITE, ("device", "analyser"), ("role", "load"), ("driver", "janitza_umg604")),
    tuple(f"quantity_{number}" for number in range(12)),
    ("quantity_3",),
    ("quality",),
)
UNREAD = Series("device", (SITE, ("device", "roof"), ("role", "pv"), ("driver", "sunspec")), (), (), ("quality",))
"""A device has no fields before its first reading."""

ODD = tuple(
    struct.unpack("<d", struct.pack("<Q", bits))[0]
    for bits in (0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0x7FF0000000000001, 1, 0x7FEFFFFFFFFFFFFF)
)
"""Two other NaN, minus zero, a signalling NaN, the smallest and the largest double."""

Facts = tuple[int, str, tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], int, bytes]


def emission(window: str, time: int, load: float, revision: int = 0) -> Record:
    series = Series("emission", (SITE, ("window", window)), WINDOW_FIELDS, ("grid_tier", "revision"), EMISSION_TEXTS)
    fields = {"load_power": load, "coverage": 1.0, "grid_tier": 5, "grid_age": 0.0, "revision": revision}
    return record(series, time, {**fields, "grid_source": "table CN-CQ 2023", "basis": "direct"})


def day(start: int, energy: float) -> Record:
    return record(Series("day", (SITE, ("device", "hall")), ("energy", "seconds")), start, {"energy": energy})


def wide(number: int, chance: random.Random) -> Record:
    """Return a reading with a column for every coding."""
    single = struct.unpack("f", struct.pack("f", chance.uniform(100, 300)))[0]
    values = (
        50.0,  # constant
        chance.randrange(2300) / 10,  # decimal
        123_456.25 + 7 * number,  # a counter
        float(chance.randrange(5)),
        struct.unpack("f", struct.pack("f", chance.randrange(2300) / 10))[0],  # decimal single
        single,
        chance.random(),
        nan if number % 3 else chance.randrange(1000) / 100,  # sparse
        nan,
        inf if number % 5 == 0 else -1.5,
        ODD[number % len(ODD)],
        nan if number % 2 else ODD[number % len(ODD)],
    )
    quality = ("good", "estimated", "stale", 'q"uote', "水泥厂", "\ud800")[number % 6 if number % 4 == 0 else 0]
    return Record(WIDE, NOW + number * NS + chance.randrange(10**6), struct.pack("12d", *values), (quality,))


def instants(first: int, last: int) -> Iterator[Record]:
    for number in range(first, last + 1):
        yield Record(INSTANT, NOW + number * NS, struct.pack("6d", 1.0, 521.7, 0.35, 1000.0 + number, number / 8, nan))


def records_of_all_kinds(turn: int, chance: random.Random) -> list[Record]:
    """Return records of each kind and of each place in the store."""
    first, time = 60 * turn, NOW + turn * 3600 * NS
    records = [
        *(wide(number, chance) for number in range(first, first + 40)),
        *instants(first, first + 30),
        *(emission("tick", NOW + number * NS, 1000.5 + number) for number in range(first, first + 30)),
        *(emission(window, time, 5000.0 + turn) for window in ("15m", "1h", "1d", "1mo")),
        emission("15m", time, 4000.0 + turn, revision=2),
        happening(turn),
        record(Series("gateway", (SITE,), ("uptime", "memory"), ("memory",)), time, {"uptime": 1.5, "memory": 2**40}),
        record(
            Series("goal", (SITE, ("goal", "A04")), ("value", "target", "coverage"), (), ("state",)),
            time,
            {"value": 0.4, "state": "on track"},
        ),
        Record(Series("late", INSTANT.tags, INSTANT.fields), time, struct.pack("6d", 2.0, nan, 0.1, 1e-9, -7.0, 1e300)),
        Record(Series("checkpoint", (SITE,), (), (), ("how", "state")), time, b"", ("anew", "ABC{|}~")),
        record(
            Series("signal", (SITE, ("feed", "mix #2")), ("intensity", "tier"), ("tier",), ("basis", "shares")),
            time,
            {"intensity": 521.7, "tier": 1, "basis": "direct", "shares": '{"coal":0.5}'},
        ),
        day(NOW, 100.0 * turn),
        Record(
            Series("configuration", (SITE,), (), (), ("config_digest", "config")), time, b"", (f"{turn:016x}", "{}")
        ),
        Record(UNREAD, time, b"", ("stale",)),
    ]
    chance.shuffle(records)
    return [*records, emission("tick", NOW + first * NS, 999.25, revision=1)]


@dataclass
class Written:
    """A spool directory and its appended records. refused: number, sink, reason, values."""

    folder: Path
    records: list[Record] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[int, str, str, bytes]] = field(default_factory=list)

    def facts(self) -> list[Facts]:
        """Return the facts of each record in the order of numbers."""
        return [facts_of(number, record) for number, record in enumerate(self.records, 1)]


def facts_of(number: int, record: Record) -> Facts:
    series = record.series
    names = (series.fields, series.integers, (*series.texts, *record.texts))
    return number, series.kind, series.tags, *names, record.time, record.values


def read_facts(records: Iterable[Stored]) -> list[Facts]:
    return [
        (
            record.number,
            record.series.kind,
            record.series.tags,
            record.series.fields,
            record.series.integers,
            (*record.series.texts, *record.texts),
            record.time,
            struct.pack(f"<{len(record.values)}d", *record.values),
        )
        for record in records
    ]


def viewed(folder: Path) -> list[Facts]:
    """Return the records that wattgram itself reads; its view has no numbers."""
    with closing(connected(folder)) as db:
        view = StoreView(folder, db, journal_records(folder))
        return [facts_of(0, record) for record in view.in_order(EVERY, 0, lambda _: True)]


def unnumbered(facts: Iterable[Facts]) -> list[Facts]:
    return [(0, *facts_of_record[1:]) for facts_of_record in facts]


async def fill_spool(spool: Spool, written: Written) -> None:
    """Append records with four packings; the later records are in the journal."""
    chance = random.Random(1)
    for turn in range(6):
        turn_records = records_of_all_kinds(turn, chance)
        if turn == 1:
            huge = "".join(chance.choices("0123456789abcdef", k=400_000))
            turn_records += [
                Record(METER, NOW, struct.pack("2d", 1.0, 2.0), (huge,)),  # larger than a segment
                Record(METER, NOW, struct.pack("3d", 1.0, 2.0, 3.0), ("good",)),  # a number without a field
                Record(METER, NOW, struct.pack("2d", 1.0, 2.0), ()),
            ]
        written.records += turn_records
        pieces = {
            "site": b"\0\xff" * turn,
            "told": json.dumps({"turn": turn}).encode(),
            f"waiting {turn}": b"x",
            "waiting 0": b"",
        }
        for name, data in pieces.items():
            spool.put_state(name, data)
        written.state |= pieces
        for start in range(0, len(turn_records), 50):
            await put(spool, turn_records[start : start + 50])
        if turn < 4:
            await spool.pack(NOW + turn)
        if turn in (2, 4):
            batch = await spool.batch("influxdb", 20)
            await spool.refuse("influxdb", batch, {7: "field type conflict: 水"})
            refused = batch.records[7]
            written.refused.append((batch.seqs[7], "influxdb", "field type conflict: 水", refused.values))
            spool.settle("influxdb", batch, 20)
            spool.settle("mqtt", await spool.batch("mqtt", 9), 9)
    await spool.sync()
    written.positions |= spool.positions


def spool_in(folder: Path, *, kill: bool) -> Written:
    written = Written(folder)

    async def fill() -> None:
        spool = Spool(folder, max_size=SIZE, keep=1e9, sinks=("mqtt", "influxdb"))
        await spool.open()
        await fill_spool(spool, written)
        assert (spool.damaged, spool.dropped, spool.lost) == (0, 0, 0)
        await (killed(spool) if kill else spool.close())

    asyncio.run(fill())
    return written


def left(written: Written, replaced: int) -> list[Facts]:
    """Return all appended records without the first `replaced` of kind `day`, which a later packing replaced."""
    replaced_facts = [facts_of_record for facts_of_record in written.facts() if facts_of_record[1] == "day"][:replaced]
    return [facts_of_record for facts_of_record in written.facts() if facts_of_record not in replaced_facts]


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


# the examples of the pages


def dumps(page: str) -> list[bytes]:
    """Return the bytes of each `hexdump -C` on a page, in order."""
    dumped = []
    for fenced in re.findall(r"^```\n(0{8}  .*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL):
        data, repeated = bytearray(), False
        for line in fenced.splitlines():
            if line == "*":
                repeated = True
                continue
            offset, _, rest = line.partition("  ")
            if repeated:
                data += data[-16:] * ((int(offset, 16) - len(data)) // 16)
                repeated = False
            assert int(offset, 16) == len(data)
            data += bytes.fromhex(rest.partition("|")[0])
        dumped.append(bytes(data))
    return dumped


def table(page: str, head: str) -> list[list[str]]:
    """Return the rows of the table with this head on a page."""
    text = (PAGES / page).read_text()
    rows = text.partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert rows
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def test_the_example_of_a_block_holds_the_records_of_its_page() -> None:
    data, content = dumps("block.md")
    decoded_block = format_reader.block_at(data, 0, 7)
    assert decoded_block is not None
    assert len(data) == 512
    assert (decoded_block.first, decoded_block.last, decoded_block.ordinal, decoded_block.count) == (101, 107, 2000, 4)
    assert (decoded_block.since, decoded_block.until) == (NOW, NOW + 15 * NS)
    assert list(map(len, decoded_block.parts)) == [142, 121, 0, 0, 0, 0, 0, 0]
    assert format_reader.inflated(decoded_block.parts[1]) == content
    known = format_reader.definitions(decoded_block.parts[0])
    assert [digest.hex(" ") for digest in known] == ["37 12 4a bb fd 59 7a f4"]
    records, damage = format_reader.records_of(decoded_block, known)
    head = "| number | time | active_power_total | voltage_l1n | active_energy_import | frequency | quality |"
    expected = [
        (int(number), int(time), struct.pack("<4d", *map(float, values)), (quality,))
        for number, time, *values, quality in table("block.md", head)
    ]
    assert [
        (record.number, record.time, struct.pack("<4d", *record.values), record.texts) for record in records
    ] == expected
    assert damage == []
    # and wattgram reads the same
    theirs = block.head_of(data, 7)
    assert theirs is not None
    pieces = [data[begin : begin + length] for begin, length in map(theirs.place, (0, 1))]
    (series,) = block.definitions(pieces[0])
    decoded = block.decode(pieces[1], {block.digest(series): series})
    assert [(number, record.time, record.values, record.texts) for number, record in decoded] == expected


def test_the_walk_through_of_a_block_follows_its_bytes() -> None:
    data, content = dumps("block.md")
    head = table("block.md", "The head of the block above:\n\n| bytes | value |")
    assert bytes.fromhex(" ".join(row[0] for row in head[:-1])) + bytes(24) == data[:92]
    at = 0
    for offset, listed_bytes, _ in table("block.md", "| offset | bytes | meaning |"):
        data_bytes = (
            listed_bytes.encode() if listed_bytes.startswith("[") else bytes.fromhex(re.sub("[`,]", " ", listed_bytes))
        )
        assert (int(offset, 16), content[at : at + len(data_bytes)]) == (at, data_bytes)
        at += len(data_bytes)
    assert at == len(content)


def test_the_examples_of_codings_decode_as_the_page_states() -> None:
    numbers = table("block.md", "| numbers | bytes |")
    forms = set[int]()
    for listed, packed in numbers:
        column = [float(text) for text in listed.split(", ")]
        data = bytes.fromhex(packed)
        decoded, used = format_reader.number_column(data, len(column))
        values = struct.pack(f"<{len(column)}d", *column)
        assert struct.pack(f"<{len(decoded)}d", *decoded) == values
        assert used == len(data)
        assert columns.unpack(data, len(column), 1) == values
        assert columns.pack(values, 1) == data
        forms.add(data[0])
    assert forms == {0, 2, 3, 4, 5, 0x82, 0x85}
    for listed, packed in table("block.md", "| integers | bytes |"):
        integers = [int(text) for text in listed.split(", ")]
        assert format_reader.whole_column(bytes.fromhex(packed), len(integers)) == integers
        assert columns.pack_whole(struct.pack(f"{len(integers)}q", *integers)).hex(" ") == packed


def test_the_example_of_a_journal_holds_the_records_of_its_page() -> None:
    (data,) = dumps("journal.md")
    page = (PAGES / "journal.md").read_text()
    assert format_reader.pages_are_sound(data) == [True]
    (first, second), missing_after = format_reader.journal(data)
    assert missing_after is None
    heads = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    assert [first.head, second.head] == heads
    assert (first.generation, second.generation, first.records) == (2, 2, [])
    (row_record,) = second.records
    assert (row_record.number, row_record.time, row_record.values, row_record.texts) == (
        5,
        NOW + 15 * NS,
        (51400.0, 230.0, 1234581.0, 50.0),
        ("good",),
    )
    assert second.state == {"told device incomer": b"1790000015000000000 1790000015000000000 0"}
    (refused,) = second.refused
    assert (refused.sink, refused.record.number, refused.record.values[0]) == ("influxdb", 2, 51350.0)
    (row,) = re.findall(r"^The row:\n\n```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    row_bytes = bytes.fromhex("".join(line.partition("   ")[0] for line in row.splitlines()))
    assert struct.unpack_from("<QIqII", row_bytes) == (5, 0, NOW + 15 * NS, 32, 8)
    assert row_bytes[28:] == struct.pack("<4d", *row_record.values) + b'["good"]'
    assert zlib.crc32(bytes(4032)) == 0xE8B8467D  # of an empty page


def test_the_example_of_a_segment_is_a_head() -> None:
    (head,) = dumps("segment.md")
    head_block = format_reader.block_at(head.ljust(512, b"\0"), 0, 1)
    assert head_block is not None
    assert (head_block.first, head_block.last, head_block.ordinal, head_block.count) == (1, 3, 0, 3)
    assert list(map(len, head_block.parts)) == [142, 116, 0, 0, 0, 0, 0, 0]
    assert format_reader.block_at(head.ljust(512, b"\0"), 0, 2) is None


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


def test_the_state_of_the_accounts_has_the_layout_of_the_page() -> None:
    roles = ("grid", "pv", "battery", "load")
    accounts = Accounts(roles, [0.0] * 4, windows=4)
    accounts.step(struct.pack("7d", 3600.0, 500.0, 0.25, 1000.0, 400.0, -300.0, nan))
    state = accounts.state()
    assert len(state) == 6920 + 8 * len(roles)
    hashed = 2166136261
    for role in roles:
        index = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev").index(role)
        hashed = (hashed ^ index) * 16777619 % 2**32
    assert struct.unpack_from("<8s6I", state) == (b"WTGRAMG1", 5, 4, 4, hashed, 1, 1)
    stock = struct.unpack_from("<6d", state, 32)
    assert struct.unpack_from("<14d", state, 80)[:6] == (300.0, 0.0, 0.0, 0.0, 300.0, 300.0)
    assert struct.unpack_from("<81d", state, 192) == (0.0,) * 81
    high, low = struct.unpack_from("<76d", state, 840), struct.unpack_from("<76d", state, 840 + 608)
    sums = [coarse + fine for coarse, fine in zip(high, low, strict=True)]
    assert sums[:8] == [1100.0, 1000.0, 0.0, 400.0, 0.0, 0.0, 300.0, sums[7]]
    assert sums[13] == 500.0  # g of 1 kWh at 500 g/kWh
    assert sums[8] + stock[1] == pytest.approx(500.0)
    assert stock[0] == pytest.approx(300.0 * 0.95)
    assert (sums[22], sums[23]) == (500.0 * 3600.0, 3600.0)
    assert sums[30] == pytest.approx(300.0 * 0.05)
    assert sums[32:45] == [3600.0] * 7 + [1000.0, 0.0, 400.0, 0.0, 0.0, 300.0]
    assert struct.unpack_from("<76d", state, 840 + 2 * 608) == (0.0,) * 76
    before = struct.unpack_from("<4d", state, len(state) - 32)
    assert before[:3] == (1000.0, 400.0, -300.0)
    assert isnan(before[3])
    text = b85encode(state).decode()
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    assert (set(text) <= set(alphabet), len(alphabet), b85decode(text)) == (True, 85, state)


def test_the_state_of_several_busbars_has_the_layout_of_the_page() -> None:
    """A: PV unknown, 30 Wh into its battery. B: known, import 60 Wh and 20 into its battery."""
    roles = ("grid", "pv", "battery", "grid", "battery")
    busbars, pools = (0, 0, 0, 1, 1), (0, 0, 0, 0, 1)
    accounts = Accounts(roles, [0.0] * 5, windows=1, busbars=busbars, pools=pools)
    accounts.step(struct.pack("8d", 3600.0, 500.0, 0.25, 100.0, nan, -30.0, 60.0, -20.0))
    state = accounts.state()
    assert len(state) == 32 + 8 * (2 * 20 + 2 * 9 + 44 + 2 * 24 + 2 * 4 + 2 * 152 + 5)
    hashed = 2166136261
    indices = (index for pair in zip(busbars, pools, strict=True) for index in pair)
    for index in (0, 1, 6, 0, 6, *indices):
        hashed = (hashed ^ index) * 16777619 % 2**32
    assert struct.unpack_from("<4I", state, 16) == (1, hashed, 2, 2)
    assert [struct.unpack_from("<d", state, 32 + 48 * pool)[0] for pool in (0, 1)] == [28.5, 19.0]
    assert [struct.unpack_from("<d", state, 128 + 112 * pool)[0] for pool in (0, 1)] == [30.0, 20.0]
    site = struct.unpack_from("<23d", state, 496)
    assert (site[0], site[5], site[20]) == (160.0, 50.0, 110.0)
    held = struct.unpack_from("<21d", state, 496 + 8 * 23)
    assert held[:3] == pytest.approx((40.0, 0.0, 20.0))
    first, second = (struct.unpack_from("<24d", state, 496 + 8 * (44 + 24 * busbar)) for busbar in (0, 1))
    assert first[17:19] == (100.0, 50.0)  # of import: Wh, and g at 500 g/kWh
    assert second == (0.0,) * 24
    charges = struct.unpack_from("<8d", state, 496 + 8 * (44 + 48))
    assert charges[:2] == pytest.approx((30.0, 15.0))
    assert charges[4:] == (0.0,) * 4


def test_the_older_form_of_late_energy_is_loaded_as_the_page_says() -> None:
    (text,) = re.findall(r'^```\n(\{"waiting".*?)^```$', (PAGES / "state.md").read_text(), re.MULTILINE | re.DOTALL)
    older = json.loads(text)
    quarter = 900 * NS
    late = LateEnergy(3, (), lambda time: (time // quarter + 1) * quarter)  # two channels then, and that of a terminal
    late.restore(older)
    loaded = json.loads(json.dumps(late.dump()))
    assert loaded["old"] == [0.0] * 9
    assert loaded["due"] == [[1796004000000000000, 1796004900000000000]]  # 15 min
    assert loaded["waiting"] == loaded["given_up"] == [[], [], []]
    assert {name: loaded[name] for name in ("gaps", "amounts")} == {name: older[name] for name in ("gaps", "amounts")}
    settlement = Settlement()
    settlement.restore(1796004000000000000)
    assert settlement.dump() == {"since": 1796004000000000000, "amounts": []}


def test_the_examples_of_states_are_loaded_by_their_writers() -> None:
    page = (PAGES / "state.md").read_text()
    examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    site, counters, published, grid, waiting = examples
    assert len(bytes.fromhex(site["label"][0])) == 4 * 8
    assert list(site["starts"]) == list(WINDOWS)
    for quantities in counters.values():
        for dumped in quantities.values():
            assert json.loads(json.dumps(State.load(dumped).dump())) == dumped
    order, windows, published_times = TickOrder(1.0), PublishedWindows(), PublishedTimes()
    order.restore(published["order"])
    windows.restore(published["windows"])
    assert (order.dump(), windows.dump()) == (published["order"], published["windows"])
    (stamp,) = re.findall(r"^```\n(\d+ \d+ \d+)\n```$", page, re.MULTILINE)
    published_times.restore_stamp("device incomer", stamp.encode())
    assert published_times.stamp("device incomer").decode() == stamp
    assert set(grid) == {"marks", "span"}
    assert set(waiting) == {"boot", "first", "over", "taken"}
