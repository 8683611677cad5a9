"""Delivery: order, back-off, the replayed flag, and failing sinks. The test sets the time; the spool is real.

Records that make a sink fail are in test_trial, failing real servers in test_sink_trouble.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from wattgram.base.errors import SinkError
from wattgram.base.refusal import SinkRefusal
from wattgram.delivery.sinks.sink import SINK_STEP

from tests.support.deliveries import Judging, Scripted, delivering, put
from tests.support.records import readings, until


def test_records_of_an_earlier_process_are_replayed_and_new_ones_are_not(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Scripted()
        async with delivering(tmp_path, sink, stored=13) as (_, spool, _):
            await until(lambda: len(sink.got) == 2)
            await put(spool, 14, 15)
            await until(lambda: len(sink.got) == 3)
        assert sink.got == [
            (list(range(1, 11)), 10),
            ([11, 12, 13], 3),
            ([14, 15], 0),
        ]

    asyncio.run(work())


def test_records_from_before_the_end_of_an_outage_are_replayed(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Scripted()
        async with delivering(tmp_path, sink) as (delivery, spool, _):
            await put(spool, 1, 2)
            await until(lambda: delivery.progress.state == "online")
            sink.unreachable, sink.answers = 10**9, [SinkError("link down")]
            await put(spool, 3, 4)
            await until(lambda: delivery.progress.state == "away")
            await put(spool, 5, 6)
            sink.unreachable = 0
            await until(lambda: delivery.progress.state == "online")
            await put(spool, 7, 8)
            await until(lambda: delivery.progress.delivered == 8)
        assert sink.got == [([1, 2], 0), ([3, 4, 5, 6], 4), ([7, 8], 0)]

    asyncio.run(work())


def test_the_back_off_doubles_to_a_minute_with_jitter_and_restarts_after_a_success(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Scripted(unreachable=9)
        async with delivering(tmp_path, sink, stored=1) as (delivery, spool, clock):
            await until(lambda: delivery.progress.delivered == 1)
            expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
            assert len(clock.slept) == len(expected)
            assert all(0.75 * wait <= slept <= 1.25 * wait for wait, slept in zip(expected, clock.slept, strict=True))
            assert len(set(clock.slept)) == len(expected)
            sink.answers = [SinkError("once")]
            await put(spool, 2, 2)
            await until(lambda: delivery.progress.delivered == 2)
            assert 0.75 <= clock.slept[-1] <= 1.25

    asyncio.run(work())


def test_no_attempt_is_made_before_the_retry_after_of_a_server(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Scripted(SinkError("too many", retry_after=300.0))
        async with delivering(tmp_path, sink, stored=1) as (delivery, _, clock):
            await until(lambda: delivery.progress.delivered == 1)
        assert len(clock.slept) == 1
        assert 300.0 <= clock.slept[0] <= 375.0

    asyncio.run(work())


def test_records_taken_before_a_failure_are_not_sent_again(tmp_path: Path) -> None:
    async def work() -> None:
        bad = {2: SinkRefusal("bad")}
        sink = Scripted(SinkError("in the middle", taken={0, 1, 3}, refused=bad))
        async with delivering(tmp_path, sink, stored=6) as (delivery, spool, _):
            await until(lambda: spool.undelivered("one") == 0)
            # The refused record comes last: another record must be accepted between two refusals.
            assert sink.got == [([5, 6], 2), ([3], 1)]
            assert (delivery.progress.delivered, delivery.progress.refused, spool.refused) == (6, 0, 0)

    asyncio.run(work())


def test_a_refused_record_is_set_aside_and_the_others_are_delivered(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Judging(lambda number: "never" if number == 2 else "")
        async with delivering(tmp_path, sink, stored=3) as (delivery, spool, _):
            await until(lambda: delivery.progress.delivered == 2)
            assert spool.refused == 0
            await put(spool, 4, 4)
            await until(lambda: spool.undelivered("one") == 0)
            assert (delivery.progress.delivered, delivery.progress.refused, spool.refused) == (3, 1, 1)
        assert sink.taken == [1, 3, 4]

    asyncio.run(work())


def test_an_internal_error_of_a_sink_is_logged_once_with_its_traceback_and_retried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        sink = Scripted(ZeroDivisionError("oops"), ZeroDivisionError("oops"))
        async with delivering(tmp_path, sink, stored=1) as (delivery, _, clock):
            await until(lambda: delivery.progress.delivered == 1)
            assert len(clock.slept) == 2

    caplog.set_level(logging.INFO)
    asyncio.run(work())
    log_records = [log_record for log_record in caplog.records if "unavailable" in log_record.getMessage()]
    assert [log_record.getMessage() for log_record in log_records] == [
        "one is unavailable: internal error, ZeroDivisionError: oops"
    ]
    assert log_records[0].exc_info is not None


def test_an_outage_is_logged_at_its_beginning_and_end_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        sink = Scripted(unreachable=20)
        async with delivering(tmp_path, sink, stored=2) as (delivery, _, _):
            await until(lambda: delivery.progress.delivered == 2 and delivery.progress.state == "online")

    caplog.set_level(logging.INFO)
    asyncio.run(work())
    messages = [
        log_record.getMessage() for log_record in caplog.records if log_record.name == "wattgram.delivery.sink_state"
    ]
    assert messages == ["one is unavailable: nobody there", "one is available again, 0 records left to deliver"]


def test_each_connection_is_closed_and_the_last_connection_at_the_end(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Scripted(SinkError("once"))
        async with delivering(tmp_path, sink, stored=1) as (delivery, _, _):
            await until(lambda: delivery.progress.delivered == 1)
            assert (sink.opened, sink.closed) == (2, 1)
        assert sink.closed == 2

    asyncio.run(work())


def test_an_empty_queue_is_a_wait_and_a_write_is_a_step_with_a_limit(tmp_path: Path) -> None:
    async def work() -> None:
        sink = Scripted()
        async with delivering(tmp_path, sink) as (delivery, spool, _):
            await until(lambda: delivery.pulse.unless is not None)
            assert delivery.pulse.unless is not None
            assert delivery.pulse.unless()
            spool.append(readings(1, 1)[0])
            sink.hangs = True
            await spool.sync()
            assert not delivery.pulse.unless()
            await until(lambda: delivery.pulse.unless is None)
            steps = delivery.pulse.steps
            await asyncio.sleep(0.1)
            assert (delivery.pulse.steps, delivery.pulse.seconds) == (steps, SINK_STEP)

    asyncio.run(work())


def test_a_back_off_of_any_length_is_declared(tmp_path: Path) -> None:
    async def work() -> None:
        declared: list[float] = []
        sink = Scripted(SinkError("too many", retry_after=3600.0))
        async with delivering(tmp_path, sink) as (delivery, spool, clock):

            async def sleep(seconds: float) -> None:
                declared.append(delivery.pulse.seconds)
                slept.append(seconds)

            slept: list[float] = []
            clock.sleep = sleep  # type: ignore[method-assign]  # records the declared time
            await put(spool, 1, 1)
            await until(lambda: delivery.progress.delivered == 1)
        assert declared == slept
        assert declared[0] >= 3600.0

    asyncio.run(work())
