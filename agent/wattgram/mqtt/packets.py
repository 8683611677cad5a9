"""Control packets of MQTT 3.1.1 and 5, as bytes: the packets to send, and the parsers of received packets.

The numbers in comments are sections of the OASIS standard of version 5.
"""

from __future__ import annotations

from dataclasses import dataclass

CONNECT, CONNACK = 0x10, 0x20
PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x30, 0x40, 0x82, 0x90, 0xC0, 0xD0, 0xE0
QOS_1, RETAIN = 0x02, 0x01

EXPECTED = frozenset({PUBACK, PINGRESP, DISCONNECT})
"""First bytes of the packets that a broker may send to a client without a subscription."""

EXPECTED_SUBSCRIBED = EXPECTED | {SUBACK, *(PUBLISH | flags for flags in range(16))}
"""The same for a client with a subscription."""

EXPECTED_LOGIN = frozenset({CONNACK})
"""The same before the answer to the login."""

WITH_WILL = 0x04
"""Reason code of a DISCONNECT with which a broker of version 5 publishes the last will (3.14.2.1)."""

LENGTH_BYTES = 4
"""Most bytes of a remaining length, and of any other variable byte integer (1.5.5)."""

REFUSAL_CODE = 0x80
"""The lowest reason code of a refusal."""

PACKET_TOO_LARGE = 0x95

TAKEN_OVER = 0x8E
"""Reason code of a DISCONNECT after another client has logged in with the client id."""

REASON_STRING, USER_PROPERTY = 0x1F, 0x26
SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 0x13, 0x21, 0x24, 0x25, 0x27

FIXED_PROPERTIES = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
"""Sizes in bytes of the properties with numbers, in the packets from a broker that wattgram reads (2.2.2.2)."""

STRING_PROPERTIES = frozenset({0x12, 0x15, 0x16, 0x1A, 0x1C, REASON_STRING, USER_PROPERTY})
"""Properties with a length of two bytes before their value; a user property has two values."""

WITH_WILL = 0x04
"""Reason code of a DISCONNECT with which a broker of version 5 publishes the last will (3.14.2.1)."""

CLOSED = "the broker closed the connection"
"""The reason of an end without a DISCONNECT."""

REASONS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x87: "not authorised",
    0x89: "server busy",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "another client has logged in with this client_id",
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
"""Texts of the reason codes of PUBACK, SUBACK and DISCONNECT (2.4)."""

LOGIN_REASONS = {
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8C: "Bad authentication method",
    0x90: "Topic name of the last will invalid",
    0x95: "Packet too large",
    0x97: "Quota exceeded",
    0x99: "Payload format of the last will invalid",
    0x9A: "Retain of the last will not supported",
    0x9B: "QoS of the last will not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9F: "Connection rate exceeded",
}
"""Texts of the reason codes of CONNACK (3.2.2.2)."""

