"""Transports through pymodbus: UDP, Modbus/TCP Security and ASCII lines. Imported on first use.

This module uses pymodbus' sockets, lines and ASCII frames, but not its request engine, which accepts short answers,
answers of another function, and transaction id 0 (pymodbus 3.16.1). The checks are the same as for all buses.
"""

from __future__ import annotations

import asyncio
import logging
import ssl

from pymodbus.framer import FramerAscii
from pymodbus.pdu import DecodePDU
from pymodbus.transport import CommParams, CommType, ModbusProtocol

from wattgram_drivers.endpoint import Endpoint

from .link import Link
from .pdu import ReadRequest, ReadResponse
from .rtu import Rtu

_COMM_TYPES = {"udp": CommType.UDP, "tls": CommType.TLS, "ascii": CommType.SERIAL}


class ForeignLink(Link):
    """A connection through pymodbus."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        # With an error, pymodbus logs frames of other devices; the bus' exceptions contain the error already
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        self._wire: _Wire | None = None

    async def open(self) -> None:
        """Connect. ConnectionError also if the certificate of the other side is not valid."""
        self._wire = _Wire(_parameters(self.endpoint), self)
        try:
            await self._wire.call_create()
        except ssl.SSLError as error:
            raise ConnectionError(f"TLS: {getattr(error, 'verify_message', '') or error.reason}") from error
        await self._wire.established.wait()  # a serial line reports its connection some iterations of the loop later

    def transmit(self, frame: bytes) -> None:
        """Send a request."""
        if self._wire:
            self._wire.send(frame)
        characters = 2 * len(frame) if self.endpoint.serial else 0
        self.last_activity = self.loop.time() + characters * self.endpoint.character

    def close(self) -> None:
        """Close the connection, established or not."""
        if self._wire:
            self._wire.close()


class _Wire(ModbusProtocol):
    """pymodbus' transport, which forwards received bytes to the link."""

    def __init__(self, parameters: CommParams, link: Link) -> None:
        super().__init__(parameters, is_server=False)
        self.established = asyncio.Event()
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, unless it was abandoned in the meantime."""
        if self.is_closing:
            transport.close()
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Forward received bytes."""
        self._link.feed(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int] | None) -> None:
        """Forward a received frame."""
        self._link.feed(data)

    def callback_new_connection(self) -> ModbusProtocol:
        """Return the client itself: it accepts no connections."""
        return self

    def callback_connected(self) -> None:
        """Report the connection to `ForeignLink.open`."""
        self.established.set()

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Not reached: `data_received` and `datagram_received` forward all bytes."""
        return len(data)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Report the end of the connection to the link."""
        self._link.connection_ended(str(exc) if exc else "closed by the other side")


class Ascii(Rtu):
    """The framing of `ascii://`: as RTU without a transaction id, and with the same checks."""

    def __init__(self) -> None:
        super().__init__()
        self._framer = FramerAscii(DecodePDU(False))

    def _encoded(self, request: ReadRequest) -> bytes:
        """Return colon, hexadecimal digits, checksum and line end."""
        return self._framer.encode(request.octets, request.unit, 0)

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Return 0: a frame marks its end."""
        return 0

    def _first(self, received: bytearray) -> ReadResponse | None:
        """Return the first valid frame; discard frames with a wrong checksum."""
        while received:
            try:
                used, unit, _, octets = self._framer.decode(bytes(received))
            except ValueError:  # pymodbus does not check that the unit is a number
                del received[: received.find(b"\n") + 1 or len(received)]
                continue
            del received[:used]
            if octets:
                return ReadResponse(0, unit, octets[0], octets[1:])
            if not used:
                return None
        return None


def _parameters(endpoint: Endpoint) -> CommParams:
    """Return pymodbus' parameters of an endpoint, without automatic reconnection."""
    return CommParams(
        comm_type=_COMM_TYPES[endpoint.scheme],
        comm_name="wattgram",
        reconnect_delay=0.0,
        host=endpoint.path if endpoint.serial else endpoint.host,
        port=endpoint.port,
        baudrate=endpoint.baudrate,
        bytesize=endpoint.bytesize,
        parity=endpoint.parity,
        stopbits=endpoint.stopbits,
        sslctx=_context(endpoint) if endpoint.scheme == "tls" else None,
    )


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return a context with certificate verification. OSError: unreadable file."""
    context = ssl.create_default_context(cafile=endpoint.ca or None)
    if endpoint.cert:
        context.load_cert_chain(endpoint.cert, endpoint.key_file or None)
    return context
