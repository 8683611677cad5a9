"""The alert rules: each is silent in a normal hour of the week, and fires in the hour of its fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.deploy.conftest import Stored, shown
from tests.support import grafana_boards, week
from tests.support.grafana_queries import Shown
from tests.support.week import FRIDAY, HOUR, MINUTE, SATURDAY, THURSDAY, WEDNESDAY, at

FILE = grafana_boards.GRAFANA / "provisioning/alerting/wattgram.json"
CALM = at(1, 12)


def rules() -> dict[str, dict[str, Any]]:
    """The rules by their uid."""
    content = json.loads(FILE.read_text())
    assert content["apiVersion"] == 1
    (group,) = content["groups"]
    return {rule["uid"]: rule for rule in group["rules"]}


def firing(stored: Stored, name: str, now: int) -> set[tuple[str, ...]] | None:
    """Return the sources that a rule names at an instant, as Grafana reduces and compares; None without any data."""
    query, reduced, limit = (stage["model"] for stage in rules()[f"wattgram-{name}"]["data"])
    assert (reduced["type"], reduced["expression"], reduced["reducer"]) == ("reduce", "A", "last")
    assert (limit["type"], limit["expression"]) == ("threshold", "B")
    back = rules()[f"wattgram-{name}"]["data"][0]["relativeTimeRange"]["from"]
    rows = stored.ask(query["query"], Shown(shown(now, now).end - 1000 * back, shown(now, now).end))
    last: dict[tuple[str, ...], float] = {}
    for row in rows:
        labels = tuple(row[tag] for tag in ("device", "goal") if tag in row)
        (value,) = [value for key, value in row.items() if key not in ("name", "time", "site", "device", "goal")]
        assert row["site"] == week.SITE
        if value is not None:
            last[labels] = value
    (condition,) = limit["conditions"]
    kind, (bound,) = condition["evaluator"]["type"], condition["evaluator"]["params"]
    assert kind in ("gt", "lt")
    found = {labels for labels, value in last.items() if (value > bound if kind == "gt" else value < bound)}
    return found if last else None


@pytest.mark.parametrize(
    ("name", "now", "named"),
    [
        ("device-lost", at(WEDNESDAY, 10.5), {("hall",)}),
        ("device-lost", at(WEDNESDAY, 2.5), {("roof-west",)}),
        ("balance-fault", at(FRIDAY, 8.5), {()}),
        ("goal-off-track", at(FRIDAY, 1), {("A03",)}),
        ("mqtt-behind", at(THURSDAY, 10), {()}),
        ("spool-filling", at(THURSDAY, 11.5), {()}),
        ("records-lost", at(FRIDAY, 3.5), {()}),
        ("clock-not-set", at(SATURDAY, 1.5), {()}),
        ("gateway-silent", week.END + HOUR, {()}),
    ],
)
def test_a_rule_fires_in_its_hour_and_names_the_source(
    stored: Stored, name: str, now: int, named: set[tuple[str, ...]]
) -> None:
    assert not firing(stored, name, CALM)
    assert firing(stored, name, now + MINUTE // 2) == named


def test_every_rule_is_silent_in_a_normal_hour_and_only_gateway_silent_alerts_without_data(stored: Stored) -> None:
    for uid, rule in rules().items():
        assert not firing(stored, uid.removeprefix("wattgram-"), CALM), uid
        assert rule["noDataState"] == ("Alerting" if uid == "wattgram-gateway-silent" else "OK")


def test_a_growing_backlog_of_the_database_has_a_rule(stored: Stored) -> None:
    # The week has no such hour; its query is that for MQTT with the other field.
    mqtt, influx = (rules()[f"wattgram-{name}-behind"]["data"][0]["model"]["query"] for name in ("mqtt", "influxdb"))
    assert influx == mqtt.replace("mqtt_", "influxdb_")
    assert firing(stored, "influxdb-behind", at(THURSDAY, 10)) == set()


def test_rules_refer_to_the_provisioned_source_and_existing_boards() -> None:
    uids = {
        grafana_boards.read(name, language)["uid"]
        for name in grafana_boards.NAMES
        for language in grafana_boards.LANGUAGES
    }
    for uid, rule in rules().items():
        assert len(uid) <= 40  # Grafana's limit
        assert rule["data"][0]["datasourceUid"] == "wattgram-influxdb"
        assert rule["annotations"]["dashboard"].split("?")[0].removeprefix("/d/") in uids
        assert "$" not in json.dumps(rule["annotations"])  # provisioning would look for a variable of the environment
