"""Clocks, feeds and answers for the tests of the grid's sources."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
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
    """A server that gives its answers one after the other, the last one for ever; `asked` are the requests' heads.

    Instead of answers there may be one function, from the path with its query to the answer.
    """

    answers: Sequence[bytes | Callable[[str], bytes]]
    url: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Paths of the requests, with their queries."""
        return [head.split(" ")[1] for head in self.asked]


@asynccontextmanager
async def serving(*answers: bytes | Callable[[str], bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """A real HTTP server on loopback; an empty answer is none at all, the connection stays open."""
    web = Web(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            given = web.answers[min(len(web.asked), len(web.answers) - 1)]
            web.asked.append(head)
            text = given(web.paths[-1]) if callable(given) else given
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


NOT_FOUND = answer(b'{"message": "not found"}', status="404 Not Found")


def routed(**parts: object) -> Callable[[str], bytes]:
    """Return the function of a server with one JSON document for each word that a path may contain; else 404.

    Bytes are a whole answer; a function makes the document from the path. `_` in a word stands for `-`.
    """

    def given(path: str) -> bytes:
        for word, part in parts.items():
            if word.replace("_", "-") in path.replace("_", "-"):
                found = part(path) if callable(part) else part
                return found if isinstance(found, bytes) else answer(json.dumps(found).encode())
        return NOT_FOUND

    return given
