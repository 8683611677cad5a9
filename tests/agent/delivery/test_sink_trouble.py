"""A broker and a database side by side, one of them unavailable.

Its records are kept and arrive later, each once; the reason is one line and an event. The other sink continues.
"""

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
from tests.support.brokers import Broker, ReceivedMessages, mosquitto, subscriber
from tests.support.certificates import Certificates, expired
from tests.support.databases import Influx, nginx_v2
from tests.support.records import NOW, readings, until
from tests.support.scripted_broker import packet
from tests.support.servers import free_port, wait_for

DEVICE = "wattgram/works/device/incomer"
EVENT = Series("event", (("site", "works"), ("device", "")), (), (), ("event", "detail"))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the back-off to a twentieth of a second, and make each outage an event at once."""
    monkeypatch.setattr("wattgram.delivery.delivery.FIRST_WAIT", 0.05)
    monkeypatch.setattr("wattgram.delivery.delivery.LONGEST_WAIT", 0.1)
    monkeypatch.setattr("wattgram.delivery.sink_state.LONG_OUTAGE", 0.0)


class Gateway:
    """A spool with its deliveries; events become records in it."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.deliveries: dict[str, Delivery] = {}
        self.events: list[str] = []

    def event(self, device: str, event: str, detail: str) -> None:
        self.events.append(f"{event}: {detail}")
        self.spool.append(Record(EVENT, NOW - len(self.events), b"", (event, detail)))

    async def put(self, first: int, last: int) -> None:
        for record in readings(first, last):
            self.spool.append(record)
        await self.spool.sync()

    def state(self, sink: str) -> str:
        return self.deliveries[sink].progress.state

    def detail(self, sink: str) -> str:
        return self.deliveries[sink].progress.detail

    async def online(self, sink: str) -> None:
        await until(lambda: self.state(sink) == "online" and not self.spool.undelivered(sink))

    async def away(self, sink: str, text: str) -> None:
        await until(lambda: self.state(sink) == "away" and text in self.detail(sink))

    def event_names(self, sink: str) -> list[str]:
        """Return the names of the events about a sink."""
        return [event.split(": ")[0] for event in self.events if event.split(": ")[1] == sink]


@asynccontextmanager
async def delivering(folder: Path, *sinks: Sink) -> AsyncIterator[Gateway]:
    spool = Spool(folder / "spool", max_size=2**26, keep=1e9, sinks=[sink.name for sink in sinks])
    await spool.open()
    gateway = Gateway(spool)
    gateway.deliveries = {sink.name: Delivery(sink, spool, Clock(), random.Random(1), gateway) for sink in sinks}
    tasks = [asyncio.create_task(delivery.run()) for delivery in gateway.deliveries.values()]
    try:
        yield gateway
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


def published(subscription: ReceivedMessages) -> list[float]:
    return [json.loads(payload)["active_power_total"] for topic, payload in subscription.messages() if topic == DEVICE]


def stored(bucket: Bucket) -> list[object]:
    return [row["active_power_total"] for row in bucket.rows("SELECT active_power_total FROM device")]


def unknown_host_sink() -> InfluxSink:
    return InfluxSink(InfluxConfig("http://wattgram-test.invalid:8086", "plant", "energy"))


# names and addresses


def test_a_database_with_an_unknown_host_name_does_not_stop_the_broker_sink(tmp_path: Path, broker: Broker) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_broker(broker.port), unknown_host_sink()) as gateway:
            await gateway.put(1, 20)
            await gateway.away("influxdb", "http://wattgram-test.invalid:8086: no address for this name: ")
            await gateway.put(21, 40)
            await gateway.online("mqtt")
            assert gateway.spool.undelivered("influxdb") >= 40
            assert gateway.event_names("influxdb") == ["sink away"]
            assert gateway.event_names("mqtt") == []

    with subscriber(broker, DEVICE) as subscription:
        run(work())
        subscription.wait(40)
        assert published(subscription) == list(range(1, 41))


def test_a_broker_with_an_unknown_host_name_does_not_stop_the_database_sink(tmp_path: Path, bucket: Bucket) -> None:
    async def work() -> None:
        broker = MqttSink(MqttConfig("wattgram-test.invalid", 1883), "works")
        async with delivering(tmp_path, broker, to_bucket(bucket)) as gateway:
            await gateway.put(1, 20)
            await gateway.away("mqtt", "wattgram-test.invalid:1883: no address for this name: ")
            await gateway.put(21, 40)
            await gateway.online("influxdb")
            assert gateway.event_names("mqtt") == ["sink away"]

    run(work())
    assert stored(bucket) == list(range(1, 41))


# certificates


