"""Sparkplug B payloads as bytes, and the parser of commands.

Numbers of fields and types: Sparkplug 3.0.0 specification, chapter 6 ("Payloads"), in the encoding of Protocol Buffers
(protobuf.dev, "Encoding"). Four types of value and two of message do not justify a schema compiler and its library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

INT32, INT64, DOUBLE, BOOLEAN, STRING = 3, 4, 10, 11, 12
"""Data types (6.4.16)."""

STALE = 500
"""Quality of a value that may be outdated (6.4.9)."""

REBIRTH = "Node Control/Rebirth"

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of Protocol Buffers."""


def varint(number: int) -> bytes:
    """Encode an integer of at most 64 bits; a negative one in two's complement."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(0x80 | number & 0x7F)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def whole(field: int, number: int) -> bytes:
    """Encode a field with an integer."""
    return varint(field << 3 | VARINT) + varint(number)


def text(field: int, value: bytes) -> bytes:
    """Encode a field with bytes, a text or a message."""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def int64(value: int) -> bytes:
    """Encode an integer as the value of a metric."""
    return whole(11, value)


def boolean(value: bool) -> bytes:
    """Encode a boolean as the value of a metric."""
    return whole(14, value)


def string(value: str) -> bytes:
    """Encode a text as the value of a metric."""
    return text(15, value.encode())


BEGINS = b"\x12"
"""First byte of a metric in a payload; its length follows."""

DOUBLE_KEY, DOUBLE_VALUE = 13 << 3 | FIXED64, struct.Struct("<Bd")
"""Key and layout of a metric's double value; a backlog has millions, so they have an encoder of their own."""

NULL = whole(7, 1)
"""Encoding of a missing value."""

HISTORICAL = whole(5, 1)
"""Encoding of the flag of a value from before the end of an outage."""


def properties(named: Mapping[str, str | int]) -> bytes:
    """Encode the properties of a metric, texts and 32-bit integers; b"" for none."""
    if not named:
        return b""
    keys = b"".join(text(1, key.encode()) for key in named)
    values = (
        whole(1, INT32) + whole(3, value) if isinstance(value, int) else whole(1, STRING) + text(8, value.encode())
        for value in named.values()
    )
    return text(9, keys + b"".join(text(2, value) for value in values))


def metric(definition: bytes, time: int, value: bytes, *, historical: bool = False, more: bytes = b"") -> bytes:
    """Encode a metric. definition: of `defined` or `aliased`. time: ms. more: of `properties`."""
    body = definition + whole(3, time) + (HISTORICAL if historical else b"") + more + value
    return BEGINS + varint(len(body)) + body


def defined(name: str, alias: int, datatype: int) -> bytes:
    """Encode a metric's definition in a birth; alias 0 for none."""
    return text(1, name.encode()) + (whole(2, alias) if alias else b"") + whole(4, datatype)


def aliased(alias: int) -> bytes:
    """Encode a metric's alias in data."""
    return whole(2, alias)


def payload(time: int, metrics: bytes = b"", seq: int | None = None) -> bytes:
    """Encode a whole payload; time: of sending, ms."""
    return whole(1, time) + metrics + (b"" if seq is None else whole(3, seq))


def death(time: int, number: int) -> bytes:
    """Encode the death of a session; number: its bdSeq."""
    return payload(time, metric(defined("bdSeq", 0, INT64), time, int64(number)))


def asks_rebirth(command: bytes) -> bool:
    """Return whether a command asks for all births; ValueError for bytes that are not a payload."""
    for number, value in _fields(command):
        if number == 2 and isinstance(value, bytes):
            found = dict(_fields(value))
            if found.get(1) == REBIRTH.encode() and found.get(14) == 1:
                return True
    return False


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field; ValueError for bytes that are not a message."""
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
            case unknown:
                raise ValueError(f"found a field of wire type {unknown}, expected 0, 1, 2 or 5")
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
