"""Sparkplug B payloads as bytes, and what a command says.

Numbers of fields and types: Sparkplug 3.0.0 specification, chapter 6 ("Payloads"), in the encoding of Protocol Buffers
(protobuf.dev, "Encoding"). Four kinds of value and two kinds of message need no schema compiler and no library of one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

INT32, INT64, DOUBLE, BOOLEAN, STRING = 3, 4, 10, 11, 12
"""Data types (6.4.16)."""

STALE = 500
"""The quality of what was read and is not believed to be alive (6.4.9)."""

REBIRTH = "Node Control/Rebirth"

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of Protocol Buffers."""


def varint(number: int) -> bytes:
    """A whole number of at most 64 bits; a negative one in two's complement."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    made = bytearray()
    while number > 0x7F:
        made.append(0x80 | number & 0x7F)
        number >>= 7
    made.append(number)
    return bytes(made)


def whole(field: int, number: int) -> bytes:
    """A field with a whole number."""
    return varint(field << 3 | VARINT) + varint(number)


def text(field: int, value: bytes) -> bytes:
    """A field with bytes, a text or another message."""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def int64(value: int) -> bytes:
    """A metric's value."""
    return whole(11, value)


def boolean(value: bool) -> bytes:
    """A metric's value."""
    return whole(14, value)


def string(value: str) -> bytes:
    """A metric's value."""
    return text(15, value.encode())


BEGINS = b"\x12"
"""What a metric in a payload begins with; its length comes next."""

DOUBLE_KEY, DOUBLE_VALUE = 13 << 3 | FIXED64, struct.Struct("<Bd")
"""A metric's value, which has its own way, since there are millions in a backlog."""

NULL = whole(7, 1)
"""In the place of a value: there is none."""

HISTORICAL = whole(5, 1)
"""It was read before an outage was over."""


def properties(named: Mapping[str, str | int]) -> bytes:
    """A metric's properties, texts and 32-bit numbers; b"" without any."""
    if not named:
        return b""
    keys = b"".join(text(1, key.encode()) for key in named)
    values = (
        whole(1, INT32) + whole(3, value) if isinstance(value, int) else whole(1, STRING) + text(8, value.encode())
        for value in named.values()
    )
    return text(9, keys + b"".join(text(2, value) for value in values))


def metric(described: bytes, time: int, value: bytes, *, historical: bool = False, more: bytes = b"") -> bytes:
    """A metric in a payload; `described`: its name or alias and data type, time in ms, `more`: its properties."""
    body = described + whole(3, time) + (HISTORICAL if historical else b"") + more + value
    return BEGINS + varint(len(body)) + body


def defined(name: str, alias: int, datatype: int) -> bytes:
    """How a birth describes a metric; alias 0 for one without."""
    return text(1, name.encode()) + (whole(2, alias) if alias else b"") + whole(4, datatype)


def aliased(alias: int) -> bytes:
    """How data does."""
    return whole(2, alias)


def payload(time: int, metrics: bytes = b"", seq: int | None = None) -> bytes:
    """A whole payload; the time in ms at which it is sent."""
    return whole(1, time) + metrics + (b"" if seq is None else whole(3, seq))


def death(time: int, number: int) -> bytes:
    """What tells the end of the session with this bdSeq number, in the place of a last will."""
    return payload(time, metric(defined("bdSeq", 0, INT64), time, int64(number)))


def asks_rebirth(command: bytes) -> bool:
    """Whether a command wants all births again; ValueError when it is no payload."""
    for number, value in _fields(command):
        if number == 2 and isinstance(value, bytes):
            found = dict(_fields(value))
            if found.get(1) == REBIRTH.encode() and found.get(14) == 1:
                return True
    return False


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field; ValueError where the bytes are no message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: int | bytes
        match key & 7:
            case 0:
                value, at = _varint(message, at)
            case 1 | 5 as wire:
                size = 8 if wire == FIXED64 else 4
                value, at = message[at : at + size], at + size
            case 2:
                size, at = _varint(message, at)
                value, at = message[at : at + size], at + size
            case other:
                raise ValueError(f"found a field of wire type {other}, expected 0, 1, 2 or 5")
        if at > len(message):
            raise ValueError("found a field that ends behind the message")
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("found a number without an end")
