"""Solar: yield, self-consumption, comparison of the inverters, coincidence with the load."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard

from . import panels as p
from . import query as q
from .board import board
from .query import Query
from .texts import Texts

QUARTER = "15m"

OVERLAP = '("load_energy" + "pv_energy" - abs("load_energy" - "pv_energy")) / 2'
"""The smaller of two numbers; InfluxQL has no function for it."""

ROOF = q.is_role("pv")


def _overlap(more: str = "") -> str:
    rows = f'SELECT {OVERLAP} AS "overlap" {q.emission("15m")}'
    return f'SELECT {"4 * mean" if more else "sum"}("overlap") FROM ({rows}) WHERE {q.SHOWN} {more}'.rstrip()


def _device(field: str, alias: str = "$tag_device") -> Query:
    text = f'SELECT mean("{field}") {q.device(ROOF, q.DEVICES)} {q.BY_DEVICE}'
    return Query(text, alias=alias, interval="1m")


def _share(texts: Texts, field: str, whole: str) -> stat.Panel:
    return p.number(texts, field, q.weighted(field, whole, "15m", grouping=""), p.SHARE)


def solar(texts: Texts) -> Dashboard:
    """Return the dashboard in the language of the texts."""
    yields = {"pv": Query(q.points("pv_energy", "1d")), "export": Query(q.points("grid_export_energy", "1d"))}
    used = {name: Query(q.points(name, "1d")) for name in ("self_consumption", "self_sufficiency")}
    alignment = {
        "load": Query(q.mean("load_power", "15m"), interval=QUARTER),
        "pv": Query(q.mean("pv_power", "15m"), interval=QUARTER),
        "overlap": Query(_overlap(q.EACH), interval=QUARTER),
    }
    goal = q.latest('"value", "state"', q.goal(q.is_goal("A09")))
    return board(
        texts,
        since="now-7d",
        refresh="5m",
        devices=True,
        rows=[
            (
                "total",
                [
                    p.number(texts, "pv_energy", q.total("pv_energy", "15m"), p.WATT_HOUR),
                    _share(texts, "self_consumption", "pv_energy"),
                    _share(texts, "self_sufficiency", "load_energy"),
                    p.number(texts, "grid_export_energy", q.total("grid_export_energy", "15m"), p.WATT_HOUR),
                    p.number(texts, "highest", f'SELECT max("pv_power") {q.emission("15m")}', p.WATT),
                    p.number(texts, "avoided", q.total("avoided", "15m", scale=q.KILO), p.KILOGRAM),
                ],
            ),
            ("days", [p.bars(texts, "yield", yields, p.WATT_HOUR), p.steps_of(texts, "used", used, p.SHARE)]),
            (
                "inverters",
                [
                    p.lines(texts, "power", {"power": _device("active_power_total")}, p.WATT, fill=0, width=16),
                    p.shares(
                        texts,
                        "energy",
                        {"energy": Query(q.energy("pv", q.DEVICES), alias="$tag_device")},
                        p.WATT_HOUR,
                        width=8,
                    ),
                    p.lines(texts, "dc", {"dc": _device("dc_power")}, p.WATT, fill=0),
                    p.lines(texts, "temperature", {"t": _device("temperature_internal")}, "celsius", fill=0),
                ],
            ),
            (
                "alignment",
                [
                    p.lines(texts, "alignment", alignment, p.WATT, width=16),
                    p.number(texts, "overlap", _overlap(), p.WATT_HOUR),
                    p.number(texts, "A09", goal, "percent", field="value", decimals=1),
                ],
            ),
        ],
    )
