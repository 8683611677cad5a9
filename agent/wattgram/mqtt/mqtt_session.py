"""Publishing and receiving over a connected socket, with a window of unacknowledged messages.

aiomqtt makes the connection but does not publish: with a message and its acknowledgement, paho behind it spends
several times as long as the whole way from the disk takes. The numbers in comments are sections of the OASIS standard
of version 5.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wattgram.base.errors import SinkError

from .packets import (
    DISCONNECT,
    PACKET_TOO_LARGE,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    REFUSAL_CODE,
    SUBACK,
    UNRELATED_REASONS,
    Acknowledgement,
    MessageTooLarge,
    acknowledgement,
    packet,
    publish,
    publish_qos0,
    received,
    subscribe,
)

EXPECTED = frozenset({PUBACK, PINGRESP, DISCONNECT})
"""First bytes of the packets that a broker may send to a client without a subscription."""

EXPECTED_SUBSCRIBED = EXPECTED | {SUBACK, *(PUBLISH | flags for flags in range(16))}
"""The same for a client with a subscription."""

LONGEST_PACKET = 4096
"""Largest packet from a broker without a subscription, bytes: a reason code with its text."""

LONGEST_MESSAGE = 1_048_576
"""Largest packet from a broker with a subscription, bytes."""

WITH_WILL = 0x04
"""Reason code of a DISCONNECT with which a broker of version 5 publishes the last will (3.14.2.1)."""

READ_BYTES = 65_536
"""Largest number of bytes in a read."""

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """Terms of a connection.

    version5: MQTT 5 or 3.1.1. window: largest number of unacknowledged messages. largest: largest packet, bytes, 0 for
    any. keepalive: s between two pings.
    """

    version5: bool
    window: int
    largest: int
    keepalive: float


class MessageQueue(Protocol):
    """Messages to publish. retain: whether the broker retains the last result of `next`."""

    retain: bool

    def next(self) -> tuple[int, bytes, bytes] | None:
        """Return number, topic and payload of the next message; None for the end."""

    def acknowledged(self, number: int, answer: Acknowledgement) -> None:
        """Note the answer to a message: of the broker, or PACKET_TOO_LARGE for a message above its limit."""


class MessageHandler(Protocol):
    """A receiver of messages. It may send, but not wait."""

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message; a retained message was published before the subscription."""


