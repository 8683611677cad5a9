"""A broker and a database side by side, one of them in trouble: what it does not have is kept, why is told in one line
and as an event, the rest arrives later and once, and the other one goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.base.clock import Clock
from wattgram.base.record import Record, Series
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks import influx_client, mqtt_sink
from wattgram.delivery.sinks.influx_sink import InfluxConfig, InfluxSink
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.delivery.sinks.sink import Sink
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.store.spool import Spool

from tests.conftest import Bucket
from tests.support.records import NOW, readings, until
from tests.support.scripted_broker import packet
from tests.support.servers import (
    Broker,
    Certificates,
    Heard,
    Influx,
    expired,
    free_port,
    mosquitto,
    nginx_v2,
    subscriber,
    wait_for,
)

DEVICE = "wattgram/works/device/incomer"
EVENT = Series("event", (("site", "works"), ("device", "")), (), (), ("event", "detail"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a twentieth of a second, and an outage is an event at once."""
    monkeypatch.setattr("wattgram.delivery.delivery.FIRST_WAIT", 0.05)
    monkeypatch.setattr("wattgram.delivery.delivery.LONGEST_WAIT", 0.1)
    monkeypatch.setattr("wattgram.delivery.sink_state.LONG_OUTAGE", 0.0)


class Works:
    """A spool, its deliveries, and events as records in it."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.deliveries: dict[str, Delivery] = {}
        self.events: list[str] = []

    def event(self, device: str, event: str, detail: str) -> None:
        self.events.append(f"{event}: {detail}")
        self.spool.append(Record(EVENT, NOW - len(self.events), b"", (event, detail)))

    async def put(self, first: int, last: int) -> None:
        for one in readings(first, last):
            self.spool.append(one)
        await self.spool.sync()

    def state(self, sink: str) -> str:
        return self.deliveries[sink].progress.state

    def detail(self, sink: str) -> str:
        return self.deliveries[sink].progress.detail

    async def online(self, sink: str) -> None:
        await until(lambda: self.state(sink) == "online" and not self.spool.undelivered(sink))

    async def away(self, sink: str, text: str) -> None:
        await until(lambda: self.state(sink) == "away" and text in self.detail(sink))

    def told(self, sink: str) -> list[str]:
        """Names of the events about a sink."""
        return [one.split(": ")[0] for one in self.events if one.split(": ")[1] == sink]


@asynccontextmanager
async def delivering(folder: Path, *sinks: Sink) -> AsyncIterator[Works]:
    spool = Spool(folder / "spool", max_size=2**26, keep=1e9, sinks=[one.name for one in sinks])
    await spool.open()
    works = Works(spool)
    works.deliveries = {one.name: Delivery(one, spool, Clock(), random.Random(1), works) for one in sinks}
    tasks = [asyncio.create_task(one.run()) for one in works.deliveries.values()]
    try:
        yield works
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await spool.close()


def run(work: object) -> None:
    asyncio.run(asyncio.wait_for(work, 60))  # type: ignore[arg-type]  # a coroutine


def to_broker(port: int, **more: object) -> MqttSink:
    return MqttSink(replace(MqttConfig("127.0.0.1", port), **more), "works")  # type: ignore[arg-type]  # fields


def to_bucket(bucket: Bucket, **more: object) -> InfluxSink:
    config = InfluxConfig(bucket.write.url, bucket.org, bucket.name, bucket.token)
    return InfluxSink(replace(config, **more))  # type: ignore[arg-type]  # fields


def published(heard: Heard) -> list[float]:
    return [json.loads(payload)["active_power_total"] for topic, payload in heard.messages() if topic == DEVICE]


def stored(bucket: Bucket) -> list[object]:
    return [row["active_power_total"] for row in bucket.rows("SELECT active_power_total FROM device")]


def nowhere() -> InfluxSink:
    return InfluxSink(InfluxConfig("http://wattgram-test.invalid:8086", "plant", "energy"))


# names and addresses


def test_a_database_whose_name_nobody_knows_keeps_the_broker_going(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_broker(broker.port), nowhere()) as works:
            await works.put(1, 20)
            await works.away("influxdb", "http://wattgram-test.invalid:8086: no address for this name: ")
            await works.put(21, 40)
            await works.online("mqtt")
            assert works.spool.undelivered("influxdb") >= 40
            assert works.told("influxdb") == ["sink away"]
            assert works.told("mqtt") == []

    with subscriber(broker, DEVICE) as heard:
        run(work())
        heard.wait(40)
        assert published(heard) == list(range(1, 41))


def test_a_broker_whose_name_nobody_knows_keeps_the_database_going(tmp_path: Path, bucket: Bucket) -> None:
    async def work() -> None:
        broker = MqttSink(MqttConfig("wattgram-test.invalid", 1883), "works")
        async with delivering(tmp_path, broker, to_bucket(bucket)) as works:
            await works.put(1, 20)
            await works.away("mqtt", "wattgram-test.invalid:1883: no address for this name: ")
            await works.put(21, 40)
            await works.online("influxdb")
            assert works.told("mqtt") == ["sink away"]

    run(work())
    assert stored(bucket) == list(range(1, 41))


# certificates


def test_an_expired_certificate_is_named_and_after_its_renewal_all_arrives(
    tmp_path: Path, influx_engine: Influx, tls: Certificates, bucket: Bucket
) -> None:
    old = expired(tls, tmp_path / "old")
    shown = replace(tls, cert=tmp_path / "shown.pem")
    shutil.copy(old.cert, shown.cert)

    async def work() -> None:
        sinks = (to_broker(broker.port, tls=True, ca=tls.ca), to_bucket(bucket, url=write.url, ca=tls.ca))
        async with delivering(tmp_path, *sinks) as works:
            await works.put(1, 30)
            for sink in ("mqtt", "influxdb"):
                await works.away(sink, "certificate verify failed: certificate has expired; renew the server's")
            shutil.copy(tls.cert, shown.cert)
            for server in (broker, write):
                server.stop()
                await asyncio.to_thread(server.start)
            for sink in ("mqtt", "influxdb"):
                await works.online(sink)
                assert works.told(sink) == ["sink away", "sink back"]

    with (
        mosquitto(tmp_path, tls=shown) as broker,
        nginx_v2(tmp_path, influx_engine.port, bucket.token, bucket.org, tls=shown) as write,
    ):
        run(work())
    assert stored(bucket) == list(range(1, 31))


# what a database says


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, "HTTP 200, expected 204; is it a database that answers at this address?"),
        (302, "HTTP 302 to 'http://portal.example/login', is that the right url?"),
        (401, "is the token right, and still valid?"),
        (403, "may the token write to the bucket?"),
        (404, "are url, org and bucket right?"),
        (429, "it limits requests; the next attempt follows after the wait that it asks for"),
        (500, "what does its log say, is its disk full?"),
        (503, "is it starting, or overloaded?"),
    ],
)
def test_a_database_that_refuses_for_a_while_gets_everything_and_the_broker_notices_nothing(
    tmp_path: Path, broker: Broker, bucket: Bucket, status: int, text: str
) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_broker(broker.port), to_bucket(bucket)) as works:
            await works.put(1, 20)
            await works.online("influxdb")
            with bucket.write.answering(status):
                await works.put(21, 40)
                await works.away("influxdb", text)
                await works.put(41, 60)
                await works.online("mqtt")
                assert stored(bucket) == list(range(1, 21))
            await works.online("influxdb")
            assert works.told("influxdb") == ["sink away", "sink back"]
            assert works.told("mqtt") == []
            assert works.spool.refused == 0

    with subscriber(broker, DEVICE) as heard:
        run(work())
        heard.wait(60)
        assert published(heard) == list(range(1, 61))
    assert stored(bucket) == list(range(1, 61))


def test_a_bucket_that_was_deleted_and_made_again_gets_what_it_missed(tmp_path: Path, bucket: Bucket) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_bucket(bucket)) as works:
            await works.put(1, 20)
            await works.online("influxdb")
            bucket.engine.drop(bucket.name)
            await works.put(21, 40)
            await works.away("influxdb", "database not found")
            assert "are url, org and bucket right?" in works.detail("influxdb")
            bucket.engine.create(bucket.name)
            await works.online("influxdb")
            assert works.told("influxdb") == ["sink away", "sink back"]

    run(work())
    assert stored(bucket) == list(range(21, 41))


# time


@asynccontextmanager
async def late(port: int) -> AsyncIterator[list[float]]:
    """A port before another one: what that one answers comes so many seconds later; the list's element can be set."""
    delay = [0.0]
    async with AsyncExitStack() as stack:

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    await asyncio.sleep(delay[0] if slow else 0.0)
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(carry(reader, back, slow=False), carry(there, writer, slow=True))

        server = await stack.enter_async_context(await asyncio.start_server(serve, "127.0.0.1", 0))
        delay.append(server.sockets[0].getsockname()[1])
        yield delay
        delay[0] = 0.0


