"""Serve devices from a source of values, over Modbus TCP, RTU over TCP or a serial line. Read-only.

The words of a request come from a single call of the source, so the words of a value are always consistent.
pymodbus' server parses requests; `unit` and `faults` determine content and time of the answers, which this module
sends unchanged.
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

from .faults import (
    NO_BUS_FAULTS,
    NO_FAULTS,
    BusFaults,
    DelayedBytes,
    Faults,
    FaultSchedule,
    RequestEcho,
    answer,
    exception,
)
from .unit import Served, SimulatedUnit

_ILLEGAL_FUNCTION = 1
_GATEWAY_NO_RESPONSE = 11
_FUNCTION_TABLES: dict[int, Table] = {3: "holding", 4: "input"}


class Simulator:
    """The units of a bus. `faults` and `trouble` may change while serving. seed: of the random numbers for shares."""

    def __init__(
        self,
        endpoint: Endpoint,
        units: Mapping[int, Served],
        faults: Mapping[int, Faults] | None = None,
        trouble: BusFaults = NO_BUS_FAULTS,
        *,
        seed: int = 1,
    ) -> None:
        """Create the simulator without opening it. Port 0 takes a free port, see `start`."""
        self.endpoint = endpoint
        self.faults: dict[int, Faults] = dict(faults or {})
        self.trouble = trouble
        self._units = {unit: SimulatedUnit(served) for unit, served in units.items()}
        self._bus_schedule = FaultSchedule(f"{seed}")
        self._boots = 0
        self._unit_schedules = _UnitSchedules(seed)
        self._free: defaultdict[int, float] = defaultdict(float)  # on RTU, the end of each unit's last answer
        self._sessions: list[_Session] = []  # connections, oldest first
        self._server: _TcpServer | _SerialServer | None = None
        self._reboot: asyncio.Task[None] | None = None
        # pymodbus logs each refused request with a dump of other connections' frames
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    async def start(self) -> Endpoint:
        """Start serving. Return the endpoint with its actual port. OSError: the address is not available."""
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
        server.connected, server.ended, server.requested = self._connected, self._ended, self._requested
        if not await server.listen():
            raise OSError(f"{self.endpoint}: cannot be served: in use, or not an address of this machine")
        self._server = server

    async def _close(self) -> None:
        if self._server:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
            self._server = None

    def _addresses(self) -> list[tuple[int, tuple[str, int]]]:
        """Return family and address of each listening socket; none on a serial line."""
        listener: object = self._server and self._server.transport  # annotated as a transport; on a network, a server
        if not isinstance(listener, asyncio.Server):
            return []
        return [(listening.family, listening.getsockname()) for listening in listener.sockets]

    def _connected(self, session: _Session) -> None:
        """Accept a connection, and apply the faults of connections."""
        others = tuple(self._sessions)
        self._sessions.append(session)
        if self.endpoint.serial:
            return
        if self._reboot:  # the client connected as the reboot began
            session.reset()
            return
        trouble = self._bus_schedule.select(self.trouble, session.loop.time(), excluded=_OF_REQUESTS)
        if trouble.one_client and others:
            for connection in others if trouble.one_client == "kick" else (session,):
                connection.reset()
        session.ready = session.loop.time() + trouble.slow_accept

    def _ended(self, session: _Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def _requested(self, session: _Session, request: ModbusPDU) -> None:
        """Answer a request, subject to the faults of bus and unit."""
        now = session.loop.time()
        excluded: tuple[str, ...] = _OF_CONNECTIONS if session.requests == 1 else (*_OF_CONNECTIONS, "first_swallowed")
        if self.endpoint.serial:
            excluded = _OF_NETWORKS
        trouble = self._bus_schedule.select(self.trouble, now, excluded=excluded)
        if trouble.rebooting and not self._reboot:
            self._reboot = asyncio.create_task(self._rebooting(trouble.rebooting), name=f"reboot {self.endpoint}")
            self._boots += 1  # pending answers are dropped
        session.dead = session.dead or trouble.half_open
        if session.dead or trouble.first_swallowed or self._reboot:
            return
        start = max(now, session.ready)
        if self.endpoint.scheme != "tcp":  # a unit on a line waits for the end of the frame, and answers in turn
            start = max(start + self.endpoint.silence, self._free[request.dev_id])
        for reply in self._answer(request, now):
            self._free[request.dev_id] = max(self._free[request.dev_id], start + reply.delay)
            session.loop.call_at(start + reply.delay, self._send, session, reply.data, self._boots)

    def _answer(self, request: ModbusPDU, now: float) -> Sequence[DelayedBytes]:
        number, code, unit = request.dev_id, request.function_code, self._units.get(request.dev_id)
        table = _FUNCTION_TABLES.get(code)
        schedule, faults = self._unit_schedules[number], self.faults.get(number, NO_FAULTS)
        has_counter = unit and table and unit.has_counter(table, request.address, request.count)
        active = schedule.select(faults, now, excluded=() if has_counter else ("glitch",))
        content: list[int] | int = exception(active, schedule.random)
        if unit is None:
            if self.endpoint.scheme != "tcp":
                return ()  # on a line, a missing unit gives no answer
            content = _GATEWAY_NO_RESPONSE
        elif not content:
            content = unit.read(table, request.address, request.count, active) if table else _ILLEGAL_FUNCTION
        transaction = request.transaction_id if self.endpoint.scheme == "tcp" else None
        return answer(RequestEcho(number, code, transaction), content, active, schedule.random)

    def _send(self, session: _Session, data: bytes, boots: int) -> None:
        if not session.dead and boots == self._boots:
            session.transmit(data)

    async def _rebooting(self, seconds: float) -> None:
        """Close address and connections, and open the same address again after `seconds`."""
        try:
            with contextlib.ExitStack() as reserved:
                if not self.endpoint.serial:
                    addresses = self._addresses()
                    for session in tuple(self._sessions):
                        session.reset()
                    await self._close()
                    for family, address in addresses:
                        reserved.enter_context(_reserved(family, address))
                await asyncio.sleep(seconds)
                if not self.endpoint.serial:
                    await self._open()
        finally:
            self._reboot = None


class _UnitSchedules(dict[int, FaultSchedule]):
    """The fault schedule of each unit, created on first use."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def __missing__(self, unit: int) -> FaultSchedule:
        return self.setdefault(unit, FaultSchedule(f"{self._seed} {unit}"))