RETURN_CODES = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Return codes of CONNACK in version 3.1.1 (its table 3.1), as reason codes of version 5."""

UNRELATED_REASONS = frozenset({0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0})
"""Reason codes of a DISCONNECT that no published message causes."""


class MessageTooLarge(ValueError):
    """A message is larger than the broker's Maximum Packet Size, and was not sent."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Content of an acknowledgement: the reason code, which is always 0 in 3.1.1, and the broker's own text."""

    code: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{REASONS.get(self.code, 'unknown reason')} (0x{self.code:02x}){self.text and f': {self.text}'}"


ACCEPTED = Acknowledgement()


@dataclass(frozen=True, slots=True)
class LoginAnswer:
    """Content of a CONNACK; where the broker names no term, the default of the standard (3.2.2.3).

    code: reason code of version 5, 0 for accepted. text: the broker's own text, quoted. receive_maximum: most
    unacknowledged messages. largest: largest packet, bytes, 0 for any. keepalive: s, 0 for the client's own. retains:
    whether the broker retains messages.
    """

    code: int = 0
    text: str = ""
    qos: int = 2
    receive_maximum: int = 65_535
    largest: int = 0
    keepalive: int = 0
    retains: bool = True

    def __str__(self) -> str:
        reason = LOGIN_REASONS.get(self.code, "Unknown reason")
        return f"the broker answers 0x{self.code:02x}, {reason}{self.text and f': {self.text}'}"


def packet(first: int, *parts: bytes) -> bytes:
    """Return a whole control packet (2.1): its first byte, and the parts of its body."""
    return first.to_bytes(1, "big") + _length(sum(map(len, parts))) + b"".join(parts)


def connect(
    client_id: str,
    keepalive: int,
    *,
    version5: bool,
    login: tuple[str | None, str | None] = (None, None),
    will: tuple[str, bytes] | None = None,
    retained: bool = True,
    largest: int = 0,
) -> bytes:
    """Return a CONNECT (3.1) with a clean start.

    login: user name and password. will: topic and payload of the last will, with QoS 1. largest: largest packet that
    the broker may send, bytes, 0 for any; version 3.1.1 has no such limit.
    """
    name, password = login
    flags = 0x02 | 0x80 * (name is not None) | 0x40 * (password is not None)
    parts = [_text(client_id.encode())]
    if will is not None:
        flags |= 0x04 | 0x08 | 0x20 * retained
        parts += [b"\x00" if version5 else b"", _text(will[0].encode()), _text(will[1])]
    parts += [_text(value.encode()) for value in login if value is not None]
    limit = bytes([MAXIMUM_PACKET_SIZE]) + largest.to_bytes(4, "big") if largest else b""
    properties = _length(len(limit)) + limit if version5 else b""
    head = _text(b"MQTT") + bytes([5 if version5 else 4, flags]) + keepalive.to_bytes(2, "big")
    return packet(CONNECT, head, properties, *parts)


def login_answer(body: bytes, *, version5: bool) -> LoginAnswer:
    """Parse a CONNACK (3.2) of version 5 or 3.1.1; ValueError for other bytes.

    A broker of version 3.1.1 refuses version 5 with a CONNACK of its own version: two bytes.
    """
    if len(body) == 2:
        code = body[1] if body[1] >= REFUSAL_CODE else RETURN_CODES.get(body[1], 0x80 if body[1] else 0)
        return LoginAnswer(code)
    if len(body) < 2 or not version5:
        raise ValueError(f"the broker sent a CONNACK that cannot be read: {body[:40]!r}")
    length, at = _variable(body, 2)
    found = _properties(body[at:])
    if at + length != len(body):
        raise ValueError(f"the broker sent a CONNACK that cannot be read: {body[:40]!r}")
    numbers = {kind: int.from_bytes(value, "big") for kind, value in found.items() if len(value) <= 4}
    return LoginAnswer(
        body[1] if body[1] >= REFUSAL_CODE else 0x80 if body[1] else 0,
        _quoted(found[REASON_STRING]) if REASON_STRING in found else "",
        numbers.get(MAXIMUM_QOS, 2),
        numbers.get(RECEIVE_MAXIMUM, 65_535) or 65_535,
        numbers.get(MAXIMUM_PACKET_SIZE, 0),
        numbers.get(SERVER_KEEP_ALIVE, 0),
        numbers.get(RETAIN_AVAILABLE, 1) != 0,
    )


def publish(topic: bytes, payload: bytes, *, version5: bool, retain: bool = False) -> tuple[bytes, bytes]:
    """Return a PUBLISH with QoS 1 (3.3): the bytes before its packet identifier, and the bytes behind."""
    tail = b"\x00" + payload if version5 else payload  # no properties
    head = bytes([PUBLISH | QOS_1 | (RETAIN if retain else 0)]) + _length(2 + len(topic) + 2 + len(tail))
    return head + _text(topic), tail


def publish_qos0(topic: bytes, payload: bytes, *, version5: bool) -> bytes:
    """Return a PUBLISH with QoS 0, which the broker does not acknowledge."""
    return packet(PUBLISH, _text(topic), b"\x00" if version5 else b"", payload)


def subscribe(identifier: int, topic: bytes, *, version5: bool) -> bytes:
    """Return a SUBSCRIBE (3.8) to one topic with QoS 1."""
    return packet(SUBSCRIBE, identifier.to_bytes(2, "big"), b"\x00" if version5 else b"", _text(topic), b"\x01")


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _length(length: int) -> bytes:
    """Return a remaining length (1.5.5)."""
    encoded = bytearray()
    while length > 0x7F:
        encoded.append(0x80 | length & 0x7F)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A received PUBLISH; `identifier` for the acknowledgement, 0 with QoS 0."""

    topic: str
    payload: bytes
    retained: bool
    identifier: int


