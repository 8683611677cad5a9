"""The live page, /healthz, /metrics and /api over HTTP/1.1. Reads only; knows the daemon through a View."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import h11

from .errors import SpoolError

log = logging.getLogger(__name__)

COOKIE = "wattgram"
HEAD_SIZE = 8192
"""Bytes that a request line and its headers may have."""

LONGEST_HISTORY = 1440
"""Minutes of history that one request may ask for."""

SECURITY = (
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
TEXT = "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class View(Protocol):
    """What the page shows. Everything returned is plain JSON: None where there is no number, never NaN."""

    def now(self) -> Mapping[str, object]:
        """The state of this moment: site, time, emission, devices, grid, sinks, events."""

    async def history(self, seconds: float) -> Mapping[str, object]:
        """Columns of the last `seconds`: `time` in s since the epoch, the rest in their units or None."""

    def health(self) -> tuple[bool, Mapping[str, object]]:
        """Whether all is well, and the details."""

    def metrics(self) -> Mapping[str, float]:
        """Self-metrics by name, with labels as Prometheus writes them; those of one name follow one another."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may take (s) and how many there may be."""

    request: float = 10.0  # from the first wait for a request to its end; also ends an idle connection
    response: float = 10.0  # until the client has taken the answer
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: HTTPStatus
    body: bytes = b""
    type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


class Server:
    """Serves a View at `listen` (host:port; port 0 takes a free one, see `address` while serving).

    With a token every request must carry it: as `Authorization: Bearer`, or once as `?token=`, which is
    exchanged for a cookie. ValueError when `listen` is no address, or is not loopback and there is no token.
    """

    def __init__(self, listen: str, token: str | None, view: View, limits: Limits | None = None) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"listen: expected host:port, found {listen!r}")
        self._host, self._port = host.strip("[]"), int(port)
        self._loopback = _is_loopback(self._host)
        if not token and not self._loopback:
            raise ValueError(f"listen: {listen!r} is not loopback, so it needs a token")
        self._token = token.encode() if token else None
        self._view = view
        self._limits = limits or Limits()
        self._files = _page()
        self._connections: set[asyncio.Task[None]] = set()
        self.address: tuple[str, int] | None = None
        self.url = ""

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Server]:
        """Serve until the block ends. OSError when the address cannot be had."""
        try:
            server = await asyncio.start_server(self._accept, self._host, self._port, limit=HEAD_SIZE)
        except OSError as error:
            said = os.strerror(error.errno).lower() if error.errno else str(error)
            raise OSError(f"live page at {self._host}:{self._port}: {said}") from error
        host, port = server.sockets[0].getsockname()[:2]
        self.address = host, port
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        log.info("live page on %s", self.url)
        try:
            yield self
        finally:
            server.close()
            connections = tuple(self._connections)
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
            self.address = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._limits.connections:
            writer.close()
            return
        task = asyncio.create_task(self._connection(reader, writer), name="page connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that leaves or is too slow is not our trouble: TimeoutError is an OSError too.
        with contextlib.suppress(OSError):
            try:
                await self._converse(reader, writer)
            finally:
                writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_SIZE)
        while True:
            request: h11.Request | None = None
            try:
                async with asyncio.timeout(self._limits.request):
                    request = await _receive(peer, reader)
                if request is None:
                    return
                response = await self._answer(request)
            except h11.RemoteProtocolError as error:
                response = _refusal(HTTPStatus(error.error_status_hint), "Not a request served here.")
            async with asyncio.timeout(self._limits.response):
                await _send(peer, writer, request, response)
            if peer.our_state is not h11.DONE or peer.their_state is not h11.DONE:
                await _linger(reader, writer)
                return
            peer.start_next_cycle()

    async def _answer(self, request: h11.Request) -> Response:
        if request.method not in {b"GET", b"HEAD"}:
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD.", ("Allow", "GET, HEAD"))
        headers = {name: value.decode("latin-1") for name, value in request.headers}
        target = request.target.decode("ascii")
        if not target.startswith("/"):
            return _refusal(HTTPStatus.BAD_REQUEST, "The target must be a path.")
        if self._loopback and not _is_loopback(_hostname(headers.get(b"host", ""))):
            # A name that someone else pointed at this machine (DNS rebinding) must not open the page.
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST, "This address is served to this machine only.")
        path, query = _split(target)
        if self._token is not None and not self._admits(headers):
            return self._exchange(path, query)
        try:
            return await self._route(path, query, headers)
        except Exception:  # a fault behind the View must not end the daemon
            log.exception("the answer to %r failed", path)
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The answer failed; the log says why.")

    async def _route(self, path: str, query: dict[str, list[str]], headers: Mapping[bytes, str]) -> Response:
        match path:
            case "/api/now":
                return _json(self._view.now())
            case "/api/history":
                return await self._history(query.get("minutes", ["60"])[0])
            case "/healthz":
                well, details = self._view.health()
                return _json(details, HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)
            case "/metrics":
                return Response(HTTPStatus.OK, _exposition(self._view.metrics()), PROMETHEUS, NO_STORE)
        return self._file(path, headers.get(b"if-none-match", ""))

    async def _history(self, minutes: str) -> Response:
        if not re.fullmatch(r"[0-9]{1,4}", minutes) or not 1 <= int(minutes) <= LONGEST_HISTORY:
            return _refusal(HTTPStatus.BAD_REQUEST, f"minutes: 1 to {LONGEST_HISTORY}, whole.")
        try:
            return _json(await self._view.history(60.0 * int(minutes)))
        except SpoolError as error:  # which /healthz tells, and the log has already
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _file(self, path: str, known: str) -> Response:
        file = self._files.get(path)
        if file is None:
            return _refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")
        if ("ETag", known) in file.headers:
            return Response(HTTPStatus.NOT_MODIFIED, b"", file.type, file.headers)
        return file

    def _admits(self, headers: Mapping[bytes, str]) -> bool:
        scheme, _, word = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(word.strip()):
            return True
        cookie: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookie.load(headers.get(b"cookie", ""))
        given = cookie[COOKIE].value if COOKIE in cookie else ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._pass().encode())

    def _exchange(self, path: str, query: dict[str, list[str]]) -> Response:
        if not self._is_token(query.pop("token", [""])[0]):
            text = "A token is needed: open this page with ?token=..., or send it as Authorization: Bearer."
            return _refusal(HTTPStatus.UNAUTHORIZED, text, ("WWW-Authenticate", "Bearer"))
        # The address without the token, so that it does not stay in the address bar and the history.
        place = "/" + path.lstrip("/") + (f"?{urlencode(query, doseq=True)}" if query else "")
        cookie = f"{COOKIE}={self._pass()}; Path=/; HttpOnly; SameSite=Strict"
        return _refusal(HTTPStatus.SEE_OTHER, "Welcome.", ("Location", place), ("Set-Cookie", cookie))

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _pass(self) -> str:
        """What the cookie carries: made from the token, which itself is never sent back."""
        return hmac.new(self._token or b"", b"wattgram page", hashlib.sha256).hexdigest()


