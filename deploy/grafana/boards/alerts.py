"""The alert rules in the format of Grafana's provisioning (JSON is among its formats).

Annotations contain `{{ .Labels.site }}`: provisioning would replace a `$` by an environment variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .board import uid
from .datasource import SOURCE
from .texts import LANGUAGES, Texts

FOLDER = "wattgram"
EVALUATED = "5m"
HOUR, DAY = 3600, 86400

SHOWN = "$timeFilter"

BEHIND = 5000
"""Growth of a sink's backlog in half an hour that triggers the alert, records. A small site creates 400 a minute."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: the query's last number, by labels, compared with a limit.

    seconds: period of the query. lasting: duration before the alert. silence: state without data, OK or Alerting.
    board: dashboard with details.
    """

    name: str
    query: str
    seconds: int
    above: float | None = None
    below: float | None = None
    lasting: str = "0s"
    silence: str = "OK"
    severity: str = "warning"
    board: str = "quality"


def _events(condition: str) -> str:
    return f'SELECT count("event") FROM "event" WHERE {condition} AND {SHOWN} GROUP BY "site"'


def _latest(field: str) -> str:
    return f'SELECT last("{field}") FROM "gateway" WHERE {SHOWN} GROUP BY "site"'


def _grown(field: str) -> str:
    return f'SELECT last("{field}") - first("{field}") FROM "gateway" WHERE {SHOWN} GROUP BY "site"'


def _records_in_ten_minutes(field: str, source: str, tags: str) -> str:
    """Count records in each ten minutes; 0 after a source became silent."""
    return f'SELECT count("{field}") FROM {source} AND {SHOWN} GROUP BY time(10m), {tags} fill(0)'


LATEST = f'SELECT last("state") AS "latest" FROM "goal" WHERE {SHOWN} GROUP BY "site", "goal"'
OFF = f'SELECT count("latest") FROM ({LATEST}) WHERE "latest" = \'off track\' GROUP BY "site", "goal"'

RULES = (
    Rule(
        "device-lost",
        _records_in_ten_minutes("quality", '"device" WHERE "quality" = \'good\'', '"site", "device"'),
        DAY,
        below=1.0,
        lasting="10m",
    ),
    Rule("balance-fault", _events("\"event\" = 'balance fault'"), HOUR, above=0.0),
    Rule("goal-off-track", OFF, 3 * DAY, above=0.0, board="goals"),
    Rule("mqtt-behind", _grown("mqtt_undelivered"), HOUR // 2, above=BEHIND),
    Rule("influxdb-behind", _grown("influxdb_undelivered"), HOUR // 2, above=BEHIND),
    Rule("spool-filling", _latest("spool_share"), HOUR // 2, above=0.5),
    Rule("records-lost", _grown("spool_lost"), HOUR, above=0.0, severity="critical"),
    Rule("clock-not-set", _events('"event" =~ /^clock (unset|not confirmed|stepped)$/'), HOUR, above=0.0),
    Rule(
        "gateway-silent",
        _records_in_ten_minutes("uptime", '"gateway" WHERE "uptime" >= 0', '"site"'),
        DAY,
        below=1.0,
        lasting="5m",
        silence="Alerting",
        severity="critical",
    ),
)


def alerts() -> dict[str, Any]:
    """Return the content of the file."""
    group = {"orgId": 1, "name": "wattgram", "folder": FOLDER, "interval": EVALUATED}
    return {"apiVersion": 1, "groups": [group | {"rules": [_rule(rule) for rule in RULES]}]}


def _rule(rule: Rule) -> dict[str, Any]:
    english, chinese = (Texts("alerts", language) for language in LANGUAGES)
    return {
        "uid": f"wattgram-{rule.name}",
        "title": f"{english(rule.name, 'title')} · {chinese(rule.name, 'title')}",
        "condition": "C",
        "for": rule.lasting,
        "noDataState": rule.silence,
        "execErrState": "Error",
        "labels": {"severity": rule.severity, "application": "wattgram"},
        "annotations": {
            "summary": f"{{{{ .Labels.site }}}}: {english(rule.name, 'summary')}",
            "summary_zh": f"{{{{ .Labels.site }}}}：{chinese(rule.name, 'summary')}",
            "dashboard": f"/d/{uid(rule.board, 'en')}?var-site={{{{ .Labels.site }}}}",
        },
        "data": [_query(rule), _expression("B", _reduced()), _expression("C", _limit(rule))],
    }


def _query(rule: Rule) -> dict[str, Any]:
    model = {
        "refId": "A",
        "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
        "query": rule.query,
        "rawQuery": True,
        "resultFormat": "time_series",
        "intervalMs": 60_000,
        "maxDataPoints": 10_000,
    }
    period = {"from": rule.seconds, "to": 0}
    return {"refId": "A", "relativeTimeRange": period, "datasourceUid": SOURCE.uid, "model": model}


def _reduced() -> dict[str, Any]:
    return {"type": "reduce", "expression": "A", "reducer": "last"}


def _limit(rule: Rule) -> dict[str, Any]:
    kind, limit = ("gt", rule.above) if rule.above is not None else ("lt", rule.below)
    return {"type": "threshold", "expression": "B", "conditions": [{"evaluator": {"type": kind, "params": [limit]}}]}


def _expression(name: str, model: dict[str, Any]) -> dict[str, Any]:
    source = {"type": "__expr__", "uid": "__expr__"}
    period = {"from": 0, "to": 0}
    model = {"refId": name, "datasource": source} | model
    return {"refId": name, "relativeTimeRange": period, "datasourceUid": "__expr__", "model": model}
