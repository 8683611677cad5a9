"""Grafana's expansion of a query before the database gets it: time, interval and variables.

Time and interval as in grafana/grafana pkg/tsdb/influxdb/models/query.go and pkg/tsdb/intervalv2/intervalv2.go;
variables as in public/app/plugins/datasource/influxdb/datasource.ts: in a regular expression the chosen values stand as
(a|b), each escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

MS, SECOND, MINUTE, HOUR, DAY = 1, 1000, 60_000, 3_600_000, 86_400_000

STEPS = (
    (1.5 * SECOND, SECOND),
    (3.5 * SECOND, 2 * SECOND),
    (7.5 * SECOND, 5 * SECOND),
    (12.5 * SECOND, 10 * SECOND),
    (17.5 * SECOND, 15 * SECOND),
    (25 * SECOND, 20 * SECOND),
    (45 * SECOND, 30 * SECOND),
    (1.5 * MINUTE, MINUTE),
    (3.5 * MINUTE, 2 * MINUTE),
    (7.5 * MINUTE, 5 * MINUTE),
    (12.5 * MINUTE, 10 * MINUTE),
    (17.5 * MINUTE, 15 * MINUTE),
    (25 * MINUTE, 20 * MINUTE),
    (45 * MINUTE, 30 * MINUTE),
    (1.5 * HOUR, HOUR),
    (2.5 * HOUR, 2 * HOUR),
    (4.5 * HOUR, 3 * HOUR),
    (9 * HOUR, 6 * HOUR),
    (24 * HOUR, 12 * HOUR),
    (168 * HOUR, DAY),
)
"""Longest distance of two points → interval; the dashboards need no longer intervals."""

UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MS}


@dataclass(frozen=True, slots=True)
class Shown:
    """The selection of a dashboard: from and to in ms, the points of a panel, the chosen variables."""

    begin: int
    end: int
    points: int = 1000
    chosen: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def duration(text: str) -> int:
    """Return the ms of a duration such as 15m."""
    found = re.fullmatch(r"(\d+)(ms|[dhms])", text)
    assert found, f"{text!r} is no duration"
    return int(found[1]) * UNITS[found[2]]


def interval(shown: Shown, shortest: str = "") -> str:
    """`$__interval`."""
    width = (shown.end - shown.begin) / shown.points
    least = duration(shortest) if shortest else MS
    length = least if width < least else next(step for limit, step in STEPS if width <= limit)
    return next(f"{length // size}{unit}" for unit, size in UNITS.items() if length >= size and length % size == 0)


def expanded(query: str, shown: Shown, shortest: str = "") -> str:
    """Return the query as the database gets it; AssertionError when anything but InfluxQL is left."""
    for name, value in shown.chosen.items():
        query = re.sub(rf"\$(?:{name}\b|\{{{name}\}})", partial(_value, value), query)
    query = query.replace("${__from}", str(shown.begin)).replace("${__to}", str(shown.end))
    query = query.replace("$timeFilter", f"time >= {shown.begin}ms and time <= {shown.end}ms")
    query = query.replace("$__interval", interval(shown, shortest))
    assert not re.search(r"\$[\w{]", query), f"Grafana does not know all of {query!r}"
    return query


def _value(value: str | Sequence[str], found: re.Match[str]) -> str:
    if isinstance(value, str):
        return value
    before = found.string[: found.start()]
    assert before.endswith("/^"), f"several values stand outside a regular expression: {found.string!r}"
    return f"({'|'.join(re.escape(choice).replace(chr(92) + '-', '-') for choice in value)})"
