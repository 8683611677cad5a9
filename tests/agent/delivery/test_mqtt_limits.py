"""Limits of brokers, announced or not: packets, messages under way, single messages.

The broker is mosquitto where it has the limit, else a scripted broker.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from wattgram.base.clock import Clock
from wattgram.base.errors import RefusalsOnly, SinkError
from wattgram.base.record import Record
from wattgram.base.refusal import RefusalKind, SinkRefusal
from wattgram.delivery.delivery import Delivery
from wattgram.delivery.sinks import mqtt_sink
from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.mqtt import mqtt_connection
from wattgram.mqtt.mqtt_connection import V311
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.store.spool import Spool

from tests.support.brokers import Broker, mosquitto, subscriber
from tests.support.certificates import Certificates
from tests.support.deliveries import RecordedEvents
from tests.support.records import reading, readings, until
from tests.support.scripted_broker import acknowledge, packet, scripted
from tests.support.servers import wait_for

DEVICE = "wattgram/works/device/incomer"


def to(broker: Broker) -> MqttSink:
    return MqttSink(MqttConfig("127.0.0.1", broker.port), "works")


def powers(messages: list[tuple[str, str]]) -> list[float]:
    return [json.loads(payload)["active_power_total"] for topic, payload in messages if topic == DEVICE]


def large(number: int) -> Record:
    return reading(number, quality="x" * 2000)


@pytest.mark.server
def test_a_message_above_the_limit_of_the_broker_is_refused_with_both_sizes(tmp_path: Path) -> None:
    async def work() -> None:
        sink = to(broker)
        await sink.open()
        refused = await sink.write([reading(1), large(2), *readings(3, 40)], 0)
        # 3.3: type, 2 bytes of length, 2 of the length of the topic, the topic, 2 of identifier, 1 of no properties.
        size = 1 + 2 + 2 + len(DEVICE) + 2 + 1 + len(sink._messages.message(large(2), replayed=False))
        reason = f"{DEVICE}: packet too large (0x95): {size} bytes, the broker takes 1000"
        assert refused == {1: SinkRefusal(reason)}
        assert await sink.write(readings(41, 42), 0) == {}  # on the same connection
        await sink.close()

    with mosquitto(tmp_path, config_extra="max_packet_size 1000") as broker, subscriber(broker, DEVICE) as subscription:
        asyncio.run(work())
        assert powers(subscription.wait(41)) == [1, *range(3, 43)]


@pytest.mark.server
def test_a_message_of_exactly_the_limit_of_the_broker_arrives(tmp_path: Path) -> None:
    lengths = range(850, 950)

    async def work() -> int:
        sink = to(broker)
        await sink.open()
        refused = await sink.write([reading(1, quality="x" * count) for count in lengths], 0)
        assert refused
        await sink.close()
        return len(lengths) - len(refused)

    with mosquitto(tmp_path, config_extra="max_packet_size 1000") as broker, subscriber(broker, DEVICE) as subscription:
        accepted = asyncio.run(work())
        payload = max(len(payload) for _, payload in subscription.wait(accepted))
        assert 1 + 2 + 2 + len(DEVICE) + 2 + 1 + payload == 1000


@pytest.mark.server
def test_a_message_that_the_broker_rejects_as_too_large_is_refused_alone(tmp_path: Path) -> None:
    async def work() -> None:
        sink = to(broker)
        await sink.open()
        refused = await sink.write([reading(1), large(2), *readings(3, 40)], 0)
        assert refused == {1: SinkRefusal(f"{DEVICE}: packet too large (0x95)")}
        await sink.close()

    # Not announced: mosquitto answers with 0x95, which MQTT 5 allows in a DISCONNECT only.
    with (
        mosquitto(tmp_path, config_extra="message_size_limit 1000") as broker,
        subscriber(broker, DEVICE) as subscription,
    ):
        asyncio.run(work())
        assert powers(subscription.wait(39)) == [1, *range(3, 41)]


@pytest.mark.server
def test_with_3_1_1_a_record_at_which_the_broker_disconnects_each_time_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattgram.delivery.delivery.FIRST_WAIT", 0.01)
    monkeypatch.setattr("wattgram.delivery.delivery.LONGEST_WAIT", 0.01)

    async def work() -> None:
        sink, event_log = to(broker), RecordedEvents()
        sink._broker.protocol = V311
        spool = Spool(tmp_path / "spool", max_size=2**26, keep=1e6, sinks=["mqtt"])
        await spool.open()
        for record in [*readings(1, 30), large(31), *readings(32, 60), large(61), *readings(62, 90)]:
            spool.append(record)
        await spool.sync()
        delivery = Delivery(sink, spool, Clock(), random.Random(1), event_log)
        task = asyncio.create_task(delivery.run())
        await until(lambda: delivery.progress.delivered == 88)
        last = 90
        while spool.undelivered("mqtt"):  # only another accepted record decides about the last one that is refused
            last += 1
            spool.append(reading(last))
            await spool.sync()
            await asyncio.sleep(0.05)
        assert spool.refused == 2
        assert [event for event, _ in event_log.events] == ["records refused"]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await spool.close()

    with mosquitto(tmp_path, config_extra="max_packet_size 1000") as broker, subscriber(broker, DEVICE) as subscription:
        asyncio.run(asyncio.wait_for(work(), 60))
        assert 31 not in powers(subscription.wait(88))
        assert 61 not in powers(subscription.messages())
        taken = set(range(1, 91)) - {31, 61}
        wait_for(lambda: taken <= set(powers(subscription.messages())), 30, "the other records")  # some arrive twice


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.server
def test_a_broker_that_reads_slowly_gets_every_byte(tmp_path: Path, tls: Certificates, secure: bool) -> None:
    async def work() -> None:
        files = {"tls": True, "ca": tls.ca} if secure else {}
        sink = MqttSink(replace(MqttConfig("127.0.0.1", broker.port), **files), "works")  # type: ignore[arg-type]
        sink._broker.protocol = V311  # only the window of the sink limits the bytes under way: here 6 MB
        await sink.open()
        broker.pause()
        writing = asyncio.create_task(sink.write([reading(number, quality="x" * 60_000) for number in range(200)], 0))
        await until(lambda: bool(sink._session and sink._session._blocked))
        broker.resume()
        assert await writing == {}
        await sink.close()

    with mosquitto(tmp_path, tls=tls if secure else None) as broker, subscriber(broker, DEVICE) as subscription:
        asyncio.run(asyncio.wait_for(work(), 60))
        assert powers(subscription.wait(200)) == list(range(200))


def test_the_receive_maximum_of_the_broker_limits_the_messages_under_way() -> None:
    most = under_way = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal most, under_way
        # 3.2.2.3.3: property 0x21, Receive Maximum, here 7.
        writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x07")
        while True:
            waiting = []
            with suppress(TimeoutError):
                while True:  # until no packet comes, so that all allowed messages are under way
                    async with asyncio.timeout(0.05):
                        first, body = await packet(reader)
                    if first >> 4 == 3:
                        waiting.append(body[2 + int.from_bytes(body[:2], "big") :][:2])
            most = max(most, len(waiting))
            for identifier in waiting:
                writer.write(b"\x40\x02" + identifier)

    async def work() -> None:
        async with scripted(counting) as (sink, _):
            await sink.open()
            assert await sink.write(readings(1, 50), 0) == {}

    asyncio.run(work())
    assert most == 7


def test_a_broker_without_qos_1_is_reported_as_such() -> None:
    async def simple(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"\x20\x05\x00\x00\x02\x24\x00")  # 3.2.2.3.4: property 0x24, Maximum QoS, 0
        await reader.read()

    async def work() -> None:
        async with scripted(simple) as (sink, _):
            with pytest.raises(SinkError, match="does not support QoS 1"):
                await sink.open()

    asyncio.run(work())


def test_the_reason_contains_the_reason_string_of_the_broker() -> None:
    # 3.4.2: code 0x83, then properties of 23 bytes: a user property (0x26) a = b, a reason string (0x1F).
    properties = b"\x26\x00\x01a\x00\x01b" + b"\x1f\x00\x0dplan too low\n"

    async def explaining(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"\x20\x03\x00\x00\x00")
        while True:
            first, body = await packet(reader)
            end = 2 + int.from_bytes(body[:2], "big")
            answer = body[end : end + 2]
            if not body[2:end].endswith(b"/status"):
                answer += bytes([0x83, len(properties)]) + properties
            if first >> 4 == 3:
                writer.write(bytes([0x40, len(answer)]) + answer)

    async def work() -> None:
        async with scripted(explaining) as (sink, _):
            await sink.open()
            refused = await sink.write(readings(1, 1), 0)
            reason = f"{DEVICE}: implementation specific error (0x83): 'plan too low\\n'"
            assert refused == {0: SinkRefusal(reason, RefusalKind.PASSING)}

    asyncio.run(work())


def test_a_broker_that_defers_every_record_does_not_get_the_whole_batch() -> None:
    publish_count = 0

    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal publish_count
        writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x0a")  # ten under way
        while True:
            first, body = await packet(reader)
            end = 2 + int.from_bytes(body[:2], "big")
            if first >> 4 == 3:
                publish_count += 1
                writer.write(b"\x40\x03" + body[end : end + 2] + b"\x97")

    async def work() -> None:
        async with scripted(full) as (sink, _):
            await sink.open()  # the status is refused, too, but delivery continues
            with pytest.raises(RefusalsOnly, match="quota exceeded") as raised:
                await sink.write(readings(1, 1000), 0)
            assert not raised.value.taken
            assert len(raised.value.refused) <= mqtt_sink.MOST_REFUSALS + 10

    asyncio.run(work())
    assert publish_count <= 1 + mqtt_sink.MOST_REFUSALS + 10


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # 3.14: DISCONNECT with reason 0x8E, session taken over.
        (b"\xe0\x01\x8e", "ended the connection: another client has logged in with this client_id"),
        (b"\xe0\x00", "the broker ended the connection"),
        (b"\x20\x03\x00\x00\x00", "packet of type 0x20, expected acknowledgements"),
        (b"\x30\xff\xff\xff\x7f", "packet of more than 1048576 bytes"),
        (b"HTTP/1.1 400", "packet of type 0x48"),
    ],
    ids=["taken over", "no reason", "connack", "endless", "http"],
)
def test_an_unexpected_packet_ends_a_batch_with_a_reason(data: bytes, text: str) -> None:
    async def speaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"\x20\x03\x00\x00\x00")
        published = 0
        while published < 4:  # the status and three records
            first, body = await packet(reader)
            if first >> 4 == 3:
                published += 1
                end = 2 + int.from_bytes(body[:2], "big")
                writer.write(b"\x40\x02" + body[end : end + 2])
        writer.write(data)
        await reader.read()

    async def work() -> None:
        async with scripted(speaking) as (sink, _):
            await sink.open()
            with pytest.raises(SinkError, match=text) as raised:
                await sink.write(readings(1, 10), 0)
            assert raised.value.taken == {0, 1, 2}

    asyncio.run(asyncio.wait_for(work(), 30))


@pytest.mark.slow(4)
def test_a_broker_that_stops_answering_between_two_batches_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_connection, "KEEPALIVE", 1)
    pings = 0

    async def tired(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal pings
        writer.write(b"\x20\x03\x00\x00\x00")
        while True:
            first, body = await packet(reader)
            if first >> 4 == 3:
                end = 2 + int.from_bytes(body[:2], "big")
                writer.write(b"\x40\x02" + body[end : end + 2])
            elif first == 0xC0:
                pings += 1
                if pings < 3:
                    writer.write(b"\xd0\x00")

    async def work() -> None:
        async with scripted(tired) as (sink, _):
            await sink.open()
            await until(lambda: pings == 3)
            await until(lambda: bool(sink._session and sink._session._end_reason))
            with pytest.raises(SinkError, match="sent nothing for 1 s"):
                await sink.write(readings(1, 1), 0)

    asyncio.run(work())


def test_acknowledgements_in_pieces_and_out_of_order_are_read() -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"\x20\x03\x00\x00\x00")
        _, body = await packet(reader)  # the status
        end = 2 + int.from_bytes(body[:2], "big")
        writer.write(b"\x40\x02" + body[end : end + 2])
        identifiers = []
        for _ in range(30):
            _, body = await packet(reader)
            end = 2 + int.from_bytes(body[:2], "big")
            identifiers.append(body[end : end + 2])
        for byte in b"".join(b"\x40\x04" + identifier + b"\x00\x00" for identifier in reversed(identifiers)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await acknowledge(reader, writer)

    async def work() -> None:
        async with scripted(odd) as (sink, _):
            await sink.open()
            assert await sink.write(readings(1, 30), 0) == {}
            assert await sink.write(readings(31, 60), 0) == {}

    asyncio.run(asyncio.wait_for(work(), 30))