class MqttSession:
    """Publishes over a connected socket until the connection ends. The socket must have no other user."""

    def __init__(self, sock: socket.socket, terms: SessionTerms) -> None:
        self._sock = sock
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._queue: MessageQueue | None = None
        # By packet identifier: the queue of an unacknowledged message, and its number there.
        self._unacknowledged: dict[int, tuple[MessageQueue, int]] = {}
        self._identifier = 0  # of the last packet
        self._out = bytearray()
        self._blocked = False
        self._in = b""
        self._handler: MessageHandler | None = None
        self._pings: deque[asyncio.Future[int] | None] = deque()  # by ping, None without a waiting caller
        self._subscribing: dict[int, asyncio.Future[int]] = {}  # by packet identifier
        self._alive = True  # whether data came since the last ping
        self._last_acknowledgement = 0.0  # loop time
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._end_reason = ""
        self._unrelated = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self._readable)
        self._loop.call_soon(self._readable)  # TLS may hold data that the socket does not signal again
        self._timer = self._loop.call_later(terms.keepalive, self._ping)

    async def publish(self, queue: MessageQueue, limit: float) -> None:
        """Publish all messages of a queue and wait for their acknowledgements.

        SinkError when the connection ends, also after `limit` s without an acknowledgement.
        """
        if not self._end_reason:
            self._queue, self._finished = queue, self._loop.create_future()
            self._last_acknowledgement = self._loop.time()
            try:
                self._fill()
                while not self._finished.done():
                    left = self._last_acknowledgement + limit - self._loop.time()
                    if left <= 0.0:
                        self._end(f"the broker did not acknowledge within {limit:g} s")
                    await asyncio.wait([self._finished], timeout=max(0.0, left))
            finally:
                self._queue = None
        if self._end_reason:
            raise SinkError(self._end_reason, unavailable=self._unrelated)

    async def subscribe(self, topics: Sequence[str], handler: MessageHandler, limit: float) -> dict[str, str]:
        """Subscribe to topics; return the reason of each topic that the broker refuses.

        SinkError when the connection ends or the broker does not answer.
        """
        refused = {}
        for topic, future in zip(topics, self.request(topics, handler), strict=True):
            if (code := await self._answered(future, limit)) >= REFUSAL_CODE:
                refused[topic] = str(Acknowledgement(code))
        return refused

    def request(self, topics: Sequence[str], handler: MessageHandler) -> list[asyncio.Future[int]]:
        """Request subscriptions without waiting; return a future for the broker's answer to each topic.

        All messages of the connection go to the last `handler`. The futures of an ended connection stay open.
        """
        self._handler = handler
        answers = []
        for topic in topics:
            self._subscribing[self._next_identifier()] = self._loop.create_future()
            answers.append(self._subscribing[self._identifier])
            self._write(subscribe(self._identifier, topic.encode(), version5=self._terms.version5))
        return answers

    def send(self, topic: bytes, payload: bytes) -> None:
        """Send a message with QoS 0; do nothing after the end of the connection, which `flush` reports.

        MessageTooLarge for a message above the broker's limit.
        """
        message = publish_qos0(topic, payload, version5=self._terms.version5)
        if 0 < self._terms.largest < len(message):
            raise MessageTooLarge(f"{len(message)} bytes, the broker takes {self._terms.largest}")
        self._write(message)

    async def flush(self, limit: float) -> None:
        """Wait until the broker has read all sent data, by a ping behind the data; SinkError on failure."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._pings.append(future)
        self._write(bytes([PINGREQ, 0]))
        await self._answered(future, limit)

    def disconnect(self, *, will: bool = False) -> None:
        """Disconnect in order: the broker discards the last will, or with `will` in version 5 publishes it."""
        if not self._end_reason:
            self._write(packet(DISCONNECT, bytes([WITH_WILL])) if will and self.version5 else bytes([DISCONNECT, 0]))
            self._end("disconnected")

    @property
    def version5(self) -> bool:
        """Whether the connection has MQTT 5."""
        return self._terms.version5

    async def _answered(self, future: asyncio.Future[int], limit: float) -> int:
        """Return an answer; SinkError when the connection ends, also after `limit` s without the answer."""
        if not self._end_reason:
            await asyncio.wait([future], timeout=limit)
            if not future.done():
                self._end(f"the broker did not answer within {limit:g} s")
        if self._end_reason:
            raise SinkError(self._end_reason, unavailable=self._unrelated)
        return future.result()

    # sending

    def _fill(self) -> None:
        """Send messages of the queue up to the window."""
        queue, unacknowledged = self._queue, self._unacknowledged
        if queue is None:
            return
        while len(unacknowledged) < self._terms.window:
            following = queue.next()
            if following is None:
                if not unacknowledged:
                    self._finish()
                break
            number, topic, payload = following
            head, tail = publish(topic, payload, version5=self._terms.version5, retain=queue.retain)
            size = len(head) + 2 + len(tail)
            if 0 < self._terms.largest < size:
                queue.acknowledged(
                    number, Acknowledgement(PACKET_TOO_LARGE, f"{size} bytes, the broker takes {self._terms.largest}")
                )
                continue
            unacknowledged[self._next_identifier()] = queue, number
            self._out += b"".join((head, self._identifier.to_bytes(2, "big"), tail))
        if not self._blocked:
            self._flush()

    def _next_identifier(self) -> int:
        """Return the next unused packet identifier (2.2.1)."""
        while True:
            self._identifier = self._identifier % 0xFFFF + 1
            if self._identifier not in self._unacknowledged and self._identifier not in self._subscribing:
                return self._identifier

    def _write(self, data: bytes) -> None:
        if not self._end_reason:
            self._out += data
            if not self._blocked:
                self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except WOULD_BLOCK:
            if not self._blocked:
                self._blocked = True
                self._loop.add_writer(self._sock, self._flush)
        except OSError as error:
            self._end(f"connection lost: {error}")
        else:
            self._unblock()

    def _unblock(self) -> None:
        if self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._sock)

    def _ping(self) -> None:
        if not self._alive:
            self._end(f"the broker sent nothing for {self._terms.keepalive:g} s")
            return
        self._alive = False
        self._pings.append(None)
        self._write(bytes([PINGREQ, 0]))
        self._timer = self._loop.call_later(self._terms.keepalive, self._ping)

    # receiving

    def _readable(self) -> None:
        try:
            while not self._end_reason:
                data = self._sock.recv(READ_BYTES)
                if not data:
                    self._end("the broker closed the connection")
                    return
                self._alive = True
                # Otherwise a broker that collects small packets delays the end of a batch by 40 ms.
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                self._in = self._parsed(self._in + data)
                self._fill()
                if not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
                    return
        except WOULD_BLOCK:
            return
        except (OSError, ValueError) as error:
            self._end(f"connection lost: {error}")

    def _parsed(self, data: bytes) -> bytes:
        """Process whole packets and return the rest of the data; ValueError for bytes that no broker sends."""
        start = 0
        expected, longest = (
            (EXPECTED, LONGEST_PACKET) if self._handler is None else (EXPECTED_SUBSCRIBED, LONGEST_MESSAGE)
        )
        while True:
            if start < len(data) and data[start] not in expected:
                raise ValueError(f"the broker sent a packet of type 0x{data[start]:02x}, expected acknowledgements")
            at, length, shift = start + 1, 0, 0
            while True:  # the remaining length (1.5.5)
                if at >= len(data):
                    return data[start:]
                byte = data[at]
                length |= (byte & 0x7F) << shift
                shift += 7
                at += 1
                if byte < 0x80:
                    break
                if length > longest:
                    raise ValueError(f"the broker sent a packet of more than {longest} bytes")
            if at + length > len(data):
                return data[start:]
            self._process(data[start], data[at : at + length])
            start = at + length

    def _process(self, first: int, body: bytes) -> None:
        if first == PUBACK:
            self._last_acknowledgement = self._loop.time()
            if found := self._unacknowledged.pop(int.from_bytes(body[:2], "big"), None):
                queue, number = found
                queue.acknowledged(number, acknowledgement(body[2:]))
        elif first == DISCONNECT:
            reason = acknowledgement(body)
            self._unrelated = reason.code in UNRELATED_REASONS
            self._end(f"the broker ended the connection{f': {reason}' if reason.code else ''}")
        elif first == PINGRESP:
            if self._pings and (future := self._pings.popleft()) and not future.done():
                future.set_result(0)
        elif first == SUBACK:
            answer = self._subscribing.pop(int.from_bytes(body[:2], "big"), None)
            if answer is not None and not answer.done():
                answer.set_result(body[-1] if body else REFUSAL_CODE)
        elif self._handler is not None:
            message = received(first, body, version5=self._terms.version5)
            if message.identifier:
                self._write(packet(PUBACK, message.identifier.to_bytes(2, "big")))
            self._handler.received(message.topic, message.payload, message.retained)

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    def _end(self, reason: str) -> None:
        """Stop to use the socket; its owner closes it."""
        if self._end_reason:
            return
        self._end_reason = reason
        self._timer.cancel()
        self._loop.remove_reader(self._sock)
        self._unblock()
        self._finish()
        for future in (*self._pings, *self._subscribing.values()):
            if future is not None and not future.done():
                future.set_result(0)
