"""The dashboards' queries in InfluxQL, with measurements, tags and fields of SPEC 5.

The queries use only common features of InfluxDB 1, 2 (through a DBRP mapping) and 3. A division by zero is 0 in
InfluxQL and would look like a value, so every ratio leaves out rows without a denominator above 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery

from .datasource import SOURCE

SITE = "\"site\" = '$site'"
DEVICES = '"device" =~ /^$device$/'

SHOWN = "$timeFilter"
"""The dashboard's period."""

NOW = "time > ${__to}ms - 2m AND time <= ${__to}ms"
"""The last two minutes of the dashboard's period: older values are not shown as present."""

LATELY = "time > ${__to}ms - 10m AND time <= ${__to}ms"
"""The last ten minutes, for records of once a minute."""

KILO = " / 1000"
"""g as kg: Grafana's mass unit would show a tonne as Mg."""

EACH = "GROUP BY time($__interval) fill(null)"
"""Group by the time of a pixel. Time without a value has an empty row, which interrupts the line."""

BY_DEVICE = 'GROUP BY time($__interval), "device" fill(null)'
"""The same for each device."""


@dataclass(frozen=True, slots=True)
class Query(Builder[Dataquery], Dataquery):
    """A query of a panel. alias: name of the series, `$tag_NAME` for a tag. table: rows instead of series.

    interval: minimum of `$__interval`, the distance of the requested points.
    """

    text: str
    alias: str = ""
    table: bool = False
    interval: str = ""
    ref: str = "A"

    def build(self) -> Query:
        """Return the query itself, which needs no building."""
        return self

    def to_json(self) -> Mapping[str, Any]:
        """Return the query in the format of Grafana's InfluxDB data source."""
        target: dict[str, Any] = {
            "refId": self.ref,
            "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
            "query": self.text,
            "rawQuery": True,
            "resultFormat": "table" if self.table else "time_series",
        }
        if self.alias:
            target["alias"] = self.alias
        return target


def emission(window: str, time: str = SHOWN, *more: str) -> str:
    """Return FROM and WHERE of a site's `emission` records of a window."""
    return _from("emission", SITE, f"\"window\" = '{window}'", *more, time)


def device(*more: str, time: str = SHOWN) -> str:
    """Return FROM and WHERE of a site's `device` records."""
    return _from("device", SITE, *more, time)


def goal(*more: str, time: str = SHOWN) -> str:
    """Return FROM and WHERE of a site's `goal` records."""
    return _from("goal", SITE, *more, time)


def is_goal(name: str) -> str:
    """Return the condition for records of a goal."""
    return f"\"goal\" = '{name}'"


def is_role(name: str) -> str:
    """Return the condition for records of devices with a role."""
    return f"\"role\" = '{name}'"


def gateway(time: str = SHOWN) -> str:
    """Return FROM and WHERE of a gateway's metrics."""
    return _from("gateway", SITE, time)


def event(*more: str, time: str = SHOWN) -> str:
    """Return FROM and WHERE of a site's `event` records."""
    return _from("event", SITE, *more, time)


def mean(field: str, window: str, *, sign: str = "") -> str:
    """Return a mean over the time of a pixel, of windows of equal length."""
    return f'SELECT {sign}mean("{field}") {emission(window)} {EACH}'


def ratio(part: str, whole: str, window: str, *, scale: str = "", grouping: str = EACH) -> str:
    """Return a ratio of two sums. scale: such as "1000 * " for g/Wh -> g/kWh."""
    return f'SELECT {scale}sum("{part}") / sum("{whole}") {emission(window, SHOWN, above(whole))} {grouping}'.rstrip()


def weighted(share: str, whole: str, window: str, *, grouping: str = EACH) -> str:
    """Return a share over several windows, weighted by the whole energy: a ratio of sums."""
    rows = f'SELECT "{share}" * "{whole}" AS "part", "{whole}" AS "whole" {emission(window, SHOWN, above(whole))}'
    return f'SELECT sum("part") / sum("whole") FROM ({rows}) WHERE {SHOWN} {grouping}'.rstrip()


def total(field: str, window: str, *, scale: str = "") -> str:
    """Return a sum over the dashboard's period. scale: such as KILO."""
    return f'SELECT sum("{field}"){scale} {emission(window)}'


def points(field: str, window: str, *, scale: str = "") -> str:
    """Return each stored window at its start: the site's local days, independent of the browser's zone."""
    return f'SELECT "{field}"{scale} {emission(window)}'


def latest(fields: str, source: str, by: str = "") -> str:
    """Return the last row as a whole, so that its values are of the same record."""
    return f"SELECT {fields} {source} {f'GROUP BY {by} ' if by else ''}ORDER BY time DESC LIMIT 1"


def energy(role: str, *more: str) -> str:
    """Return Wh of each device of a role: 15-minute means x 1/4 h."""
    means = f'SELECT mean("active_power_total") AS "power" {device(is_role(role), *more)}'
    quarters = f'{means} GROUP BY time(15m), "device" fill(none)'
    return f'SELECT sum("power") / 4 FROM ({quarters}) WHERE {SHOWN} GROUP BY "device"'


def _from(measurement: str, *conditions: str) -> str:
    return f'FROM "{measurement}" WHERE {" AND ".join(conditions)}'


def above(field: str) -> str:
    """Return the condition for rows with a field above 0, a valid denominator."""
    return f'"{field}" > 0'
