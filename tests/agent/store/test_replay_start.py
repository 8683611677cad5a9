"""A replay begins at a state after which every instant is stored: states outlive instants when the spool is full."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest
from wattgram.base.clock import NS
from wattgram.base.record import Record, Series
from wattgram.store.history import History
from wattgram.store.spool import Spool

pytestmark = pytest.mark.slow(3)

INSTANT = Series("instant", (("site", "works"),), tuple(f"number {index}" for index in range(40)))
STATE = Series("checkpoint", (("site", "works"),), (), (), ("how", "state"))
START, MINUTE = 1_780_000_000 * NS, 60 * NS
HOURS = 100


def instant(time: int, chance: random.Random) -> Record:
    return Record(INSTANT, time, struct.pack("40d", *(chance.random() for _ in range(40))))


def test_a_replay_begins_after_the_instants_that_were_discarded(tmp_path: Path) -> None:
    async def fill() -> None:
        chance = random.Random(7)
        spool = Spool(tmp_path, max_size=2**20, keep=1e8, sinks=())
        await spool.open()
        for hour in range(HOURS):
            begin = START + hour * 60 * MINUTE
            spool.append(Record(STATE, begin, b"", ("anew" if hour == 0 else "", f"state {hour}")))
            for minute in range(1, 61):
                spool.append(instant(begin + minute * MINUTE, chance))
            await spool.sync()
            await spool.pack(begin + 60 * MINUTE)
        await spool.close()

    asyncio.run(fill())
    with History(tmp_path, "works").past() as past:
        assert past.first() == START  # the state of the first hour is stored, its instants are not
        begun = past.start(START + 60 * MINUTE, INSTANT)
        assert begun is not None
        assert begun.time > START + 60 * MINUTE
        times = [record.time for record in past.journal(begun.time) if record.series == INSTANT]
        after = [time for time in times if time > begun.time]
        assert after == list(range(begun.time + MINUTE, START + HOURS * 60 * MINUTE + 1, MINUTE))
        late = START + (HOURS - 1) * 60 * MINUTE
        last = past.start(late + 5 * MINUTE, INSTANT)
        assert last is not None
        assert last.time == late
