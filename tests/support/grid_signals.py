"""Clocks, feeds and answers for the tests of the grid's sources."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from wattgram.base.clock import NS
from wattgram.grid.signal import Signal


class Hands:
    """A clock that is set by hand; sleeping moves the clock and lets other tasks run."""

    speed = 1.0

    def __init__(self, time: int) -> None:
        self.now = time

    def time(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / NS

    async def sleep(self, seconds: float) -> None:
        self.now += int(seconds * NS)
        await asyncio.sleep(0)


def utc(text: str) -> int:
    """UTC ns of a time with its offset."""
    time = datetime.fromisoformat(text)
    assert time.tzinfo is not None
    return int(time.timestamp()) * NS


def signal(intensity: float, begin: int, seconds: int, tier: int = 1, source: str = "feed") -> Signal:
    return Signal(intensity, "direct", source, tier, begin, begin + seconds * NS)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An HTTP answer with its length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(slots=True)
class Web:
    """A server that gives its answers one after the other, the last one for ever; `asked` are the requests' heads."""

    answers: Sequence[bytes]
    url: str = ""
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def serving(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """A real HTTP server on loopback; an empty answer is none at all, the connection stays open."""
    web = Web(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            text = web.answers[min(len(web.asked), len(web.answers) - 1)]
            web.asked.append(head)
            writer.write(text)
            await writer.drain()
            if not text:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    web.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield web
    finally:
        server.close()
