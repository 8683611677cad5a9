"""States of /api/now for sites of several shapes: what the page's power flow must draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.page_view import HOSTILE, FixedView, device, flow

BALANCE = {
    "grid_import_power": 0.0,
    "grid_export_power": 0.0,
    "pv_power": 0.0,
    "generation_power": 0.0,
    "battery_discharge_power": 0.0,
    "battery_charge_power": 0.0,
}


def state(
    *nodes: dict[str, Any], states: Mapping[str, Mapping[str, object]] | None = None, **balance: float
) -> dict[str, Any]:
    """Return the changed parts of a state: wiring, its devices, and the balance. states: more of a device, by name."""
    devices = [
        device(node["name"], node["role"], node["power"], behind=[], **(states or {}).get(node["name"], {}))
        for node in nodes
        if node["devices"] == [node["name"]] and node["role"] != "hybrid"
    ]
    common = FixedView().state["emission"]
    kept = {name: value for name, value in common.items() if not name.endswith("_power")}
    return {"wiring": list(nodes), "devices": devices, "emission": {**kept, **BALANCE, **balance}}


def hybrid(name: str, terminal: float | None, *, behind: str = "", **more: object) -> dict[str, Any]:
    """Return the node of a hybrid inverter."""
    return flow(name, "hybrid", terminal, behind=behind, **more)


def strings(inverter: str, power: float | None, node: str = "", **more: object) -> dict[str, Any]:
    """Return the PV strings of an inverter."""
    return flow(f"{inverter} pv", "pv", power, behind=node or inverter, devices=[inverter], **more)


def hybrid_site() -> dict[str, Any]:
    """Noon of METHOD-SITE 8.2 (T 4.8, P 8.0, B -3.0 kW) beside the hall of 8.3 (a), whose PV stands behind it."""
    return state(
        flow("incomer", "grid", 32e3),
        hybrid("roof-east", 4.8e3, grid_port=2.8e3, backup=2e3),
        strings("roof-east", 8e3),
        flow("store-east", "battery", -3e3, behind="roof-east", soc=0.62),
        flow("hall", "load", 30e3),
        flow("roof-hall", "pv", 20e3, behind="hall"),
        flow("furnace", "load", 12e3, behind="hall"),
        flow("office", "load", 5e3, behind="hall"),
        load_power=56.8e3,
        grid_import_power=32e3,
        pv_power=27.8e3,
        battery_charge_power=3e3,
        residual_power=-6.8e3,
    )


def silent_site() -> dict[str, Any]:
    """The PV meter is silent, an inverter sleeps, and the registers of two hybrids tell too little: no load."""
    changed = state(
        flow("incomer", "grid", 32e3),
        flow("roof-west", "pv", None, reason="no reading"),
        flow("roof-north", "pv", 0.0, basis="asleep"),
        hybrid("roof-east", 4.8e3),
        strings("roof-east", 8e3),
        flow("store-east", "battery", None, behind="roof-east", reason="no power"),
        hybrid("shed", -3e3, reason="contradiction"),
        strings("shed", None, reason="contradiction"),
        flow("store-shed", "battery", None, behind="shed", reason="contradiction"),
        flow("hall", "load", 30e3, basis="counted"),
        states={"roof-west": {"state": "stale", "age": 75.0}, "store-east": {"state": "partial"}},
        grid_import_power=32e3,
    )
    unknown = ("pv_power", "battery_discharge_power", "battery_charge_power", "emission_intensity", "emission_rate")
    changed["emission"] = {name: value for name, value in changed["emission"].items() if name not in unknown}
    return changed


def incomers_site() -> dict[str, Any]:
    """Three incomers on a busbar: +100, -40 and 25 kW are 85 kW of import (METHOD-SITE 8.4)."""
    return state(
        flow("incomer-1", "grid", 100e3),
        flow("incomer-2", "grid", -40e3),
        flow("incomer-3", "grid", 25e3),
        flow("genset", "genset", 0.0),
        load_power=85e3,
        grid_import_power=85e3,
    )


def connections_site() -> dict[str, Any]:
    """Two incomers with a busbar each, +100 and -40 kW (METHOD-SITE 8.4, netting by connection)."""
    changed = state(
        flow("west", "grid", 100e3),
        flow("press", "load", 90e3, behind="west"),
        flow("east", "grid", -40e3),
        flow("roof", "pv", 50e3, behind="east"),
        flow("office", "load", 8e3, behind="east"),
        load_power=110e3,
        grid_import_power=100e3,
        grid_export_power=40e3,
        pv_power=50e3,
        residual_power=-12e3,
    )
    return changed | {"grid": {**FixedView().state["grid"], "netting": "connection"}}


def large_site() -> dict[str, Any]:
    """40 devices: two incomers, three hybrids, and four halls with roofs and machines, six levels deep."""
    nodes = [flow("incomer-1", "grid", 400e3), flow("incomer-2", "grid", 380e3)]
    for number in range(1, 4):
        name = f"hybrid-{number}"
        nodes += [
            hybrid(name, 40e3),
            strings(name, 60e3),
            flow(f"store-{number}", "battery", -18e3, behind=name, soc=0.4),
        ]
    for number in range(1, 5):
        hall = f"hall-{number}"
        nodes += [flow(hall, "load", 200e3), flow(f"roof-hall-{number}", "pv", 30e3, behind=hall)]
        nodes += [flow(f"hall-{number}-machine-{machine}", "load", 20e3, behind=hall) for machine in range(1, 5)]
    above = ""
    for level in range(1, 7):
        nodes.append(flow(f"level-{level}-of-a-switchboard-with-a-long-name", "load", 1e3 * (7 - level), behind=above))
        above = str(nodes[-1]["name"])
    nodes.append(flow(HOSTILE, "ev", 22e3))
    sums: dict[str, Any] = {
        "load_power": 1020e3,
        "grid_import_power": 780e3,
        "pv_power": 294e3,
        "battery_charge_power": 54e3,
    }
    return state(*nodes, **sums, residual_power=-12e3)


SITES = {
    "hybrid": hybrid_site,
    "silent": silent_site,
    "incomers": incomers_site,
    "connections": connections_site,
    "large": large_site,
}
