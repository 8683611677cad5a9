"""Serves devices from a source of values, on real Modbus TCP, RTU over TCP or a serial line. Read-only.

Words are made when a request comes, all of one request from one call of the source, so a 32-bit value is
never torn. The server is pymodbus': it takes requests apart. What leaves, when and whether at all, is said by
`unit` and `faults`; the bytes go to the connection as they say.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from wattgram_drivers.device import Table
from wattgram_drivers.endpoint import Endpoint

from .faults import CALM, WELL, BusFaults, Faults, FaultSchedule, Leaving, RequestEcho, answer, exception
from .unit import Served, SimulatedUnit

_ILLEGAL_FUNCTION = 1
_GATEWAY_NO_RESPONSE = 11
_FUNCTION_TABLES: dict[int, Table] = {3: "holding", 4: "input"}


class Simulator:
    """The units of one bus. `faults` and `trouble` may be changed while it serves; `seed` is for their shares."""

    def __init__(
        self,
        endpoint: Endpoint,
        units: Mapping[int, Served],
        faults: Mapping[int, Faults] | None = None,
        trouble: BusFaults = CALM,
        *,
        seed: int = 1,
    ) -> None:
        """Nothing is opened yet. Port 0 means any free one; `start` returns which."""
        self.endpoint = endpoint
        self.faults: dict[int, Faults] = dict(faults or {})
        self.trouble = trouble
        self._units = {unit: SimulatedUnit(served) for unit, served in units.items()}
        self._course = FaultSchedule(f"{seed}")
        self._boots = 0
        self._courses = _Courses(seed)
        self._free: defaultdict[int, float] = defaultdict(float)  # on RTU, when each unit's last answer has left
        self._sessions: list[_Session] = []  # connections, the oldest first
        self._server: _TcpServer | _SerialServer | None = None
        self._reboot: asyncio.Task[None] | None = None
        # pymodbus would log each refused request with a dump of other connections' frames
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    async def start(self) -> Endpoint:
        """Serve from now on; the endpoint with its real port. OSError when that address cannot be had."""
        await self._open()
        if addresses := self._addresses():
            self.endpoint = replace(self.endpoint, port=addresses[0][1][1])
        return self.endpoint

    async def stop(self) -> None:
        """Close the address and all connections."""
        if self._reboot:
            self._reboot.cancel()
            await asyncio.wait([self._reboot])
        await self._close()

    async def _open(self) -> None:
        server: _TcpServer | _SerialServer
        if self.endpoint.serial:
            server = _SerialServer(
                _no_store(),
                port=self.endpoint.path,
                baudrate=self.endpoint.baudrate,
                parity=self.endpoint.parity,
                stopbits=self.endpoint.stopbits,
                bytesize=self.endpoint.bytesize,
            )
        else:
            server = _TcpServer(
                _no_store(),
                framer=FramerType.SOCKET if self.endpoint.scheme == "tcp" else FramerType.RTU,
                address=(self.endpoint.host, self.endpoint.port),
            )
        server.connected, server.ended, server.asked = self._connected, self._ended, self._asked
        if not await server.listen():
            raise OSError(f"{self.endpoint}: cannot be served: in use, or not an address of this machine")
        self._server = server

    async def _close(self) -> None:
        if self._server:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
            self._server = None

    def _addresses(self) -> list[tuple[int, tuple[str, int]]]:
        """Family and address of each listening socket; none on a serial line."""
        listener: object = self._server and self._server.transport  # annotated as a transport, on a network a server
        if not isinstance(listener, asyncio.Server):
            return []
        return [(one.family, one.getsockname()) for one in listener.sockets]

    def _connected(self, session: _Session) -> None:
        """Someone has connected: who must go, and when will there be an answer?"""
        others = tuple(self._sessions)
        self._sessions.append(session)
        if self.endpoint.serial:
            return
        if self._reboot:  # it was on its way in when the reboot began
            session.reset()
            return
        trouble = self._course.strike(self.trouble, session.loop.time(), spared=_OF_REQUESTS)
        if trouble.one_client and others:
            for one in others if trouble.one_client == "kick" else (session,):
                one.reset()
        session.ready = session.loop.time() + trouble.slow_accept

    def _ended(self, session: _Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def _asked(self, session: _Session, request: ModbusPDU) -> None:
        """Answer a request, in the way that trouble and faults leave."""
        now = session.loop.time()
        spared = _OF_CONNECTIONS if session.asked == 1 else (*_OF_CONNECTIONS, "first_swallowed")
        trouble = self._course.strike(self.trouble, now, spared=_OF_NETWORKS if self.endpoint.serial else spared)
        if trouble.rebooting and not self._reboot:
            self._reboot = asyncio.create_task(self._rebooting(trouble.rebooting), name=f"reboot {self.endpoint}")
            self._boots += 1  # what it wanted to say is forgotten
        session.dead = session.dead or trouble.half_open
        if session.dead or trouble.first_swallowed or self._reboot:
            return
        start = max(now, session.ready)
        if self.endpoint.scheme != "tcp":  # a unit on a line waits for the end of the frame, and does one by one
            start = max(start + self.endpoint.silence, self._free[request.dev_id])
        for leaving in self._answer(request, now):
            self._free[request.dev_id] = max(self._free[request.dev_id], start + leaving.delay)
            session.loop.call_at(start + leaving.delay, self._leave, session, leaving.data, self._boots)

    def _answer(self, request: ModbusPDU, now: float) -> Sequence[Leaving]:
        number, code, unit = request.dev_id, request.function_code, self._units.get(request.dev_id)
        table = _FUNCTION_TABLES.get(code)
        course, faults = self._courses[number], self.faults.get(number, WELL)
        counts = unit and table and unit.counts(table, request.address, request.count)
        struck = course.strike(faults, now, spared=() if counts else ("glitch",))
        said: list[int] | int = exception(struck, course.dice)
        if unit is None:
            if self.endpoint.scheme != "tcp":
                return ()  # on a line, nobody speaks for a unit that is not there
            said = _GATEWAY_NO_RESPONSE
        elif not said:
            said = unit.read(table, request.address, request.count, struck) if table else _ILLEGAL_FUNCTION
        transaction = request.transaction_id if self.endpoint.scheme == "tcp" else None
        return answer(RequestEcho(number, code, transaction), said, struck, course.dice)

    def _leave(self, session: _Session, data: bytes, boots: int) -> None:
        if not session.dead and boots == self._boots:
            session.transmit(data)

    async def _rebooting(self, seconds: float) -> None:
        """Go away with all connections, and come back at the same address."""
        try:
            with contextlib.ExitStack() as held:
                if not self.endpoint.serial:
                    addresses = self._addresses()
                    for session in tuple(self._sessions):
                        session.reset()
                    await self._close()
                    for family, address in addresses:
                        held.enter_context(_held(family, address))
                await asyncio.sleep(seconds)
                if not self.endpoint.serial:
                    await self._open()
        finally:
            self._reboot = None


class _Courses(dict[int, FaultSchedule]):
    """The course of each unit's faults, made when it is first wanted."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def __missing__(self, unit: int) -> FaultSchedule:
        return self.setdefault(unit, FaultSchedule(f"{self._seed} {unit}"))