NO_STORE = (("Cache-Control", "no-store"),)


async def _receive(peer: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request, without a body; None when the client is done. A body is left unread."""
    while True:
        event = peer.next_event()
        if event is h11.NEED_DATA:
            peer.receive_data(await reader.read(HEAD_SIZE))
        elif isinstance(event, h11.Request):
            if peer.their_state is h11.SEND_BODY and not _has_body(event):
                peer.next_event()  # its end, which is already there
            return event
        else:
            return None


def _has_body(request: h11.Request) -> bool:
    names = dict(request.headers)
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"


async def _send(
    peer: h11.Connection, writer: asyncio.StreamWriter, request: h11.Request | None, response: Response
) -> None:
    headers = [*SECURITY, *response.headers, ("Content-Type", response.type)]
    if response.status is not HTTPStatus.NOT_MODIFIED:
        headers.append(("Content-Length", str(len(response.body))))
    if peer.their_state is not h11.DONE:
        headers.append(("Connection", "close"))
    head = h11.Response(status_code=response.status, headers=headers, reason=response.status.phrase)
    events: list[h11.Event] = [head]
    if request is None or request.method != b"HEAD":
        events.append(h11.Data(data=response.body))
    events.append(h11.EndOfMessage())
    for event in events:
        writer.write(peer.send(event) or b"")
    await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the client read the last answer: closing over unread input would reset the connection."""
    writer.write_eof()
    async with asyncio.timeout(1.0):
        for _ in range(64):
            if not await reader.read(HEAD_SIZE):
                return


def _split(target: str) -> tuple[str, dict[str, list[str]]]:
    """Path, not decoded (no file's name needs it), and the query."""
    path, _, query = target.partition("?")
    return path, parse_qs(query, max_num_fields=8) if query.count("&") < 8 else {}


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _json(value: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK) -> Response:
    body = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, "application/json", NO_STORE)


def _refusal(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> Response:
    return Response(status, f"{status.value} {status.phrase}. {text}\n".encode(), TEXT, (*NO_STORE, *headers))


def _exposition(metrics: Mapping[str, float]) -> bytes:
    """Prometheus' text format, version 0.0.4."""
    lines = []
    known = ""
    for full, value in metrics.items():
        name, brace, labels = full.partition("{")
        word = "wattgram_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)
        if word != known:
            lines.append(f"# TYPE {word} gauge\n")
        lines.append(f"{word}{brace}{labels} {float(value)!r}\n")
        known = word
    return "".join(lines).encode()


def _page() -> dict[str, Response]:
    """The page's files by path, read once: a name that is not among them does not exist."""
    found = {}
    for file in files("wattgram").joinpath("page").iterdir():
        body = file.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        suffix = file.name[file.name.rfind(".") :]
        headers = (("Cache-Control", "no-cache"), ("ETag", etag))
        found[f"/{file.name}"] = Response(HTTPStatus.OK, body, TYPES.get(suffix, TEXT), headers)
    found["/"] = found["/index.html"]
    return found
