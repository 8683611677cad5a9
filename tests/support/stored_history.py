"""Spools that hold windows and events made by hand, for the commands that read the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from wattgram.base.record import Record, Series, Value, record
from wattgram.store.spool import Spool
from wattgram_ext.intensity import DETAILS, OUTPUTS

NS = 1_000_000_000
QUARTER = 900 * NS


def utc(text: str) -> int:
    """UTC ns of an RFC 3339 time."""
    return int(datetime.fromisoformat(text).timestamp()) * NS


def window(kind: str, start: int, fields: Mapping[str, Value], site: str = "works") -> Record:
    """An `emission` window as SPEC 5 has it: covered, of one source, in revision 0 unless the fields say otherwise."""
    tags = (("site", site), ("window", kind))
    texts = ("grid_source", "basis")
    further = [name for name in DETAILS if name in fields]
    numbers = (*OUTPUTS, *further, "grid_tier", "grid_age", "revision")
    series = Series("emission", tags, numbers, ("grid_tier", "revision"), texts)
    usual: dict[str, Value] = {
        "coverage": 1.0,
        "grid_tier": 5,
        "grid_age": 0.0,
        "revision": 0,
        "grid_source": "table",
        "basis": "direct",
    }
    return record(series, start, {**usual, **fields})


def quarters(start: str, end: str, fields: Mapping[str, Value]) -> Iterator[Record]:
    """Windows of 15 minutes, all alike, from start to before end."""
    for time in range(utc(start), utc(end), QUARTER):
        yield window("15m", time, fields)


def event(time: str, device: str, what: str, detail: str = "") -> Record:
    """An `event` record."""
    series = Series("event", (("site", "works"), ("device", device)), (), (), ("event", "detail"))
    return Record(series, utc(time), b"", (what, detail))


@asynccontextmanager
async def held(folder: Path, records: Iterable[Record]) -> AsyncIterator[Spool]:
    """A spool with these records on disk, open as a daemon has it."""
    spool = Spool(folder, max_size=2**26, keep=1e9, sinks=())
    await spool.open()
    try:
        for record in records:
            spool.append(record)
        await spool.sync()
        yield spool
    finally:
        await spool.close()


def stored(folder: Path, *records: Iterable[Record]) -> Path:
    """A spool with these records, closed again."""

    async def fill() -> None:
        async with held(folder, [record for several in records for record in several]):
            pass

    asyncio.run(fill())
    return folder
