"""The site as it is wired, drawn as a tree for `check`, and notes about hybrid inverters (METHOD-SITE 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from wattgram.accounts.hybrid_nodes import hybrid_nodes, powered
from wattgram.acquisition.terminal_reading import ESTIMATE_ERROR, is_estimated
from wattgram.config.devices_table import DeviceConfig


def wiring_lines(devices: Sequence[DeviceConfig], netting: str = "busbar") -> list[str]:
    """Return the lines of the tree; [] if nothing stands behind anything.

    netting: of `[grid]`; with "connection", there is a tree for each incomer.
    """
    drawn = powered(devices)
    if not any(device.behind for device in drawn):
        return []
    below: defaultdict[str, list[DeviceConfig]] = defaultdict(list)
    for device in drawn:
        below[device.behind[0] if device.behind else ""].append(device)
    if netting == "connection":
        return [line for device in below[""] for line in (_described(device), *_branches(below, device.name, ""))]
    return ["busbar", *_branches(below, "", "")]


def hybrid_notes(devices: Sequence[DeviceConfig]) -> list[str]:
    """Return what a person should know about the hybrid inverters of a site."""
    notes = []
    named = {device.name for device in devices}
    for node in hybrid_nodes(devices):
        for inverter in node.inverters:
            terminal = inverter.device.terminal if inverter.device else None
            if node.batteries and inverter.device is not None and terminal is None:
                notes.append(
                    f"{inverter.name}: {inverter.driver} describes no AC terminal with a battery behind it; the "
                    "power of the role pv stands for it, and the power of the PV strings is unknown"
                )
            elif terminal is not None and is_estimated(terminal):
                notes.append(
                    f"{inverter.name}: {inverter.driver} has no register of the AC terminal; PV + battery stands for "
                    f"it, with a limit of error of {ESTIMATE_ERROR:.0%}"
                )
        if not node.batteries and any(name not in named for name in node.battery_channels):
            notes.append(
                f"{node.name}: if a battery is connected to this inverter, add it as a device with role battery and "
                "the same url and unit; its capacity and rated power are unknown until then"
            )
    inverters = {inverter.name for node in hybrid_nodes(devices) for inverter in node.inverters}
    notes += [f"{device.name}: {_backup_note(device, inverters)}" for device in devices if device.backup]
    return notes


def _backup_note(device: DeviceConfig, inverters: Collection[str]) -> str:
    """Return what `backup = true` of a device does, or why it does nothing. inverters: names of those with a terminal.

    The registers are preferred as in `terminal_power`.
    """
    if device.name not in inverters:
        of = f" of {device.behind[0]}" if device.behind else ""
        return f"backup has no effect with a battery behind an inverter; set backup in the device{of}"
    if device.device is None:  # a SunSpec inverter describes itself at its first reading, always with its AC power
        return f"backup has no effect: {device.driver} reads the AC power as that of the bridge"
    terminal = device.device.terminal
    if terminal is None or is_estimated(terminal):
        return f"backup has no effect: {device.driver} has no register of the AC terminal"
    if terminal.bridge:
        return f"backup has no effect: {device.driver} reads the bridge ({terminal.bridge[0]})"
    if terminal.backup_power:
        return f"backup has no effect: {device.driver} reads the power of the backup port ({terminal.backup_power[0]})"
    return (
        f"{device.driver} has no register of the backup port; with backup = true the power of the terminal is unknown"
    )


def _branches(below: defaultdict[str, list[DeviceConfig]], name: str, indent: str) -> Iterator[str]:
    children = below[name]
    for index, device in enumerate(children):
        last = index == len(children) - 1
        yield f"{indent}{'└── ' if last else '├── '}{_described(device)}"
        yield from _branches(below, device.name, indent + ("    " if last else "│   "))


def _described(device: DeviceConfig) -> str:
    further = [device.role, *([device.group] if device.group else [])]
    shared = f", shared with {', '.join(device.behind[1:])}" if len(device.behind) > 1 else ""
    return f"{device.name} ({', '.join(further)}){shared}"
