"""The only client of influxdb-client, InfluxDB's v2 write call. The library takes 50 MB of memory."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import replace
from pathlib import Path
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
from wattgram.base.tls import tls_context

from .influx_verdict import STATUS_HINTS, Outcome, WriteVerdict, write_verdict

REQUEST_TIMEOUT = 10.0
"""Longest time of a request, s."""

CONNECT_SHARE = 0.5
"""Share of REQUEST_TIMEOUT for name resolution and connection."""

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""TLS context for a database without TLS: without a given context the library reads all authorities of the system."""


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
            self._token or "",
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

    async def post(self, body: bytes, *, gzip: bool) -> WriteVerdict:
        """Send one request; return whether it is written or its content refused. `gzip`: whether `body` is compressed.

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
            headers = {str(name): str(value) for name, value in dict(error.headers or {}).items()}
            verdict = write_verdict(error.status or 0, str(error.reason or ""), headers, _body(error))
        except ServerTimeoutError as error:
            limit = f"{CONNECT_SHARE * REQUEST_TIMEOUT:g} s"
            reason = f"{url}: not connected within {limit}; is the host there, and does DNS work?"
            raise SinkError(reason, unavailable=True) from error
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {REQUEST_TIMEOUT:g} s") from error
        except (ClientError, OSError) as error:
            raise SinkError(f"{url}: {_broken(error)}", unavailable=isinstance(error, ClientConnectorError)) from error
        else:
            verdict = write_verdict(status, "", {}, "")
        if verdict.outcome in (Outcome.UNAVAILABLE, Outcome.UNCLEAR):
            raise SinkError(
                f"{url}: {verdict.reason}",
                retry_after=verdict.retry_after,
                unavailable=verdict.outcome is Outcome.UNAVAILABLE,
            )
        return replace(verdict, reason=f"{url}: {verdict.reason}")


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
