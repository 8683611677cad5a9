"""InfluxDB's v2 write call, as one POST of `base/http_client`, and the meaning of its responses.

influxdb-client is not used here: the library takes 50 MB of memory, and reads responses without a limit.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
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
from wattgram.base.proxies import ProxyKeys, proxy_of
from wattgram.base.secret import revealed
from wattgram.base.tls import tls_context

from .influx_verdict import STATUS_HINTS, Outcome, WriteVerdict, write_verdict

REQUEST_TIMEOUT = 10.0
"""Longest time of a request, s."""

CONNECT_SHARE = 0.5
"""Share of REQUEST_TIMEOUT for name resolution and connection."""

DATABASE_RESPONSE = 262_144
"""Largest size of a response, bytes, before and after decompression: InfluxDB 3 lists the refused lines."""


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

    async def post(self, body: bytes, *, gzip: bool) -> WriteVerdict:
        """Send one request; return whether it is written or its content refused. `gzip`: whether `body` is compressed.

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


def verdict(url: str, response: ServerResponse) -> WriteVerdict:
    """Return whether a request is written or its content refused; SinkError for another answer."""
    body = response.body.decode(errors="replace")
    found = write_verdict(response.status, response.reason, response.headers, body, response.fault)
    reason = f"{url}: {found.reason}"
    if found.outcome in (Outcome.UNAVAILABLE, Outcome.UNCLEAR):
        raise SinkError(reason, retry_after=found.retry_after, unavailable=found.outcome is Outcome.UNAVAILABLE)
    return replace(found, reason=reason)


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
