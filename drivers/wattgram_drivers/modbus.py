"""One bus: reads registers over Modbus TCP, RTU on a serial line, or RTU over TCP; never a wrong answer.

pymodbus opens sockets and lines and builds the frames. Its request engine is not used: it drops the head of
an answer that arrives between two requests, takes transaction id 0 and short answers as good, sends an
unanswered request four times and does not notice a closed connection (pymodbus 3.16.1).

TCP tells answers apart by transaction id. RTU has none, so a unit that owes an answer (time-out, cancelled
read, malformed answer) is first asked something whose answer cannot be mistaken: another number of registers.
A unit answers in order; once that answer is in, everything owed before it is in or lost.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest
from pymodbus.transport import CommParams, CommType, ModbusProtocol

from .device import Table
from .endpoint import Endpoint
from .errors import BadAnswer, BusDown, NoAnswer, Refused

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, not done yet",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway: target did not answer",
}
"""Names of exception codes (Modbus Application Protocol V1.1b3, section 7)."""

MAX_REGISTERS = 125
"""Registers in one read (the same specification, section 6.3)."""

_READS: dict[Table, int] = {"holding": 3, "input": 4}
_REQUESTS: dict[int, type[ReadHoldingRegistersRequest]] = {
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
_EXCEPTION = 0x80
_CONNECT_TIMEOUT = 3.0  # at least: a lost SYN is repeated after 1 s
_LUMP = 0.05  # USB adapters and serial servers hold bytes back (16 ms is typical)
_SILENT_REQUESTS = 3  # in a row, any unit: the connection itself may be half-open
_MAX_BUFFER = 4096  # a network peer that sends more than this unasked is not a Modbus server
_MAX_OWED = 64  # answers of one unit that are kept in mind


@dataclass(frozen=True, slots=True)
class _Request:
    unit: int
    code: int
    address: int
    count: int

    def pdu(self, transaction: int) -> ModbusPDU:
        return _REQUESTS[self.code](
            dev_id=self.unit, transaction_id=transaction, address=self.address, count=self.count
        )

    @property
    def shape(self) -> tuple[int, int]:
        """What its answer looks like: function code and bytes."""
        return self.code, 2 * self.count

    def __str__(self) -> str:
        table = "holding" if self.code == 3 else "input"
        return f"unit {self.unit} {table} {self.address}..{self.address + self.count - 1}"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A frame as it came: `body` is what follows the function code. `transaction` is 0 on RTU."""

    transaction: int
    unit: int
    code: int
    body: bytes

    @property
    def shape(self) -> tuple[int, int]:
        return self.code, self.body[0] if self.body else 0


class _FramingLost(BadAnswer):
    """Where frames begin is no longer known; only a new connection helps."""


class _Framing(Protocol):
    """How requests and answers are told apart on one kind of wire."""

    def frame(self, request: _Request) -> bytes:
        """The bytes to send."""

    def idle(self, received: bytearray) -> None:
        """Deal with what came while nothing was asked."""

    def take(self, received: bytearray) -> _Answer | None:
        """Remove and return the first whole frame."""

    def belongs(self, request: _Request, answer: _Answer) -> bool:
        """Whether the answer is for this request; False: discard it and listen on."""

    def probes(self, request: _Request) -> Iterator[_Request]:
        """What to ask before this request's answer can be trusted; the first that succeeds is enough."""

    def owed(self, request: _Request) -> None:
        """The request was sent and given up."""

    def settled(self, request: _Request) -> None:
        """The request has got its answer."""


