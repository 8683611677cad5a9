"""Hybrid inverters and nested sub-meters in the live test: flows into the site, and the loss of the conversion."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import NamedTuple

from wattgram.accounts.conversion_loss import loss_finding
from wattgram.accounts.hybrid_nodes import HybridNode, hybrid_nodes, tree_of
from wattgram.accounts.hybrid_split import HybridSplit, limits_of, split_power
from wattgram.accounts.metering_tree import own_uses
from wattgram.acquisition.terminal_reading import NodeReading

from .live_device import LiveDevice
from .live_finding import LiveFinding


class LiveNode(NamedTuple):
    """A hybrid's node in one reading; powers in W, NaN if unknown. shared: it has a battery."""

    node: HybridNode
    terminals: dict[str, float]
    reading: NodeReading
    split: HybridSplit
    shared: bool


def live_nodes(devices: Sequence[LiveDevice]) -> list[LiveNode]:
    """Return the hybrids of a site with their powers."""
    latest = {device.name: device.source.latest for device in devices}
    found = []
    for node in hybrid_nodes([device.source.config for device in devices]):
        readings: dict[str, NodeReading] = {}
        for inverter in node.inverters:
            taken = latest[inverter.name]
            role_power = NodeReading(terminal=taken.power) if taken else NodeReading()
            readings[inverter.name] = (taken.node if taken else None) or role_power
        own = sum(reading.battery for reading in readings.values())
        named = sum(taken.power if (taken := latest[battery.name]) else nan for battery in node.batteries)
        terminals = {name: reading.terminal for name, reading in readings.items()}
        total = NodeReading(
            sum(terminals.values()),
            sum(reading.pv for reading in readings.values()),
            named if node.batteries and isfinite(named) else own,
            sum(reading.backup for reading in readings.values()),
            any(reading.estimated for reading in readings.values()),
        )
        limits = limits_of(node.rated_power, node.battery_rated_power)
        split = split_power(total.terminal, total.pv, total.battery, limits)
        shared = bool(node.batteries) or abs(total.battery) >= limits.noise or node.inverters[0].role == "battery"
        found.append(LiveNode(node, terminals, total, split, shared))
    return found


def site_flows(devices: Sequence[LiveDevice]) -> dict[str, float]:
    """Return the flow of each device, W in its role's direction: that of a hybrid is its terminal's, once."""
    flows = {device.name: latest.power if (latest := device.source.latest) else nan for device in devices}
    for live in live_nodes(devices):
        if live.shared:
            own_use = live.split.pv + live.split.battery == 0.0
            flows |= {name: max(power, 0.0) if own_use else power for name, power in live.terminals.items()}
            flows |= {battery.name: 0.0 for battery in live.node.batteries}
    return flows


def metered_use(devices: Sequence[LiveDevice], flows: dict[str, float]) -> float:
    """Return what the sub-meters count of the site's load, W; nested sub-meters count once."""
    uses = own_uses(tree_of([device.source.config for device in devices]))
    return sum(use.of(flows) for use in uses)


def loss_findings(devices: Sequence[LiveDevice]) -> list[tuple[str, LiveFinding]]:
    """Return for each hybrid its loss as a note, or what is wrong with its registers."""
    found = []
    for live in live_nodes(devices):
        reading, name = live.reading, live.node.name
        loss = reading.pv + reading.battery - reading.terminal
        if not live.shared or not isfinite(loss) or reading.estimated:
            continue
        parts = (
            f"PV {reading.pv / 1000:.3f} + battery {reading.battery / 1000:.3f} - terminal "
            f"{reading.terminal / 1000:.3f} = {loss / 1000:.3f} kW"
        )
        wrong = loss_finding(reading.terminal, reading.pv, reading.battery, reading.backup, live.node.rated_power)
        if wrong:
            found.append((name, LiveFinding("loss", f"{wrong} ({parts})")))
        elif live.split.contradictory:
            text = f"{parts}, and the terminal draws more than the inverter consumes: the battery's sign is wrong?"
            found.append((name, LiveFinding("contradiction", text)))
        else:
            found.append((name, LiveFinding("loss", f"{parts}: the loss of the conversion", question=True)))
    return found
