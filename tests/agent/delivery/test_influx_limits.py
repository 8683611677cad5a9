"""What databases limit: the size of a request, the time for it, how often one may ask. InfluxDB behind nginx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.errors import SinkError
from wattgram.base.record import Record, Series, record
from wattgram.delivery.sinks import influx_client, influx_sink
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink

from tests.support.records import METER, NOW, reading, readings
from tests.support.servers import Call, Influx, Victoria, WriteV2, nginx_v2, wait_for

LINE = 150
"""About the bytes of a reading's line."""

Proxied = Callable[..., tuple[WriteV2, InfluxConfig]]


@pytest.fixture
def proxied(tmp_path: Path, influx_engine: Influx, bucket_names: Iterator[str]) -> Iterator[Proxied]:
    """Makes a fresh database behind an nginx with limits."""
    with ExitStack() as stack:

        def make(**limits: Any) -> tuple[WriteV2, InfluxConfig]:
            name = next(bucket_names)
            influx_engine.create(name)
            write = stack.enter_context(nginx_v2(tmp_path / name, influx_engine.port, "t0ken", "plant", **limits))
            return write, InfluxConfig(write.url, "plant", name, "t0ken")

        yield make


@asynccontextmanager
async def opened(config: InfluxConfig) -> AsyncIterator[InfluxSink]:
    sink = InfluxSink(config)
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


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
        async with opened(config) as sink:
            assert await sink.write(readings(1, 1000), 0) == {}
            size = sum(len(sink._lines.line(one)) + 1 for one in readings(1, 1000))
            made = calls(write, -(-size // 20_000))
            assert all(one.size < 20_000 + 1000 for one in made)  # a kilobyte for the head

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 1001))


def test_a_request_that_is_too_large_is_halved_and_those_after_it_are_small_from_the_start(
    proxied: Proxied, influx_engine: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, config = proxied(largest="40k")

    async def work() -> None:
        async with opened(config) as sink:
            assert await sink.write(readings(1, 1000), 0) == {}
            wait_for(lambda: 413 in write.statuses(), 10, "a refusal")
            large = write.statuses().count(413)
            assert large <= 4  # 112 kB, two of 56 kB, and the pieces fit
            for first in range(1001, 4001, 1000):
                assert await sink.write(readings(first, first + 999), 0) == {}
            wait_for(lambda: len(write.statuses()) > 12, 10, "the rest")
            assert write.statuses().count(413) == large
            # After ten minutes larger ones are tried again.
            monkeypatch.setattr(influx_sink, "RELIEF", 0.0)
            sink._limit._until = 0.0
            for first in range(4001, 7001, 1000):
                assert await sink.write(readings(first, first + 999), 0) == {}
            wait_for(lambda: write.statuses().count(413) > large, 10, "another refusal")

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 7001))


def test_a_record_that_is_too_large_by_itself_is_set_aside(proxied: Proxied, influx_engine: Influx) -> None:
    _, config = proxied(largest="5k")

    async def work() -> None:
        async with opened(config) as sink:
            refused = await sink.write([*readings(1, 20), reading(21, quality="x" * 6000), *readings(22, 40)], 0)
            assert list(refused) == [20]
            assert "HTTP 413" in refused[20]

    asyncio.run(work())
    assert stored(influx_engine, config) == [*range(1, 21), *range(22, 41)]


def poison(numbers: Sequence[int]) -> list[Record]:
    """Records whose `frequency` the database knows as a text (see `as_text`)."""
    series = Series("device", (*METER.tags[:1], ("device", "poison"), *METER.tags[2:]), ("frequency",))
    return [record(series, NOW + number, {"frequency": 50.0}) for number in numbers]


def as_text() -> Record:
    tags = (*METER.tags[:1], ("device", "poison"), *METER.tags[2:])
    return Record(Series("device", tags, (), (), ("frequency",)), NOW, b"", ("fifty",))


def test_a_422_about_one_line_costs_that_record_alone(proxied: Proxied, influx_engine: Influx) -> None:
    write, config = proxied(unprocessable=True)

    async def work() -> None:
        async with opened(config) as sink:
            assert await sink.write([as_text()], 0) == {}
            refused = await sink.write([*readings(1, 70), *poison([1]), *readings(71, 200)], 0)
            assert list(refused) == [70]
            assert "HTTP 422" in refused[70]

    asyncio.run(work())
    assert 422 in write.statuses()
    assert stored(influx_engine, config) == list(range(1, 201))


