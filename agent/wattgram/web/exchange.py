"""Requests and responses of one client of the page, on the wire, by h11."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from http import HTTPStatus

import h11

from .answer import NO_STORE, SECURITY, Headers, HttpResponse
from .client_limits import HEAD_SIZE

SEND_BUFFER = 1 << 16
"""Bytes of a stream that the kernel buffers for a client."""


class Malformed(Exception):
    """A request that the server does not understand. `status`: of the answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Exchange:
    """A client's connection: `receive` and `send` in turn, or `begin` and then `send_chunk` any number of times."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._peer = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_SIZE)
        self._request: h11.Request | None = None

    async def receive(self) -> HttpRequest | None:
        """Return the next request, None after the last. A body is left unread."""
        self._request = None
        try:
            while True:
                event = self._peer.next_event()
                if event is h11.NEED_DATA:
                    self._peer.receive_data(await self._reader.read(HEAD_SIZE))
                elif isinstance(event, h11.Request):
                    if self._peer.their_state is h11.SEND_BODY and not _has_body(event):
                        self._peer.next_event()  # the end of the message, already received
                    self._request = event
                    return HttpRequest(event)
                else:
                    return None
        except h11.RemoteProtocolError as error:
            raise Malformed(HTTPStatus(error.error_status_hint)) from error

    @property
    def pipelined(self) -> bool:
        """Whether bytes of another request are here already."""
        return bool(self._peer.trailing_data[0])

    async def send(self, response: HttpResponse) -> bool:
        """Send a response. Return whether the connection stays open for another request."""
        headers = [*SECURITY, *response.headers, ("Content-Type", response.type)]
        if response.status not in (HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT):
            headers.append(("Content-Length", str(len(response.body))))
        if self._peer.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        self._write(h11.Response(status_code=response.status, headers=headers, reason=response.status.phrase))
        if self._request is None or self._request.method != b"HEAD":
            self._write(h11.Data(data=response.body))
        self._write(h11.EndOfMessage())
        await self._writer.drain()
        if self._peer.our_state is not h11.DONE or self._peer.their_state is not h11.DONE:
            return False
        self._peer.start_next_cycle()
        return True

    def begin(self, media_type: str, more: Headers) -> None:
        """Begin a response without an end. The connection serves no other request afterwards."""
        # Without these limits, a slow client occupies megabytes of buffer in the kernel and in this process.
        self._writer.transport.set_write_buffer_limits(high=0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        headers = [*SECURITY, *NO_STORE, *more, ("Content-Type", media_type), ("Connection", "close")]
        self._write(h11.Response(status_code=HTTPStatus.OK, headers=headers, reason=HTTPStatus.OK.phrase))

    async def send_chunk(self, data: bytes) -> None:
        """Send a chunk of the response. Return when the write buffer is empty."""
        self._write(h11.Data(data=data))
        await self._writer.drain()

    async def wait_closed(self) -> None:
        """Wait until the client closes its side, or sends anything."""
        await self._reader.read(1)

    async def linger(self) -> None:
        """Let the client read the last response: a close with unread input would reset the connection."""
        self._writer.write_eof()
        async with asyncio.timeout(1.0):
            for _ in range(64):
                if not await self._reader.read(HEAD_SIZE):
                    return

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._peer.send(event) or b"")


class HttpRequest:
    """Method, target and headers of one request."""

    def __init__(self, event: h11.Request) -> None:
        self.method = event.method.decode("ascii")
        self.target = event.target.decode("ascii")
        self.headers: Mapping[str, str] = {
            name.decode("ascii"): value.decode("latin-1") for name, value in event.headers
        }

    def header(self, name: str) -> str:
        """Return a header by its name in lower case; "" if missing."""
        return self.headers.get(name, "")


def _has_body(request: h11.Request) -> bool:
    names = dict(request.headers)
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"
