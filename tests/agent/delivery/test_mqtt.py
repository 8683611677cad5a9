"""The MQTT sink with mosquitto, and with scripted brokers for behaviour that mosquitto does not have."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wattgram.base.clock import Clock
from wattgram.base.errors import SinkError
from wattgram.base.record import Record, Series, record
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks import mqtt_sink
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.store.spool import Spool

from tests.support.brokers import Broker, mosquitto, subscriber
from tests.support.certificates import Certificates, certificates
from tests.support.deliveries import connected
from tests.support.records import METER, NOW, numbers, reading, readings, until
from tests.support.scripted_broker import acknowledge, scripted
from tests.support.servers import free_port, wait_for

SECRET = "s3cret-of-the-gateway"
DEVICE = "wattgram/works/device/incomer"
STATUS = "wattgram/works/status"


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    """Run a coroutine; check that no error is logged and that no log line has the password."""

    def runner(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        caplog.set_level(logging.DEBUG)
        asyncio.run(asyncio.wait_for(work(), 60), debug=False)
        gc.collect()  # reports an exception that was never retrieved
        assert [log_record.getMessage() for log_record in caplog.records if log_record.levelno >= logging.ERROR] == []
        assert SECRET not in caplog.text

    return runner


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the time-out of the sink to half a second."""
    monkeypatch.setattr(mqtt_sink, "MQTT_TIMEOUT", 0.5)


def to(broker: Broker, **more: Any) -> MqttSink:
    return MqttSink(config(broker, **more), "works")


def config(broker: Broker, **more: Any) -> MqttConfig:
    name, password = broker.login or (None, None)
    return replace(
        MqttConfig("127.0.0.1", broker.port, tls=broker.tls is not None, username=name, password=password), **more
    )


def powers(messages: list[tuple[str, str]], topic: str = DEVICE) -> list[float]:
    return [json.loads(payload)["active_power_total"] for where, payload in messages if where == topic]


def test_every_kind_has_its_topic(broker: Broker) -> None:
    sink = to(broker)
    site = ("site", "works")
    for tags, kind, topic in (
        ((site, ("window", "tick")), "emission", "emission"),
        ((site, ("window", "15m")), "emission", "emission/15m"),
        ((site, ("goal", "A12")), "goal", "goal/A12"),
        ((site, ("device", "x")), "event", "event"),
        ((site,), "gateway", "gateway"),
    ):
        assert sink.topic(Record(Series(kind, tags), NOW)) == f"wattgram/works/{topic}"  # type: ignore[arg-type]  # a kind
    assert sink.topic(reading(1)) == DEVICE


def test_records_arrive_in_order_with_the_replayed_flag_between_online_and_offline(
    broker: Broker, run: Callable[..., None]
) -> None:
    async def work() -> None:
        async with connected(to(broker)) as sink:
            assert await sink.write(readings(1, 100), 40) == {}

    with subscriber(broker, "wattgram/#") as subscription:
        run(work)
        messages = subscription.wait(102)
    assert messages[0] == (STATUS, "online")
    assert messages[-1] == (STATUS, "offline")
    assert powers(messages) == list(range(1, 101))
    flags = [json.loads(payload).get("replayed", False) for topic, payload in messages if topic == DEVICE]
    assert flags == [True] * 40 + [False] * 60


def test_the_status_is_retained_and_the_last_will_is_offline(broker: Broker, run: Callable[..., None]) -> None:
    async def work() -> None:
        sink = to(broker)
        await sink.open()
        with subscriber(broker, STATUS) as late:
            assert late.wait(1) == [(STATUS, "online")]
            assert sink._session is not None
            sink._session._sock.shutdown(socket.SHUT_RDWR)  # no DISCONNECT: as a power cut
            assert (await asyncio.to_thread(late.wait, 2))[1] == (STATUS, "offline")
        await sink.close()

    run(work)


