"""What `check --live` says about a database: InfluxDB 2 by its documented answers, and VictoriaMetrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from wattgram.commands.database_check import database_notes
from wattgram.delivery.sinks.influx_sink import InfluxConfig

from tests.support.databases import Victoria
from tests.support.grid_signals import answer, serving

DAY = 86_400
SETTINGS = InfluxConfig("", "plant", "energy", "t0ken-of-the-site")

# Shapes of InfluxDB's API, version 2: https://docs.influxdata.com/influxdb/v2/api/v2/
HEALTH = {"name": "influxdb", "message": "ready", "status": "pass", "version": "v2.7.6", "commit": "x", "checks": []}
BUCKET = {"id": "b1", "orgID": "o1", "name": "energy", "retentionRules": [{"type": "expire", "everySeconds": 30 * DAY}]}
WRITE = {"action": "write", "resource": {"type": "buckets", "id": "b1", "orgID": "o1"}}
ALL = [{"action": action, "resource": {"type": kind}} for action in ("read", "write") for kind in ("buckets", "users")]
MAPPING = {
    "id": "m1",
    "bucketID": "b1",
    "orgID": "o1",
    "database": "old_name",
    "retention_policy": "autogen",
    "default": True,
}
UNAUTHORIZED = answer(b'{"code": "unauthorized"}', "Connection: close", status="401 Unauthorized")


def right(*permissions: object) -> dict[str, object]:
    return {"id": "a1", "token": SETTINGS.token, "orgID": "o1", "status": "active", "permissions": list(permissions)}


def notes(paths: Mapping[str, object], keep: float = 20 * DAY) -> list[str]:
    """Return the notes about a server with these documents; other paths are refused."""

    def given(path: str) -> bytes:
        found = next((found for part, found in paths.items() if part in path), None)
        if found is None:
            return UNAUTHORIZED
        text = found if isinstance(found, bytes) else json.dumps(found).encode()
        return answer(text, "Content-Type: application/json", "Connection: close")

    async def work() -> list[str]:
        async with serving(given) as web:
            return await database_notes(replace(SETTINGS, url=web.url), keep)

    return asyncio.run(asyncio.wait_for(work(), 60))


@pytest.mark.parametrize(
    ("bucket", "keep", "text"),
    [
        (BUCKET, 20 * DAY, "bucket energy keeps 30 d"),
        (
            BUCKET,
            60 * DAY,
            "bucket energy keeps 30 d, the spool 60 d; after a longer outage the database refuses the older records",
        ),
        ({**BUCKET, "retentionRules": []}, 20 * DAY, "bucket energy keeps its points for ever"),
    ],
)
def test_the_retention_of_the_bucket_is_compared_with_the_spool(bucket: object, keep: float, text: str) -> None:
    found = notes({"/health": HEALTH, "/buckets": {"buckets": [bucket]}, "/dbrps": {"content": []}}, keep)
    assert found == ["InfluxDB v2.7.6, health pass", text]


def test_a_token_with_more_rights_than_necessary_and_another_name_in_influxql_are_noted() -> None:
    documents = {
        "/buckets": {"buckets": [BUCKET]},
        "/dbrps": {"content": [MAPPING]},
        "/authorizations": {"authorizations": [right(*ALL)]},
    }
    assert notes(documents) == [
        "bucket energy keeps 30 d",
        "InfluxQL reads bucket energy as database old_name",
        "the token may also read buckets, read users, write users; to write bucket energy is enough for wattgram",
    ]
    documents["/authorizations"] = {"authorizations": [right(WRITE)]}
    assert notes(documents)[2:] == []


UNKNOWN = ["the token may not read the settings of bucket energy, so its retention is not checked"]


@pytest.mark.parametrize(
    "text", [None, b"", b"<html>", b"[]", b'{"buckets": 7}', b'{"buckets": [{"retentionRules": 1}]}']
)
def test_a_database_that_does_not_say_it_is_no_mistake(text: bytes | None) -> None:
    found = notes({} if text is None else {"/": text})
    assert [note for note in found if note not in UNKNOWN] in ([], ["bucket energy keeps its points for ever"])


def test_victoria_metrics_has_no_such_settings(victoria: Victoria) -> None:
    assert asyncio.run(database_notes(replace(SETTINGS, url=victoria.url), 20 * DAY)) == UNKNOWN
