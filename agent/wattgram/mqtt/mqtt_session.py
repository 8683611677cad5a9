"""Over a connection that is there: PUBLISH out, PUBACK in, a window of messages under way; and what is heard meanwhile.

Connecting is aiomqtt's. A backlog is not: paho behind it spends several times as long on a message and its
acknowledgement as all the rest of the way from the disk takes. The numbers in comments are sections of the OASIS
standard of version 5.
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
    Acknowledgement,
    answer,
    handed,
    heard,
    packet,
    publish,
    subscribe,
)

EXPECTED = frozenset({PUBACK, PINGRESP, DISCONNECT})
"""First bytes of what a broker may send to one that has subscribed to nothing."""

HEARD = EXPECTED | {SUBACK, *(PUBLISH | flags for flags in range(16))}
"""And to one that has."""

OF_ITSELF = frozenset({0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0})
"""Reasons to disconnect that have nothing to do with the message under way."""

LONGEST_PACKET = 4096
"""Bytes of a packet that a broker may send here: a reason with its explanation."""

LONGEST_HEARD = 1_048_576
"""The same where messages are listened to."""

WITH_WILL = 0x04
"""Reason to disconnect that makes a broker of version 5 publish the last will (3.14.2.1)."""

READ_BYTES = 65_536
"""Bytes that are read at once."""

LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What both sides agreed on when they connected.

    version5: MQTT 5 or 3.1.1. window: messages under way at once. largest: bytes of a packet, 0 for any.
    keepalive: seconds between two signs of life.
    """

    version5: bool
    window: int
    largest: int
    keepalive: float


class MessageQueue(Protocol):
    """Messages to be published. retain: whether the broker keeps the one that `next` gave last for who comes later."""

    retain: bool

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The next one's number, topic and payload; None when there is none left."""

    def answered(self, number: int, answer: Acknowledgement) -> None:
        """The message with that number was acknowledged, or is larger than the broker takes."""


class MessageHandler(Protocol):
    """Who listens; it may send, but not wait."""

    def heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """A message came; a retained one was published before we subscribed."""


