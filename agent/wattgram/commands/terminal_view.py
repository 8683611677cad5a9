"""Terminal view of the devices, flows and sinks of a gateway, for `wattgram top`. Only this module imports rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .state_stream import StateUnavailable

STYLES = {"good": "green", "online": "green", "waiting": "dim", "lost": "bold red", "away": "bold red"}
FLOW_ROWS = (
    ("used", "load_power", ""),
    ("solar", "pv_power", ""),
    ("generators", "generation_power", ""),
    ("battery", "battery_discharge_power", "battery_charge_power"),
    ("grid", "grid_import_power", "grid_export_power"),
)
"""Rows of flows: label, a power, and a power to subtract."""

EVENT_ROWS = 5


def watch(states: Iterable[Mapping[str, Any] | StateUnavailable], url: str, console: Console) -> None:
    """Show each state; while no state is available, show the reason."""
    state: Mapping[str, Any] | None = None
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(Text(f"waiting for {url}"), refresh=True)
        for update in states:
            reason = update.reason if isinstance(update, StateUnavailable) else ""
            state = state if isinstance(update, StateUnavailable) else update
            live.update(screen(state, reason, url), refresh=True)


def screen(state: Mapping[str, Any] | None, reason: str, url: str) -> RenderableType:
    """Return the whole view. `reason`: why no state is available, or ""."""
    warning = [Text(f"reconnecting to {plain(url)}: {plain(reason)}", "bold red")] if reason else []
    if state is None:
        return Group(*warning)
    boxes = Columns([_flows(state), _sinks(state)], padding=(0, 1))
    return Group(_head(state), *warning, boxes, _devices(state), _events(state))


def plain(value: object) -> str:
    """Return a text from outside without control characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))


def _head(state: Mapping[str, Any]) -> Text:
    emission, grid = state.get("emission", {}), state.get("grid", {})
    return Text.assemble(
        (plain(state.get("site", "")), "bold"),
        f"  {plain(state.get('time', ''))}  ",
        (f"{_number(emission.get('emission_intensity'))} g/kWh", "bold green"),
        f"  grid {_number(emission.get('grid_intensity', grid.get('intensity')))} g/kWh"
        f"  coverage {_share(emission.get('coverage'))}",
    )


def _flows(state: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="left")
    table.add_column(justify="right")
    emission = state.get("emission", {})
    for name, gain, loss in FLOW_ROWS:
        plus, minus = emission.get(gain), emission.get(loss, 0.0) if loss else 0.0
        table.add_row(name, _power(plus - minus if _finite(plus) and _finite(minus) else None))
    return Panel(table, title="flows", title_align="left")


def _sinks(state: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, padding=(0, 1))
    for name in ("sink", "state", "waiting"):
        table.add_column(name, justify="right" if name == "waiting" else "left")
    for sink in state.get("sinks", []):
        table.add_row(plain(sink["name"]), _state(sink["state"]), f"{sink['pending']}", style=None)
    spool = plain(state.get("spool", {}).get("state", ""))
    table.add_row("store", _state(spool), f"{state.get('spool', {}).get('unsynced', '')}")
    return Panel(table, title="delivery", title_align="left")


def _devices(state: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1))
    for name in ("device", "role", "state", "power", "age", "detail"):
        table.add_column(name, justify="right" if name in ("power", "age") else "left", no_wrap=name != "detail")
    for device in state.get("devices", []):
        words = plain(device["name"]), plain(device["role"]), _state(device["state"])
        table.add_row(*words, _power(device["power"]), f"{_number(device['age'])} s", plain(device["detail"]))
    return Panel(table, title="devices", title_align="left")


def _events(state: Mapping[str, Any]) -> RenderableType:
    lines = [
        " ".join(plain(event[name]) for name in ("time", "device", "event", "detail") if event[name])
        for event in state.get("events", [])[:EVENT_ROWS]
    ]
    return Panel(Text("\n".join(lines) or "no events since the start"), title="events", title_align="left")


def _state(state: object) -> Text:
    return Text(plain(state), STYLES.get(str(state), "yellow"))


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _number(value: Any) -> str:
    return f"{value:.1f}" if _finite(value) else "-"


def _power(value: Any) -> str:
    return f"{value / 1e3:.2f} kW" if _finite(value) else "-"


def _share(value: Any) -> str:
    return f"{100 * value:.0f} %" if _finite(value) else "-"