def test_a_later_subscriber_gets_the_last_goal_at_once_and_no_reading(broker: Broker, run: Callable[..., None]) -> None:
    series = Series("goal", (("site", "works"), ("goal", "A12")), ("value", "target", "coverage"), (), ("state",))

    def goal(value: float) -> Record:
        return record(series, NOW, {"value": value, "coverage": 1.0, "state": "on track"})

    async def work() -> None:
        async with connected(to(broker)) as sink:
            assert await sink.write([reading(1), goal(41.0), reading(2), goal(42.0), reading(3)], 0) == {}

    run(work)
    with subscriber(broker, "wattgram/#", form="%r %p") as late:
        late.wait(2)
        broker.publish("wattgram/works/last", "word")
        retained = dict(late.wait(3))
    assert set(retained) == {"wattgram/works/goal/A12", STATUS, "wattgram/works/last"}
    assert retained[STATUS] == "1 offline"
    flag, _, payload = retained["wattgram/works/goal/A12"].partition(" ")
    assert (flag, json.loads(payload)["value"]) == ("1", 42.0)


ACL = "user gateway\ntopic write wattgram/works/device/#\ntopic write wattgram/works/status\n"


@pytest.mark.server
def test_a_record_of_a_forbidden_topic_is_refused_alone_with_the_reason(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    forbidden = Record(Series("event", (("site", "works"), ("device", "")), (), (), ("event",)), NOW, b"", ("hello",))

    async def work() -> None:
        async with connected(to(broker)) as sink:
            refused = await sink.write([*readings(1, 30), forbidden, *readings(31, 60)], 0)
            # MQTT 5, 3.4.2.1: 0x87 (135) is "not authorized".
            assert refused == {30: "wattgram/works/event: not authorised (0x87); may this user publish there?"}

    acl = f"{ACL}user reader\ntopic read #\n"
    users = {"gateway": SECRET, "reader": "reader"}
    with (
        mosquitto(tmp_path, users=users, acl=acl) as broker,
        subscriber(broker, "wattgram/#", login=("reader", "reader")) as subscription,
    ):
        run(work)
        assert powers(subscription.wait(62)) == list(range(1, 61))


@pytest.mark.server
def test_a_wrong_password_is_reported_and_not_shown(tmp_path: Path, run: Callable[..., None]) -> None:
    async def work() -> None:
        sink = to(broker, password=f"{SECRET}-wrong")
        assert SECRET not in repr(config(broker))
        assert SECRET not in repr(sink)
        with pytest.raises(SinkError, match=f"127.0.0.1:{broker.port}: .*(Not authorized|Bad user name)") as raised:
            await sink.open()
        assert SECRET not in str(raised.value)

    with mosquitto(tmp_path, users={"gateway": SECRET}) as broker:
        run(work)


def test_a_refused_connection_is_a_sink_error_at_once(run: Callable[..., None]) -> None:
    async def work() -> None:
        port = free_port()
        sink = MqttSink(MqttConfig("127.0.0.1", port), "works")
        with pytest.raises(SinkError, match=f"127.0.0.1:{port}: .*refused"):
            await sink.open()
        await sink.close()

    run(work)


# TLS


@pytest.mark.server
def test_tls_with_the_configured_authority_and_a_client_certificate(
    tmp_path: Path, tls: Certificates, run: Callable[..., None]
) -> None:
    async def work() -> None:
        files = {"ca": tls.ca, "cert": tls.client_cert, "key": tls.client_key}
        async with connected(to(broker, **files)) as sink:
            assert await sink.write(readings(1, 3000), 0) == {}
        with pytest.raises(SinkError, match="CERTIFICATE_REQUIRED"):
            await to(broker, ca=tls.ca).open()

    with (
        mosquitto(tmp_path, tls=tls, client_certificate=True) as broker,
        subscriber(broker, "wattgram/#") as subscription,
    ):
        run(work)
        assert powers(subscription.wait(3002)) == list(range(1, 3001))


@pytest.mark.server
def test_another_authority_and_a_missing_certificate_file_are_sink_errors(
    tmp_path: Path, tls: Certificates, run: Callable[..., None]
) -> None:
    other = certificates(tmp_path / "other")

    async def work() -> None:
        for ca, text in (
            (other.ca, "certificate verify failed"),
            (None, "certificate verify failed"),
            (tmp_path / "no-such.pem", "no-such.pem"),
        ):
            sink = to(broker, ca=ca)
            with pytest.raises(SinkError, match=text):
                await sink.open()
            await sink.close()

    with mosquitto(tmp_path, tls=tls) as broker:
        run(work)


@pytest.mark.server
def test_a_certificate_for_another_host_is_refused(tmp_path: Path, tls: Certificates, run: Callable[..., None]) -> None:
    async def work() -> None:
        # The certificate is for 127.0.0.1 and localhost; 127.0.0.2 is the same machine by another name.
        sink = to(broker, host="127.0.0.2", ca=tls.ca)
        with pytest.raises(SinkError, match="certificate verify failed"):
            await sink.open()

    port = free_port()
    second = f"listener {port} 127.0.0.2\ncafile {tls.ca}\ncertfile {tls.cert}\nkeyfile {tls.key}"
    with mosquitto(tmp_path, tls=tls, config_extra=second) as broker:
        wait_for(lambda: " running" in broker.log, 10, "both listeners")
        broker.port, first = port, broker.port
        run(work)
        broker.port = first


# links that end


def test_the_kill_of_a_broker_with_outstanding_acknowledgements_is_noticed_at_once(
    broker: Broker, run: Callable[..., None]
) -> None:
    async def work() -> None:
        async with connected(to(broker)) as sink:
            await sink.write(readings(1, 20), 0)
            broker.pause()
            writing = asyncio.create_task(sink.write(readings(21, 60), 0))
            await asyncio.sleep(0.05)
            broker.kill()
            with pytest.raises(SinkError, match="connection lost") as raised:
                await writing
            assert not raised.value.taken
            with pytest.raises(SinkError):
                await sink.write(readings(21, 60), 0)

    run(work)


@pytest.mark.usefixtures("hasty")
def test_a_request_to_a_silent_broker_ends_with_the_time_out(broker: Broker, run: Callable[..., None]) -> None:
    async def work() -> None:
        async with connected(to(broker)) as sink:
            broker.pause()
            with pytest.raises(SinkError, match=r"did not acknowledge within 0\.5 s"):
                await sink.write(readings(1, 5), 0)
        sink = to(broker)
        with pytest.raises(SinkError, match=f"127.0.0.1:{broker.port}: .*timed out"):
            await sink.open()
        await sink.close()
        broker.resume()
        async with connected(sink):
            assert await sink.write(readings(1, 5), 0) == {}

    run(work)


@pytest.mark.usefixtures("hasty")
@pytest.mark.server
def test_a_silent_tls_handshake_ends_with_the_time_out(
    tmp_path: Path, tls: Certificates, run: Callable[..., None]
) -> None:
    async def work() -> None:
        broker.pause()
        sink = to(broker, ca=tls.ca)
        with pytest.raises(SinkError, match="timed out"):
            await sink.open()
        await sink.close()

    with mosquitto(tmp_path, tls=tls) as broker:
        run(work)


@pytest.mark.usefixtures("hasty")
def test_every_record_arrives_although_the_broker_is_paused_and_killed(
    tmp_path: Path, broker: Broker, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattgram.delivery.delivery.FIRST_WAIT", 0.05)
    monkeypatch.setattr("wattgram.delivery.delivery.LONGEST_WAIT", 0.2)

    async def put(spool: Spool, first: int, last: int) -> None:
        for number in range(first, last + 1):
            spool.append(reading(number))
            await spool.sync()

    async def work() -> None:
        spool = Spool(tmp_path / "spool", max_size=2**26, keep=1e6, sinks=["mqtt"])
        await spool.open()
        delivery = Delivery(to(broker), spool, Clock(), random.Random(1))
        task = asyncio.create_task(delivery.run())
        with subscriber(broker, DEVICE) as subscription:
            for first in (1, 51):
                await put(spool, first, first + 9)
                await until(lambda: delivery.progress.state == "online")
                broker.pause()
                await put(spool, first + 10, first + 49)
                await until(lambda: delivery.progress.state == "away")
                broker.resume()
                await until(lambda: spool.undelivered("mqtt") == 0)
            await until(lambda: set(powers(subscription.messages())) == set(range(1, 101)))
            broker.kill()
        await put(spool, 101, 140)
        await asyncio.to_thread(broker.start)
        await until(lambda: spool.undelivered("mqtt") == 0)
        assert delivery.progress.delivered == 140
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await spool.close()

    run(work)


# scripted brokers


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("refusal", "remembered"),
    [
        (b"\x20\x02\x00\x01", True),  # 3.1.1's CONNACK with return code 1, unacceptable protocol version
        (b"\x20\x03\x00\x84\x00", True),  # 5's CONNACK with reason 0x84, unsupported protocol version
        (b"", False),  # hangs up, as 3.1.1 allows (3.1.2.2)
        (None, False),  # sends nothing
    ],
)
def test_a_broker_without_mqtt_5_is_connected_with_3_1_1(
    refusal: bytes | None, remembered: bool, run: Callable[..., None]
) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        if version == 4:
            writer.write(b"\x20\x02\x00\x00")
            await acknowledge(reader, writer)
        elif refusal is None:
            await reader.read()
        else:
            writer.write(refusal)

    async def work() -> None:
        async with scripted(old) as (sink, versions):
            await sink.open()
            assert await sink.write(readings(1, 45), 0) == {}
            assert versions == [5, 4]
            await sink.close()
            await sink.open()
            # Silence may have been an outage, so 5 is tried again.
            assert versions[2:] == ([4] if remembered else [5, 4])

    run(work)


def test_records_stay_queued_after_a_temporary_refusal(run: Callable[..., None]) -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"\x20\x03\x00\x00\x00")
        await acknowledge(reader, writer, b"\x00" * 20 + b"\x97")  # MQTT 5, 3.4.2.1: quota exceeded

    async def work() -> None:
        async with scripted(full) as (sink, _):
            await sink.open()
            with pytest.raises(SinkError, match=r"refused for now: .*: quota exceeded \(0x97\)") as raised:
                await sink.write(readings(1, 60), 0)
            assert list(raised.value.doubted) == [20]
            assert raised.value.taken == set(range(60)) - {20}

    run(work)


