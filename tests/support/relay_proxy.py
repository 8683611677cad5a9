"""An HTTP proxy of a few lines on loopback: it relays CONNECT and requests with a whole address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


@asynccontextmanager
async def relay_proxy(refusal: bytes = b"") -> AsyncIterator[tuple[int, list[str]]]:
    """Yield the port and the heads that the proxy has got. `refusal`: its whole answer instead of a connection."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            heads.append(head)
            method, target, _ = head.split(" ", 2)
            if refusal:
                writer.write(refusal)
            else:
                to = urlsplit(target if method != "CONNECT" else f"//{target}")
                far_reader, far_writer = await asyncio.open_connection(to.hostname, to.port)
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    far_writer.write(head.replace(target, to.path, 1).encode())
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()
