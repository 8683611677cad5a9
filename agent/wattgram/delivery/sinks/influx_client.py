"""InfluxDB's v2 write call, as one POST of `base/http_client`, and the meaning of its responses.

influxdb-client is not used here: the library takes 50 MB of memory, and reads responses without a limit.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from wattgram.base.errors import SinkError
from wattgram.base.http_client import (
    HttpClient,
    HttpFailure,
    NoConnectionInTime,
    NoHttp,
    NoResponseInTime,
    RequestLimits,
    ServerResponse,
    UnsendableRequest,
)
from wattgram.base.network_errors import TLS_THERE
from wattgram.base.proxies import ProxyKeys, proxy_of
from wattgram.base.secret import revealed
from wattgram.base.tls import tls_context

REQUEST_TIMEOUT = 10.0
"""Longest time of a request, s."""

CONNECT_SHARE = 0.5
"""Share of REQUEST_TIMEOUT for name resolution and connection."""

CONTENT_STATUS = frozenset({400, 413, 422})
"""HTTP status codes that refuse the content of a request."""

SUSPICIOUS = 500
"""The only other status code that the content may cause: a database can fail at a line."""

STATUS_HINTS = {
    200: "is it a database that answers at this address?",
    401: "is the token right, and still valid?",
    403: "may the token write to the bucket?",
    404: "are url, org and bucket right?",
    429: "it limits requests; the next attempt follows after the wait that it asks for",
    500: "what does its log say, is its disk full?",
    502: "does the database behind the proxy run?",
    503: "is it starting, or overloaded?",
    504: "does the database behind the proxy run?",
}

_HTTPS_EXPECTED = re.compile(r"HTTP request .*to (an )?HTTPS (server|port)")
"""Answer of Go's server and of nginx to a request without TLS on a port with TLS."""

_DROPPED = re.compile(r"dropped=(\d+)")
"""End of InfluxDB's message after a partial write."""

DATABASE_RESPONSE = 262_144
"""Largest size of a response, bytes, before and after decompression: InfluxDB 3 lists the refused lines."""


class ContentRefusal(NamedTuple):
    """The refusal of a request's content. dropped: number of dropped points, None for unknown."""

    reason: str
    status: int
    dropped: int | None


class InfluxClient:
    """Sends requests to a database."""

    def __init__(
        self, url: str, org: str, bucket: str, token: str | None, ca: Path | None, proxy: ProxyKeys | None = None
    ) -> None:
        self._url, self._ca, self._proxy = url, ca, proxy
        self._target = (
            f"{urlsplit(url).path}/api/v2/write?{urlencode({'org': org, 'bucket': bucket, 'precision': 'ns'})}"
        )
        self._headers = {"Accept": "application/json", "Content-Type": "text/plain; charset=utf-8"}
        self._token = token
        self._client: HttpClient | None = None

    async def open(self) -> None:
        """Prepare the client; `post` connects. SinkError for an unreadable CA."""
        address = urlsplit(self._url)
        tls = await tls_context(self._ca) if address.scheme == "https" else None
        try:
            proxy = proxy_of(address, self._proxy)
        except ValueError as error:
            raise SinkError(str(error), unavailable=True) from error
        limits = RequestLimits(CONNECT_SHARE * REQUEST_TIMEOUT, REQUEST_TIMEOUT, DATABASE_RESPONSE)
        self._client = HttpClient(address, limits, tls, proxy)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def post(self, body: bytes, *, gzip: bool) -> ContentRefusal | None:
        """Send one request; return the refusal of its content, None for success. `gzip`: whether `body` is compressed.

        TimeoutError when the database does not answer in time, SinkError for every other failure.
        """
        assert self._client is not None  # `open` comes first
        headers = self._headers | ({"Content-Encoding": "gzip"} if gzip else {})
        if token := revealed(self._token):
            headers["Authorization"] = f"Token {token}"
        try:
            response = await self._client.request("POST", self._target, headers, body)
        except NoResponseInTime as error:
            raise TimeoutError(str(error)) from error
        except HttpFailure as error:
            raise SinkError(f"{self._url}: {_broken(error)}", unavailable=not error.connected) from error
        return verdict(self._url, response)


def verdict(url: str, response: ServerResponse) -> ContentRefusal | None:
    """Return the refusal of a request's content, None for success; SinkError for another answer."""
    status = response.status
    if status == 204:
        return None
    if 200 <= status < 300:
        raise SinkError(f"{url}: HTTP {status}, expected 204; {STATUS_HINTS[200]}", unavailable=True)
    reason = f"{url}: {_described(response)}"
    if status == 400 and _HTTPS_EXPECTED.search(_body(response)):
        raise SinkError(f"{reason}, {TLS_THERE} (https://)", unavailable=True)
    if status in CONTENT_STATUS:
        return ContentRefusal(reason, status, _dropped(response))
    raise SinkError(reason, retry_after=_retry_after(response), unavailable=status != SUSPICIOUS)


def _broken(error: HttpFailure) -> str:
    """Describe a failure before the response."""
    match error:
        case NoConnectionInTime():
            return f"{error}; is the host there, and does DNS work?"
        case NoHttp():
            return f"no HTTP comes from there but {' '.join(str(error).split())[:200]!r}; {STATUS_HINTS[200]}"
        case UnsendableRequest():
            return "a character in org, bucket or token is not allowed"
        case HttpFailure(connected=True):
            return "the connection was closed without an answer; is it a database, does it restart?"
    return str(error)


def _body(response: ServerResponse) -> str:
    return response.body.decode(errors="replace")


def _described(response: ServerResponse) -> str:
    status = response.status
    hint = STATUS_HINTS.get(status) or (STATUS_HINTS[500] if status >= 500 else "")
    words = response.reason[:100]
    text = f"HTTP {status} {words if words.isprintable() else repr(words)}: {_body(response).strip()[:200]!r}"
    if response.fault:
        text += f" ({response.fault})"
    if 300 <= status < 400:
        location = response.headers.get("location", "")
        text, hint = f"HTTP {status} to {location[:200]!r}", "is that the right url?"
    return f"{text}, {hint}" if hint else text


def _dropped(response: ServerResponse) -> int | None:
    """Return the number of points that a partial write dropped, None if the response does not contain it."""
    found = _DROPPED.search(_body(response))
    return int(found[1]) if found else None


def _retry_after(response: ServerResponse) -> float | None:
    """Return the wait in s that the database asks for, at most an hour.

    A date counts from the date of the response (RFC 9110, 10.2.3).
    """
    asked = response.headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return min(3600.0, float(asked))
    until, now = _date(asked), _date(response.headers.get("date", ""))
    if until is None or now is None:
        return None
    return max(0.0, min(3600.0, (until - now).total_seconds()))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC)
