"""HTTP/1.1 requests with a limit on everything that a server can send: head, body, pieces, unpacked size, time.

A server that sends more than the limits costs some hundred kilobytes. Received bytes are parsed
in small slices, and other tasks run between two slices.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import SplitResult

import h11

from .errors import WattgramError
from .fair_share import FairShare
from .network_errors import TLS_ALERT, TLS_THERE, cause, handshake_cause
from .tcp_connection import Proxy, ascii_name, open_socket

RESPONSE_HEAD = 16_000
"""Largest size of a response's head, and of one chunk's head, bytes."""

SLICE = 4096
"""Bytes that are parsed at a time. The smallest chunk has 6 bytes and costs some 10 us."""

BUFFER = 65_536
"""Received bytes above which the client stops to read from the socket."""

MOST_PIECES = 20_000
"""Most pieces of a body: a body of a megabyte in chunks of a byte would cost a million."""

MOST_INFORMATIONAL = 16
"""Most responses 1xx before the response itself."""

OWN_HEADERS = {"Accept-Encoding": "gzip", "User-Agent": "wattgram"}


class HttpFailure(WattgramError):
    """No response from a server. `connected`: whether the server was reached and may have processed the request."""

    def __init__(self, message: str, *, connected: bool = True) -> None:
        super().__init__(message)
        self.connected = connected


class NoConnectionInTime(HttpFailure):
    """The server was not reached in time; its name may have no address."""


class NoResponseInTime(HttpFailure):
    """The server was reached, and the time ended before the head of its response."""


class NoHttp(HttpFailure):
    """The other side does not speak HTTP/1.1, or exceeds a limit in the head; the message is the parser's."""


class UnsendableRequest(HttpFailure):
    """A character in the target or in a header is not allowed. The message has no part of the request."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """connect: s for name, connection and TLS. total: s for the request with its response.

    body: largest body of a response, bytes, both as sent and unpacked.
    """

    connect: float
    total: float
    body: int


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """A response with its unpacked body; `headers` by name in lower case.

    fault: reason why `body` is not the whole body, "" for a whole one. `body` then is the beginning, or empty.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    fault: str = ""


class HttpClient:
    """Sends one request at a time to one server, over one connection that stays open between requests.

    A request on a used connection that ends without a response is sent once more on a new connection, so a request must
    be harmless when it arrives twice.
    """

    def __init__(
        self, url: SplitResult, limits: RequestLimits, tls: ssl.SSLContext | None = None, proxy: Proxy | None = None
    ) -> None:
        """url: scheme, host and port of the server. tls: needed for https."""
        self._url, self._limits, self._tls, self._proxy = url, limits, tls, proxy
        self._wire: _Wire | None = None
        self._peer = h11.Connection(h11.CLIENT)

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", *, last: bool = False
    ) -> ServerResponse:
        """Send a request and return the response. HttpFailure without a response.

        `target`: path with query. `last`: ask the server to close the connection after the response.
        """
        deadline = asyncio.get_running_loop().time() + self._limits.total
        try:
            if self._wire is not None and not self._wire.idle:
                self.close()
            used = self._wire is not None
            try:
                return await self._exchange(self._event(method, target, headers, body, last), body, deadline)
            except HttpFailure as error:
                if not used or self._wire is None or self._wire.heard or isinstance(error, NoResponseInTime):
                    raise
                self.close()
                return await self._exchange(self._event(method, target, headers, body, last), body, deadline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection at once: an orderly close would wait for the server."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.abort()

    def _event(self, method: str, target: str, headers: Mapping[str, str], body: bytes, last: bool) -> h11.Request:
        url = self._url
        place = url.netloc.rpartition("@")[2]
        if not place.isascii():
            try:
                place = ascii_name(url.hostname or "") + (f":{url.port}" if url.port else "")
            except OSError as error:
                raise HttpFailure(cause(error), connected=False) from error
        fields = {"Host": place, **OWN_HEADERS, **headers}
        if last:
            fields["Connection"] = "close"
        if body or method == "POST":
            fields["Content-Length"] = str(len(body))
        if self._proxy is not None and self._tls is None:  # a proxy gets the whole address (RFC 9112, 3.2.2)
            target = f"{url.scheme}://{fields['Host']}{target}"
            if self._proxy.authorization:
                fields["Proxy-Authorization"] = self._proxy.authorization
        try:
            return h11.Request(method=method, target=target, headers=list(fields.items()))
        except (h11.LocalProtocolError, UnicodeError):  # the message quotes the header, which may be a secret
            raise UnsendableRequest("a character in the address or token is not allowed", connected=False) from None

    async def _exchange(self, request: h11.Request, body: bytes, deadline: float) -> ServerResponse:
        wire = self._wire = self._wire or await self._connected(deadline)
        wire.heard = False
        peer = self._peer
        # No waiting for the write: a server may refuse a body before it has read the body.
        wire.write((peer.send(request) or b"") + (peer.send(h11.Data(body)) or b"") + (peer.send(_END) or b""))
        try:
            async with asyncio.timeout_at(deadline):
                head = await self._head(wire)
        except TimeoutError as error:
            raise NoResponseInTime(f"no answer within {self._limits.total:g} s") from error
        except h11.RemoteProtocolError as error:
            if not wire.heard:
                raise HttpFailure("closed without an answer") from error
            raise NoHttp(f"{TLS_THERE} (https://)" if wire.alert else str(error)) from error
        response = await self._body(wire, head, deadline)
        done = peer.our_state is h11.DONE and peer.their_state is h11.DONE
        if done and wire.idle and not response.fault and not peer.trailing_data[0]:
            peer.start_next_cycle()
        else:
            self.close()
        return response

    async def _connected(self, deadline: float) -> _Wire:
        url, proxy = self._url, self._proxy
        host, port = url.hostname or "", url.port or (443 if self._tls else 80)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + self._limits.connect)):
                if proxy is not None and self._tls is None:
                    sock = await open_socket(proxy.host, proxy.port)
                else:
                    sock = await open_socket(host, port, proxy)
                try:
                    _, wire = await loop.create_connection(
                        _Wire, sock=sock, ssl=self._tls, server_hostname=host if self._tls else None
                    )
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError as error:
            raise NoConnectionInTime(f"not connected within {self._limits.connect:g} s", connected=False) from error
        except OSError as error:
            raise HttpFailure((handshake_cause if self._tls else cause)(error), connected=False) from error
        self._peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=RESPONSE_HEAD)
        return wire

    async def _event_of(self, wire: _Wire) -> h11.Event | type[h11.PAUSED]:
        while (event := self._peer.next_event()) is h11.NEED_DATA:
            self._peer.receive_data(await wire.read(SLICE))
        return cast("h11.Event | type[h11.PAUSED]", event)

    async def _head(self, wire: _Wire) -> h11.Response:
        for _ in range(MOST_INFORMATIONAL + 1):
            event = await self._event_of(wire)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise HttpFailure("closed without an answer")
        raise NoHttp(f"more than {MOST_INFORMATIONAL} responses 1xx without a final one")

    async def _body(self, wire: _Wire, head: h11.Response, deadline: float) -> ServerResponse:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        body, limit = bytearray(), self._limits.body
        try:
            async with asyncio.timeout_at(deadline):
                fault = await self._collect(wire, headers, body)
        except TimeoutError:
            fault = f"no whole answer within {self._limits.total:g} s"
        except h11.RemoteProtocolError as error:
            fault = f"no HTTP answer: {error}"
        if not fault:
            unpacked, fault = _unpacked(bytes(body), headers.get("content-encoding", ""), limit)
        else:
            unpacked = b"" if headers.get("content-encoding") else bytes(body[:limit])
        return ServerResponse(head.status_code, head.reason.decode("latin-1"), headers, unpacked, fault)

    async def _collect(self, wire: _Wire, headers: Mapping[str, str], body: bytearray) -> str:
        """Append the body's pieces; return the limit that the body exceeds, "" for a whole body."""
        limit = self._limits.body
        length = headers.get("content-length", "0")
        if "transfer-encoding" not in headers and int(length) > limit:
            return f"announces {length} bytes; at most {limit} are taken"
        for _ in range(MOST_PIECES):
            event = await self._event_of(wire)
            if not isinstance(event, h11.Data):
                return ""
            body += event.data
            if len(body) > limit:
                return f"sends more than {limit} bytes, cut off"
        return f"sends more than {MOST_PIECES} pieces, cut off"


