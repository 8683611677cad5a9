"""Questions about an InfluxDB 2 for `check --live`: version, retention, InfluxQL's name, rights of the token.

The only user of influxdb-client. The library reads responses without a limit, so the daemon never loads it, and a
database is asked only after it has answered the sink's own bounded request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import influxdb_client
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from wattgram.base.proxies import proxy_of
from wattgram.base.secret import revealed
from wattgram.delivery.sinks.influx_sink import InfluxConfig

QUESTION_TIMEOUT = 5.0
"""Longest time for one answer, s."""

DAY = 86_400.0

LIBRARY: Any = influxdb_client
"""The library, most of whose functions have no types."""

REFUSED_QUESTION = (ApiException, HTTPError, ValueError, TypeError, AttributeError, LookupError)
"""What the library raises for a refusal, a lost connection, and an answer of another kind of database."""


async def database_notes(settings: InfluxConfig, keep: float) -> list[str]:
    """Return what a database says about itself, one line each. `keep`: age of the oldest record of the spool, s.

    A database of another kind, or a token without the right to ask, gives fewer lines.
    """
    return await asyncio.to_thread(_notes, settings, keep)


def _notes(settings: InfluxConfig, keep: float) -> list[str]:
    proxy = proxy_of(urlsplit(settings.url), settings.proxy)
    with LIBRARY.InfluxDBClient(
        settings.url,
        revealed(settings.token) or "",
        timeout=round(1000 * QUESTION_TIMEOUT),
        org=settings.org,
        ssl_ca_cert=None if settings.ca is None else str(settings.ca),
        proxy=None if proxy is None else f"http://{proxy.host}:{proxy.port}",
        proxy_headers={"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else None,
    ) as client:
        return [*_health(client), *_bucket(client, settings, keep), *_rights(client, settings)]


def _health(client: Any) -> Iterator[str]:
    found = _asked(lambda: LIBRARY.HealthService(client.api_client).get_health())
    version, status = getattr(found, "version", None), getattr(found, "status", None)
    if isinstance(version, str) and isinstance(status, str):
        yield f"InfluxDB {_shown(version)}, health {_shown(status)}"


def _bucket(client: Any, settings: InfluxConfig, keep: float) -> Iterator[str]:
    bucket = _asked(lambda: client.buckets_api().find_bucket_by_name(settings.bucket))
    if bucket is None:
        yield f"the token may not read the settings of bucket {settings.bucket}, so its retention is not checked"
        return
    periods = [rule.every_seconds for rule in _list(bucket.retention_rules) if rule.every_seconds]
    if not periods:
        yield f"bucket {settings.bucket} keeps its points for ever"
    elif min(periods) < keep:
        days = min(periods) / DAY
        text = f"bucket {settings.bucket} keeps {days:.3g} d, the spool {keep / DAY:.3g} d"
        yield f"{text}; after a longer outage the database refuses the older records"
    else:
        yield f"bucket {settings.bucket} keeps {min(periods) / DAY:.3g} d"
    mappings = _asked(lambda: LIBRARY.DBRPsService(client.api_client).get_dbr_ps(org=settings.org, bucket_id=bucket.id))
    for mapping in _list(getattr(mappings, "content", None)):
        if mapping.database != settings.bucket:
            yield f"InfluxQL reads bucket {settings.bucket} as database {_shown(mapping.database)}"


def _rights(client: Any, settings: InfluxConfig) -> Iterator[str]:
    token = revealed(settings.token)
    for authorization in _list(_asked(lambda: client.authorizations_api().find_authorizations(org=settings.org))):
        if authorization.token == token:
            rights = [f"{right.action} {right.resource.type}" for right in _list(authorization.permissions)]
            if other := sorted({right for right in rights if right != "write buckets"}):
                some = ", ".join(_shown(right) for right in other[:4])
                more = f" and {len(other) - 4} more" if len(other) > 4 else ""
                yield f"the token may also {some}{more}; to write bucket {settings.bucket} is enough for wattgram"


def _asked(question: Callable[[], Any]) -> Any:
    """Return the answer to a question, None without a usable one."""
    try:
        return question()
    except REFUSED_QUESTION:
        return None


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _shown(value: object) -> str:
    """Return a text from outside for one line of the report."""
    text = str(value)[:60]
    return text if text.isprintable() else ascii(text)
