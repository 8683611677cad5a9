"""The only client of influxdb-client, InfluxDB's v2 write call. The library takes 50 MB of memory."""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponseError,
    ClientTimeout,
    ServerDisconnectedError,
    ServerTimeoutError,
)
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from wattgram.base.errors import SinkError
from wattgram.base.network_errors import cause
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

_DROPPED = re.compile(r"dropped=(\d+)")
"""End of InfluxDB's message after a partial write."""

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""TLS context for a database without TLS: without a given context the library reads all authorities of the system."""


class ContentRefusal(NamedTuple):
    """The refusal of a request's content. dropped: number of dropped points, None for unknown."""

    reason: str
    status: int
    dropped: int | None


class InfluxClient:
    """Sends requests to a database."""

    def __init__(self, url: str, org: str, bucket: str, token: str | None, ca: Path | None) -> None:
        self._url, self._org, self._bucket, self._token, self._ca = url, org, bucket, token, ca
        self._client: InfluxDBClientAsync | None = None
        self._service: WriteService | None = None

    async def open(self) -> None:
        """Prepare the client; `post` connects. SinkError for an unreadable CA."""
        self._client = InfluxDBClientAsync(
            self._url,
            revealed(self._token) or "",
            self._org,
            timeout=ClientTimeout(total=REQUEST_TIMEOUT, connect=CONNECT_SHARE * REQUEST_TIMEOUT),
            ssl_context=await tls_context(self._ca) if urlsplit(self._url).scheme == "https" else PLAIN,
            allow_redirects=False,  # a write that is redirected would become a read
        )
        self._service = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]  # the library's

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._service = self._client, None, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]  # the library has no types here

    async def post(self, body: bytes, *, gzip: bool) -> ContentRefusal | None:
        """Send one request; return the refusal of its content, None for success. `gzip`: whether `body` is compressed.

        TimeoutError when the database does not answer in time, SinkError for every other failure.
        """
        assert self._service is not None  # `open` comes first
        url = self._url
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT + 1.0):
                _, status, _ = await self._service.post_write_async(  # type: ignore[no-untyped-call]  # the library's
                    org=self._org,
                    bucket=self._bucket,
                    body=body,
                    precision="ns",
                    content_type="text/plain; charset=utf-8",
                    _return_http_data_only=False,
                    **({"content_encoding": "gzip"} if gzip else {}),
                )
        except ApiException as error:
            reason = f"{url}: {_described(error)}"
            if error.status in CONTENT_STATUS:
                return ContentRefusal(reason, error.status, _dropped(error))
            unavailable = error.status != SUSPICIOUS
            raise SinkError(reason, retry_after=_retry_after(error), unavailable=unavailable) from error
        except ServerTimeoutError as error:
            limit = f"{CONNECT_SHARE * REQUEST_TIMEOUT:g} s"
            reason = f"{url}: not connected within {limit}; is the host there, and does DNS work?"
            raise SinkError(reason, unavailable=True) from error
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {REQUEST_TIMEOUT:g} s") from error
        except (ClientError, OSError) as error:
            raise SinkError(f"{url}: {_broken(error)}", unavailable=isinstance(error, ClientConnectorError)) from error
        if status != 204:
            raise SinkError(f"{url}: HTTP {status}, expected 204; {STATUS_HINTS[200]}", unavailable=True)
        return None


def _broken(error: ClientError | OSError) -> str:
    """Describe a failure before the response."""
    match error:
        case ClientConnectorError():
            return cause(error.os_error)
        case ClientResponseError():
            return f"no HTTP comes from there but {' '.join(error.message.split())[:200]!r}; {STATUS_HINTS[200]}"
        case ServerDisconnectedError() | ClientOSError(errno=None | errno.ECONNRESET | errno.EPIPE):
            return "the connection was closed without an answer; is it a database, does it restart?"
    return cause(error) if isinstance(error, OSError) else str(error)[:200]


def _body(error: ApiException) -> str:
    body = error.body
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


def _described(error: ApiException) -> str:
    status = error.status or 0
    hint = STATUS_HINTS.get(status) or (STATUS_HINTS[500] if status >= 500 else "")
    words = str(error.reason or "")[:100]
    text = f"HTTP {status} {words if words.isprintable() else repr(words)}: {_body(error).strip()[:200]!r}"
    if 300 <= status < 400:
        text, hint = f"HTTP {status} to {_header(error, 'location')[:200]!r}", "is that the right url?"
    return f"{text}, {hint}" if hint else text


def _dropped(error: ApiException) -> int | None:
    """Return the number of points that a partial write dropped, None if the response does not contain it."""
    found = _DROPPED.search(_body(error))
    return int(found[1]) if found else None


def _header(error: ApiException, name: str) -> str:
    return next((str(value) for key, value in dict(error.headers or {}).items() if key.lower() == name), "")


def _retry_after(error: ApiException) -> float | None:
    """Return the wait in s that the database asks for, at most an hour.

    A date counts from the date of the response (RFC 9110, 10.2.3).
    """
    asked = _header(error, "retry-after").strip()
    if asked.isdecimal():
        return min(3600.0, float(asked))
    until, now = _date(asked), _date(_header(error, "date"))
    if until is None or now is None:
        return None
    return max(0.0, min(3600.0, (until - now).total_seconds()))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC)
