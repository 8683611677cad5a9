"""The alert rules, as Grafana's provisioning reads them (a JSON file is one of its formats).

Notes say `{{ .Labels.site }}`: with a `$` provisioning would look for an environment variable of that name.
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
"""Records by which what waits for a sink must have grown in half an hour; a small site makes some 400 a minute."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: the query's last number, by its labels, against a limit.

    seconds: how far it looks back. lasting: for how long it must be so. silence: what no data means, OK or Alerting.
    board: the dashboard that shows more.
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


def _told(condition: str) -> str:
    return f'SELECT count("event") FROM "event" WHERE {condition} AND {SHOWN} GROUP BY "site"'


def _latest(field: str) -> str:
    return f'SELECT last("{field}") FROM "gateway" WHERE {SHOWN} GROUP BY "site"'


def _grown(field: str) -> str:
    return f'SELECT last("{field}") - first("{field}") FROM "gateway" WHERE {SHOWN} GROUP BY "site"'


def _heard(field: str, source: str, tags: str) -> str:
    """How often in each ten minutes; 0 for who spoke before and is silent now."""
    return f'SELECT count("{field}") FROM {source} AND {SHOWN} GROUP BY time(10m), {tags} fill(0)'


LATEST = f'SELECT last("state") AS "latest" FROM "goal" WHERE {SHOWN} GROUP BY "site", "goal"'
OFF = f'SELECT count("latest") FROM ({LATEST}) WHERE "latest" = \'off track\' GROUP BY "site", "goal"'

RULES = (
    Rule(
        "device-lost",
        _heard("quality", '"device" WHERE "quality" = \'good\'', '"site", "device"'),
        DAY,
        below=1.0,
        lasting="10m",
    ),
    Rule("balance-fault", _told("\"event\" = 'balance fault'"), HOUR, above=0.0),
    Rule("goal-off-track", OFF, 3 * DAY, above=0.0, board="goals"),
    Rule("mqtt-behind", _grown("mqtt_undelivered"), HOUR // 2, above=BEHIND),
    Rule("influxdb-behind", _grown("influxdb_undelivered"), HOUR // 2, above=BEHIND),
    Rule("spool-filling", _latest("spool_share"), HOUR // 2, above=0.5),
    Rule("records-lost", _grown("spool_lost"), HOUR, above=0.0, severity="critical"),
    Rule("clock-not-set", _told('"event" =~ /^clock (unset|not confirmed|stepped)$/'), HOUR, above=0.0),
    Rule(
        "gateway-silent",
        _heard("uptime", '"gateway" WHERE "uptime" >= 0', '"site"'),
        DAY,
        below=1.0,
        lasting="5m",
        silence="Alerting",
        severity="critical",
    ),
)


def alerts() -> dict[str, Any]:
    """The whole file."""
    group = {"orgId": 1, "name": "wattgram", "folder": FOLDER, "interval": EVALUATED}
    return {"apiVersion": 1, "groups": [group | {"rules": [_rule(one) for one in RULES]}]}


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
            "summary": f"{{{{ .Labels.site }}}}: {english(rule.name, 'says')}",
            "summary_zh": f"{{{{ .Labels.site }}}}:{chinese(rule.name, 'says')}",
            "dashboard": f"/d/{uid(rule.board, 'en')}?var-site={{{{ .Labels.site }}}}",
        },
        "data": [_asked(rule), _expression("B", _reduced()), _expression("C", _limit(rule))],
    }


def _asked(rule: Rule) -> dict[str, Any]:
    model = {
        "refId": "A",
        "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
        "query": rule.query,
        "rawQuery": True,
        "resultFormat": "time_series",
        "intervalMs": 60_000,
        "maxDataPoints": 10_000,
    }
    reach = {"from": rule.seconds, "to": 0}
    return {"refId": "A", "relativeTimeRange": reach, "datasourceUid": SOURCE.uid, "model": model}


def _reduced() -> dict[str, Any]:
    return {"type": "reduce", "expression": "A", "reducer": "last"}


def _limit(rule: Rule) -> dict[str, Any]:
    kind, limit = ("gt", rule.above) if rule.above is not None else ("lt", rule.below)
    return {"type": "threshold", "expression": "B", "conditions": [{"evaluator": {"type": kind, "params": [limit]}}]}


def _expression(name: str, model: dict[str, Any]) -> dict[str, Any]:
    source = {"type": "__expr__", "uid": "__expr__"}
    reach = {"from": 0, "to": 0}
    model = {"refId": name, "datasource": source} | model
    return {"refId": name, "relativeTimeRange": reach, "datasourceUid": "__expr__", "model": model}
