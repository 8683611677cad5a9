"""Connections of a bus, to a network peer or a serial line: send bytes, receive bytes, report the end."""

from __future__ import annotations

import abc
import asyncio
import os
import socket
import termios
from typing import cast

import serial

from wattgram_drivers.endpoint import Endpoint

MAX_BUFFER = 65536
"""Most unread bytes. Bytes that came before a request are discarded; a peer that sends more is no Modbus server."""

_FIFO = 8  # characters that a UART may buffer


class Link(abc.ABC):
    """A connection. Subclasses implement `open`, `transmit` and `close`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.loop = asyncio.get_running_loop()
        self.received = bytearray()
        self.last_activity = self.loop.time()  # time of the last byte, received or sent
        self.last_sent = self.last_activity  # time of the last request
        self.heard = False  # whether a byte came since the last request
        self.silent_requests = 0
        self.answers: dict[int, float] = {}  # units that answered on this connection, with the time of the last answer
        self.reason = ""  # why the connection ended; empty while open
        self.ended_by_peer = False
        self._waiter: asyncio.Future[None] | None = None

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect. OSError or ValueError on failure."""

    @abc.abstractmethod
    def transmit(self, frame: bytes) -> None:
        """Send a request."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release the wire."""

    def end(self, reason: str) -> None:
        """Close. A waiting read gets `reason`, unless the connection already ended with another reason."""
        self.reason = self.reason or reason
        self.close()
        self._wake()

    async def wait_for_bytes(self, deadline: float, missing: int = 0) -> None:
        """Wait for bytes until `deadline` (loop time).

        missing: number of bytes that the answer still lacks. TimeoutError: deadline; ConnectionError: end of the
        connection.
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

    def feed(self, data: bytes) -> None:
        """Store received bytes and wake a waiting read."""
        self.received += data
        self.last_activity = self.loop.time()
        self.silent_requests = 0
        self.heard = True
        if len(self.received) > MAX_BUFFER:
            if self.endpoint.serial:
                del self.received[:-MAX_BUFFER]
            else:
                self.end(f"{len(self.received)} bytes received without a request; allowed: {MAX_BUFFER}")
        self._wake()

    def connection_ended(self, reason: str) -> None:
        """Record that the other side, or the line, ended the connection."""
        if not self.reason:
            self.reason, self.ended_by_peer = reason, True
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
        """Connect. After cancellation, no connection stays open."""
        await self.loop.create_connection(lambda: self, self.endpoint.host, self.endpoint.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, unless it was abandoned in the meantime."""
        self._transport = cast(asyncio.Transport, transport)
        if self.reason:
            self._transport.abort()
            return
        self.last_activity = self.loop.time()
        _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Store received bytes."""
        self.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the reason."""
        self.connection_ended(str(exc) if exc else "closed by the other side")

    def transmit(self, frame: bytes) -> None:
        """Pass the frame to the kernel."""
        if self._transport:
            self._transport.write(frame)
        self.last_activity = self.loop.time()

    def close(self) -> None:
        """Close at once: no sent byte needs to arrive."""
        if self._transport:
            self._transport.abort()


class SerialLink(Link):
    """A serial line, opened exclusively.

    While the line transmits an answer, the link sleeps for its known duration. An answer so costs two or three
    wake-ups, instead of one for every few bytes that the UART delivers.
    """

    _port: serial.Serial | None = None
    _handle = -1

    async def open(self) -> None:
        """Configure the line. ValueError: unsupported baud rate; OSError: unsupported parity, or not available."""
        endpoint = self.endpoint
        try:
            self._port = serial.Serial(
                endpoint.path,
                baudrate=endpoint.baudrate,
                bytesize=endpoint.bytesize,
                parity=endpoint.parity,
                stopbits=endpoint.stopbits,
                timeout=0,
                exclusive=True,
            )
            self._handle = self._port.fileno()
            settings = termios.tcgetattr(self._handle)
            settings[6][termios.VMIN] = 1  # with 0, an empty buffer reads like a hung-up line
            termios.tcsetattr(self._handle, termios.TCSANOW, settings)
        except termios.error as error:
            raise OSError(f"{endpoint.path} cannot be set to {endpoint}: {error.args[-1]}") from error
        self._start_reading()

    def transmit(self, frame: bytes) -> None:
        """Send a request. A request fits the driver's buffer; otherwise no one reads at the other end."""
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
        """Release the line."""
        if self._port:
            self._stop_reading()
            self._port.close()
            self._port = None

    async def wait_for_bytes(self, deadline: float, missing: int = 0) -> None:
        """Wait for bytes, at first without wake-ups while `missing` bytes are in transmission."""
        if missing > _FIFO and not self.reason:
            pause = min((missing - _FIFO) * self.endpoint.character, deadline - self.loop.time())
            before = len(self.received)
            self._stop_reading()
            try:
                await asyncio.sleep(pause)
            finally:
                self._start_reading()
            self._read()
            if len(self.received) > before:
                return
        await super().wait_for_bytes(deadline, missing)

    def _start_reading(self) -> None:
        if self._port:
            self.loop.add_reader(self._handle, self._read)

    def _stop_reading(self) -> None:
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
            self.feed(data)
        else:
            self.end("the line was hung up")


def _keep_alive(connection: socket.socket) -> None:
    """Let the kernel detect a dead peer: first probe after 30 s, connection lost after another 30 s."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