def received(first: int, body: bytes, *, version5: bool) -> ReceivedMessage:
    """Parse a PUBLISH (3.3) of QoS 0 or 1; ValueError for other bytes."""
    try:
        end = 2 + int.from_bytes(body[:2], "big")
        topic, at, identifier = body[2:end].decode(), end, 0
        if first & 0x06:
            identifier, at = int.from_bytes(body[at : at + 2], "big"), at + 2
        if version5:
            length, at = _variable(body, at)
            at += length
    except ValueError as error:
        raise ValueError(f"the broker sent a message that cannot be read: {body[:40]!r}") from error
    if at > len(body) or first & 0x06 == 0x06:
        raise ValueError(f"the broker sent a message that cannot be read: {body[:40]!r}")
    return ReceivedMessage(topic, body[at:], bool(first & RETAIN), identifier)


def acknowledgement(body: bytes) -> Acknowledgement:
    """Parse the reason code and the reason string of a PUBACK (3.4) or a DISCONNECT (3.14)."""
    if not body or body[0] < REFUSAL_CODE:
        return ACCEPTED
    return Acknowledgement(body[0], _reason_string(body[2:]) if len(body) > 2 and body[1] < 0x80 else "")


def _reason_string(properties: bytes) -> str:
    """Return the reason string of properties (2.2.2), at most 200 characters, quoted; "" for none."""
    try:
        found = _properties(properties)
    except ValueError:
        return ""
    return _quoted(found[REASON_STRING]) if REASON_STRING in found else ""


def _quoted(text: bytes) -> str:
    return repr(text.decode(errors="replace")[:200])


def _properties(data: bytes) -> dict[int, bytes]:
    """Return the values of properties by identifier, without user properties; ValueError for other bytes."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        kind, at = data[at], at + 1
        values = 2 if kind == USER_PROPERTY else 1
        for _ in range(values):
            if kind in STRING_PROPERTIES:
                size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            elif (size := FIXED_PROPERTIES.get(kind, 0)) == 0:
                raise ValueError(f"the broker sent an unknown property 0x{kind:02x}")
            value, at = data[at : at + size], at + size
        if at > len(data):
            raise ValueError("the broker sent properties that are cut off")
        if kind != USER_PROPERTY:
            found[kind] = value
    return found


def _variable(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return a variable byte integer (1.5.5) and the place behind; ValueError for no end, or more than four bytes."""
    number = 0
    for place in range(LENGTH_BYTES):
        if at + place >= len(data):
            raise ValueError("the broker sent a length without an end")
        number |= (data[at + place] & 0x7F) << 7 * place
        if data[at + place] < 0x80:
            return number, at + place + 1
    raise ValueError(f"the broker sent a length of more than {LENGTH_BYTES} bytes")


def packet_size(data: bytes | bytearray, start: int) -> tuple[int, int]:
    """Return the place of the body of the packet at `start` and its length; (0, 0) while the length is incomplete.

    ValueError for a length of more than four bytes.
    """
    if start + 1 + LENGTH_BYTES > len(data) and all(byte >= 0x80 for byte in data[start + 1 :]):
        return 0, 0
    length, at = _variable(data, start + 1)
    return at, length


def packet_identifier(body: bytes) -> int:
    """Return the packet identifier at the start of a body, 0 for a body without one."""
    return int.from_bytes(body[:2], "big") if len(body) >= 2 else 0
