"""Refused records: kept within a limit, listed, and handed over once more."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from wattgram.base.errors import SinkError
from wattgram.delivery.handover import Handover
from wattgram.store import Refusal
from wattgram.store.history import History
from wattgram.store.spool import Batch, Spool

from tests.support.command_runs import called
from tests.support.deliveries import Judging, delivering, put, put_until_settled
from tests.support.records import METER, readings, until

CONFIG = """
[site]
name = "works"
timezone = "Asia/Shanghai"
[grid]
zone = "CN-CQ"
[[device]]
name = "incomer"
role = "grid"
driver = "eastron_sdm630"
url = "tcp://127.0.0.1:1502"
unit = 1
[spool]
path = "."
refused_size = "64KiB"
"""


def opened(folder: Path) -> Spool:
    return Spool(folder, max_size=2**26, keep=1e6, sinks=["one"])


async def refuse(spool: Spool, first: int, last: int, sink: str = "one") -> None:
    """Store records, and their refusal."""
    found = readings(first, last)
    for record in found:
        spool.append(record)
    batch = Batch(tuple(found), tuple(range(first, last + 1)), 1)
    await spool.refuse(sink, batch, {index: f"record {first + index} is wrong" for index in range(len(found))})
    await spool.sync()


def kept(folder: Path) -> list[float | str]:
    return [refusal.record["active_power_total"] for refusal in History(folder, "works").refused()]


def test_refused_records_are_listed_from_the_journal_and_from_the_database(tmp_path: Path) -> None:
    async def work() -> None:
        spool = opened(tmp_path)
        await spool.open()
        await refuse(spool, 1, 3)
        assert kept(tmp_path) == [1, 2, 3]
        await spool.pack(0)
        await refuse(spool, 4, 5)
        assert kept(tmp_path) == [1, 2, 3, 4, 5]
        await spool.close()
        spool = opened(tmp_path)
        await spool.open()
        assert [refusal.seq for refusal in await spool.refusals.of_sink("one")] == [1, 2, 3, 4, 5]
        await spool.refusals.forget([Refusal(seq, "one", "", readings(1, 1)[0]) for seq in (2, 5)])
        assert kept(tmp_path) == [1, 3, 4]
        await spool.close()

    asyncio.run(work())
    assert kept(tmp_path) == [1, 3, 4]


def test_more_than_a_thousand_refused_records_are_kept_up_to_the_limit_in_bytes(tmp_path: Path) -> None:
    async def work(limit: int) -> list[float | str]:
        folder = tmp_path / str(limit)
        spool = opened(folder)
        spool.refusals.limit(limit)
        await spool.open()
        await refuse(spool, 1, 4000)
        await spool.pack(0)
        await spool.close()
        return kept(folder)

    assert asyncio.run(work(2**24)) == list(range(1, 4001))
    newest = asyncio.run(work(2**16))
    assert newest == list(range(4001 - len(newest), 4001))
    # A row has 64 bytes, two numbers, `["good"]` and a reason of 20 characters: 64 + 16 + 8 + 20 = 108.
    assert len(newest) == 2**16 // 108


def test_a_command_hands_refused_records_over_once_and_accepted_ones_leave_the_list(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "never" if number in (2, 4) else "")
        async with delivering(tmp_path, sink, stored=5) as (delivery, spool, _):
            last = await put_until_settled(spool, 6)
            await spool.sync()
            assert kept(tmp_path) == [2, 4]
            sink.judge = lambda number: "never" if number == 4 else ""
            History(tmp_path, "works").ask_again("one")
            before = len(sink.writes)
            await put(spool, last + 1, last + 1)
            await until(lambda: 2 in sink.taken)
            await put(spool, last + 2, last + 2)
            await until(lambda: kept(tmp_path) == [4])
            assert delivery.progress.state == "online"
            assert sink.writes[before:].count([2, 4]) == 1

    asyncio.run(work())


def test_a_failure_ends_the_handover_of_one_record_alone(tmp_path: Path) -> None:
    async def work() -> None:
        spool = opened(tmp_path)
        await spool.open()
        await refuse(spool, 1, 12)
        History(tmp_path, "works").ask_again("one")
        sink = Judging(lambda number: "cut" if number == 3 else "")
        handover, accepted, failures = Handover(sink, spool), 0, 0
        for _ in range(4):
            try:
                accepted += await handover.step()
            except SinkError:
                failures += 1
        assert (failures, sorted(sink.taken)) == (1, [1, 2, *range(4, 13)])
        assert kept(tmp_path) == [3]
        await spool.close()

    asyncio.run(work())


def test_the_command_lists_refused_records_and_leaves_a_request(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(CONFIG.replace('path = "."', f'path = "{tmp_path}/spool"'))

    async def work() -> None:
        spool = opened(tmp_path / "spool")
        await spool.open()
        await refuse(spool, 1, 2, "mqtt")
        await spool.close()

    asyncio.run(work())
    ended = called("refused", "-c", str(config))
    assert ended.code == 0
    assert "device incomer" in ended.out
    assert "record 2 is wrong" in ended.out
    assert "mqtt: 2 refused records" in ended.err
    ended = called("refused", "-c", str(config), "--format", "json", "--again", "mqtt")
    assert ended.code == 0
    first, _ = json.loads(ended.out)
    assert first["sink"], first["reason"] == ("mqtt", "record 1 is wrong")
    assert first["tags"] == dict(METER.tags)
    assert (tmp_path / "spool" / "again-mqtt").exists()
    ended = called("refused", "-c", str(config), "--again", "mqqt")
    assert ended.code == 2
    assert "allowed: mqtt" in ended.err