def test_a_failure_reports_the_refusals_before_it(run: Callable[..., None]) -> None:
    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"\x20\x03\x00\x00\x00")
        await acknowledge(reader, writer, b"\x00\x90" + b"\x00" * 18 + b"\x97")

    async def work() -> None:
        async with scripted(ends) as (sink, _):
            await sink.open()
            with pytest.raises(SinkError) as raised:
                await sink.write(readings(1, 60), 0)
            assert raised.value.refused == {1: "wattgram/works/device/incomer: topic name invalid (0x90)"}
            assert raised.value.taken == set(range(60)) - {1, 20}

    run(work)


def test_a_record_not_writable_as_a_message_is_refused_alone(broker: Broker, run: Callable[..., None]) -> None:
    wild = Series("device", (("site", "works"), ("device", "a+b")), METER.fields, (), METER.texts)
    batch = [reading(1), reading(2, quality="\ud800"), reading(3, wild), reading(4)]

    async def work() -> None:
        async with connected(to(broker)) as sink:
            refused = await sink.write(batch, 0)
            assert list(refused) == [1, 2]
            assert all(reason.startswith("not writable as a message: ") for reason in refused.values())

    with subscriber(broker, "wattgram/#") as subscription:
        run(work)
        assert powers(subscription.wait(4)) == [1, 4]
    assert numbers(batch) == [1, 2, 3, 4]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b"\x20\xff\xff\xff\xff\xff"],
    ids=["http", "zeros", "length"],
)
def test_a_server_of_another_protocol_is_a_sink_error(garbage: bytes, run: Callable[..., None]) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(garbage)
        await reader.read()

    async def work() -> None:
        async with scripted(other) as (sink, _):
            with pytest.raises(SinkError):
                await sink.open()

    run(work)