def test_a_series_that_conflicts_is_found_in_few_requests_wherever_its_records_are(
    proxied: Proxied, influx_engine: Influx
) -> None:
    write, config = proxied()
    batch = [one for number in range(1, 501) for one in (reading(number), *poison([number]))]

    async def work() -> None:
        async with opened(config) as sink:
            assert await sink.write([as_text()], 0) == {}
            refused = await sink.write(batch, 0)
            assert list(refused) == list(range(1, 1000, 2))

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 501))
    # Sorted by series 500 of each stand together, so the second halving parts them; one by one it would be a thousand.
    assert len(calls(write, len(write.statuses()))) < 10


@pytest.mark.server
def test_a_server_that_refuses_every_line_is_not_asked_about_each(proxied: Proxied) -> None:
    write, config = proxied(largest="10")

    async def work() -> None:
        async with opened(config) as sink:
            with pytest.raises(SinkError, match="HTTP 413") as raised:
                await sink.write(readings(1, 1000), 0)
            assert not raised.value.taken
            assert not raised.value.refused
            assert len(raised.value.doubted) == influx_sink.REFUSED_ALONE

    asyncio.run(work())
    wait_for(lambda: len(write.statuses()) > 5, 10, "its answers")
    assert len(write.statuses()) < 20


def test_a_server_that_takes_too_long_gets_smaller_requests(
    proxied: Proxied, influx_engine: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 0.5)
    monkeypatch.setattr(influx_sink, "REQUEST_BYTES", 60_000)
    write, config = proxied()

    async def work() -> None:
        async with opened(config) as sink:
            write.pause()
            with pytest.raises(SinkError, match=r"no answer within 0\.5 s to \d+ bytes"):
                await sink.write(readings(1, 1000), 0)
            write.resume()
            wait_for(lambda: len(write.calls()) == 1, 10, "the one that was given up")
            assert await sink.write(readings(1, 1000), 0) == {}
            wait_for(lambda: len(write.calls()) >= 4, 10, "the others")
            assert all(one.size < 30_000 + 1000 for one in write.calls()[1:])

    asyncio.run(work())
    assert stored(influx_engine, config) == list(range(1, 1001))


@pytest.mark.parametrize("later", [120, 7200, -60])
@pytest.mark.server
def test_a_date_to_come_back_at_counts_from_the_servers_clock(proxied: Proxied, later: int) -> None:
    at = datetime.now(UTC) + timedelta(seconds=later)
    write, config = proxied(retry_after=format_datetime(at, usegmt=True))

    async def work() -> float | None:
        async with opened(config) as sink:
            with write.answering(429), pytest.raises(SinkError) as raised:
                await sink.write(readings(1, 3), 0)
        return raised.value.retry_after

    asked = asyncio.run(work())
    assert asked is not None
    if later == 120:
        assert 60.0 < asked <= 120.0  # it took some seconds to get here
    else:
        assert asked == (3600.0 if later > 3600 else 0.0)


@pytest.mark.parametrize("words", ["soon", "-5", "1.5", "Thu, 99 Foo 2026 99:99:99 GMT", "9" * 400])
@pytest.mark.server
def test_a_time_to_come_back_that_nobody_understands_is_none(proxied: Proxied, words: str) -> None:
    write, config = proxied(retry_after=words)

    async def work() -> float | None:
        async with opened(config) as sink:
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
def test_what_leaves_the_machine_is_compressed(url: str, compressed: bool) -> None:
    assert InfluxSink(InfluxConfig(url, "plant", "energy"))._compressed is compressed


def test_compressed_lines_arrive_in_a_fraction_of_the_bytes(proxied: Proxied, influx_engine: Influx) -> None:
    write, config = proxied()

    async def work() -> None:
        async with opened(config) as sink:
            sink._compressed = True
            assert await sink.write(readings(1, 1000), 0) == {}
            assert await sink.write(readings(1001, 1001), 0) == {}

    asyncio.run(work())
    large, small = calls(write, 2)
    assert (large.coding, small.coding) == ("gzip", "-")  # one line is not worth it
    assert large.size < 1000 * LINE / 3
    assert stored(influx_engine, config) == list(range(1, 1002))


def test_victoria_metrics_takes_compressed_lines(victoria: Victoria) -> None:
    tags = (("site", "works"), ("device", "compressed"))
    series = Series("device", tags, METER.fields, (), METER.texts)

    async def work() -> None:
        async with opened(InfluxConfig(victoria.url, "plant", "energy")) as sink:
            sink._compressed = True
            assert await sink.write([reading(number, series) for number in range(1, 101)], 0) == {}

    asyncio.run(work())
    (found,) = victoria.export('device_active_power_total{device="compressed"}')
    assert found["values"] == list(range(1, 101))
