"""The InfluxDB sink with InfluxDB behind the version 2 write call, with VictoriaMetrics, and with failing servers."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.errors import SinkError
from wattgram.base.record import Record, Series, record
from wattgram.delivery.sinks import influx_client
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink

from tests.conftest import Bucket
from tests.support.certificates import Certificates, certificates
from tests.support.databases import Influx, Victoria, nginx_v2
from tests.support.deliveries import connected
from tests.support.records import METER, NOW, reading, readings
from tests.support.servers import free_port, wait_for

SECRET = "s3cret-t0ken-of-the-database"
Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Run:
    """Run a coroutine; check that no error is logged and that no log line has the token."""

    def runner(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        caplog.set_level(logging.DEBUG)
        asyncio.run(asyncio.wait_for(work(), 60))
        gc.collect()
        assert [log_record.getMessage() for log_record in caplog.records if log_record.levelno >= logging.ERROR] == []
        assert "t0ken" not in caplog.text

    return runner


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the time-out of a request to half a second."""
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 0.5)


def config(bucket: Bucket, /, **more: Any) -> InfluxConfig:
    return replace(InfluxConfig(bucket.write.url, bucket.org, bucket.name, bucket.token), **more)


def stored(bucket: Bucket) -> list[object]:
    return [row["active_power_total"] for row in bucket.rows("SELECT active_power_total FROM device")]


def test_a_point_has_measurement_tags_fields_and_nanoseconds(bucket: Bucket, run: Run) -> None:
    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            strange = record(METER, NOW + 7, {"active_power_total": 0.1, "quality": 'a "quoted" 日本 text'})
            assert await sink.write([strange], 0) == {}
            assert await sink.write([record(METER, NOW, {})], 0) == {}  # a record without values is not written

    run(work)
    assert bucket.rows("SELECT * FROM device") == [
        {
            "name": "device",
            "time": NOW + 7,
            "active_power_total": 0.1,
            "quality": 'a "quoted" 日本 text',
            "site": "works",
            "device": "incomer",
            "role": "grid",
            "driver": "eastron_sdm630",
        }
    ]


def test_a_batch_is_one_request_and_sending_it_again_changes_nothing(bucket: Bucket, run: Run) -> None:
    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            for _ in range(2):
                assert await sink.write(readings(1, 5000), 0) == {}

    run(work)
    assert stored(bucket) == list(range(1, 5001))
    wait_for(lambda: bucket.write.statuses() == [204, 204], 10, "two requests")


def poisoned(bucket: Bucket) -> Series:
    """Return a series whose `frequency` is a text in the database, so that the database refuses a number."""
    series = replace(METER, tags=(*METER.tags[:1], ("device", "poison"), *METER.tags[2:]), fields=("frequency",))
    as_text = Series("device", series.tags, (), (), ("frequency",))

    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            assert await sink.write([Record(as_text, NOW, b"", ("fifty",))], 0) == {}

    asyncio.run(work())
    return series


def test_a_record_whose_type_conflicts_is_refused_alone(bucket: Bucket, run: Run) -> None:
    series = poisoned(bucket)
    bad = record(series, NOW + 1, {"frequency": 50.0})

    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            refused = await sink.write([*readings(1, 70), bad, *readings(71, 200)], 0)
            assert list(refused) == [70]
            assert "HTTP 400" in refused[70].reason
            assert "field type conflict" in refused[70].reason

    run(work)
    assert stored(bucket) == list(range(1, 201))


def test_a_batch_of_conflicting_records_takes_one_request(bucket: Bucket, run: Run) -> None:
    series = poisoned(bucket)

    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            bad = [record(series, NOW + number, {"frequency": 50.0}) for number in range(1, 1001)]
            assert list(await sink.write(bad, 0)) == list(range(1000))

    before = len(bucket.write.statuses())
    run(work)
    wait_for(lambda: bucket.write.statuses()[before:], 10, "its request")
    assert bucket.write.statuses()[-1] == 400
    assert bucket.write.statuses().count(400) == 1


def test_a_record_not_writable_as_a_line_is_refused_alone(bucket: Bucket, run: Run) -> None:
    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            refused = await sink.write([reading(1), reading(2, quality="\ud800"), Record(METER, NOW, b"", ("",))], 0)
            assert list(refused) == [1, 2]
            assert all(refusal.reason.startswith("not writable as line protocol: ") for refusal in refused.values())

    run(work)
    assert stored(bucket) == [1]


@pytest.mark.parametrize(
    ("status", "text", "retry_after"),
    [
        (200, "HTTP 200, expected 204; is it a database", None),
        (302, "HTTP 302 to 'http://portal.example/login', is that the right url", None),
        (401, "HTTP 401 .*token right", None),
        (403, "HTTP 403 .*may the token write to the bucket", None),
        (429, "HTTP 429 .*on demand", 1.0),
        (500, "HTTP 500 .*what does its log say", None),
        (503, "HTTP 503 .*on demand", None),
    ],
)
def test_records_stay_queued_when_a_database_defers_them(
    bucket: Bucket, run: Run, status: int, text: str, retry_after: float | None
) -> None:
    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            with bucket.write.answering(status), pytest.raises(SinkError, match=text) as raised:
                await sink.write(readings(1, 10), 0)
            # The server's Retry-After is 1.
            assert (raised.value.retry_after, raised.value.taken) == (retry_after, frozenset())
            assert await sink.write(readings(1, 10), 0) == {}

    run(work)
    assert stored(bucket) == list(range(1, 11))


