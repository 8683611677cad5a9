"""Servers that send everything wrong, each on a port of its own, in a process of their own.

`python -m tests.peers.attacks [NAME=PORT ...]` prints the port of each attack as JSON and serves until its standard
input ends. The process uses the standard library alone, so its memory and its processor time are not those of the
attacked program. The shapes are those of published faults: decompression bombs (CVE-2025-69223), chunks of a byte
(CVE-2025-69229, picohttpparser 81), lengths believed before the bytes have come (paho.mqtt.golang 754), lengths without
an end (paho.mqtt.python 900), headers without an end.
"""

from __future__ import annotations

import gzip
import json
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

MOST = 256_000_000
"""Most bytes of an attack."""

LONGEST = 60.0
"""Longest time of an attack, s."""

Attack = Callable[[bytes], Iterator[bytes]]
"""From the first bytes of the client to the bytes to send; b"" is a pause of 50 ms."""


HTTP = b"HTTP/1.1 400 Bad Request\r\n"
CHUNKED = HTTP + b"Transfer-Encoding: chunked\r\n\r\n"


def endless(block: bytes) -> Iterator[bytes]:
    """Yield a block, repeated to about 64 kB, without an end."""
    block *= max(1, 65_536 // len(block))
    while True:
        yield block


def then(head: bytes, block: bytes) -> Attack:
    """Return the attack that sends a head, and then a block without an end."""

    def attack(_: bytes) -> Iterator[bytes]:
        yield head
        yield from endless(block)

    return attack


def drip(head: bytes, byte: bytes) -> Attack:
    """Return the attack that sends a head, and then a byte every 50 ms."""

    def attack(_: bytes) -> Iterator[bytes]:
        yield head
        while True:
            yield b""
            yield byte

    return attack


def packed_zeros(size: int) -> bytes:
    """Return a gzip that unpacks to zeros, some thousandth as large; all but its checksum is right."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)  # after it, a block stands for itself
    return head + block * (size // 1_000_000) + packer.flush()


def bomb(size: int) -> Attack:
    """Return the attack with a gzip that unpacks to `size` bytes."""
    packed = packed_zeros(size)
    head = HTTP + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    return lambda _: iter((head, packed))


def members(_: bytes) -> Iterator[bytes]:
    packed = gzip.compress(b"") * 10_000
    yield HTTP + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    yield packed


def packed_without_end(coding: bytes, wbits: int) -> Attack:
    """Return the attack that sends a packed body without an end."""

    def attack(_: bytes) -> Iterator[bytes]:
        yield HTTP + b"Content-Encoding: " + coding + b"\r\n\r\n"
        packer = zlib.compressobj(1, wbits=wbits)
        while True:
            yield packer.compress(random.randbytes(32_768)) + packer.flush(zlib.Z_SYNC_FLUSH)

    return attack


HTTP_ATTACKS: Mapping[str, Attack] = {
    "http: endless headers": then(HTTP, b"a: b\r\n"),
    "http: one endless header": then(HTTP + b"a: ", b"b"),
    "http: an endless status line": then(b"HTTP/1.1 400 ", b"b"),
    "http: endless chunks of a byte": then(CHUNKED, b"1\r\nx\r\n"),
    "http: a chunk of 2^63": then(CHUNKED + b"8000000000000000\r\n", b"x"),
    "http: a chunk size without an end": then(CHUNKED, b"0"),
    "http: an endless chunk extension": then(CHUNKED + b"1;", b"x"),
    "http: endless trailers": then(CHUNKED + b"0\r\n", b"a: b\r\n"),
    "http: a length of 2^62": then(HTTP + b"Content-Length: 4611686018427387904\r\n\r\n", b"x"),
    "http: a length of 5,000 digits": then(HTTP + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"x"),
    "http: a body without an end": then(HTTP + b"\r\n", b"x"),
    "http: 1 MB of gzip, 1 GB unpacked": bomb(1_000_000_000),
    "http: 100 kB of gzip, 100 MB unpacked": bomb(100_000_000),
    "http: 10,000 gzip members": members,
    "http: gzip without an end": packed_without_end(b"gzip", 31),
    "http: deflate without an end": packed_without_end(b"deflate", 15),
    "http: endless responses 1xx": then(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "http: a response behind a response": then(b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "http: a slow head": drip(HTTP, b"a"),
    "http: a slow body": drip(HTTP + b"\r\n", b"a"),
    "http: silence": drip(b"", b""),
}

CONNACK = b"\x20\x03\x00\x00\x00"
HUGE = b"\xff\xff\xff\x7f"  # 1.5.5: the largest length, 268,435,455
LARGE = b"\x00\x01a" + bytes(14_680_061)
MESSAGE = b"\x32\x0a\x00\x03w/s\x00\x07\x00ab"  # 3.3: QoS 1, topic w/s, identifier 7


def of_version(flood: Attack) -> Attack:
    """Return the attack after a login is accepted, in the version that the client asks for."""

    def attack(first: bytes) -> Iterator[bytes]:
        yield CONNACK if b"MQTT\x05" in first else b"\x20\x02\x00\x00"
        yield from flood(first)

    return attack


def after_status(flood: Attack) -> Attack:
    """Return the attack after the first message of a client, its status, is acknowledged: it then subscribes."""

    def attack(first: bytes) -> Iterator[bytes]:
        yield from (b"", b"\x40\x02\x00\x01", b"", b"")
        yield from flood(first)

    return of_version(attack)


def forecasts(first: bytes) -> Iterator[bytes]:
    """Send endless messages of 64 kB to a subscriber of grid/mix; each has a thousand values."""
    yield CONNACK if b"MQTT\x05" in first else b"\x20\x02\x00\x00"
    yield from (b"", b"\x90\x04\x00\x01\x00\x01" if b"MQTT\x05" in first else b"\x90\x03\x00\x01\x01")
    entry = '{"time": "2026-06-01T%02d:%02d:00Z", "intensity": %d},'
    values = "".join(entry % (number // 60 % 24, number % 60, number) for number in range(1100))
    body = b"\x00\x08grid/mix" + (b"\x00" if b"MQTT\x05" in first else b"") + f"[{values[:-1]}]".encode()
    size = len(body)
    yield from endless(b"\x30" + bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + body)


MQTT_ATTACKS: Mapping[str, Attack] = {
    "mqtt: a CONNACK of 256 MB": then(b"\x20" + HUGE, b"\x00"),
    "mqtt: a CONNACK length without an end": then(b"\x20", b"\x80"),
    "mqtt: a CONNACK with properties without an end": then(
        b"\x20\x80\x20\x00\x00\xff\xff\xff\x7f", b"\x26\x00\x00\x00\x00"
    ),
    "mqtt: endless CONNACKs": then(b"", CONNACK),
    "mqtt: a slow CONNACK": drip(b"\x20\x7f", b"\x00"),
    "mqtt: a PUBLISH before the login": then(b"\x30" + HUGE, b"\x00"),
    "mqtt: endless PUBACKs": of_version(then(b"", b"\x40\x02\xff\xf0")),
    "mqtt: slow PUBACKs": of_version(drip(b"", b"\x40\x02\xff\xf0")),
    "mqtt: a PUBACK of 256 MB": of_version(then(b"\x40" + HUGE, b"\x00")),
    "mqtt: a PUBACK length without an end": of_version(then(b"\x40", b"\x80")),
    "mqtt: endless SUBACKs": of_version(then(b"", b"\x90\x03\xff\xf0\x00")),
    "mqtt: endless PINGRESPs": of_version(then(b"", b"\xd0\x00")),
    "mqtt: endless messages": of_version(then(b"", MESSAGE)),
    "mqtt: a message of 256 MB": of_version(then(b"\x30" + HUGE, b"\x00")),
    "mqtt: endless messages of 14 MB": of_version(then(b"", b"\x30\x80\x80\x80\x07" + LARGE)),
    "mqtt: endless DISCONNECTs": of_version(then(b"", b"\xe0\x00")),
    "mqtt: endless messages after the status": after_status(then(b"", MESSAGE)),
    "mqtt: a message of 256 MB after the status": after_status(then(b"\x30" + HUGE, b"\x00")),
    "mqtt: endless messages of 14 MB after the status": after_status(then(b"", b"\x30\x80\x80\x80\x07" + LARGE)),
    "mqtt: endless SUBACKs after the status": after_status(then(b"", b"\x90\x03\xff\xf0\x00")),
    "mqtt: endless forecasts": forecasts,
    "mqtt: noise": of_version(then(b"", b"\x07\x55\xaa")),
    "mqtt: silence": of_version(drip(b"", b"")),
}


def pieces(block: bytes, first: int) -> Attack:
    """Return the attack that sends `first` blocks, below the limit of a buffer, and then one every 50 ms."""

    def attack(_: bytes) -> Iterator[bytes]:
        yield block * first
        while True:
            yield b""
            yield block

    return attack


def frames(body: bytes, *, own: bool) -> Attack:
    """Return the attack that answers with endless Modbus TCP frames, of the request's transaction or of others."""

    def attack(first: bytes) -> Iterator[bytes]:
        transaction = int.from_bytes(first[:2], "big")
        several = range(transaction, transaction + 1) if own else range(transaction + 1, transaction + 500)
        yield from endless(b"".join(struct.pack(">HHH", number % 65_536, 0, len(body)) + body for number in several))

    return attack


def huge_frame(first: bytes) -> Iterator[bytes]:
    yield first[:4] + b"\xff\xff" + first[6:8] + b"\xff"
    yield from endless(b"\x03")


MODBUS_ATTACKS: Mapping[str, Attack] = {
    "modbus: babble": lambda _: iter(lambda: random.randbytes(65_536), b""),
    "modbus: zeros": then(b"", b"\x00"),
    "modbus: a frame of 64 kB": huge_frame,
    "modbus: endless frames of other requests": frames(b"\x01\x03\x04\x00\x01\x00\x02", own=False),
    "modbus: endless exceptions of other requests": frames(b"\x01\x83\x02", own=False),
    "modbus: endless answers": frames(b"\x01\x03\x04\x00\x01\x00\x02", own=True),
    "modbus: a slow frame": drip(b"\x00\x01\x00\x00\x00\xff\x01\x03", b"\x00"),
    "modbus: silence": drip(b"", b""),
}

RTU_ATTACKS: Mapping[str, Attack] = {
    # Each third byte begins what may be the longest answer, so that its checksum must be computed.
    "rtu: endless beginnings of answers": then(b"", b"\x01\x03\xff"),
    "rtu: beginnings of answers in pieces": pieces(b"\x01\x03\xff" * 20, 1000),
    "rtu: babble": lambda _: iter(lambda: random.randbytes(65_536), b""),
    "rtu: echo": lambda first: endless(first or b"\x00"),
}

ATTACKS: Mapping[str, Attack] = {**HTTP_ATTACKS, **MQTT_ATTACKS, **MODBUS_ATTACKS, **RTU_ATTACKS}


def _serve(listener: socket.socket, attack: Attack) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_attack, args=(connection, attack), daemon=True).start()


def _attack(connection: socket.socket, attack: Attack) -> None:
    """Attack one client until the client ends the connection, or the attack has its most bytes or longest time."""
    begin, sent = time.monotonic(), 0
    with suppress(OSError), connection:
        connection.settimeout(LONGEST)
        first = connection.recv(65_536)
        for block in attack(first):
            if sent > MOST or time.monotonic() - begin > LONGEST or not first:
                break
            if block:
                connection.sendall(block)
                sent += len(block)
            else:
                time.sleep(0.05)


def main() -> None:
    """Serve the attacks of the arguments, `NAME=PORT` each; without arguments all, on free ports."""
    ports = {}
    wanted = [argument.rpartition("=") for argument in sys.argv[1:]] or [(name, "", "0") for name in ATTACKS]
    for name, _, port in wanted:
        attack = ATTACKS[name]
        listener = socket.create_server(("127.0.0.1", int(port)))
        ports[name] = listener.getsockname()[1]
        threading.Thread(target=_serve, args=(listener, attack), daemon=True).start()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
