"""One GET over HTTP/1.1 of something small: bounded in size, time and redirects, TLS verified."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import h11

from wattgram.base.errors import FeedError, FeedRefused
from wattgram.base.untrusted import quoted

RESPONSE_BYTES = 1 << 20
"""Bytes of an answer at most, before and after it is unpacked."""

RESPONSE_HEAD = 32_768
"""Bytes of the answer's head at most."""

FETCH_TIMEOUT = 20.0
"""Seconds for a whole GET with its redirects."""

REDIRECTS = 3

PASSING = frozenset({408, 425, 429})
"""Client errors that pass by themselves; every other one needs another configuration."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


async def get(url: str, headers: Mapping[str, str], now: int, ca: Path | None = None) -> bytes:
    """The body of an answer 200, unpacked; `now` in UTC ns is what a Retry-After date counts from.

    `headers` carry secrets: they go to the origin of `url` alone. FeedError for anything to try again, FeedRefused
    for what will not change by itself.
    """
    origin, at = urlsplit(url), urlsplit(url)
    try:
        async with asyncio.timeout(FETCH_TIMEOUT):
            for _ in range(REDIRECTS + 1):
                answer = await _once(at, headers if _same(at, origin) else {}, ca)
                if answer.status not in (301, 302, 303, 307, 308):
                    return _body(answer, at, now)
                at = _elsewhere(answer, at)
    except TimeoutError as error:
        raise FeedError(f"{_place(at)}: no whole answer within {FETCH_TIMEOUT:g} s") from error
    except h11.RemoteProtocolError as error:
        raise FeedError(f"{_place(at)}: no HTTP answer: {quoted(str(error))}") from error
    except h11.LocalProtocolError:  # whose text quotes the header, and with it the secret
        raise FeedRefused(
            f"{_place(at)}: cannot be asked: a character in the address or token is not allowed"
        ) from None
    except (OSError, UnicodeError) as error:
        raise FeedError(f"{_place(at)}: {quoted(str(error) or type(error).__name__)}") from error
    raise FeedError(f"{_place(origin)}: more than {REDIRECTS} redirects")


async def _once(at: SplitResult, headers: Mapping[str, str], ca: Path | None) -> _Answer:
    secure = at.scheme == "https"
    context = ssl.create_default_context(cafile=ca) if secure else None
    host, port = at.hostname or "", at.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=RESPONSE_HEAD)
        asked = {
            "Host": at.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "wattgram",
            "Connection": "close",
            **headers,
        }
        target = f"{at.path or '/'}{'?' + at.query if at.query else ''}"
        request = h11.Request(method="GET", target=target, headers=list(asked.items()))
        writer.write((talk.send(request) or b"") + (talk.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return await _received(talk, reader, at)
    finally:
        writer.transport.abort()  # a polite end would wait for the other side


async def _received(talk: h11.Connection, reader: asyncio.StreamReader, at: SplitResult) -> _Answer:
    status, headers, body = 0, {}, bytearray()
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            talk.receive_data(await reader.read(65_536))
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
            return _Answer(status, headers, bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise FeedError(f"{_place(at)}: closed without an answer")


def _body(answer: _Answer, at: SplitResult, now: int) -> bytes:
    if answer.status == 200:
        return _unpacked(answer, at)
    text = f"{_place(at)}: answers {answer.status}"
    if answer.body:
        text += f", {quoted(_start(answer))}"
    if 400 <= answer.status < 500 and answer.status not in PASSING:
        raise FeedRefused(text)
    raise FeedError(text, retry_after=retry_after(answer.headers.get("retry-after"), now))


def _start(answer: _Answer) -> str:
    return answer.body[:200].decode("utf-8", "replace").strip()


def _unpacked(answer: _Answer, at: SplitResult) -> bytes:
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return answer.body
    if coding not in ("gzip", "x-gzip"):
        raise FeedError(f"{_place(at)}: is packed as {quoted(coding)}; expected gzip or nothing")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(answer.body, RESPONSE_BYTES + 1)
    except zlib.error as error:
        raise FeedError(f"{_place(at)}: broken gzip: {error}") from error
    if len(body) > RESPONSE_BYTES:
        raise FeedError(f"{_place(at)}: unpacks to more than {RESPONSE_BYTES} bytes, cut off")
    if not unpacker.eof:
        raise FeedError(f"{_place(at)}: the gzip ends too early")
    return body


def retry_after(value: str | None, now: int) -> float | None:
    """Seconds from a Retry-After header, which has seconds or a date (RFC 9110, 10.2.3); None without a good one."""
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


def _elsewhere(answer: _Answer, at: SplitResult) -> SplitResult:
    """Where a redirect leads: never to another scheme than HTTP's, never from TLS to none."""
    location = answer.headers.get("location", "")
    try:
        to = urlsplit(urljoin(at.geturl(), location))
        good = to.scheme in ("http", "https") and bool(to.hostname) and (to.port is None or to.port > 0)
    except ValueError:
        good = False
    if not good or not location.isascii() or (at.scheme, to.scheme) == ("https", "http"):
        raise FeedRefused(f"{_place(at)}: leads to {quoted(location)}; expected {at.scheme}://...")
    return to


def _same(one: SplitResult, other: SplitResult) -> bool:
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def _place(at: SplitResult) -> str:
    """What a message calls the address: without its query, which may be long."""
    return ascii(f"{at.scheme}://{at.netloc}{at.path}").strip("'")
