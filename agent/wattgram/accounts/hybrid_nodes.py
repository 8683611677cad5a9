"""Nodes of hybrid inverters: the devices that stand behind one AC terminal, and the channels of the site's accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wattgram_ext.intensity import TERMINAL_ROLE

from wattgram.base.power_roles import POWER_ROLES
from wattgram.config.devices_table import DeviceConfig
from wattgram.config.role_keys import BatteryConfig, EmissionConfig

from .metering_tree import TreeDevice

EXTRA_ROLES = {"pv": "battery", "battery": "pv"}
"""Role of the channel that a hybrid gets beside its own, if no device of the configuration has it."""


@dataclass(frozen=True, slots=True)
class HybridNode:
    """Inverters that share a battery. channels: names of the channels that the terminal is shared out to.

    inverters: devices with a terminal, or whose power is a terminal's. batteries: configured batteries behind them;
    without any, the battery registers of the inverters are read.
    """

    inverters: tuple[DeviceConfig, ...]
    batteries: tuple[DeviceConfig, ...]
    pv_channels: tuple[str, ...]
    battery_channels: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the node: that of its first inverter."""
        return self.inverters[0].name

    @property
    def unsplit_channel(self) -> str:
        """Name of the channel of the terminal, while it is known and its split is not."""
        return f"{self.name} unsplit"

    @property
    def rated_power(self) -> float | None:
        """Rated power of the inverters together, W; None if one is unknown."""
        return _sum_if_known(inverter.rated_power for inverter in self.inverters)

    @property
    def battery_rated_power(self) -> float | None:
        """Rated power of the batteries together, W; None if one is unknown."""
        return _sum_if_known(battery.rated_power for battery in self.batteries) if self.batteries else None


def hybrid_nodes(devices: Sequence[DeviceConfig]) -> tuple[HybridNode, ...]:
    """Return the nodes of a site: inverters with a battery behind them, or whose maps have a terminal.

    A SunSpec inverter describes itself at its first reading, so it is a node from the beginning, and has no channel of
    a battery that the configuration does not name.
    """
    devices = powered(devices)
    pv = {device.name: device for device in devices if device.role == "pv"}
    behind = [device for device in devices if device.role == "battery" and any(name in pv for name in device.behind)]
    groups: list[set[str]] = []
    for battery in behind:
        names = {name for name in battery.behind if name in pv}
        joined = [group for group in groups if group & names]
        groups = [group for group in groups if group not in joined] + [names.union(*joined)]
    nodes = []
    for group in groups:
        inverters = tuple(device for name, device in pv.items() if name in group)
        batteries = tuple(battery for battery in behind if group & set(battery.behind))
        nodes.append(_node(inverters, batteries))
    grouped = set().union(*groups)
    nodes += [_node((device,), ()) for name, device in pv.items() if name not in grouped and _is_inverter(device)]
    nodes += [
        HybridNode((device,), (), (f"{device.name} pv",), (device.name,))
        for device in devices
        if device.role == "battery" and device not in behind and device.device is not None and device.device.terminal
    ]
    return tuple(nodes)


def channels_of(devices: Sequence[DeviceConfig]) -> tuple[DeviceConfig, ...]:
    """Return the channels of the accounts: the devices with a power, each with the channels that its hybrid adds.

    These are its battery or its PV, if no device has it, and at the end its terminal.
    """
    nodes = {node.name: node for node in hybrid_nodes(devices)}
    terminals: list[DeviceConfig] = []
    channels: list[DeviceConfig] = []
    for device in powered(devices):
        channels.append(device)
        if node := nodes.get(device.name):
            names = (*node.pv_channels, *node.battery_channels)
            channels += [_added(device, name, EXTRA_ROLES[device.role]) for name in names if " " in name]
            terminals.append(_added(device, node.unsplit_channel, TERMINAL_ROLE))
    return (*channels, *terminals)


def terminals_of(devices: Sequence[DeviceConfig], channels: Sequence[DeviceConfig]) -> tuple[int, ...]:
    """Return for each channel the index of the terminal that contains it, -1 for none; as `Accounts`."""
    names = [channel.name for channel in channels]
    terminals = {
        name: names.index(node.unsplit_channel)
        for node in hybrid_nodes(devices)
        for name in (*node.pv_channels, *node.battery_channels)
    }
    return tuple(terminals.get(name, -1) for name in names)


def tree_of(devices: Sequence[DeviceConfig]) -> tuple[TreeDevice, ...]:
    """Return the devices with a power as a tree; sub-meters of vehicles have the group transport by default."""
    return tuple(
        TreeDevice(
            device.name,
            device.behind[0] if device.behind else "",
            metering=device.role in ("load", "ev"),
            source=device.role not in ("load", "ev", "grid"),
            group=device.group or ("transport" if device.role == "ev" else ""),
        )
        for device in powered(devices)
    )


def powered(devices: Sequence[DeviceConfig]) -> list[DeviceConfig]:
    """Return the devices whose power belongs to the balance."""
    return [device for device in devices if device.role in POWER_ROLES and not device.unsuitable]


def _node(inverters: tuple[DeviceConfig, ...], batteries: tuple[DeviceConfig, ...]) -> HybridNode:
    channels = tuple(battery.name for battery in batteries)
    if not channels and inverters[0].device is not None:
        channels = (f"{inverters[0].name} battery",)
    return HybridNode(inverters, batteries, tuple(inverter.name for inverter in inverters), channels)


def _added(device: DeviceConfig, name: str, role: str) -> DeviceConfig:
    """Return a channel that is no device, with the settings of a device that do not belong to a role."""
    return replace(
        device,
        name=name,
        role=role,
        behind=(),
        rated_power=None,
        battery=BatteryConfig(),
        emission=EmissionConfig(),
    )


def _is_inverter(device: DeviceConfig) -> bool:
    return device.device is None or device.device.terminal is not None


def _sum_if_known(powers: Iterable[float | None]) -> float | None:
    known = list(powers)
    return sum(power for power in known if power) if all(known) else None
