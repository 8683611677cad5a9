"""The flows of a site as it is wired: devices, nodes of hybrid inverters, and what is behind them.

The flows are those of the balance: means over the last interval. A sub-meter has its reading, with the production
behind it already subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, nan
from typing import NamedTuple

from wattgram.acquisition.device_source import Source
from wattgram.config.devices_table import DeviceConfig

from .hybrid_nodes import HybridNode
from .metering_point import PointInterval
from .site_wiring import CELLS, STRINGS, TERMINAL, UNREAD, SiteWiring

HYBRID = "hybrid"
"""Role of the node of a hybrid inverter."""

MEASURED, COUNTED, ASLEEP, COMPUTED = "measured", "counted", "asleep", "computed"
UNKNOWN = "unknown"
CONTRADICTORY = "contradiction"


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
    nodes = [node for node in wiring.nodes if wiring.is_shared(node)]
    home = {device.name: node.name for node in nodes for device in (*node.inverters, *node.batteries)}
    for node in nodes:
        if len({inverter.behind[:1] for inverter in node.inverters}) > 1:  # drawn apart: each in its own place
            home |= {inverter.name: inverter.name for inverter in node.inverters}
    by_name = {node.name: node for node in nodes}
    flows: list[WiredFlow] = []
    for name, config in wiring.devices.items():
        if name in by_name:
            flows += _hybrid(by_name[name], wiring, sources, now, home)
        elif name not in home:
            behind = _parent(config, home)
            flows.append(_device(name, config.role, behind, wiring.points.get(name, UNREAD), sources[name], now))
    return flows


def _parent(config: DeviceConfig, home: Mapping[str, str]) -> str:
    """Return the node that a device stands behind, "" for the busbar. home: node of each device of a hybrid."""
    above = config.behind[0] if config.behind else ""
    return home.get(above, above)


def reason_unknown(source: Source, now: float) -> str:
    """Return why the flow of a device is unknown; `now` is monotonic."""
    return "frozen" if source.frozen else "no power" if source.answers(now) else "no reading"


def _device(name: str, role: str, behind: str, interval: PointInterval, source: Source, now: float) -> WiredFlow:
    if not isfinite(interval.power):
        return WiredFlow(name, role, behind, (name,), basis=UNKNOWN, reason=reason_unknown(source, now))
    basis = ASLEEP if interval.asleep else COUNTED if interval.estimated else MEASURED
    return WiredFlow(name, role, behind, (name,), interval.power, basis)


def _hybrid(
    node: HybridNode, wiring: SiteWiring, sources: Mapping[str, Source], now: float, home: Mapping[str, str]
) -> Iterator[WiredFlow]:
    """Yield the node of inverters that share a battery, their PV strings, and the batteries.

    Inverters that stand behind different meters are nodes of their own, and the batteries stand behind the first.
    If the registers contradict each other, the balance takes the terminal, and strings and batteries are unknown.
    """
    channels = [wiring.shares.get(name, UNREAD).power for name in (*node.pv_channels, *node.battery_channels)]
    cells = list(_cells(node, wiring, sources, now))
    terminals = {
        inverter.name: wiring.points.get(f"{inverter.name} {TERMINAL}", UNREAD).power for inverter in node.inverters
    }
    known = all(map(isfinite, terminals.values())) and all(isfinite(cell.power) for cell in cells)
    finding = "" if node.battery_channels else "battery not configured"
    if known and not finding and not all(map(isfinite, channels)):
        finding = CONTRADICTORY
        cells = [cell._replace(power=nan, basis=UNKNOWN, reason=finding) for cell in cells]
    for first in dict.fromkeys(home[name] for name in terminals):
        group = [inverter for inverter in node.inverters if home[inverter.name] == first]
        yield _terminal(group, terminals, [sources[inverter.name] for inverter in group], finding, now, home)
        for inverter in group:
            strings = _strings(inverter.name, first, node, wiring, sources[inverter.name], now)
            yield strings._replace(power=nan, basis=UNKNOWN, reason=finding) if finding == CONTRADICTORY else strings
    yield from cells


def _terminal(
    group: Sequence[DeviceConfig],
    terminals: Mapping[str, float],
    sources: Sequence[Source],
    finding: str,
    now: float,
    home: Mapping[str, str],
) -> WiredFlow:
    """Return the AC terminal of inverters in one place. finding: what is wrong with their registers, "" for nothing."""
    power = sum(terminals[inverter.name] for inverter in group)
    estimated = any(source.terminal is not None and source.terminal.estimated for source in sources)
    if not isfinite(power):
        finding = reason_unknown(next((source for source in sources if not source.answers(now)), sources[0]), now)
    names = tuple(inverter.name for inverter in group)
    basis = _basis(power, COMPUTED if estimated else MEASURED)
    return WiredFlow(names[0], HYBRID, _parent(group[0], home), names, power, basis, finding, *_ports(sources, now))


def _strings(inverter: str, behind: str, node: HybridNode, wiring: SiteWiring, source: Source, now: float) -> WiredFlow:
    """Return the PV strings of an inverter; without a register, what the battery leaves of the terminal."""
    power, basis = max(wiring.points.get(f"{inverter} {STRINGS}", UNREAD).power, 0.0), MEASURED
    if not isfinite(power) and len(node.inverters) == 1:
        power, basis = wiring.shares.get(node.pv_channels[0], UNREAD).power, COMPUTED
    reason = "" if isfinite(power) else reason_unknown(source, now)
    return WiredFlow(f"{inverter} pv", "pv", behind, (inverter,), power, _basis(power, basis), reason)


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
