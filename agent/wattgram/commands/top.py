"""`wattgram top`: a gateway's devices, flows and sinks on a whole terminal. The one client of rich."""

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
FLOWS = (
    ("used", "load_power", ""),
    ("solar", "pv_power", ""),
    ("generators", "generation_power", ""),
    ("battery", "battery_discharge_power", "battery_charge_power"),
    ("grid", "grid_import_power", "grid_export_power"),
)
"""What a row of flows shows: a power, and one that is taken from it."""

EVENT_ROWS = 5


def watch(states: Iterable[Mapping[str, Any] | StateUnavailable], url: str, console: Console) -> None:
    """Show each state until they end; in between why there is none."""
    state: Mapping[str, Any] | None = None
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(Text(f"waiting for {url}"), refresh=True)
        for one in states:
            trouble = one.why if isinstance(one, StateUnavailable) else ""
            state = state if isinstance(one, StateUnavailable) else one
            live.update(screen(state, trouble, url), refresh=True)


def screen(state: Mapping[str, Any] | None, trouble: str, url: str) -> RenderableType:
    """All that is to be seen."""
    said = [Text(f"reconnecting to {plain(url)}: {plain(trouble)}", "bold red")] if trouble else []
    if state is None:
        return Group(*said)
    boxes = Columns([_flows(state), _sinks(state)], padding=(0, 1))
    return Group(_head(state), *said, boxes, _devices(state), _events(state))


def plain(value: object) -> str:
    """A text from outside without what a terminal would obey."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(value))


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
    for name, gain, loss in FLOWS:
        more, less = emission.get(gain), emission.get(loss, 0.0) if loss else 0.0
        table.add_row(name, _power(more - less if _known(more) and _known(less) else None))
    return Panel(table, title="flows", title_align="left")


def _sinks(state: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, padding=(0, 1))
    for name in ("sink", "state", "waiting"):
        table.add_column(name, justify="right" if name == "waiting" else "left")
    for one in state.get("sinks", []):
        table.add_row(plain(one["name"]), _state(one["state"]), f"{one['pending']}", style=None)
    spool = plain(state.get("spool", {}).get("state", ""))
    table.add_row("store", _state(spool), f"{state.get('spool', {}).get('unsynced', '')}")
    return Panel(table, title="delivery", title_align="left")


def _devices(state: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1))
    for name in ("device", "role", "state", "power", "age", "said"):
        table.add_column(name, justify="right" if name in ("power", "age") else "left", no_wrap=name != "said")
    for one in state.get("devices", []):
        words = plain(one["name"]), plain(one["role"]), _state(one["state"])
        table.add_row(*words, _power(one["power"]), f"{_number(one['age'])} s", plain(one["detail"]))
    return Panel(table, title="devices", title_align="left")


def _events(state: Mapping[str, Any]) -> RenderableType:
    lines = [
        " ".join(plain(one[name]) for name in ("time", "device", "event", "detail") if one[name])
        for one in state.get("events", [])[:EVENT_ROWS]
    ]
    return Panel(Text("\n".join(lines) or "nothing since the start"), title="events", title_align="left")


def _state(state: object) -> Text:
    return Text(plain(state), STYLES.get(str(state), "yellow"))


def _known(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _number(value: Any) -> str:
    return f"{value:.1f}" if _known(value) else "-"


def _power(value: Any) -> str:
    return f"{value / 1e3:.2f} kW" if _known(value) else "-"


def _share(value: Any) -> str:
    return f"{100 * value:.0f} %" if _known(value) else "-"
