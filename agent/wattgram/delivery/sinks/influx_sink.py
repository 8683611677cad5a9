"""InfluxDB's v2 write call with ready line protocol. The one client of influxdb-client, which costs memory and is
therefore imported only when a database is configured."""

from __future__ import annotations

import asyncio
import errno
import gzip
import ipaddress
import logging
import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
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

from wattgram.base.encoders import LineProtocol
from wattgram.base.errors import SinkError
from wattgram.base.network_errors import cause
from wattgram.base.record import Record
from wattgram.base.tls import tls_context
from wattgram.base.watchdog import Pulse
from wattgram.config.load import InfluxConfig

from .sink import SINK_STEP

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 10.0
"""Seconds for one request."""

CONNECT_SHARE = 0.5
"""Share of it for finding the address and connecting."""

REQUEST_BYTES = 1_000_000
"""Bytes of lines in a request: what every proxy takes whose owner has never heard of us (nginx: 1 MiB), and larger
ones are no faster."""

SMALLEST = 10_000
"""Bytes below which requests are not made smaller for all that follow."""

RELIEF = 600.0
"""Seconds until a server that wanted smaller requests is tried with larger ones again."""

ENCODED_RECORDS = 500
"""Records that are encoded before others may run: some milliseconds on a small board."""

WORTH = 1000
"""Bytes from which on compression pays."""

SPLIT = frozenset({400, 413, 422})
"""Answers about what was sent: halved until the line that is not taken stands alone."""

CONTENT_TOO_LARGE = 413

SUSPICIOUS = 500
"""The one other answer that may be about what was sent: a database can fail at a line."""

REFUSED_ALONE = 3
"""Lines refused alone, and none taken, after which it is not the lines."""

STATUS_HINTS = {
    200: "is it a database that answers at this address?",
    401: "is the token right, and still valid?",
    403: "may the token write to the bucket?",
    404: "are url, org and bucket right?",
    429: "it wants less at once, and gets it when it says",
    500: "what does its log say, is its disk full?",
    502: "does the database behind the proxy run?",
    503: "is it starting, or overloaded?",
    504: "does the database behind the proxy run?",
}

_DROPPED = re.compile(r"dropped=(\d+)")
"""How InfluxDB ends a partial write's message."""

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a database without TLS: left to itself the library would read all authorities of the system for it."""

Numbered = tuple[int, bytes]


class _Room:
    """Bytes that a request may have: fewer for a while after one that was too large, or that took too long."""

    def __init__(self) -> None:
        self.bytes = REQUEST_BYTES
        self._until = 0.0

    def shrink(self, size: int, now: float) -> None:
        """A request of that size was too much."""
        self.bytes = min(self.bytes, max(SMALLEST, size // 2))
        self._until = now + RELIEF

    def grow(self, now: float) -> None:
        """A request was taken."""
        if self.bytes < REQUEST_BYTES and now >= self._until:
            self.bytes = min(REQUEST_BYTES, 2 * self.bytes)
            self._until = now + RELIEF


class _Written:
    """What became of a batch's records, by index."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.refused: dict[int, str] = {}
        self.doubted: dict[int, str] = {}
        self.some = False  # whether a line of it was taken

    def take(self, lines: Sequence[Numbered]) -> None:
        """These are stored, so it is not everything that is refused."""
        self.taken += [index for index, _ in lines]
        self.some = True
        self.refused |= self.doubted
        self.doubted.clear()

    def refuse(self, lines: Sequence[Numbered], reason: str, *, certain: bool) -> None:
        """These will never be stored, if `certain` or if others are."""
        which = self.refused if certain or self.some else self.doubted
        which.update((index, reason) for index, _ in lines)


