"""Site now: the present state of the site, and the hours before."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard

from . import panels as p
from . import query as q
from .board import board
from .query import Query
from .texts import Texts

HELD = "1m"
"""Least distance of points in curves of ticks: with ticks of up to a minute, no point is empty."""

CARBON_FLOWS = {
    "import": "grid_import",
    "pv": "pv",
    "generation": "generation",
    "discharge": "battery_discharge",
    "charge": "battery_charge",
    "export": "grid_export",
    "unaccounted": "unaccounted",
}
"""Fields of the carbon of each flow but the load, by the key of their text (METHOD-SITE 12)."""

STOCK = Query(q.points("battery_stock_emission", "15m", scale=q.KILO), interval="15m")


def _now(texts: Texts, field: str, unit: str, steps: p.Steps = p.NEUTRAL) -> stat.Panel:
    row = q.latest(f'"{field}", "coverage"', q.emission("tick", q.NOW))
    return p.number(texts, field, row, unit, field=field, steps=steps)


def _energy(texts: Texts, field: str) -> stat.Panel:
    return p.number(texts, field, q.total(field, "15m"), p.WATT_HOUR)


def _mass(texts: Texts, field: str) -> stat.Panel:
    return p.number(texts, field, q.total(field, "15m", scale=q.KILO), p.KILOGRAM)


def site_now(language: Texts) -> Dashboard:
    """Return the dashboard in the language of the texts."""
    texts = language
    coverage = q.latest('"load_power", "coverage"', q.emission("tick", q.NOW))
    flows = {
        "pv": q.mean("pv_power", "tick"),
        "generation": q.mean("generation_power", "tick"),
        "discharge": q.mean("battery_discharge_power", "tick"),
        "import": q.mean("grid_import_power", "tick"),
        "charge": q.mean("battery_charge_power", "tick", sign="-1 * "),
        "export": q.mean("grid_export_power", "tick", sign="-1 * "),
    }
    clean = {
        "clean": q.weighted("clean_share", "load_energy", "tick"),
        "sufficiency": q.weighted("self_sufficiency", "load_energy", "tick"),
    }
    scopes = {
        name: Query(q.points(name, "1h", scale=q.KILO)) for name in ("scope1", "scope2_location", "scope2_market")
    }
    carbon_flows = {
        name: Query(q.points(f"{flow}_emission", "1h", scale=q.KILO)) for name, flow in CARBON_FLOWS.items()
    }
    power = q.latest('"active_power_total", "quality"', q.device(q.DEVICES, time=q.NOW), '"device", "role"')
    source = q.latest('"grid_source", "grid_tier", "grid_age", "basis", "coverage"', q.emission("tick", q.NOW))
    carbon = q.ratio("emission", "load_energy", "15m", scale="1000 * ", grouping="")
    return board(
        texts,
        since="now-6h",
        refresh="30s",
        devices=True,
        rows=[
            (
                "now",
                [
                    _now(texts, "emission_intensity", p.INTENSITY),
                    _now(texts, "grid_intensity", p.INTENSITY),
                    _now(texts, "emission_rate", "suffix:g/h"),
                    _now(texts, "load_power", p.WATT),
                    _now(texts, "clean_share", p.SHARE),
                    p.number(texts, "coverage", coverage, p.SHARE, field="coverage", steps=p.good_above(0.9, 1.0)),
                ],
            ),
            (
                "course",
                [
                    p.lines(
                        texts,
                        "intensity",
                        {
                            "site": Query(q.ratio("emission", "load_energy", "tick", scale="1000 * "), interval=HELD),
                            "grid": Query(q.mean("grid_intensity", "tick"), interval=HELD),
                            "battery": Query(q.mean("battery_intensity", "tick"), interval=HELD),
                        },
                        p.INTENSITY,
                        fill=0,
                    ),
                    p.stacked(
                        texts, "flow", {name: Query(text, interval=HELD) for name, text in flows.items()}, p.WATT
                    ),
                    p.lines(
                        texts,
                        "clean",
                        {name: Query(text, interval=HELD) for name, text in clean.items()},
                        p.SHARE,
                        top=1.0,
                        fill=0,
                    ),
                    p.steps_of(texts, "scopes", scopes, p.KILOGRAM),
                    p.steps_of(texts, "carbon", carbon_flows, p.KILOGRAM),
                    p.lines(texts, "stock", {"stock": STOCK}, p.KILOGRAM, fill=20),
                ],
            ),
            (
                "total",
                [
                    p.number(texts, "mean_intensity", carbon, p.INTENSITY),
                    _mass(texts, "emission"),
                    _mass(texts, "avoided"),
                    _energy(texts, "load_energy"),
                    _energy(texts, "grid_import_energy"),
                    _energy(texts, "grid_export_energy"),
                ],
            ),
            (
                "sources",
                [
                    p.rows(
                        texts,
                        "devices",
                        power,
                        {
                            "Time": "dateTimeFromNow",
                            "device": "",
                            "role": "",
                            "active_power_total": p.WATT,
                            "quality": "",
                        },
                    ),
                    p.rows(
                        texts,
                        "grid",
                        source,
                        {
                            "Time": "dateTimeFromNow",
                            "grid_source": "",
                            "grid_tier": "",
                            "grid_age": p.SECOND,
                            "basis": "",
                            "coverage": p.SHARE,
                        },
                    ),
                ],
            ),
        ],
    )
