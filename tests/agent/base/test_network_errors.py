"""TLS against a port without TLS, the reverse, and unknown hosts, in words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from wattgram.base.errors import FeedError, SinkError
from wattgram.base.network_errors import NO_TLS, TLS_THERE
from wattgram.delivery.sinks.influx_client import InfluxClient
from wattgram.grid.sources.fetch import get
from wattgram.mqtt.mqtt_connection import Broker
from wattgram.mqtt.mqtt_settings import MqttConfig

from tests.support.certificates import Certificates


async def _mqtt(port: int, *, tls: bool, ca: Path | None) -> str:
    with pytest.raises(SinkError) as caught:
        await Broker(MqttConfig("127.0.0.1", port, tls=tls, ca=ca)).connect()
    return str(caught.value)


async def _grid(port: int, scheme: str, ca: Path | None = None) -> str:
    with pytest.raises(FeedError) as caught:
        await get(f"{scheme}://127.0.0.1:{port}/", {}, 0, ca)
    return str(caught.value)


async def _influx(port: int, scheme: str, ca: Path | None = None) -> str:
    client = InfluxClient(f"{scheme}://127.0.0.1:{port}", "o", "b", None, ca)
    await client.open()
    try:
        with pytest.raises(SinkError) as caught:
            await client.post(b"m f=1", gzip=False)
    finally:
        await client.close()
    return str(caught.value)


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close as mosquitto does after bytes that are no CONNECT."""
    await reader.read(100)
    writer.close()


async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in plain HTTP, whatever came."""
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def go_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as net/http of Go on a port with TLS."""
    await reader.read(100)
    writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
    writer.close()


async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a TLS alert, as OpenSSL does: RFC 8446, 6; unexpected_message is 10."""
    await reader.read(100)
    writer.write(b"\x15\x03\x01\x00\x02\x02\x0a")
    writer.close()


def test_a_port_without_tls_is_named(tls: Certificates) -> None:
    async def work() -> None:
        for answer in (closing, greeting):
            async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                assert NO_TLS in await _mqtt(port, tls=True, ca=tls.ca)
                assert NO_TLS in await _grid(port, "https", tls.ca)
                assert NO_TLS in await _influx(port, "https", tls.ca)

    asyncio.run(asyncio.wait_for(work(), 60))


def test_a_port_with_tls_is_named() -> None:
    async def work() -> None:
        async with await asyncio.start_server(alert, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert f"{TLS_THERE} (mqtts://)" in await _mqtt(port, tls=False, ca=None)
            assert f"{TLS_THERE} (https://)" in await _grid(port, "http")
            assert f"{TLS_THERE} (https://)" in await _influx(port, "http")
        async with await asyncio.start_server(go_server, "127.0.0.1", 0) as server:
            text = await _influx(server.sockets[0].getsockname()[1], "http")
            assert text.endswith(f"{TLS_THERE} (https://)")
        async with await asyncio.start_server(closing, "127.0.0.1", 0) as server:
            text = await _mqtt(server.sockets[0].getsockname()[1], tls=False, ca=None)
            assert "does the port need TLS (mqtts://)?" in text

    asyncio.run(asyncio.wait_for(work(), 60))
