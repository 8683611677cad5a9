"""One connection of a bus, to a network peer or a serial line: bytes out, bytes in, and how it ended."""

from __future__ import annotations

import abc
import asyncio
import os
import socket
import termios
from typing import cast

import serial

from wattgram_drivers.endpoint import Endpoint

MAX_BUFFER = 4096
"""Bytes that may wait unread; a network peer that sends more unasked is not a Modbus server."""

_FIFO = 8  # characters that a UART may have received and not handed over yet


class Link(abc.ABC):
    """What every connection has; `open`, `transmit` and `close` are the wire's own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.loop = asyncio.get_running_loop()
        self.received = bytearray()
        self.last_activity = self.loop.time()  # when the last byte came, or has left
        self.silent_requests = 0
        self.reason = ""  # why it ended; empty while it stands
        self._waiter: asyncio.Future[None] | None = None

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect; OSError or ValueError when that fails."""

    @abc.abstractmethod
    def transmit(self, frame: bytes) -> None:
        """Send one request."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the wire."""

    def end(self, reason: str) -> None:
        """Close; who waits for an answer is told `reason`, unless the wire ended with its own before."""
        self.reason = self.reason or reason
        self.close()
        self._wake()

    async def more(self, deadline: float, missing: int = 0) -> None:
        """Wait for bytes until `deadline` (loop time): TimeoutError then, ConnectionError when it ends.

        `missing`: how many are known to be on their way.
        """
        if not self.reason:
            self._waiter = self.loop.create_future()
            timer = self.loop.call_at(deadline, _expire, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
        if self.reason:
            raise ConnectionError(self.reason)

    def arrived(self, data: bytes) -> None:
        """Keep what came; who waits for an answer looks at it."""
        self.received += data
        self.last_activity = self.loop.time()
        self.silent_requests = 0
        if len(self.received) > MAX_BUFFER:
            if self.endpoint.serial:
                del self.received[:-MAX_BUFFER]
            else:
                self.end(f"more than {MAX_BUFFER} bytes came unasked")
        self._wake()

    def lost(self, reason: str) -> None:
        """The wire ended by itself."""
        self.reason = self.reason or reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class TcpLink(Link, asyncio.Protocol):
    """A TCP connection."""

    _transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Connect; given up on the way, nothing stays open."""
        await self.loop.create_connection(lambda: self, self.endpoint.host, self.endpoint.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless it was given up while it was being made."""
        self._transport = cast(asyncio.Transport, transport)
        if self.reason:
            self._transport.abort()
            return
        self.last_activity = self.loop.time()
        _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.arrived(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why."""
        self.lost(str(exc) if exc else "closed by the other side")

    def transmit(self, frame: bytes) -> None:
        """Hand over to the kernel."""
        if self._transport:
            self._transport.write(frame)
        self.last_activity = self.loop.time()

    def close(self) -> None:
        """At once: nothing that we sent is worth waiting for."""
        if self._transport:
            self._transport.abort()


class SerialLink(Link):
    """A serial line, ours alone. Bytes that are on their way are waited for as long as the wire needs for them.

    So an answer costs two or three wake-ups however the UART hands it over, and not one for every few bytes.
    """

    _port: serial.Serial | None = None
    _handle = -1

    async def open(self) -> None:
        """Set the line up; ValueError when it cannot do the baud rate, OSError when it cannot do the parity."""
        where = self.endpoint
        try:
            self._port = serial.Serial(
                where.path,
                baudrate=where.baudrate,
                bytesize=where.bytesize,
                parity=where.parity,
                stopbits=where.stopbits,
                timeout=0,
                exclusive=True,
            )
            self._handle = self._port.fileno()
            settings = termios.tcgetattr(self._handle)
            settings[6][termios.VMIN] = 1  # else nothing to read looks like a line that was hung up
            termios.tcsetattr(self._handle, termios.TCSANOW, settings)
        except termios.error as error:
            raise OSError(f"{where.path} cannot be set to {where}: {error.args[-1]}") from error
        self._listen()

    def transmit(self, frame: bytes) -> None:
        """A request fits every driver's buffer; what does not fit has no reader at the other end."""
        if self._port is None:
            return
        try:
            written = os.write(self._handle, frame)
        except OSError as error:
            self.end(str(error))
            return
        if written < len(frame):
            self.end("the line takes no more bytes")
        self.last_activity = self.loop.time() + len(frame) * self.endpoint.character

    def close(self) -> None:
        """Give the line back."""
        if self._port:
            self._deafen()
            self._port.close()
            self._port = None

    async def more(self, deadline: float, missing: int = 0) -> None:
        """Not disturbed before `missing` bytes can be in."""
        if missing > _FIFO and not self.reason:
            pause = min((missing - _FIFO) * self.endpoint.character, deadline - self.loop.time())
            before = len(self.received)
            self._deafen()
            try:
                await asyncio.sleep(pause)
            finally:
                self._listen()
            self._read()
            if len(self.received) > before:
                return
        await super().more(deadline, missing)

    def _listen(self) -> None:
        if self._port:
            self.loop.add_reader(self._handle, self._read)

    def _deafen(self) -> None:
        if self._port:
            self.loop.remove_reader(self._handle)

    def _read(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._handle, MAX_BUFFER)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(str(error))
            return
        if data:
            self.arrived(data)
        else:
            self.end("the line was hung up")


def _keep_alive(connection: socket.socket) -> None:
    """Let the kernel notice a peer that went away: first probe after 30 s, lost after another 30 s."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
