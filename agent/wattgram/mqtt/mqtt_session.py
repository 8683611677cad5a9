"""Login, publishing and receiving over a connected socket, with a window of unacknowledged messages.

Every packet is bounded before its content is read, so that a broker cannot cost more than a megabyte, and received
bytes are parsed in slices. A library for MQTT would hold whatever length a packet states, and spend several times as
long on a message and its acknowledgement as the whole way from the disk takes. The numbers in comments are sections of
the OASIS standard of version 5.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from wattgram.base.errors import SinkError
from wattgram.base.fair_share import FairShare
from wattgram.base.network_errors import cause

from .packets import (
    CLOSED,
    CONNACK,
    DISCONNECT,
    EXPECTED,
    EXPECTED_LOGIN,
    EXPECTED_SUBSCRIBED,
    PACKET_TOO_LARGE,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    REFUSAL_CODE,
    SUBACK,
    UNRELATED_REASONS,
    WITH_WILL,
    Acknowledgement,
    LoginAnswer,
    MessageTooLarge,
    acknowledgement,
    login_answer,
    packet,
    packet_identifier,
    packet_size,
    publish,
    publish_qos0,
    received,
    subscribe,
)
from .session_limits import (
    LONGEST_MESSAGE,
    LONGEST_PACKET,
    MOST_DISCARDED,
    MOST_STRAY,
    MOST_UNSENT,
    READ_BYTES,
    WOULD_BLOCK,
    SessionTerms,
)


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
    """Publishes over a connected socket until the connection ends. The socket must have no other user.

    `login` comes first, then `begin`.
    """

    def __init__(self, sock: socket.socket, *, version5: bool, longest: int = LONGEST_MESSAGE) -> None:
        """longest: largest message of a subscription, bytes; the handler gets the beginning of a larger one."""
        self._sock = sock
        self._terms = SessionTerms(version5, 0, 0, 0.0)
        self._longest = longest
        self._expected = EXPECTED_LOGIN
        self._loop = asyncio.get_running_loop()
        self._queue: MessageQueue | None = None
        # By packet identifier: the queue of an unacknowledged message, and its number there.
        self._unacknowledged: dict[int, tuple[MessageQueue, int]] = {}
        self._identifier = 0  # of the last packet
        self._out = bytearray()
        self._blocked = False
        self._in = bytearray()
        self._skipped = 0  # bytes to discard: the rest of a message above the limit
        self._unsent = 0  # acknowledgements of received messages among the unsent bytes
        self._stray = 0  # answers that nobody asked for
        self._handler: MessageHandler | None = None
        self._pings: deque[asyncio.Future[int] | None] = deque()  # by ping, None without a waiting caller
        self._subscribing: dict[int, asyncio.Future[int]] = {}  # by packet identifier
        self._alive = True  # whether data came since the last ping
        self._last_acknowledgement = 0.0  # loop time
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._login: asyncio.Future[LoginAnswer] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._share = FairShare()
        self.ended: asyncio.Future[None] = self._loop.create_future()  # done when the connection has ended
        self._end_reason = ""
        self._unrelated = False
        self.end_code = 0  # reason code of a DISCONNECT of the broker
        sock.setblocking(False)
        self._loop.add_reader(sock, self._readable)
        self._loop.call_soon(self._readable)  # TLS may hold data that the socket does not signal again

    async def login(self, request: bytes, limit: float) -> LoginAnswer:
        """Send a CONNECT and return the broker's answer. SinkError when the connection ends, also after `limit` s."""
        self._write(request)
        if not self._end_reason:
            either: tuple[asyncio.Future[Any], ...] = (self._login, self.ended)
            await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if self._login.done():
            return self._login.result()
        self.end(f"timed out: the broker did not answer within {limit:g} s")
        raise SinkError(self._end_reason)

    def begin(self, terms: SessionTerms) -> None:
        """Begin the session with the terms of the broker's answer."""
        self._terms = terms
        self._timer = self._loop.call_later(terms.keepalive, self._ping)

    async def publish(self, queue: MessageQueue, limit: float) -> None:
        """Publish all messages of a queue and wait for their acknowledgements.

        SinkError when the connection ends, also after `limit` s without an acknowledgement of one of these messages.
        """
        if not self._end_reason:
            self._queue, self._finished = queue, self._loop.create_future()
            self._last_acknowledgement = self._loop.time()
            try:
                self._fill()
                while not self._finished.done():
                    left = self._last_acknowledgement + limit - self._loop.time()
                    if left <= 0.0:
                        self.end(f"the broker did not acknowledge within {limit:g} s")
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
        self._handler, self._expected = handler, EXPECTED_SUBSCRIBED
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
            self.end("disconnected")

    @property
    def version5(self) -> bool:
        """Whether the connection has MQTT 5."""
        return self._terms.version5

    async def _answered(self, future: asyncio.Future[int], limit: float) -> int:
        """Return an answer; SinkError when the connection ends, also after `limit` s without the answer."""
        if not self._end_reason:
            await asyncio.wait([future], timeout=limit)
            if not future.done():
                self.end(f"the broker did not answer within {limit:g} s")
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
            self._readable()  # the broker's reason may be unread
            self.end(f"connection lost: {cause(error)}")
        else:
            self._unsent = 0
            self._unblock()

    def _unblock(self) -> None:
        if self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._sock)

    def _ping(self) -> None:
        if not self._alive:
            self.end(f"the broker sent nothing for {self._terms.keepalive:g} s")
            return
        self._alive = False
        self._pings.append(None)
        self._write(bytes([PINGREQ, 0]))
        self._timer = self._loop.call_later(self._terms.keepalive, self._ping)

    # receiving

    def _readable(self) -> None:
        try:
            while not self._end_reason:
                begin = self._loop.time()
                data = self._sock.recv(READ_BYTES)
                if not data:
                    self.end(CLOSED)
                    return
                self._alive = True
                # Otherwise a broker that collects small packets delays the end of a batch by 40 ms.
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                self._in += data
                del self._in[: self._parsed()]
                self._fill()
                if len(data) == READ_BYTES and not self._end_reason:
                    self._loop.remove_reader(self._sock)
                    pause = self._share.pause(begin, self._loop.time())
                    self._pause = self._loop.call_later(pause, self._read_on)
                    return
                if not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
                    return
        except WOULD_BLOCK:
            return
        except (OSError, ValueError) as error:
            self.end(f"connection lost: {cause(error)}")

    def _read_on(self) -> None:
        """Read again after a pause."""
        if self._end_reason:  # a failed write may have begun another pause, and only that one is cancelled
            return
        self._loop.add_reader(self._sock, self._readable)
        self._readable()

    def _parsed(self) -> int:
        """Process whole packets and return the size of the processed bytes; ValueError for bytes that no broker sends.

        The size of a packet is checked before its content arrives.
        """
        data, start = self._in, 0
        while start < len(data) and not self._end_reason:
            if self._skipped:
                skipped = min(self._skipped, len(data) - start)
                self._skipped -= skipped
                start += skipped
                continue
            if data[start] not in self._expected:
                expected = "CONNACK" if self._expected is EXPECTED_LOGIN else "acknowledgements"
                raise ValueError(f"the broker sent a packet of type 0x{data[start]:02x}, expected {expected}")
            at, length = packet_size(data, start)
            if not at:
                break
            message = data[start] & 0xF0 == PUBLISH
            longest = self._longest if message else LONGEST_PACKET
            if length > longest and not (message and length <= MOST_DISCARDED):
                raise ValueError(f"the broker sent a packet of more than {longest} bytes")
            end = at + min(length, longest)
            if end > len(data):
                break
            self._skipped = length - (end - at)
            self._process(data[start], bytes(data[at:end]))
            start = end
        return start

    def _process(self, first: int, body: bytes) -> None:
        if first == PUBACK:
            self._take_acknowledgement(body)
        elif first == SUBACK:
            self._take_answer(
                self._subscribing.pop(packet_identifier(body), None), body[-1] if body[2:] else REFUSAL_CODE
            )
        elif first == PINGRESP:
            self._take_pong()
        elif first == DISCONNECT:
            reason = acknowledgement(body)
            self.end_code, self._unrelated = reason.code, reason.code in UNRELATED_REASONS
            self.end(f"the broker ended the connection{f': {reason}' if reason.code else ''}")
        elif first == CONNACK:
            self._expected = EXPECTED
            if not self._login.done():
                self._login.set_result(login_answer(body, version5=self._terms.version5))
        else:
            self._take_message(first, body)

    def _take_acknowledgement(self, body: bytes) -> None:
        """Only the acknowledgement of a message of the queue is progress."""
        found = self._unacknowledged.pop(packet_identifier(body), None)
        if found is None:
            self._note_stray()
            return
        queue, number = found
        if queue is self._queue:
            self._last_acknowledgement = self._loop.time()
        queue.acknowledged(number, acknowledgement(body[2:]))

    def _take_answer(self, waiting: asyncio.Future[int] | None, code: int) -> None:
        if waiting is None:
            self._note_stray()
        elif not waiting.done():
            waiting.set_result(code)

    def _take_pong(self) -> None:
        if not self._pings:
            self._note_stray()
        elif waiting := self._pings.popleft():
            self._take_answer(waiting, 0)

    def _take_message(self, first: int, body: bytes) -> None:
        assert self._handler is not None  # a message is expected after a subscription only
        message = received(first, body, version5=self._terms.version5)
        if message.identifier:
            self._unsent += 1
            if self._unsent > MOST_UNSENT:
                raise ValueError("the broker sends messages and does not read")
            self._write(packet(PUBACK, message.identifier.to_bytes(2, "big")))
        self._handler.received(message.topic, message.payload, message.retained)

    def _note_stray(self) -> None:
        self._stray += 1
        if self._stray > MOST_STRAY:
            raise ValueError(f"the broker sent more than {MOST_STRAY} answers that nobody asked for")

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    @property
    def end_reason(self) -> str:
        """Why the connection has ended, "" while it is open."""
        return self._end_reason

    @property
    def was_closed(self) -> bool:
        """Whether the broker closed the connection without a reason, while it owed no answer."""
        closed = self._end_reason.startswith((CLOSED, "connection lost"))
        return closed and not self.end_code and not (self._unacknowledged or self._subscribing)

    def end(self, reason: str) -> None:
        """Stop to use the socket; its owner closes it."""
        if self._end_reason:
            return
        self._end_reason = reason
        self.ended.set_result(None)
        for timer in (self._timer, self._pause):
            if timer is not None:
                timer.cancel()
        self._loop.remove_reader(self._sock)
        self._unblock()
        self._finish()
        for future in (*self._pings, *self._subscribing.values()):
            if future is not None and not future.done():
                future.set_result(0)
