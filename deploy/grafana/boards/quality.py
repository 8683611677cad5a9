"""Data quality: completeness of the data, and state of gateway, buses, spool and sinks."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.dashboard import ValueMap

from . import panels as p
from . import query as q
from .board import board
from .query import Query
from .texts import Texts

COLOURS = {
    "good": "green",
    "estimated": "blue",
    "reset": "purple",
    "glitch": "orange",
    "partial": "yellow",
    "implausible": "dark-orange",
    "stale": "red",
}
"""The qualities of SPEC 5."""

MINUTE = "1m"
"""A gateway publishes its metrics once a minute."""

NOT_GOOD = "\"quality\" <> 'good'"

_TICKS = (
    f'SELECT count("load_power") AS "known", count("coverage") AS "all" {q.emission("tick")}'
    " GROUP BY time($__interval) fill(0)"
)

UNKNOWN_LOAD = Query(
    f'SELECT 1 - "known" / "all" FROM ({_TICKS}) WHERE {q.SHOWN} AND {q.above("all")}',
    interval="15m",
)
"""Share of the recorded ticks without a load. Every tick has a coverage. Without fill(0), InfluxQL would leave out the
intervals without any load."""

CLOCK = '"event" =~ /^clock /'


def _qualities(texts: Texts) -> ValueMap:
    return p.mapped((quality, texts("qualities", quality), colour) for quality, colour in COLOURS.items())


def _latest_metric(texts: Texts, field: str, unit: str, steps: p.Steps = p.NEUTRAL) -> stat.Panel:
    """Return a metric of the gateway's last record. Every record contains `uptime`."""
    row = q.latest(f'"{field}", "uptime"' if field != "uptime" else '"uptime", "memory"', q.gateway(q.LATELY))
    return p.number(texts, field, row, unit, field=field, steps=steps)


def _metrics(how: str, *fields: str) -> dict[str, Query]:
    """Return metrics of the gateway over time. how: a function with a placeholder for the field."""
    return {field: Query(f"SELECT {how.format(field)} {q.gateway()} {q.EACH}", interval=MINUTE) for field in fields}


def _counted(how: str, change: str, *fields: str) -> dict[str, Query]:
    """Return increments of counters from record to record, without restarts, where counters return to 0.

    how: aggregation over a point's interval. change: a function with a placeholder for the field.
    """
    return {
        field: Query(
            f'SELECT {how}("change") FROM (SELECT {change.format(field)} AS "change" {q.gateway()})'
            f" WHERE {q.SHOWN} {q.EACH}",
            interval=MINUTE,
        )
        for field in fields
    }


def _rates(*fields: str) -> dict[str, Query]:
    return _counted("mean", 'non_negative_derivative("{}", 1s)', *fields)


def _grown(*fields: str) -> dict[str, Query]:
    return _counted("sum", 'non_negative_difference("{}")', *fields)


def _bounds(field: str) -> dict[str, Query]:
    """Return the hours of a field, and the ends of its range of uncertainty."""
    parts = {"value": "", "lower": f' - "{field}_uncertainty"', "upper": f' + "{field}_uncertainty"'}
    return {name: Query(f'SELECT "{field}"{part} {q.emission("1h")}') for name, part in parts.items()}


COVERED = "time >= ${__from}ms AND time <= ${__to}ms - 15m"
"""15-minute windows that end within the dashboard's period."""