class _Tcp:
    """Modbus TCP: a transaction id tells late and foreign answers from the right one."""

    def __init__(self) -> None:
        self._framer = FramerSocket(DecodePDU(False))
        self._transaction = 0

    def frame(self, request: _Request) -> bytes:
        self._transaction = self._transaction % 0xFFFF + 1  # never 0, which careless servers send
        return self._framer.buildFrame(request.pdu(self._transaction))

    def idle(self, received: bytearray) -> None:
        """Late answers stay in the buffer: their ids give them away, and frames must not be cut."""

    def take(self, received: bytearray) -> _Answer | None:
        if len(received) < 6 or len(received) < (size := self._size(received)):
            return None
        frame = bytes(received[:size])
        del received[:size]
        if len(received) >= 6:
            self._size(received)  # no frame follows: this one lacks bytes and was filled up by the next
        return _Answer(int.from_bytes(frame[:2], "big"), frame[6], frame[7], frame[8:])

    @staticmethod
    def _size(received: bytearray) -> int:
        """Bytes of the frame that begins here; _FramingLost when none can."""
        protocol, length = int.from_bytes(received[2:4], "big"), int.from_bytes(received[4:6], "big")
        if protocol or not 3 <= length <= 254:
            raise _FramingLost(f"no Modbus TCP header: {received[:8].hex(' ')}")
        return 6 + length

    def belongs(self, request: _Request, answer: _Answer) -> bool:
        return answer.transaction == self._transaction

    def probes(self, request: _Request) -> Iterator[_Request]:
        return iter(())

    def owed(self, request: _Request) -> None:
        """Nothing to remember: ids are not used again for a long time."""

    def settled(self, request: _Request) -> None:
        """Nothing to forget."""


@dataclass(slots=True)
class _Unit:
    """What one unit may still send that nobody waits for."""

    owed: list[tuple[int, int]] = field(default_factory=list)  # requests given up, the oldest first
    answered: tuple[int, int] | None = None  # the last answer; a copy of it may follow
    unasked: bool = False  # something came unasked since the last answer
    doubles: bool = False  # something came unasked before or during the last request

    def ambiguous(self, request: _Request) -> bool:
        """Whether an earlier answer could pass for this request's."""
        return bool(self.owed) or (self.doubles and self.answered == request.shape)


class _Rtu:
    """Modbus RTU: unit, function and length are all that an answer shows of its request."""

    def __init__(self) -> None:
        self._framer = FramerRTU(DecodePDU(False))
        self._units: defaultdict[int, _Unit] = defaultdict(_Unit)

    def frame(self, request: _Request) -> bytes:
        return self._framer.buildFrame(request.pdu(0))

    def idle(self, received: bytearray) -> None:
        """Drop all; a whole answer that nobody asked for (late, or sent twice) makes its unit suspect."""
        while answer := self.take(received):
            unit = self._units[answer.unit]
            unit.unasked = unit.doubles = True
        received.clear()

    def take(self, received: bytearray) -> _Answer | None:
        """The first frame with a right checksum; noise, echoes and halves before it are dropped with it."""
        for start in range(len(received) - 4):
            code = received[start + 1]
            if code & ~_EXCEPTION in _REQUESTS:
                end = start + (5 if code & _EXCEPTION else 5 + received[start + 2])
            elif start == 0:
                end = len(received)  # a foreign function, whose length is not known: all that there is
            else:
                continue
            frame = bytes(received[start:end])
            if end <= len(received) and FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
                del received[:end]
                return _Answer(0, frame[0], code, frame[2:-2])
        return None

    def belongs(self, request: _Request, answer: _Answer) -> bool:
        unit = self._units[answer.unit]
        if answer.unit != request.unit:
            unit.unasked = unit.doubles = True
            return False
        if answer.code & _EXCEPTION:
            if any(code == answer.code & ~_EXCEPTION for code, _ in unit.owed):
                raise BadAnswer(f"exception {answer.body[0]} may belong to an earlier request")
            return True
        if answer.shape in unit.owed or (answer.shape == unit.answered and answer.shape != request.shape):
            unit.unasked = True
            return False
        return True

    def probes(self, request: _Request) -> Iterator[_Request]:
        unit = self._units[request.unit]
        if not unit.ambiguous(request):
            return
        other = 7 - request.code  # 3 and 4: even a refusal of the other function cannot be mistaken
        for code in (request.code, other):
            mistakable = {request.shape, unit.answered, *unit.owed}
            fewer = (
                request.count - count
                for count in range(1, MAX_REGISTERS + 1)
                if (code, 2 * count) not in mistakable and request.address + count <= 0x10000
            )
            # fewer registers than wanted are as legal as the request, and an even number stays even
            best = min(fewer, key=lambda less: (less < 0, less % 2, abs(less)))
            yield replace(request, code=code, count=request.count - best)

    def owed(self, request: _Request) -> None:
        owed = self._units[request.unit].owed
        if request.shape in owed:
            owed.remove(request.shape)
        owed.append(request.shape)
        del owed[:-_MAX_OWED]

    def settled(self, request: _Request) -> None:
        unit = self._units[request.unit]
        unit.owed.clear()
        unit.answered = request.shape
        unit.doubles, unit.unasked = unit.unasked, False


