"""An MQTT broker of a few lines, for what no real one does on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from wattgram.delivery.sinks.mqtt_sink import MqttSink
from wattgram.mqtt.mqtt_settings import MqttConfig

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Coroutine[Any, Any, None]]


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[MqttSink, list[int]]]:
    """A sink to a broker that reads a CONNECT and leaves the rest to `script`; the versions it was asked for."""
    versions: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            _, body = await packet(reader)
            versions.append(body[6])  # after the name "MQTT" with its length; MQTT 3.1.1 and 5, 3.1.2.2
            await script(reader, writer, body[6])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        sink = MqttSink(MqttConfig("127.0.0.1", server.sockets[0].getsockname()[1]), "works")
        yield sink, versions
        await sink.close()


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """First byte and body of a control packet."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first, await reader.readexactly(length)


async def acknowledge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reasons: bytes = b"") -> None:
    """PUBACK for every PUBLISH; the reasons go to the first ones after the status, for version 5."""
    answers = iter(reasons)
    while True:
        first, body = await packet(reader)
        if first >> 4 == 3:
            end = 2 + int.from_bytes(body[:2], "big")
            number = body[end : end + 2]
            reason = next(answers, None) if not body[2:end].endswith(b"/status") else None
            writer.write(b"\x40\x02" + number if reason is None else b"\x40\x03" + number + bytes([reason]))