def test_a_database_that_answers_just_in_time_is_well(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 20.0)

    async def work() -> None:
        async with (
            late(bucket.write.port) as delay,
            delivering(tmp_path, to_bucket(bucket, url=f"http://127.0.0.1:{int(delay[1])}")) as works,
        ):
            delay[0] = 0.5
            for first in (1, 21, 41):
                await works.put(first, first + 19)
                await works.online("influxdb")
            assert works.events == []
            wait_for(lambda: bucket.write.statuses() == [204] * 3, 10, "a request for each batch")

    run(work())
    assert stored(bucket) == list(range(1, 61))


def test_a_database_that_answers_too_late_has_each_record_once_when_it_answers_again(
    tmp_path: Path, broker: Broker, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 0.3)

    async def work() -> None:
        async with late(bucket.write.port) as delay:
            database = to_bucket(bucket, url=f"http://127.0.0.1:{int(delay[1])}")
            async with delivering(tmp_path, to_broker(broker.port), database) as works:
                await works.put(1, 20)
                await works.online("influxdb")
                delay[0] = 1.0
                await works.put(21, 40)
                await works.away("influxdb", "no answer within 0.3 s to ")
                await works.put(41, 60)
                await works.online("mqtt")
                # Long enough for trials, in which every record fails and so none is set aside.
                await until(lambda: len(bucket.write.statuses()) > 8)
                delay[0] = 0.0
                await works.online("influxdb")
                assert works.spool.refused == 0
                assert works.told("influxdb") == ["sink away", "sink back"]

    run(work())
    assert stored(bucket) == list(range(1, 61))


