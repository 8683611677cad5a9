"""InfluxDB's v2 write call with ready line protocol. The one client of influxdb-client, which costs memory and is
therefore imported only when a database is configured."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence

from aiohttp import ClientError
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.client.write_api_async import WriteApiAsync
from influxdb_client.rest import ApiException

from ..config import InfluxConfig
from ..errors import SinkError
from ..lines import Lines
from ..record import Record
from ..watchdog import Pulse
from . import STEP

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds for one request."""

SPLIT = frozenset({400, 413, 422})
"""Answers about what was sent: halved until the line that is not taken stands alone."""

HINTS = {
    401: "is the token right?",
    403: "may the token write to the bucket?",
    404: "are url, org and bucket right?",
}

_DROPPED = re.compile(r"dropped=(\d+)")
"""How InfluxDB ends a partial write's message."""

Numbered = tuple[int, bytes]


class InfluxSink:
    """A database that takes InfluxDB's v2 writes: InfluxDB 2 and 3, VictoriaMetrics."""

    name = "influxdb"
    limit = 5000

    def __init__(self, config: InfluxConfig) -> None:
        self._config = config
        self._lines = Lines()
        self.pulse = Pulse(f"deliver {self.name}")
        self._client: InfluxDBClientAsync | None = None
        self._write: WriteApiAsync | None = None

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
        try:
            self._client = InfluxDBClientAsync(
                config.url,
                config.token or "",
                config.org,
                timeout=int(TIMEOUT * 1000),
                ssl_ca_cert=str(config.ca) if config.ca else None,
            )
        except OSError as error:
            raise SinkError(f"{config.ca}: {error}") from error
        self._write = self._client.write_api()

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Write; a batch that is refused for its content is halved until the bad record is found."""
        refused: dict[int, str] = {}
        lines: list[Numbered] = []
        for index, record in enumerate(records):
            try:
                line = self._lines.line(record)
            except ValueError as error:
                refused[index] = f"not writable as line protocol: {error}"
            else:
                if line:
                    lines.append((index, line))
        await self._send(lines, refused)
        return dict(sorted(refused.items()))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._write = self._client, None, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]  # the library has no types here

    async def _send(self, lines: list[Numbered], refused: dict[int, str]) -> None:
        if not lines:
            return
        try:
            await self._post(b"\n".join(line for _, line in lines))
        except ApiException as error:
            if len(lines) == 1 or _dropped(error) == len(lines):
                refused.update({index: _said(error) for index, _ in lines})
                return
            half = len(lines) // 2
            await self._send(lines[:half], refused)
            await self._send(lines[half:], refused)
        except SinkError as error:
            # Halves go in order, so all before the first of these lines is settled.
            error.accepted = lines[0][0]
            error.refused = {index: reason for index, reason in refused.items() if index < error.accepted}
            raise

    async def _post(self, body: bytes) -> None:
        """One request. ApiException when the content is refused, SinkError for everything else."""
        assert self._write is not None  # only called between open and close
        self.pulse.within(STEP)
        url = self._config.url
        try:
            async with asyncio.timeout(TIMEOUT + 1.0):
                await self._write.write(self._config.bucket, self._config.org, body)
        except ApiException as error:
            if error.status in SPLIT:
                raise
            raise SinkError(f"{url}: {_said(error)}", retry_after=_retry_after(error)) from error
        except TimeoutError as error:
            raise SinkError(f"{url}: no answer within {TIMEOUT:g} s") from error
        except (ClientError, OSError) as error:
            raise SinkError(f"{url}: {error}") from error


def _body(error: ApiException) -> str:
    body = error.body
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


def _said(error: ApiException) -> str:
    hint = HINTS.get(error.status or 0, "")
    return f"HTTP {error.status} {error.reason}: {_body(error).strip()[:200]!r}{hint and f', {hint}'}"


def _dropped(error: ApiException) -> int | None:
    """How many points a partial write dropped, where the database tells."""
    found = _DROPPED.search(_body(error))
    return int(found[1]) if found else None


def _retry_after(error: ApiException) -> float | None:
    """Seconds that the database asks for; a date instead is not worth a parser, the back-off does."""
    for name, value in dict(error.headers or {}).items():
        if name.lower() == "retry-after" and str(value).isdecimal():
            return min(3600.0, float(value))
    return None