class InfluxSink:
    """A database that takes InfluxDB's v2 writes: InfluxDB 2 and 3, VictoriaMetrics."""

    name = "influxdb"
    limit = 5000

    def __init__(self, config: InfluxConfig) -> None:
        self._config = config
        self._lines = LineProtocol()
        self._room = _Room()
        self._compressed = not _is_here(config.url)
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: InfluxDBClientAsync | None = None
        self._service: WriteService | None = None

    async def probe(self) -> None:
        """Write nothing: a database looks at token, organisation and bucket before it misses the points."""
        await self.open()
        try:
            await self._post(b"")
        except ApiException as error:
            log.debug("influxdb: an empty write: %s", _said(error))  # refused for its content, so all else was right
        finally:
            await self.close()

    async def open(self) -> None:
        """Make a client; the first write tells whether the database is there. SinkError for an unreadable CA."""
        config = self._config
        self._client = InfluxDBClientAsync(
            config.url,
            config.token or "",
            config.org,
            timeout=ClientTimeout(total=REQUEST_TIMEOUT, connect=CONNECT_SHARE * REQUEST_TIMEOUT),
            ssl_context=await tls_context(config.ca) if urlsplit(config.url).scheme == "https" else PLAIN,
            allow_redirects=False,  # a write that is redirected would become a read
        )
        self._service = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]  # the library's

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Write, in requests of bounded size; one that is refused for its content is halved until the bad record is
        found."""
        written = _Written()
        try:
            await self._write(records, written)
        except SinkError as error:
            raise SinkError(
                str(error),
                taken=written.taken,
                refused=written.refused,
                doubted=written.doubted,
                retry_after=error.retry_after,
                unavailable=error.unavailable,
            ) from error
        return dict(sorted(written.refused.items()))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._service = self._client, None, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]  # the library has no types here

    async def _write(self, records: Sequence[Record], written: _Written) -> None:
        lines: list[Numbered] = []
        size = 0
        for index, record in enumerate(records):
            if index % ENCODED_RECORDS == ENCODED_RECORDS - 1:
                await asyncio.sleep(0)
            try:
                line = self._lines.line(record)
            except ValueError as error:
                written.refused[index] = f"not writable as line protocol: {error}"
                continue
            if not line:
                written.taken.append(index)
                continue
            if lines and size + len(line) > self._room.bytes:
                await self._send(lines, written)
                lines, size = [], 0
            lines.append((index, line))
            size += len(line) + 1
        if lines:
            await self._send(lines, written)
        if written.doubted:
            raise SinkError(next(iter(written.doubted.values())))

    async def _send(self, lines: Sequence[Numbered], written: _Written) -> None:
        body = b"\n".join(line for _, line in lines)
        try:
            await self._post(body)
        except ApiException as error:
            reason = f"{self._config.url}: {_said(error)}"
            if _dropped(error) == len(lines):
                written.refuse(lines, reason, certain=True)
            elif len(lines) == 1:
                written.refuse(lines, reason, certain=False)
                if len(written.doubted) >= REFUSED_ALONE:
                    raise SinkError(reason) from error
            else:
                if error.status == CONTENT_TOO_LARGE:
                    self._room.shrink(len(body), asyncio.get_running_loop().time())
                else:  # what conflicts is most often a series, whose lines shall go together
                    lines = sorted(lines, key=_series)
                half = len(lines) // 2
                await self._send(lines[:half], written)
                await self._send(lines[half:], written)
        else:
            written.take(lines)

    async def _post(self, body: bytes) -> None:
        """One request. ApiException when the content is refused, SinkError for everything else."""
        assert self._service is not None  # only called between open and close
        self.pulse.within(SINK_STEP)
        url, loop, size = self._config.url, asyncio.get_running_loop(), len(body)
        more = {}
        if self._compressed and size >= WORTH:
            more["content_encoding"] = "gzip"
            body = await loop.run_in_executor(None, partial(gzip.compress, body, 1, mtime=0))
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT + 1.0):
                _, status, _ = await self._service.post_write_async(  # type: ignore[no-untyped-call]  # the library's
                    org=self._config.org,
                    bucket=self._config.bucket,
                    body=body,
                    precision="ns",
                    content_type="text/plain; charset=utf-8",
                    _return_http_data_only=False,
                    **more,
                )
        except ApiException as error:
            if error.status in SPLIT:
                raise
            unavailable = error.status != SUSPICIOUS
            raise SinkError(
                f"{url}: {_said(error)}", retry_after=_retry_after(error), unavailable=unavailable
            ) from error
        except ServerTimeoutError as error:
            said = f"not connected within {CONNECT_SHARE * REQUEST_TIMEOUT:g} s; is the host there, and does DNS work?"
            raise SinkError(f"{url}: {said}", unavailable=True) from error
        except TimeoutError as error:
            self._room.shrink(size, loop.time())
            raise SinkError(
                f"{url}: no answer within {REQUEST_TIMEOUT:g} s to {size} bytes; is it overloaded?"
            ) from error
        except (ClientError, OSError) as error:
            raise SinkError(f"{url}: {_broken(error)}", unavailable=isinstance(error, ClientConnectorError)) from error
        if status != 204:
            raise SinkError(f"{url}: HTTP {status}, expected 204; {STATUS_HINTS[200]}", unavailable=True)
        self._room.grow(loop.time())


def _is_here(url: str) -> bool:
    """Whether a database is on this machine, where compressing what is sent would cost and save nothing."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _series(line: Numbered) -> bytes:
    """What lines of one series have in common: all up to the first space."""
    return line[1].partition(b" ")[0]


def _broken(error: ClientError | OSError) -> str:
    """What went wrong before there was an answer."""
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


def _said(error: ApiException) -> str:
    status = error.status or 0
    hint = STATUS_HINTS.get(status) or (STATUS_HINTS[500] if status >= 500 else "")
    words = str(error.reason or "")[:100]
    text = f"HTTP {status} {words if words.isprintable() else repr(words)}: {_body(error).strip()[:200]!r}"
    if 300 <= status < 400:
        text, hint = f"HTTP {status} to {_header(error, 'location')[:200]!r}", "is that the right url?"
    return f"{text}, {hint}" if hint else text


def _dropped(error: ApiException) -> int | None:
    """How many points a partial write dropped, where the database tells."""
    found = _DROPPED.search(_body(error))
    return int(found[1]) if found else None


def _header(error: ApiException, name: str) -> str:
    return next((str(value) for key, value in dict(error.headers or {}).items() if key.lower() == name), "")


def _retry_after(error: ApiException) -> float | None:
    """Seconds that the database asks for, an hour at most; a date counts from the answer's own (RFC 9110, 10.2.3)."""
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