_OF_CONNECTIONS = ("one_client", "slow_accept")
_OF_REQUESTS = ("first_swallowed", "half_open", "rebooting")
_OF_NETWORKS = (*_OF_CONNECTIONS, "first_swallowed", "half_open")


def _held(family: int, address: tuple[str, int]) -> socket.socket:
    """A socket that keeps an address for us and takes no connections."""
    kept = socket.socket(family)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(address)
    return kept


def _no_store() -> SimDevice:
    """pymodbus' server wants a data store of its own; its requests never get there."""
    return SimDevice(id=0, simdata=SimData(0, values=0, datatype=DataType.REGISTERS))


class _Session(ServerRequestHandler):
    """One connection of a client, or the line.

    pymodbus' own handler gives a late answer the transaction id of the newest request, forgets one of two
    requests that come together, and names no function in the refusal of one that its data store does not know.
    """

    def __init__(self, server: _TcpServer | _SerialServer) -> None:
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
        self.asked = 0  # requests so far
        self.ready = 0.0  # loop time before which nothing is answered
        self.dead = False  # half-open: nothing is answered any more
        self._requests: deque[ModbusPDU] = deque()

    def callback_connected(self) -> None:
        """Tell the simulator."""
        super().callback_connected()
        self.server.connected(self)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Tell the simulator."""
        super().callback_disconnected(exc)
        self.server.ended(self)

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Take all whole requests; bytes used."""
        used, more = 0, 1
        while more and used < len(data):
            more = super().callback_data(data[used:], addr)
            used += more
            if self.last_pdu:
                self._requests.append(self.last_pdu)
        return used

    def handle_later(self) -> None:
        """Answer the request whose turn it is: pymodbus calls this once for each."""
        self.asked += 1
        self.server.asked(self, self._requests.popleft())

    def transmit(self, data: bytes) -> None:
        """Send these bytes, if there is still somebody to send them to."""
        transport: object = self.transport
        if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
            transport.write(data)

    def reset(self) -> None:
        """End a network connection at once: RST, as a device does that lost its memory."""
        transport: object = self.transport
        if isinstance(transport, asyncio.WriteTransport):
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()


class _TcpServer(ModbusTcpServer):
    connected: Callable[[_Session], None]
    ended: Callable[[_Session], None]
    asked: Callable[[_Session, ModbusPDU], None]

    def callback_new_connection(self) -> _Session:
        return _Session(self)


class _SerialServer(ModbusSerialServer):
    connected: Callable[[_Session], None]
    ended: Callable[[_Session], None]
    asked: Callable[[_Session, ModbusPDU], None]

    def callback_new_connection(self) -> _Session:
        return _Session(self)
