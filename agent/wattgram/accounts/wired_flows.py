"""The flows of a site as it is wired: devices, nodes of hybrid inverters, and what is behind them.

The flows are those of the balance: means over the last interval. A sub-meter has its reading, with the production
behind it already subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, nan
from typing import NamedTuple

from wattgram.acquisition.device_source import Source

from .hybrid_nodes import HybridNode
from .metering_point import PointInterval
from .site_wiring import CELLS, STRINGS, TERMINAL, UNREAD, SiteWiring

HYBRID = "hybrid"
"""Role of the node of a hybrid inverter."""

MEASURED, COUNTED, ASLEEP, COMPUTED = "measured", "counted", "asleep", "computed"
UNKNOWN = "unknown"


class WiredFlow(NamedTuple):
    """A node of the wiring and its flow. behind: name of the node that contains the flow, "" for the busbar.

    role: of the device, or HYBRID. devices: names of the devices that give the flow. power: W in the role's direction,
    NaN if unknown; of a hybrid that of its terminal, + from DC to AC; of PV strings and the battery behind it the DC
    power. basis: MEASURED, COUNTED by the device's counters, ASLEEP, COMPUTED from other registers, or UNKNOWN. reason:
    why the flow is unknown, or what is wrong. backup, grid_port: powers of a hybrid's ports as their registers say, W,
    grid port + into the site; NaN without a register.
    """

    name: str
    role: str
    behind: str
    devices: tuple[str, ...]
    power: float = nan
    basis: str = MEASURED
    reason: str = ""
    backup: float = nan
    grid_port: float = nan


def wired_flows(wiring: SiteWiring, sources: Mapping[str, Source], now: float) -> list[WiredFlow]:
    """Return the nodes of a site in the order of the configuration; `now` is monotonic."""
    shared = [node for node in wiring.nodes if wiring.is_shared(node)]
    node_of = {device.name: node for node in shared for device in (*node.inverters, *node.batteries)}
    flows: list[WiredFlow] = []
    for name, config in wiring.devices.items():
        node = node_of.get(name)
        if node is None:
            above = config.behind[0] if config.behind else ""
            parent = node_of[above].name if above in node_of else above
            flows.append(_device(name, config.role, parent, wiring.points.get(name, UNREAD), sources[name], now))
        elif name == node.name:
            flows += _hybrid(node, wiring, sources, now, node_of)
    return flows


def reason_unknown(source: Source, now: float, *, answered: str = "no power") -> str:
    """Return why the flow of a device is unknown; `answered`: the reason while the device answers."""
    return "frozen" if source.frozen else answered if source.answers(now) else "no reading"


def _device(name: str, role: str, behind: str, interval: PointInterval, source: Source, now: float) -> WiredFlow:
    if not isfinite(interval.power):
        return WiredFlow(name, role, behind, (name,), basis=UNKNOWN, reason=reason_unknown(source, now))
    basis = ASLEEP if interval.asleep else COUNTED if interval.estimated else MEASURED
    return WiredFlow(name, role, behind, (name,), interval.power, basis)


def _hybrid(
    node: HybridNode,
    wiring: SiteWiring,
    sources: Mapping[str, Source],
    now: float,
    node_of: Mapping[str, HybridNode],
) -> Iterator[WiredFlow]:
    """Yield the node of inverters that share a battery, their PV strings, and the batteries."""
    points, inverters = wiring.points, [sources[inverter.name] for inverter in node.inverters]
    names = tuple(inverter.name for inverter in node.inverters)
    above = node.inverters[0].behind[0] if node.inverters[0].behind else ""
    behind = node_of[above].name if above in node_of else above
    terminal = sum(points.get(f"{name} {TERMINAL}", UNREAD).power for name in names)
    channels = [wiring.shares.get(name, UNREAD).power for name in (*node.pv_channels, *node.battery_channels)]
    cells = list(_cells(node, wiring, sources, now))
    known = isfinite(terminal) and all(isfinite(cell.power) for cell in cells)
    contradictory = known and bool(node.battery_channels) and not all(map(isfinite, channels))
    estimated = any(source.terminal is not None and source.terminal.estimated for source in inverters)
    reason = "contradiction" if contradictory else "" if node.battery_channels else "battery not configured"
    if not isfinite(terminal):
        silent = next((source for source in inverters if not source.answers(now)), inverters[0])
        reason = reason_unknown(silent, now)
    if contradictory:
        terminal = nan
    basis = COMPUTED if estimated else MEASURED
    ports = _ports(inverters, now)
    yield WiredFlow(node.name, HYBRID, behind, names, terminal, _basis(terminal, basis), reason, *ports)
    for source in inverters:
        name = source.config.name
        yield _strings(f"{name} pv", node, name, wiring, source, now)
    yield from cells


def _strings(name: str, node: HybridNode, inverter: str, wiring: SiteWiring, source: Source, now: float) -> WiredFlow:
    """Return the PV strings of an inverter; without a register, what the battery leaves of the terminal."""
    power, basis = max(wiring.points.get(f"{inverter} {STRINGS}", UNREAD).power, 0.0), MEASURED
    if not isfinite(power) and len(node.inverters) == 1:
        power, basis = wiring.shares.get(node.pv_channels[0], UNREAD).power, COMPUTED
    reason = "" if isfinite(power) else reason_unknown(source, now)
    return WiredFlow(name, "pv", node.name, (inverter,), power, _basis(power, basis), reason)


def _cells(node: HybridNode, wiring: SiteWiring, sources: Mapping[str, Source], now: float) -> Iterator[WiredFlow]:
    """Yield the batteries of a node; the inverter's register replaces that of a battery that does not answer."""
    points = wiring.points
    own = sum(points.get(f"{inverter.name} {CELLS}", UNREAD).power for inverter in node.inverters)
    for battery in node.batteries:
        power, basis = points.get(battery.name, UNREAD).power, MEASURED
        if not isfinite(power) and len(node.inverters) == len(node.batteries) == 1 and not battery.invert:
            power, basis = own, COMPUTED
        reason = "" if isfinite(power) else reason_unknown(sources[battery.name], now)
        yield WiredFlow(battery.name, "battery", node.name, (battery.name,), power, _basis(power, basis), reason)
    if not node.batteries:
        reason = "" if isfinite(own) else reason_unknown(sources[node.name], now)
        yield WiredFlow(f"{node.name} battery", "battery", node.name, (node.name,), own, _basis(own, MEASURED), reason)


def _ports(inverters: Sequence[Source], now: float) -> tuple[float, float]:
    """Return the power of the backup ports and of the grid ports; NaN if an inverter has no register of it."""
    powers = [(_first(source, "backup_power", now), _first(source, "grid_port", now)) for source in inverters]
    return sum(backup for backup, _ in powers), sum(grid_port for _, grid_port in powers)


def _first(source: Source, port: str, now: float) -> float:
    """Return the power of a port by the first of its registers that has a value, W; NaN if none has."""
    terminal = source.terminal.terminal if source.terminal and source.answers(now) else None
    numbers = (source.number(name) for name in getattr(terminal, port, ()))
    return next((number for number in numbers if number is not None), nan)


def _basis(power: float, basis: str) -> str:
    return basis if isfinite(power) else UNKNOWN