_OF_CONNECTIONS = ("one_client", "slow_accept")
_OF_REQUESTS = ("first_swallowed", "half_open", "rebooting")
_OF_NETWORKS = (*_OF_CONNECTIONS, "first_swallowed", "half_open")


def _reserved(family: int, address: tuple[str, int]) -> socket.socket:
    """Return a socket that reserves an address without accepting connections."""
    reserved = socket.socket(family)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(address)
    return reserved


def _no_store() -> SimDevice:
    """Return a dummy data store, which pymodbus' server requires but never reads here."""
    return SimDevice(id=0, simdata=SimData(0, values=0, datatype=DataType.REGISTERS))


class _Session(ServerRequestHandler):
    """A client's connection, or the line.

    pymodbus' handler is not sufficient: it gives a late answer the transaction id of the newest request, drops one of
    two requests that arrive together, and omits the function code in the exception for an unsupported request.
    """

    def __init__(self, server: _TcpServer | _SerialServer) -> None:
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
        self.requests = 0  # number of requests
        self.ready = 0.0  # loop time before which there are no answers
        self.dead = False  # half-open: no further answers
        self._queue: deque[ModbusPDU] = deque()

    def callback_connected(self) -> None:
        """Report to the simulator."""
        super().callback_connected()
        self.server.connected(self)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Report to the simulator."""
        super().callback_disconnected(exc)
        self.server.ended(self)

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Accept all complete requests. Return the number of bytes used."""
        used, more = 0, 1
        while more and used < len(data):
            more = super().callback_data(data[used:], addr)
            used += more
            if self.last_pdu:
                self._queue.append(self.last_pdu)
        return used

    def handle_later(self) -> None:
        """Answer the next request: pymodbus calls this once for each request."""
        self.requests += 1
        self.server.requested(self, self._queue.popleft())

    def transmit(self, data: bytes) -> None:
        """Send bytes, if the connection is still open."""
        transport: object = self.transport
        if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
            transport.write(data)

    def reset(self) -> None:
        """Reset a network connection (RST), as a rebooted device does."""
        transport: object = self.transport
        if isinstance(transport, asyncio.WriteTransport):
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()


class _TcpServer(ModbusTcpServer):
    connected: Callable[[_Session], None]
    ended: Callable[[_Session], None]
    requested: Callable[[_Session, ModbusPDU], None]

    def callback_new_connection(self) -> _Session:
        return _Session(self)


class _SerialServer(ModbusSerialServer):
    connected: Callable[[_Session], None]
    ended: Callable[[_Session], None]
    requested: Callable[[_Session, ModbusPDU], None]

    def callback_new_connection(self) -> _Session:
        return _Session(self)