class MqttSession:
    """Publishes over a connected socket, which nobody else may use, until the connection ends."""

    def __init__(self, sock: socket.socket, terms: SessionTerms) -> None:
        self._sock = sock
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._mail: MessageQueue | None = None
        self._under_way: dict[
            int, tuple[MessageQueue, int]
        ] = {}  # a message's number among which, by packet identifier
        self._identifier = 0  # the last one
        self._out = bytearray()
        self._blocked = False
        self._in = b""
        self._ear: MessageHandler | None = None
        self._pings: deque[asyncio.Future[int] | None] = deque()  # who waits for which answer
        self._asked: dict[int, asyncio.Future[int]] = {}  # subscriptions, by packet identifier
        self._alive = True  # since the last ping
        self._heard = 0.0  # when the last acknowledgement came
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._over = ""
        self._itself = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self._readable)
        self._loop.call_soon(self._readable)  # TLS may hold what the socket will not tell of again
        self._timer = self._loop.call_later(terms.keepalive, self._ping)

    async def publish(self, mail: MessageQueue, patience: float) -> None:
        """Send it all and wait for the answers.

        SinkError when the connection ends, also by us when nothing was acknowledged for `patience` seconds.
        """
        if not self._over:
            self._mail, self._done, self._heard = mail, self._loop.create_future(), self._loop.time()
            try:
                self._fill()
                while not self._done.done():
                    left = self._heard + patience - self._loop.time()
                    if left <= 0.0:
                        self._end(f"the broker did not acknowledge within {patience:g} s")
                    await asyncio.wait([self._done], timeout=max(0.0, left))
            finally:
                self._mail = None
        if self._over:
            raise SinkError(self._over, unavailable=self._itself)

    async def subscribe(self, topics: Sequence[str], ear: MessageHandler, patience: float) -> dict[str, str]:
        """Have `ear` hear what is published there; why, for each topic that the broker refuses.

        SinkError when the connection ends or does not answer.
        """
        self._ear = ear
        asked: dict[str, asyncio.Future[int]] = {}
        for topic in topics:
            asked[topic] = self._asked[self._following()] = self._loop.create_future()
            self._write(subscribe(self._identifier, topic.encode(), version5=self._terms.version5))
        refused = {}
        for topic, future in asked.items():
            if (code := await self._told(future, patience)) >= REFUSAL_CODE:
                refused[topic] = str(Acknowledgement(code))
        return refused

    def send(self, topic: bytes, payload: bytes) -> None:
        """Hand a message over with QoS 0; nothing when the connection has ended, which `arrived` tells.

        ValueError when it is larger than the broker takes.
        """
        made = handed(topic, payload, version5=self._terms.version5)
        if 0 < self._terms.largest < len(made):
            raise ValueError(f"{len(made)} bytes, the broker takes {self._terms.largest}")
        self._write(made)

    async def arrived(self, patience: float) -> None:
        """Return when the broker has read all that was sent: it answers a ping behind it; SinkError otherwise."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._pings.append(future)
        self._write(bytes([PINGREQ, 0]))
        await self._told(future, patience)

    def goodbye(self, *, will: bool = False) -> None:
        """End in order, so that the broker keeps the last will to itself, or, of version 5, publishes it."""
        if not self._over:
            self._write(packet(DISCONNECT, bytes([WITH_WILL])) if will and self.version5 else bytes([DISCONNECT, 0]))
            self._end("disconnected")

    @property
    def version5(self) -> bool:
        """Whether the broker speaks MQTT 5 here."""
        return self._terms.version5

    async def _told(self, future: asyncio.Future[int], patience: float) -> int:
        """An answer; SinkError when the connection ends, also by us when it does not come."""
        if not self._over:
            await asyncio.wait([future], timeout=patience)
            if not future.done():
                self._end(f"the broker did not answer within {patience:g} s")
        if self._over:
            raise SinkError(self._over, unavailable=self._itself)
        return future.result()

    # out

    def _fill(self) -> None:
        """Have as many messages under way as may be."""
        mail, under_way = self._mail, self._under_way
        if mail is None:
            return
        while len(under_way) < self._terms.window:
            following = mail.next()
            if following is None:
                if not under_way:
                    self._settle()
                break
            number, topic, payload = following
            head, tail = publish(topic, payload, version5=self._terms.version5, retain=mail.retain)
            size = len(head) + 2 + len(tail)
            if 0 < self._terms.largest < size:
                mail.answered(
                    number, Acknowledgement(PACKET_TOO_LARGE, f"{size} bytes, the broker takes {self._terms.largest}")
                )
                continue
            under_way[self._following()] = mail, number
            self._out += b"".join((head, self._identifier.to_bytes(2, "big"), tail))
        if not self._blocked:
            self._flush()

    def _following(self) -> int:
        """The next packet identifier that nothing under way has (2.2.1)."""
        while True:
            self._identifier = self._identifier % 0xFFFF + 1
            if self._identifier not in self._under_way and self._identifier not in self._asked:
                return self._identifier

    def _write(self, made: bytes) -> None:
        if not self._over:
            self._out += made
            if not self._blocked:
                self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except LATER:
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
            self._end(f"the broker gave no sign of life for {self._terms.keepalive:g} s")
            return
        self._alive = False
        self._pings.append(None)
        self._write(bytes([PINGREQ, 0]))
        self._timer = self._loop.call_later(self._terms.keepalive, self._ping)

    # in

    def _readable(self) -> None:
        try:
            while not self._over:
                data = self._sock.recv(READ_BYTES)
                if not data:
                    self._end("the broker closed the connection")
                    return
                self._alive = True
                # Else a broker that gathers small packets holds the last ones of a batch back for 40 ms.
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                self._in = self._parsed(self._in + data)
                self._fill()
                if not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
                    return
        except LATER:
            return
        except (OSError, ValueError) as error:
            self._end(f"connection lost: {error}")

    def _parsed(self, data: bytes) -> bytes:
        """Take whole packets; what is left of the data. ValueError for what no broker says."""
        start = 0
        expected, longest = (EXPECTED, LONGEST_PACKET) if self._ear is None else (HEARD, LONGEST_HEARD)
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
            self._take(data[start], data[at : at + length])
            start = at + length

    def _take(self, first: int, body: bytes) -> None:
        if first == PUBACK:
            self._heard = self._loop.time()
            if found := self._under_way.pop(int.from_bytes(body[:2], "big"), None):
                mail, number = found
                mail.answered(number, answer(body[2:]))
        elif first == DISCONNECT:
            told = answer(body)
            self._itself = told.code in OF_ITSELF
            self._end(f"the broker ended the connection{f': {told}' if told.code else ''}")
        elif first == PINGRESP:
            if self._pings and (future := self._pings.popleft()) and not future.done():
                future.set_result(0)
        elif first == SUBACK:
            asked = self._asked.pop(int.from_bytes(body[:2], "big"), None)
            if asked is not None and not asked.done():
                asked.set_result(body[-1] if body else REFUSAL_CODE)
        elif self._ear is not None:
            message = heard(first, body, version5=self._terms.version5)
            if message.identifier:
                self._write(packet(PUBACK, message.identifier.to_bytes(2, "big")))
            self._ear.heard(message.topic, message.payload, message.retained)

    def _settle(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _end(self, reason: str) -> None:
        """Have no more to do with the socket; who gave it closes it."""
        if self._over:
            return
        self._over = reason
        self._timer.cancel()
        self._loop.remove_reader(self._sock)
        self._unblock()
        self._settle()
        for future in (*self._pings, *self._asked.values()):
            if future is not None and not future.done():
                future.set_result(0)