def test_an_expired_certificate_is_reported_and_after_its_renewal_all_records_arrive(
    tmp_path: Path, influx_engine: Influx, tls: Certificates, bucket: Bucket
) -> None:
    old = expired(tls, tmp_path / "old")
    served_certificates = replace(tls, cert=tmp_path / "shown.pem")
    shutil.copy(old.cert, served_certificates.cert)

    async def work() -> None:
        sinks = (to_broker(broker.port, tls=True, ca=tls.ca), to_bucket(bucket, url=write.url, ca=tls.ca))
        async with delivering(tmp_path, *sinks) as gateway:
            await gateway.put(1, 30)
            for sink in ("mqtt", "influxdb"):
                await gateway.away(sink, "certificate verify failed: certificate has expired; renew the server's")
            shutil.copy(tls.cert, served_certificates.cert)
            for server in (broker, write):
                server.stop()
                await asyncio.to_thread(server.start)
            for sink in ("mqtt", "influxdb"):
                await gateway.online(sink)
                assert gateway.event_names(sink) == ["sink away", "sink back"]

    with (
        mosquitto(tmp_path, tls=served_certificates) as broker,
        nginx_v2(tmp_path, influx_engine.port, bucket.token, bucket.org, tls=served_certificates) as write,
    ):
        run(work())
    assert stored(bucket) == list(range(1, 31))


# answers of a database


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
def test_a_database_gets_all_records_after_its_refusals_and_the_broker_sink_is_not_affected(
    tmp_path: Path, broker: Broker, bucket: Bucket, status: int, text: str
) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_broker(broker.port), to_bucket(bucket)) as gateway:
            await gateway.put(1, 20)
            await gateway.online("influxdb")
            with bucket.write.answering(status):
                await gateway.put(21, 40)
                await gateway.away("influxdb", text)
                await gateway.put(41, 60)
                await gateway.online("mqtt")
                assert stored(bucket) == list(range(1, 21))
            await gateway.online("influxdb")
            assert gateway.event_names("influxdb") == ["sink away", "sink back"]
            assert gateway.event_names("mqtt") == []
            assert gateway.spool.refused == 0

    with subscriber(broker, DEVICE) as subscription:
        run(work())
        subscription.wait(60)
        assert published(subscription) == list(range(1, 61))
    assert stored(bucket) == list(range(1, 61))


def test_a_recreated_bucket_gets_the_missed_records(tmp_path: Path, bucket: Bucket) -> None:
    async def work() -> None:
        async with delivering(tmp_path, to_bucket(bucket)) as gateway:
            await gateway.put(1, 20)
            await gateway.online("influxdb")
            bucket.engine.drop(bucket.name)
            await gateway.put(21, 40)
            await gateway.away("influxdb", "database not found")
            assert "are url, org and bucket right?" in gateway.detail("influxdb")
            bucket.engine.create(bucket.name)
            await gateway.online("influxdb")
            assert gateway.event_names("influxdb") == ["sink away", "sink back"]

    run(work())
    assert stored(bucket) == list(range(21, 41))


# time


@asynccontextmanager
async def delaying_proxy(port: int) -> AsyncIterator[list[float]]:
    """Serve a proxy of a port that delays its answers; yield a list of the delay, s, which can be set, and its port."""
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


def test_a_slow_database_within_the_time_out_is_online(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 20.0)

    async def work() -> None:
        async with (
            delaying_proxy(bucket.write.port) as delay,
            delivering(tmp_path, to_bucket(bucket, url=f"http://127.0.0.1:{int(delay[1])}")) as gateway,
        ):
            delay[0] = 0.5
            for first in (1, 21, 41):
                await gateway.put(first, first + 19)
                await gateway.online("influxdb")
            assert gateway.events == []
            wait_for(lambda: bucket.write.statuses() == [204] * 3, 10, "a request for each batch")

    run(work())
    assert stored(bucket) == list(range(1, 61))


def test_after_time_outs_a_database_has_each_record_once(
    tmp_path: Path, broker: Broker, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_client, "REQUEST_TIMEOUT", 0.3)

    async def work() -> None:
        async with delaying_proxy(bucket.write.port) as delay:
            database = to_bucket(bucket, url=f"http://127.0.0.1:{int(delay[1])}")
            async with delivering(tmp_path, to_broker(broker.port), database) as gateway:
                await gateway.put(1, 20)
                await gateway.online("influxdb")
                delay[0] = 1.0
                await gateway.put(21, 40)
                await gateway.away("influxdb", "no answer within 0.3 s to ")
                await gateway.put(41, 60)
                await gateway.online("mqtt")
                # Long enough for trials; every record fails in them, so none is set aside.
                await until(lambda: len(bucket.write.statuses()) > 8)
                delay[0] = 0.0
                await gateway.online("influxdb")
                assert gateway.spool.refused == 0
                assert gateway.event_names("influxdb") == ["sink away", "sink back"]

    run(work())
    assert stored(bucket) == list(range(1, 61))


def test_a_broker_without_acknowledgements_is_unavailable_and_the_database_sink_continues(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_sink, "MQTT_TIMEOUT", 0.3)
    connections = 0

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await packet(reader)
            connections += 1
            writer.write(b"\x20\x03\x00\x00\x00")
            await reader.read()
        writer.close()

    async def work() -> None:
        async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
            broker = to_broker(server.sockets[0].getsockname()[1])
            async with delivering(tmp_path, broker, to_bucket(bucket)) as gateway:
                await gateway.put(1, 20)
                await gateway.away("mqtt", "the broker did not acknowledge within 0.3 s")
                await gateway.put(21, 40)
                await gateway.online("influxdb")
                await until(lambda: connections > 5)
                assert gateway.event_names("mqtt") == ["sink away"]
                assert gateway.spool.refused == 0

    run(work())
    assert stored(bucket) == list(range(1, 41))