def test_errors_about_token_bucket_and_organisation_name_the_setting(bucket: Bucket, run: Run) -> None:
    async def work() -> None:
        for wrong, text in (
            (config(bucket, token=SECRET), f"{bucket.write.url}: HTTP 401 .*is the token right"),
            (config(bucket, org="nobody"), "HTTP 404 .*are url, org and bucket right"),
            (config(bucket, bucket="nowhere"), "HTTP 404 .*database not found.*bucket right"),
        ):
            assert SECRET not in repr(wrong)
            async with connected(InfluxSink(wrong)) as sink:
                assert SECRET not in repr(sink)
                with pytest.raises(SinkError, match=text) as raised:
                    await sink.write(readings(1, 2), 0)
                assert SECRET not in str(raised.value)

    run(work)


def test_a_refused_connection_is_a_sink_error_with_the_address(bucket: Bucket, run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    async def work() -> None:
        async with connected(InfluxSink(config(bucket, url=url))) as sink:
            with pytest.raises(SinkError, match=f"{url}: .*"):
                await sink.write(readings(1, 2), 0)

    run(work)


@pytest.mark.usefixtures("hasty")
def test_a_request_to_a_hung_server_ends_with_the_time_out(bucket: Bucket, run: Run) -> None:
    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            bucket.write.pause()
            with pytest.raises(SinkError, match=r"no answer within 0\.5 s"):
                await sink.write(readings(1, 10), 0)
            bucket.write.resume()
            assert await sink.write(readings(1, 10), 0) == {}

    run(work)
    assert stored(bucket) == list(range(1, 11))


def test_a_server_restart_between_two_batches_loses_nothing(bucket: Bucket, run: Run) -> None:
    async def work() -> None:
        async with connected(InfluxSink(config(bucket))) as sink:
            assert await sink.write(readings(1, 10), 0) == {}
            bucket.write.stop()
            with pytest.raises(SinkError):
                await sink.write(readings(11, 20), 0)
            await asyncio.to_thread(bucket.write.start)
            assert await sink.write(readings(11, 20), 0) == {}

    run(work)
    assert stored(bucket) == list(range(1, 21))


def test_a_failure_reports_the_records_settled_before_it(run: Run) -> None:
    # The server refuses a request with "-1", and answers 503 once it has refused a single record.
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        alone = any(body.count(b"\n") == 0 and b"=-1" in body for body in bodies)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        bodies.append(await reader.readexactly(length))
        status = b"503 Away" if alone else b"400 Bad" if b"=-1" in bodies[-1] else b"204 Fine"
        retry = b"retry-after: 7\r\n" if alone else b""
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n" + retry + b"\r\n")
        await writer.drain()
        writer.close()

    async def work() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connected(InfluxSink(InfluxConfig(f"http://127.0.0.1:{port}", "plant", "energy"))) as sink:
                batch = [reading(1), record(METER, NOW, {"active_power_total": -1.0}), *readings(3, 4)]
                with pytest.raises(SinkError, match="HTTP 503") as raised:
                    await sink.write(batch, 0)
                assert (raised.value.taken, list(raised.value.refused), raised.value.retry_after) == (
                    frozenset({0}),
                    [1],
                    7.0,
                )

    run(work)


def test_https_accepts_only_the_configured_authority(
    tmp_path: Path, influx_engine: Influx, tls: Certificates, run: Run
) -> None:
    influx_engine.create("secure")
    other = certificates(tmp_path / "other")

    async def work() -> None:
        right = InfluxConfig(write.url, "plant", "secure", SECRET, tls.ca)
        async with connected(InfluxSink(right)) as sink:
            assert await sink.write(readings(1, 5), 0) == {}
        for ca in (other.ca, None):
            async with connected(InfluxSink(replace(right, ca=ca))) as sink:
                with pytest.raises(SinkError, match="certificate verify failed"):
                    await sink.write(readings(6, 9), 0)
        with pytest.raises(SinkError, match=r"no-such\.pem"):
            await InfluxSink(replace(right, ca=tmp_path / "no-such.pem")).open()

    with nginx_v2(tmp_path, influx_engine.port, SECRET, "plant", tls=tls) as write:
        run(work)
    rows = influx_engine.query("secure", "SELECT active_power_total FROM device")
    assert [row["active_power_total"] for row in rows] == [1, 2, 3, 4, 5]


def test_victoria_metrics_takes_the_same_lines(victoria: Victoria, run: Run) -> None:
    series = replace(METER, tags=(("site", "works"), ("device", "sink-test")))

    async def work() -> None:
        async with connected(InfluxSink(InfluxConfig(victoria.url, "plant", "energy"))) as sink:
            assert await sink.write([reading(number, series) for number in range(1, 4)], 0) == {}

    run(work)
    (stored,) = victoria.export('device_active_power_total{device="sink-test"}')
    assert stored["values"] == [1, 2, 3]
