"""A record is set aside only if the sink refuses it again after accepting others; else the sink is unavailable.

The judging sink of `delivering` decides for each record how it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wattgram.base.errors import SinkError
from wattgram.base.record import Record
from wattgram.base.refusal import RefusalKind, SinkRefusal
from wattgram.delivery.sink_state import LONG_OUTAGE
from wattgram.store.spool import Spool

from tests.support.deliveries import Judging, RecordedEvents, Scripted, delivering, put, put_until_settled
from tests.support.records import METER, reading, until

ROOF = replace(METER, tags=(("site", "works"), ("device", "roof"), *METER.tags[2:]))


def mixed(count: int, strange: int) -> Iterator[Record]:
    """Yield readings of the meter; every `strange`-th reading is of the roof."""
    for number in range(1, count + 1):
        yield reading(number, METER if number % strange else ROOF)


@pytest.mark.parametrize("how", ["cut", "bug"])
def test_a_record_that_ends_the_connection_is_set_aside_and_all_others_arrive(tmp_path: Path, how: str) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda number: how if number == 7 else ""), RecordedEvents()
        async with delivering(tmp_path, sink, stored=mixed(60, 7), events=event_log) as (delivery, spool, clock):
            await until(lambda: spool.undelivered("one") == 0)
            await until(lambda: delivery.progress.state == "online")
            assert (delivery.progress.refused, spool.refused) == (1, 1)
            # Only the first three failures have a back-off: 1, 2 and 4 s with jitter.
            assert all(slept < 0.2 for slept in clock.slept[3:])
        assert set(sink.taken) == set(range(1, 61)) - {7}
        if how == "cut":
            # Three failures in the stream, and three alone, with accepted records between them.
            assert sink.opened == 7
            assert sorted(sink.taken) == [*range(1, 7), *range(8, 61)]
            assert event_log.events == [("records refused", "one: cut, although others are taken")]
        else:  # after an internal error it is unknown which records were sent
            reason = "one: internal error, ZeroDivisionError: oops, although others are taken"
            assert event_log.events == [("records refused", reason)]

    asyncio.run(work())


@pytest.mark.parametrize("how", ["never", "cut", "later", "bug"])
def test_no_record_is_set_aside_while_a_sink_accepts_nothing(tmp_path: Path, how: str) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda _: how), RecordedEvents()
        async with delivering(tmp_path, sink, stored=mixed(30, 3), events=event_log) as (delivery, spool, _):
            await until(lambda: sink.opened > 40)
            assert (delivery.progress.state, spool.refused, spool.undelivered("one")) == ("away", 0, 30)
            assert [event for event, _ in event_log.events] == ["sink away"]
            sink.judge = lambda _: ""
            await until(lambda: spool.undelivered("one") == 0 and delivery.progress.state == "online")
            assert (delivery.progress.refused, delivery.progress.state) == (0, "online")
        assert sorted(sink.taken) == list(range(1, 31))
        assert [event for event, _ in event_log.events] == ["sink away", "sink back"]

    asyncio.run(work())


@settings(max_examples=12, deadline=None)
@given(changes=st.lists(st.integers(1, 40), min_size=1, max_size=2, unique=True).map(sorted))
def test_rights_that_change_in_the_middle_of_a_write_cost_no_record(
    tmp_path_factory: pytest.TempPathFactory, changes: list[int]
) -> None:
    # The sink refuses everything from the n-th record that it sees to the next change.
    async def work() -> None:
        seen = 0

        def judge(_: float | str) -> str:
            nonlocal seen
            seen += 1
            return "never" if sum(seen >= change for change in changes) % 2 else ""

        sink = Judging(judge)
        async with delivering(tmp_path_factory.mktemp("rights"), sink, stored=30) as (_, spool, _):
            await until(lambda: spool.undelivered("one") == 0 or sink.opened > 20)
            sink.judge = lambda _: ""
            await put_until_settled(spool, 31)
            assert spool.refused == 0
        assert set(sink.taken) >= set(range(1, 31))

    asyncio.run(work())


@settings(max_examples=12, deadline=None)
@given(
    poison=st.dictionaries(st.integers(1, 40), st.sampled_from(["never", "cut", "unwritable", "field"]), max_size=12)
)
def test_any_pattern_of_refused_records_is_set_aside_exactly(
    tmp_path_factory: pytest.TempPathFactory, poison: dict[int, str]
) -> None:
    async def work() -> None:
        sink = Judging(lambda number: poison.get(int(float(number)), ""))
        async with delivering(tmp_path_factory.mktemp("poison"), sink, stored=mixed(40, 3)) as (delivery, spool, _):
            last = await put_until_settled(spool, 41)
            aside = {number for number, how in poison.items() if how != "field"}
            assert spool.refused == delivery.progress.refused == len(aside)
            assert set(sink.taken) == set(range(1, last + 1)) - aside
            refusals = await spool.refusals.of_sink("one")
            assert {refusal.record["active_power_total"] for refusal in refusals} == aside

    asyncio.run(work())


def test_a_run_of_refused_records_longer_than_a_batch_does_not_delay_new_ones(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "never" if float(number) <= 1000 else "")
        async with delivering(tmp_path, sink, stored=1001) as (_, spool, clock):
            await until(lambda: 1001 in sink.taken)
            assert clock.slept == []
            await put(spool, 1002, 1030)
            await until(lambda: spool.undelivered("one") == 0)
            assert spool.refused == 1000
            assert sorted(sink.taken) == list(range(1001, 1031))
            # A new record comes after the first batch of ten; then each batch is refused once more.
            assert len(sink.writes) < 2 * 100 + 20

    asyncio.run(work())


def test_a_refused_record_counts_only_after_others_are_accepted(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "cut" if number == 1 else "")
        async with delivering(tmp_path, sink, stored=1) as (_, spool, _):
            await until(lambda: sink.opened > 20)
            assert spool.refused == 0
            last = await put_until_settled(spool, 2)
            assert spool.refused == 1
        assert sorted(sink.taken) == list(range(2, last + 1))

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
            last = await put_until_settled(spool, 31)
            assert spool.refused == 1
        assert set(sink.taken) == set(range(1, last + 1)) - {6}

    asyncio.run(work())


def test_the_next_failing_records_of_a_series_cost_few_connections(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda number: "" if float(number) % 12 else "cut"), RecordedEvents()
        async with delivering(tmp_path, sink, stored=mixed(145, 12), events=event_log) as (delivery, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, spool.refused) == (133, 12)
            # Seven connections for the first record, as above; then one for each of the others, and few more that met
            # the next one before the verdict on the first.
            assert sink.opened <= 7 + 11 + 5
        assert sorted(sink.taken) == [number for number in range(1, 146) if number % 12]
        assert event_log.events == [("records refused", "one: cut, although others are taken")]

    asyncio.run(work())


def test_a_series_that_is_accepted_again_is_tried_as_any_other(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "never" if number in (5, 10) else "")
        async with delivering(tmp_path, sink, stored=mixed(40, 5)) as (_, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert spool.refused == 2
            written = len(sink.writes)
            for number in range(41, 51):
                spool.append(reading(number, METER if number % 5 else ROOF))
            await spool.sync()
            await until(lambda: spool.undelivered("one") == 0)
            assert sink.writes[written:] == [list(range(41, 51))]
        assert set(sink.taken) == set(range(1, 51)) - {5, 10}

    asyncio.run(work())


def test_a_passing_refusal_counts_only_after_a_minute_beside_accepted_records(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda number: "later" if number == 3 else ""), RecordedEvents()
        async with delivering(tmp_path, sink, stored=5, events=event_log) as (_, spool, clock):
            for number in range(6, 16):
                await put(spool, number, number)
                await until(partial(taken, sink, number))
                assert spool.refused == 0
                if sum(clock.slept) > 25.0:
                    break
            clock.slept.append(61.0)
            await put_until_settled(spool, number + 1)
            assert spool.refused == 1
        assert ("records refused", "one: not now") in event_log.events

    asyncio.run(work())


def taken(sink: Judging, number: int) -> bool:
    return number in sink.taken


def test_a_field_in_conflict_costs_the_field_and_is_one_event(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda _: "field"), RecordedEvents()
        async with delivering(tmp_path, sink, stored=30, events=event_log) as (delivery, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, spool.refused) == (30, 0)
        assert event_log.events == [("field refused", "one: field 'f' has another type")]

    asyncio.run(work())


def test_a_reason_is_reported_once_and_again_after_an_hour_without_it(tmp_path: Path) -> None:
    async def work() -> None:
        sink, event_log = Judging(lambda _: "unwritable"), RecordedEvents()
        async with delivering(tmp_path, sink, stored=50, events=event_log) as (_, spool, clock):
            await until(lambda: spool.refused == 50)
            # The reasons differ only in a number, so they count as one reason.
            assert event_log.events == [("records refused", "one: 1.0 has no form")]
            for number, pause in ((51, 3590.0), (52, 3590.0), (53, 3610.0)):
                clock.slept.append(pause)
                assert len(event_log.events) == 1
                await put(spool, number, number)
                await until(partial(refused, spool, number))
            assert event_log.events[1:] == [("records refused", "one: 53.0 has no form")]

    asyncio.run(work())


def refused(spool: Spool, count: int) -> bool:
    return spool.refused == count


def test_many_different_reasons_do_not_become_many_events(tmp_path: Path) -> None:
    async def work() -> None:
        letters = iter("abcdefghij")
        event_log = RecordedEvents()

        def unwritable(_: Sequence[Record]) -> dict[int, SinkRefusal]:
            return {0: SinkRefusal(f"because of {next(letters)}", RefusalKind.UNWRITABLE)}

        scripted = Scripted(*[unwritable] * 10)
        async with delivering(tmp_path, scripted, events=event_log) as (_, spool, _):
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