class _Link(ModbusProtocol):
    """One connection: pymodbus' transport, what arrived on it, and how it ended."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_parameters(endpoint), is_server=False)
        self.received = bytearray()
        self.last_activity = self.loop.time()
        self.silent_requests = 0
        self.reason = ""  # why it ended; empty while it stands
        self._network = not endpoint.serial
        self._made = asyncio.Event()
        self._waiter: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Connect; OSError when that fails."""
        await self.call_create()
        await self._made.wait()  # a serial line reports its connection some turns of the loop later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless it was given up while it was being made."""
        if self.is_closing:
            transport.close()
            return
        super().connection_made(transport)
        self.last_activity = self.loop.time()
        if self._network:
            _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Keep what came; who waits for an answer looks at it."""
        self.received += data
        self.last_activity = self.loop.time()
        self.silent_requests = 0
        if len(self.received) > _MAX_BUFFER:
            if self._network:
                self.end(f"more than {_MAX_BUFFER} bytes came unasked")
            else:
                del self.received[:-_MAX_BUFFER]
        self._wake()

    def callback_new_connection(self) -> ModbusProtocol:
        """A client has no new connections."""
        return self

    def callback_connected(self) -> None:
        """Tell `open`."""
        self._made.set()

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Not reached: `data_received` keeps everything."""
        return len(data)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Remember why, and tell who waits."""
        self.reason = str(exc) if exc else "closed by the other side"
        self._wake()

    def transmit(self, frame: bytes) -> None:
        """Send one request."""
        self.send(frame)
        self.last_activity = self.loop.time()

    def end(self, reason: str) -> None:
        """Close; who waits for an answer is told `reason`."""
        self.reason = self.reason or reason
        self.close()
        self._wake()

    async def more(self, deadline: float) -> None:
        """Wait for bytes until `deadline` (loop time): TimeoutError then, ConnectionError when it ends."""
        if not self.reason:
            self._waiter = self.loop.create_future()
            async with asyncio.timeout_at(deadline):
                await self._waiter
        if self.reason:
            raise ConnectionError(self.reason)

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Bus:
    """One TCP connection or serial line and the units on it. One request at a time; reads only.

    Its methods may be called by many tasks; each waits its turn. A cancelled read leaves the bus usable.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 1.0) -> None:
        """Nothing is opened yet. `timeout` in seconds is for one answer, where `read` gives none."""
        self.endpoint = endpoint
        self.timeout = timeout
        self.busy = 0.0
        """Real seconds that requests have used the bus, their silences included."""
        self._lock = asyncio.Lock()
        self._link: _Link | None = None
        self._framing: _Framing = _Tcp() if endpoint.scheme == "tcp" else _Rtu()
        self._connect_delay = 0.0
        self._dirty = False  # an answer was given up: its bytes may still be on their way
        bits = 1 + endpoint.bytesize + (endpoint.parity != "N") + endpoint.stopbits
        self._character = bits / endpoint.baudrate  # seconds
        # pymodbus logs other devices' frames with an error; what it reports is in our exceptions
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._link is not None and not self._link.reason

    async def connect(self, delay: float = 0.0) -> None:
        """Open the connection, if it is not; then wait the longest `delay` (seconds) ever asked for here.

        Raises BusDown. Afterwards `read` opens it again by itself when it was lost.
        """
        self._connect_delay = max(self._connect_delay, delay)
        async with self._lock:
            await self._open()

    async def close(self) -> None:
        """Close the connection; a read that is under way gets BusDown."""
        if self._link:
            self._link.end("closed by us")
            self._link = None

    async def read(
        self,
        unit: int,
        table: Table,
        address: int,
        count: int,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the device's own time for one answer, not the caller's
        delay: float = 0.0,
        deadline: float | None = None,
    ) -> bytes:
        """`count` registers from `address` (counted from 0) as 2 x `count` bytes, big-endian as on the wire.

        `timeout` and `delay` (silence before the request) in seconds. On a serial line the time that the
        bytes need is added to the time-out. A unit that owes an answer on RTU costs a second request first.
        `deadline` is the loop's time at which the answer must be in, whatever the time-out says.
        Raises BusDown, NoAnswer, BadAnswer, Refused; ValueError for a request that Modbus does not have.
        """
        request = _request(self.endpoint, unit, table, address, count)
        limit = self.timeout if timeout is None else timeout
        async with self._lock:
            link = await self._open()
            began = link.loop.time()
            end = math.inf if deadline is None else deadline
            try:
                await self._silence(link, request, limit, delay)
                self._framing.idle(link.received)
                await self._trust(link, request, limit, delay, end)
                return await self._ask(link, request, limit, delay, end)
            finally:
                self.busy += link.loop.time() - began

    async def _open(self) -> _Link:
        if self._link and not self._link.reason:
            return self._link
        self._link = None
        link = _Link(self.endpoint)
        limit = max(self.timeout, _CONNECT_TIMEOUT)
        try:
            async with asyncio.timeout(limit):
                await link.open()
            await asyncio.sleep(self._connect_delay)
        except TimeoutError:
            link.end("not connected")
            raise BusDown(f"{self.endpoint}: no connection within {limit:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: the line cannot do this baud rate
            link.end("not connected")
            raise BusDown(f"{self.endpoint}: cannot be opened: {self._said(error)}") from error
        except BaseException:
            link.end("given up")
            raise
        if link.reason:
            raise BusDown(f"{self.endpoint}: connection lost: {link.reason}")
        self._link = link
        self._dirty = True  # answers to whoever used the line before
        return link

    def _said(self, error: OSError | ValueError) -> str:
        """What the system says; of a network without asyncio's numbers and addresses."""
        number = getattr(error, "errno", None)
        return os.strerror(number).lower() if number and not self.endpoint.serial else str(error)

    async def _trust(self, link: _Link, request: _Request, limit: float, delay: float, end: float) -> None:
        """Make sure that no earlier answer of the unit can be taken for the one to this request."""
        failure: BadAnswer | None = None
        for probe in self._framing.probes(request):
            try:
                await self._ask(link, probe, limit, delay, end)
            except Refused:
                return
            except BadAnswer as error:
                failure = error
            else:
                return
        if failure:
            raise failure

    async def _ask(self, link: _Link, request: _Request, limit: float, delay: float, end: float) -> bytes:
        """Send one request and return the registers of its answer."""
        await self._silence(link, request, limit, delay)
        self._framing.idle(link.received)
        frames = 8 + 5 + 2 * request.count  # bytes of request and answer
        wire = frames * self._character if self.endpoint.serial else 0.0
        asked = link.loop.time()
        deadline = min(asked + limit + wire, end)
        link.transmit(self._framing.frame(request))
        try:
            answer = await self._answer(link, request, deadline)
            registers = _registers(request, answer)
        except TimeoutError:
            self._give_up(request)
            raise self._unanswered(link, request, min(limit, max(0.0, round(end - asked, 3)))) from None
        except ConnectionError as error:
            self._give_up(request)
            raise BusDown(f"{self.endpoint} {request}: connection lost: {error}") from None
        except BadAnswer as error:
            self._give_up(request)
            if isinstance(error, _FramingLost):
                link.end(str(error))
            raise BadAnswer(f"{self.endpoint} {request}: {error}") from None
        except BaseException:  # cancelled
            self._give_up(request)
            raise
        self._framing.settled(request)
        if answer.code & _EXCEPTION:
            code = answer.body[0]
            name = EXCEPTIONS.get(code, "unknown")
            raise Refused(f"{self.endpoint} {request}: refused with exception {code} ({name})", code)
        return registers

    async def _answer(self, link: _Link, request: _Request, deadline: float) -> _Answer:
        while True:
            answer = self._framing.take(link.received)
            if answer is None:
                await link.more(deadline)
            elif self._framing.belongs(request, answer):
                return answer

    async def _silence(self, link: _Link, request: _Request, limit: float, delay: float) -> None:
        """Wait until nothing was sent or received for as long as the wire and the device want."""
        gap = delay
        if self.endpoint.scheme != "tcp":
            # 3.5 characters, 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, section 2.5.1.1)
            gap = max(gap, 3.5 * self._character if self.endpoint.baudrate <= 19200 else 0.00175)
            gap += _LUMP if self._dirty else 0.0
        deadline = link.loop.time() + gap + limit
        while (wait := link.last_activity + gap - link.loop.time()) > 0:
            if link.loop.time() > deadline:
                raise BadAnswer(f"{self.endpoint} {request}: not asked, no silence of {gap:g} s on the line")
            await asyncio.sleep(wait)
        self._dirty = False

    def _give_up(self, request: _Request) -> None:
        self._dirty = True
        self._framing.owed(request)

    def _unanswered(self, link: _Link, request: _Request, limit: float) -> BadAnswer | NoAnswer:
        """What to raise at the deadline; closes a connection that is stuck."""
        where = f"{self.endpoint} {request}"
        if link.received:
            stuck = bytes(link.received)
            if self.endpoint.scheme == "tcp":
                link.end("half an answer")
            return BadAnswer(f"{where}: {len(stuck)} bytes that are no answer: {stuck[:16].hex(' ')}")
        link.silent_requests += 1
        if link.silent_requests >= _SILENT_REQUESTS and not self.endpoint.serial:
            link.end("half-open")
        return NoAnswer(f"{where}: no answer within {limit:g} s")


def _request(endpoint: Endpoint, unit: int, table: Table, address: int, count: int) -> _Request:
    """The request, if Modbus has it."""
    if endpoint.scheme == "tcp":
        first, last = 0, 255
    else:
        first, last = 1, 247  # on a serial line 0 is for everyone and nobody answers
    if not first <= unit <= last:
        raise ValueError(f"{endpoint}: unit {unit}; allowed: {first} to {last}")
    where = f"{endpoint} unit {unit}"
    if not 1 <= count <= MAX_REGISTERS:
        raise ValueError(f"{where}: {count} registers in one request; allowed: 1 to {MAX_REGISTERS}")
    if not 0 <= address <= 0x10000 - count:
        raise ValueError(f"{where}: registers {address}..{address + count - 1}; allowed: 0 to 65535")
    return _Request(unit, _READS[table], address, count)


def _registers(request: _Request, answer: _Answer) -> bytes:
    """The registers of an answer that fits its request in every part; empty for an exception. BadAnswer."""
    if answer.unit != request.unit:
        raise BadAnswer(f"unit {answer.unit} answered")
    if answer.code == request.code | _EXCEPTION and len(answer.body) == 1:
        return b""
    if answer.code != request.code:
        raise BadAnswer(f"the answer has function {answer.code}, asked was {request.code}")
    size = 2 * request.count
    if not answer.body or answer.body[0] != size or len(answer.body) != 1 + size:
        stated = answer.body[0] if answer.body else 0
        raise BadAnswer(f"the answer states {stated} bytes and has {len(answer.body) - 1}, asked were {size}")
    return answer.body[1:]


def _parameters(endpoint: Endpoint) -> CommParams:
    """pymodbus' view of an endpoint; it never connects again by itself."""
    if endpoint.serial:
        return CommParams(
            comm_type=CommType.SERIAL,
            comm_name="wattgram",
            reconnect_delay=0.0,
            host=endpoint.path,
            baudrate=endpoint.baudrate,
            bytesize=endpoint.bytesize,
            parity=endpoint.parity,
            stopbits=endpoint.stopbits,
        )
    return CommParams(
        comm_type=CommType.TCP,
        comm_name="wattgram",
        reconnect_delay=0.0,
        host=endpoint.host,
        port=endpoint.port,
    )


def _keep_alive(connection: socket.socket) -> None:
    """Let the kernel notice a peer that went away: first probe after 30 s, lost after another 30 s."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
