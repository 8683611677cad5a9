"""Spools with records of each kind, and the facts that a reader of their files must find."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from typing import get_args

from wattgram.base.record import Kind, Record, Series, record
from wattgram.store import StoreView, connected, journal_records
from wattgram.store.spool import Spool
from wattgram_ext.intensity import OUTPUTS

from tests.support.format_reader import Stored
from tests.support.records import METER, NOW
from tests.support.spools import MIB, NS, happening, killed, put

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
TERMS = Series("configuration", (SITE,), (), (), ("config_digest", "config"))
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
        Record(replace(INSTANT, kind="withheld"), NOW + first * NS, struct.pack("6d", 1.0, nan, nan, -40e3, 5.0, nan)),
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
        record(
            Series("seal", (SITE,), ("size",), ("size",), ("checkpoint", "key_id")),
            time,
            {"size": 7.0, "checkpoint": "wattgram/works/0a1b2c3d\n7\nAAAA=\n\n\u2014 a bbbb\n", "key_id": "0a1b2c3d"},
        ),
        Record(Series("late", INSTANT.tags, INSTANT.fields), time, struct.pack("6d", 2.0, nan, 0.1, 1e-9, -7.0, 1e300)),
        Record(Series("checkpoint", (SITE,), (), (), ("how", "state")), time, b"", ("anew", "ABC{|}~")),
        record(
            Series("signal", (SITE, ("feed", "mix #2")), ("intensity", "tier"), ("tier",), ("basis", "shares")),
            time,
            {"intensity": 521.7, "tier": 1, "basis": "direct", "shares": '{"coal":0.5}'},
        ),
        day(NOW, 100.0 * turn),
        Record(TERMS, time, b"", (f"{turn:016x}", "{}")),
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