def test_a_broker_that_never_acknowledges_is_away_and_the_database_goes_on(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_sink, "MQTT_TIMEOUT", 0.3)
    welcomed = 0

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal welcomed
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await packet(reader)
            welcomed += 1
            writer.write(b"\x20\x03\x00\x00\x00")
            await reader.read()
        writer.close()

    async def work() -> None:
        async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
            broker = to_broker(server.sockets[0].getsockname()[1])
            async with delivering(tmp_path, broker, to_bucket(bucket)) as works:
                await works.put(1, 20)
                await works.away("mqtt", "the broker did not acknowledge within 0.3 s")
                await works.put(21, 40)
                await works.online("influxdb")
                await until(lambda: welcomed > 5)
                assert works.told("mqtt") == ["sink away"]
                assert works.spool.refused == 0

    run(work())
    assert stored(bucket) == list(range(1, 41))


# what is forbidden


ACL = """user gateway
topic write wattgram/works/device/#
topic write wattgram/works/status
user reader
topic read #
"""


def test_a_forbidden_topic_is_told_once_and_the_rest_flows(tmp_path: Path, bucket: Bucket) -> None:
    async def work() -> None:
        gateway = to_broker(broker.port, username="gateway", password="g")
        async with delivering(tmp_path, gateway, to_bucket(bucket)) as works:
            for first in range(1, 101, 10):
                works.spool.append(Record(EVENT, NOW + first, b"", ("device lost", "roof")))
                await works.put(first, first + 9)
                await works.online("mqtt")
            await works.spool.sync()
            # Ten events of the site and the one about them, which the broker does not want either.
            await until(lambda: works.spool.refused == 11)
            await works.online("influxdb")
            reason = "wattgram/works/event: not authorised (0x87); may this user publish there?"
            assert works.events == [f"records refused: mqtt: {reason}"]
            assert works.detail("mqtt") == f"11 records set aside, the last: {reason}"
            assert works.state("mqtt") == "online"

    users = {"gateway": "g", "reader": "r"}
    with (
        mosquitto(tmp_path, users=users, acl=ACL) as broker,
        subscriber(broker, DEVICE, login=("reader", "r")) as heard,
    ):
        run(work())
        heard.wait(100)
        assert published(heard) == list(range(1, 101))
    told = bucket.rows("SELECT event, detail FROM event WHERE event = 'records refused'")
    assert len(told) == 1
    assert "not authorised" in str(told[0]["detail"])


