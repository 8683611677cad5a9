"""What a broker may send over a connection, and what counts as its progress."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from wattgram.base.errors import SinkError
from wattgram.mqtt.mqtt_session import MqttSession
from wattgram.mqtt.packets import Acknowledgement, connect
from wattgram.mqtt.session_limits import LONGEST_MESSAGE, MOST_DISCARDED, MOST_STRAY, SessionTerms

from tests.support.records import until

CONNACK = b"\x20\x03\x00\x00\x00"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


class Queue:
    """Some messages to publish."""

    retain = False

    def __init__(self, count: int) -> None:
        self.acknowledgements = 0
        self._left = iter(range(count))

    def next(self) -> tuple[int, bytes, bytes] | None:
        number = next(self._left, None)
        return None if number is None else (number, b"t", b"x")

    def acknowledged(self, number: int, answer: Acknowledgement) -> None:
        self.acknowledgements += 1


class Handler:
    """Notes the sizes of received messages."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        self.sizes.append(len(payload))


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[MqttSession, socket.socket]]:
    """A session after its login, and the broker's end of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # little room for what the broker does not read
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    session = MqttSession(ours, version5=True)
    theirs.send(CONNACK)
    await session.login(connect("", 15, version5=True), 20.0)
    session.begin(SessionTerms(True, 100, 0, 60.0))
    try:
        yield session, theirs
    finally:
        session.end("over")
        ours.close()
        theirs.close()


async def send(broker: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # the session may end meanwhile
        await asyncio.get_running_loop().sock_sendall(broker, data)


def message(size: int, first: int = 0x30) -> bytes:
    """Return a PUBLISH (3.3) to the topic t with a payload of `size` bytes."""
    head = b"\x00\x01t" + (b"\x00\x07" if first & 0x06 else b"") + b"\x00"
    length = len(head) + size
    encoded = bytes(length >> 7 * place & 0x7F | (0x80 if place < 3 else 0) for place in range(4))
    return bytes([first]) + encoded + head + bytes(size)


def test_acknowledgements_of_an_abandoned_queue_are_no_progress() -> None:
    async def work() -> None:
        async with connected() as (session, broker):
            abandoned = Queue(50)
            with suppress(TimeoutError):
                await asyncio.wait_for(session.publish(abandoned, 20.0), 0.05)

            async def drip() -> None:
                for identifier in range(1, 51):
                    await send(broker, b"\x40\x02" + identifier.to_bytes(2, "big"))
                    await asyncio.sleep(0.1)

            dripping = asyncio.create_task(drip())
            with pytest.raises(SinkError, match=r"did not acknowledge within 0\.3 s"):
                await session.publish(Queue(1), 0.3)
            assert 0 < abandoned.acknowledgements < 50
            dripping.cancel()

    run(work())


def test_a_large_message_is_cut_off_and_the_next_ones_are_read() -> None:
    async def work() -> None:
        async with connected() as (session, broker):
            handler = Handler()
            session.request(["t"], handler)
            sizes = (10, 3 * LONGEST_MESSAGE, 20, LONGEST_MESSAGE + 1)
            await send(broker, b"".join(message(size) for size in sizes) + message(30))
            await until(lambda: len(handler.sizes) == 5)
            # The head before the payload has four bytes: topic with length, no properties.
            assert handler.sizes == [10, LONGEST_MESSAGE - 4, 20, LONGEST_MESSAGE - 4, 30]
            assert not session.end_reason

    run(work())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (message(MOST_DISCARDED)[:20], f"a packet of more than {LONGEST_MESSAGE} bytes"),
        (b"\x40\x80\x80\x80\x80\x00", "a length of more than 4 bytes"),
        (b"\x40\x81\x20", "a packet of more than 4096 bytes"),
        (b"\x40\x02\x12\x34" * (MOST_STRAY + 1), f"more than {MOST_STRAY} answers that nobody asked for"),
        (b"\x40\x01\x01" * (MOST_STRAY + 1), f"more than {MOST_STRAY} answers that nobody asked for"),
        (b"\xd0\x00" * (MOST_STRAY + 1), f"more than {MOST_STRAY} answers that nobody asked for"),
        (CONNACK, "a packet of type 0x20, expected acknowledgements"),
    ],
    ids=["message", "length", "acknowledgement", "unknown", "short", "pongs", "login"],
)
def test_a_broker_that_exceeds_a_limit_is_left_with_the_reason(data: bytes, reason: str) -> None:
    async def work() -> None:
        async with connected() as (session, broker):
            session.request(["t"], Handler())
            await send(broker, data)
            await session.ended
            assert session.end_reason == f"connection lost: the broker sent {reason}"

    run(work())


def test_a_broker_that_sends_messages_and_does_not_read_is_left() -> None:
    async def work() -> None:
        async with connected() as (session, broker):
            session.request(["t"], Handler())
            flood = asyncio.create_task(send(broker, message(1, 0x32) * 100_000))
            await session.ended
            assert session.end_reason.endswith("the broker sends messages and does not read")
            flood.cancel()

    run(work())
