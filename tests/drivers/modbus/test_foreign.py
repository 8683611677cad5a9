"""UDP, TLS and ASCII lines: pymodbus' transports behind the same bus with the same checks."""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from wattgram_drivers.driver_errors import BadAnswer, BusDown, DriverError, NoAnswer, Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import misbehaving_device as bad
from tests.support.certificates import Certificates, certificates

LIMIT = 0.5
Peer = Callable[[Certificates], AbstractAsyncContextManager[str]]
"""A server of registers whose value is their address; yields its URL."""


def device() -> SimDevice:
    return SimDevice(id=1, simdata=[SimData(0, values=list(range(1000)), datatype=DataType.REGISTERS)])


@asynccontextmanager
async def udp(_: Certificates) -> AsyncIterator[str]:
    server = ModbusUdpServer(device(), address=("127.0.0.1", 0))
    await server.listen()
    port = server.transport.get_extra_info("sockname")[1]
    yield f"udp://127.0.0.1:{port}"
    await server.shutdown()  # type: ignore[no-untyped-call]


def copy(near: int, far: int) -> None:
    os.write(far, os.read(near, 600))


@asynccontextmanager
async def ascii_line(_: Certificates) -> AsyncIterator[str]:
    """Two pseudo-terminals joined by this loop."""
    loop = asyncio.get_running_loop()
    lines = [os.openpty() for _ in range(2)]
    for line in lines:
        tty.setraw(line[1])
    for here, there in (lines, lines[::-1]):
        loop.add_reader(here[0], copy, here[0], there[0])
    server = ModbusSerialServer(device(), framer=FramerType.ASCII, port=os.ttyname(lines[0][1]))
    await server.listen()
    yield f"ascii://{os.ttyname(lines[1][1])}"
    await server.shutdown()  # type: ignore[no-untyped-call]
    for line in lines:
        loop.remove_reader(line[0])
        for end in line:
            os.close(end)


@asynccontextmanager
async def secured(files: Certificates) -> AsyncIterator[str]:
    """Modbus TCP behind a TLS port that requires a client certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    async with bad.Server(bad.honest) as plain:

        async def serve(near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far, target = await asyncio.open_connection("127.0.0.1", plain.port)

            async def passed(reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
                while data := await reader.read(600):
                    to.write(data)
                to.close()

            await asyncio.gather(passed(near, target), passed(far, writer))

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        yield f"tls://127.0.0.1:{port}?ca={files.ca}&cert={files.client_cert}&key={files.client_key}"
        server.close()


def with_bus(peer: Peer, files: Certificates, work: Callable[[Bus], Awaitable[None]]) -> None:
    async def main() -> None:
        async with peer(files) as url:
            bus = Bus(parse(url), timeout=LIMIT)
            await work(bus)
            await bus.close()
            await asyncio.sleep(0.05)  # the peer sees the end

    asyncio.run(main())


@pytest.mark.parametrize("peer", [udp, ascii_line, secured])
def test_registers_come_as_bytes(peer: Peer, tls: Certificates) -> None:
    async def work(bus: Bus) -> None:
        for address, count in ((0, 1), (300, 2), (7, 125), (300, 3)):
            data = await bus.read(1, "holding", address, count)
            assert list(struct.unpack(f">{count}H", data)) == list(range(address, address + count))

    with_bus(peer, tls, work)


@pytest.mark.parametrize("peer", [udp, ascii_line])
def test_a_refusal_has_its_exception_code(peer: Peer, tls: Certificates) -> None:
    async def work(bus: Bus) -> None:
        with pytest.raises(Refused) as caught:
            await bus.read(1, "holding", 999, 2)
        assert caught.value.code == 2

    with_bus(peer, tls, work)


def test_a_silent_udp_port_is_no_answer() -> None:
    async def main() -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        bus = Bus(parse(f"udp://127.0.0.1:{transport.get_extra_info('sockname')[1]}"), timeout=0.05)
        with pytest.raises(NoAnswer):
            await bus.read(1, "holding", 0, 1)
        await bus.close()
        transport.close()

    asyncio.run(main())


def test_a_server_with_an_unknown_certificate_is_rejected(
    tls: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The server's certificate is not signed by the authority that the URL names."""
    other_authority = certificates(tmp_path_factory.mktemp("stranger"))

    async def main() -> None:
        async with secured(tls) as url:
            bus = Bus(parse(url.replace(str(tls.ca), str(other_authority.ca))), timeout=LIMIT)
            with pytest.raises(BusDown, match="TLS: self-signed certificate in certificate chain"):
                await bus.read(1, "holding", 0, 1)
            await bus.close()

    asyncio.run(main())


def test_noise_on_an_ascii_line_is_no_answer() -> None:
    """A frame whose unit is no number, a frame with a wrong checksum, then silence."""
    line = os.openpty()
    tty.setraw(line[1])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(line[0], lambda: (os.read(line[0], 100), os.write(line[0], b":ZZ\r\n:010302000AFF\r\n")))
        bus = Bus(parse(f"ascii://{os.ttyname(line[1])}"), timeout=0.1)
        with pytest.raises((NoAnswer, BadAnswer)):
            await bus.read(1, "holding", 0, 1)
        with pytest.raises(DriverError):
            await bus.read(1, "holding", 0, 1)
        await bus.close()
        loop.remove_reader(line[0])

    asyncio.run(main())
    for end in line:
        os.close(end)
