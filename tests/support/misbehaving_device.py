"""Modbus servers that misbehave: raw TCP (Modbus TCP or RTU frames) and a serial line on a pseudo-terminal.

A behaviour sees one request and says what leaves the server and when. Every register's right value is its
address, so an answer that belongs to another request shows. Neither the code under test nor pymodbus is used.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import tty
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle, repeat
from typing import Literal, Self

READ_FRAME = 8  # bytes of a read request on RTU


def crc16(data: bytes) -> bytes:
    """Checksum of an RTU frame, low byte first (Modbus over Serial Line V1.02, section 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; `number` counts from 0, `transaction` is None on RTU.

    `connection`: number of the connection that the request came on, from 1; 0 on a serial line.
    """

    number: int
    unit: int
    pdu: bytes
    transaction: int | None
    time: float
    connection: int = 0

    @property
    def code(self) -> int:
        return self.pdu[0]

    @property
    def address(self) -> int:
        return int.from_bytes(self.pdu[1:3], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.pdu[3:5], "big")

    def frame(self, pdu: bytes, *, unit: int | None = None, transaction: int | None = None) -> bytes:
        """An answer to this request, with another unit or transaction id where given."""
        unit = self.unit if unit is None else unit
        if self.transaction is None:
            body = bytes([unit]) + pdu
            return body + crc16(body)
        transaction = self.transaction if transaction is None else transaction
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu

    def registers(self, first: int | None = None, count: int | None = None) -> bytes:
        """Return the PDU of the right answer, or of an answer with other registers."""
        first = self.address if first is None else first
        count = self.count if count is None else count
        return bytes([self.code, 2 * count]) + struct.pack(f">{count}H", *range(first, first + count))

    def right(self) -> bytes:
        return self.frame(self.registers())


@dataclass(frozen=True, slots=True)
class Step:
    """`data` leaves `delay` seconds after the request came, or the connection ends then."""

    delay: float = 0.0
    data: bytes = b""
    end: Literal["", "close", "reset"] = ""


Behaviour = Callable[[Request], Sequence[Step]]


def honest(request: Request) -> Sequence[Step]:
    return [Step(data=request.right())]


def silent(request: Request) -> Sequence[Step]:
    return []


def resets(request: Request) -> Sequence[Step]:
    return [Step(end="reset")]


def closes(request: Request) -> Sequence[Step]:
    return [Step(end="close")]


def answers_then_closes(request: Request) -> Sequence[Step]:
    return [Step(data=request.right()), Step(0.001, end="close")]


def refuses(code: int) -> Behaviour:
    return lambda request: [Step(data=request.frame(bytes([request.code | 0x80, code])))]


def refuses_with_length(length: int, code: int = 2, then: bytes = b"") -> Behaviour:
    """An exception whose header states a wrong length, with bytes behind it."""

    def act(request: Request) -> Sequence[Step]:
        frame = bytearray(request.frame(bytes([request.code | 0x80, code])))
        frame[4:6] = length.to_bytes(2, "big")
        return [Step(data=bytes(frame) + then)]

    return act


def with_length(surplus: int) -> Behaviour:
    """The right answer, but its header states a length that is wrong by `surplus`."""

    def act(request: Request) -> Sequence[Step]:
        frame = bytearray(request.right())
        frame[4:6] = (int.from_bytes(frame[4:6], "big") + surplus).to_bytes(2, "big")
        return [Step(data=bytes(frame))]

    return act


def with_id(change: Callable[[int], int], values: Behaviour | None = None) -> Behaviour:
    """The right answer with another transaction id; `values` gives other steps, of which the ids change."""

    def act(request: Request) -> Sequence[Step]:
        assert request.transaction is not None
        number = (change(request.transaction) & 0xFFFF).to_bytes(2, "big")
        steps = (values or honest)(request)
        return [Step(step.delay, number + step.data[2:] if step.data else b"", step.end) for step in steps]

    return act


def after_idle(seconds: float, behaviour: Behaviour) -> Behaviour:
    """A request that comes after a pause on its connection gets `behaviour`."""
    last: dict[int, float] = {}

    def act(request: Request) -> Sequence[Step]:
        before = last.get(request.connection, request.time)
        last[request.connection] = request.time
        return (behaviour if request.time - before >= seconds else honest)(request)

    return act


def on_connection(behaviour: Callable[[int], Behaviour]) -> Behaviour:
    """The request gets the behaviour of its number on its connection, from 0."""
    seen: dict[int, int] = {}

    def act(request: Request) -> Sequence[Step]:
        number = seen.get(request.connection, 0)
        seen[request.connection] = number + 1
        return behaviour(number)(request)

    return act


def opening(behaviour: Behaviour, then: Behaviour) -> Behaviour:
    """The first request that comes here gets `behaviour`, all later ones `then`."""
    turns = chain([behaviour], repeat(then))

    def act(request: Request) -> Sequence[Step]:
        return next(turns)(request)

    return act


def refuses_another_function(request: Request) -> Sequence[Step]:
    return [Step(data=request.frame(bytes([(7 - request.code) | 0x80, 2])))]


def garbage(request: Request) -> Sequence[Step]:
    return [Step(data=bytes.fromhex("dead beef 0102 0304 0506 0708"))]


def garbage_first(request: Request) -> Sequence[Step]:
    return [Step(data=bytes.fromhex("00ff fe") + request.right())]


def late(seconds: float) -> Behaviour:
    return lambda request: [Step(seconds, request.right())]


def wrong_unit(request: Request) -> Sequence[Step]:
    return [Step(data=request.frame(request.registers(1000), unit=request.unit + 1))]


def wrong_function(request: Request) -> Sequence[Step]:
    return [Step(data=request.frame(bytes([7 - request.code]) + request.registers(1000)[1:]))]


def unknown_function(request: Request) -> Sequence[Step]:
    return [Step(data=request.frame(bytes([0x65]) + request.registers(1000)[1:]))]


def short(request: Request) -> Sequence[Step]:
    return [Step(data=request.frame(request.registers(count=request.count - 1)))]


def odd_bytes(request: Request) -> Sequence[Step]:
    registers = request.registers()
    return [Step(data=request.frame(bytes([registers[0], registers[1] - 1]) + registers[2:-1]))]


def long_byte_count(request: Request) -> Sequence[Step]:
    registers = request.registers()
    return [Step(data=request.frame(bytes([registers[0], 250]) + registers[2:]))]


def long_header(request: Request) -> Sequence[Step]:
    """The MBAP length is larger than the frame."""
    frame = bytearray(request.right())
    frame[4:6] = (200).to_bytes(2, "big")
    return [Step(data=bytes(frame))]


def huge_header(request: Request) -> Sequence[Step]:
    frame = bytearray(request.right())
    frame[4:6] = (60000).to_bytes(2, "big")
    return [Step(data=bytes(frame))]


def wrong_id(request: Request) -> Sequence[Step]:
    assert request.transaction is not None
    return [Step(data=request.frame(request.registers(1000), transaction=request.transaction ^ 0x5555))]


def id_zero(request: Request) -> Sequence[Step]:
    return [Step(data=request.frame(request.registers(1000), transaction=0))]


def doubled(request: Request) -> Sequence[Step]:
    return [Step(data=request.right() * 2)]


def doubled_late(seconds: float) -> Behaviour:
    return lambda request: [Step(data=request.right()), Step(seconds, request.right())]


def doubled_after(dice: random.Random, most: float) -> Behaviour:
    """The second copy comes up to `most` seconds after the first."""
    return lambda request: [Step(data=request.right()), Step(dice.uniform(0, most), request.right())]


def cut(request: Request) -> Sequence[Step]:
    return [Step(data=request.right()[:-3])]


def cut_off(request: Request) -> Sequence[Step]:
    """Half an answer, then the connection ends: a cut on TCP, which loses no bytes in between."""
    return [Step(data=request.right()[:-3]), Step(0.001, end="close")]


def spliced(request: Request) -> Sequence[Step]:
    """Bytes are lost in the middle of the stream: half an answer, then another answer."""
    assert request.transaction is not None
    other = request.frame(request.registers(1000), transaction=request.transaction ^ 0x5555)
    return [Step(data=request.right()[:-3]), Step(0.005, other)]


def in_pieces(request: Request) -> Sequence[Step]:
    """One byte at a time."""
    return [Step(0.0005 * place, bytes([byte])) for place, byte in enumerate(request.right())]


def babbling(request: Request) -> Sequence[Step]:
    return [Step(0.001 * turn, b"\x55" * 1500) for turn in range(8)]


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request gets the first behaviour, and so on; then over again."""
    turns = cycle(behaviours)

    def act(request: Request) -> Sequence[Step]:
        return next(turns)(request)

    return act


def thrown(dice: random.Random, behaviours: Sequence[Behaviour]) -> Behaviour:
    """A random behaviour for each request."""

    def act(request: Request) -> Sequence[Step]:
        return dice.choice(behaviours)(request)

    return act


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that another task of the loop makes true."""
    while not condition():  # noqa: ASYNC110 - the state of a real connection, which raises no event for tests
        await asyncio.sleep(0.001)


def first(behaviour: Behaviour, then: Behaviour = honest) -> Behaviour:
    """One request gets `behaviour`, all others `then`."""
    return lambda request: (behaviour if request.number == 0 else then)(request)


def by_unit(units: dict[int, Behaviour], others: Behaviour = honest) -> Behaviour:
    return lambda request: units.get(request.unit, others)(request)


@dataclass
class Server:
    """A TCP server on 127.0.0.1 at a free port; RTU frames instead of Modbus TCP when `rtu`.

    `in_order`: like a slave with one queue, it starts an answer only after sending the answer before.
    `greeting`: bytes that it sends to each client at once. `most_open`: most connections that were open together.
    """

    behaviour: Behaviour
    rtu: bool = False
    in_order: bool = False
    port: int = 0
    greeting: bytes = b""
    connections: int = 0
    most_open: int = 0
    requests: list[Request] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _free: float = 0.0

    @property
    def url(self) -> str:
        return f"{'rtutcp' if self.rtu else 'tcp'}://127.0.0.1:{self.port}"

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        self._writers.add(writer)
        self.most_open = max(self.most_open, len(self._writers))
        writer.write(self.greeting)
        try:
            while True:
                self._act(await self._request(reader, connection), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self._writers.discard(writer)

    async def _request(self, reader: asyncio.StreamReader, connection: int) -> Request:
        now = asyncio.get_running_loop().time
        if self.rtu:
            frame = await reader.readexactly(READ_FRAME)
            request = Request(len(self.requests), frame[0], frame[1:-2], None, now(), connection)
        else:
            header = await reader.readexactly(7)
            transaction, _, length, unit = struct.unpack(">HHHB", header)
            pdu = await reader.readexactly(length - 1)
            request = Request(len(self.requests), unit, pdu, transaction, now(), connection)
        self.requests.append(request)
        return request

    def _act(self, request: Request, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        start = max(loop.time(), self._free) if self.in_order else loop.time()
        for step in self.behaviour(request):
            self._free = max(self._free, start + step.delay)
            if start + step.delay <= loop.time():
                _do(step, writer)
            else:
                loop.call_at(start + step.delay, _do, step, writer)


def _do(step: Step, writer: asyncio.StreamWriter) -> None:
    if writer.transport.is_closing():
        return
    if step.data:
        writer.write(step.data)
    if step.end == "close":
        writer.close()
    if step.end == "reset":
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@dataclass
class Slave:
    """RTU slaves on a pseudo-terminal: open `path` as the line. It has no baud rate; delays stand for time.

    `quiet` holds, for each request, the seconds since the line's last byte before it.
    """

    behaviour: Behaviour
    path: str = ""
    requests: list[Request] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    _ends: tuple[int, int] = (-1, -1)
    _received: bytearray = field(default_factory=bytearray)
    _last: float = 0.0

    @property
    def url(self) -> str:
        return f"rtu://{self.path}"

    async def start(self) -> str:
        """Make the line; returns its path."""
        self._ends = os.openpty()
        tty.setraw(self._ends[1])
        self.path = os.ttyname(self._ends[1])
        asyncio.get_running_loop().add_reader(self._ends[0], self._ready)
        return self.path

    async def stop(self) -> None:
        """Close the line."""
        if self._ends[0] >= 0:
            asyncio.get_running_loop().remove_reader(self._ends[0])
            for end in self._ends:
                os.close(end)
            self._ends = (-1, -1)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._received:
            self.quiet.append(loop.time() - self._last)
        self._received += os.read(self._ends[0], 256)
        while len(self._received) >= READ_FRAME:
            frame = bytes(self._received[:READ_FRAME])
            del self._received[:READ_FRAME]
            request = Request(len(self.requests), frame[0], frame[1:-2], None, loop.time())
            self.requests.append(request)
            for step in self.behaviour(request):
                loop.call_later(step.delay, self._send, step.data)

    def _send(self, data: bytes) -> None:
        if self._ends[0] >= 0:
            self._last = asyncio.get_running_loop().time()  # before it is written, so that no time is lost after it
            os.write(self._ends[0], data)
