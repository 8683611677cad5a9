"""The sink `[influxdb]`: InfluxDB's v2 write call with line protocol."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wattgram.base import toml_table
from wattgram.base.clock import Clock
from wattgram.base.encoders import LineProtocol
from wattgram.base.errors import SinkError
from wattgram.base.proxies import ProxyKeys, read_proxy
from wattgram.base.record import Record
from wattgram.base.toml_table import Table
from wattgram.base.watchdog import Pulse
from wattgram.config.load import Config

from .sink import SINK_STEP

if TYPE_CHECKING:
    from .influx_client import ContentRefusal

log = logging.getLogger(__name__)

REQUEST_BYTES = 1_000_000
"""Largest size of the lines in a request, bytes: proxies accept it by default (nginx: 1 MiB), and larger requests are
not faster."""

SMALLEST = 10_000
"""Smallest limit of the request size, bytes."""

RELIEF = 600.0
"""Time in s after which larger requests are tried again."""

ENCODED_RECORDS = 500
"""Records to encode before other tasks run: some milliseconds on a small board."""

WORTH = 1000
"""Smallest size of a request to compress, bytes."""

CONTENT_TOO_LARGE = 413

REFUSED_ALONE = 3
"""Lines refused alone, while no line was accepted, after which the reason is not the lines."""

Numbered = tuple[int, bytes]
"""Index of a record in its batch, and its line."""


@dataclass(frozen=True, slots=True)
class InfluxConfig:
    """Settings of a database with InfluxDB's v2 write call."""

    url: str
    org: str
    bucket: str
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    proxy: ProxyKeys | None = None


def read(table: Table, directory: Path) -> InfluxConfig:
    """Read `[influxdb]`; relative files are in `directory`; mistakes go to the table."""
    address = table.take("url", toml_table.address({"http": 80, "https": 443}), toml_table.REQUIRED)
    settings = InfluxConfig(
        url=str(table.data.get("url", "")).rstrip("/") if address else "",
        org=table.take("org", toml_table.text, ""),
        bucket=table.take("bucket", toml_table.matching(r".+", "a bucket's name"), toml_table.REQUIRED) or "",
        token=table.take("token", toml_table.secret(directory), None),
        ca=table.take("ca", toml_table.file(directory), None),
        proxy=read_proxy(table, directory),
    )
    table.done()
    return settings


def made(settings: InfluxConfig, config: Config, clock: Clock) -> InfluxSink:
    """Make the sink of [influxdb]."""
    return InfluxSink(settings)


class _RequestLimit:
    """Limit of the request size in bytes: smaller for a while after a request that was too large or too slow."""

    def __init__(self) -> None:
        self.bytes = REQUEST_BYTES
        self._until = 0.0

    def shrink(self, size: int, now: float) -> None:
        """Lower the limit after a request of `size` bytes was too large."""
        self.bytes = min(self.bytes, max(SMALLEST, size // 2))
        self._until = now + RELIEF

    def grow(self, now: float) -> None:
        """Raise the limit after an accepted request."""
        if self.bytes < REQUEST_BYTES and now >= self._until:
            self.bytes = min(REQUEST_BYTES, 2 * self.bytes)
            self._until = now + RELIEF


class _BatchResult:
    """Results of the records of a batch, by index."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.refused: dict[int, str] = {}
        self.doubted: dict[int, str] = {}
        self.some = False  # whether the database accepted a line

    def take(self, lines: Sequence[Numbered]) -> None:
        """Note accepted lines; earlier doubtful refusals become permanent, since the database does accept lines."""
        self.taken += [index for index, _ in lines]
        self.some = True
        self.refused |= self.doubted
        self.doubted.clear()

    def refuse(self, lines: Sequence[Numbered], reason: str, *, certain: bool) -> None:
        """Note refused lines: permanently if `certain` or if the database accepted another line, else doubtfully."""
        which = self.refused if certain or self.some else self.doubted
        which.update((index, reason) for index, _ in lines)


class InfluxSink:
    """Writes to a database with InfluxDB's v2 write call: InfluxDB 2 and 3, VictoriaMetrics."""

    name = "influxdb"
    limit = 5000

    def __init__(self, config: InfluxConfig) -> None:
        from .influx_client import InfluxClient  # noqa: PLC0415 - memory that reading the settings does not need

        self._url = config.url
        self._lines = LineProtocol()
        self._limit = _RequestLimit()
        self._compressed = not _is_local(config.url)
        self.pulse = Pulse(f"deliver {self.name}")
        self._client = InfluxClient(config.url, config.org, config.bucket, config.token, config.ca, config.proxy)

    async def probe(self) -> None:
        """Send an empty write: a database checks token, organisation and bucket before the content."""
        await self.open()
        try:
            if refusal := await self._post(b""):  # only the content was refused
                log.debug("influxdb: an empty write: %s", refusal.reason)
        finally:
            await self.close()

    async def open(self) -> None:
        """Prepare the client; the first write connects. SinkError for an unreadable CA."""
        await self._client.open()

    async def write(self, records: Sequence[Record], replayed: int) -> dict[int, str]:
        """Write records in requests of bounded size.

        A request whose content is refused is halved until the bad record is found.
        """
        written = _BatchResult()
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
        await self._client.close()

    async def _write(self, records: Sequence[Record], written: _BatchResult) -> None:
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
            if lines and size + len(line) > self._limit.bytes:
                await self._send(lines, written)
                lines, size = [], 0
            lines.append((index, line))
            size += len(line) + 1
        if lines:
            await self._send(lines, written)
        if written.doubted:
            raise SinkError(next(iter(written.doubted.values())))

    async def _send(self, lines: Sequence[Numbered], written: _BatchResult) -> None:
        body = b"\n".join(line for _, line in lines)
        refusal = await self._post(body)
        if refusal is None:
            written.take(lines)
        elif refusal.dropped == len(lines):
            written.refuse(lines, refusal.reason, certain=True)
        elif len(lines) == 1:
            written.refuse(lines, refusal.reason, certain=False)
            if len(written.doubted) >= REFUSED_ALONE:
                raise SinkError(refusal.reason)
        else:
            if refusal.status == CONTENT_TOO_LARGE:
                self._limit.shrink(len(body), asyncio.get_running_loop().time())
            else:  # lines that conflict most often belong to the same series, so halve between series
                lines = sorted(lines, key=_series)
            half = len(lines) // 2
            await self._send(lines[:half], written)
            await self._send(lines[half:], written)

    async def _post(self, body: bytes) -> ContentRefusal | None:
        """Send one request; return the refusal of its content, None for success. SinkError for another failure."""
        self.pulse.within(SINK_STEP)
        loop, size = asyncio.get_running_loop(), len(body)
        compressed = self._compressed and size >= WORTH
        if compressed:
            body = await loop.run_in_executor(None, partial(gzip.compress, body, 1, mtime=0))
        try:
            refusal = await self._client.post(body, gzip=compressed)
        except TimeoutError as error:
            self._limit.shrink(size, loop.time())
            raise SinkError(f"{self._url}: {error} to {size} bytes; is it overloaded?") from error
        if refusal is None:
            self._limit.grow(loop.time())
        return refusal


def _is_local(url: str) -> bool:
    """Return whether the database is on this machine, where compression costs time and saves nothing."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _series(line: Numbered) -> bytes:
    """Return the part of a line that all lines of its series share: all up to the first space."""
    return line[1].partition(b" ")[0]
