"""One GET over HTTP/1.1 of a small document: bounded in size, time and redirects, with verified TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, quote_plus, urljoin, urlsplit

from wattgram.base.errors import FeedError, FeedRefused, SinkError
from wattgram.base.http_client import (
    HttpClient,
    HttpFailure,
    NoHttp,
    NoResponseInTime,
    RequestLimits,
    ServerResponse,
    UnsendableRequest,
)
from wattgram.base.proxies import ProxyKeys, proxy_of
from wattgram.base.tcp_connection import Proxy
from wattgram.base.tls import tls_context
from wattgram.base.untrusted import quoted

RESPONSE_BYTES = 1 << 20
"""Largest size of a response, bytes, before and after decompression."""

FETCH_TIMEOUT = 20.0
"""Longest time of a GET with its redirects, s."""

REDIRECTS = 3

SHORTEST_SECRET = 4
"""Fewest characters of a secret to hide; a shorter one would hide parts of words."""

TEMPORARY = frozenset({408, 425, 429})
"""Temporary client errors; any other client error needs another configuration."""


async def get(
    url: str,
    headers: Mapping[str, str],
    now: int,
    ca: Path | None = None,
    secret: str = "",
    proxy: ProxyKeys | None = None,
) -> bytes:
    """Return the decompressed body of a response 200. `now`: start of a Retry-After date, UTC ns.

    `headers` contain secrets and go to the origin of `url` only. `secret`: part of the address or of a header that
    services repeat; body and messages have `***` in its place. `proxy`: None for the environment's. FeedError for a
    failure to retry, FeedRefused for a failure that needs another configuration.
    """
    origin, at = urlsplit(url), urlsplit(url)
    try:
        async with asyncio.timeout(FETCH_TIMEOUT):
            for _ in range(REDIRECTS + 1):
                response = await _response(at, headers if _same_origin(at, origin) else {}, ca, proxy)
                if response.status not in (301, 302, 303, 307, 308):
                    return _body(response, at, now, secret)
                at = _redirected(response, at, secret)
    except (TimeoutError, NoResponseInTime) as error:
        raise FeedError(f"{_place(at)}: no whole answer within {FETCH_TIMEOUT:g} s") from error
    except NoHttp as error:
        raise FeedError(f"{_place(at)}: no HTTP answer: {quoted(str(error))}") from error
    except UnsendableRequest as error:
        raise FeedRefused(f"{_place(at)}: cannot be asked: {error}") from None
    except (HttpFailure, SinkError) as error:
        raise FeedError(f"{_place(at)}: {error}") from error
    raise FeedError(f"{_place(origin)}: more than {REDIRECTS} redirects")


async def _response(
    at: SplitResult, headers: Mapping[str, str], ca: Path | None, keys: ProxyKeys | None
) -> ServerResponse:
    tls = await tls_context(ca) if at.scheme == "https" else None
    client = HttpClient(at, RequestLimits(FETCH_TIMEOUT, FETCH_TIMEOUT, RESPONSE_BYTES), tls, _proxy(at, keys))
    target = f"{at.path or '/'}{'?' + at.query if at.query else ''}"
    try:
        return await client.request("GET", target, {"Accept": "application/json", **headers}, last=True)
    finally:
        client.close()


def _proxy(at: SplitResult, keys: ProxyKeys | None) -> Proxy | None:
    try:
        return proxy_of(at, keys)
    except ValueError as error:
        raise FeedRefused(f"{_place(at)}: {error}") from error


def _body(response: ServerResponse, at: SplitResult, now: int, secret: str) -> bytes:
    if response.status == 200:
        if response.fault:
            raise FeedError(f"{_place(at)}: {response.fault}")
        return hidden(response.body.decode("latin-1"), secret).encode("latin-1")
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


def _redirected(response: ServerResponse, at: SplitResult, secret: str) -> SplitResult:
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
