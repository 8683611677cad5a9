"""A record is set aside only if the sink fails at it while the sink accepts others; else the sink is unavailable.

The judging sink of `delivering` decides for each record how it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from wattgram.base.errors import SinkError
from wattgram.base.record import Record
from wattgram.delivery.sink_state import LONG_OUTAGE
from wattgram.store.spool import Spool

from tests.support.deliveries import Judging, RecordedEvents, Scripted, delivering, put
from tests.support.records import METER, reading, until

ROOF = replace(METER, tags=(("site", "works"), ("device", "roof"), *METER.tags[2:]))


def mixed(count: int, strange: int) -> Iterator[Record]:
    """Yield readings of the meter; every `strange`-th reading is of the roof."""
    for number in range(1, count + 1):
        yield reading(number, METER if number % strange else ROOF)


@pytest.mark.parametrize("how", ["cut", "bug"])
def test_a_record_that_ends_the_connection_is_set_aside_and_all_others_arrive_once(tmp_path: Path, how: str) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda number: how if number == 7 else ""), RecordedEvents()
        async with delivering(tmp_path, sink, stored=mixed(30, 7), events=event_log) as (delivery, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, delivery.progress.refused, spool.refused) == (29, 1, 1)
            assert delivery.progress.state == "online"
        if how == "cut":
            # Three failures in the stream, and three alone, each beside an accepted record; then all others arrive.
            assert sink.opened == 7
            assert sorted(sink.taken) == [*range(1, 7), *range(8, 31)]
            assert event_log.events == [("records refused", "one: cut, although others are taken")]
        else:  # after an internal error it is unknown which records were sent
            assert set(sink.taken) == {*range(1, 7), *range(8, 31)}
            reason = "one: internal error, ZeroDivisionError: oops, although others are taken"
            assert event_log.events == [("records refused", reason)]

    asyncio.run(work())


def test_no_record_is_set_aside_while_a_sink_accepts_nothing(tmp_path: Path) -> None:
    async def work(how: str) -> None:
        sink, event_log = Judging(lambda _: how), RecordedEvents()
        async with delivering(tmp_path / how, sink, stored=mixed(30, 3), events=event_log) as (delivery, spool, _):
            await until(lambda: sink.opened > 40)
            assert (delivery.progress.state, spool.refused, spool.undelivered("one")) == ("away", 0, 30)
            assert [event for event, _ in event_log.events] == ["sink away"]
            sink.judge = lambda _: ""
            await until(lambda: spool.undelivered("one") == 0)
            assert delivery.progress.refused == 0
        assert sorted(sink.taken) == list(range(1, 31))
        assert [event for event, _ in event_log.events] == ["sink away", "sink back"]

    for how in ("cut", "later", "bug"):
        asyncio.run(work(how))


def test_a_single_record_is_set_aside_only_after_others_are_accepted(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "cut" if number == 1 else "")
        async with delivering(tmp_path, sink, stored=1) as (delivery, spool, _):
            await until(lambda: sink.opened > 20)
            assert spool.refused == 0
            await put(spool, 2, 3)
            await until(lambda: sorted(sink.taken) == [2, 3])
            assert spool.refused == 0  # two failures beside others that are accepted
            await put(spool, 4, 4)
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, spool.refused) == (3, 1)

    asyncio.run(work())


def test_a_record_at_which_the_sink_is_busy_is_not_set_aside(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "busy" if number == 7 else "")
        async with delivering(tmp_path, sink, stored=mixed(30, 7)) as (_, spool, _):
            await until(lambda: sink.opened > 30)
            assert (spool.refused, spool.undelivered("one")) == (0, 24)
            sink.judge = lambda _: ""
            await until(lambda: spool.undelivered("one") == 0)
        assert sink.taken == list(range(1, 31))

    asyncio.run(work())


def test_without_acknowledgements_the_failing_record_is_found_among_the_others(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "lost" if number == 6 else "")
        async with delivering(tmp_path, sink, stored=mixed(30, 4)) as (_, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert spool.refused == 1
        assert set(sink.taken) == set(range(1, 31)) - {6}

    asyncio.run(work())


def test_the_next_failing_record_of_a_series_is_set_aside_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda number: "" if float(number) % 12 else "cut"), RecordedEvents()
        async with delivering(tmp_path, sink, stored=mixed(145, 12), events=event_log) as (delivery, spool, clock):
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, spool.refused) == (133, 12)
            # Seven connections for the first record, as above; then one for each of the other eleven.
            await until(lambda: sink.opened >= 7 + 11)
            # Only the failures of the first record have a back-off: 1, 2, 4, 8 and 16 s with jitter, then a tenth each.
            assert all(slept < 0.2 for slept in clock.slept[5:])
        assert sink.opened == 7 + 11
        assert sorted(sink.taken) == [number for number in range(1, 146) if number % 12]
        assert event_log.events == [("records refused", "one: cut, although others are taken")]

    asyncio.run(work())


def test_a_series_that_is_accepted_again_is_tried_as_any_other(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "cut" if number in (5, 10) else "")
        async with delivering(tmp_path, sink, stored=mixed(40, 5)) as (_, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert spool.refused == 2
            opened = sink.opened
            sink.judge = lambda number: "cut" if number == 45 else ""
            for number in range(41, 51):
                spool.append(reading(number, METER if number % 5 else ROOF))
            await spool.sync()
            await until(lambda: spool.undelivered("one") == 0)
            assert (spool.refused, sink.opened) == (3, opened + 6)

    asyncio.run(work())


def test_a_record_deferred_repeatedly_is_set_aside_while_others_are_accepted(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda number: "" if float(number) % 7 else "later"), RecordedEvents()
        async with delivering(tmp_path, sink, stored=mixed(30, 7), events=event_log) as (delivery, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, spool.refused) == (26, 4)
            # The third attempt at the first record is its last, and ends no connection; then one refusal is enough.
            assert sink.opened == 3
        assert sorted(sink.taken) == [number for number in range(1, 31) if number % 7]
        assert event_log.events == [("records refused", "one: not now")]

    asyncio.run(work())


def test_a_reason_is_reported_once_and_again_after_an_hour_without_it(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda _: "never"), RecordedEvents()
        async with delivering(tmp_path, sink, stored=50, events=event_log) as (_, spool, clock):
            await until(lambda: spool.refused == 50)
            # The reasons differ only in a number, so they count as one reason.
            assert event_log.events == [("records refused", "one: 1.0 is wrong")]
            clock.slept.append(3590.0)
            await put(spool, 51, 51)
            await until(lambda: spool.refused == 51)
            clock.slept.append(3590.0)
            await put(spool, 52, 52)
            await until(lambda: spool.refused == 52)
            assert len(event_log.events) == 1
            clock.slept.append(3610.0)
            await put(spool, 53, 53)
            await until(lambda: spool.refused == 53)
            assert event_log.events[1:] == [("records refused", "one: 53.0 is wrong")]

    asyncio.run(work())


def refused(spool: Spool, count: int) -> bool:
    return spool.refused == count


def test_many_different_reasons_do_not_become_many_events(tmp_path: Path) -> None:
    async def work() -> None:
        reasons = [{0: f"because of {letter}"} for letter in "abcdefghij"]
        sink, event_log = Scripted(*(lambda _, reason=reason: reason for reason in reasons)), RecordedEvents()
        async with delivering(tmp_path, sink, events=event_log) as (_, spool, _):
            for number in range(1, 11):
                await put(spool, number, number)
                await until(partial(refused, spool, number))
        assert [detail for _, detail in event_log.events] == [f"one: because of {letter}" for letter in "abcde"]

    asyncio.run(work())


def test_an_outage_of_a_minute_and_its_end_are_events(tmp_path: Path) -> None:
    async def work() -> None:
        # 1 + 2 + 4 + 8 s with jitter: too short for an event.
        sink, event_log = Scripted(unreachable=4), RecordedEvents()
        async with delivering(tmp_path, sink, stored=1, events=event_log) as (delivery, spool, clock):
            await until(lambda: delivery.progress.state == "online")
            assert sum(clock.slept) < LONG_OUTAGE
            assert event_log.events == []
            # An outage with a long Retry-After is an event at once.
            sink.answers = [SinkError("too many", retry_after=300.0)]
            await put(spool, 2, 2)
            await until(lambda: spool.undelivered("one") == 0)
            assert event_log.events == [("sink away", "one: too many"), ("sink back", "one: 0 records left to deliver")]
            sink.unreachable, sink.answers = 20, [SinkError("link down")]
            await put(spool, 3, 3)
            await until(lambda: spool.undelivered("one") == 0)
            assert event_log.events[2:] == [
                ("sink away", "one: nobody there"),
                ("sink back", "one: 0 records left to deliver"),
            ]

    asyncio.run(work())