def quality(texts: Texts) -> Dashboard:
    """Return the dashboard in the language of the texts."""
    covered = f'SELECT sum("coverage") * 900000 / (${{__to}} - ${{__from}}) {q.emission("15m", COVERED)}'
    timeline = f'SELECT last("quality") {q.device(q.DEVICES)} {q.BY_DEVICE}'
    others = f'SELECT count("quality") {q.device(q.DEVICES, NOT_GOOD)} {q.BY_DEVICE}'
    readings = q.latest('"quality"', q.device(q.DEVICES), '"device", "role", "driver"')
    events = f'SELECT "device", "severity", "event", "detail" {q.event()} ORDER BY time DESC LIMIT 200'
    clock = f'SELECT "event", "detail" {q.event(CLOCK)} ORDER BY time DESC LIMIT 50'
    columns = {"Time": "dateTimeAsIso", "device": "", "severity": "", "event": "", "detail": ""}
    of_clock = {name: unit for name, unit in columns.items() if name not in ("device", "severity")}
    mapping = _qualities(texts)
    return board(
        texts,
        since="now-24h",
        refresh="1m",
        devices=True,
        rows=[
            (
                "now",
                [
                    p.number(texts, "covered", covered, p.SHARE, steps=p.good_above(0.9, 0.99)),
                    _latest_metric(texts, "devices_good", p.COUNT),
                    _latest_metric(texts, "bus_headroom", p.SHARE, p.good_above(0.1, 0.3)),
                    _latest_metric(texts, "parts_stuck", p.COUNT, p.ANY_IS_BAD),
                    _latest_metric(texts, "spool_lost", p.COUNT, p.ANY_IS_BAD),
                    _latest_metric(texts, "uptime", p.SECOND),
                ],
            ),
            (
                "devices",
                [
                    p.bars(texts, "coverage", {"coverage": Query(q.points("coverage", "1h"))}, p.SHARE)
                    .min(0.0)
                    .max(1.0),
                    p.bars(texts, "unknown_load", {"unknown": UNKNOWN_LOAD}, p.SHARE).min(0.0).max(1.0),
                    p.bars(
                        texts, "unaccounted", {"unaccounted": Query(q.points("unaccounted_energy", "1h"))}, p.WATT_HOUR
                    ),
                    p.bars(texts, "estimated", {"estimated": Query(q.points("estimated_energy", "1h"))}, p.WATT_HOUR),
                    p.states(texts, "timeline", Query(timeline, alias="$tag_device", interval=MINUTE), mapping),
                    p.rows(
                        texts,
                        "readings",
                        readings,
                        {"Time": "dateTimeFromNow", "device": "", "role": "", "driver": "", "quality": ""},
                        mappings=[mapping],
                    ),
                    p.stacked(
                        texts,
                        "others",
                        {"others": Query(others, alias="$tag_device", interval="15m")},
                        p.COUNT,
                        bars=True,
                    ),
                ],
            ),
            (
                "uncertainty",
                [
                    p.lines(texts, "sure_intensity", _bounds("emission_intensity"), p.INTENSITY, fill=0),
                    p.lines(texts, "sure_load", _bounds("load_energy"), p.WATT_HOUR, fill=0),
                ],
            ),
            (
                "buses",
                [
                    p.lines(texts, "headroom", _metrics('min("{}")', "bus_headroom"), p.SHARE, top=1.0),
                    p.bars(texts, "failures", _grown("read_failures"), p.COUNT),
                ],
            ),
            (
                "delivery",
                [
                    p.lines(
                        texts,
                        "waiting",
                        _metrics('max("{}")', "mqtt_undelivered", "influxdb_undelivered", "spool_unsynced"),
                        p.COUNT,
                    ),
                    p.lines(texts, "delivered", _rates("mqtt_delivered", "influxdb_delivered"), "cps"),
                    p.lines(texts, "spool", _metrics('max("{}")', "spool_share"), p.SHARE, top=1.0),
                    p.bars(texts, "losses", _grown("spool_lost", "spool_damaged", "spool_refused"), p.COUNT),
                ],
            ),
            (
                "gateway",
                [
                    p.lines(texts, "memory", _metrics('max("{}")', "memory"), p.BYTE),
                    p.lines(texts, "processor", _rates("cpu_time"), p.SHARE),
                    p.rows(texts, "clock", clock, of_clock),
                    p.rows(texts, "events", events, columns),
                ],
            ),
        ],
    )
