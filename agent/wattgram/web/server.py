"""The server: its address, one task a connection, the connections' limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from .access import Access, Query, is_loopback
from .answer import HttpResponse, refusal
from .client_limits import HEAD_SIZE, PIPELINED_PAUSE, ClientLimits
from .client_slots import ClientSlot, ClientSlots
from .daemon_view import DaemonView
from .exchange import Exchange, HttpRequest, Malformed
from .routes import STREAM, Routes, split
from .stream import Stream
from .token_attempts import TokenAttempts

log = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream; charset=utf-8"


class Server:
    """Serve a View at `listen` (host:port; port 0 takes a free port, see `address` while serving).

    With a token, every request must carry it: as `Authorization: Bearer`, or once as `?token=`, which the server
    exchanges for a cookie. origin: an origin whose pages may read the answers, None for no other origin.
    ValueError: `listen` is not host:port, or it is not loopback and there is no token.
    """

    def __init__(
        self,
        listen: str,
        token: str | None,
        view: DaemonView,
        limits: ClientLimits | None = None,
        origin: str | None = None,
    ) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"listen: expected host:port, found {listen!r}")
        self._host, self._port = host.strip("[]"), int(port)
        loopback = is_loopback(self._host)
        if not token and not loopback:
            raise ValueError(f"listen: {listen!r} is not a loopback address, so it needs a token")
        self._limits = limits or ClientLimits()
        self._access = Access(token, origin, loopback=loopback)
        self._routes = Routes(view)
        self._stream = Stream(view, self._limits)
        self._slots = ClientSlots(self._limits)
        self._attempts = TokenAttempts()
        self.address: tuple[str, int] | None = None
        self.url = ""

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Server]:
        """Serve until the block ends. OSError: the address is not available."""
        try:
            server = await asyncio.start_server(self._accept, self._host, self._port, limit=HEAD_SIZE)
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise OSError(f"live page at {self._host}:{self._port}: {reason}") from error
        host, port = server.sockets[0].getsockname()[:2]
        self.address = host, port
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        log.info("live page on %s", self.url)
        stream = asyncio.create_task(self._stream.run(), name="page stream")
        try:
            yield self
        finally:
            server.close()
            tasks = (stream, *self._slots.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.address = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername") or ("",)
        slot = self._slots.take(str(peer[0]))
        if slot is None:
            writer.close()
            return
        slot.task = asyncio.create_task(self._connection(reader, writer, slot), name="page connection")
        slot.task.add_done_callback(partial(self._closed, slot, writer))

    def _closed(self, slot: ClientSlot, writer: asyncio.StreamWriter, _task: asyncio.Task[None]) -> None:
        self._slots.release(slot)
        writer.close()  # a task that is cancelled before its first step has not closed it

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slot: ClientSlot) -> None:
        try:
            await self._exchange(Exchange(reader, writer), slot)
        except OSError:  # a client that leaves, or is too slow (TimeoutError), needs no report
            writer.transport.abort()  # close() would keep the unsent data for the client
        finally:
            writer.close()

    async def _exchange(self, client: Exchange, slot: ClientSlot) -> None:
        while True:
            slot.waiting = True
            try:
                async with asyncio.timeout(self._limits.request):
                    request = await client.receive()
                slot.waiting = False
                if request is None:
                    break
                response = await self._answer(request, slot)
                if response is None:
                    client.begin(EVENT_STREAM, self._access.shared(request))
                    await self._stream.serve(client, _last_event_id(request))
                    break
            except Malformed as error:
                slot.waiting = False
                response = refusal(error.status, "The request is not valid HTTP.")
            async with asyncio.timeout(self._limits.response):
                reusable = await client.send(response)
            if not reusable:
                await client.linger()
                break
            if client.pipelined:
                await asyncio.sleep(PIPELINED_PAUSE)

    async def _answer(self, request: HttpRequest, slot: ClientSlot) -> HttpResponse | None:
        """Return the response to a request; None for the stream."""
        if (refused := self._access.misdirected(request)) is not None:
            return refused
        response = self._access.preflight(request) if request.method == "OPTIONS" else await self._read(request, slot)
        if response is None and request.method == "OPTIONS":
            response = _method_not_allowed()
        if response is None:
            return None
        return replace(response, headers=(*response.headers, *self._access.shared(request)))

    async def _read(self, request: HttpRequest, slot: ClientSlot) -> HttpResponse | None:
        if request.method not in {"GET", "HEAD"}:
            return _method_not_allowed()
        if not request.target.startswith("/"):
            return refusal(HTTPStatus.BAD_REQUEST, "The target must be a path.")
        path, query = split(request.target)
        if (refused := await self._refused(request, path, query, slot)) is not None:
            return refused
        if path == STREAM:
            return self._stream_refusal(request)
        try:
            return await self._routes.answer(path, query, request.header("if-none-match"))
        except Exception:  # a fault in the View must not end the daemon
            log.exception("the answer to %r failed", path)
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The answer failed; the reason is in the log.")

    async def _refused(self, request: HttpRequest, path: str, query: Query, slot: ClientSlot) -> HttpResponse | None:
        """Return a refusal, or None for a client that may read. After wrong tokens the address waits for its turn."""
        if not self._access.judges(request, query):
            return self._access.refused(request, path, query)
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._limits.response):
                slot.waiting = True
                while delay := self._attempts.delay(slot.address, now()):  # noqa: ASYNC110 - another attempt extends it
                    await asyncio.sleep(delay)
        except TimeoutError:
            text = "Too many wrong tokens from this address."
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, text, ("Retry-After", "10"))
        finally:
            slot.waiting = False
        refused = self._access.refused(request, path, query)
        if refused is not None and refused.status is HTTPStatus.UNAUTHORIZED:
            self._attempts.failed(slot.address, now())
        else:
            self._attempts.succeeded(slot.address)
        return refused

    def _stream_refusal(self, request: HttpRequest) -> HttpResponse | None:
        if request.method == "HEAD":
            return HttpResponse(HTTPStatus.OK, type=EVENT_STREAM)
        if self._stream.full:
            text = f"All {self._limits.streams} streams are in use; poll /api/now instead."
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, text, ("Retry-After", "10"))
        return None


def _method_not_allowed() -> HttpResponse:
    return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD.", ("Allow", "GET, HEAD"))


def _last_event_id(request: HttpRequest) -> str:
    """Return the id of the client's last event: from the browser's header, or from the query of the page."""
    _, query = split(request.target)
    return request.header("last-event-id") or query.get("after", [""])[0]
