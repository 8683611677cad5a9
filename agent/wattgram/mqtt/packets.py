"""Control packets of MQTT 3.1.1 and 5, as bytes: the packets to send, and the parsers of received packets.

The numbers in comments are sections of the OASIS standard of version 5.
"""

from __future__ import annotations

from dataclasses import dataclass

PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x30, 0x40, 0x82, 0x90, 0xC0, 0xD0, 0xE0
QOS_1, RETAIN = 0x02, 0x01

REFUSAL_CODE = 0x80
"""The lowest reason code of a refusal."""

PACKET_TOO_LARGE = 0x95

REASON_STRING, USER_PROPERTY = 0x1F, 0x26

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


def packet(first: int, *parts: bytes) -> bytes:
    """Return a whole control packet (2.1): its first byte, and the parts of its body."""
    return first.to_bytes(1, "big") + _length(sum(map(len, parts))) + b"".join(parts)


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
            length = shift = 0
            while True:
                byte = body[at]
                at += 1
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            at += length
    except (IndexError, UnicodeDecodeError) as error:
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
