"""Efficiency: consumption by group, peak demand, power factor, energy performance indicators."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from . import panels as p
from . import query as q
from .board import board
from .query import Query
from .texts import Texts

GROUPS = ("industry", "power", "building", "transport", "rest")

INCOMING = (q.is_role("grid"), '"active_power_total" > 0')
"""Rows of the incomers during import, as the tariff counts."""

POWER_FACTOR = (
    'mean("active_power_total") / sqrt(mean("active_power_total") * mean("active_power_total")'
    ' + mean("reactive_power_total") * mean("reactive_power_total"))'
)
"""The ratio of energies over the same time equals the ratio of mean powers."""

LIMIT = 0.90
"""Industry above 160 kVA: tariff rule (83) Shuidian Caizi No. 215 (METHOD 5)."""


def _extreme(texts: Texts, key: str, what: str, unit: str) -> stat.Panel:
    return p.number(texts, key, f"SELECT {what} {q.emission('15m')}", unit)


def _goal(texts: Texts, key: str, goals: tuple[str, ...], unit: str, *, width: int) -> timeseries.Panel:
    """Return a panel with value and target of goals over time."""
    queries = {
        f"{goal} {field}": Query(f'SELECT "{field}" {q.goal(q.is_goal(goal))}')
        for goal in goals
        for field in ("value", "target")
    }
    return p.steps_of(texts, key, queries, unit, width=width)


def efficiency(texts: Texts) -> Dashboard:
    """Return the dashboard in the language of the texts."""
    groups = {name: Query(q.points(f"{name}_energy", "1h")) for name in GROUPS}
    split = {name: Query(q.total(f"{name}_emission", "1h", scale=q.KILO)) for name in GROUPS}
    consumers = f"({q.is_role('load')} OR {q.is_role('ev')})"
    meters = f'SELECT mean("active_power_total") {q.device(consumers, q.DEVICES)}'
    peaks = {
        name: Query(f'SELECT max("{name}_power") {q.emission("15m")} {q.EACH}', interval="15m")
        for name in ("grid_import", "load")
    }
    loaded = q.emission("15m", q.SHOWN, q.above("load_power"))
    factor = f"SELECT {POWER_FACTOR} {q.device(*INCOMING)}"
    return board(
        texts,
        since="now-7d",
        refresh="5m",
        devices=True,
        rows=[
            (
                "total",
                [
                    _extreme(texts, "peak", 'max("grid_import_power")', p.WATT),
                    _extreme(texts, "highest_load", 'max("load_power")', p.WATT),
                    _extreme(texts, "lowest_load", 'min("load_power")', p.WATT),
                    p.number(
                        texts,
                        "load_factor",
                        f'SELECT mean("load_power") / max("load_power") {loaded}',
                        p.SHARE,
                    ),
                    p.number(
                        texts,
                        "power_factor",
                        factor,
                        "short",
                        decimals=3,
                        steps=((None, "red"), (LIMIT, "green")),
                    ),
                    p.number(
                        texts,
                        "B10",
                        q.latest('"value", "state"', q.goal(q.is_goal("B10"))),
                        "short",
                        field="value",
                        decimals=3,
                    ),
                ],
            ),
            (
                "groups",
                [
                    p.stacked(texts, "groups", groups, p.WATT_HOUR, bars=True, width=16),
                    p.shares(texts, "split", split, p.KILOGRAM, width=8),
                    p.stacked(
                        texts,
                        "meters",
                        {
                            "meters": Query(
                                f"{meters} {q.BY_DEVICE}",
                                alias="$tag_device",
                                interval="1m",
                            )
                        },
                        p.WATT,
                        width=16,
                    ),
                    p.shares(
                        texts,
                        "energy",
                        {"energy": Query(q.energy("load", q.DEVICES), alias="$tag_device")},
                        p.WATT_HOUR,
                        width=8,
                    ),
                ],
            ),
            (
                "demand",
                [
                    p.lines(texts, "peaks", peaks, p.WATT),
                    p.lines(
                        texts,
                        "factor",
                        {"factor": Query(f"{factor} {q.EACH}", interval="15m")},
                        "short",
                        fill=0,
                        top=1.0,
                        limits=((None, "text"), (LIMIT, "orange")),
                    ),
                ],
            ),
            (
                "enpi",
                [
                    _goal(texts, "enpi", ("B10",), "short", width=12),
                    _goal(texts, "idle", ("B07",), "percent", width=12),
                ],
            ),
        ],
    )
