"""wattgram's MQTT beside an independent client, aiomqtt over paho, at a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiomqtt
import pytest
from wattgram.base.tcp_connection import Proxy
from wattgram.mqtt.mqtt_connection import V5, V311, Broker
from wattgram.mqtt.mqtt_settings import MqttConfig
from wattgram.mqtt.packets import Acknowledgement

from tests.support.brokers import Broker as Mosquitto
from tests.support.relay_proxy import relay_proxy

VERSIONS = {V5: aiomqtt.ProtocolVersion.V5, V311: aiomqtt.ProtocolVersion.V311}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def to(broker: Mosquitto, protocol: int = V5, proxy: Proxy | None = None) -> Broker:
    made = Broker(MqttConfig("127.0.0.1", broker.port, client_id="gateway-7"), proxy=proxy)
    made.protocol = protocol
    return made


class Queue:
    """Messages to publish, and the answers."""

    retain = False

    def __init__(self, *messages: tuple[bytes, bytes]) -> None:
        self.answers: list[int] = []
        self._left = iter(enumerate(messages))

    def next(self) -> tuple[int, bytes, bytes] | None:
        for number, (topic, payload) in self._left:
            return number, topic, payload
        return None

    def acknowledged(self, number: int, answer: Acknowledgement) -> None:
        self.answers.append(answer.code)


@pytest.mark.parametrize("protocol", VERSIONS)
def test_an_independent_client_gets_messages_and_the_last_will(broker: Mosquitto, protocol: int) -> None:
    payloads = [b"", b"x", bytes(range(256)) * 700]

    async def work() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=VERSIONS[protocol]) as other:
            await other.subscribe("plant/#", qos=1)
            connection = await to(broker, protocol).connect(will=("plant/status", b"offline"))
            queue = Queue(*((b"plant/%d" % place, payload) for place, payload in enumerate(payloads)))
            await connection.session().publish(queue, 20.0)
            assert queue.answers == [0, 0, 0]
            messages = aiter(other.messages)
            got = [await anext(messages) for _ in payloads]
            assert [(str(message.topic), message.payload, message.qos) for message in got] == [
                (f"plant/{place}", payload, 1) for place, payload in enumerate(payloads)
            ]
            connection.abandon()  # no DISCONNECT: as a power cut
            will = await anext(messages)
            assert (str(will.topic), will.payload) == ("plant/status", b"offline")

    run(work())


@pytest.mark.parametrize("protocol", VERSIONS)
def test_messages_of_an_independent_client_are_received_and_cut_off(broker: Mosquitto, protocol: int) -> None:
    async def work() -> None:
        listener = to(broker, protocol)
        async with aiomqtt.Client("127.0.0.1", broker.port) as other:
            await other.publish("grid/mix", b"first", qos=1, retain=True)
            messages = listener.listen("grid/mix", 50_000)
            got = await anext(messages)
            assert (got.payload, got.retained) == (b"first", True)
            for size in (40_000, 900_000, 10):
                await other.publish("grid/mix", b"z" * size, qos=1)
            # A broker of version 5 keeps what is too large; the beginning of another broker's message arrives.
            sizes = [40_000, 10] if protocol == V5 else [40_000, 50_001, 10]
            assert [len((await anext(messages)).payload) for _ in sizes] == sizes
            await messages.aclose()

    run(work())


def test_a_connection_goes_through_a_proxy(broker: Mosquitto) -> None:
    async def work() -> None:
        async with relay_proxy() as (port, heads):
            connection = await to(broker, proxy=Proxy("127.0.0.1", port)).connect()
            queue = Queue((b"plant/1", b"x"))
            await connection.session().publish(queue, 20.0)
            assert queue.answers == [0]
            await connection.disconnect()
            connection.abandon()
            assert heads[0].startswith(f"CONNECT 127.0.0.1:{broker.port} HTTP/1.1\r\n")

    run(work())