# forbidden topics and users


ACL = """user gateway
topic write wattgram/works/device/#
topic write wattgram/works/status
user reader
topic read #
"""


def test_a_forbidden_topic_is_reported_once_and_the_other_records_arrive(tmp_path: Path, bucket: Bucket) -> None:
    last = 100

    async def work() -> None:
        nonlocal last
        broker_sink = to_broker(broker.port, username="gateway", password="g")
        async with delivering(tmp_path, broker_sink, to_bucket(bucket)) as gateway:
            for first in range(1, 101, 10):
                gateway.spool.append(Record(EVENT, NOW + first, b"", ("device lost", "roof")))
                await gateway.put(first, first + 9)
                await until(lambda: gateway.deliveries["mqtt"].progress.state == "online")
            # Ten events of the site, and the event about them, which the broker refuses, too. Each refusal counts after
            # another record is accepted.
            while gateway.spool.refused < 11:
                last += 1
                await gateway.put(last, last)
                await asyncio.sleep(0.1)
            await gateway.online("influxdb")
            reason = "wattgram/works/event: not authorised (0x87); may this user publish there?"
            assert gateway.events == [f"records refused: mqtt: {reason}"]
            assert gateway.detail("mqtt") == f"11 records set aside, the last: {reason}"
            assert gateway.state("mqtt") == "online"

    users = {"gateway": "g", "reader": "r"}
    with (
        mosquitto(tmp_path, users=users, acl=ACL) as broker,
        subscriber(broker, DEVICE, login=("reader", "r")) as subscription,
    ):
        run(work())
        subscription.wait(last)
        assert published(subscription) == list(range(1, last + 1))
    rows = bucket.rows("SELECT event, detail FROM event WHERE event = 'records refused'")
    assert len(rows) == 1
    assert "not authorised" in str(rows[0]["detail"])


@pytest.mark.server
def test_everything_arrives_after_the_acl_of_a_broker_is_mended(tmp_path: Path) -> None:
    nothing, everything = (f"user gateway\ntopic write {topic}\nuser reader\ntopic read #\n" for topic in ("none", "#"))
    refusal = "wattgram/works/device/incomer: not authorised (0x87); may this user publish there?"

    async def work() -> None:
        broker_sink = to_broker(broker.port, username="gateway", password="g")
        async with delivering(tmp_path, broker_sink) as gateway:
            for first in (1, 501, 1001):
                await gateway.put(first, first + 499)
                await gateway.away("mqtt", refusal)
            assert gateway.spool.refused == 0
            (broker.folder / "acl").write_text(everything)
            broker.reload()
            await gateway.online("mqtt")
            assert gateway.spool.refused == 0
            assert gateway.event_names("mqtt") == ["sink away", "sink back"]

    users = {"gateway": "g", "reader": "r"}
    with (
        mosquitto(tmp_path, users=users, acl=nothing) as broker,
        subscriber(broker, DEVICE, login=("reader", "r")) as subscription,
    ):
        run(work())
        subscription.wait(1500)
        assert sorted(published(subscription)) == list(range(1, 1501))


def test_records_stay_queued_while_the_broker_rejects_the_password(tmp_path: Path, bucket: Bucket) -> None:
    async def work() -> None:
        async with delivering(
            tmp_path, to_broker(port, username="gateway", password="g"), to_bucket(bucket)
        ) as gateway:
            with mosquitto(tmp_path, port=port, users={"gateway": "other", "reader": "r"}):
                await gateway.put(1, 20)
                await gateway.away("mqtt", "Not authorized; are username, password and certificate right?")
                await gateway.online("influxdb")
            with (
                mosquitto(tmp_path, port=port, users={"gateway": "g", "reader": "r"}) as broker,
                subscriber(broker, DEVICE, login=("reader", "r")) as subscription,
            ):
                await gateway.online("mqtt")
                subscription.wait(20)
                assert sorted(published(subscription)) == list(range(1, 21))
            assert gateway.event_names("mqtt") == ["sink away", "sink back"]

    port = free_port()
    run(work())


# servers of another protocol


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
def test_a_server_with_invalid_answers_is_reported_in_one_line_and_no_record_is_lost(
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
            async with delivering(tmp_path, to_broker(broker.port), database) as gateway:
                await gateway.put(1, 20)
                await gateway.away("influxdb", f"http://127.0.0.1:{port}: {text}")
                detail = gateway.detail("influxdb")
                assert "internal error" not in detail
                assert detail.isprintable()
                assert len(detail) < 400
                await gateway.online("mqtt")
                await until(lambda: gateway.event_names("influxdb") == ["sink away"])
                assert gateway.spool.undelivered("influxdb") >= 20
                assert gateway.spool.refused == 0

    run(work())
