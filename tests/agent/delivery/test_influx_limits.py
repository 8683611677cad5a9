"""Limits of databases: size, time and rate of requests. InfluxDB behind nginx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.errors import RefusalsOnly, SinkError
from wattgram.base.record import Record, Series, record
from wattgram.delivery.sinks import influx_client, influx_sink
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink
from wattgram.delivery.sinks.line_halving import REFUSED_ALONE

from tests.support.databases import Call, Influx, Victoria, WriteV2, nginx_v2
from tests.support.deliveries import connected
from tests.support.records import METER, NOW, reading, readings
from tests.support.servers import wait_for

LINE = 150
"""Approximate size of the line of a reading, bytes."""

Proxied = Callable[..., tuple[WriteV2, InfluxConfig]]


@pytest.fixture
def proxied(tmp_path: Path, influx_engine: Influx, bucket_names: Iterator[str]) -> Iterator[Proxied]:
    """Return a function that creates a database behind an nginx with limits."""
    with ExitStack() as stack:

        def make(**limits: Any) -> tuple[WriteV2, InfluxConfig]:
            name = next(bucket_names)
            influx_engine.create(name)
            write = stack.enter_context(nginx_v2(tmp_path / name, influx_engine.port, "t0ken", "plant", **limits))
            return write, InfluxConfig(write.url, "plant", name, "t0ken")

        yield make


def stored(engine: Influx, config: InfluxConfig) -> list[object]:
    return [row["active_power_total"] for row in engine.query(config.bucket, "SELECT active_power_total FROM device")]


def calls(write: WriteV2, count: int) -> list[Call]:
    return wait_for(lambda: write.calls() if len(write.calls()) == count else [], 10, f"{count} calls")


def test_a_batch_goes_in_requests_of_bounded_size(
    proxied: Proxied, influx_engine: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_sink, "REQUEST_BYTES", 20_000)
    write, config = proxied()

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            assert await sink.write(readings(1, 1000), 0) == {}
            size = sum(len(sink._lines.line(record)) + 1 for record in readings(1, 1000))
            requests = calls(write, -(-size // 20_000))
            assert all(call.size < 20_000 + 1000 for call in requests)  # a kilobyte for the head

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 1001))


def test_a_too_large_request_is_halved_and_later_requests_start_small(
    proxied: Proxied, influx_engine: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, config = proxied(largest="40k")

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            assert await sink.write(readings(1, 1000), 0) == {}
            wait_for(lambda: 413 in write.statuses(), 10, "a refusal")
            large = write.statuses().count(413)
            assert large <= 4  # 112 kB, two of 56 kB, and the pieces fit
            for first in range(1001, 4001, 1000):
                assert await sink.write(readings(first, first + 999), 0) == {}
            wait_for(lambda: len(write.statuses()) > 12, 10, "the rest")
            assert write.statuses().count(413) == large
            # After ten minutes larger requests are tried again.
            monkeypatch.setattr(influx_sink, "RELIEF", 0.0)
            sink._limit._until = 0.0
            for first in range(4001, 7001, 1000):
                assert await sink.write(readings(first, first + 999), 0) == {}
            wait_for(lambda: write.statuses().count(413) > large, 10, "another refusal")

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 7001))


def test_a_too_large_record_is_set_aside(proxied: Proxied, influx_engine: Influx) -> None:
    _, config = proxied(largest="5k")

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            refused = await sink.write([*readings(1, 20), reading(21, quality="x" * 6000), *readings(22, 40)], 0)
            assert list(refused) == [20]
            assert "HTTP 413" in refused[20].reason

    asyncio.run(work())
    assert stored(influx_engine, config) == [*range(1, 21), *range(22, 41)]


def poison(numbers: Sequence[int]) -> list[Record]:
    """Return records whose `frequency` is a text in the database (see `as_text`)."""
    series = Series("device", (*METER.tags[:1], ("device", "poison"), *METER.tags[2:]), ("frequency",))
    return [record(series, NOW + number, {"frequency": 50.0}) for number in numbers]


def as_text() -> Record:
    tags = (*METER.tags[:1], ("device", "poison"), *METER.tags[2:])
    return Record(Series("device", tags, (), (), ("frequency",)), NOW, b"", ("fifty",))


def test_a_422_about_one_line_refuses_that_record_alone(proxied: Proxied, influx_engine: Influx) -> None:
    write, config = proxied(unprocessable=True)

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            assert await sink.write([as_text()], 0) == {}
            refused = await sink.write([*readings(1, 70), *poison([1]), *readings(71, 200)], 0)
            assert list(refused) == [70]
            assert "HTTP 422" in refused[70].reason

    asyncio.run(work())
    assert 422 in write.statuses()
    assert stored(influx_engine, config) == list(range(1, 201))


def test_a_conflicting_series_is_found_in_few_requests_wherever_its_records_are(
    proxied: Proxied, influx_engine: Influx
) -> None:
    write, config = proxied()
    batch = [record for number in range(1, 501) for record in (reading(number), *poison([number]))]

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            assert await sink.write([as_text()], 0) == {}
            refused = await sink.write(batch, 0)
            assert list(refused) == list(range(1, 1000, 2))

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 501))
    # Sorted by series, 500 records of each are adjacent, so the second halving separates them; single records would
    # need a thousand requests.
    assert len(calls(write, len(write.statuses()))) < 10


@pytest.mark.server
def test_a_server_that_refuses_every_line_gets_few_requests(proxied: Proxied) -> None:
    write, config = proxied(largest="10")

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            with pytest.raises(RefusalsOnly, match="HTTP 413") as raised:
                await sink.write(readings(1, 1000), 0)
            assert not raised.value.taken
            assert len(raised.value.refused) == REFUSED_ALONE

    asyncio.run(work())
    wait_for(lambda: len(write.statuses()) > 5, 10, "its answers")
    assert len(write.statuses()) < 20


def test_a_slow_server_gets_smaller_requests(
    proxied: Proxied, influx_engine: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 0.5)
    monkeypatch.setattr(influx_sink, "REQUEST_BYTES", 60_000)
    write, config = proxied()

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            write.pause()
            with pytest.raises(SinkError, match=r"no answer within 0\.5 s to \d+ bytes"):
                await sink.write(readings(1, 1000), 0)
            write.resume()
            wait_for(lambda: len(write.calls()) == 1, 10, "the abandoned request")
            assert await sink.write(readings(1, 1000), 0) == {}
            wait_for(lambda: len(write.calls()) >= 4, 10, "the others")
            assert all(call.size < 30_000 + 1000 for call in write.calls()[1:])

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 1001))


@pytest.mark.parametrize("later", [120, 7200, -60])
@pytest.mark.server
def test_a_retry_after_date_counts_from_the_clock_of_the_server(proxied: Proxied, later: int) -> None:
    at = datetime.now(UTC) + timedelta(seconds=later)
    write, config = proxied(retry_after=format_datetime(at, usegmt=True))

    async def work() -> float | None:
        async with connected(InfluxSink(config)) as sink:
            with write.answering(429), pytest.raises(SinkError) as raised:
                await sink.write(readings(1, 3), 0)
        return raised.value.retry_after

    wait = asyncio.run(work())
    assert wait is not None
    if later == 120:
        assert 60.0 < wait <= 120.0  # some seconds have passed since the date was set
    else:
        assert wait == (3600.0 if later > 3600 else 0.0)


@pytest.mark.parametrize("words", ["soon", "-5", "1.5", "Thu, 99 Foo 2026 99:99:99 GMT", "9" * 400])
@pytest.mark.server
def test_an_invalid_retry_after_is_ignored(proxied: Proxied, words: str) -> None:
    write, config = proxied(retry_after=words)

    async def work() -> float | None:
        async with connected(InfluxSink(config)) as sink:
            with write.answering(429), pytest.raises(SinkError) as raised:
                await sink.write(readings(1, 3), 0)
        return raised.value.retry_after

    assert asyncio.run(work()) == (3600.0 if words.startswith("9") else None)


# compression


@pytest.mark.parametrize(
    ("url", "compressed"),
    [
        ("http://127.0.0.1:8086", False),
        ("http://localhost:8086", False),
        ("http://[::1]:8086", False),
        ("http://192.168.1.5:8086", True),
        ("https://eu-central-1.aws.cloud2.influxdata.com", True),
    ],
)
def test_requests_to_other_machines_are_compressed(url: str, compressed: bool) -> None:
    assert InfluxSink(InfluxConfig(url, "plant", "energy"))._compressed is compressed


def test_compressed_lines_arrive_in_a_fraction_of_the_bytes(proxied: Proxied, influx_engine: Influx) -> None:
    write, config = proxied()

    async def work() -> None:
        async with connected(InfluxSink(config)) as sink:
            sink._compressed = True
            assert await sink.write(readings(1, 1000), 0) == {}
            assert await sink.write(readings(1001, 1001), 0) == {}

    asyncio.run(work())
    large, small = calls(write, 2)
    assert (large.coding, small.coding) == ("gzip", "-")  # a single line is not compressed
    assert large.size < 1000 * LINE / 3
    assert stored(influx_engine, config) == list(range(1, 1002))


def test_victoria_metrics_takes_compressed_lines(victoria: Victoria) -> None:
    tags = (("site", "works"), ("device", "compressed"))
    series = Series("device", tags, METER.fields, (), METER.texts)

    async def work() -> None:
        async with connected(InfluxSink(InfluxConfig(victoria.url, "plant", "energy"))) as sink:
            sink._compressed = True
            assert await sink.write([reading(number, series) for number in range(1, 101)], 0) == {}

    asyncio.run(work())
    (exported,) = victoria.export('device_active_power_total{device="compressed"}')
    assert exported["values"] == list(range(1, 101))
