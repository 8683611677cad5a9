"""The site as it is wired, drawn as a tree for `check`, and notes about hybrid inverters (METHOD-SITE 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

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
            elif terminal is not None and terminal.grid_port and not terminal.bridge and inverter.backup:
                notes.append(
                    f"{inverter.name}: {inverter.driver} has no register of the backup port; with backup = true its "
                    "power is unknown"
                )
        if not node.batteries and any(name not in named for name in node.battery_channels):
            notes.append(
                f"{node.name}: if a battery is connected to this inverter, add it as a device with role battery and "
                "the same url and unit; its capacity and rated power are unknown until then"
            )
    return notes


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
