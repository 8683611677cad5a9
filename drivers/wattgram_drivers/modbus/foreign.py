"""The transports that only pymodbus brings: UDP, Modbus/TCP Security and ASCII lines. Loaded when one is used.

Its sockets, lines and ASCII frames are used, not its request engine, which takes short answers, answers of
another function and transaction id 0 as good (pymodbus 3.16.1): the guard before and after is the one of all buses.
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
    """A connection that pymodbus makes."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        # pymodbus logs other devices' frames with an error; what it reports is in our exceptions
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        self._wire: _Wire | None = None

    async def open(self) -> None:
        """Connect; ConnectionError too when the other side is not who it should be."""
        self._wire = _Wire(_parameters(self.endpoint), self)
        try:
            await self._wire.call_create()
        except ssl.SSLError as error:
            raise ConnectionError(f"TLS: {getattr(error, 'verify_message', '') or error.reason}") from error
        await self._wire.made.wait()  # a serial line reports its connection some turns of the loop later

    def transmit(self, frame: bytes) -> None:
        """Send one request."""
        if self._wire:
            self._wire.send(frame)
        characters = 2 * len(frame) if self.endpoint.serial else 0
        self.last_activity = self.loop.time() + characters * self.endpoint.character

    def close(self) -> None:
        """Close the connection, made or not."""
        if self._wire:
            self._wire.close()


class _Wire(ModbusProtocol):
    """pymodbus' transport; everything that comes goes to the link."""

    def __init__(self, parameters: CommParams, owner: Link) -> None:
        super().__init__(parameters, is_server=False)
        self.made = asyncio.Event()
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless it was given up while it was being made."""
        if self.is_closing:
            transport.close()
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._owner.arrived(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int] | None) -> None:
        """Keep what came: a whole frame."""
        self._owner.arrived(data)

    def callback_new_connection(self) -> ModbusProtocol:
        """A client has no new connections."""
        return self

    def callback_connected(self) -> None:
        """Tell `open`."""
        self.made.set()

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Not reached: `data_received` and `datagram_received` keep everything."""
        return len(data)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._owner.lost(str(exc) if exc else "closed by the other side")


class Ascii(Rtu):
    """The framing of `ascii://`: other bytes on the wire, the same lack of an id, so the same guard."""

    def __init__(self) -> None:
        super().__init__()
        self._framer = FramerAscii(DecodePDU(False))

    def frame(self, request: ReadRequest) -> bytes:
        """Colon, hexadecimal digits, checksum, line end."""
        return self._framer.encode(request.octets, request.unit, 0)

    def missing(self, received: bytearray, request: ReadRequest) -> int:
        """Not counted: a frame has an end of its own."""
        return 0

    def _first(self, received: bytearray) -> ReadResponse | None:
        """Frames with a wrong checksum are dropped."""
        while received:
            try:
                used, unit, _, octets = self._framer.decode(bytes(received))
            except ValueError:  # pymodbus lets a unit that is no number through
                del received[: received.find(b"\n") + 1 or len(received)]
                continue
            del received[:used]
            if octets:
                return ReadResponse(0, unit, octets[0], octets[1:])
            if not used:
                return None
        return None


def _parameters(endpoint: Endpoint) -> CommParams:
    """pymodbus' view of an endpoint; it never connects again by itself."""
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
    """Verified TLS; OSError when a file cannot be read."""
    context = ssl.create_default_context(cafile=endpoint.ca or None)
    if endpoint.cert:
        context.load_cert_chain(endpoint.cert, endpoint.key_file or None)
    return context