def test_a_password_that_was_changed_keeps_everything_until_the_broker_knows_it_again(
    tmp_path: Path, bucket: Bucket
) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_broker(port, username="gateway", password="g"), to_bucket(bucket)) as works:
            with mosquitto(tmp_path, port=port, users={"gateway": "other", "reader": "r"}):
                await works.put(1, 20)
                await works.away("mqtt", "Not authorized; are username, password and certificate right?")
                await works.online("influxdb")
            with (
                mosquitto(tmp_path, port=port, users={"gateway": "g", "reader": "r"}) as broker,
                subscriber(broker, DEVICE, login=("reader", "r")) as heard,
            ):
                await works.online("mqtt")
                heard.wait(20)
                assert sorted(published(heard)) == list(range(1, 21))
            assert works.told("mqtt") == ["sink away", "sink back"]

    port = free_port()
    run(work())


# servers that speak something else


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "the connection was closed without an answer; is it a database, does it restart?"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "no HTTP comes from there but "),
        (b"\x00" * 512, "no HTTP comes from there but "),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: minus\r\n\r\n", "no HTTP comes from there but "),
        (b"HTTP/1.1 999 " + b"\xff" * 20_000 + b"\r\n\r\n", "no HTTP comes from there but "),
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 7\r\n\r\n\xff\xfe\x00\x1b[2J", "HTTP 400 Bad Request: "),
        (b"HTTP/1.1 503 Away\r\nretry-after: \xb2\r\ncontent-length: 0\r\n\r\n", "HTTP 503 Away: "),
        (b"HTTP/1.1 503 \x1b[2Jgone\r\ncontent-length: 0\r\n\r\n", "HTTP 503 '\\x1b[2Jgone': "),
    ],
    ids=["nothing", "ssh", "zeros", "length", "long", "bytes", "superscript", "escape"],
)
def test_a_server_that_answers_garbage_is_away_in_one_line_and_nothing_is_lost(
    tmp_path: Path, broker: Broker, answer: bytes, text: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def work() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            database = InfluxSink(InfluxConfig(f"http://127.0.0.1:{port}", "plant", "energy"))
            async with delivering(tmp_path, to_broker(broker.port), database) as works:
                await works.put(1, 20)
                await works.away("influxdb", f"http://127.0.0.1:{port}: {text}")
                detail = works.detail("influxdb")
                assert "internal error" not in detail
                assert detail.isprintable()
                assert len(detail) < 400
                await works.online("mqtt")
                await until(lambda: works.told("influxdb") == ["sink away"])
                assert works.spool.undelivered("influxdb") >= 20
                assert works.spool.refused == 0

    run(work())
