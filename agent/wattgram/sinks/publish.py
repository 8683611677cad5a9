"""QoS 1 over a connection that is there: PUBLISH out, PUBACK in, a window of messages under way.

Connecting is aiomqtt's. A backlog is not: paho behind it spends several times as long on a message and its
acknowledgement as all the rest of the way from the disk takes. Four packets of MQTT do here: PUBLISH, PUBACK, PINGREQ
and DISCONNECT. The numbers in comments are sections of the OASIS standard of version 5.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Protocol

from ..errors import SinkError

PUBLISH, PUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x30, 0x40, 0xC0, 0xD0, 0xE0
EXPECTED = frozenset({PUBACK, PINGRESP, DISCONNECT})
QOS_1, RETAIN = 0x02, 0x01

REFUSED = 0x80
"""The lowest reason code of a refusal."""

TOO_LARGE = 0x95

REASONS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x87: "not authorised",
    0x89: "server busy",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "somebody else has logged in with this client_id",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS 1 not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
}
"""What PUBACK and DISCONNECT can say (2.4)."""

OF_ITSELF = frozenset({0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0})
"""Reasons to disconnect that have nothing to do with the message under way."""

REASON_STRING, USER_PROPERTY = 0x1F, 0x26

LONGEST = 4096
"""Bytes of a packet that a broker may send here: a reason with its explanation."""

CHUNK = 65_536
"""Bytes that are read at once."""

LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Terms:
    """What both sides agreed on when they connected.

    version5: MQTT 5 or 3.1.1. window: messages under way at once. largest: bytes of a packet, 0 for any.
    keepalive: seconds between two signs of life.
    """

    version5: bool
    window: int
    largest: int
    keepalive: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What an acknowledgement says: a reason code, under 3.1.1 always 0, and the broker's own words."""

    code: int = 0
    said: str = ""

    def __str__(self) -> str:
        return f"{REASONS.get(self.code, 'unknown reason')} (0x{self.code:02x}){self.said and f': {self.said}'}"


TAKEN = Answer()


class Mail(Protocol):
    """Messages to be published, all of them retained or none."""

    retain: bool

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The next one's number, topic and payload; None when there is none left."""

    def answered(self, number: int, answer: Answer) -> None:
        """The message with that number was acknowledged, or is larger than the broker takes."""


class Line:
    """Publishes over a connected socket, which nobody else may use, until the connection ends."""

    def __init__(self, sock: socket.socket, terms: Terms) -> None:
        self._sock = sock
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._mail: Mail | None = None
        self._under_way: dict[int, tuple[Mail, int]] = {}  # a message's number among which, by packet identifier
        self._identifier = 0  # the last one
        self._out = bytearray()
        self._blocked = False
        self._in = b""
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

    async def publish(self, mail: Mail, patience: float) -> None:
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
            raise SinkError(self._over, itself=self._itself)

    def goodbye(self) -> None:
        """End in order, so that the broker keeps the last will to itself."""
        if not self._over:
            self._out += bytes([DISCONNECT, 0])
            self._flush()
            self._end("disconnected")

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
            head, tail = packet(topic, payload, version5=self._terms.version5, retain=mail.retain)
            size = len(head) + 2 + len(tail)
            if 0 < self._terms.largest < size:
                mail.answered(number, Answer(TOO_LARGE, f"{size} bytes, the broker takes {self._terms.largest}"))
                continue
            while True:  # one that no message under way has (2.2.1)
                self._identifier = self._identifier % 0xFFFF + 1
                if self._identifier not in under_way:
                    break
            under_way[self._identifier] = mail, number
            self._out += b"".join((head, self._identifier.to_bytes(2, "big"), tail))
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
        self._out += bytes([PINGREQ, 0])
        if not self._blocked:
            self._flush()
        self._timer = self._loop.call_later(self._terms.keepalive, self._ping)

    # in

    def _readable(self) -> None:
        try:
            while not self._over:
                data = self._sock.recv(CHUNK)
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
        while True:
            if start < len(data) and data[start] not in EXPECTED:
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
                if length > LONGEST:
                    raise ValueError(f"the broker sent a packet of more than {LONGEST} bytes")
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


def packet(topic: bytes, payload: bytes, *, version5: bool, retain: bool) -> tuple[bytes, bytes]:
    """A PUBLISH with QoS 1 (3.3), the piece before its packet identifier and the piece behind."""
    tail = b"\x00" + payload if version5 else payload  # no properties
    length = 2 + len(topic) + 2 + len(tail)
    head = bytearray([PUBLISH | QOS_1 | (RETAIN if retain else 0)])
    while length > 0x7F:
        head.append(0x80 | length & 0x7F)
        length >>= 7
    head.append(length)
    return bytes(head) + len(topic).to_bytes(2, "big") + topic, tail


def answer(body: bytes) -> Answer:
    """Reason code and reason string of a PUBACK (3.4) or DISCONNECT (3.14), from the code on."""
    if not body or body[0] < REFUSED:
        return TAKEN
    return Answer(body[0], _reason_string(body[2:]) if len(body) > 2 and body[1] < 0x80 else "")


def _reason_string(properties: bytes) -> str:
    """The broker's own words among the properties (2.2.2), at most 200 characters, quoted; "" without."""
    at = 0
    while at + 3 <= len(properties):
        kind, length = properties[at], int.from_bytes(properties[at + 1 : at + 3], "big")
        at += 3 + length
        if kind == REASON_STRING:
            return repr(properties[at - length : at].decode(errors="replace")[:200])
        if kind != USER_PROPERTY:
            break
        at += 2 + int.from_bytes(properties[at : at + 2], "big")
    return ""
