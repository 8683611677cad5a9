"""InfluxQL as the dashboards ask it: measurement, tags and fields as SPEC 5 names them.

Only what InfluxDB 1, 2 (through a DBRP mapping) and 3 have in common. A division by zero is 0 in InfluxQL and would
look like a value, so every ratio leaves out the rows whose denominator is not above 0.
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
"""The dashboard's time."""

NOW = "time > ${__to}ms - 2m AND time <= ${__to}ms"
"""The last two minutes of the dashboard's time: what is older is not shown as present."""

LATELY = "time > ${__to}ms - 10m AND time <= ${__to}ms"
"""The same of what comes once a minute."""

KILO = " / 1000"
"""g as kg: Grafana's own unit for mass would make Mg of a tonne."""

EACH = "GROUP BY time($__interval) fill(null)"
"""By the time of a pixel; time without a value has an empty row, so that no line is drawn over it."""

BY_DEVICE = 'GROUP BY time($__interval), "device" fill(null)'
"""The same of each device."""


@dataclass(frozen=True, slots=True)
class Query(Builder[Dataquery], Dataquery):
    """One query of a panel. alias: the series' name, `$tag_NAME` for a tag. table: rows instead of series.

    interval: the shortest `$__interval`, the distance of the points that it asks for.
    """

    text: str
    alias: str = ""
    table: bool = False
    interval: str = ""
    ref: str = "A"

    def build(self) -> Query:
        """Itself: it needs no building."""
        return self

    def to_json(self) -> Mapping[str, Any]:
        """As Grafana's InfluxDB data source reads it."""
        shown: dict[str, Any] = {
            "refId": self.ref,
            "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
            "query": self.text,
            "rawQuery": True,
            "resultFormat": "table" if self.table else "time_series",
        }
        if self.alias:
            shown["alias"] = self.alias
        return shown


def emission(window: str, time: str = SHOWN, *more: str) -> str:
    """FROM and WHERE of a site's `emission` records of one window."""
    return _from("emission", SITE, f"\"window\" = '{window}'", *more, time)


def device(*more: str, time: str = SHOWN) -> str:
    """FROM and WHERE of a site's `device` records."""
    return _from("device", SITE, *more, time)


def goal(*more: str, time: str = SHOWN) -> str:
    """FROM and WHERE of a site's `goal` records."""
    return _from("goal", SITE, *more, time)


def is_goal(name: str) -> str:
    """Records of one goal."""
    return f"\"goal\" = '{name}'"


def is_role(name: str) -> str:
    """Records of the devices of one role."""
    return f"\"role\" = '{name}'"


def gateway(time: str = SHOWN) -> str:
    """FROM and WHERE of a gateway's own figures."""
    return _from("gateway", SITE, time)


def event(*more: str, time: str = SHOWN) -> str:
    """FROM and WHERE of what operators were told."""
    return _from("event", SITE, *more, time)


def mean(field: str, window: str, *, sign: str = "") -> str:
    """A mean over the time of a pixel; windows of one kind are equally long."""
    return f'SELECT {sign}mean("{field}") {emission(window)} {EACH}'


def ratio(part: str, whole: str, window: str, *, scale: str = "", each: str = EACH) -> str:
    """A ratio of two sums; scale: such as "1000 * " for g/Wh -> g/kWh."""
    return f'SELECT {scale}sum("{part}") / sum("{whole}") {emission(window, SHOWN, above(whole))} {each}'.rstrip()


def weighted(share: str, whole: str, window: str, *, each: str = EACH) -> str:
    """A share of several windows, each by the energy that it is a share of: again a ratio of sums."""
    rows = f'SELECT "{share}" * "{whole}" AS "part", "{whole}" AS "whole" {emission(window, SHOWN, above(whole))}'
    return f'SELECT sum("part") / sum("whole") FROM ({rows}) WHERE {SHOWN} {each}'.rstrip()


def total(field: str, window: str, *, scale: str = "") -> str:
    """A sum over the dashboard's time; scale: such as KILO."""
    return f'SELECT sum("{field}"){scale} {emission(window)}'


def points(field: str, window: str, *, scale: str = "") -> str:
    """Each window as it is stored, at its start: the site's own days, whatever the browser's zone."""
    return f'SELECT "{field}"{scale} {emission(window)}'


def latest(fields: str, source: str, by: str = "") -> str:
    """The last row as a whole, so that no value of an older one stands beside a newer state."""
    return f"SELECT {fields} {source} {f'GROUP BY {by} ' if by else ''}ORDER BY time DESC LIMIT 1"


def energy(role: str, *more: str) -> str:
    """Wh of each device of a role: the means of quarters of an hour, a quarter of an hour each."""
    means = f'SELECT mean("active_power_total") AS "power" {device(is_role(role), *more)}'
    quarters = f'{means} GROUP BY time(15m), "device" fill(none)'
    return f'SELECT sum("power") / 4 FROM ({quarters}) WHERE {SHOWN} GROUP BY "device"'


def _from(measurement: str, *conditions: str) -> str:
    return f'FROM "{measurement}" WHERE {" AND ".join(conditions)}'


def above(field: str) -> str:
    """Rows whose field is above 0, which may be divided by."""
    return f'"{field}" > 0'
