"""InfluxDB's v2 write call with ready line protocol. The one client of influxdb-client, which costs memory and is
therefore imported only when a database is configured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiohttp import ClientError
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.client.write_api_async import WriteApiAsync
from influxdb_client.rest import ApiException

from ..config import InfluxConfig
from ..errors import SinkError
from ..lines import Lines
from ..record import Record

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for one request."""

SPLIT = frozenset({400, 413, 422})
"""Answers about what was sent: halved until the line that is not taken stands alone."""


class InfluxSink:
    """A database that takes InfluxDB's v2 writes: InfluxDB 2 and 3, VictoriaMetrics."""

    name = "influxdb"
    limit = 5000

    def __init__(self, config: InfluxConfig) -> None:
        self._config = config
        self._lines = Lines()
        self._client: InfluxDBClientAsync | None = None
        self._write: WriteApiAsync | None = None

    async def open(self) -> None:
        """Make a client; the first write tells whether the database is there."""
        config = self._config
        self._client = InfluxDBClientAsync(
            config.url,
            config.token or "",
            config.org,
            timeout=int(TIMEOUT * 1000),
            ssl_ca_cert=str(config.ca) if config.ca else None,
        )
        self._write = self._client.write_api()

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Write; a batch that is refused for its content is halved until the bad record is found."""
        lines = [(index, line) for index, record in enumerate(records) if (line := self._lines.line(record))]
        refused: dict[int, str] = {}
        await self._send(lines, refused)
        return refused

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._write = self._client, None, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]  # the library has no types here

    async def _send(self, lines: list[tuple[int, bytes]], refused: dict[int, str]) -> None:
        if not lines:
            return
        try:
            await self._post(b"\n".join(line for _, line in lines))
        except ApiException as error:
            if error.status not in SPLIT:
                raise SinkError(_said(error), retry_after=_retry_after(error)) from error
            if len(lines) == 1:
                refused[lines[0][0]] = _said(error)
                return
            half = len(lines) // 2
            await self._send(lines[:half], refused)
            await self._send(lines[half:], refused)

    async def _post(self, body: bytes) -> None:
        assert self._write is not None  # only called between open and close
        try:
            async with asyncio.timeout(TIMEOUT + 1.0):
                await self._write.write(self._config.bucket, self._config.org, body)
        except TimeoutError as error:
            raise SinkError(f"{self._config.url}: no answer within {TIMEOUT:g} s") from error
        except (ClientError, OSError) as error:
            raise SinkError(f"{self._config.url}: {error}") from error


def _said(error: ApiException) -> str:
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    return f"HTTP {error.status} {error.reason}: {body.strip()[:200]!r}"


def _retry_after(error: ApiException) -> float | None:
    try:
        return min(3600.0, float(dict(error.headers or {}).get("Retry-After", "")))
    except ValueError:
        return None