_END = h11.EndOfMessage()


class _Wire(asyncio.Protocol):
    """A connection that holds at most BUFFER received bytes, and what the loop reads at once."""

    def __init__(self) -> None:
        self.heard = False  # whether a byte came
        self.alert = False  # whether the bytes begin as a TLS alert
        self._handed = 0.0  # loop time of the last slice
        self._share = FairShare()
        self._received = bytearray()
        self._ended = self._paused = False
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether the connection is open, all sent bytes have left and none is unread."""
        transport = self._transport
        return not (self._ended or self._received or transport is None or transport.get_write_buffer_size())

    def write(self, data: bytes) -> None:
        """Send bytes; after the end of the connection, do nothing."""
        if self._transport is not None and not self._ended:
            self._transport.write(data)

    async def read(self, most: int) -> bytes:
        """Return at most `most` bytes, b"" after the end. Other tasks run before the return."""
        loop = asyncio.get_running_loop()
        parsing = loop.time() - self._handed
        while not self._received and not self._ended:
            self._waiter = loop.create_future()
            await self._waiter
            parsing = 0.0
        await asyncio.sleep(self._share.pause(loop.time() - parsing, loop.time()))
        self._handed = loop.time()
        data = bytes(self._received[:most])
        del self._received[:most]
        if self._paused and len(self._received) <= BUFFER and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def abort(self) -> None:
        """Close at once."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Store received bytes."""
        self.alert = self.alert or (not self.heard and data.startswith(TLS_ALERT))
        self.heard = True
        self._received += data
        if len(self._received) > BUFFER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note the end of the other side; the transport then closes."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _unpacked(body: bytes, coding: str, limit: int) -> tuple[bytes, str]:
    """Return an unpacked body and its fault. Only the first member of a gzip counts: many tiny ones would cost time."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body, ""
    if coding not in ("gzip", "x-gzip"):
        return b"", f"is packed as {coding[:40]!a}; expected gzip or nothing"
    decompressor = zlib.decompressobj(wbits=31)
    try:
        unpacked = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        return b"", f"broken gzip: {error}"
    if len(unpacked) > limit:
        return unpacked[:limit], f"unpacks to more than {limit} bytes, cut off"
    if not decompressor.eof:
        return unpacked, "the gzip ends too early"
    return unpacked, ""
