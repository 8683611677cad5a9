"""One GET over HTTP/1.1 of a small document: bounded in size, time and redirects, with verified TLS."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, quote_plus, urljoin, urlsplit

import h11

from wattgram.base.errors import FeedError, FeedRefused
from wattgram.base.untrusted import quoted

RESPONSE_BYTES = 1 << 20
"""Largest size of a response, bytes, before and after decompression."""

RESPONSE_HEAD = 32_768
"""Largest size of a response's head, bytes."""

FETCH_TIMEOUT = 20.0
"""Longest time of a GET with its redirects, s."""

REDIRECTS = 3

SHORTEST_SECRET = 4
"""Fewest characters of a secret to hide; a shorter one would hide parts of words."""

TEMPORARY = frozenset({408, 425, 429})
"""Temporary client errors; any other client error needs another configuration."""


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: Mapping[str, str]
    body: bytes


async def get(url: str, headers: Mapping[str, str], now: int, ca: Path | None = None, secret: str = "") -> bytes:
    """Return the decompressed body of a response 200. `now`: start of a Retry-After date, UTC ns.

    `headers` contain secrets and go to the origin of `url` only. `secret`: part of the address or of a header that
    services repeat; body and messages have `***` in its place. FeedError for a failure to retry, FeedRefused for
    a failure that needs another configuration.
    """
    origin, at = urlsplit(url), urlsplit(url)
    try:
        async with asyncio.timeout(FETCH_TIMEOUT):
            for _ in range(REDIRECTS + 1):
                response = await _request(at, headers if _same_origin(at, origin) else {}, ca)
                if response.status not in (301, 302, 303, 307, 308):
                    return _body(response, at, now, secret)
                at = _redirected(response, at, secret)
    except TimeoutError as error:
        raise FeedError(f"{_place(at)}: no whole answer within {FETCH_TIMEOUT:g} s") from error
    except h11.RemoteProtocolError as error:
        raise FeedError(f"{_place(at)}: no HTTP answer: {quoted(str(error))}") from error
    except h11.LocalProtocolError:  # the message of h11 quotes the header with the secret
        raise FeedRefused(
            f"{_place(at)}: cannot be asked: a character in the address or token is not allowed"
        ) from None
    except (OSError, UnicodeError) as error:
        raise FeedError(f"{_place(at)}: {quoted(str(error) or type(error).__name__)}") from error
    raise FeedError(f"{_place(origin)}: more than {REDIRECTS} redirects")


async def _request(at: SplitResult, headers: Mapping[str, str], ca: Path | None) -> _Response:
    secure = at.scheme == "https"
    context = ssl.create_default_context(cafile=ca) if secure else None
    host, port = at.hostname or "", at.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=RESPONSE_HEAD)
        fields = {
            "Host": at.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "wattgram",
            "Connection": "close",
            **headers,
        }
        target = f"{at.path or '/'}{'?' + at.query if at.query else ''}"
        request = h11.Request(method="GET", target=target, headers=list(fields.items()))
        writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return await _received(connection, reader, at)
    finally:
        writer.transport.abort()  # an orderly close would wait for the server


async def _received(connection: h11.Connection, reader: asyncio.StreamReader, at: SplitResult) -> _Response:
    status, headers, body = 0, {}, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
            length = int(headers.get("content-length", "0"))
            if length > RESPONSE_BYTES:
                raise FeedError(f"{_place(at)}: announces {length} bytes; at most {RESPONSE_BYTES} are taken")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > RESPONSE_BYTES:
                raise FeedError(f"{_place(at)}: sends more than {RESPONSE_BYTES} bytes, cut off")
        elif isinstance(event, h11.EndOfMessage):
            return _Response(status, headers, bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise FeedError(f"{_place(at)}: closed without an answer")


def _body(response: _Response, at: SplitResult, now: int, secret: str) -> bytes:
    if response.status == 200:
        return hidden(_decompressed(response, at).decode("latin-1"), secret).encode("latin-1")
    text = f"{_place(at)}: answers {response.status}"
    if response.body:
        text += f", {quoted(hidden(response.body.decode('utf-8', 'replace'), secret)[:200].strip())}"
    if 400 <= response.status < 500 and response.status not in TEMPORARY:
        raise FeedRefused(text)
    raise FeedError(text, retry_after=retry_after(response.headers.get("retry-after"), now))


def hidden(text: str, secret: str) -> str:
    """Return a text with `***` in place of a secret, also in the form that it has in an address."""
    if len(secret) < SHORTEST_SECRET:
        return text
    return text.replace(secret, "***").replace(quote_plus(secret), "***")


def _decompressed(response: _Response, at: SplitResult) -> bytes:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return response.body
    if coding not in ("gzip", "x-gzip"):
        raise FeedError(f"{_place(at)}: is packed as {quoted(coding)}; expected gzip or nothing")
    decompressor = zlib.decompressobj(wbits=31)
    try:
        body = decompressor.decompress(response.body, RESPONSE_BYTES + 1)
    except zlib.error as error:
        raise FeedError(f"{_place(at)}: broken gzip: {error}") from error
    if len(body) > RESPONSE_BYTES:
        raise FeedError(f"{_place(at)}: unpacks to more than {RESPONSE_BYTES} bytes, cut off")
    if not decompressor.eof:
        raise FeedError(f"{_place(at)}: the gzip ends too early")
    return body


def retry_after(value: str | None, now: int) -> float | None:
    """Return the s of a Retry-After header with seconds or a date (RFC 9110, 10.2.3); None without a valid one."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value.strip()[:9]), 86400.0)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    wait = (date - datetime.fromtimestamp(now / 1e9, UTC)).total_seconds()
    return min(max(wait, 0.0), 86400.0)


def _redirected(response: _Response, at: SplitResult, secret: str) -> SplitResult:
    """Return the target of a redirect; FeedRefused for a scheme other than HTTP's, and for a step from TLS to none."""
    location = response.headers.get("location", "")
    try:
        to = urlsplit(urljoin(at.geturl(), location))
        good = to.scheme in ("http", "https") and bool(to.hostname) and (to.port is None or to.port > 0)
    except ValueError:
        good = False
    if not good or not location.isascii() or (at.scheme, to.scheme) == ("https", "http"):
        raise FeedRefused(f"{_place(at)}: leads to {quoted(hidden(location, secret))}; expected {at.scheme}://...")
    return to


def _same_origin(first: SplitResult, second: SplitResult) -> bool:
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def _place(at: SplitResult) -> str:
    """Return the address for messages: without the query, which may be long."""
    return ascii(f"{at.scheme}://{at.netloc}{at.path}").strip("'")
